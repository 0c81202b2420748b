"""A sweep: where its trials were in the space, how they scored, and which hyperparameters mattered."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from keras_rnncap.analysis.style import new_figure, plain, unit_name

Ticks: TypeAlias = Mapping[str, Sequence[tuple[float, str]]]
"""For each hyperparameter, places in [0, 1] and what to write there."""


def compute_limits(scores: pd.Series) -> tuple[float, float]:
    """Returns the least and the largest score, one apart if there are not two."""
    low, high = (scores.min(), scores.max()) if scores.notna().any() else (0.0, 0.0)
    return float(low), float(high) if high > low else float(low) + 1.0


def plot_parallel_coordinates(places: pd.DataFrame, ticks: Ticks, scores: pd.Series, direction: str) -> Figure:
    """Draws each trial as a line through its hyperparameters, coloured by its score; infeasible ones are grey, behind.

    Look for: hyperparameters at which the best lines (the darkest) run together are those that matter.

    Args:
        places: A row for each trial, a column for each hyperparameter, in [0, 1]; NaN where it was inactive.
        ticks: Labels along each axis.
        scores: The score of each trial, NaN where it was infeasible.
        direction: Whether more (`"max"`) or less (`"min"`) is better.
    """
    names = list(places.columns)
    figure, (axes,) = new_figure(1, width=max(6.0, 0.75 * len(names)), height=5.0)
    x = np.arange(len(names))
    map_name = "viridis_r" if direction == "max" else "viridis"
    norm, colors = Normalize(*compute_limits(scores)), matplotlib.colormaps[map_name]
    order = scores.sort_values(ascending=direction == "max", na_position="first").index
    segments = [np.column_stack([x, places.loc[trial].fillna(-0.08)]) for trial in order]
    shades = ["0.85" if math.isnan(scores[trial]) else colors(norm(scores[trial])) for trial in order]
    axes.add_collection(LineCollection(segments, colors=shades, linewidths=0.8, alpha=0.8))
    box = {"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 0.5}
    beside: dict[str, Any] = {"xytext": (2, 0), "textcoords": "offset points", "va": "center", "fontsize": 6}
    for index, name in enumerate(names):
        axes.axvline(index, color="0.3", linewidth=0.8)
        for place, text in ticks[name]:
            axes.annotate(plain(text), (index, place), bbox=box, **beside)
    axes.set_xticks(x, [plain(name) for name in names], rotation=60, ha="right", fontsize="small")
    axes.set_yticks([-0.08], ["inactive"], fontsize="small")
    axes.set(xlim=(-0.2, len(names) - 0.5), ylim=(-0.12, 1.05))
    axes.spines[["left", "bottom"]].set_visible(False)
    figure.colorbar(ScalarMappable(norm, map_name), ax=axes, label=unit_name(scores.name), pad=0.01)
    return figure


def plot_slices(places: pd.DataFrame, ticks: Ticks, scores: pd.Series) -> Figure:
    """Draws the score against each hyperparameter, late trials dark; crosses below are infeasible trials.

    Look for: where scores are best at an end of an axis, the range should be extended there. The arguments are those of
    `plot_parallel_coordinates`.
    """
    names = list(places.columns)
    columns = min(4, len(names))
    rows = math.ceil(len(names) / columns)
    figure = Figure(figsize=(3.0 * columns, 2.3 * rows), layout="constrained")
    trial, failed = np.arange(len(scores)), scores.isna().to_numpy()
    bottom = compute_limits(scores)[0]
    for index, name in enumerate(names, 1):
        axes = figure.add_subplot(rows, columns, index)
        axes.spines[["top", "right"]].set_visible(False)
        axes.scatter(places[name], scores, c=trial, cmap="Blues", vmin=-0.4 * len(trial), s=10)
        axes.plot(places[name][failed], np.full(failed.sum(), bottom), "x", color="0.6", markersize=4)
        axes.set_xticks([place for place, _ in ticks[name]], [plain(text) for _, text in ticks[name]], fontsize=6)
        axes.set_xlim(-0.05, 1.05)
        axes.set_title(plain(name), fontsize="small")
        axes.tick_params(axis="y", labelsize=6)
    figure.supylabel(unit_name(scores.name), fontsize="small")
    return figure


def plot_importance(importance: pd.DataFrame) -> Figure:
    """Draws `first_order` and `total`, the shares of each hyperparameter in how scores differ, the largest first.

    Look for: a short list at the top; a bar much longer in light than in dark acts with others only.
    """
    table = importance.iloc[::-1]
    figure, (axes,) = new_figure(1, width=6.0, height=max(2.0, 0.25 * len(table) + 0.8))
    names = [plain(name) for name in table.index]
    axes.barh(names, table["total"], color="#56B4E9", label="with interactions")
    axes.barh(names, table["first_order"], color="#0072B2", height=0.4, label="alone")
    axes.set(xlabel="share of the variance of scores over the space (Sobol)", ylabel="hyperparameter")
    axes.set(xlim=(0, max(1.0, float(table["total"].max()))))
    axes.tick_params(axis="y", labelsize="small")
    axes.legend(frameon=False, fontsize="small", loc="lower right")
    return figure
