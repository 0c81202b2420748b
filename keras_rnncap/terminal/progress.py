"""The progress of long work, and interrupts that lose none of it."""

import contextlib
import math
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any, Literal

import keras
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from keras_rnncap.terminal.texts import PlainConsole

SUMMARY_S = 30.0
"""Seconds between two summaries in a pipe."""


class WorkProgress:
    """A bar over the steps of a piece of work, or over its time, and lines of news above it; in a pipe only lines.

    While it is shown, an interrupt (Ctrl-C) is remembered and raised again by `to`: Python drops one that comes while
    an object is being deleted, as TensorFlow's often are. Outside of the main thread no handler can be set.

    Args:
        total: Steps in all.
        done: Steps that an earlier run did.
        enabled: Whether anything is shown; `"bar"` shows the bar without the lines, `"summary"` the bar with those
            lines alone that concern the whole work and, in a pipe, how far it is, every `SUMMARY_S` seconds.
        deadline: When the work ends, as `time.monotonic()` has it, if not before; the bar then shows the time.
    """

    def __init__(
        self,
        total: int,
        done: int = 0,
        enabled: bool | Literal["bar", "summary"] = True,
        deadline: float | None = None,
    ) -> None:
        console = PlainConsole(quiet=not enabled)
        self._console, self._says, self._details = console, enabled in (True, "summary"), enabled is True
        self._sums_up = enabled == "summary" and not console.is_terminal
        self._summed_up, self._deadline = time.monotonic(), deadline
        self._start, self._total, self._done, self._started_at = done, total, done, time.monotonic()
        self._bar = Progress(
            SpinnerColumn(),
            BarColumn(),
            TextColumn("{task.fields[steps]} steps"),
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
            console=console,
            disable=not (enabled and console.is_terminal),
        )
        self._task = self._bar.add_task("", steps="")
        self._move("")
        self._interrupted = self._held = False
        self._handler: Any = None

    def __enter__(self) -> "WorkProgress":
        if threading.current_thread() is threading.main_thread():
            self._handler = signal.signal(signal.SIGINT, self._interrupt)
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()
        if self._handler is not None:
            signal.signal(signal.SIGINT, self._handler)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._interrupted = True
        if not self._held:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Has an interrupt wait until the outermost such block has ended."""
        before, self._held = self._held, True
        try:
            yield
        finally:
            self._held = before
        if self._interrupted and not before:
            raise KeyboardInterrupt

    def say(self, line: str, detail: bool = False) -> None:
        """Prints a line above the bar; a detail only where all lines are shown."""
        if self._details or (self._says and not detail):
            self._console.print(line, highlight=False, soft_wrap=True)

    def to(self, done: int, description: str = "") -> None:
        """Moves the bar to `done` steps; raises `KeyboardInterrupt` if there was one."""
        if self._interrupted:
            raise KeyboardInterrupt
        self._done = done
        self._move(f"{self.time_left()} left  {description}")
        if self._sums_up and time.monotonic() - self._summed_up > SUMMARY_S:
            self._summed_up = time.monotonic()
            self.say(f"{done:,} steps  {self.time_left()} left  {description}")

    def _move(self, description: str) -> None:
        """Shows how far the work is."""
        completed, total, steps = float(self._done), float(self._total), f"{self._done:,}/{self._total:,}"
        if self._deadline is not None:
            completed, total = time.monotonic() - self._started_at, self._deadline - self._started_at
            steps = f"{self._done:,}"
        self._bar.update(self._task, completed=completed, total=total, steps=steps, description=description)

    def time_left(self) -> str:
        """Returns the time left, to the deadline or at the pace so far, as `m:ss`, or `?` before there is either."""
        steps, now = self._done - self._start, time.monotonic()
        left = math.inf if self._deadline is None else max(self._deadline - now, 0.0)
        if steps > 0:
            left = min(left, (now - self._started_at) / steps * max(self._total - self._done, 0))
        if math.isinf(left):
            return "?"
        return f"{int(left) // 60}:{int(left) % 60:02d}"


class StepCallback(keras.callbacks.Callback):
    """Moves the bar while a model trains.

    Args:
        progress: The bar.
        offset: Steps done before this training.
        describe: Text beside the bar.
    """

    def __init__(self, progress: WorkProgress, offset: int, describe: str) -> None:
        super().__init__()
        self._progress, self._offset, self._describe = progress, offset, describe

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Called by Keras after each call of the compiled graph; `batch` is the last step in it."""
        del logs
        self._progress.to(self._offset + batch + 1, self._describe)
