"""Whether the best hyperparameters work again: table App.1 of Collins et al. (2017), and the claim about it."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from keras_rnncap.analysis.exhibits import PAPER_CELLS, Claim, Exhibits, StudyRows, decide, of_paper, open_claim, told
from keras_rnncap.analysis.style import cell_color, each_cell, new_figure, plain, sort_by_cell, unit_name
from keras_rnncap.analysis.trainability_study import of_one_budget, with_pieces

PAPER_RERUNS = {
    "rnn": (1.16e-2, 8.21e-2),
    "irnn": (4.20e-4, 5.02e-4),
    "ugrnn": (1.02e-4, 2.71e-4),
    "gru": (2.80e-4, 1.89e-4),
    "lstm": (7.96e-4, 2.02e-3),
}
"""Table App.1: the original loss, and the mean of 100 reruns."""


def compute_reruns(rows: StudyRows) -> pd.DataFrame:
    """Returns what reruns of each cell's best hyperparameters scored (table App.1)."""
    trials = of_one_budget(with_pieces(rows, "rerun"))
    searched = rows.pieces[rows.pieces["part"] == "search"]
    table = []
    for (cell, depth), reruns in trials.groupby(["cell", "depth"]) if len(trials) else ():
        same = (searched["cell"] == cell) & (searched["depth"] == depth) & searched["params"].isin(reruns["params"])
        scores = reruns["score"].dropna()
        paper_original, paper_mean = PAPER_RERUNS.get(str(cell), (None, None))
        table.append(
            {"cell": cell, "depth": depth, "original": searched[same]["best_score"].min()}
            | {"reruns": len(reruns), "infeasible %": 100 * reruns["score"].isna().mean()}
            | {"min": scores.min(), "mean": scores.mean(), "max": scores.max()}
            | {"s.d.": scores.std(), "s.d. / mean": scores.std() / scores.mean()}
            | {"paper's original": paper_original, "paper's mean": paper_mean}
        )
    return sort_by_cell(pd.DataFrame(table)).reset_index(drop=True) if table else pd.DataFrame()


def plot_reruns(trials: pd.DataFrame) -> Figure:
    """Draws every rerun's score, a column for each cell.

    Look for: points close together are hyperparameters that can be relied on.
    """
    figure, (axes,) = new_figure(1, width=6.0)
    cells = {cell: reruns["score"].dropna() for cell, reruns in each_cell(trials)}
    for place, (cell, scores) in enumerate(cells.items()):
        offsets = np.linspace(-0.3, 0.3, len(scores)) if len(scores) > 1 else np.zeros(len(scores))
        axes.plot(place + offsets, scores, "o", markersize=3, color=cell_color(cell), alpha=0.7)
    axes.set_xticks(range(len(cells)), [plain(cell) for cell in cells])
    axes.set(xlabel="cell", ylabel=unit_name(trials["objective"].iloc[0]))
    return figure


def claim_reruns(table: pd.DataFrame) -> Claim:
    """Tests whether reruns come near the original; the paper's means are 2.1 times it in geometric mean."""
    claim = "The best hyperparameters work again"
    paper = "very close to the original: best reruns 0.27 to 1.22 times it, means 0.68 to 7.1 times"
    cells = of_paper(table)
    if len(cells) < len(PAPER_CELLS) - 1:
        return open_claim(claim, paper, f"{len(cells)} of {len(PAPER_CELLS) - 1} cells")
    ratios, best = cells["mean"] / cells["original"], cells["min"] / cells["original"]
    mean = float(np.exp(np.log(ratios).mean()))
    return Claim(
        claim,
        paper,
        f"means {told(ratios.set_axis(cells['cell']))} times it",
        decide(bool((best <= 1.25).all()) and mean <= 3, bool((best > 1.25).all()) or mean > 10),
        f"best reruns {best.min():.2f} to {best.max():.2f} times the original, means {mean:.2f} times in geometric "
        "mean; holds if every cell's best is within 1.25 and the mean within 3, does not if no cell's best is, or the "
        "mean is above 10",
    )


def robustness_exhibits(rows: StudyRows) -> Exhibits:
    """Returns table App.1, and what it says."""
    shown, table = Exhibits(), compute_reruns(rows)
    if table.empty:
        return shown
    caption = "Weights and batches differ, hyperparameters do not."
    figure = plot_reruns(of_one_budget(with_pieces(rows, "rerun")))
    shown.add("robustness", "Reruns of the best hyperparameters", "table App.1", caption, figure)
    caption = "Of the scores on the validation split."
    shown.add("robustness-table", "The same as numbers", "table App.1", caption, table)
    shown.claims.append(claim_reruns(table))
    return shown
