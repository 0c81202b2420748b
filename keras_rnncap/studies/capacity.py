"""What recurrent cells store: figures 1, 2a, 2b and App.1 of Collins et al. (2017)."""

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from keras_rnncap.analysis.capacity_study import capacity_exhibits
from keras_rnncap.analysis.exhibits import PAPER_CELLS
from keras_rnncap.cells import get_cell
from keras_rnncap.studies.study import Grid, Piece, Study, depths_of, least_depth, search_piece
from keras_rnncap.tuners.profiles import get_profile
from keras_rnncap.tuners.spaces import CollinsSpace

LENGTH = 5
CROSS_ENTROPY: dict[str, Any] = {"loss_saturation": 0}


class CapacityStudy(Study):
    """Bits per parameter against size, depth, cell, activation and time steps.

    Parts, a search each for every point: `size` (figure 1: every cell, depth and budget), `relu` (figure 2a: depth 1,
    cells with a choice of activation held to ReLU, which Bayesian optimization leaves early) and `time` (figure 2b: one
    budget at the smallest depth), all by cross-entropy, as the paper did; and `saturated`, not in the paper, which
    searches the saturation of the loss, too. The +RNN joins at depth 2, as in the paper.

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
    spending: ClassVar[dict[str, dict[str, Any]]] = {
        "smoke": {"trials": 2, "steps": 20},
        "laptop": {"trials": 48, "steps": 100_000},
        "paper": {"trials": get_profile("paper").trials, "steps": 1_000_000},
    }
    time: ClassVar = {
        "smoke": (60, (2,)),
        "laptop": (300, (1, 2, 3, 5, 8, 12)),
        "paper": (1_000, (1, 2, 3, 5, 8, 12, 20)),
    }
    """Budget of figure 2b, and its numbers of time steps."""

    def pieces(self, grid: Grid, profile: str, seed: int) -> list[Piece]:
        """Returns what is to be run."""
        pieces = []
        for cell in grid.cells:
            for part, params, depth, length, changes in _points(cell, grid, *self.time[profile]):
                point: dict[str, Any] = {"cell": cell, "params": params, "depth": depth, "length": length, "seed": seed}
                point |= {"input_dim": math.ceil(math.log2(10 * params)), "batch_size": 128}
                point |= {"changes": changes} if changes else {}
                names = (part, cell, f"{params}x{depth}", f"T{length}")
                pieces.append(search_piece(names, {"part": part}, **point, **self.spending[profile]))
        return pieces

    shown_by = staticmethod(capacity_exhibits)


def _points(
    cell: str, grid: Grid, time_params: int, lengths: Sequence[int]
) -> Iterator[tuple[str, int, int, int, dict[str, Any]]]:
    """Yields part, budget, depth, time steps and fixed hyperparameters of the searches of a cell."""
    depths = depths_of(cell, grid)
    for depth, params in itertools.product(depths, grid.params):
        yield "size", params, depth, LENGTH, CROSS_ENTROPY
    depth = least_depth(cell)
    if depth not in depths:
        return
    choices = {hp.name for hp in CollinsSpace(get_cell(cell)).hyperparameters().space}
    for params in grid.params:
        yield "saturated", params, depth, LENGTH, {}
        if depth == 1 and "activation" in choices:
            yield "relu", params, depth, LENGTH, {"activation": "relu"} | CROSS_ENTROPY
    if time_params in grid.params:
        for length in lengths:
            if length != LENGTH:  # that is of `size`
                yield "time", time_params, depth, length, CROSS_ENTROPY
