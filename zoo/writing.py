"""Models written to disks that may be full."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from keras_rnncap.errors import InputError
from keras_rnncap.runs import disk_trouble, remove_leftovers, replacing


@contextlib.contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Makes one sentence of what the system, TensorFlow and h5py say of a disk.

    Raises:
        InputError: If the block ends with an error that speaks of the disk.
    """
    try:
        yield
    except Exception as error:  # TensorFlow and h5py have errors of their own, of several kinds
        trouble = disk_trouble(error, folder)
        if trouble is None and isinstance(error, OSError):
            trouble = error.strerror or str(error)
        if trouble is None:
            raise
        raise InputError(f"cannot write to {folder}: {trouble}") from error


@contextlib.contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Yields a path to write to, which takes the place of `path` whole; what killed processes left beside it goes.

    Raises:
        InputError: If the disk cannot be written.
    """
    folder = path.absolute().parent
    with writing_to(folder):
        remove_leftovers(folder)
        with replacing(path) as new:
            yield new
