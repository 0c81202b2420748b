"""How loss falls with size: figure 3 of Collins et al. (2017)."""

from __future__ import annotations

import itertools
from typing import ClassVar, NamedTuple

from keras_rnncap.analysis.exhibits import PAPER_CELLS, Exhibits, StudyRows
from keras_rnncap.datasets import Text8
from keras_rnncap.studies.study import FEW_TRIALS, Grid, Piece, Study, layers_of, sweep_piece


class Spending(NamedTuple):
    """What a piece costs.

    Attributes:
        function: The random continuous function.
        trials: Number of trials.
        steps: Training steps of each.
    """

    function: str
    trials: int
    steps: int


class ScalingStudy(Study):
    """Loss on text8 and on a random continuous function against parameters and against units.

    A search for every cell, depth and budget. Where text8 is not at hand, Python's own documentation takes its place;
    the rows say which.
    """

    name = "scaling"
    title = "Do parameters or units decide?"
    source = "Collins et al. 2017, figure 3"
    differences = (
        "Models, texts and searches are smaller than the paper's by orders of magnitude, so that losses are higher; "
        "scores are of the validation split that the searches saw."
    )
    profiles: ClassVar = {
        "smoke": Grid(PAPER_CELLS, (2_000,), (1,)),
        "laptop": Grid(PAPER_CELLS, (2_000, 5_000, 12_000), (1, 2)),
        "paper": Grid(PAPER_CELLS, (10_000, 30_000, 100_000, 300_000, 1_000_000), (1, 2, 4)),
    }
    spending: ClassVar = {
        "smoke": Spending("random-function:samples=500,length=5", 2, 20),
        "laptop": Spending("random-function:samples=10_000,length=10,tau=200", 12, 2_000),
        "paper": Spending("random-function", 1_000, 50_000),
    }

    def pieces(self, grid: Grid, profile: str, seed: int) -> list[Piece]:
        """Returns what is to be run."""
        spent, pieces = self.spending[profile], []
        text = Text8.name if Text8.at_hand() else "python-docs"
        for (part, task), cell in itertools.product((("text", text), ("function", spent.function)), grid.cells):
            for depth, params in itertools.product(layers_of(cell, grid), grid.params):
                piece = sweep_piece(
                    (task.partition(":")[0], cell, f"{params}x{depth}"),
                    {"part": part},
                    task=task,
                    cell=cell,
                    params=params,
                    depth=depth,
                    trials=spent.trials,
                    steps=spent.steps,
                    stop_early=profile != "paper",
                    changes={} if profile == "paper" else FEW_TRIALS,
                    seed=seed,
                )
                pieces.append(piece)
        return pieces

    def exhibits(self, rows: StudyRows) -> Exhibits:
        """Returns figure 3, and what it says."""
        from keras_rnncap.analysis.scaling_study import scaling_exhibits

        return scaling_exhibits(rows)
