"""Interrupts (Ctrl-C) that come at a time when they lose nothing."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Any


class Interrupts:
    """Remembers an interrupt, so that it can be raised again where it was lost or had to wait.

    Python drops one that comes while an object is being deleted, as TensorFlow's often are; `check` raises it again.
    Outside of the main thread, where no handler can be set, it does nothing.
    """

    def __init__(self) -> None:
        self._interrupted = self._held = False
        self._handler: Any = None

    def __enter__(self) -> Interrupts:
        """Takes over the handler."""
        if threading.current_thread() is threading.main_thread():
            self._handler = signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Gives the handler back."""
        if self._handler is not None:
            signal.signal(signal.SIGINT, self._handler)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._interrupted = True
        if not self._held:
            raise KeyboardInterrupt

    def check(self) -> None:
        """Raises `KeyboardInterrupt` if there was one."""
        if self._interrupted:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Has an interrupt wait until the outermost such block has ended: what is done in it is done as a whole."""
        before, self._held = self._held, True
        try:
            yield
        finally:
            self._held = before
        if not before:
            self.check()
