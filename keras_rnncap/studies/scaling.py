"""How loss falls with size: figure 3 of Collins et al. (2017)."""

import itertools
from typing import Any, ClassVar

from keras_rnncap.analysis.exhibits import PAPER_CELLS
from keras_rnncap.analysis.scaling_study import scaling_exhibits
from keras_rnncap.datasets import Text8
from keras_rnncap.studies.study import FEW_TRIALS, MANY_TRIALS, Grid, Piece, Study, depths_of, search_piece


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
    functions: ClassVar = {
        "smoke": "random-function:samples=500,length=5",
        "laptop": "random-function:samples=10_000,length=10,tau=200",
        "paper": "random-function",
    }
    spending: ClassVar = {
        "smoke": {"trials": 2, "steps": 20, **FEW_TRIALS},
        "laptop": {"trials": 12, "steps": 2_000, **FEW_TRIALS},
        "paper": {"trials": 1_000, "steps": 50_000, **MANY_TRIALS},
    }

    def pieces(self, grid: Grid, profile: str, seed: int) -> list[Piece]:
        """Returns what is to be run."""
        tasks = {"text": Text8.name if Text8.at_hand() else "python-docs", "function": self.functions[profile]}
        pieces = []
        for (part, task), cell in itertools.product(tasks.items(), grid.cells):
            for depth, params in itertools.product(depths_of(cell, grid), grid.params):
                names = (task.partition(":")[0], cell, f"{params}x{depth}")
                point: dict[str, Any] = {"task": task, "cell": cell, "params": params, "depth": depth, "seed": seed}
                pieces.append(search_piece(names, {"part": part}, **point, **self.spending[profile]))
        return pieces

    shown_by = staticmethod(scaling_exhibits)
