"""The files of a search as they must be: its trials, their histories, and what was asked for."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras_tuner as kt
from keras_tuner.engine.hyperparameters import Float, Int

from keras_rnncap.runs import COMPLETED, read_rows
from keras_rnncap.runs.columns import (
    ANY_NUMBER,
    COUNT,
    NUMBER,
    SEED,
    STATUS,
    Column,
    checked_rows,
    optional,
    read_integer,
    read_number,
)
from keras_rnncap.runs.rows import HYPERPARAMETER, Row, damaged

HISTORY_FILE = "history.csv"
HISTORY = ("trial", "step", "loss", "progress")
"""The file of learning curves, and its columns."""


def read_trials(path: Path, space: kt.HyperParameters, objective: str) -> list[Row]:
    """Returns the rows of `trials.csv`; those of before hyperparameters had columns of their own as of today.

    Raises:
        InputError: If a value is missing or not allowed, or two rows are of one trial.
    """
    rows = read_rows(path)
    if path.exists() and not rows:
        raise damaged(path, "it has no rows")
    there = {name for row in rows for name in row}
    old = {} if any(map(_is_value, there)) else {hp.name: HYPERPARAMETER + hp.name for hp in space.space}
    rows = [{old.get(name, name): value for name, value in row.items()} for row in rows]
    columns = {
        "trial": COUNT,
        "status": STATUS,
        "seed": SEED,
        "steps": optional(COUNT),
        "elapsed_s": NUMBER,
        objective: NUMBER._replace(needed=lambda row: row.get("status") == COMPLETED),
    }
    columns |= _value_columns(space, HYPERPARAMETER, {name for row in rows for name in row if _is_value(name)})
    return checked_rows(path, rows, columns, unique="trial")


def _is_value(column: str) -> bool:
    return column.startswith(HYPERPARAMETER)


def check_values(path: Path, values: Iterable[Mapping[str, Any]], space: kt.HyperParameters) -> None:
    """Raises `InputError` if the values of trials, each in a line of a file, are not of a space."""
    rows = [dict(trial) for trial in values]
    checked_rows(path, rows, _value_columns(space, "", {name for row in rows for name in row}), first_line=1)


def _value_columns(space: kt.HyperParameters, prefix: str, there: Collection[str]) -> dict[str, Column]:
    """Returns the columns of hyperparameters that are there, one active in every trial with a value in every row."""
    kinds: dict[str, list[Any]] = {name: [] for name in there}
    for hp in space.space:
        if prefix + hp.name in kinds:
            kinds[prefix + hp.name].append(hp)
    return {name: _value_column(hps) for name, hps in kinds.items()}


def _value_column(hps: Sequence[Any]) -> Column:
    always = any(not any(hasattr(condition, "values") for condition in hp.conditions) for hp in hps)

    def read(value: Any) -> Any:
        for hp in hps:
            try:
                return _value_of(hp, value)
            except (ValueError, TypeError, OverflowError):
                continue
        raise ValueError

    return Column(" or ".join(map(_allowed, hps)) or "a hyperparameter of the space", read, lambda _: always)


def _value_of(hp: Any, value: Any) -> Any:
    """Returns a value as the hyperparameter has it: a table knows no integers in a column with gaps."""
    if isinstance(hp, Int):
        return read_integer(value)
    return read_number(value) if isinstance(hp, Float) else hp.values[list(hp.values).index(value)]


def _allowed(hp: Any) -> str:
    if isinstance(hp, Int | Float):
        return "an integer" if isinstance(hp, Int) else NUMBER.allowed
    return "one of " + ", ".join(map(str, hp.values))


def read_history(path: Path, rows: Sequence[Row]) -> list[Row]:
    """Returns the rows of `history.csv` of those trials that have one, NaN where there is no value.

    What a killed process left of others is passed over.

    Raises:
        InputError: If a value is not allowed, or the end of a trial is missing.
    """
    header = path.read_bytes().partition(b"\n")[0].decode(errors="replace").rstrip("\r") if path.exists() else ""
    if not ",".join(HISTORY).startswith(header):  # one of before lacks the last column
        raise damaged(path, f"its first line is {header!r:.80}, not {','.join(HISTORY)}")
    columns = {"trial": COUNT, "step": COUNT, "loss": optional(ANY_NUMBER), "progress": optional(ANY_NUMBER)}
    history = checked_rows(path, read_rows(path, growing=True), columns)
    ends = {row["trial"]: row["step"] for row in history}
    steps = {row["trial"]: row.get("steps", ends.get(row["trial"])) for row in rows}
    for trial in {*ends} & {*steps}:
        if ends[trial] != steps[trial]:
            raise damaged(path, f"trial {trial} ends at step {ends[trial]}, and at {steps[trial]} in trials.csv")
    return [{name: row.get(name, math.nan) for name in HISTORY} for row in history if row["trial"] in steps]
