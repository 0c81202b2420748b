"""The presets that are bundled with the package: what each is, and the searches and trainings that make it."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any, ClassVar, NamedTuple

import pandas as pd

from keras_rnncap.analysis.exhibits import PAPER_CELLS, Exhibits, StudyRows
from keras_rnncap.datasets import get_task_class, make_task
from keras_rnncap.errors import InputError
from keras_rnncap.studies.study import FEW_TRIALS, Grid, Piece, Study, needs_depth, piece_name, training_work
from keras_rnncap.tuners.profiles import get_profile
from keras_rnncap.zoo import list_presets

PERCEPTRON = "perceptron"
JOZEFOWICZ_CELLS = ("mut1", "mut2", "mut3", "lstm-b")
GENERATED = "Drawn from a generator of keras-rnncap; there is nothing to license."


class Recipe(NamedTuple):
    """What the presets of a task are.

    Attributes:
        task: The task.
        cells: For which cells.
        params: Budget of a preset's parameters.
        search_params: Budget of the models of the search for hyperparameters.
        search: Trials and training steps of the search.
        train: Trials and training steps of the training with the best that it found.
        batch_size: Samples in a step.
        paper: What the paper reports.
        origin: Where the data come from.
    """

    task: str
    cells: tuple[str, ...]
    params: int
    search_params: int
    search: tuple[int, int]
    train: tuple[int, int]
    batch_size: int
    paper: str
    origin: str = GENERATED


RECIPES = {
    "smoke": (Recipe("memory:input_dim=4,length=3", PAPER_CELLS, 300, 150, (2, 20), (1, 20), 64, ""),),
    "laptop": (
        Recipe("memory", PAPER_CELLS, 9_000, 9_000, (12, 2_500), (2, 20_000), 64, "figure 2c: 1 - units / 64"),
        Recipe(
            "parentheses:length=20,streams=3",
            PAPER_CELLS,
            5_000,
            5_000,
            (32, 2_000),
            (2, 20_000),
            64,
            "figure 4, for 10 streams of 175: near 0 for gated cells",
        ),
        Recipe("memorization", JOZEFOWICZ_CELLS, 10_000, 5_000, (12, 2_000), (1, 20_000), 64, ""),
        Recipe(
            "text8",
            PAPER_CELLS,
            100_000,
            5_000,
            (12, 1_000),
            (1, 5_000),
            64,
            "figure 3: about 2 bits per character at 100,000 parameters",
            "The first 12.5 million characters of text8, from Wikipedia: Creative Commons BY-SA.",
        ),
    ),
}

STORED_PARAMS = {"smoke": 60, "laptop": 1_000, "paper": 1_000}
"""Budget of the models of the study `capacity` that become presets: the best trial of each cell."""


def preset_name(cell: str, task: str, params: int) -> str:
    """Returns the name of a preset: cell, task and budget.

    Example:
    >>> preset_name("+rnn", "memory:input_dim=4,length=3", 9_000)
    'intersection-rnn-memory-9k'
    >>> preset_name("my_cells:Mine", "perceptron", 60)
    'my-cells-mine-perceptron-60'
    """
    size = f"{params // 1000}k" if params % 1000 == 0 else str(params)
    words = re.sub(r"[^a-z0-9]+", "-", cell.lower().replace("+", "intersection-")).strip("-")
    return f"{words}-{task.partition(':')[0]}-{size}"


class ZooStudy(Study):
    """Searches of hyperparameters, at a smaller size where a preset is large, and trainings with the best.

    Two parts: `search`, and `train`, longer, with other weights and batches. `rnncap zoo bundle` makes presets of a
    folder of this study, and of one of the study `capacity`, where a search is all there is: its best trial.
    """

    name = "zoo"
    title = "The presets of the zoo"
    source = "tasks of Collins et al. 2017 and Jozefowicz et al. 2015"
    differences = (
        "Presets show what a cell does with a size that a laptop trains in minutes; the papers' models are larger, "
        "and were the best of thousands."
    )
    profiles: ClassVar = {
        "smoke": Grid(PAPER_CELLS, (), ()),
        "laptop": Grid((*PAPER_CELLS, *JOZEFOWICZ_CELLS), (), ()),
        "paper": Grid((*PAPER_CELLS, *JOZEFOWICZ_CELLS), (), ()),
    }

    def pieces(self, grid: Grid, profile: str, seed: int) -> list[Piece]:
        """Returns what is to be run."""
        found = []
        for recipe in RECIPES.get(profile, RECIPES["laptop"]):
            for cell in [cell for cell in grid.cells if cell in recipe.cells]:
                depth = 2 if needs_depth(cell) else 1
                common = {"cell": cell, "depth": depth, "batch_size": recipe.batch_size}
                found += _search_and_training(recipe, common, profile, seed)
        return found

    def exhibits(self, rows: StudyRows) -> Exhibits:
        """Returns a table of the presets that were trained, and the cards of those that are bundled."""
        from keras_rnncap.analysis.zoo_study import zoo_exhibits

        shown = zoo_exhibits(rows)
        return dataclasses.replace(shown, presets=list(list_presets().index))


def _search_and_training(recipe: Recipe, common: dict[str, Any], profile: str, seed: int) -> list[Piece]:
    name, length = preset_name(common["cell"], recipe.task, recipe.params), _length(recipe.task)
    found: list[Piece] = []
    for part, params, (trials, steps), more in (
        ("search", recipe.search_params, recipe.search, {"seed": seed, "stop_early": True, "changes": FEW_TRIALS}),
        ("train", recipe.params, recipe.train, {"seed": seed + 1, "stop_early": False, "oracle": "repeat"}),
    ):
        spent = get_profile(profile).trials if (profile, part) == ("paper", "search") else trials
        settings = {**common, "task": recipe.task, "params": params, "trials": spent, "steps": steps, **more}
        work = training_work(params, length, recipe.batch_size, spent * steps)
        best_of = found[0].name if found else None
        labels = {"part": part, "preset": name, "search": best_of}
        found.append(Piece(piece_name(part, name, f"seed{more['seed']}"), settings, labels, work, best_of))
    return found


def _length(task: str) -> int:
    """Returns the time steps of a task, without its data."""
    task_class = get_task_class(task.partition(":")[0])
    return task_class.described().length if task_class.needs_data else make_task(task).length


def trainings(rows: pd.DataFrame, study: str, profile: str) -> pd.DataFrame:
    """Returns the rows whose models become presets, with the columns `preset`, `search`, `origin` and `paper`.

    Args:
        rows: Searches of the study `zoo` or `capacity` that ended.
        study: Which.
        profile: Its profile.

    Raises:
        InputError: If a model was trained on a task of which there is no preset now.
    """
    if study != ZooStudy.name:
        params = STORED_PARAMS[profile]
        least = rows["cell"].map(lambda cell: 2 if needs_depth(cell) else 1)
        chosen = rows[(rows["part"] == "size") & (rows["params"] == params) & (rows["depth"] == least)]
        names = [preset_name(cell, PERCEPTRON, params) for cell in chosen["cell"]]
        return chosen.assign(preset=names, search=None, origin=GENERATED, paper="3 to 6 bits per parameter")
    trained = rows[rows["part"] == "train"]
    recipes = {recipe.task: recipe for recipe in RECIPES.get(profile, RECIPES["laptop"])}
    tasks = [json.loads(settings).get("task") for settings in trained["settings"]]
    for name, task in zip(trained["preset"], tasks, strict=True):
        if task not in recipes:
            raise InputError(f"{name} was trained on {task}, of which there is no preset now; see studies/zoo.py")
    return trained.assign(
        origin=[recipes[task].origin for task in tasks], paper=[recipes[task].paper for task in tasks]
    )
