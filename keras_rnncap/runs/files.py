"""Files that are never half written, and what a full or missing disk says."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import platform
import re
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from keras_rnncap.errors import InputError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
GONE = (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE)
"""Errors of a disk: wherever they come from, and where they name a file of the run."""


def disk_trouble(error: Exception, folder: Path) -> str | None:
    """Returns what is wrong with the disk in plain words, if that is what an error says; else `None`.

    TensorFlow and h5py raise errors of their own for what the system told them.
    """
    number = error.errno if isinstance(error, OSError) else None
    if number in FULL:
        return os.strerror(number or 0)
    named = isinstance(error, OSError) and error.filename is not None and folder in Path(str(error.filename)).parents
    if number in GONE and (named or not folder.exists()):
        return os.strerror(number or 0)
    return next((os.strerror(code) for code in FULL if os.strerror(code).lower() in str(error).lower()), None)


LEFTOVER = re.compile(r"\.rnncap-tmp-[0-9a-f]{8}-(\d+)-[0-9a-z_]{8}")


def temporary_folder(parent: Path) -> Path:
    """Makes a folder for unfinished files whose name says whose it is: the machine's and the process' number."""
    return Path(tempfile.mkdtemp(prefix=f".rnncap-tmp-{_machine()}-{os.getpid()}-", dir=parent))


def remove_leftovers(folder: Path, alone: bool = False) -> None:
    """Removes the unfinished files in a folder that processes of this package left there when they were killed.

    Args:
        folder: The folder; nothing below it is looked at, and nothing happens if there is none.
        alone: Whether no other process can be writing there. Otherwise only what processes of this machine left that
            are no more is removed.
    """
    if not folder.is_dir():
        return
    for item in folder.iterdir():
        if is_leftover(item) and (alone or _owner_is_dead(item.name)):
            shutil.rmtree(item, ignore_errors=True)


def is_leftover(item: Path) -> bool:
    """Whether something is a folder of unfinished files, of any process."""
    return bool(LEFTOVER.fullmatch(item.name)) and item.is_dir() and not item.is_symlink()


def _owner_is_dead(name: str) -> bool:
    match = LEFTOVER.fullmatch(name)
    if match is None or not name.startswith(f".rnncap-tmp-{_machine()}-") or os.name == "nt":  # no signal 0 there
        return False
    try:
        os.kill(int(match[1]), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False


def _machine() -> str:
    return f"{zlib.crc32(platform.node().encode()):08x}"


@contextlib.contextmanager
def replacing(path: Path, once: bool = False) -> Iterator[Path]:
    """Yields a temporary path beside `path`; what is written there takes its place if the block ends without an error.

    A file is replaced in one step, so that a process killed at any instant leaves the old one or the new one. A folder
    is replaced in two: killed between them, it leaves none of that name, never a mixture. With `once`, a folder that is
    there stays, and `OSError` is raised.
    """
    temporary = temporary_folder(path.parent)
    try:
        new = temporary / path.name
        yield new
        _flush(new)
        if once:
            os.rename(new, path)
        else:
            _swap(new, path, temporary / "old")
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _swap(new: Path, path: Path, old: Path) -> None:
    """Moves `new` to `path`; a folder that is there is moved to `old`, and back if that fails."""
    aside = new.is_dir() and path.exists()
    if aside:
        os.replace(path, old)
    try:
        os.replace(new, path)
    except OSError:
        if aside:
            os.replace(old, path)
        raise


def _flush(path: Path) -> None:
    """Waits until a file, or all files of a folder, are on the disk."""
    for file in [path] if path.is_file() else [item for item in path.rglob("*") if item.is_file()]:
        with file.open("rb") as stream:
            os.fsync(stream.fileno())


def read_json(path: Path, mend: str) -> dict[str, Any]:
    """Returns the content of a JSON file; raises `InputError`, with how to mend it, if it holds no JSON object."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError(f"it holds {content!r}, not an object")
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged ({error}); {mend}") from error
    return content


def check_kinds(name: str, content: dict[str, Any], kinds: dict[str, Any]) -> None:
    """Raises `InputError` if what a file holds lacks a key, or has a value of another type than one of some keys."""
    for key, kind in kinds.items():
        if not isinstance(content.get(key), kind):
            raise InputError(f"{name} is damaged: {key} is {content.get(key)!r:.80}")


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Writes a JSON file in one step."""
    with replacing(path) as new:
        new.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
