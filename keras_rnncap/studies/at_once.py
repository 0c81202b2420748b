"""Runs pieces of a study that use one core each, one on each core, in processes that are renewed."""

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from keras_rnncap.engines import ProcessEngine
from keras_rnncap.studies.study import Piece

RENEWED_AFTER = 16
"""Pieces after which a process is replaced: TensorFlow keeps the memory of compiled models until a process ends."""


class PieceThere(NamedTuple):
    """A piece, to be run in another process."""

    key: str
    piece: Piece
    folder: Path
    rows: Mapping[str, Mapping[str, Any]]


class PieceWork:
    """A piece that a worker has taken up."""

    def __init__(self, there: PieceThere) -> None:
        self._there = there
        self._result: tuple[dict[str, Any] | None, float] = (None, 0.0)

    def run(self) -> None:
        """Runs the piece."""
        began = time.monotonic()
        row = self._there.piece.run(self._there.folder, self._there.rows, False)
        self._result = row, time.monotonic() - began

    def stop(self) -> None:
        """Does nothing: the process of a piece is ended as a whole."""

    def result(self) -> tuple[dict[str, Any] | None, float]:
        """Returns the row of the piece, and the seconds that it took."""
        return self._result


class PieceWorker:
    """Takes up pieces."""

    def begin(self, piece: PieceThere) -> PieceWork:
        """Takes up a piece."""
        return PieceWork(piece)


def run_at_once(
    pieces: Sequence[Piece], folder: Path, rows: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[Piece, dict[str, Any] | None, float]]:
    """Yields pieces that ended, with their rows and seconds.

    Args:
        pieces: The pieces.
        folder: The folder of each is below it.
        rows: The rows of those that ended before, of which each is given that which it waited for.
    """
    engine = ProcessEngine(PieceWorker, renew_after=RENEWED_AFTER)
    try:
        for piece in pieces:
            needed = {name: row for name, row in rows.items() if name == piece.best_of}
            engine.submit(PieceThere(piece.name, piece, folder / piece.name, needed))
        for _ in pieces:
            there, (row, seconds) = engine.completed()
            yield there.piece, row, seconds
    finally:
        engine.cancel()
