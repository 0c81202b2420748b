"""What a person sees while long work runs."""

from __future__ import annotations

import contextlib
import time
from types import TracebackType
from typing import Any, Literal

import keras
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from keras_rnncap.terminal.interrupts import Interrupts
from keras_rnncap.terminal.texts import PlainConsole


class WorkProgress:
    """A bar over the steps of a piece of work, and lines of news above it; in a pipe only the lines.

    While it is shown, an interrupt (Ctrl-C) is remembered and raised again by `to`, see `Interrupts`.

    Args:
        total: Steps in all.
        done: Steps that an earlier run did.
        unit: What is counted.
        enabled: Whether anything is shown; `"bar"` shows the bar without the lines.
    """

    def __init__(self, total: int, done: int = 0, unit: str = "steps", enabled: bool | Literal["bar"] = True) -> None:
        self.console = PlainConsole(quiet=not enabled)
        self._says = enabled is True
        self._start, self._total, self._done, self._started_at = done, total, done, time.monotonic()
        self._bar = Progress(
            SpinnerColumn(),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(unit, markup=False),
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
            console=self.console,
            disable=not (enabled and self.console.is_terminal),
        )
        self._task = self._bar.add_task("", total=total, completed=done)
        self._interrupts = Interrupts()

    def __enter__(self) -> WorkProgress:
        """Shows the bar."""
        self._interrupts.__enter__()
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Takes the bar away; the lines stay."""
        self._bar.stop()
        self._interrupts.__exit__(kind, error, traceback)

    def held(self) -> contextlib.AbstractContextManager[None]:
        """Has an interrupt wait until the outermost such block has ended: what is done in it is done as a whole."""
        return self._interrupts.held()

    def say(self, line: str) -> None:
        """Prints a line above the bar."""
        if self._says:
            self.console.print(line, highlight=False, soft_wrap=True)

    def to(self, done: int, description: str = "") -> None:
        """Moves the bar to `done` steps; raises `KeyboardInterrupt` if there was one."""
        self._interrupts.check()
        self._done = done
        self._bar.update(self._task, completed=done, description=f"{self.time_left()} left  {description}")

    def time_left(self) -> str:
        """Returns the time left at the pace so far, as `m:ss`, or `?` before there is a pace."""
        made = self._done - self._start
        if made <= 0:
            return "?"
        left = (time.monotonic() - self._started_at) / made * max(self._total - self._done, 0)
        return f"{int(left) // 60}:{int(left) % 60:02d}"


class StepCallback(keras.callbacks.Callback):
    """Moves the bar while a model trains.

    Args:
        progress: The bar.
        offset: Steps done before this training.
        describe: Text beside the bar.
    """

    def __init__(self, progress: WorkProgress, offset: int, describe: str = "") -> None:
        super().__init__()
        self._progress, self._offset, self._describe = progress, offset, describe

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Called by Keras after each call of the compiled graph; `batch` is the last step in it."""
        del logs
        self._progress.to(self._offset + batch + 1, self._describe)
