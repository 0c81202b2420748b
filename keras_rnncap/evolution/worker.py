"""Trains architectures: one with some settings, as one population."""

import functools
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from keras_rnncap.cells import CellFactory, GraphCell
from keras_rnncap.evolution.problems import Problem, Training
from keras_rnncap.graphs import Graph
from keras_rnncap.population import CannotShareError


class Piece(NamedTuple):
    """Settings of an architecture on a problem, plain values."""

    key: str
    graph: str  # JSON
    problem: Problem
    settings: tuple[Mapping[str, Any], ...]
    seeds: tuple[int, ...]
    data_seed: int


class Trained(NamedTuple):
    """What came of a piece; arrays have an entry for each setting.

    Attributes:
        accuracy: Of the best epoch on the validation split; 0 where it diverged before one ended.
        loss: Likewise; NaN where it diverged.
        probability: Likewise.
        epochs: Epochs of training.
        diverged: Whether the loss became infinite or NaN.
        seconds: The time of all.
    """

    accuracy: np.ndarray
    loss: np.ndarray
    probability: np.ndarray
    epochs: np.ndarray
    diverged: np.ndarray
    seconds: float


class GraphWork:
    """A piece that a worker has taken up."""

    def __init__(self, piece: Piece) -> None:
        self._piece, self._stopped = piece, False
        self._training: Training | None = None

    def run(self) -> None:
        """Trains."""
        began, piece = time.monotonic(), self._piece
        try:
            self._training = Training(
                piece.problem, graph_factory(piece.graph), piece.settings, piece.seeds, piece.data_seed
            )
        except CannotShareError:  # its outputs at the start are so large that the order of additions changes them
            self._seconds = time.monotonic() - began
            return
        if not self._stopped:
            self._training.run()
        self._seconds = time.monotonic() - began

    def stop(self) -> None:
        """Stops training in another thread."""
        self._stopped = True
        if self._training is not None:
            self._training.stop()

    def result(self) -> Trained:
        """Returns what came of it."""
        training, count = self._training, len(self._piece.settings)
        if training is None:
            none = np.full(count, np.nan)
            return Trained(np.zeros(count), none, none, np.zeros(count, int), np.ones(count, bool), self._seconds)
        found = training.validation
        accuracy = np.nan_to_num(found.accuracy)
        return Trained(accuracy, found.loss, found.probability, training.epochs, ~training.alive, self._seconds)


class GraphWorker:
    """Takes up pieces."""

    def begin(self, piece: Piece) -> GraphWork:
        """Takes up a piece."""
        return GraphWork(piece)


def graph_factory(graph: Graph | str) -> CellFactory:
    """Returns the cell of a graph, as `get_cell` returns that of a file."""
    return functools.partial(GraphCell, graph=graph if isinstance(graph, str) else graph.to_json())
