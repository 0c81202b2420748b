"""How much information a model stores about a set of random labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import entr

from keras_rnncap.errors import InputError


def mutual_information_bits(patterns: Any, accuracy: Any) -> Any:
    """Returns the mutual information between random binary labels and a model's answers, in bits.

        I = b + b (p log2 p + (1 - p) log2 (1 - p))

    with b patterns of which the fraction p is classified correctly. Source: Collins et al. (2017), eq. 21-22.

    It assumes equally frequent, independent labels and errors as frequent for either label. With b of a few dozens the
    estimate is biased upwards: guesses that are right with a frequency other than exactly 1/2 count as information; at
    chance the expectation is about 1 / (2 ln 2) = 0.72 bits, whatever b is.

    Args:
        patterns: b, at least 0; a number or an array.
        accuracy: p, in [0, 1]; a number or an array that broadcasts with it.

    Returns:
        Bits, in [0, b]; a float for numbers, an array for arrays.

    Raises:
        InputError: If a value is out of its range or not a number.

    Example:
    >>> mutual_information_bits(1000, 1.0), mutual_information_bits(1000, 0.5)
    (1000.0, 0.0)
    """
    b, p = _numbers(patterns), _numbers(accuracy)
    if not ((b >= 0) & np.isfinite(b)).all():
        raise InputError(f"patterns must be finite and at least 0; got {patterns!r}")
    if not ((p >= 0) & (p <= 1)).all():
        raise InputError(f"accuracy must be in [0, 1]; got {accuracy!r}")
    binary_entropy = (entr(p) + entr(1 - p)) / np.log(2)
    bits = b * np.maximum(1 - binary_entropy, 0)
    return bits if bits.ndim else float(bits)


def bits_per_parameter(bits: Any, parameters: Any) -> Any:
    """Returns the information stored for each trainable parameter.

    Args:
        bits: Stored information, in bits.
        parameters: Number of trainable parameters, at least 1.

    Raises:
        InputError: If there are no parameters.

    Example:
    >>> bits_per_parameter(1500.0, 300)
    5.0
    """
    if not (_numbers(parameters) >= 1).all():
        raise InputError(f"parameters must be at least 1; got {parameters!r}")
    return bits / parameters


def _numbers(values: Any) -> np.ndarray:
    """Returns values as floats, NaN for all where one is no number: NaN is within no range."""
    try:
        return np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        return np.asarray(np.nan)
