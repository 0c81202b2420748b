"""Which cell for my task at this size? An answer from rows, or from a short probe."""

import dataclasses
import importlib.resources
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from keras_rnncap.analysis.cell_choice import Recommendation, compute_recommendation
from keras_rnncap.analysis.exhibits import PAPER_CELLS, StudyRows, reading_tables
from keras_rnncap.cells import cell_name, get_cell
from keras_rnncap.datasets import PerceptronCapacity, Task, get_task_class
from keras_rnncap.defaults import SEED, Probe, in_file_names, run_folder
from keras_rnncap.errors import InputError, check_integer
from keras_rnncap.runs import IDENTITY
from keras_rnncap.studies import read_study
from keras_rnncap.studies.study import check_budget, needs_depth
from keras_rnncap.tuners import run_sweep


def stored_rows(folders: Sequence[str | os.PathLike[str]] | None = None) -> StudyRows:
    """Returns the rows of studies.

    Args:
        folders: Folders that `run_study` made; `None` takes those that come with the package.

    Raises:
        InputError: If a folder holds no study.
    """
    if folders is None:
        bundled = Path(str(importlib.resources.files("keras_rnncap.docs.results")))
        paths = sorted(file.parent for file in bundled.glob(f"*/{IDENTITY}"))
    else:
        paths = [Path(folder) for folder in folders]
    for path in paths:
        if not (path / IDENTITY).is_file():
            raise InputError(f"{path} is not the folder of a study; make one with: rnncap study")
    rows = [read_study(path).labelled(f"{number}/") for number, path in enumerate(paths)]
    if not rows:
        return StudyRows(pd.DataFrame(), pd.DataFrame())
    return StudyRows(*(pd.concat(tables, ignore_index=True) for tables in zip(*rows, strict=True)))


def recommend(
    task: str | Task,
    params: int,
    *,
    depth: int = 1,
    results: Sequence[str | os.PathLike[str]] | None = None,
) -> Recommendation:
    """Answers which cell to take for a task at a size, from the rows of studies.

    For each cell the expected score of a search, interpolated between sizes, with a 95% interval; the share of settings
    that train; the median of random settings; and what a training step costs.

    Args:
        task: The task, or its name, which takes rows of any data.
        params: Number of parameters.
        depth: Number of layers.
        results: Folders of studies; `None` takes those that come with the package.

    Raises:
        InputError: If a number is out of range, or the rows have nothing of the task.
    """
    check_integer("params", params, 1)
    check_integer("depth", depth, 1)
    name = get_task_class(task).name if isinstance(task, str) else task.name
    data = None if isinstance(task, str) or name == PerceptronCapacity.name else task.data
    with reading_tables(", ".join(map(str, results or ["docs/results"]))):
        rows = stored_rows(results)
        recommendation = compute_recommendation(rows, name, params, depth, data)
    if recommendation is not None:
        return recommendation
    known = sorted({*rows.pieces.dropna(subset=["params"])["task"].dropna()}) if len(rows.pieces) else []
    if len(rows.pieces) and rows.pieces["bits_per_parameter"].notna().any():
        known.append(PerceptronCapacity.name)
    more = f"rnncap recommend --task {name} --params {params} --probe"
    if name == PerceptronCapacity.name:
        more = f"rnncap capacity CELL --params {params}"
    raise InputError(
        f"there are no rows of {name}; there are rows of {', '.join(known) or 'no task'}. Find out here: {more}"
    )


def default_directory(task: Task, params: int, depth: int, seed: int) -> Path:
    """Returns the folder of a probe that was given none."""
    words = "".join(letter if letter.isalnum() else "-" for letter in task.data)
    return run_folder("probe", words, f"{params}x{depth}", f"seed{seed}")


def probe(
    task: Task,
    params: int,
    *,
    cells: Sequence[str] | None = None,
    depth: int = Probe.depth,
    trials: int = Probe.trials,
    steps: int = Probe.steps,
    seed: int = SEED,
    out: str | os.PathLike[str] | None = None,
    progress: bool = False,
) -> Recommendation:
    """Trains each cell a little with random hyperparameters, and answers from that, as `recommend` does.

    Args:
        task: The task, with the user's own data perhaps.
        params: Largest number of trainable parameters.
        cells: Names of cells, as `get_cell` takes them; `None` takes those of Collins et al., at depth 1 without the
            +RNN.
        depth: Number of layers.
        trials: Random settings for each cell.
        steps: Training steps of each.
        seed: Seed of everything random.
        out: Folder of the trials; the same call again continues. `None` takes `runs/probe-TASK-PARAMSxDEPTH-seedSEED`.
        progress: Whether to show progress.

    Raises:
        InputError: If a cell is unknown, a number is out of range, or the folder cannot be used.

    Example:
    >>> from keras_rnncap.datasets import make_task
    >>> task = make_task("memory:input_dim=2,length=2")
    >>> found = probe(task, 60, cells=["rnn", "gru"], trials=2, steps=5, out=tmp_path / "probe")
    >>> sorted(found.candidates["cell"])
    ['gru', 'rnn']
    """
    if task.name == PerceptronCapacity.name:
        raise InputError("what cells store is measured, not probed: rnncap capacity CELL")
    if cells is None:
        cells = [cell for cell in PAPER_CELLS if depth > 1 or not needs_depth(cell)]
    for cell in cells:
        get_cell(cell)
    cells = list(dict.fromkeys(map(cell_name, cells)))
    check_integer("params", params, 1)
    check_integer("depth", depth, 1)
    for cell in cells:  # an error now if there is one
        check_budget(cell, params, depth, task.input_dim, task.output_dim)
    target = Path(out or default_directory(task, params, depth, seed))
    sizes: dict[str, Any] = {"params": params, "depth": depth, "trials": trials, "steps": steps, "seed": seed}
    options: dict[str, Any] = {"oracle": "random", "stop_early": False, "progress": "bar" if progress else False}
    pieces, tables = [], []
    for cell in cells:
        folder = target / in_file_names(cell)
        result = run_sweep(task, cell, **sizes, **options, out=folder)
        pieces.append({**dataclasses.asdict(result), "piece": cell, "part": "random", "params": params})
        tables.append(pd.read_csv(folder / "trials.csv").assign(piece=cell))
    rows = StudyRows(pd.DataFrame(pieces), pd.concat(tables, ignore_index=True))
    recommendation = compute_recommendation(rows, task.name, params, depth, task.data)
    if recommendation is None:
        raise InputError(f"no setting of any cell trained within {steps} steps; try more --trials or --steps")
    return recommendation
