"""How all figures look: a cell has the same colour everywhere, from palettes that are safe for the colour-blind."""

import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import hsv_to_rgb, to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from keras_rnncap.terminal.texts import printable

# Okabe and Ito's palette (2008), without yellow, which is too light for lines.
CELL_COLORS = {
    "rnn": "#000000",
    "irnn": "#E69F00",
    "ugrnn": "#56B4E9",
    "gru": "#009E73",
    "lstm": "#0072B2",
    "+rnn": "#D55E00",
    # Those of the other papers, from Paul Tol's muted scheme.
    "mut1": "#CC6677",
    "mut2": "#332288",
    "mut3": "#DDCC77",
    "tanh-lstm": "#117733",
    "lstm-b": "#88CCEE",
    "lstm-f": "#882255",
    "lstm-i": "#44AA99",
    "lstm-o": "#999933",
    "reset-after-gru": "#AA4499",
    "two-bias-rnn": "#661100",
    # Later cells, from the vibrant and the bright scheme.
    "mgu": "#EE7733",
    "janet": "#33BBEE",
    "fastgrnn": "#EE3377",
    "indrnn": "#BBBBBB",
    "lem": "#009988",
    "mingru": "#0077BB",
    "minlstm": "#CC3311",
    "lru": "#228833",
    "rg-lru": "#CCBB44",
    "s6": "#AA3377",
    "slstm": "#4477AA",
    "mlstm": "#EE6677",
    "gated-deltanet": "#66CCEE",
}
OTHER_COLORS = ("#CC79A7", "#7F3C8D", "#B8860B", "#5F6B6D")


def cell_color(cell: str) -> str:
    """Returns the colour of a cell: its own, a hue that follows from its name; cells of users share a few."""
    if ":" in cell:
        return OTHER_COLORS[sum(cell.encode()) % len(OTHER_COLORS)]
    hue = zlib.crc32(cell.encode()) / 2**32
    return CELL_COLORS.get(cell) or to_hex(tuple(hsv_to_rgb((hue, 0.7, 0.7))))


def cell_order(cell: str) -> tuple[int, str]:
    """Returns a key that sorts cells as tables and legends have them; cells of users come last."""
    names = list(CELL_COLORS)
    return names.index(cell) if cell in names else len(names), cell


def each_cell(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yields the cells of a table, each with its rows, in the order of `cell_order`."""
    for cell in sorted(table["cell"].unique(), key=cell_order):
        yield str(cell), table[table["cell"] == cell]


def sort_by_cell(table: pd.DataFrame, *first: str) -> pd.DataFrame:
    """Returns a table sorted by the columns `first`, and then by cell in the order of `cell_order`."""
    keys = [*first, "cell"]
    return table.sort_values(keys, key=lambda column: column.map(cell_order) if column.name == "cell" else column)


def by_cell(table: pd.DataFrame, index: list[str], values: str) -> pd.DataFrame:
    """Returns means of a column, with a row for each value of `index` and a column for each cell, in order."""
    pivot = table.pivot_table(index=index, columns="cell", values=values)
    cells: list[str] = sorted(map(str, pivot.columns), key=cell_order)
    return pivot[cells]


def plain(text: object) -> str:
    r"""Returns a text as matplotlib then draws it, letter by letter: `$` is no formula, and a legend hides no name.

    Example:
    >>> print(plain("my_cells:$x$"), plain("_mine:Cell"))
    my_cells:\$x\$  _mine:Cell
    """
    letters = printable(str(text)).replace("$", "\\$")
    return f" {letters}" if letters.startswith("_") else letters  # legends leave such names out


def unit_name(score: object) -> str:
    """Returns the name of a score as axes have it: `"bits_per_character"` is "bits per character"."""
    return plain(str(score).replace("_", " "))


def log_axes(axes: Axes, which: str) -> None:
    """Makes `"x"`, `"y"` or both (`"xy"`) logarithmic, with plain numbers that do not run into one another."""
    for name in which:
        axes.set(**{f"{name}scale": "log"})
        axis = axes.xaxis if name == "x" else axes.yaxis
        axis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.5g}"))
        axis.set_minor_formatter(NullFormatter())


def new_grid(rows: int, columns: int, size: tuple[float, float], **shared: Any) -> tuple[Figure, np.ndarray]:
    """Returns a figure of a width and height in inches, which needs no screen, and its axes, `(rows, columns)`."""
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, **shared)
    for axes in grid.flat:
        axes.spines[["top", "right"]].set_visible(False)
    return figure, grid


def new_figure(columns: int = 1, width: float = 5.0, height: float = 3.6) -> tuple[Figure, list[Axes]]:
    """Returns a figure with `columns` axes in a row, each `width` times `height` inches."""
    figure, grid = new_grid(1, columns, (width * columns, height))
    return figure, list(grid[0])


def draw_line(
    axes: Axes, points: pd.DataFrame, x: str, y: str, cell: str, linestyle: str = "-", label: str | None = None
) -> None:
    """Draws the columns `x` and `y` of a cell's points as a line with markers, labelled with the cell."""
    points = points.sort_values(x)
    style: dict[str, Any] = {"linestyle": linestyle, "color": cell_color(cell), "label": plain(label or cell)}
    axes.plot(points[x], points[y], "o", markersize=4, **style)


def draw_cells(axes: Axes, points: pd.DataFrame, x: str, y: str, linestyle: str = "-") -> None:
    """Draws a line for each cell, with its intervals where `points` has `low` and `high`."""
    for cell, line in each_cell(points):
        draw_line(axes, line, x, y, cell, linestyle)
        if "low" in line and line["low"].notna().any():
            distances = [line[y] - line["low"], line["high"] - line[y]]
            axes.errorbar(line[x], line[y], distances, fmt="none", color=cell_color(cell))


def add_legend(figure: Figure) -> None:
    """Adds the legend of all axes beside them, with each label once."""
    entries: dict[str, Any] = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(str(label), handle)
    figure.legend(entries.values(), entries.keys(), loc="outside right center", frameon=False, fontsize="small")
