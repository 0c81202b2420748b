"""What a search for architectures found: their family, and how the best rises with the time spent."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from keras_rnncap.analysis.style import OTHER_COLORS, new_figure, plain


def plot_family(table: pd.DataFrame) -> Figure:
    """Draws each architecture that was evaluated on all tasks at its number and score, with a line to its parent.

    Args:
        table: A row for each architecture: `architecture`, `parent`, `candidate` and `score`, NaN for those that were
            not evaluated on all tasks, of which parents alone are drawn.

    Look for: whether the best descend from one another, and whether early or late ones are the best.
    """
    figure, (axes,) = new_figure(1, 8.0, 4.5)
    known = table.set_index("architecture")
    scored = known[known["score"].notna()]
    for _, row in scored.iterrows():
        if row["parent"] in scored.index:
            parent = scored.loc[row["parent"]]
            ends = [parent["candidate"], row["candidate"]], [parent["score"], row["score"]]
            axes.plot(*ends, color="0.75", linewidth=0.8, zorder=0)
    axes.plot(scored["candidate"], scored["score"], "o", markersize=4, color=OTHER_COLORS[1])
    for name, row in scored.nlargest(3, "score").iterrows():
        axes.annotate(plain(name), (row["candidate"], row["score"]), fontsize="x-small", xytext=(4, 3),
                      textcoords="offset points")  # fmt: skip
    axes.axhline(1.0, color="0.2", linestyle="--", linewidth=1, zorder=0)
    axes.set(xlabel="candidate", ylabel="score, the GRU has 1")
    return figure


def compute_progress(table: pd.DataFrame) -> pd.DataFrame:
    """Returns the best score so far after each candidate, and the hours of one core spent.

    Args:
        table: A row for each candidate in order: `seconds` of its trainings, and the `score` of its architecture when
            it had ended, NaN for those without.

    Example:
    >>> rows = pd.DataFrame({"seconds": [3600.0, 3600.0, 1800.0], "score": [1.0, float("nan"), 1.2]})
    >>> compute_progress(rows)["best"].tolist(), compute_progress(rows)["hours"].tolist()
    ([1.0, 1.0, 1.2], [1.0, 2.0, 2.5])
    """
    hours = table["seconds"].cumsum() / 3600
    return pd.DataFrame({"hours": hours, "best": table["score"].cummax().ffill()})


def plot_progress(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Draws the best score so far of some searches against the time that they took.

    Look for: a search that is ahead at equal cost. The best of many noisy scores rises by chance, too.
    """
    figure, (axes,) = new_figure(1, 6.5)
    for place, (name, table) in enumerate(tables.items()):
        style: dict[str, Any] = {"color": OTHER_COLORS[place % len(OTHER_COLORS)], "label": plain(name)}
        progress = compute_progress(table)
        axes.plot(progress["hours"], progress["best"], "o-", markersize=2, drawstyle="steps-post", **style)
    axes.axhline(1.0, color="0.2", linestyle="--", linewidth=1, zorder=0)
    axes.set(xlabel="hours of one core", ylabel="best score, the GRU has 1")
    axes.legend(frameon=False)
    return figure
