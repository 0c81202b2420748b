"""Losses whose large values count less, and weight decay."""

from typing import Any

import keras

from keras_rnncap.errors import InputError, check_number


def saturate(losses: Any, saturation: Any) -> Any:
    """Returns `(1 - exp(-q L)) / q` for losses L and saturations q; where q is 0, L itself."""
    positive = keras.ops.where(saturation > 0, saturation, 1.0)
    return keras.ops.where(saturation > 0, -keras.ops.expm1(-positive * losses) / positive, losses)


@keras.saving.register_keras_serializable("keras_rnncap")
class TemperedLoss(keras.losses.Loss):
    """A loss of logits that are divided by a temperature: below 1, answers count as surer than they are.

    Args:
        loss: The loss, one of logits.
        temperature: What the logits are divided by, above 0.
        name: Its name.
        reduction: As for Keras' losses; `None` takes that of `loss`.
        dtype: As for Keras' losses.

    Raises:
        InputError: If the loss is not one of logits.
    """

    def __init__(
        self,
        loss: keras.losses.Loss,
        temperature: float,
        name: str = "tempered_loss",
        reduction: str | None = None,
        dtype: Any = None,
    ) -> None:
        self.loss = keras.losses.get(loss)
        super().__init__(name=name, reduction=reduction or self.loss.reduction, dtype=dtype)
        self.temperature = check_temperature(self.loss, temperature)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Returns the loss of each sample."""
        return self.loss.call(y_true, y_pred / self.temperature)

    def get_config(self) -> dict[str, Any]:
        """Returns the loss and the temperature."""
        loss = keras.losses.serialize(self.loss)
        return super().get_config() | {"loss": loss, "temperature": self.temperature}


def takes_logits(loss: keras.losses.Loss) -> bool:
    """Returns whether a loss is one of logits, of which a temperature makes sense."""
    return bool(loss.get_config().get("from_logits", False))


def check_temperature(loss: keras.losses.Loss, temperature: float) -> float:
    """Returns the temperature; raises `InputError` if it is not 1 and the loss not one of logits."""
    if temperature != 1.0 and not takes_logits(loss):
        raise InputError(f"loss_temperature must be 1 where the loss is not one of logits; got {temperature}")
    return check_number("loss_temperature", temperature, 1e-6)


@keras.saving.register_keras_serializable("keras_rnncap")
class SaturatedLoss(keras.losses.Loss):
    """A loss whose large values count less: `(1 - exp(-q L)) / q` for the loss L of a sample.

    For a cross-entropy, the generalized cross-entropy of Zhang and Sabuncu (2018): `(1 - p^q) / q` for the probability
    p of the right answer, near `q = 0` the cross-entropy, at `q = 1` the probability of a wrong answer. Its gradient is
    `p^q` times that of the cross-entropy.

    Args:
        loss: The loss of a sample or time step, not negative.
        saturation: q, in [0, 1].
        name: Its name.
        reduction: As for Keras' losses; `None` takes that of `loss`.
        dtype: As for Keras' losses.

    Example:
    >>> import math
    >>> import numpy as np
    >>> loss = SaturatedLoss(keras.losses.BinaryCrossentropy(from_logits=True), saturation=0.5)
    >>> probability = 1 / (1 + math.exp(3.0))  # of the right answer
    >>> round(float(loss(np.ones((1, 1)), np.full((1, 1), -3.0))), 4), round(2 * (1 - probability**0.5), 4)
    (1.5645, 1.5645)
    """

    def __init__(
        self,
        loss: keras.losses.Loss,
        saturation: float,
        name: str = "saturated_loss",
        reduction: str | None = None,
        dtype: Any = None,
    ) -> None:
        self.loss = keras.losses.get(loss)
        super().__init__(name=name, reduction=reduction or self.loss.reduction, dtype=dtype)
        self.saturation = check_number("saturation", saturation, 0.0, 1.0)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Returns the saturated loss of each sample."""
        return saturate(self.loss.call(y_true, y_pred), self.saturation)

    def get_config(self) -> dict[str, Any]:
        """Returns the loss and q."""
        loss = keras.losses.serialize(self.loss)
        return super().get_config() | {"loss": loss, "saturation": self.saturation}


@keras.saving.register_keras_serializable("keras_rnncap")
class AddedL2(keras.regularizers.Regularizer):
    """`l2` times the sum of squares of a weight, added to the weight's own regularizer.

    Args:
        l2: The factor.
        own: The weight's own regularizer; of another `AddedL2`, the one that it adds to.
    """

    def __init__(self, l2: float, own: Any = None) -> None:
        self.l2 = l2
        self.own: Any = own.own if isinstance(own, AddedL2) else keras.regularizers.get(own)

    def __call__(self, x: Any) -> Any:
        """Returns the sum of both."""
        penalty = self.l2 * keras.ops.sum(keras.ops.square(x))
        return penalty if self.own is None else penalty + self.own(x)

    def get_config(self) -> dict[str, Any]:
        """Returns the factor and the weight's own regularizer."""
        return {"l2": self.l2, "own": keras.regularizers.serialize(self.own)}
