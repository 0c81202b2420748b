"""Models whose weights are rounded to few bits after training."""

import keras
import numpy as np

from keras_rnncap.errors import InputError, check_integer


def quantize(values: np.ndarray, bits: int) -> np.ndarray:
    """Rounds numbers to the nearest of `2**bits` that stand evenly from the least to the largest of them.

        q(w) = a + d round((w - a) / d),   d = (max w - min w) / (2**bits - 1),   a = min w

    Uniform affine quantization, one scale for each array, as converters do it to trained models.

    Args:
        values: Numbers, of any shape.
        bits: From 1 to 32; any other is an `InputError`.

    Example:
    >>> quantize(np.array([0.0, 0.4, 0.7, 3.0]), bits=2).tolist()
    [0.0, 0.0, 1.0, 3.0]
    """
    if check_integer("bits", bits, 1) > 32:
        raise InputError(f"bits must be in [1, 32]; got {bits}")
    values = np.asarray(values)
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    if (step := (high - low) / (2**bits - 1)) == 0:  # also where the numbers are too close for a step between them
        return values.copy()
    return (low + step * np.round((values - low) / step)).astype(values.dtype)


def quantize_model(model: keras.Model, bits: int) -> keras.Model:
    """Returns a copy of a model each of whose trainable weights is rounded by `quantize`.

    Example:
    >>> from keras_rnncap import sequence_model
    >>> model = quantize_model(sequence_model("gru", 8, input_dim=3, output_dim=2), bits=3)
    >>> len(np.unique(model.get_layer("layer_1").cell.kernel)) <= 8
    True
    """
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    for weight in copy.trainable_variables:
        weight.assign(quantize(keras.ops.convert_to_numpy(weight), bits))
    return copy
