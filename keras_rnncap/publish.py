"""From a finished run to a preset, and from a preset to a run that trains it again."""

import dataclasses
import functools
import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

import keras
import pandas as pd

from keras_rnncap.analysis.exhibits import StudyRows
from keras_rnncap.analysis.initializations_study import PAPER_CELLS, of_part
from keras_rnncap.analysis.words_study import plot_states
from keras_rnncap.cells import CELLS
from keras_rnncap.datasets import PerceptronCapacity, PerceptronSearch, Task, make_task, task_spec
from keras_rnncap.defaults import run_folder
from keras_rnncap.errors import InputError, check_integer, check_seed
from keras_rnncap.finished_run import load_model, read_finished
from keras_rnncap.runs import IDENTITY, read_json, read_rows
from keras_rnncap.studies import read_study
from keras_rnncap.studies.word_models import paper_task, word_settings
from keras_rnncap.studies.words import BEST, WordsStudy
from keras_rnncap.studies.zoo import GENERATED, preset_name, trainings
from keras_rnncap.training import TrainingSettings
from keras_rnncap.training.train import train_model
from keras_rnncap.tuners import measure_capacity, run_sweep
from keras_rnncap.tuners.profiles import PROFILES
from keras_rnncap.zoo import PresetFacts, describe, evaluate, save
from keras_rnncap.zoo.presets import check_new

OF_TASK = ("data", "score_name", "score_direction", "chance_score", "perfect_score")
"""Facts of a preset that its task knows."""
STUDIES = ("zoo", "capacity", "cells", WordsStudy.name)
"""Studies of which `bundle` makes presets."""
Writer: TypeAlias = Callable[[Path], Path]


