"""What recurrent cells store: figures 1, 2a, 2b and App.1 of Collins et al. (2017)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, NamedTuple

from keras_rnncap.analysis.exhibits import PAPER_CELLS, Exhibits, StudyRows
from keras_rnncap.cells import cell_name, get_cell
from keras_rnncap.studies.study import Grid, Piece, Study, layers_of, needs_depth, piece_name, training_work
from keras_rnncap.tuners.profiles import get_profile
from keras_rnncap.tuners.spaces import CollinsSpace

LENGTH = 5
CROSS_ENTROPY = {"loss_saturation": 0}


class Spending(NamedTuple):
    """What a piece costs.

    Attributes:
        trials: Number of trials.
        steps: Training steps of each.
        lengths: Numbers of time steps of figure 2b.
        time_params: Budget of figure 2b.
    """

    trials: int
    steps: int
    lengths: tuple[int, ...]
    time_params: int


class CapacityStudy(Study):
    """Bits per parameter against size, depth, cell, activation and time steps.

    Three parts, a search each for every point: `size` (figure 1: every cell, depth and budget), `relu` (figure 2a:
    depth 1, cells with a choice of activation held to ReLU; the paper sorts the trials of `size`, but Bayesian
    optimization leaves ReLU early) and `time` (figure 2b: one budget at depth 1). They train by cross-entropy, as the
    paper did. A fourth, `saturated`, is not in the paper: each cell's smallest depth, with the saturation of the loss
    (`keras_rnncap.training.SaturatedLoss`) searched with the rest. The +RNN joins at depth 2 and more, as in the paper,
    and has two layers in `time`.

    The width of the patterns is the least that 10 distinct ones for each parameter need.
    """

    name = "capacity"
    title = "How many bits does a cell store for each parameter?"
    source = "Collins et al. 2017, figures 1, 2a, 2b and App.1"
    differences = (
        "The paper took the best of over a thousand trials of 50,000 to 20 million steps for each point. The best of "
        "fewer and shorter trials is a lower bound, and the farther below, the larger the model and the harder it is "
        "to train."
    )
    profiles: ClassVar = {
        "smoke": Grid(PAPER_CELLS, (60,), (1,)),
        "laptop": Grid(PAPER_CELLS, (100, 300, 1_000), (1, 2, 4)),
        "paper": Grid(PAPER_CELLS, (100, 300, 1_000, 3_000, 10_000, 30_000, 100_000), (1, 2, 4)),
    }
    spending: ClassVar = {
        "smoke": Spending(2, 20, (2,), 60),
        "laptop": Spending(48, 100_000, (1, 2, 3, 5, 8, 12), 300),
        "paper": Spending(get_profile("paper").trials, 1_000_000, (1, 2, 3, 5, 8, 12, 20), 1_000),
    }

    def pieces(self, grid: Grid, profile: str, seed: int) -> list[Piece]:
        """Returns what is to be run."""
        spent = self.spending[profile]
        return [_piece(point, spent, seed) for cell in grid.cells for point in _points(cell, grid, spent)]

    def exhibits(self, rows: StudyRows) -> Exhibits:
        """Returns figures 1, 2a, 2b and App.1, and what they say."""
        from keras_rnncap.analysis.capacity_study import capacity_exhibits

        return capacity_exhibits(rows)


class Point(NamedTuple):
    """Where a search is made."""

    part: str
    cell: str
    params: int
    depth: int
    length: int = LENGTH
    changes: Mapping[str, Any] = CROSS_ENTROPY


def _points(cell: str, grid: Grid, spent: Spending) -> Iterator[Point]:
    """Yields the points of a cell."""
    depths = layers_of(cell, grid)
    for depth, params in itertools.product(depths, grid.params):
        yield Point("size", cell, params, depth)
    depth = 2 if needs_depth(cell) else 1
    if depth not in depths:
        return
    for params in grid.params:
        yield Point("saturated", cell, params, depth, changes={})
        if depth == 1 and has_activations(cell):
            yield Point("relu", cell, params, depth, changes={"activation": "relu"} | CROSS_ENTROPY)
    if spent.time_params in grid.params:
        for length in spent.lengths:
            if length != LENGTH:  # that is of `size`
                yield Point("time", cell, spent.time_params, depth, length)


def _piece(point: Point, spent: Spending, seed: int) -> Piece:
    """Returns the search of a point."""
    settings = {
        "cell": point.cell,
        "params": point.params,
        "depth": point.depth,
        "trials": spent.trials,
        "steps": spent.steps,
        "batch_size": 128,
        "seed": seed,
        "input_dim": math.ceil(math.log2(10 * point.params)),
        "length": point.length,
        **({"changes": point.changes} if point.changes else {}),
    }
    work = training_work(point.params, point.length, 128, spent.trials * spent.steps)
    size = f"{point.params}x{point.depth}"
    name = piece_name(point.part, cell_name(point.cell), size, f"T{point.length}", f"seed{seed}")
    return Piece(name, settings, {"part": point.part}, work)


def has_activations(cell: str) -> bool:
    """Whether the search space of a cell has a choice of activation."""
    return any(hp.name == "activation" for hp in CollinsSpace(get_cell(cell)).hyperparameters().space)
