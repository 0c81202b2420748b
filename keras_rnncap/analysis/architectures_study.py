"""Tables 1 to 3 of Jozefowicz et al. (2015), with intervals over seeds."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy import stats

from keras_rnncap.analysis.architectures_claims import architectures_claims, reruns
from keras_rnncap.analysis.exhibits import Exhibits, StudyRows
from keras_rnncap.analysis.statistics import compute_mean, compute_share
from keras_rnncap.analysis.style import cell_color, cell_order, new_figure, plain, sort_by_cell

PAPER_CELLS = ("rnn", "tanh-lstm", "lstm-f", "lstm-i", "lstm-o", "lstm-b", "gru", "mut1", "mut2", "mut3")
"""The rows of the tables: the paper's LSTM is the `tanh-lstm`."""
PAPER = {
    ("accuracy", "distractor-arithmetic"): ".29493 .89228 .29292 .75109 .86747 .90163 .89565 .92135 .89735 .90728",
    ("accuracy", "xml"): ".32050 .42470 .23356 .41371 .42117 .44434 .45963 .47483 .47324 .46478",
    ("accuracy", "frequent-words"): ".08782 .08912 .08808 .08662 .08933 .08952 .09069 .08968 .09036 .09161",
    ("music", "polyphonic-music-nottingham"): "3.612 3.492 3.732 3.426 3.406 3.419 3.410 3.254 3.372 3.337",
    ("music", "polyphonic-music-nottingham-dropout"): "3.267 3.403 3.420 3.252 3.253 3.345 3.427 3.376 3.429 3.505",
    ("music", "polyphonic-music-piano_midi"): "6.809 6.866 6.813 6.856 6.870 6.820 6.876 6.792 6.852 6.840",
}
"""Accuracies of table 1 and losses of table 2, by part and column, of `PAPER_CELLS`."""


def compute_scores(rows: StudyRows, part: str, measure: str) -> pd.DataFrame:
    """Returns the mean of a measure over the reruns of each cell, with its interval, for each column of a part.

    Columns: `cell`, `column`, `params`, `mean`, `low`, `high`, `seeds`.
    """
    found = [
        {"cell": cell, "column": column, "params": params}
        | dict(zip(("mean", "low", "high", "seeds"), compute_mean(own[measure]), strict=True))
        for (cell, column, params), own in reruns(rows, part).groupby(["cell", "column", "params"])
    ]
    columns = ["cell", "column", "params", "mean", "low", "high", "seeds"]
    return sort_by_cell(pd.DataFrame(found, columns=columns), "params") if found else pd.DataFrame(columns=columns)


def compute_table(rows: StudyRows, part: str, measure: str, digits: int = 3) -> pd.DataFrame:
    """Returns such means as a table, a row for each cell: the mean, with half of its interval."""
    scores = compute_scores(rows, part, measure)
    table: dict[str, dict[str, str]] = {}
    for score in scores.to_dict("records"):
        half = (score["high"] - score["low"]) / 2
        spread = f" ± {half:.{digits}f}" if np.isfinite(half) else ""
        text = f"{score['mean']:.{digits}f}{spread}" if np.isfinite(score["mean"]) else "diverged"
        name = score["column"] if part != "words" else f"{score['params']:,} parameters"
        table.setdefault(score["cell"], {})[name] = text
    cells = sorted(table, key=cell_order)
    return pd.DataFrame([{"cell": cell, **table[cell]} for cell in cells])


def compute_ranks(rows: StudyRows) -> pd.DataFrame:
    """Returns Spearman's correlation of our means with those of the paper's tables, over the cells of each column."""
    found = []
    for part, measure in (("accuracy", "accuracy"), ("music", "loss")):
        scores = compute_scores(rows, part, measure)
        for column, own in scores.groupby("column"):
            paper = dict(zip(PAPER_CELLS, map(float, PAPER.get((part, str(column)), "").split()), strict=False))
            both = own[own["cell"].isin(paper) & own["mean"].notna()]
            if len(both) > 2:
                test = stats.spearmanr(both["mean"], both["cell"].map(paper))
                found.append({"column": column, "cells": len(both), "correlation": test.statistic, "p": test.pvalue})
    return pd.DataFrame(found)


