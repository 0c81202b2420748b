"""The rows of a search: a row for each candidate that ended, and one for each training."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from keras_rnncap.errors import InputError
from keras_rnncap.evolution.history import Candidate, Evaluation, History, named
from keras_rnncap.evolution.problems import Problem
from keras_rnncap.evolution.rules import Rules
from keras_rnncap.graphs import Graph
from keras_rnncap.runs import COMPLETED, DIVERGED, read_rows
from keras_rnncap.runs.columns import COUNT, JSON, NUMBER, SEED, STATUS, TEXT, checked_rows, optional
from keras_rnncap.runs.rows import HYPERPARAMETER, damaged, value_columns

CANDIDATES, EVALUATIONS = "candidates.csv", "evaluations.csv"
KINDS = ("base", "mutant", "random", "settings")
CANDIDATE_COLUMNS = {"candidate": COUNT, "kind": TEXT, "stages": COUNT, "graph": JSON, "parent": optional(TEXT)}
EVALUATION_COLUMNS = {
    **{"candidate": COUNT, "task": TEXT, "of": COUNT, "accuracy": NUMBER, "epochs": COUNT, "seed": SEED},
    **{"status": STATUS, "elapsed_s": NUMBER, "loss": optional(NUMBER), "probability": optional(NUMBER)},
}


class Ended(NamedTuple):
    """A candidate that ended, and its evaluations by stage; the first is that of the filter if `filtered`."""

    candidate: Candidate
    stages: tuple[list[Evaluation], ...]
    filtered: bool


def candidate_row(ended: Ended, rules: Rules) -> dict[str, Any]:
    """Returns the row of a candidate."""
    candidate, graph = ended.candidate, ended.candidate.graph
    problems = rules.stages if ended.filtered else rules.problems
    return {
        "candidate": candidate.number,
        "kind": candidate.kind,
        "architecture": candidate.name,
        "parent": candidate.parent or None,
        "function": candidate.function,
        "filtered": ended.filtered,
        "stages": len(ended.stages),
        "last_task": problems[len(ended.stages) - 1].task,
        "best_accuracy": max(each.accuracy for each in ended.stages[-1]),
        "nodes": len(graph.nodes),
        "linears": len(graph.linears()),
        "states": graph.states,
        "elapsed_s": round(sum(each.seconds for stage in ended.stages for each in stage), 3),
        "graph": graph.to_json(),
    }


def evaluation_rows(number: int, problem: Problem, found: Sequence[Evaluation]) -> list[dict[str, Any]]:
    """Returns the rows of a stage of the candidate of a number."""
    return [
        {"candidate": number, "task": problem.task, "of": len(found)}
        | value_columns(dict(each.setting))
        | {"accuracy": each.accuracy, "loss": each.loss, "probability": each.probability, "epochs": each.epochs}
        | {"status": DIVERGED if each.diverged else COMPLETED, "seed": each.seed, "elapsed_s": each.seconds}
        for each in found
    ]


Stages = dict[tuple[int, str], list[Evaluation]]
"""Evaluations by the number of the candidate and the task."""


def read_stages(folder: Path, rules: Rules) -> Stages:
    """Returns all stages in a folder whose rows are all there."""
    file = folder / EVALUATIONS
    rows = checked_rows(file, read_rows(file, growing=True), EVALUATION_COLUMNS)
    grids = {problem.task: [*problem.grid()] for problem in rules.stages}
    found: Stages = {}
    counts: dict[tuple[int, str], int] = {}
    for line, row in enumerate(rows, 2):
        if row["task"] not in grids:
            raise damaged(file, f"line {line}: the search has no task {row['task']!r:.80}")
        key = (row["candidate"], row["task"])
        found.setdefault(key, []).append(_evaluation(row, grids[row["task"]], file, line))
        counts[key] = row["of"]
    return {key: stage for key, stage in found.items() if len(stage) == counts[key]}


def _evaluation(row: Mapping[str, Any], grid: Sequence[str], file: Path, line: int) -> Evaluation:
    try:
        setting = tuple((name, row[HYPERPARAMETER + name]) for name in grid)
    except KeyError as error:
        raise damaged(file, f"line {line} has no {error.args[0]}") from error
    loss, probability = row.get("loss", math.nan), row.get("probability", math.nan)
    measured = (float(row["accuracy"]), float(loss), float(probability))
    return Evaluation(setting, *measured, row["epochs"], row["status"] == DIVERGED, row["seed"], row["elapsed_s"])


def read_ended(folder: Path, rules: Rules, stages: Stages) -> dict[int, Ended]:
    """Returns all candidates in a folder, by number.

    Raises:
        InputError: If a table is damaged.
    """
    file, found = folder / CANDIDATES, {}
    for line, row in enumerate(
        checked_rows(file, read_rows(file, growing=True), CANDIDATE_COLUMNS, unique="candidate"), 2
    ):
        number, filtered = row["candidate"], str(row.get("filtered")) == "True"
        try:
            graph = Graph.from_json(row["graph"])
        except InputError as error:
            raise damaged(file, f"line {line}: {error}") from error
        if row["kind"] not in KINDS or row.get("architecture") != named(graph):
            raise damaged(file, f"line {line}: kind or architecture is not that of its graph")
        problems = (rules.stages if filtered else rules.problems)[: row["stages"]]
        missing = [problem.task for problem in problems if (number, problem.task) not in stages]
        if missing or not problems:
            raise damaged(folder / EVALUATIONS, f"the rows of candidate {number} on {', '.join(missing)} are missing")
        candidate = Candidate(number, row["kind"], graph, row.get("parent", ""))
        found[number] = Ended(candidate, tuple(stages[number, problem.task] for problem in problems), filtered)
    return found


def read_history(folder: Path, rules: Rules) -> History:
    """Returns what a folder of a search shows: all candidates up to the first that has not ended."""
    stages = read_stages(folder, rules)
    ended, history = read_ended(folder, rules, stages), History(rules)
    for number in range(len(ended)):
        if number not in ended:
            break
        history.add(*ended[number])
    return history


def rules_of(identity: Mapping[str, Any]) -> Rules:
    """Returns the rules in the `run.json` of a search; raises `InputError` if they are none."""
    try:
        known = dict(identity["rules"])
        problems = tuple(_problem(each) for each in known.pop("problems"))
        return Rules(problems=problems, memorization=_problem(known.pop("memorization")), **known)
    except (KeyError, TypeError, ValueError) as error:
        text = json.dumps(identity)[:80]
        raise InputError(
            f"run.json must be that of rnncap evolve; got {text} ({type(error).__name__}: {error})"
        ) from error


def _problem(known: Mapping[str, Any]) -> Problem:
    return Problem(**{**known, "dropouts": tuple(known["dropouts"])})
