"""What a state holds: figure 2c of Collins et al. (2017), and the claim about it."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from keras_rnncap.analysis.exhibits import PAPER_CELLS, Claim, Exhibits, StudyRows, decide, of_paper, open_claim, told
from keras_rnncap.analysis.style import add_legend, draw_line, each_cell, new_figure

CLOSE = 0.05
"""How far an error may be from the subspace's to count as the same."""


def compute_memory(pieces: pd.DataFrame) -> pd.DataFrame:
    """Returns the least error of each cell, depth and number of units, and that of a subspace of as many dimensions.

    Inputs of variance 1 of which n_h of n_in dimensions are kept have a mean squared error of 1 - n_h / n_in.
    """
    keys = ["cell", "depth", "units", "input_dim"]
    scored = pieces.dropna(subset=["best_score"]).rename(columns={"best_score": "error"})
    table = scored.groupby(keys, as_index=False)[["error"]].mean()
    return table.assign(subspace=np.maximum(0.0, 1 - table["units"] / table["input_dim"]))


def plot_memory(table: pd.DataFrame) -> Figure:
    """Draws the error against units, with that of an n_h-dimensional subspace.

    Look for: all cells on one line that reaches 0 where there are as many units as inputs (the vertical line).
    """
    figure, (axes,) = new_figure(1, width=6.5)
    inputs = int(table["input_dim"].iloc[0])
    reach = np.array([table["units"].min(), inputs, max(table["units"].max(), inputs)])
    subspace = np.maximum(0, 1 - reach / inputs)
    axes.plot(reach, subspace, color="0.2", linestyle="--", linewidth=1, zorder=5, label="subspace of n_h dimensions")
    axes.axvline(inputs, color="0.7", linewidth=1)
    styles = dict(zip(sorted(table["depth"].unique()), ("-", "--", ":", "-."), strict=False))
    for cell, points in each_cell(table):
        for depth, style in styles.items():
            label = cell if len(styles) == 1 else f"{cell} x {depth}"
            draw_line(axes, points[points["depth"] == depth], "units", "error", cell, style, label)
    axes.set(xlabel="units per layer", ylabel="mean squared error (variance 1)", ylim=(-0.02, 1.02))
    add_legend(figure)
    return figure


def claim_one_number_per_unit(table: pd.DataFrame) -> Claim:
    """Tests whether every error is within 0.05 of the subspace's: one far above is a cell that cannot, or a search."""
    claim = "A state holds one number per hidden unit, whatever the cell"
    paper = "every cell reconstructs if and only if it has at least as many units as inputs; the same curve for all"
    off = (table["error"] - table["subspace"]).abs()
    worst = off.groupby(table["cell"]).max().sort_values()
    sides = (table["units"] >= table["input_dim"]).groupby(table["cell"]).nunique()
    on_both = sides[sides == 2].index
    if len(on_both) == 0:
        return open_claim(claim, paper, "no cell has points on both sides of as many units as inputs")
    all_close = {*on_both} == {*PAPER_CELLS} and bool((off <= CLOSE).all())
    return Claim(
        claim,
        paper,
        f"largest distance from the curve: {told(worst)}",
        decide(all_close, bool((worst[on_both] > CLOSE).all())),
        f"distance of the error from 1 - n_h / n_in, {(off <= CLOSE).sum()} of {len(off)} points within {CLOSE}; "
        "holds if all are and all six cells have points on both sides of as many units as inputs, does not if no cell "
        "has all its points within",
    )


def memory_exhibits(rows: StudyRows) -> Exhibits:
    """Returns figure 2c, and what it says."""
    shown, table = Exhibits(), compute_memory(rows.pieces)
    if table.empty:
        return shown
    inputs = int(table["input_dim"].iloc[0])
    pivot = table.pivot_table(index=["depth", "units"], columns="cell", values="error")
    pivot["subspace"] = table.groupby(["depth", "units"])["subspace"].first()
    caption = f"Best of all trials of a search for each point. The dashed line keeps n_h of {inputs} dimensions."
    shown.add("memory", f"Error of reconstructing {inputs} numbers", "fig. 2c", caption, plot_memory(table))
    shown.add("memory-table", "The same as numbers", "fig. 2c", "Mean squared error.", pivot.round(3).reset_index())
    if len(of_paper(table)):
        shown.claims.append(claim_one_number_per_unit(of_paper(table)))
    return shown
