"""Dropout whose masks follow from a seed and the training step, in one model as in a population."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_rnncap.errors import check_integer, check_number, check_seed

HIGHEST_RATE = 0.99


def masks(rates: Any, seeds: Any, steps: Any, place: int, shape: tuple[Any, Any, Any]) -> Any:
    """Returns the dropout masks of some models, 0 or `1 / (1 - rate)`, shape `(time, members, features, batch)`.

    An element is kept by a hash of the model's seed and step, the place, and the
    element's number: the same in any layout, on any backend, and beside whatever other models.

    Args:
        rates: Rate of each model, `(members,)`.
        seeds: Their seeds, likewise, unsigned 32-bit integers.
        steps: The training step of each, likewise.
        place: Which of a model's inputs it is: 0 for that of the first layer, and so on.
        shape: `(time, features, batch)`.
    """
    time, features, batch = (ops.arange(size, dtype="int32") for size in shape)
    number = (time[:, None, None] * shape[1] + features[:, None]) * shape[2] + batch
    key = hashed(hashed(seeds) + ops.cast(steps, "uint32"))
    key = hashed(key + np.uint32(place))
    drawn = hashed(ops.bitwise_xor(hashed(ops.cast(number, "uint32"))[:, None], key[:, None, None]))
    rates = ops.convert_to_tensor(rates)[:, None, None]
    keeps = ops.cast(drawn, rates.dtype) * 2.0**-32 >= rates
    return ops.cast(keeps, rates.dtype) / (1 - rates)


def hashed(x: Any) -> Any:
    """Returns hashes of integers, unsigned of 32 bits: `lowbias32` of Wellons (2018)."""
    x = ops.cast(x, "uint32")
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        x = ops.bitwise_xor(x, ops.right_shift(x, np.uint32(shift))) * np.uint32(factor)
    return ops.bitwise_xor(x, ops.right_shift(x, np.uint32(16)))


@keras.saving.register_keras_serializable("keras_rnncap")
class StepDropout(keras.layers.Layer):
    """Sets some elements of its input to zero in training, others in each time step and training step.

    Source: Zaremba et al. (2014), Recurrent neural network regularization: dropout between layers, none on the
    recurrence. `sequence_model` with `dropout` puts one before each layer and the readout. The number of training steps
    is a weight.

    Args:
        rate: Fraction of the elements, in [0, 0.99]; the others grow by `1 / (1 - rate)`.
        seed: The model's seed.
        place: Which of the model's inputs it is.
        **kwargs: What every Keras layer takes.

    Call arguments:
        inputs: Tensor of shape `(batch, time, features)` or `(batch, features)`.
        training: Whether to drop.

    Example:
    >>> layer = StepDropout(0.5, seed=1)
    >>> sorted(set(np.unique(layer(np.ones((2, 3, 40), "float32"), training=True)).tolist()))
    [0.0, 2.0]
    """

    def __init__(self, rate: float, seed: int = 0, place: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = check_number("rate", rate, 0.0, HIGHEST_RATE)
        self.seed, self.place = check_seed(seed), check_integer("place", place, 0)
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        """Creates the count of steps."""
        del input_shape
        self.step = self.add_weight(shape=(), dtype="int32", initializer="zeros", trainable=False, name="step")
        self.built = True

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Returns the inputs, or in training those that are kept."""
        if not training:
            return inputs
        batch, *time, features = ops.shape(inputs)
        step = ops.convert_to_tensor(self.step)
        rate, seed = np.full(1, self.rate, self.compute_dtype), np.full(1, self.seed, "uint32")
        mask = masks(rate, seed, step[None], self.place, ((*time, 1)[0], features, batch))[:, 0]
        self.step.assign(step + 1)
        return inputs * ops.reshape(ops.transpose(mask, (2, 0, 1)), ops.shape(inputs))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return super().get_config() | {"rate": self.rate, "seed": self.seed, "place": self.place}
