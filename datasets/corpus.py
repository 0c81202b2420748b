"""Files with data: reading them, and telling when one is broken; texts of characters."""

import contextlib
import gzip
import io
import lzma
import os
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from keras_rnncap.datasets.generated import split_number, symbol_ids
from keras_rnncap.datasets.task import Split
from keras_rnncap.errors import InputError

ALPHABET = " abcdefghijklmnopqrstuvwxyz"
"""text8's 27 symbols, in the order of their ids."""
LARGEST_CONTENT = 10**9
"""Bytes of a file, unpacked: ten times text8."""
CHUNK = 2**20
DAMAGED = (EOFError, ValueError, MemoryError, OverflowError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)
"""What Python's and NumPy's readers raise of a damaged file."""


class Corpus(NamedTuple):
    """The name of a text, and its symbols' ids, 0 to 26, dtype uint8, in three stretches that follow each other."""

    name: str
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray

    def split(self, split: Split) -> np.ndarray:
        """Returns the ids of a split; raises `InputError` if there is no such split."""
        return self[1:][split_number(split)]


def encode(text: bytes, where: str) -> np.ndarray:
    """Returns the ids of a text; raises `InputError`, naming `where`, if it is empty or has other characters."""
    if not text:
        raise InputError(f"{where} is empty")
    if wrong := text.translate(None, ALPHABET.encode()):
        offset = text.index(wrong[0])
        raise InputError(
            f"{where} has the byte {wrong[0]:#04x} ({chr(wrong[0])!r}) at offset {offset:,}, and {len(wrong):,} such "
            "bytes in all: text8 has the letters a to z and the space only"
        )
    return symbol_ids(text, ALPHABET)


def decode(ids: np.ndarray) -> str:
    """Returns the text of some ids."""
    return "".join(ALPHABET[index] for index in ids)


def split_corpus(name: str, ids: np.ndarray, held_out: int) -> Corpus:
    """Returns a text whose last `held_out` characters are the test split, those before them the validation split."""
    if 4 * held_out > len(ids) or held_out < 100:
        raise InputError(f"{name} has {len(ids):,} characters, too few for two held-out stretches of {held_out:,}")
    train, validation, test = np.split(ids, [len(ids) - 2 * held_out, len(ids) - held_out])
    return Corpus(name, train, validation, test)


def read_bytes(path: Path) -> bytes:
    """Returns the content of a plain or gzip file, or of the first file in a zip file, up to `unpacked_limit`."""
    content = io.BytesIO()
    with reading(path, f"it must be a whole {path.suffix[1:]} file: fetch it again"), _opened(path) as stream:
        limit = unpacked_limit(path)
        while chunk := stream.read(CHUNK):
            if content.tell() + len(chunk) > limit:
                raise too_large(path, limit)
            content.write(chunk)
    return content.getvalue()  # not a copy


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[io.BufferedIOBase | IO[bytes]]:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            files = [member for member in archive.infolist() if not member.is_dir()]
            if not files:
                raise zipfile.BadZipFile("it holds no file")
            with archive.open(files[0]) as member:
                yield member
    else:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            yield stream


@contextlib.contextmanager
def reading(path: Path, form: str) -> Iterator[None]:
    """Turns errors in reading and unpacking `path` within the block into an `InputError`, which states its `form`."""
    try:
        yield
    except InputError:
        raise
    except RuntimeError as error:  # also of what is encrypted, or packed by a method that Python does not know
        raise InputError(f"{path} cannot be unpacked ({error}); {form}, and needs no password") from error
    except (*DAMAGED, gzip.BadGzipFile) as error:
        raise InputError(f"{path} is truncated or damaged ({error}); {form}") from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error


def unpacked_limit(path: Path) -> int:
    """Returns the bytes that a file may unpack to: 100 million, or a hundred times its size up to 10^9."""
    return min(LARGEST_CONTENT, max(LARGEST_CONTENT // 10, 100 * path.stat().st_size))


def too_large(path: Path, limit: int) -> InputError:
    """Returns the error for a file that unpacks to more than that."""
    return InputError(
        f"{path} holds more than {limit:,} bytes once it is unpacked, too many for a file of its size; at most "
        f"{LARGEST_CONTENT:,} bytes are read, of a packed file a hundred times its size"
    )


def data_dir() -> Path | None:
    """Returns the folder that `RNNCAP_DATA_DIR` names, if it names one."""
    value = os.environ.get("RNNCAP_DATA_DIR")
    return Path(value) if value else None


def in_data_dir(name: str) -> Path | None:
    """Returns a file or folder below `data_dir()`, if it is there."""
    folder = data_dir()
    return folder / name if folder is not None and (folder / name).exists() else None
