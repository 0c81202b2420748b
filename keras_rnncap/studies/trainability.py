"""How easily cells train, and how reliably: figures 4 and 5, tables 1, App.1 and App.2 of Collins et al. (2017)."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

from keras_rnncap.analysis.exhibits import PAPER_CELLS, Exhibits, StudyRows
from keras_rnncap.datasets import make_task
from keras_rnncap.studies.study import Grid, Piece, Study, needs_depth, piece_name, training_work

SMALL = "parentheses:length=5,streams=1"
LAPTOP = "parentheses:length=20,streams=3"
BATCH = 64


def sweep_piece(
    part: str,
    task: str,
    cell: str,
    params: int,
    depth: int,
    seed: int,
    *,
    trials: int,
    steps: int,
    oracle: str,
    stop_early: bool = False,
    best_of: str | None = None,
) -> Piece:
    """Returns a sweep over the whole space as a piece of a study."""
    settings: dict[str, Any] = {
        "task": task,
        "cell": cell,
        "params": params,
        "depth": depth,
        "trials": trials,
        "steps": steps,
        "batch_size": BATCH,
        "oracle": oracle,
        "stop_early": stop_early,
        "seed": seed,
    }
    work = training_work(params, make_task(task).length, BATCH, trials * steps)
    name = piece_name(part, task.partition(":")[0], cell, f"{params}x{depth}", f"seed{seed}")
    return Piece(name, settings, {"part": part}, work, best_of)


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
        spent, found = self.spending[profile], []
        for cell in grid.cells:
            depths = [depth for depth in grid.depths if depth > 1 or not needs_depth(cell)]
            for params in grid.params:
                for depth in sorted({grid.depths[0], grid.depths[-1]} & {*depths}):
                    where = ("random", spent.parentheses, cell, params, depth, seed)
                    found.append(sweep_piece(*where, trials=spent.settings, steps=spent.steps, oracle="random"))
                for depth in [depth for depth in depths if depth in spent.search_depths]:
                    for task in (spent.parentheses, "arithmetic"):
                        where = ("search", task, cell, params, depth, seed)
                        found.append(sweep_piece(*where, trials=spent.trials, steps=spent.steps, oracle="gp"))
        return found

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
        spent, found = self.spending[profile], []
        for cell in grid.cells:
            for depth in [depth for depth in grid.depths if depth > 1 or not needs_depth(cell)]:
                for params in grid.params:
                    common = (spent.parentheses, cell, params, depth, seed)
                    early = profile != "paper"
                    search = sweep_piece(
                        "search", *common, trials=spent.trials, steps=spent.steps, oracle="gp", stop_early=early
                    )
                    # Another seed, or the reruns would have the search's weights and batches among theirs.
                    rerun = sweep_piece(
                        "rerun",
                        *common[:-1],
                        seed + 1,
                        trials=spent.reruns,
                        steps=spent.steps,
                        oracle="repeat",
                        best_of=search.name,
                    )
                    found += [search, rerun]
        return found

    def exhibits(self, rows: StudyRows) -> Exhibits:
        """Returns table App.1, and what it says."""
        from keras_rnncap.analysis.trainability_study import robustness_exhibits

        return robustness_exhibits(rows)
