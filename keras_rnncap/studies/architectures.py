"""What gates are worth: tables 1 to 3 of Jozefowicz et al. (2015), and their memorization."""

import dataclasses
import functools
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from keras_rnncap.analysis.architectures_study import PAPER_CELLS, architectures_exhibits
from keras_rnncap.cells import CellFactory, get_cell
from keras_rnncap.datasets.corpus import in_data_dir
from keras_rnncap.evolution import Measures, Problem, Training
from keras_rnncap.evolution.problems import check_problem
from keras_rnncap.evolution.proposals import all_settings
from keras_rnncap.initializers import derived_seed
from keras_rnncap.runs import COMPLETED, DIVERGED, write_rows
from keras_rnncap.runs.rows import value_columns
from keras_rnncap.studies.study import Grid, Piece, Progress, Study, piece_name
from keras_rnncap.versions import versions

RIGHT = 0.95
"""The accuracy of the filter of the paper's search, on memorization."""
WORDS = 200
"""Words that are told apart."""
AS_IN_THE_PAPER: Mapping[str, Mapping[str, Any]] = {"gru": {"forget_bias": 0.0}}
"""Arguments of cells whose defaults are not those of the paper."""


@dataclasses.dataclass(frozen=True)
class ArchitecturePiece(Piece):
    """A cell on a problem: settings that are the same for all cells, and the best of them with fresh seeds."""

    def problems(self) -> list[Problem]:
        """Returns the problem at each depth."""
        known = dict(self.settings["problem"])
        shape = {"dropouts": tuple(known.pop("dropouts", ())), "params": self.settings["params"]}
        return [Problem(**known, **shape, depth=depth) for depth in self.settings["depths"]]

    def check(self) -> None:
        """Raises `InputError` if the budget buys no unit, or data are missing."""
        for problem in self.problems():
            check_problem(problem, paper_cell(self.settings["cell"]))

    def run(self, folder: Path, rows: Mapping[str, Mapping[str, Any]], progress: Progress) -> dict[str, Any] | None:
        """Trains all settings, and the best again with other weights and batches; returns the piece's row."""
        del rows, progress
        return self.trained(folder, paper_cell(self.settings["cell"])) | {"cell": self.settings["cell"]}

    def trained(self, folder: Path, cell: CellFactory) -> dict[str, Any]:
        """Does so with a cell; returns the row without its name."""
        began, settings = time.monotonic(), self.settings
        folder.mkdir(parents=True, exist_ok=True)
        seed, problems = settings["seed"], self.problems()
        table: list[dict[str, Any]] = []
        best: tuple[float, Problem, dict[str, Any]] | None = None
        for place, problem in enumerate(problems):
            drawn = self._drawn(problem, place)
            seeds = [derived_seed(seed, 1, place, number) for number in range(len(drawn))]
            start, until = time.monotonic(), np.full(len(drawn), np.nan)
            training = Training(problem, cell, drawn, seeds, derived_seed(seed, 2))
            training.run(functools.partial(_note, until))
            seconds = (time.monotonic() - start) / len(drawn)
            table += _rows("setting", training, training.validation, drawn, seeds, seconds, len(table), until)
            first = int(training.score.argmax())
            if best is None or training.score[first] > best[0]:
                best = (float(training.score[first]), problem, drawn[first])
        assert best is not None
        _, problem, values = best
        start, again = time.monotonic(), settings["reruns"]
        seeds = [derived_seed(seed, 3, number) for number in range(again)]
        training = Training(problem, cell, [values] * again, seeds, derived_seed(seed, 4))
        training.run()
        tested = training.test()
        seconds = (time.monotonic() - start) / again
        table += _rows("rerun", training, tested, [values] * again, seeds, seconds, len(table))
        write_rows(folder / "trials.csv", table)
        by_loss = not np.isfinite(tested.accuracy).any() or problem.judged_by == "loss"
        score = tested.loss if by_loss else tested.accuracy
        found = {
            "best_score": float(np.nanmean(score)) if np.isfinite(score).any() else None,
            "objective": "nats_per_step" if by_loss else "accuracy",
            "direction": "min" if by_loss else "max",
            "hyperparameters": json.dumps(values),
        }
        sizes = {"depth": problem.depth, "parameters": training.budget.parameters, "units": training.budget.units}
        task = problem.made()
        facts = {"task": task.name, "data": task.data, "params": settings["params"]}
        cost = {"elapsed_s": round(time.monotonic() - began, 3), "versions": json.dumps(versions())}
        return {"piece": self.name, **self.labels, **facts, **found, **sizes, "seed": seed, **cost}

    def _drawn(self, problem: Problem, place: int) -> list[dict[str, Any]]:
        """Returns the settings at a depth, the same for all cells."""
        grid, count = all_settings(problem), self.settings["settings"] // len(self.settings["depths"])
        rng = np.random.default_rng([self.settings["seed"], 5, place])
        return [dict(grid[index]) for index in rng.permutation(len(grid))[:count].tolist()]


