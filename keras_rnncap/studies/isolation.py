"""Runs one search in a process of its own: TensorFlow keeps the memory of compiled models until a process ends."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Iterator, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from keras_rnncap.errors import WorkError
from keras_rnncap.studies.study import Piece, Progress

INTERRUPT_AGAIN = 20.0
"""Seconds after which a search that has not ended is interrupted again."""
LAST_WORDS = 500
"""Characters of what a killed process wrote that its error repeats."""


def run_isolated(
    piece: Piece, folder: Path, rows: Mapping[str, Mapping[str, Any]], progress: Progress
) -> dict[str, Any] | None:
    """Does what `Piece.run` does, in a new process that ends with it.

    An interrupt is passed on, and the search keeps what it has. If this process is killed, so is the other.

    Raises:
        WorkError: If the process was killed, for want of memory perhaps.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(sender, piece, folder, rows, progress), daemon=True)
    with tempfile.TemporaryFile() as remarks:
        with _stderr_to(remarks.fileno()):
            process.start()
        sender.close()
        try:
            row, error = receiver.recv()
        except EOFError:
            process.join()
            remarks.seek(0)
            words = " ".join(remarks.read().decode(errors="replace").split())[-LAST_WORDS:]
            raise WorkError(
                f"the process of {piece.name} ended with exit code {process.exitcode}; if that is -9, the system "
                "killed it, most often for want of memory. The same call continues"
                + (f". Its last words: {words}" if words else "")
            ) from None
        except KeyboardInterrupt:
            while process.is_alive() and process.pid is not None:  # Python loses one that comes while it tidies up
                os.kill(process.pid, signal.SIGINT)
                process.join(INTERRUPT_AGAIN)
            raise
        process.join()
    if error is not None:
        raise error
    return row


@contextlib.contextmanager
def _stderr_to(file: int) -> Iterator[None]:
    """Has a process that is started meanwhile write its errors, and TensorFlow's remarks, to a file."""
    try:
        own = os.dup(2)
    except OSError:  # it is closed
        yield
        return
    if sys.stderr is not None:
        sys.stderr.flush()
    os.dup2(file, 2)
    try:
        yield
    finally:
        os.dup2(own, 2)
        os.close(own)


def _work(
    sender: Connection, piece: Piece, folder: Path, rows: Mapping[str, Mapping[str, Any]], progress: Progress
) -> None:
    if hasattr(os, "setsid"):
        os.setsid()  # an interrupt from the terminal goes to the parent alone, which passes it on once
    threading.Thread(target=_end_with_parent, daemon=True).start()
    row, error = None, None
    try:
        row = piece.run(folder, rows, progress)
    except KeyboardInterrupt:
        return
    except Exception as raised:  # whatever it is, it is raised where the study runs
        error = raised
        error.add_note("".join(traceback.format_exception(raised)))
    sender.send((row, error))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
