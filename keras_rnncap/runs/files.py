"""Files that are never half written, and what a full or missing disk says."""

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
"""Errors of a disk."""
GONE = (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE)
"""Errors of a disk where they name a file of the run."""
MINE = f".rnncap-tmp-{zlib.crc32(platform.node().encode()):08x}-"
"""What the names of folders for unfinished files begin with on this machine; the number of the process follows."""
LEFTOVER = re.compile(r"\.rnncap-tmp-[0-9a-f]{8}-(\d+)-[0-9a-z_]{8}")
"""The names of such folders of any machine."""


def disk_trouble(error: Exception, folder: Path) -> str | None:
    """Returns what is wrong with the disk, if that is what an error says; else `None`."""
    if isinstance(error, OSError) and error.errno is not None:
        named = error.filename is not None and folder in Path(str(error.filename)).parents
        if error.errno in FULL or (error.errno in GONE and (named or not folder.exists())):
            return os.strerror(error.errno)
    # TensorFlow and h5py raise errors of their own for what the system told them.
    return next((os.strerror(code) for code in FULL if os.strerror(code).lower() in str(error).lower()), None)


def temporary_folder(parent: Path) -> Path:
    """Makes a folder for unfinished files, named after the machine and the process."""
    return Path(tempfile.mkdtemp(prefix=f"{MINE}{os.getpid()}-", dir=parent))


def remove_leftovers(folder: Path, alone: bool = False) -> None:
    """Removes the unfinished files of killed processes in a folder, if there is one, but not below it.

    Args:
        folder: The folder.
        alone: Whether no other process can be writing there. Otherwise only files of processes of this machine that
            have ended are removed.
    """
    if not folder.is_dir():
        return
    for item in folder.iterdir():
        if is_leftover(item) and (alone or _owner_has_ended(item.name)):
            shutil.rmtree(item, ignore_errors=True)


def is_leftover(item: Path) -> bool:
    """Whether something is a folder of unfinished files, of any process."""
    return bool(LEFTOVER.fullmatch(item.name)) and item.is_dir() and not item.is_symlink()


def _owner_has_ended(name: str) -> bool:
    match = LEFTOVER.fullmatch(name)
    if match and name.startswith(MINE) and os.name != "nt":  # which has no signal 0
        try:
            os.kill(int(match[1]), 0)
        except ProcessLookupError:
            return True
        except (OSError, OverflowError):
            pass
    return False


@contextlib.contextmanager
def replacing(path: Path, once: bool = False) -> Iterator[Path]:
    """Yields a temporary path; what is written there takes the place of `path` if the block ends without an error.

    A file is replaced in one step, a folder in two: a process killed between them leaves none of that name. With
    `once`, a folder that exists stays, and `OSError` is raised.
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
    """Moves `new` to `path`, and a folder that exists there to `old`, from where it returns if that fails."""
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
    for file in [path, *path.rglob("*")]:
        if file.is_file():
            with file.open("rb") as stream:
                os.fsync(stream.fileno())


def read_json(path: Path, mend: str) -> dict[str, Any]:
    """Returns the object in a JSON file; raises `InputError`, with how to mend it, if it holds none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError(f"it holds {content!r}, not an object")
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged ({error}); {mend}") from error
    return content


def check_kinds(name: str, content: dict[str, Any], kinds: dict[str, Any]) -> None:
    """Raises `InputError` if the content of a file lacks a key, or a value is not of its type."""
    for key, kind in kinds.items():
        if not isinstance(content.get(key), kind):
            raise InputError(f"{name} is damaged: {key} is {content.get(key)!r:.80}")


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Writes a JSON file in one step."""
    with replacing(path) as new:
        new.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
