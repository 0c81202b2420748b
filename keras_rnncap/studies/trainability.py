"""How easily cells train, and how reliably: figures 4 and 5, tables 1, App.1 and App.2 of Collins et al. (2017)."""

from __future__ import annotations

import itertools
from typing import Any, ClassVar, NamedTuple

from keras_rnncap.analysis.exhibits import PAPER_CELLS, Exhibits, StudyRows
from keras_rnncap.studies.study import Grid, Piece, Study, layers_of, sweep_piece

SMALL = "parentheses:length=5,streams=1"
LAPTOP = "parentheses:length=20,streams=3"


def _piece(part: str, task: str, cell: str, depth: int, best_of: str | None = None, **options: Any) -> Piece:
    names = (part, task.partition(":")[0], cell, f"{options['params']}x{depth}")
    options = {"stop_early": False, **options}
    return sweep_piece(names, {"part": part}, best_of, task=task, cell=cell, depth=depth, **options)


class TrainabilitySpending(NamedTuple):
    """What the pieces cost.

    Attributes:
        parentheses: The task of random settings and of searches.
        settings: Random settings for each cell and depth.
        trials: Trials of a search.
        steps: Training steps of each.
        search_depths: Depths of the searches; random settings have the first and the last of the grid.
    """

    parentheses: str
    settings: int
    trials: int
    steps: int
    search_depths: tuple[int, ...]


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
    spending: ClassVar = {
        "smoke": TrainabilitySpending(SMALL, 3, 2, 20, (1,)),
        "laptop": TrainabilitySpending(LAPTOP, 200, 40, 1_000, (1, 2)),
        "paper": TrainabilitySpending("parentheses", 1_000, 2_500, 50_000, (1, 2, 4, 8)),
    }

    def pieces(self, grid: Grid, profile: str, seed: int) -> list[Piece]:
        """Returns what is to be run."""
        spent, pieces = self.spending[profile], []
        for cell, params in itertools.product(grid.cells, grid.params):
            common: dict[str, Any] = {"cell": cell, "params": params, "steps": spent.steps, "seed": seed}
            random: dict[str, Any] = {"task": spent.parentheses, "trials": spent.settings, "oracle": "random"}
            for depth in layers_of(cell, grid):
                if depth in (grid.depths[0], grid.depths[-1]):
                    pieces.append(_piece("random", depth=depth, **random, **common))
                if depth in spent.search_depths:
                    for task in (spent.parentheses, "arithmetic"):
                        search: dict[str, Any] = {"task": task, "trials": spent.trials, "oracle": "gp"}
                        pieces.append(_piece("search", depth=depth, **search, **common))
        return pieces

    def exhibits(self, rows: StudyRows) -> Exhibits:
        """Returns figures 4 and 5 and tables 1 and App.2, and what they say."""
        from keras_rnncap.analysis.trainability_study import trainability_exhibits

        return trainability_exhibits(rows)


class RobustnessSpending(NamedTuple):
    """What the pieces cost.

    Attributes:
        parentheses: The task.
        trials: Trials of a search.
        reruns: Reruns of its best hyperparameters.
        steps: Training steps of each.
    """

    parentheses: str
    trials: int
    reruns: int
    steps: int


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
    spending: ClassVar = {
        "smoke": RobustnessSpending(SMALL, 2, 3, 20),
        "laptop": RobustnessSpending(LAPTOP, 64, 100, 2_000),
        "paper": RobustnessSpending("parentheses", 1_000, 100, 50_000),
    }

    def pieces(self, grid: Grid, profile: str, seed: int) -> list[Piece]:
        """Returns what is to be run."""
        spent, pieces = self.spending[profile], []
        for cell in grid.cells:
            for depth, params in itertools.product(layers_of(cell, grid), grid.params):
                common: dict[str, Any] = {"task": spent.parentheses, "cell": cell, "depth": depth}
                common |= {"params": params, "steps": spent.steps}
                options: dict[str, Any] = {"trials": spent.trials, "oracle": "gp", "stop_early": profile != "paper"}
                search = _piece("search", **common, **options, seed=seed)
                # Another seed, or the reruns would have the search's weights and batches among theirs.
                options = {"trials": spent.reruns, "oracle": "repeat", "seed": seed + 1}
                pieces += [search, _piece("rerun", best_of=search.name, **common, **options)]
        return pieces

    def exhibits(self, rows: StudyRows) -> Exhibits:
        """Returns table App.1, and what it says."""
        from keras_rnncap.analysis.trainability_study import robustness_exhibits

        return robustness_exhibits(rows)
