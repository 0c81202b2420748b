"""What a state holds: figure 2c of Collins et al. (2017)."""

import functools
import itertools
from typing import Any, ClassVar

from keras_rnncap.analysis.exhibits import PAPER_CELLS
from keras_rnncap.analysis.memory_study import memory_exhibits
from keras_rnncap.budget import outline, trainable_parameters
from keras_rnncap.datasets import make_task
from keras_rnncap.models import sequence_model
from keras_rnncap.studies.study import FEW_TRIALS, MANY_TRIALS, Grid, Piece, Study, search_piece


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
        "smoke": {"task": "memory:input_dim=4,length=3", "trials": 2, "steps": 20, **FEW_TRIALS},
        "laptop": {"task": "memory", "trials": 12, "steps": 2_500, **FEW_TRIALS},
        "paper": {"task": "memory", "trials": 1_000, "steps": 50_000, **MANY_TRIALS},
    }

    def pieces(self, grid: Grid, profile: str, seed: int) -> list[Piece]:
        """Returns what is to be run. The +RNN joins at depth 1, too: its state is what is measured."""
        spent, pieces = self.spending[profile], []
        task = make_task(spent["task"])
        model = functools.partial(sequence_model, input_dim=task.input_dim, output_dim=task.output_dim)
        labels = {"part": "memory", "input_dim": task.input_dim}
        for cell, depth, units in itertools.product(grid.cells, grid.depths, grid.units):
            params = trainable_parameters(outline(functools.partial(model, cell, units, depth)))
            point: dict[str, Any] = {"cell": cell, "params": params, "depth": depth, "seed": seed}
            pieces.append(search_piece(("memory", cell, f"{units}x{depth}"), labels, **point, **spent))
        return pieces

    shown_by = staticmethod(memory_exhibits)
