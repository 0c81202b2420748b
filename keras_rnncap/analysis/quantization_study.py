"""What rounded weights still store, and the remark of Collins et al. (2017) about it."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from keras_rnncap.analysis.exhibits import Claim, Exhibits, StudyRows, decide, of_paper, open_claim
from keras_rnncap.analysis.style import add_legend, by_cell, cell_color, draw_line, each_cell, new_figure, sort_by_cell

FLOAT_BITS = 32
"""Stands for weights as they were trained."""
KEPT = 0.95
"""The part of the stored bits that must be left for nothing to count as lost."""
NEAR = 1
"""Bits by which the estimate may be off."""


def compute_quantization(rows: StudyRows) -> pd.DataFrame:
    """Returns, for each cell and number of bits of a weight, the bits stored for each parameter, fewest bits first.

    Columns: `cell`, `depth`, `parameters`, `weight_bits`, `bits_per_parameter`, and `kept`, the part of what the model
    stores with weights as they were trained.
    """
    stored = rows.trials[["piece", "weight_bits", "bits_per_parameter"]]
    table = rows.pieces[["piece", "cell", "depth", "parameters"]].merge(stored, on="piece").drop(columns="piece")
    table = table.sort_values("weight_bits", ignore_index=True)
    unrounded = table.groupby(["cell", "parameters"])["bits_per_parameter"].transform("last")
    return table.assign(kept=table["bits_per_parameter"] / unrounded)


def compute_needed(table: pd.DataFrame) -> pd.DataFrame:
    """Returns a row for each model: the bits it stores for each parameter, rounded up, and those that a weight needs.

    `needed` is the smallest number of bits from which on 95% of the stored bits are left.
    """
    models = [table["cell"], table["parameters"]]
    too_few = table["weight_bits"].where(table["kept"] < KEPT).groupby(models).transform("max").fillna(0)
    enough = table[table["weight_bits"] > too_few].groupby(["cell", "parameters"], as_index=False)
    needed = enough.agg(stored=("bits_per_parameter", "last"), needed=("weight_bits", "min"))
    needed.insert(3, "estimate", np.ceil(needed["stored"]).astype(int))
    return sort_by_cell(needed).reset_index(drop=True)


def plot_quantization(table: pd.DataFrame) -> Figure:
    """Draws the bits stored for each parameter against those of a weight, rounded and as trained.

    Look for: how far to the right of the dashed line a curve reaches its dotted line, what the model stores as trained.
    """
    figure, (axes,) = new_figure(1, width=6.5)
    for cell, points in each_cell(table):
        axes.axhline(points["bits_per_parameter"].iloc[-1], color=cell_color(cell), linestyle=":", linewidth=0.8)
        rounded = points[points["weight_bits"] < FLOAT_BITS]
        draw_line(axes, rounded, "weight_bits", "bits_per_parameter", cell)
    reach = table["bits_per_parameter"].max() * 1.15
    axes.plot([0, reach], [0, reach], color="0.2", linestyle="--", linewidth=1, label="as many as it stores")
    axes.set(xlabel="bits of a weight", ylabel="bits stored for each parameter", xlim=(0, None), ylim=(0, reach))
    add_legend(figure)
    return figure


def claim_bits_of_a_weight(needed: pd.DataFrame) -> Claim:
    """Tests whether weights need as many bits as they store, rounded up, give or take one."""
    claim = "What a parameter stores estimates the bits to which a weight can be compressed without loss"
    paper = "about 5 bits per parameter, and others compressed fully connected layers to 5 bits per weight"
    if needed.empty:
        return open_claim(claim, paper, "no preset of perceptron capacity was rounded")
    near = (needed["needed"] - needed["estimate"]).abs() <= NEAR
    ours = ", ".join(f"{row.cell} stores {row.stored:.2f} and needs {row.needed}" for row in needed.itertuples())
    return Claim(
        claim,
        paper,
        f"bits for each parameter: {ours}",
        decide(bool(near.all()), not near.any()),
        f"{near.sum()} of {len(needed)} cells keep {KEPT:.0%} of what they store with as many bits as they store, "
        f"rounded up, give or take {NEAR}; holds if all do, does not if none does",
    )


def quantization_exhibits(rows: StudyRows) -> Exhibits:
    """Returns the curve, its numbers, and whether the remark holds."""
    shown, table = Exhibits(), compute_quantization(rows)
    pivot = by_cell(table, ["weight_bits"], "bits_per_parameter").round(2).reset_index()
    pivot["weight_bits"] = pivot["weight_bits"].replace({FLOAT_BITS: "as trained"}).astype(str)
    caption = (
        "Weights are rounded after training, each matrix to evenly spaced values. Dotted: as trained. Dashed: a weight "
        "stores as many bits as it has, which is the most that it can."
    )
    shown.add("quantization", "Stored bits after rounding the weights", "", caption, plot_quantization(table))
    shown.add("quantization-table", "The same as numbers", "", "Bits stored for each parameter.", pivot)
    if len(in_paper := of_paper(table)):
        needed = compute_needed(in_paper)
        tried = ", ".join(str(bits) for bits in sorted(in_paper["weight_bits"].unique()) if bits < FLOAT_BITS)
        caption = f"The fewest bits of a weight, of {tried}, that keep {KEPT:.0%} of what is stored as trained."
        shown.add("quantization-needed", "Bits that a weight needs", "", caption, needed.round(2))
        shown.claims.append(claim_bits_of_a_weight(needed))
    return shown
