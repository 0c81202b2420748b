"""How a model is trained: optimizer, learning rate, clipping and weight decay of Collins et al. (2017), appendix A."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias, get_args

import keras
import numpy as np

from keras_rnncap.errors import InputError, check_integer, check_number

OptimizerName: TypeAlias = Literal["sgd", "momentum", "rmsprop", "adam"]


@dataclasses.dataclass(frozen=True)
class TrainingSettings:
    """The hyperparameters of a training run.

    Attributes:
        steps: Number of training steps N.
        optimizer: `"sgd"`, `"momentum"` (SGD with momentum), `"rmsprop"` or `"adam"`.
        learning_rate: lr_0; at step t the learning rate is `lr_0 * decay^(t/N)`. The paper: log-uniform in [1e-4,
            1e-1].
        learning_rate_decay: `decay`, in (0, 1]. The paper: log-uniform in [1e-3, 1].
        momentum: The "momentum-like parameter", in [0, 1): the momentum of SGD and of RMSProp, Adam's beta_1. The
            paper: `sigmoid(u)` with u uniform in [1, 7]. Second-order decay rates and epsilons stay at Keras' defaults.
        clip_norm: Largest global norm of the gradient. The paper: log-uniform in [1, 100].
        l2: Factor on the sum of squares of all weights, added to the loss. The paper: log-uniform in [1e-8, 1e-3].
        loss_saturation: q, in [0, 1]; see `SaturatedLoss`. The paper: 0, the loss as it is.

    Raises:
        InputError: If a value is out of its range.
    """

    steps: int
    optimizer: OptimizerName = "adam"
    learning_rate: float = 1e-2
    learning_rate_decay: float = 1e-2
    momentum: float = 0.9
    clip_norm: float = 10.0
    l2: float = 0.0
    loss_saturation: float = 0.0

    def __post_init__(self) -> None:
        """Checks all values."""
        check_integer("steps", self.steps, 1)
        if self.optimizer not in get_args(OptimizerName):
            raise InputError(f"optimizer must be one of {', '.join(get_args(OptimizerName))}; got {self.optimizer!r}")
        check_number("learning_rate", self.learning_rate, 0.0)
        check_number("learning_rate_decay", self.learning_rate_decay, 1e-12, 1.0)
        check_number("momentum", self.momentum, 0.0, 1.0 - 1e-9)
        check_number("clip_norm", self.clip_norm, 1e-12)
        check_number("l2", self.l2, 0.0)
        check_number("loss_saturation", self.loss_saturation, 0.0, 1.0)

    def minimized(self, loss: keras.losses.Loss) -> keras.losses.Loss:
        """Returns what is minimized for a task's loss: the same, saturated if it is to be."""
        return SaturatedLoss(loss, self.loss_saturation) if self.loss_saturation else loss

    def saturated(self, loss: float) -> float:
        """Returns a sample's loss as it counts in training."""
        return float(saturate(loss, self.loss_saturation))

    def make_optimizer(self) -> keras.optimizers.Optimizer:
        """Returns the Keras optimizer with this schedule and clipping."""
        rate = keras.optimizers.schedules.ExponentialDecay(
            self.learning_rate, decay_steps=self.steps, decay_rate=self.learning_rate_decay
        )
        if self.optimizer == "sgd":
            return keras.optimizers.SGD(rate, global_clipnorm=self.clip_norm)
        if self.optimizer == "momentum":
            return keras.optimizers.SGD(rate, momentum=self.momentum, global_clipnorm=self.clip_norm)
        if self.optimizer == "rmsprop":
            return keras.optimizers.RMSprop(rate, momentum=self.momentum, global_clipnorm=self.clip_norm)
        return keras.optimizers.Adam(rate, beta_1=self.momentum, global_clipnorm=self.clip_norm)


