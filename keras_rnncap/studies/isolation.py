"""Runs one search in a process of its own: TensorFlow keeps the memory of compiled models until a process ends."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_rnncap.engines.child import Child
from keras_rnncap.studies.study import Piece, Progress

INTERRUPT_AGAIN = 20.0
"""Seconds after which a search that has not ended is interrupted again."""


def run_isolated(
    piece: Piece, folder: Path, rows: Mapping[str, Mapping[str, Any]], progress: Progress
) -> dict[str, Any] | None:
    """Does what `Piece.run` does, in a new process that ends with it.

    An interrupt is passed on, and the search keeps what it has. If this process is killed, so is the other.

    Raises:
        WorkError: If the process was killed, for want of memory perhaps.
    """
    child = Child(piece.name, functools.partial(piece.run, folder, rows))
    child.send(progress)
    try:
        return child.receive()
    except KeyboardInterrupt:
        child.interrupt(INTERRUPT_AGAIN)
        raise
    finally:
        child.end()
