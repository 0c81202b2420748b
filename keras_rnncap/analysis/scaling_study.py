"""How loss falls with size: figure 3 of Collins et al. (2017), and the claim about it."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from keras_rnncap.analysis.exhibits import PAPER_CELLS, Claim, Exhibits, StudyRows, decide, of_paper, open_claim
from keras_rnncap.analysis.style import add_legend, draw_cells, log_axes, new_grid, unit_name


def compute_scaling(pieces: pd.DataFrame) -> pd.DataFrame:
    """Returns the best score of each task, cell, depth and budget."""
    keys = ["task", "part", "objective", "cell", "depth", "params"]
    scored = pieces.dropna(subset=["best_score"])
    return scored.groupby(keys, as_index=False)[["parameters", "units", "best_score"]].mean()


def compute_spread(table: pd.DataFrame, x: str) -> float:
    """Returns how far cells are apart at equal `x`: the root mean square distance from a line through all of them.

    The line is of the score against the logarithm of `x`; the distance is a part of the scores' standard deviation.

    Example:
    >>> table = pd.DataFrame({"parameters": [1, 10, 100], "best_score": [3.0, 2.0, 1.0]})
    >>> abs(round(compute_spread(table, "parameters"), 6))
    0.0
    """
    x_values, y = np.log(table[x].to_numpy(float)), table["best_score"].to_numpy(float)
    fit = np.polyval(np.polyfit(x_values, y, 1), x_values)
    return float(np.sqrt(np.mean((y - fit) ** 2)) / (np.std(y) or 1.0))


def plot_scaling(table: pd.DataFrame) -> Figure:
    """Draws the score against parameters, a column for each depth, and against units for depth 1 in the last.

    Look for: lines of all cells on one another where parameters are the axis, and apart where units are.
    """
    depths = sorted(table["depth"].unique())
    figure, panels = new_grid(1, len(depths) + 1, (3.2 * (len(depths) + 1) + 1.0, 3.6), sharey=True)
    contents = [("parameters", depth) for depth in depths] + [("units", depths[0])]
    for axes, (x, depth) in zip(panels[0], contents, strict=True):
        draw_cells(axes, table[table["depth"] == depth], x, "best_score")
        log_axes(axes, "x")
        axes.set(xlabel="units (misleading)" if x == "units" else x, title=f"depth {depth}")
    panels[0, 0].set_ylabel(unit_name(table["objective"].iloc[0]))
    add_legend(figure)
    return figure


def claim_parameters_decide(tables: dict[str, pd.DataFrame]) -> Claim:
    """Tests whether cells are closer together at equal parameters than at equal units.

    Only depth 1 counts, and sizes that all five cells of depth 1 have.
    """
    claim, paper = "Parameters, not units, decide", "near identical performance for the same number of parameters"
    spreads = {}
    for task, table in tables.items():
        shallow = of_paper(table[table["depth"] == 1])
        shallow = shallow[shallow.groupby("params")["cell"].transform("nunique") == len(PAPER_CELLS) - 1]
        if shallow["params"].nunique() > 1:
            spreads[task] = compute_spread(shallow, "parameters"), compute_spread(shallow, "units")
    if not spreads:
        return open_claim(claim, paper, "no task has two sizes with all five cells at depth 1")
    ours = [
        f"{task}: {a:.2f} of the spread is left by parameters, {b:.2f} by units" for task, (a, b) in spreads.items()
    ]
    holds = len(spreads) == 2 and all(by_parameters < 0.5 for by_parameters, _ in spreads.values())
    fails = any(by_parameters >= by_units for by_parameters, by_units in spreads.values())
    return Claim(
        claim,
        paper,
        "; ".join(ours),
        decide(holds, fails),
        "root mean square distance from a line against the logarithm, as a part of the standard deviation, depth 1; "
        "holds if less by parameters, and below 0.5, for both tasks, does not if more for one",
    )


def scaling_exhibits(rows: StudyRows) -> Exhibits:
    """Returns figure 3, and what it says."""
    shown = Exhibits()
    tables = {str(task): points for task, points in compute_scaling(rows.pieces).groupby("task")}
    for task, points in tables.items():
        pivot = points.pivot_table(index=["depth", "params"], columns="cell", values="best_score")
        source = "fig. 3a-d" if points["part"].iloc[0] == "text" else "fig. 3e-g"
        caption = "Best of all trials of a search for each point; the last panel has units, as the paper's warning."
        shown.add(f"scaling-{task}", f"Score on {task} against size", source, caption, plot_scaling(points))
        caption = "Best score of each search."
        shown.add(f"scaling-{task}-table", "The same as numbers", source, caption, pivot.round(4).reset_index())
    shown.claims.append(claim_parameters_decide(tables))
    return shown
