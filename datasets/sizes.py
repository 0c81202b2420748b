"""Limits on the sizes of tasks, checked before memory is asked for."""

from __future__ import annotations

from keras_rnncap.errors import InputError, check_integer

LONGEST, WIDEST = 100_000, 100_000
"""Most time steps and most features of a sample."""
LARGEST_SAMPLE = 4_000_000
"""Most numbers of a sample, time steps times features: 16 MB, and a batch has hundreds of samples."""
LARGEST_SET = 4_000_000_000
"""Most numbers of a set of samples that is made as a whole: 16 GB."""


def check_sample(length: object, input_dim: object) -> tuple[int, int]:
    """Returns the sizes of a sample as integers; raises `InputError` where one is out of range, or their product."""
    steps, features = check_integer("length", length, 1, LONGEST), check_integer("input_dim", input_dim, 1, WIDEST)
    if steps * features > LARGEST_SAMPLE:
        raise InputError(
            f"{steps:,} time steps of {features:,} inputs are {steps * features:,} numbers a sample, more than "
            f"{LARGEST_SAMPLE:,}; take fewer of either"
        )
    return steps, features


def check_set(name: str, count: int, numbers: int) -> None:
    """Raises `InputError` where a set of so many samples, made as a whole, would be too large."""
    if count * numbers > LARGEST_SET:
        raise InputError(
            f"{count:,} {name} of {numbers:,} numbers are {count * numbers:,} in all, more than {LARGEST_SET:,}; take "
            f"fewer {name}, or shorter or narrower ones"
        )
