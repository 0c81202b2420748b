"""The presets of the package: what each is, and the searches and trainings that make it."""

import json
import re
from typing import Any, ClassVar, NamedTuple

import pandas as pd

from keras_rnncap.analysis.exhibits import PAPER_CELLS, Exhibits, StudyRows
from keras_rnncap.errors import InputError
from keras_rnncap.studies.study import FEW_TRIALS, Grid, Piece, Study, least_depth, search_piece
from keras_rnncap.tuners.profiles import get_profile
from keras_rnncap.zoo import list_presets

PERCEPTRON = "perceptron"
JOZEFOWICZ_CELLS = ("mut1", "mut2", "mut3", "lstm-b")
LATER_CELLS = ("mgu", "janet", "fastgrnn", "mingru", "minlstm", "rg-lru")
GENERATED = "Drawn from a generator of keras-rnncap; there is nothing to license."


class Recipe(NamedTuple):
    """The presets of a task.

    Attributes:
        task: The task.
        cells: Their cells.
        params: Budget of their parameters.
        search_params: Budget of the models of the search for hyperparameters.
        search: Trials and training steps of the search.
        train: Trials and training steps of the training with the best hyperparameters.
        paper: What the paper reports of its cells.
        origin: Where the data come from.
    """

    task: str
    cells: tuple[str, ...]
    params: int
    search_params: int
    search: tuple[int, int]
    train: tuple[int, int]
    paper: str = ""
    origin: str = GENERATED


RECIPES = {
    "smoke": (Recipe("memory:input_dim=4,length=3", PAPER_CELLS, 300, 150, (2, 20), (1, 20)),),
    "laptop": (
        Recipe(
            "memory", PAPER_CELLS + LATER_CELLS, 9_000, 9_000, (12, 2_500), (2, 20_000), "figure 2c: 1 - units / 64"
        ),
        Recipe(
            "parentheses:length=20,streams=3",
            PAPER_CELLS,
            5_000,
            5_000,
            (32, 2_000),
            (2, 20_000),
            "figure 4, for 10 streams of 175: near 0 for gated cells",
        ),
        Recipe("memorization", JOZEFOWICZ_CELLS, 10_000, 5_000, (12, 2_000), (1, 20_000)),
        Recipe(
            "text8",
            PAPER_CELLS + LATER_CELLS,
            100_000,
            5_000,
            (12, 1_000),
            (1, 5_000),
            "figure 3: about 2 bits per character at 100,000 parameters",
            "The first 12.5 million characters of text8, from Wikipedia: Creative Commons BY-SA.",
        ),
    ),
}

STORED_PARAMS = {"smoke": 60, "laptop": 1_000, "paper": 1_000}
"""Budget of the models of the studies `capacity` and `cells` that become presets: the best trial of each cell."""


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


def zoo_exhibits(rows: StudyRows) -> Exhibits:
    """Returns a table of the presets that were trained, with their costs, and the cards of those that are bundled."""
    trained = rows.pieces[rows.pieces["part"] == "train"]
    bits, cost = trained["bits_per_parameter"], rows.pieces.groupby("preset")["elapsed_s"].sum()
    table = trained[["preset", "parameters"]].assign(score=trained["best_score"].where(bits.isna(), bits))
    table["of what"] = trained["objective"].where(bits.isna(), "bits_per_parameter")
    table["seconds"] = table["preset"].map(cost).round()
    shown = Exhibits(presets=list(list_presets().index))
    caption = "Scores of the validation split, or stored bits; seconds of training, with the search."
    shown.add("presets", "Presets", "", caption, table.reset_index(drop=True))
    return shown


class ZooStudy(Study):
    """Searches of hyperparameters, at a smaller size where a preset is large, and longer trainings with the best.

    `rnncap zoo bundle` makes presets of a folder of this study, and of the best trials of the studies `capacity` and
    `cells`.
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
        "laptop": Grid((*PAPER_CELLS, *JOZEFOWICZ_CELLS, *LATER_CELLS), (), ()),
        "paper": Grid((*PAPER_CELLS, *JOZEFOWICZ_CELLS, *LATER_CELLS), (), ()),
    }

    def pieces(self, grid: Grid, profile: str, seed: int) -> list[Piece]:
        """Returns what is to be run."""
        return [
            piece
            for recipe in RECIPES.get(profile, RECIPES["laptop"])
            for cell in grid.cells
            if cell in recipe.cells
            for piece in _search_and_training(recipe, cell, profile, seed)
        ]

    shown_by = staticmethod(zoo_exhibits)


def _search_and_training(recipe: Recipe, cell: str, profile: str, seed: int) -> list[Piece]:
    name, (trials, steps) = preset_name(cell, recipe.task, recipe.params), recipe.search
    common: dict[str, Any] = {"cell": cell, "depth": least_depth(cell), "task": recipe.task}
    settings = {"params": recipe.search_params, "trials": trials, "steps": steps, "seed": seed, **FEW_TRIALS}
    if profile == "paper":
        settings["trials"] = get_profile(profile).trials
    search = search_piece(("search", name), {"part": "search", "preset": name, "search": None}, **common, **settings)
    trials, steps = recipe.train
    settings = {"params": recipe.params, "trials": trials, "steps": steps, "seed": seed + 1, "stop_early": False}
    labels = {"part": "train", "preset": name, "search": search.name}
    return [search, search_piece(("train", name), labels, search.name, **common, **settings, oracle="repeat")]


def trainings(rows: pd.DataFrame, study: str, profile: str) -> pd.DataFrame:
    """Returns the rows of `zoo`, `capacity` or `cells` whose models become presets, with what their cards say.

    The columns are `preset`, `search`, `origin` and `paper`.

    Raises:
        InputError: If a model was trained on a task of which there is no preset now.
    """
    if study != ZooStudy.name:
        params, least = STORED_PARAMS[profile], rows["cell"].map(least_depth)
        chosen = rows[(rows["part"] == "size") & (rows["params"] == params) & (rows["depth"] == least)]
        names = [preset_name(cell, PERCEPTRON, params) for cell in chosen["cell"]]
        paper = ["3 to 6 bits per parameter" if cell in PAPER_CELLS else "" for cell in chosen["cell"]]
        return chosen.assign(preset=names, search=None, origin=GENERATED, paper=paper)
    trained = rows[rows["part"] == "train"]
    recipes = {recipe.task: recipe for recipe in RECIPES.get(profile, RECIPES["laptop"])}
    tasks = [json.loads(settings).get("task") for settings in trained["settings"]]
    for name, task in zip(trained["preset"], tasks, strict=True):
        if task not in recipes:
            raise InputError(f"{name} was trained on {task}, of which there is no preset now; see studies/zoo.py")
    known = [recipes[task] for task in tasks]
    cells = zip(known, trained["cell"], strict=True)
    paper = [recipe.paper if cell in PAPER_CELLS else "" for recipe, cell in cells]
    return trained.assign(origin=[recipe.origin for recipe in known], paper=paper)
