"""Rows: a line of a CSV file for each trial or record."""

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd

from keras_rnncap.errors import InputError
from keras_rnncap.runs.files import replacing

Row: TypeAlias = dict[str, Any]
COMPLETED, UNTRAINED, CUT, STOPPED, DIVERGED = "completed", "untrained", "cut", "stopped", "diverged"
"""The `status` of a row. The trial ended with a score; with the score of one that learned nothing; has the score that
it had when the time of a search was over in which none had ended; was stopped early, and has none; or its loss became
infinite or NaN, which alone is infeasible."""
STATUSES = (COMPLETED, UNTRAINED, CUT, STOPPED, DIVERGED)
SCORED = (COMPLETED, UNTRAINED, CUT)
"""Of the trials that have a score."""
BEFORE = {"infeasible": DIVERGED}
"""What earlier versions called a status."""
HYPERPARAMETER = "hp."
"""What the columns of hyperparameters begin with."""


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """Writes a table of rows as CSV in one step."""
    with replacing(path) as new:
        pd.DataFrame(rows).to_csv(new, index=False)


def append_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """Appends rows to a CSV file, columns in its order; a process that is killed meanwhile leaves some of them."""
    if not rows:
        return
    table = pd.DataFrame(rows)
    with path.open("a+", newline="", encoding="utf-8", errors="replace") as stream:
        is_new = stream.tell() == 0
        stream.seek(0)
        columns = next(csv.reader(stream), [])
        if {*columns} == {*table}:
            table = table[columns]
        stream.seek(0, io.SEEK_END)
        table.to_csv(stream, index=False, header=is_new)


def read_rows(path: Path, growing: bool = False, needed: Iterable[str] = ()) -> list[Row]:
    """Returns the rows of a CSV file, each without its missing values; none if there is no such file.

    Args:
        path: The file.
        growing: Whether rows are appended to it: an unfinished last line is passed over.
        needed: Columns that it must have.

    Raises:
        InputError: If it is no table.
    """
    if not path.exists():
        return []
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if growing and not whole:
        return []
    try:
        if whole != content and not growing:
            raise ValueError("its last line has no end")
        text = whole.decode()
        if len({len(row) for row in csv.reader(io.StringIO(text, newline=""), strict=True)}) > 1:
            raise ValueError("its rows have different lengths")  # pandas would take first values for labels
        table = pd.read_csv(io.StringIO(text))
        if missing := [name for name in needed if name not in table]:
            raise ValueError(f"it has no column {missing[0]}")
    except (ValueError, csv.Error) as error:
        raise damaged(path, error) from error
    return [
        {str(name): value for name, value in row.items() if not pd.isna(value)}
        for row in table.to_dict(orient="records")
    ]


def damaged(path: Path, reason: object) -> InputError:
    """Returns the error for a table that cannot be used as it is."""
    return InputError(f"{path} is damaged ({reason}); delete it to start over, or restore it")


def value_columns(values: Mapping[str, Any]) -> Row:
    """Returns the columns of a row that hold the values of hyperparameters."""
    return {HYPERPARAMETER + name: value for name, value in values.items()}


def values_of(row: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Returns the values of hyperparameters in a row, also where their columns have no prefix, as in older tables.

    Example:
    >>> values_of({"steps": 100, "hp.steps": 3}, ["steps"]), values_of({"steps": 100, "rate": 0.1}, ["rate"])
    ({'steps': 3}, {'rate': 0.1})
    """
    prefix = HYPERPARAMETER if any(name.startswith(HYPERPARAMETER) for name in row) else ""
    return {name: row[prefix + name] for name in names if prefix + name in row}