def paper_cell(name: str) -> CellFactory:
    """Returns the cell of a name, the GRU as the paper has it, without a bias of its gate.

    Example:
    >>> paper_cell("gru")(2).forget_bias
    0.0
    """
    return functools.partial(get_cell(name), **AS_IN_THE_PAPER.get(name, {}))


def _note(until: np.ndarray, epoch: int, best: Measures) -> None:
    """Notes the epoch after which models were right."""
    until[(best.accuracy >= RIGHT) & np.isnan(until)] = epoch


def _rows(
    kind: str,
    training: Training,
    measures: Measures,
    settings: Sequence[Mapping[str, Any]],
    seeds: Sequence[int],
    seconds: float,
    first: int,
    until: np.ndarray | None = None,
) -> Iterator[dict[str, Any]]:
    for place, (values, seed) in enumerate(zip(settings, seeds, strict=True)):
        row = {"trial": first + place, "kind": kind, "depth": training.problem.depth, **value_columns(values)}
        row |= {"status": COMPLETED if training.alive[place] else DIVERGED, "seed": seed}
        row |= {name: float(value[place]) for name, value in measures._asdict().items()}
        row |= {"epochs": int(training.epochs[place]), "elapsed_s": round(seconds, 4)}
        yield row | ({"epochs_until_right": float(until[place])} if until is not None else {})


