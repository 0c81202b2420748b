"""The folder of a run: one run to a folder, one process at a time, and no file ever half written."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import filelock
import pandas as pd

from keras_rnncap.errors import InputError

IDENTITY = "run.json"
LOCK = ".lock"


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
        try:
            self._lock.acquire(timeout=0)
        except filelock.Timeout:
            raise InputError(
                f"{self.path} is in use by another process; wait until it ends, or choose another folder with --out"
            ) from None
        try:
            self._check_identity()
            for leftover in self.path.rglob(".*-*"):  # of a process killed while it replaced something
                shutil.rmtree(leftover, ignore_errors=True)
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Releases the folder."""
        self._lock.release()

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

    def _check_identity(self) -> None:
        file = self.path / IDENTITY
        if not file.exists():
            # Hidden files are the lock, and what a process left that was killed while it wrote the identity.
            others = sorted(item.name for item in self.path.iterdir() if not item.name.startswith("."))
            if others:
                named = ", ".join(others[:3]) + (", ..." if others[3:] else "")
                raise InputError(
                    f"{self.path} holds files of no run of ours ({named}); choose an empty or new folder with --out"
                )
            write_json(file, self.identity)
            return
        try:
            there = json.loads(file.read_text())
            if not isinstance(there, dict):
                raise ValueError(f"it holds {there!r}, not what a run is")
        except ValueError as error:
            raise InputError(f"{file} is damaged ({error}); delete {self.path}, or choose another --out") from error
        wanted = json.loads(json.dumps(self.identity))
        if there != wanted:
            differences = ", ".join(
                f"{key} {there.get(key)!r} there, {wanted.get(key)!r} here"
                for key in dict.fromkeys([*there, *wanted])
                if there.get(key) != wanted.get(key)
            )
            raise InputError(
                f"{self.path} holds another run: {differences}. Choose another folder with --out, delete this one, or "
                "repeat the command that made it to continue it"
            )


@contextlib.contextmanager
def replacing(path: Path, once: bool = False) -> Iterator[Path]:
    """Yields a temporary path beside `path`; what is written there takes its place if the block ends without an error.

    A file is replaced in one step, so that a process killed at any instant leaves the old one or the new one. A folder
    is replaced in two: killed between them, it leaves none of that name, never a mixture. With `once`, a folder that is
    there stays, and `OSError` is raised.
    """
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
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


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Writes a JSON file in one step."""
    with replacing(path) as new:
        new.write_text(json.dumps(content, indent=2) + "\n")


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
