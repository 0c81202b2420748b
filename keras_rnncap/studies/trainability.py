"""How easily cells train, and how reliably: figures 4 and 5, tables 1, App.1 and App.2 of Collins et al. (2017)."""

import itertools
from typing import Any, ClassVar

from keras_rnncap.analysis.exhibits import PAPER_CELLS
from keras_rnncap.analysis.robustness_study import robustness_exhibits
from keras_rnncap.analysis.trainability_study import trainability_exhibits
from keras_rnncap.studies.study import Grid, Piece, Study, depths_of, search_piece

PARENTHESES = {
    "smoke": "parentheses:length=5,streams=1",
    "laptop": "parentheses:length=20,streams=3",
    "paper": "parentheses",
}


def _piece(part: str, cell: str, best_of: str | None = None, **settings: Any) -> Piece:
    names = (part, settings["task"].partition(":")[0], cell, f"{settings['params']}x{settings['depth']}")
    return search_piece(names, {"part": part}, best_of, **{"cell": cell, "stop_early": False, **settings})


class TrainabilityStudy(Study):
    """Random hyperparameters on parentheses counting, and searches on it and on arithmetic.

    Two parts: `random` (figure 5, tables 1 and App.2: hyperparameters at random, at the least and the largest depth)
    and `search` (figure 4: Bayesian optimization, no trial stopped early).
    """

    name = "trainability"
    title = "Which cells are easy to train?"
    source = "Collins et al. 2017, figures 4 and 5, tables 1 and App.2"
    differences = (
        "The task is shorter, models are 40 times smaller and trained for fewer steps than the paper's, so that fewer "
        "settings learn it and fewer have time to diverge; scores are of the validation split."
    )
    profiles: ClassVar = {
        "smoke": Grid(PAPER_CELLS, (300,), (1,)),
        "laptop": Grid(PAPER_CELLS, (5_000,), (1, 2, 4, 8)),
        "paper": Grid(PAPER_CELLS, (200_000,), (1, 2, 4, 8)),
    }
    settings: ClassVar = {"smoke": 3, "laptop": 200, "paper": 1_000}
    trials: ClassVar = {"smoke": 2, "laptop": 40, "paper": 2_500}
    steps: ClassVar = {"smoke": 20, "laptop": 1_000, "paper": 50_000}
    search_depths: ClassVar = {"smoke": (1,), "laptop": (1, 2), "paper": (1, 2, 4, 8)}

    def pieces(self, grid: Grid, profile: str, seed: int) -> list[Piece]:
        """Returns what is to be run."""
        parentheses, pieces = PARENTHESES[profile], []
        random: dict[str, Any] = {"task": parentheses, "trials": self.settings[profile], "oracle": "random"}
        for cell, params in itertools.product(grid.cells, grid.params):
            for depth in depths_of(cell, grid):
                common: dict[str, Any] = {"cell": cell, "params": params, "depth": depth, "seed": seed}
                common["steps"] = self.steps[profile]
                if depth in (grid.depths[0], grid.depths[-1]):
                    pieces.append(_piece("random", **random, **common))
                if depth in self.search_depths[profile]:
                    for task in (parentheses, "arithmetic"):
                        pieces.append(_piece("search", task=task, trials=self.trials[profile], oracle="gp", **common))
        return pieces

    shown_by = staticmethod(trainability_exhibits)


class RobustnessStudy(Study):
    """The best hyperparameters of a search on parentheses counting, trained again and again with other seeds.

    Two parts for each cell: `search`, and `rerun`, whose trials differ in weights and batches alone.
    """

    name = "robustness"
    title = "Do the best hyperparameters work again?"
    source = "Collins et al. 2017, appendix C, table App.1"
    differences = (
        "The task, the models and the searches are smaller than the paper's, and losses farther from 0 than those of "
        "which it takes ratios."
    )
    profiles: ClassVar = {
        "smoke": Grid(PAPER_CELLS, (300,), (1,)),
        "laptop": Grid(PAPER_CELLS, (5_000,), (1,)),
        "paper": Grid(PAPER_CELLS, (100_000,), (1,)),
    }
    trials: ClassVar = {"smoke": 2, "laptop": 64, "paper": 1_000}
    reruns: ClassVar = {"smoke": 3, "laptop": 100, "paper": 100}
    steps: ClassVar = {"smoke": 20, "laptop": 2_000, "paper": 50_000}

    def pieces(self, grid: Grid, profile: str, seed: int) -> list[Piece]:
        """Returns what is to be run."""
        pieces = []
        searched: dict[str, Any] = {
            "trials": self.trials[profile],
            "oracle": "gp",
            "stop_early": profile != "paper",
            "seed": seed,
        }
        # Another seed, or the reruns would have the search's weights and batches among theirs.
        rerun: dict[str, Any] = {"trials": self.reruns[profile], "oracle": "repeat", "seed": seed + 1}
        for cell in grid.cells:
            for depth, params in itertools.product(depths_of(cell, grid), grid.params):
                common: dict[str, Any] = {"cell": cell, "params": params, "depth": depth}
                common |= {"task": PARENTHESES[profile], "steps": self.steps[profile]}
                search = _piece("search", **common, **searched)
                pieces += [search, _piece("rerun", best_of=search.name, **common, **rerun)]
        return pieces

    shown_by = staticmethod(robustness_exhibits)
