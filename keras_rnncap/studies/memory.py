"""What a state holds: figure 2c of Collins et al. (2017)."""

from __future__ import annotations

import functools
import itertools
from typing import ClassVar, NamedTuple

from keras_rnncap.analysis.exhibits import PAPER_CELLS, Exhibits, StudyRows
from keras_rnncap.budget import outline, trainable_parameters
from keras_rnncap.datasets import make_task
from keras_rnncap.models import sequence_model
from keras_rnncap.studies.study import FEW_TRIALS, Grid, Piece, Study, sweep_piece


class Spending(NamedTuple):
    """What a piece costs.

    Attributes:
        task: The task.
        trials: Number of trials.
        steps: Training steps of each.
    """

    task: str
    trials: int
    steps: int


class MemoryStudy(Study):
    """Error of reconstructing 64 numbers after 12 steps against the units of a layer.

    A search for every cell, depth and number of units; the budget is what a model of that many units has.
    """

    name = "memory"
    title = "How many numbers does a state hold?"
    source = "Collins et al. 2017, figure 2c"
    differences = (
        "The errors are of short searches: a cell above the curve was not found to do better, which does not show that "
        "it cannot. A cell may fall below the curve of a linear subspace, as its state need not be linear in the "
        "inputs."
    )
    profiles: ClassVar = {
        "smoke": Grid(PAPER_CELLS, (), (1,), (2,)),
        "laptop": Grid(PAPER_CELLS, (), (1,), (16, 32, 48, 64, 80)),
        "paper": Grid(PAPER_CELLS, (), (1, 2, 4), (16, 32, 48, 56, 64, 72, 80, 96, 128)),
    }
    spending: ClassVar = {
        "smoke": Spending("memory:input_dim=4,length=3", 2, 20),
        "laptop": Spending("memory", 12, 2_500),
        "paper": Spending("memory", 1_000, 50_000),
    }

    def pieces(self, grid: Grid, profile: str, seed: int) -> list[Piece]:
        """Returns what is to be run. The +RNN joins at depth 1, too: its state is what is measured."""
        spent, pieces = self.spending[profile], []
        task = make_task(spent.task)
        model = functools.partial(sequence_model, input_dim=task.input_dim, output_dim=task.output_dim)
        labels = {"part": "memory", "input_dim": task.input_dim}
        for cell, depth, units in itertools.product(grid.cells, grid.depths, grid.units):
            piece = sweep_piece(
                ("memory", cell, f"{units}x{depth}"),
                labels,
                **spent._asdict(),
                cell=cell,
                params=trainable_parameters(outline(functools.partial(model, cell, units, depth))),
                depth=depth,
                stop_early=profile != "paper",
                changes={} if profile == "paper" else FEW_TRIALS,
                seed=seed,
            )
            pieces.append(piece)
        return pieces

    def exhibits(self, rows: StudyRows) -> Exhibits:
        """Returns figure 2c, and what it says."""
        from keras_rnncap.analysis.memory_study import memory_exhibits

        return memory_exhibits(rows)
