"""The folder of a run: one run to a folder, one process at a time."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import filelock

from keras_rnncap.errors import InputError
from keras_rnncap.runs.files import disk_trouble, is_leftover, read_json, remove_leftovers, write_json

IDENTITY = "run.json"
CODE = "code"
"""The key of an identity that holds the fingerprint of the user's code, where there is any."""
LOCK = ".lock"
LATER = ("digest",)
"""Keys that the identities of earlier versions' runs lack."""
FILES = (
    *("trials.csv", "history.csv", "asked.jsonl", "running.npz", "best-trial-*.weights.h5", "checkpoint.weights.h5"),
    *("capacity.json", "sweep.json", "space.json", "train.json", "capacity.png", "train.png", "importance.png"),
    *("parallel_coordinates.png", "slices.png", "hparams", "best", "model.keras", "saved_model"),
    *("candidates.csv", "evaluations.csv", "found"),
)
"""What runs write, besides the identity."""


class RunDirectory:
    """A folder that belongs to one run, and to one process for as long as a `with` block lasts.

    `run.json` in it holds the identity of the run. Errors of the disk become an `InputError` that says how to go on.

    Args:
        path: The folder; it is created if need be.
        identity: What distinguishes this run from others, as JSON values; `code_of` for the user's code.
        overwrite: Whether to start anew, without what a run of the same command left there.
        before: Brings the identity of an earlier version's run up to date.

    Raises:
        InputError: On entry, if the folder cannot be written, is in use, or holds another run or other files.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        identity: dict[str, Any],
        overwrite: bool = False,
        before: Callable[[dict[str, Any]], dict[str, Any]] = dict,
    ) -> None:
        self.path = Path(path)
        self.identity = identity
        self._overwrite, self._before = overwrite, before
        self._lock = filelock.FileLock(self.path / LOCK)

    def check(self, unknown: Collection[str] = ()) -> None:
        """Raises the errors of entering, where some keys of the identity are not known yet."""
        self._lock_it()
        try:
            if (self.path / IDENTITY).exists() and not self._starts_anew(kept := self._kept()):
                self._compare(kept, unknown)
        finally:
            self._lock.release()

    def __enter__(self) -> "RunDirectory":
        self._lock_it()
        try:
            self._check_identity()
            for folder in (self.path, self.path / "best"):
                remove_leftovers(folder, alone=True)
        except BaseException:
            self._lock.release()
            raise
        return self

    def _lock_it(self) -> None:
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

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self._lock.release()
        if isinstance(error, Exception) and (trouble := disk_trouble(error, self.path)):
            raise InputError(
                f"cannot write to {self.path}: {trouble}. What was finished before is kept: mend this, and the same "
                "command continues"
            ) from error

    def __truediv__(self, name: str) -> Path:
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
        """Raises `InputError` if there are files, other than the lock and unfinished ones, and no run."""
        if (self.path / IDENTITY).exists():
            return
        foreign = sorted(
            item.name
            for item in self.path.iterdir()
            if not is_leftover(item) and not (item.name == LOCK and item.is_file() and not item.stat().st_size)
        )
        if foreign:
            named = ", ".join(foreign[:3]) + (", ..." if foreign[3:] else "")
            raise InputError(
                f"{self.path} holds files of no run of ours ({named}); choose an empty or new folder with --out"
            )

    def _check_identity(self) -> None:
        file = self.path / IDENTITY
        self._check_ours()
        if not file.exists():
            write_json(file, self.identity)
            return
        kept = self._kept()
        if self._starts_anew(kept):
            self._remove_run()
            write_json(file, self.identity)
            return
        self._compare(kept)

    def _kept(self) -> dict[str, Any]:
        kept: dict[str, Any] = read_json(self.path / IDENTITY, f"delete {self.path}, or choose another --out")
        return kept

    def _starts_anew(self, kept: dict[str, Any]) -> bool:
        return self._overwrite and kept.get("command") == self.identity["command"]

    def _compare(self, kept: dict[str, Any], unknown: Collection[str] = ()) -> None:
        """Raises `InputError` if the identity of the run that is there is another."""
        kept, wanted = self._before(kept), json.loads(json.dumps(self.identity))
        differences = ", ".join(
            f"{key} {kept.get(key)!r} there, {wanted.get(key)!r} here"
            for key in dict.fromkeys([*kept, *wanted])
            if key not in (CODE, *unknown) and kept.get(key) != wanted.get(key) and (key in kept or key not in LATER)
        )
        if differences:
            raise InputError(
                f"{self.path} holds another run: {differences}. Choose another folder with --out, delete this one, or "
                "repeat the command that made it to continue it"
            )
        if kept.get(CODE) != wanted.get(CODE):
            reason = "was made with other code" if CODE in kept else "does not know with which code it was made"
            raise InputError(
                f"{self.path} {reason} of the cell or the task; --fresh (overwrite=True) starts anew there, without "
                "what was found, or choose another folder with --out"
            )

    def _remove_run(self) -> None:
        for pattern in FILES:
            for item in self.path.glob(pattern):
                if item.is_dir() and not item.is_symlink():
                    shutil.rmtree(item)
                else:
                    item.unlink()
