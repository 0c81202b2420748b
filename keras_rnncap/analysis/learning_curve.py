"""One training run: its score while it trained."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from keras_rnncap.analysis.style import cell_color, new_figure, plain, unit_name


class LearningCurve(NamedTuple):
    """The records of a run: training step, mean loss since the record before, in nats, and validation score."""

    step: np.ndarray
    train_loss: np.ndarray
    score: np.ndarray


def compute_learning_curve(rows: Sequence[Mapping[str, Any]], score_name: str) -> LearningCurve:
    """Computes the curve from the rows of `history.csv`."""
    columns = ("step", "train_loss", f"validation_{score_name}")
    return LearningCurve(*(np.array([row.get(column, np.nan) for row in rows], dtype=float) for column in columns))


def plot_learning_curve(
    rows: Sequence[Mapping[str, Any]], score_name: str, baselines: Mapping[str, float], title: str, cell: str
) -> Figure:
    """Draws the validation score against steps, with the baselines as lines.

    Look for: a curve that is still moving at its right end means that more steps would pay.
    """
    curve = compute_learning_curve(rows, score_name)
    figure, (axes,) = new_figure(1, width=6.0)
    axes.plot(curve.step, curve.score, "o-", color=cell_color(cell), markersize=3, label=plain(f"{cell}, validation"))
    for name, value in baselines.items():
        axes.axhline(value, color="0.6", linewidth=1, linestyle="--")
        place: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "ha": "right", "va": "bottom"}
        axes.annotate(plain(name), (1, value), fontsize="small", **place)
    axes.set(xlabel="training steps", ylabel=unit_name(score_name), xlim=(0, None))
    axes.legend(frameon=False, fontsize="small", loc="upper right", bbox_to_anchor=(1, 0.9))
    axes.set_title(plain(title), fontsize="medium")
    return figure