def pack(
    run: str | os.PathLike[str],
    directory: str | os.PathLike[str],
    *,
    name: str,
    task: str | None = None,
    data: Path | None = None,
    version: int = 1,
    origin: str = "",
    paper: str = "",
    searches: Sequence[str | os.PathLike[str]] = (),
    cell_modules: Collection[str] = (),
) -> Path:
    """Writes the best model of a finished run as a preset, scored on fresh data.

    Args:
        run: Folder of `rnncap capacity`, `rnncap sweep` or `rnncap train` that ended, or was stopped after a trial.
        directory: The preset's folder; see `keras_rnncap.zoo.save`.
        name: `CELL-TASK-SIZE`.
        task: The task as `make_task` takes it, where the run was given arguments of it: `"parentheses:length=20"`.
        data: File or folder with the task's data.
        version: From 1.
        origin: Where the data come from, and under which licence, for the card.
        paper: What the paper reports, for the card.
        searches: Folders of sweeps that found the hyperparameters; the card adds what they cost.
        cell_modules: Modules whose cells may be run, besides the package's: `["my_cells"]`.

    Raises:
        InputError: If a folder holds no finished run, its files or the task are not of each other, or the cell is of a
            module that was not named.
    """
    check_new(Path(directory), name, version)
    finished = read_finished(Path(run))
    identity, result = finished.identity, finished.result
    found_by = [_search(Path(search), identity) for search in searches]
    model = finished.model(cell_modules)
    curve = finished.curve()  # after the model: where the rows are still the result's, it is so as well
    every = -(-len(curve) // 50) or 1  # a preset has at most 50 points, the last among them
    scored, spec = _task(identity, result, task, data)
    trials = result.get("trials", 1)
    facts = PresetFacts(
        name=name,
        task=spec,
        version=version,
        origin=origin,
        paper=paper,
        hyperparameters=finished.hyperparameters,
        training={**identity, "trials": trials},
        cost={
            "trials": trials + sum(search["trials"] for search in found_by),
            "seconds": round(sum(ended["elapsed_s"] for ended in [result, *found_by]), 1),
        },
        curve=curve[::-1][::every][::-1],
        loss=keras.losses.serialize(scored.loss()),
        **{fact: result[fact] for fact in ("cell", "depth", "units", "parameters", "versions")},
        **{fact: getattr(scored, fact) for fact in OF_TASK},
        **evaluate(model, scored)._asdict(),
    )
    return save(model, directory, facts)


def bundle(
    study: str | os.PathLike[str],
    presets: str | os.PathLike[str],
    *,
    version: int = 1,
    data: Path | None = None,
    cell_modules: Collection[str] = (),
) -> list[Path]:
    """Writes the models of a study's folder as presets, in `presets/NAME/vVERSION`; those that exist stay.

    Args:
        study: Folder of `rnncap study zoo`, `capacity`, `cells` or `words`, finished or not.
        presets: Folder of presets, such as `saved_models` of a checkout.
        version: Version of all the presets.
        data: File or folder with data of tasks that need some; `None` takes `RNNCAP_DATA_DIR`.
        cell_modules: See `pack`.

    Returns:
        The folders that were written.

    Raises:
        InputError: If the folder holds no such study, or a search in it cannot be published; see `pack`.
    """
    check_integer("version", version, 1)
    rows, identity = _read(Path(study))
    if identity["study"] == WordsStudy.name:
        writers = _classifiers(Path(study), rows, version)
    else:
        about = {"version": version, "data": data, "cell_modules": cell_modules}
        writers = _searched(Path(study), _trainings(Path(study), rows, identity), about)
    folders = ((Path(presets) / name / f"v{version}", write) for name, write in writers)
    return [write(folder) for folder, write in folders if not folder.exists()]


def _searched(study: Path, trained: pd.DataFrame, about: Mapping[str, Any]) -> Iterator[tuple[str, Writer]]:
    """Yields the presets of trainings with searched hyperparameters: names, and what writes each into a folder."""
    for name, rows in trained.groupby("preset", sort=False):
        row = max((row for _, row in rows.iterrows()), key=_merit)  # of several seeds
        yield str(name), functools.partial(_pack_searched, study, row, about)


def _pack_searched(study: Path, row: pd.Series, about: Mapping[str, Any], directory: Path) -> Path:
    searches = [row["search"]] if isinstance(row.get("search"), str) else []
    piece, *search_folders = (study / "pieces" / str(name) for name in (row["piece"], *searches))
    if (cell := read_finished(piece).result["cell"]) != row["cell"]:
        raise InputError(f"{piece} is a run of the {cell}; {study} says that it is of the {row['cell']}")
    own = {"name": row["preset"], "origin": row["origin"], "paper": row["paper"]}
    own["task"] = json.loads(row["settings"]).get("task")
    return pack(piece, directory, searches=search_folders, **own, **about)


def _classifiers(study: Path, rows: StudyRows, version: int) -> Iterator[tuple[str, Writer]]:
    """Yields the presets of the study `words`: the best models of the paper's cells on the task of figure 2."""
    if missing := {"settings", "versions"} - {*rows.pieces}:
        raise InputError(f"{study / 'pieces.csv'} is damaged: it has no {missing.pop()}; restore it")
    states = rows.pieces[(rows.pieces["part"] == "states") & rows.pieces["cell"].isin(PAPER_CELLS)]
    for _, row in states.iterrows():
        name = preset_name(row["cell"], row["task"], row["parameters"])
        yield name, functools.partial(_pack_classifier, study, row, rows, name, version)


def _pack_classifier(study: Path, row: pd.Series, rows: StudyRows, name: str, version: int, directory: Path) -> Path:
    """Writes the best model of a piece as a preset, with a picture of its states."""
    piece, settings = study / "pieces" / str(row["piece"]), json.loads(row["settings"])
    model = load_model(piece / BEST)
    task = paper_task(settings["rule"], settings["word_dim"], settings["seed"])
    states = of_part(rows, "states")
    facts = PresetFacts(
        name=name,
        task=task_spec(task),
        version=version,
        origin=GENERATED,
        paper="figure 2 draws the states of such models",
        hyperparameters=word_settings(settings["units"]),
        training={"command": f"study {WordsStudy.name}", "piece": row["piece"], **settings},
        cost={"trials": settings["models"], "seconds": round(float(row["wall_s"]), 1)},
        curve=[(int(point["step"]), float(point["loss"])) for point in read_rows(piece / "history.csv")],
        loss=keras.losses.serialize(task.loss()),
        versions=json.loads(row["versions"]),
        **{fact: row[fact] for fact in ("cell", "depth", "units", "parameters")},
        **{fact: getattr(task, fact) for fact in OF_TASK},
        **evaluate(model, task)._asdict(),
    )
    pictures = {"paths of the state, and fixed points": plot_states(states[states["piece"] == row["piece"]])}
    return save(model, directory, facts, pictures)


def _read(study: Path) -> tuple[StudyRows, dict[str, Any]]:
    """Returns the rows of a study that has presets, and what was asked for."""
    rows = read_study(study)
    identity = read_json(study / IDENTITY, "restore it") if not rows.pieces.empty else {}
    if identity.get("study") not in STUDIES:
        studies = f"{', '.join(STUDIES[:-1])} and {STUDIES[-1]}"
        raise InputError(
            f"{study} has nothing of the studies {studies} that ended; run rnncap study {STUDIES[0]} --out {study}"
        )
    return rows, identity


def _trainings(study: Path, rows: StudyRows, identity: Mapping[str, Any]) -> pd.DataFrame:
    if identity.get("profile") not in [*PROFILES]:
        raise InputError(f"{study / IDENTITY} is damaged: profile is {identity.get('profile')!r:.80}; restore it")
    if missing := {"hyperparameters", "settings"} - {*rows.pieces}:
        raise InputError(f"{study / 'pieces.csv'} is damaged: it has no {missing.pop()}; restore it")
    trained = trainings(rows.pieces, identity["study"], identity["profile"])
    return trained[trained["hyperparameters"].fillna("{}").ne("{}")]


def _merit(row: pd.Series) -> float:
    """Returns by what a training is better than others of the same preset."""
    if pd.notna(row["bits_per_parameter"]):
        return float(row["bits_per_parameter"])
    return float(row["best_score"]) * (1 if row["direction"] == "max" else -1)


def retrain(
    preset: str | os.PathLike[str],
    *,
    trials: int = 1,
    seed: int | None = None,
    data: Path | None = None,
    out: str | os.PathLike[str] | None = None,
    progress: bool | Literal["bar"] = False,
) -> Path:
    """Trains a preset again as its card says: the same cell, size, hyperparameters, steps and data, without the search.

    Args:
        preset: A handle; see `keras_rnncap.zoo.load`.
        trials: How often; the best is kept.
        seed: Seed of data, weights and batches; `None` takes the preset's.
        data: File or folder with the task's data.
        out: Folder of the run; `None` takes `runs/zoo-NAME-seedSEED`.
        progress: Whether to show progress.

    Returns:
        The run's folder, for `pack`.
    """
    facts = describe(preset)
    asked = facts.training
    command = str(asked.get("command", ""))
    more: dict[str, set[str]] = {"capacity": {"input_dim", "length"}, "sweep": {"task", "space"}, "train": set()}
    if command not in more or not {"params", "depth", "batch_size", "seed", "steps", *more[command]} <= {*asked}:
        raise InputError(f"{facts.handle} does not say how it was trained, and cannot be trained again from its card")
    if facts.cell not in CELLS:
        raise InputError(
            f"{facts.handle} has a cell of its own, {facts.cell}: its code is not run for a card's sake; train it with "
            "rnncap train or rnncap sweep"
        )
    check_integer("trials", trials, 1)
    if command == "train" and trials > 1:
        raise InputError(f"trials must be 1 for what rnncap train made; got {trials}. Train again with another seed")
    seed = check_seed(asked["seed"] if seed is None else seed)
    folder = Path(out or run_folder("zoo", facts.name, f"seed{seed}"))
    common: dict[str, Any] = {name: asked[name] for name in ("params", "depth", "batch_size")}
    common |= {"seed": seed, "out": folder}
    if command == "train":
        names = [field.name for field in dataclasses.fields(TrainingSettings)]
        common["settings"] = TrainingSettings(**{name: asked[name] for name in names if name in asked})
        train_model(_same_task(facts, data), facts.cell, **common, progress=bool(progress))
        return folder
    # What a space got later is not on older cards, which were trained as without it.
    stored = asked.get("data", PerceptronCapacity.name) == PerceptronCapacity.name  # patterns as many as it chose
    later = {"loss_saturation": 0.0} if stored else {}
    common |= {"steps": asked["steps"], "changes": later | facts.hyperparameters, "trials": trials}
    common["progress"] = progress
    if command == "capacity":
        common["space"] = asked.get("space", "collins")
        measure_capacity(facts.cell, input_dim=asked["input_dim"], length=asked["length"], **common)
    else:
        common |= {"space": asked["space"], "objective": asked.get("objective")}
        task = make_task(asked["task"]) if stored else _same_task(facts, data)
        run_sweep(task, facts.cell, oracle="repeat", stop_early=False, **common)
    return folder


def _same_task(facts: PresetFacts, data: Path | None) -> Task:
    """Returns the task of a preset; raises `InputError` if the data are not what it was trained on."""
    task = make_task(facts.task, data)
    if task.data != facts.data:
        raise InputError(f"{facts.handle} was trained on {facts.data}; the data here are {task.data}")
    _check_digest(facts.training, task)
    return task


def _check_digest(asked: Mapping[str, Any], task: Task) -> None:
    """Raises `InputError` if a task's data are not those of a run, as far as that noted their digest."""
    if (digest := asked.get("digest", task.digest)) != task.digest:
        raise InputError(
            f"the data here are not those of the run, though they are {task.data}, too: their digest is {task.digest}, "
            f"that of the run's data {digest}. Name the run's file or folder with --data"
        )


def _search(folder: Path, identity: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the result of a sweep that found the hyperparameters of a run."""
    search = read_finished(folder)
    same = all(search.identity.get(key) == identity.get(key) for key in ("cell", "task"))
    if search.command != "sweep" or not same:
        raise InputError(f"{folder} is not a sweep of the {identity['cell']} on {identity.get('task')}")
    return search.result


def _task(
    identity: Mapping[str, Any], result: Mapping[str, Any], task: str | None, data: Path | None
) -> tuple[Task, str]:
    """Returns the task of a run's best model, and how `make_task` is asked for it."""
    spec = task or identity.get("task", PerceptronCapacity.name)
    if identity["command"] == "capacity":
        of_run = (identity[key] for key in ("params", "input_dim", "length", "seed"))
        more = {name: identity[name] for name in ("centered", "per_parameter") if name in identity}
        searched: Task = PerceptronSearch(*of_run, **more)
    else:
        searched = make_task(spec, data)
    if identity["command"] == "sweep":
        searched = searched.for_budget(identity["params"], identity["seed"])
    if any(identity.get(key, known) != known for key, known in (("task", searched.name), ("data", searched.data))):
        raise InputError(f"task must be the run's, {identity['data']}; got {spec!r}, which is {searched.data}")
    _check_digest(identity, searched)
    try:
        best = searched.with_values(result.get("hyperparameters", {}), result["parameters"])
    except KeyError as error:
        raise InputError(f"the run's hyperparameters lack {error}: its files are damaged") from error
    return best, spec if best is searched else task_spec(best)
