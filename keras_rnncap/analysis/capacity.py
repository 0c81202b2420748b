"""One capacity measurement: what its trials stored."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from keras_rnncap.analysis.style import cell_color, new_figure, plain
from keras_rnncap.runs import DIVERGED, SCORED, STOPPED

PAPER_RANGE = (3.0, 6.0)
"""Bits per parameter of all cells, depths and sizes in Collins et al. (2017), section 2.1.2."""
PAPER_ESTIMATE = 5.0
"""Their average over cells and depths, larger networks weighing more."""


class CapacityCurve(NamedTuple):
    """The trials of a measurement, from 1; NaN where one has no score, and for the best so far before the first."""

    trial: np.ndarray
    patterns: np.ndarray
    bits_per_parameter: np.ndarray
    best: np.ndarray


def compute_capacity(rows: Sequence[Mapping[str, Any]]) -> CapacityCurve:
    """Computes the curve from the rows of `trials.csv`."""
    scored = [row["status"] in SCORED for row in rows]
    bits = np.array([row.get("bits_per_parameter", np.nan) for row in rows], dtype=float)
    bits = np.where(scored, bits, np.nan)
    best = np.fmax.accumulate(bits) if len(bits) else bits
    patterns = np.array([row["patterns"] for row in rows], dtype=float)
    return CapacityCurve(np.arange(1, len(rows) + 1), patterns, bits, best)


def plot_capacity(rows: Sequence[Mapping[str, Any]], parameters: int, cell: str) -> Figure:
    """Draws bits per parameter against trials and against the number of patterns, with the paper's range.

    Look for: a best line that still rises at the right end is a measurement that needs more trials.
    """
    curve = compute_capacity(rows)
    figure, (left, right) = new_figure(2)
    color = cell_color(cell)
    band: dict[str, Any] = {"facecolor": "0.92", "edgecolor": "0.7", "linewidth": 0.5, "zorder": 0}
    highest = max(PAPER_RANGE[1], np.nanmax(curve.bits_per_parameter, initial=0.0))
    for axes in (left, right):
        axes.axhspan(*PAPER_RANGE, label="Collins et al. 2017: 3 to 6", **band)
        axes.set(ylabel="bits per parameter", ylim=(0, highest + 0.2))
    left.plot(curve.trial, curve.bits_per_parameter, "o", color=color, markersize=4, label="trial")
    left.step(curve.trial, curve.best, where="post", color=color, label="best so far")
    for marker, status, label in (("x", DIVERGED, "diverged"), ("|", STOPPED, "stopped early")):
        there = curve.trial[[row["status"] == status for row in rows]]
        left.plot(there, np.zeros(len(there)), marker, color="0.5", label=label, clip_on=False)
    left.set_xlabel("trial")
    left.legend(frameon=False, fontsize="small", loc="upper left")
    per_parameter = curve.patterns / parameters
    right.plot([0, PAPER_RANGE[1]], [0, PAPER_RANGE[1]], color="0.6", linewidth=1, label="all patterns learned")
    right.plot(per_parameter, curve.bits_per_parameter, "o", color=color, markersize=4)
    right.set(xlabel="patterns per parameter", xlim=(0, max(10.0, float(per_parameter.max(initial=0)))))
    right.legend(frameon=False, fontsize="small", loc="upper right")
    figure.suptitle(plain(f"{cell}, {parameters:,} parameters"), fontsize="medium")
    return figure
