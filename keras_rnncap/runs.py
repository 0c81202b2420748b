"""The folder of a run: one run to a folder, one process at a time, and no file ever half written."""

from __future__ import annotations

import contextlib
import csv
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
from types import TracebackType
from typing import Any

import filelock
import pandas as pd

from keras_rnncap.errors import InputError

IDENTITY = "run.json"
LOCK = ".lock"
LATER = ("digest",)
"""Keys of an identity that runs of before lack; those are continued without them."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
GONE = (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE)
"""Errors of a disk: wherever they come from, and where they name a file of the run."""


class RunDirectory:
    """A folder that belongs to one run, for as long as the `with` block lasts to one process.

    `run.json` in it says which run: what was asked for, without what may change when the same run goes on.

    Args:
        path: The folder; it is created if need be.
        identity: What distinguishes this run from others, as JSON values.

    Raises:
        InputError: On entry, if the folder cannot be written, is in use, or holds another run or other people's files.
    """

    def __init__(self, path: str | os.PathLike[str], identity: dict[str, Any]) -> None:
        self.path = Path(path)
        self.identity = identity
        self._lock = filelock.FileLock(self.path / LOCK)

    def __enter__(self) -> RunDirectory:
        """Takes the folder."""
        self._check_writable()
        self._check_ours()
        try:
            self._lock.acquire(timeout=0)
        except filelock.Timeout:
            raise InputError(
                f"{self.path} is in use by another process; wait until it ends, or choose another folder with --out"
            ) from None
        except (OSError, NotImplementedError) as error:
            raise InputError(
                f"cannot lock {self.path / LOCK}: {error}; choose a folder on a file system with locks with --out"
            ) from error
        try:
            self._check_identity()
            for folder in (self.path, self.path / "best"):
                remove_leftovers(folder, alone=True)
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Releases the folder; an error of the disk becomes an `InputError` that says how to go on."""
        self._lock.release()
        if isinstance(error, Exception) and (trouble := disk_trouble(error, self.path)):
            raise InputError(
                f"cannot write to {self.path}: {trouble}. What was finished before is kept: mend this, and the same "
                "command continues"
            ) from error

    def __truediv__(self, name: str) -> Path:
        """Returns the path of a file in the folder."""
        return self.path / name

    def _check_writable(self) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.path):
                pass
        except OSError as error:
            raise InputError(
                f"cannot write to {self.path}: {error.strerror or error}; choose another folder with --out"
            ) from error

    def _check_ours(self) -> None:
        """Raises `InputError` if there are files and no run; only the lock and unfinished files may be there."""
        if (self.path / IDENTITY).exists():
            return
        foreign = sorted(
            item.name
            for item in self.path.iterdir()
            if not _is_leftover(item) and not (item.name == LOCK and item.is_file() and not item.stat().st_size)
        )
        if foreign:
            named = ", ".join(foreign[:3]) + (", ..." if foreign[3:] else "")
            raise InputError(
                f"{self.path} holds files of no run of ours ({named}); choose an empty or new folder with --out"
            )

    def _check_identity(self) -> None:
        file = self.path / IDENTITY
        if not file.exists():
            self._check_ours()
            write_json(file, self.identity)
            return
        there = read_json(file, f"delete {self.path}, or choose another --out")
        wanted = json.loads(json.dumps(self.identity))
        keys = [key for key in dict.fromkeys([*there, *wanted]) if key in there or key not in LATER]
        differences = ", ".join(
            f"{key} {there.get(key)!r} there, {wanted.get(key)!r} here"
            for key in keys
            if there.get(key) != wanted.get(key)
        )
        if differences:
            raise InputError(
                f"{self.path} holds another run: {differences}. Choose another folder with --out, delete this one, or "
                "repeat the command that made it to continue it"
            )


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
        if _is_leftover(item) and (alone or _owner_is_dead(item.name)):
            shutil.rmtree(item, ignore_errors=True)


def _is_leftover(item: Path) -> bool:
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


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Writes a JSON file in one step."""
    with replacing(path) as new:
        new.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """Writes a table of rows as CSV in one step."""
    with replacing(path) as new:
        pd.DataFrame(rows).to_csv(new, index=False)


def append_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """Appends rows to a CSV file. Killed meanwhile, a process leaves some of them; `drop_half_row` mends the last."""
    if not rows:
        return
    with path.open("a", newline="", encoding="utf-8") as stream:
        pd.DataFrame(rows).to_csv(stream, index=False, header=stream.tell() == 0)


def drop_half_row(path: Path) -> None:
    """Cuts off a last line that was not written to its end, in a CSV file that rows are appended to."""
    if path.exists():
        with path.open("r+b") as stream:
            stream.truncate(stream.read().rfind(b"\n") + 1)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Returns the rows of a CSV file, without the values that a row does not have; none if there is no such file."""
    if not path.exists():
        return []
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            if len({len(row) for row in csv.reader(stream, strict=True)}) > 1:
                raise ValueError("its rows have different lengths")  # pandas would take first values for labels
        table = pd.read_csv(path)
    except (ValueError, csv.Error) as error:
        raise InputError(f"{path} is damaged ({error}); delete it to start over, or restore it") from error
    return [
        {str(name): value for name, value in row.items() if not pd.isna(value)}
        for row in table.to_dict(orient="records")
    ]
