"""In which order models draw patterns from a table: in a new one in each epoch."""

from typing import Any

import numpy as np
from keras import ops

from keras_rnncap.dropout import hashed
from keras_rnncap.errors import InputError

MOST_PATTERNS = 2**20
"""Patterns of a table at most: products of places stay below 2^31."""
_SPLIT = 2**10


def _primes(low: int, high: int) -> np.ndarray:
    """Returns the primes in [low, high), by the sieve of Eratosthenes."""
    prime = np.ones(high, bool)
    for number in range(2, int(high**0.5) + 1):
        prime[number * number :: number] = False
    return np.flatnonzero(prime[low:]).astype("int32") + np.int32(low)


FACTORS = _primes(2**15, 2**16)


def check_patterns(count: int) -> None:
    """Raises `InputError` if a table would have too many patterns."""
    if count > MOST_PATTERNS:
        raise InputError(f"patterns that models draw from must be at most {MOST_PATTERNS:,}; got {count:,}: take fewer")


def shuffled(batches: Any, size: int, patterns: Any) -> Any:
    """Returns the places in a table of the next batch of some models, shape `(models, size)`.

    An epoch has `ceil(patterns / size)` batches. Its position p has the place `(a p + c) mod patterns`, with a prime a
    that does not divide the number of patterns, so that each pattern comes once; where the last batch is longer than
    what is left, it goes on at the first position. A hash of the epoch's number chooses a and c: any two patterns
    whose distance shares no large factor with the number of patterns are about equally often in one batch.

    Args:
        batches: Batches that each model has drawn before, `(models, 1)`, integers.
        size: Patterns in a batch.
        patterns: Each model's number of patterns, likewise, in [1, 2^20]: it draws from so many first ones.

    Example:
    >>> tuple(shuffled(np.array([[0], [1]]), 4, np.array([[8], [8]])).shape)
    (2, 4)
    """
    batches, patterns = ops.cast(batches, "int32"), ops.cast(patterns, "int32")
    in_epoch = (patterns + (size - 1)) // size
    epoch = batches // in_epoch
    position = (batches % in_epoch * size + ops.arange(size, dtype="int32")) % patterns
    chosen = hashed(epoch)
    index = ops.cast(chosen % np.uint32(len(FACTORS)), "int32")
    factor, other = (ops.take(FACTORS, (index + further) % len(FACTORS)) for further in (0, 1))
    factor = ops.where(patterns % factor == 0, other, factor) % patterns
    start = ops.cast(hashed(chosen) % ops.cast(patterns, "uint32"), "int32")
    # The product of two places may be above 2^31; those of a place and less than 2^10 are not.
    high, low = position // _SPLIT, position % _SPLIT
    return (high * (_SPLIT * factor % patterns) + low * factor + start) % patterns
