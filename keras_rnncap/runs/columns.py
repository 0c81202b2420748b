"""What the columns of a table hold, and how a value that does not belong there is told."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from keras_rnncap.errors import MOST
from keras_rnncap.runs.rows import COMPLETED, INFEASIBLE, Row, damaged


class Column(NamedTuple):
    """What a column of a table holds.

    Attributes:
        allowed: The same in words.
        read: Returns a value as the column has it; raises `ValueError`, `TypeError` or `OverflowError` for another.
        needed: Whether a row must have one.
    """

    allowed: str
    read: Callable[[Any], Any]
    needed: Callable[[Row], bool] = lambda _: True


def optional(column: Column) -> Column:
    """Returns a column of which rows may lack a value."""
    return column._replace(needed=lambda _: False)


def read_number(value: Any) -> float:
    """Returns a finite number; an integer as it is."""
    if isinstance(value, bool) or not math.isfinite(float(value)):
        raise ValueError
    return value if isinstance(value, int) else float(value)


def read_integer(value: Any) -> int:
    """Returns an integer; in a column with gaps a table has none."""
    if (number := read_number(value)) != int(number):
        raise ValueError
    return int(number)


def count(most: int) -> Column:
    """Returns a column of whole numbers from 0 on."""

    def read(value: Any) -> int:
        if not 0 <= (number := read_integer(value)) <= most:
            raise ValueError
        return number

    return Column(f"a whole number of 0 to {most:,}", read)


def _read_json(value: Any) -> str:
    if not isinstance(json.loads(value), dict):
        raise ValueError
    return str(value)


def of_kind(kind: type, allowed: str) -> Column:
    """Returns a column of objects of a type."""
    return one_of(allowed, lambda value: isinstance(value, kind))


def one_of(allowed: str, is_one: Callable[[Any], bool]) -> Column:
    """Returns a column of values of which a function says whether they are allowed."""

    def read(value: Any) -> Any:
        if not is_one(value):
            raise ValueError
        return value

    return Column(allowed, read)


COUNT, SEED = count(MOST), count(2**32 - 1)
NUMBER = Column("a finite number", read_number)
ANY_NUMBER = Column("a number", float)
TEXT = of_kind(str, "a text")
OBJECT = of_kind(dict, "an object")
JSON = Column("a JSON object", _read_json)
STATUS = one_of(f"{COMPLETED} or {INFEASIBLE}", (COMPLETED, INFEASIBLE).__contains__)


def checked_rows(
    path: Path, rows: Sequence[Row], columns: Mapping[str, Column], unique: str | None = None, first_line: int = 2
) -> list[Row]:
    """Returns rows whose values are as their columns have them; columns that are not named are taken as they are.

    Args:
        path: The table's file.
        rows: What it holds.
        columns: What some of its columns hold.
        unique: A column whose values differ.
        first_line: The line of the first row.

    Raises:
        InputError: If a value is missing or not allowed; it names the file, the line, the column and what is allowed.
    """
    read = [_checked(path, line, row, columns) for line, row in enumerate(rows, first_line)]
    lines: dict[Any, int] = {}
    for line, value in enumerate([row[unique] for row in read] if unique else [], first_line):
        if (first := lines.setdefault(value, line)) != line:
            raise damaged(path, f"lines {first} and {line} both have the {unique} {value}")
    return read


def _checked(path: Path, line: int, row: Row, columns: Mapping[str, Column]) -> Row:
    read = dict(row)
    for name, column in columns.items():
        if name in row:
            try:
                read[name] = column.read(row[name])
            except (ValueError, TypeError, OverflowError, RecursionError) as error:
                raise damaged(path, f"line {line}: {name} is {row[name]!r:.80}, not {column.allowed}") from error
        elif column.needed(row):
            raise damaged(path, f"line {line} has no {name}, {column.allowed}")
    return read
