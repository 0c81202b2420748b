"""The tables of a search as they must be: its trials and their histories."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras_tuner as kt
from keras_tuner.engine.hyperparameters import Float, Int

from keras_rnncap.runs import COMPLETED, columns, read_rows
from keras_rnncap.runs.columns import Column, checked_rows
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
    if not any(name.startswith(HYPERPARAMETER) for row in rows for name in row):
        names = {hp.name: HYPERPARAMETER + hp.name for hp in space.space}
        rows = [{names.get(name, name): value for name, value in row.items()} for row in rows]
    known = {
        "trial": columns.COUNT,
        "status": columns.STATUS,
        "seed": columns.SEED,
        "steps": columns.optional(columns.COUNT),
        "elapsed_s": columns.NUMBER,
        objective: columns.NUMBER._replace(needed=lambda row: row.get("status") == COMPLETED),
        **_value_columns(rows, space, HYPERPARAMETER),
    }
    return checked_rows(path, rows, known, unique="trial")


def check_values(path: Path, values: Sequence[Row], space: kt.HyperParameters) -> None:
    """Raises `InputError` if the values of trials, each in a line of a file, are not of a space."""
    checked_rows(path, values, _value_columns(values, space, ""), first_line=1)


def _value_columns(rows: Sequence[Row], space: kt.HyperParameters, prefix: str) -> dict[str, Column]:
    """Returns the columns of hyperparameters that any row has."""
    names = dict.fromkeys(name for row in rows for name in row if name.startswith(prefix))
    return {name: _value_column([hp for hp in space.space if prefix + hp.name == name]) for name in names}


def _value_column(hyperparameters: Sequence[Any]) -> Column:
    """Returns the column of all hyperparameters of a name; one active in every trial has a value in every row."""
    always = any(not any(hasattr(condition, "values") for condition in hp.conditions) for hp in hyperparameters)
    choices = [_column(hp) for hp in hyperparameters]

    def read(value: Any) -> Any:
        for column in choices:
            with contextlib.suppress(ValueError, TypeError, OverflowError):
                return column.read(value)
        raise ValueError

    allowed = " or ".join(column.allowed for column in choices) or "a hyperparameter of the space"
    return Column(allowed, read, lambda _: always)


def _column(hp: Any) -> Column:
    if isinstance(hp, Int):
        return Column("an integer", columns.read_integer)
    if isinstance(hp, Float):
        return columns.NUMBER
    values = list(hp.values)
    return Column("one of " + ", ".join(map(str, values)), lambda value: values[values.index(value)])


def read_history(path: Path, rows: Sequence[Row]) -> list[Row]:
    """Returns the rows of `history.csv` that are of one of the trials, NaN where there is no value.

    Raises:
        InputError: If a value is not allowed, or the end of a trial is missing.
    """
    header = path.read_bytes().partition(b"\n")[0].decode(errors="replace").rstrip("\r") if path.exists() else ""
    if not ",".join(HISTORY).startswith(header):  # one of before lacks the last column
        raise damaged(path, f"its first line is {header!r:.80}, not {','.join(HISTORY)}")
    number = columns.optional(columns.ANY_NUMBER)
    known = {"trial": columns.COUNT, "step": columns.COUNT, "loss": number, "progress": number}
    history = checked_rows(path, read_rows(path, growing=True), known)
    ends = {row["trial"]: row["step"] for row in history}
    steps = {row["trial"]: row.get("steps", ends.get(row["trial"])) for row in rows}
    for trial in {*ends} & {*steps}:
        if ends[trial] != steps[trial]:
            raise damaged(path, f"trial {trial} ends at step {ends[trial]}, and at {steps[trial]} in trials.csv")
    return [{name: row.get(name, math.nan) for name in HISTORY} for row in history if row["trial"] in steps]
