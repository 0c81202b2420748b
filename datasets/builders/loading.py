"""Has TensorFlow Datasets load what a task needs, and says what else can be done where that fails."""

from __future__ import annotations

import logging
from typing import Any

import tensorflow_datasets as tfds

from keras_rnncap.datasets.generated import SPLITS
from keras_rnncap.errors import InputError

RETRIES = 3
"""TensorFlow Datasets tries 10 times, over three minutes, before it says that there is no network."""


def load_examples(name: str, other_ways: str, source: str) -> dict[Any, list[dict[str, Any]]]:
    """Returns the examples of each split, downloaded once.

    Args:
        name: The builder's name, with its configuration: `"polyphonic_music/nottingham"`.
        other_ways: What a user can do instead, for the error.
        source: Where TensorFlow Datasets downloads it from, for the error.

    Raises:
        InputError: If they cannot be had.
    """
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # a line for each of many tries says nothing more
    from tensorflow_datasets.core.download import downloader

    tries, downloader.MAX_RETRIES = downloader.MAX_RETRIES, RETRIES
    try:
        builder = tfds.builder(name)
        builder.download_and_prepare()
    except Exception as error:  # what a failed download raises depends on how it failed
        cause = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
        raise InputError(
            f"{name} is not at hand. There are these ways to it: {other_ways}; or let TensorFlow Datasets "
            f"download it from {source}, which failed just now: {cause}"
        ) from error
    finally:
        downloader.MAX_RETRIES = tries
    return {split: list(tfds.as_numpy(builder.as_dataset(split=split))) for split in SPLITS}
