"""Models written to disks that may be full."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from keras_rnncap.errors import InputError
from keras_rnncap.runs import disk_trouble, remove_leftovers, replacing


@contextlib.contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Turns errors of the disk, whether of the system, TensorFlow or h5py, into an `InputError`."""
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
    """Yields a path to write to, which then replaces `path`; raises `InputError` if the disk cannot be written."""
    folder = path.absolute().parent
    with writing_to(folder):
        remove_leftovers(folder)
        with replacing(path) as new:
            yield new
