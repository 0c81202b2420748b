"""Arguments, times and tables of the benchmarks."""

import argparse
import itertools
import statistics
import time
from collections.abc import Callable, Mapping, Sequence

from rich.console import Console
from rich.table import Table


def parser(description: str | None) -> argparse.ArgumentParser:
    """Returns a parser of arguments whose help is a module's docstring."""
    return argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)


def times(work: Callable[[], object], repeats: int) -> list[float]:
    """Returns the seconds that each of several calls takes."""
    marks = [time.perf_counter()]
    for _ in range(repeats):
        work()
        marks.append(time.perf_counter())
    return [end - start for start, end in itertools.pairwise(marks)]


def mean(work: Callable[[], object], seconds: float) -> float:
    """Returns the mean of the seconds that a call takes, over so many seconds of calls and five at least."""
    work()
    return statistics.mean(times(work, max(5, int(seconds / median(work, 3)))))


def median(work: Callable[[], object], repeats: int) -> float:
    """Returns the median of the seconds that several calls take."""
    return statistics.median(times(work, repeats))


def show(title: str, rows: Sequence[Mapping[str, object]], texts: int = 1, width: int | None = None) -> None:
    """Prints a table.

    Args:
        title: Its title.
        rows: Its rows, by column.
        texts: How many of the first columns are text, aligned to the left.
        width: Characters of a line; `None` takes the terminal's.
    """
    table = Table(title=title)
    for place, column in enumerate(rows[0] if rows else ()):
        table.add_column(column, justify="left" if place < texts else "right")
    for row in rows:
        table.add_row(*map(str, row.values()))
    Console(width=width).print(table)
