"""Character corpora: reading them, splitting them, and telling when one is broken."""

from __future__ import annotations

import gzip
import os
import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from keras_rnncap.datasets.task import Split

from keras_rnncap.errors import InputError

ALPHABET = " abcdefghijklmnopqrstuvwxyz"
"""text8's 27 symbols, in the order of their ids."""

_IDS = np.full(256, 255, np.uint8)
_IDS[np.frombuffer(ALPHABET.encode(), np.uint8)] = np.arange(len(ALPHABET))


class Corpus(NamedTuple):
    """A text as symbol ids, in three disjoint stretches.

    Attributes:
        name: What it is, for tables.
        train: Ids in 0 ... 26, dtype uint8.
        validation: Likewise, the stretch after `train`.
        test: Likewise, the stretch after `validation`.
    """

    name: str
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray

    def split(self, split: Split) -> np.ndarray:
        """Returns the ids of a split.

        Raises:
            InputError: If there is no such split.
        """
        if split not in ("train", "validation", "test"):
            raise InputError(f"split must be train, validation or test; got {split!r}")
        return getattr(self, split)


def encode(text: bytes, where: str) -> np.ndarray:
    """Returns the ids of a text.

    Raises:
        InputError: If it has a character outside the alphabet, or none at all; `where` says whose.
    """
    if not text:
        raise InputError(f"{where} is empty")
    ids = _IDS[np.frombuffer(text, np.uint8)]
    wrong = np.flatnonzero(ids == 255)
    if len(wrong):
        raise InputError(
            f"{where} has the byte {text[wrong[0]]:#04x} ({chr(text[wrong[0]])!r}) at offset {wrong[0]:,}, and "
            f"{len(wrong):,} such bytes in all: text8 has the letters a to z and the space only"
        )
    return ids


def decode(ids: np.ndarray) -> str:
    """Returns the text of some ids.

    Example:
    >>> decode(encode(b"so it goes", "the example"))
    'so it goes'
    """
    return "".join(ALPHABET[index] for index in ids)


def split_corpus(name: str, ids: np.ndarray, held_out: int) -> Corpus:
    """Splits a text into train, validation and test, in this order, `held_out` characters each for the last two.

    Raises:
        InputError: If less than half would be left to train on.
    """
    if 4 * held_out > len(ids) or held_out < 100:
        raise InputError(f"{name} has {len(ids):,} characters, too few for two held-out stretches of {held_out:,}")
    train, validation, test = np.split(ids, [len(ids) - 2 * held_out, len(ids) - held_out])
    return Corpus(name, train, validation, test)


def read_bytes(path: Path) -> bytes:
    """Returns the content of a plain, gzip or zip file.

    Raises:
        InputError: If it cannot be read, or ends before its format says.
    """
    try:
        if path.suffix == ".gz":
            with gzip.open(path, "rb") as stream:
                return stream.read()
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                return archive.read(archive.namelist()[0])
        return path.read_bytes()
    except (EOFError, zlib.error, zipfile.BadZipFile, gzip.BadGzipFile, IndexError) as error:
        raise InputError(
            f"{path} is truncated or damaged ({error}); it must be a whole {path.suffix[1:]} file: fetch it again"
        ) from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error


def data_dir() -> Path | None:
    """Returns the folder that `RNNCAP_DATA_DIR` names, if it names one."""
    value = os.environ.get("RNNCAP_DATA_DIR")
    return Path(value) if value else None