class ArchitecturesStudy(Study):
    """The cells of Jozefowicz et al. on their problems, each with the same settings of their grid.

    Parts: `accuracy` (table 1: arithmetic, XML, words), `music` (table 2: Nottingham without and with dropout, and
    Piano-midi), `words` (table 3: words at three sizes, with the dropout of their last schedule but for the smallest),
    and `memorization`. The setting that is best on the validation split is trained again with other weights and
    batches, and measured on the test split.
    """

    name = "architectures"
    title = "What are gates worth?"
    source = "Jozefowicz et al. 2015, tables 1 to 3"
    differences = (
        "Models have 10,000 to 50,000 parameters, not 250,000 to 20 million, one or two layers, not up to four, and "
        "train for minutes. Numbers have at most three digits, not eight. Words are the 200 most frequent of the text, "
        "others are read and not predicted, so losses are not those of the paper's 10,000. Each cell has 20 settings; "
        "what a best setting that was not drawn could do is not known, and intervals are over seeds of the setting "
        "that was found. Epochs are of 60 or 100 steps."
    )
    profiles: ClassVar = {
        "smoke": Grid(("gru", "tanh-lstm"), (400,), (1,)),
        "laptop": Grid(PAPER_CELLS, (10_000, 20_000, 50_000), (1, 2)),
        "paper": Grid(PAPER_CELLS, (5_000_000, 10_000_000, 20_000_000), (1, 2, 3, 4)),
    }
    """The budgets are those of part `words`; the first is that of part `accuracy`, too."""
    one_core = ("accuracy", "music", "words", "memorization")
    counts: ClassVar = {"smoke": (2, 2), "laptop": (20, 3), "paper": (20, 3)}
    """Settings, and reruns of the best."""
    training: ClassVar = {
        "smoke": {"search": (2, 2), "music": (2, 2), "words": (2, 2)},
        "laptop": {"search": (100, 30), "music": (60, 40), "words": (80, 30)},
        "paper": {"search": (1_000, 100), "music": (250, 800), "words": (1_300, 30)},
    }
    """Steps of an epoch, and epochs, by procedure."""
    music_params: ClassVar = {"smoke": 3_000, "laptop": 20_000, "paper": 100_000}
    memory_params: ClassVar = {"smoke": 400, "laptop": 25_000, "paper": 25_000}
    digits: ClassVar = {"smoke": 1, "laptop": 3, "paper": 8}
    dropouts: ClassVar = (0.1, 0.3, 0.5)

    def pieces(self, grid: Grid, profile: str, seed: int) -> list[Piece]:
        """Returns what is to be run; music only where its data are at hand."""
        text = "penn-treebank" if in_data_dir("ptb") else "python-docs"
        words = f"frequent-words:text={text},vocabulary={WORDS if profile != 'smoke' else 20}"
        if profile == "paper":
            words = "penn-treebank"
        least = min(grid.params)
        pieces: list[Piece] = []
        for cell in grid.cells:
            common: dict[str, Any] = {"cell": cell, "profile": profile, "seed": seed, "depths": grid.depths}
            for task in (f"distractor-arithmetic:digits={self.digits[profile]}", "xml", words):
                pieces.append(self._piece("accuracy", task, "search", least, **common))
            for collection in ("nottingham", "piano_midi"):
                if in_data_dir(f"music/{collection}.npz"):
                    task, params = f"polyphonic-music:collection={collection}", self.music_params[profile]
                    pieces.append(self._piece("music", task, "music", params, **common))
                    if collection == "nottingham":
                        dropped = common | {"dropouts": self.dropouts}
                        pieces.append(self._piece("music", task, "music", params, **dropped))
            for params in grid.params:
                of_size = common | ({"dropouts": (0.0,)} if params == least else {})
                pieces.append(self._piece("words", words, "words", params, **of_size))
            memory = common | {"depths": (1,)}
            pieces.append(self._piece("memorization", "memorization", "search", self.memory_params[profile], **memory))
        return pieces

    def _piece(
        self, part: str, task: str, procedure: str, params: int, *, profile: str, dropouts: Sequence[float] = (),
        **settings: Any,
    ) -> ArchitecturePiece:  # fmt: skip
        epoch_steps, epochs = self.training[profile][procedure]
        problem = {"task": task, "procedure": procedure, "epoch_steps": epoch_steps, "epochs": epochs}
        if part == "words":
            problem["judged_by"] = "loss"
        if dropouts:
            problem["dropouts"] = list(dropouts)
        count, reruns = self.counts[profile]
        dropped = bool(dropouts) and any(dropouts)
        settings |= {"problem": problem, "params": params, "settings": max(count, len(settings["depths"]))}
        settings |= {"reruns": reruns, "depths": list(settings["depths"])}
        column = f"{task.partition(':')[0]}{'-' + task.rpartition('=')[2] if part == 'music' else ''}"
        column += "-dropout" if dropped else ""
        labels = {"part": part, "column": column}
        work = 3.0 * params * 35 * 20 * epoch_steps * epochs * (count + reruns)
        name = piece_name(part, column, settings["cell"], params, f"seed{settings['seed']}")
        return ArchitecturePiece(name, settings, labels, work)

    def of_grid(self, pieces: pd.DataFrame) -> pd.DataFrame:
        """Returns the rows of part `words`; which of the depths is better is found, not given."""
        return pieces[pieces["part"] == "words"].assign(depth=None)

    shown_by = staticmethod(architectures_exhibits)
