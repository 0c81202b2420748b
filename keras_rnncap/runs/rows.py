"""Rows: a line for each trial or record, in CSV files, and what their `status` can be."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pandas as pd

from keras_rnncap.errors import InputError
from keras_rnncap.runs.files import replacing

COMPLETED, INFEASIBLE = "completed", "infeasible"
"""The `status` of a row: the trial ended with a score, or its training diverged."""


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """Writes a table of rows as CSV in one step."""
    with replacing(path) as new:
        pd.DataFrame(rows).to_csv(new, index=False)


def append_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """Appends rows to a CSV file. Killed meanwhile, a process leaves some of them; `drop_half_row` mends the last."""
    if not rows:
        return
    with path.open("a", newline="", encoding="utf-8") as stream:
        pd.DataFrame(rows).to_csv(stream, index=False, header=stream.tell() == 0)


def drop_half_row(path: Path) -> None:
    """Cuts off a last line that was not written to its end, in a CSV file that rows are appended to."""
    if path.exists():
        with path.open("r+b") as stream:
            stream.truncate(stream.read().rfind(b"\n") + 1)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Returns the rows of a CSV file, without the values that a row does not have; none if there is no such file."""
    if not path.exists():
        return []
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            if len({len(row) for row in csv.reader(stream, strict=True)}) > 1:
                raise ValueError("its rows have different lengths")  # pandas would take first values for labels
        table = pd.read_csv(path)
    except (ValueError, csv.Error) as error:
        raise InputError(f"{path} is damaged ({error}); delete it to start over, or restore it") from error
    return [
        {str(name): value for name, value in row.items() if not pd.isna(value)}
        for row in table.to_dict(orient="records")
    ]
