"""Lower bounds on the information that a model has captured, in bits: of labels, symbols and numbers."""

from typing import Any

import numpy as np
from scipy.special import entr

from keras_rnncap.errors import InputError


def mutual_information_bits(patterns: Any, accuracy: Any) -> Any:
    """Returns the mutual information between random binary labels and a model's answers, in bits.

        I = b + b (p log2 p + (1 - p) log2 (1 - p))

    with b patterns of which the fraction p is classified correctly. Source: Collins et al. (2017), eq. 21-22.

    It assumes equally frequent, independent labels and errors as frequent for either label. It is biased upwards: at
    chance the expectation is about 1 / (2 ln 2) = 0.72 bits, whatever b is.

    Args:
        patterns: b, at least 0; a number or an array. What is out of its range is an `InputError`.
        accuracy: p, in [0, 1]; a number or an array that broadcasts with it.

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


def prediction_bits(counts: Any, cross_entropy_nats: Any) -> Any:
    """Returns what predictions tell about symbols, at least, in bits for each symbol.

        I(input; symbol) >= max(0, H - C)

    with the entropy H of the symbols and the cross-entropy C of the predictions. Source: Barber and Agakov (2003).

    It assumes samples that the model was not trained on. H is that of the symbols' frequencies among the same samples,
    on average (classes - 1) / (2 samples ln 2) bits too small (Miller, 1955), so that the bound errs on the low side.

    Args:
        counts: How often each symbol came, `(..., classes)`, or sums of weights.
        cross_entropy_nats: C in nats, a mean over the samples, `(...)`; the bits are NaN where it is.

    Example:
    >>> round(float(prediction_bits([500, 500], 0.0)), 6), float(prediction_bits([500, 500], np.log(2)))
    (1.0, 0.0)
    """
    counts = np.asarray(counts, dtype=float)
    totals = np.maximum(counts.sum(axis=-1, keepdims=True), np.finfo(float).tiny)
    entropy = entr(counts / totals).sum(axis=-1)
    return np.maximum(entropy - np.asarray(cross_entropy_nats, dtype=float), 0) / np.log(2)


def reconstruction_bits(variances: Any, squared_errors: Any) -> Any:
    """Returns what a reconstruction tells about a number, in bits.

        I(input; number) >= max(0, 1/2 log2(variance / mean squared error))

    Source: the rate-distortion function of a Gaussian (Cover and Thomas, 2006, theorem 10.3.2).

    It assumes Gaussian numbers. Of others less may do: of uniform ones up to log2(2 pi e / 12) / 2 = 0.25 bits less
    (the Shannon lower bound). The bias is of the order of 1 / samples. Errors below the rounding of float32 count as
    that: there are at most 23 bits.

    Args:
        variances: Variance of each number, at least 0, over the samples that the errors are of.
        squared_errors: Mean squared error of each, at least 0, of the same shape; the bits are NaN where it is.

    Example:
    >>> reconstruction_bits([1.0, 1.0, 1.0], [0.25, 1.0, 2.0]).tolist()
    [1.0, 0.0, 0.0]
    """
    variances, errors = np.asarray(variances, dtype=float), np.asarray(squared_errors, dtype=float)
    least = np.maximum(np.finfo(np.float32).eps ** 2 * variances, np.finfo(float).tiny)
    return np.maximum(0.5 * np.log2(np.maximum(variances, least) / np.maximum(errors, least)), 0)


def bits_per_parameter(bits: Any, parameters: Any) -> Any:
    """Returns the stored bits for each of some trainable parameters; raises `InputError` if there are none.

    Example:
    >>> bits_per_parameter(1500.0, 300)
    5.0
    """
    if not (_numbers(parameters) >= 1).all():
        raise InputError(f"parameters must be at least 1; got {parameters!r}")
    return bits / parameters


def _numbers(values: Any) -> np.ndarray:
    """Returns values as floats; NaN, which is within no range, where one is no number."""
    try:
        return np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        return np.asarray(np.nan)