def compute_memorized(rows: StudyRows) -> pd.DataFrame:
    """Returns for each cell which share of settings repeats five symbols, after how many epochs, in which time."""
    trials = rows.trials.merge(rows.pieces[["piece", "part", "cell"]], on="piece")
    own = trials[(trials["part"] == "memorization") & (trials["kind"] == "setting")]
    found = []
    for cell, settings in own.groupby("cell"):
        until = settings["epochs_until_right"]
        share = compute_share(until.notna())
        row = {"cell": cell, "share": share.value, "low": share.low, "high": share.high, "settings": share.points}
        found.append(row | {"median epochs": until.median(), "seconds of all": settings["elapsed_s"].sum()})
    columns = ["cell", "share", "low", "high", "settings", "median epochs", "seconds of all"]
    return sort_by_cell(pd.DataFrame(found, columns=columns)) if found else pd.DataFrame(columns=columns)


def plot_scores(scores: pd.DataFrame, measure: str) -> Figure:
    """Draws the mean of each cell with its interval, a panel for each column.

    Look for: cells whose intervals do not overlap. An interval is over seeds of one setting, not over settings.
    """
    panels = list(dict.fromkeys(zip(scores["column"], scores["params"], strict=True)))
    figure, axes = new_figure(len(panels), width=3.4, height=3.6)
    cells = sorted(scores["cell"].unique(), key=cell_order, reverse=True)
    for place, (column, params) in enumerate(panels):
        own = scores[(scores["column"] == column) & (scores["params"] == params)].set_index("cell")
        for height, cell in enumerate(cells):
            if cell in own.index and np.isfinite(own.loc[cell, "mean"]):
                row = own.loc[cell]
                axes[place].plot([row["low"], row["high"]], [height, height], color=cell_color(cell))
                axes[place].plot(row["mean"], height, "o", markersize=4, color=cell_color(cell))
        axes[place].set_yticks(range(len(cells)), [plain(cell) for cell in cells], fontsize="small")
        axes[place].set(xlabel=measure, title=plain(f"{column}, {params:,} parameters"), ylabel="cell")
        axes[place].title.set_fontsize("small")
    return figure


def architectures_exhibits(rows: StudyRows) -> Exhibits:
    """Returns the three tables, with a figure of each, what was memorized, and the claims."""
    shown = Exhibits()
    seeds = "Means over fresh seeds of the best setting on the validation split, on the test split, with half of the "
    seeds += "width of Student's 95% interval."
    for part, source, title, measure, unit, digits in (
        ("accuracy", "table 1", "Next-step accuracy", "accuracy", "accuracy", 3),
        ("music", "table 2", "Negative log-likelihood of music, nats per step", "loss", "nats per step", 3),
        ("words", "table 3", "Negative log-likelihood of words, nats", "loss", "nats per word", 3),
    ):
        table = compute_table(rows, part, measure, digits)
        if table.empty:
            continue
        shown.add(f"architectures-{part}", title, source, seeds, table)
        caption = "Intervals are over seeds."
        scores = compute_scores(rows, part, measure)
        shown.add(f"architectures-{part}-figure", title, source, caption, plot_scores(scores, unit))
    probability = compute_table(rows, "accuracy", "probability")
    if len(probability):
        caption = "The mean probability of the right symbol: what a table of accuracies as low as the paper's may mean."
        shown.add("architectures-probability", "Mean probability of the right symbol", "", caption, probability)
    ranks = compute_ranks(rows)
    if len(ranks):
        caption = "Spearman's correlation of the means here and in the paper, over cells."
        shown.add("architectures-ranks", "Is the order of cells that of the paper?", "", caption, ranks.round(3))
    memorized = compute_memorized(rows)
    if len(memorized):
        caption = (
            "Five of 26 symbols with 25,000 parameters: the share of random settings with which at least 95% are right "
            "with teacher forcing, Wilson's interval; the time is that of all settings together on one core."
        )
        shown.add("architectures-memorization", "Memorization", "section 3.1", caption, memorized.round(3))
    shown.claims += architectures_claims(rows)
    return shown
