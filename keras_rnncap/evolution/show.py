"""What the best architectures of a search are, and their pictures."""

import os
from pathlib import Path
from typing import NamedTuple

from keras_rnncap.analysis.cell_graph import plot_graph
from keras_rnncap.analysis.evolution import plot_family
from keras_rnncap.errors import InputError
from keras_rnncap.evolution.history import BASES, History, base_hash
from keras_rnncap.evolution.rows import read_history, rules_of
from keras_rnncap.evolution.tables import architectures
from keras_rnncap.graphs import edit_distance, nearest_known
from keras_rnncap.runs import IDENTITY, read_json, replacing

FOUND = "found"
"""The folder of graphs and pictures, in that of a search."""


class Shown(NamedTuple):
    """What `show_best` says.

    Attributes:
        rows: A row of texts for each architecture.
        tasks: The names of the tasks, columns of these rows.
        architectures: How many were evaluated.
        folder: Where the graphs and pictures are.
        first: The file of the best graph.
    """

    rows: list[list[str]]
    tasks: list[str]
    architectures: int
    folder: Path
    first: Path


def show_best(folder: str | os.PathLike[str], best: int) -> Shown:
    """Writes the graphs of the best architectures and their pictures; says what they are.

    Raises:
        InputError: If the folder holds no search, or none of its architectures was evaluated on all tasks.
    """
    path = Path(folder)
    if not (path / IDENTITY).is_file():
        raise InputError(f"{path} is not the folder of a search for architectures; make one with: rnncap evolve")
    history = read_history(path, rules_of(read_json(path / IDENTITY, "restore it")))
    names = history.best()[:best]
    if not names:
        raise InputError(f"no architecture in {path} was evaluated on all tasks yet; go on with: rnncap evolve")
    (path / FOUND).mkdir(exist_ok=True)
    for name in names:
        graph = history.known[name].first.graph
        with replacing(path / FOUND / f"{name}.json") as new:
            new.write_text(graph.to_json() + "\n", encoding="utf-8")
        with replacing(path / FOUND / f"{name}.svg") as new:
            plot_graph(graph, f"{name}, score {history.score(name):.3f}").savefig(new)
    with replacing(path / FOUND / "family.svg") as new:
        plot_family(architectures(history)).savefig(new)
    tasks = [task.partition(":")[0] for task in history.tasks]
    rows = [_row(history, name) for name in names]
    return Shown(rows, tasks, len(history.known), path / FOUND, path / FOUND / f"{names[0]}.json")


def _row(history: History, name: str) -> list[str]:
    known = history.known[name]
    near, edits = nearest_known(known.first.graph)
    nearest = f"is {near}" if not edits else f"{near}, {edits} edits"
    ratios = [f"{history.ratio(name, task):.3f}" for task in history.tasks]
    numbers = [f"{history.score(name):.3f}", *ratios, str(len(known.first.graph.nodes)), str(known.evaluations)]
    return [name, *numbers, nearest, _family(history, name)]


def _family(history: History, name: str) -> str:
    """Returns from which base an architecture comes, in how many generations and edits."""
    family = history.family(name)
    bases = {base_hash(base): base for base in BASES}
    root = bases.get(family[-1], family[-1])
    if len(family) == 1:
        return root
    edits = edit_distance(history.known[name].first.graph, history.known[family[-1]].first.graph)
    return f"{root}, {len(family) - 1} generation{'s'[: len(family) > 2]}, {edits} edits"
