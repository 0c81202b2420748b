"""Checks of the values in the columns of a table."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from keras_rnncap.errors import MOST
from keras_rnncap.runs.rows import BEFORE, STATUSES, Row, damaged


class Column(NamedTuple):
    """The values that a column of a table may hold.

    Attributes:
        allowed: The same in words.
        read: Converts a value; raises `ValueError`, `TypeError` or `OverflowError` for one that is not allowed.
        needed: Whether a row must have one.
    """

    allowed: str
    read: Callable[[Any], Any]
    needed: Callable[[Row], bool] = lambda _: True


def optional(column: Column) -> Column:
    """Returns a column whose values may be missing."""
    return column._replace(needed=lambda _: False)


def read_number(value: Any) -> float:
    """Returns a finite number; an integer as it is."""
    if isinstance(value, bool) or not math.isfinite(float(value)):
        raise ValueError
    return value if isinstance(value, int) else float(value)


def read_integer(value: Any) -> int:
    """Returns an integer, which is a float in a column with gaps."""
    if (number := read_number(value)) != int(number):
        raise ValueError
    return int(number)


def _where(allowed: str, is_allowed: Callable[[Any], bool], convert: Callable[[Any], Any] = lambda v: v) -> Column:
    """Returns a column of values for which a condition holds once they are converted."""

    def read(value: Any) -> Any:
        if not is_allowed(converted := convert(value)):
            raise ValueError
        return converted

    return Column(allowed, read)


def _count(most: int) -> Column:
    return _where(f"a whole number of 0 to {most:,}", lambda number: 0 <= number <= most, read_integer)


COUNT, SEED = _count(MOST), _count(2**32 - 1)
NUMBER = Column("a finite number", read_number)
ANY_NUMBER = Column("a number", float)
TEXT = _where("a text", lambda value: isinstance(value, str))
OBJECT = _where("an object", lambda value: isinstance(value, dict))
JSON = _where("a JSON object", lambda value: isinstance(json.loads(value), dict))
STATUS = _where(f"one of {', '.join(STATUSES)}", STATUSES.__contains__, lambda value: BEFORE.get(value, value))


def checked_rows(
    path: Path, rows: Sequence[Row], columns: Mapping[str, Column], unique: str | None = None, first_line: int = 2
) -> list[Row]:
    """Returns rows with the values of some columns checked and converted.

    Args:
        path: The table's file.
        rows: Its rows.
        columns: The columns.
        unique: A column whose values differ.
        first_line: The line of the first row.

    Raises:
        InputError: If a value is missing or not allowed; it names the file, the line, the column and what is allowed.
    """
    checked = [_checked_row(path, line, row, columns) for line, row in enumerate(rows, first_line)]
    lines: dict[Any, int] = {}
    for line, value in enumerate([row[unique] for row in checked] if unique else [], first_line):
        if (first := lines.setdefault(value, line)) != line:
            raise damaged(path, f"lines {first} and {line} both have the {unique} {value}")
    return checked


def _checked_row(path: Path, line: int, row: Row, columns: Mapping[str, Column]) -> Row:
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
