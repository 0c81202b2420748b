"""A process that answers messages, and ends with the one that started it."""

import contextlib
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any

from keras_rnncap.errors import WorkError

LAST_WORDS = 500
"""Characters of what a killed process wrote that its error repeats."""


class ChildDiedError(WorkError):
    """A process ended, and its work with it."""


class Child:
    """A fresh process, which ends with this one and does not hear interrupts from a terminal.

    There, `answer` is called with each message; what it returns or raises comes back. Errors call the process `name`.
    """

    def __init__(self, name: str, answer: Callable[[Any], Any]) -> None:
        context = multiprocessing.get_context("spawn")
        self.name = name
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, answer), daemon=True)
        self._remarks = tempfile.TemporaryFile()  # noqa: SIM115  # closed by `end`
        with _stderr_to(self._remarks.fileno()):
            self._process.start()
        theirs.close()

    def send(self, message: Any) -> None:
        """Sends a message."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # `receive` says that it died
            self.connection.send(message)

    def receive(self) -> Any:
        """Returns the answer to a message, or raises what was raised there, or `ChildDiedError`."""
        try:
            result, error = self.connection.recv()
        except (EOFError, ConnectionResetError):
            self._process.join()
            self._remarks.seek(0)
            words = " ".join(self._remarks.read().decode(errors="replace").split())[-LAST_WORDS:]
            self.end()
            said = f". Its last words: {words}" if words else ""
            raise ChildDiedError(
                f"the process of {self.name} ended with exit code {self._process.exitcode}; if that is -9, the system "
                f"killed it, most often for want of memory. The same call continues{said}"
            ) from None
        if error is not None:
            raise error
        return result

    def interrupt(self, again: float) -> None:
        """Interrupts it until it has ended: Python loses an interrupt that comes while it tidies up."""
        while self._process.is_alive() and self._process.pid is not None:
            os.kill(self._process.pid, signal.SIGINT)
            self._process.join(again)

    def end(self, kill: bool = False) -> None:
        """Ends it, at once or when it has nothing more to do."""
        self.connection.close()
        if kill:
            self._process.kill()
        self._process.join()
        self._remarks.close()


@contextlib.contextmanager
def _stderr_to(file: int) -> Iterator[None]:
    """Has a process that is started meanwhile write its errors, and TensorFlow's remarks, to a file."""
    try:
        stderr = os.dup(2)
    except OSError:  # it is closed
        yield
        return
    if sys.stderr is not None:
        sys.stderr.flush()
    os.dup2(file, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


def _serve(connection: Connection, answer: Callable[[Any], Any]) -> None:
    if hasattr(os, "setsid"):
        os.setsid()  # an interrupt from the terminal goes to the parent alone
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt, EOFError, BrokenPipeError):  # the parent wants no more
        while True:
            message, result, error = connection.recv(), None, None
            try:
                result = answer(message)
            except Exception as raised:  # whatever it is, it is raised where the work was asked for
                error = raised
                error.add_note("".join(traceback.format_exception(raised)))
            connection.send((result, error))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