def saturate(losses: Any, saturation: Any) -> Any:
    """Returns `(1 - exp(-q L)) / q` for losses L and saturations q; where q is 0, L itself."""
    some = keras.ops.where(saturation > 0, saturation, 1.0)
    return keras.ops.where(saturation > 0, -keras.ops.expm1(-some * losses) / some, losses)


@keras.saving.register_keras_serializable("keras_rnncap")
class SaturatedLoss(keras.losses.Loss):
    """A loss of which large values count less: `(1 - exp(-q L)) / q` for the loss L of a sample.

    Of a cross-entropy this is the generalized cross-entropy of Zhang and Sabuncu (2018), `(1 - p^q) / q` for the
    probability p of the right answer: near `q = 0` the cross-entropy, at `q = 1` the probability of a wrong answer. A
    sample's gradient is `p^q` times that of its cross-entropy, so that samples which are hopelessly wrong no longer
    pull at weights that serve others. For scores that count right answers, where not all can be right.

    Args:
        loss: The loss, not negative; a sample's, or that of a time step, is saturated before the mean is taken.
        saturation: q, in [0, 1].
        name: Its name.
        reduction: As for Keras' losses; `None` takes that of `loss`.
        dtype: As for Keras' losses.

    Example:
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
        super().__init__(name=name, reduction=reduction or loss.reduction, dtype=dtype)
        self.loss = loss
        self.saturation = check_number("saturation", saturation, 0.0, 1.0)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Returns the saturated loss of each sample."""
        return saturate(self.loss.call(y_true, y_pred), self.saturation)

    def get_config(self) -> dict[str, Any]:
        """Returns the loss and q."""
        loss = keras.losses.serialize(self.loss)
        return super().get_config() | {"loss": loss, "saturation": self.saturation}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> SaturatedLoss:
        """Returns the loss with this configuration."""
        return cls(**config | {"loss": keras.losses.deserialize(config["loss"])})


STEPS_PER_EXECUTION = 100
"""Training steps in one call of the compiled graph: at a few hundred parameters, calls cost more than steps."""


def compile_model(
    model: keras.Model,
    loss: keras.losses.Loss,
    settings: TrainingSettings,
    weighted_metrics: Sequence[keras.metrics.Metric] = (),
) -> None:
    """Compiles a model to be trained with these settings."""
    if settings.l2:
        for weight in model.trainable_variables:
            weight.regularizer = keras.regularizers.L2(settings.l2)
    model.compile(
        settings.make_optimizer(),
        settings.minimized(loss),
        weighted_metrics=list(weighted_metrics),
        steps_per_execution=min(STEPS_PER_EXECUTION, settings.steps),
        # In TensorFlow XLA is no faster on CPUs for a single model, and takes seconds; JAX without it runs op by op.
        jit_compile=keras.backend.backend() == "jax",
    )


class StopWhenDiverged(keras.callbacks.Callback):
    """Ends training when the loss is NaN or infinite; Keras' `TerminateOnNaN`, but silent."""

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Called by Keras after each call of the compiled graph."""
        del batch
        if not math.isfinite((logs or {}).get("loss", 0.0)):
            self.model.stop_training = True


def fit(model: keras.Model, data: Any, callbacks: Sequence[keras.callbacks.Callback] = (), loss: str = "loss") -> float:
    """Trains a compiled model once on each batch of a data set, which may be thousands of repetitions of one batch.

    One epoch, however long: epochs of a step or a few cost more than the steps.

    Args:
        model: The model.
        data: A finite data set of batches.
        callbacks: Keras callbacks.
        loss: What of Keras' history is returned: the name of a metric, or all that is minimized.

    Returns:
        Its mean over the steps; NaN if it, or a weight, became NaN or infinite, where training ends early.
    """
    history = model.fit(data, verbose=0, shuffle=False, callbacks=[StopWhenDiverged(), *callbacks])
    mean = history.history[loss][-1]
    weights = (keras.ops.convert_to_numpy(weight) for weight in model.trainable_variables)
    return mean if math.isfinite(mean) and all(np.isfinite(weight).all() for weight in weights) else math.nan
