"""What cells store: figures 1, 2a, 2b and App.1 of Collins et al. (2017)."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from keras_rnncap.analysis.capacity import PAPER_RANGE
from keras_rnncap.analysis.capacity_numbers import (
    claim_data_set_size,
    claim_five_bits,
    claim_linear,
    claim_order,
    claim_relu,
    claim_time,
    compute_by_cell,
    compute_equivalent_parameters,
    compute_points,
    compute_ratios,
)
from keras_rnncap.analysis.exhibits import Exhibits, StudyRows, of_paper
from keras_rnncap.analysis.style import (
    add_legend,
    cell_color,
    draw_cells,
    each_cell,
    log_axes,
    new_figure,
    new_grid,
    plain,
)


def _bits_per_parameter(
    points: pd.DataFrame,
    x: str,
    label: str,
    dashed: pd.DataFrame | None = None,
    meaning: str = "",
    top: float | None = None,
) -> Figure:
    """Returns a figure of bits per parameter against a column, a solid and perhaps a dashed line for each cell."""
    figure, (axes,) = new_figure(1, width=6.0)
    draw_cells(axes, points, x, "bits_per_parameter")
    if dashed is not None:
        draw_cells(axes, dashed, x, "bits_per_parameter", "--")
        axes.plot([], [], color="0.4", linestyle="--", label=meaning)
        log_axes(axes, "x")
    axes.set(xlabel=label, ylabel="bits per parameter", ylim=(0, top))
    add_legend(figure)
    return figure


def plot_capacity_by_size(points: pd.DataFrame) -> Figure:
    """Draws bits, above, and bits per parameter, below, against parameters, a column for each depth (figure 1a-h).

    Look for: lines that are level below are cells that store in proportion to their parameters.
    """
    depths = sorted(points["depth"].unique())
    figure, grid = new_grid(2, len(depths), (3.6 * len(depths) + 0.8, 6.0), sharex=True, sharey="row")
    reach = np.array([points["parameters"].min(), points["parameters"].max()], float)
    for column, depth in enumerate(depths):
        of_depth = points[points["depth"] == depth]
        above, below = grid[:, column]
        above.fill_between(
            reach, PAPER_RANGE[0] * reach, PAPER_RANGE[1] * reach, color="0.9", label="Collins et al.: 3 to 6"
        )
        draw_cells(above, of_depth.drop(columns="low"), "parameters", "bits")
        below.axhspan(*PAPER_RANGE, color="0.9")
        draw_cells(below, of_depth, "parameters", "bits_per_parameter")
        log_axes(above, "xy")
        log_axes(below, "x")
        above.set_title(f"depth {depth}")
        below.set_xlabel("parameters")
    grid[0, 0].set_ylabel("bits stored")
    grid[1, 0].set(ylabel="bits per parameter", ylim=(0, PAPER_RANGE[1] + 0.2))
    add_legend(figure)
    return figure


def plot_relu(points: pd.DataFrame, relu: pd.DataFrame) -> Figure:
    """Draws bits per parameter with the activation free (solid) and held to ReLU (dashed), depth 1 (figure 2a).

    Look for: dashed lines below the solid ones of the same colour; the IRNN always has ReLU.
    """
    free = points[(points["depth"] == 1) & points["cell"].isin([*relu["cell"].unique(), "irnn"])]
    return _bits_per_parameter(free, "parameters", "parameters", relu, "held to ReLU")


def plot_saturated(points: pd.DataFrame, saturated: pd.DataFrame) -> Figure:
    """Draws bits per parameter with a saturated loss (solid) and with the cross-entropy of the paper (dashed).

    Look for: solid lines above the dashed ones of the same colour; the grey band is what the paper found.
    """
    same_models = points.merge(saturated[["cell", "depth"]].drop_duplicates(), on=["cell", "depth"])
    top = PAPER_RANGE[1] + 0.2
    figure = _bits_per_parameter(saturated, "parameters", "parameters", same_models, "cross-entropy", top)
    figure.axes[0].axhspan(*PAPER_RANGE, color="0.9", zorder=0)
    return figure


def plot_time(time: pd.DataFrame) -> Figure:
    """Draws bits per parameter against the number of time steps (figure 2b).

    Look for: a rise over the first steps, then a level line.
    """
    return _bits_per_parameter(time, "length", "time steps")


def plot_data_set_size(points: pd.DataFrame) -> Figure:
    """Draws the best number of patterns against the bits stored (figure App.1).

    Look for: points just above the diagonal, where as many patterns are learned as there are bits.
    """
    figure, (axes,) = new_figure(1, width=6.0)
    for cell, best in each_cell(points):
        axes.plot(best["bits"], best["patterns"], "o", markersize=4, color=cell_color(cell), label=plain(cell))
    reach = [points["bits"].min(), points["bits"].max()]
    axes.plot(reach, reach, color="0.6", linewidth=1, zorder=0, label="a bit for each pattern")
    log_axes(axes, "xy")
    axes.set(xlabel="bits stored", ylabel="patterns of the best trial")
    add_legend(figure)
    return figure


def capacity_exhibits(rows: StudyRows) -> Exhibits:
    """Returns figures 1, 2a, 2b and App.1, and what they say."""
    shown, points = Exhibits(), compute_points(rows.pieces)
    if points.empty:
        return shown
    relu, saturated, time = (compute_points(rows.pieces, part) for part in ("relu", "saturated", "time"))
    keys = ["cell", "depth", "params"]  # the points of `size` belong to the lines over time steps, too
    time = pd.concat([time, points.merge(time[keys].drop_duplicates(), on=keys)])
    stored = compute_by_cell(points)
    caption = (
        "Best of all trials of a search for each point: a lower bound. The band is the paper's 3 to 6 bits per "
        "parameter."
    )
    figure = plot_capacity_by_size(points)
    shown.add("capacity-size", "Bits stored against parameters", "fig. 1a-h", caption, figure)
    table = stored.round(2).reset_index()
    shown.add("capacity-table", "Bits per parameter by depth and budget", "fig. 1e-h", "The same as numbers.", table)
    caption = (
        "How many times the parameters the cell of a column needs to store what the cell of a row stores; means over "
        "the depths and budgets that both have."
    )
    table = compute_equivalent_parameters(stored).round(2).reset_index()
    shown.add("equivalent-parameters", "Equivalent parameters", "fig. 1i", caption, table)
    caption, figure = "Each point is the best trial of a search.", plot_data_set_size(points)
    shown.add("capacity-patterns", "Size of the best data set against bits stored", "fig. App.1", caption, figure)
    if not relu.empty:
        caption = "A search of its own for each dashed point, with the activation held to ReLU."
        shown.add("capacity-relu", "Capacity with ReLU", "fig. 2a", caption, plot_relu(points, relu))
    if not saturated.empty:
        ratios = compute_ratios(points, saturated)
        gain = f" Here it stores {ratios['ratio'].mean():.2f} times as much in the mean." if len(ratios) else ""
        caption = (
            "The paper trained by cross-entropy, under which patterns that cannot all be right pull at the weights of "
            f"the others; these searches choose how much that counts.{gain} One layer, two for the +RNN."
        )
        title = "Capacity with a loss that lets go of hopeless patterns"
        shown.add("capacity-saturated", title, "", caption, plot_saturated(points, saturated))
    if not time.empty:
        caption = f"Budget {int(time['params'].iloc[0]):,} parameters; the +RNN has two layers, the others one."
        shown.add("capacity-time", "Capacity against time steps", "fig. 2b", caption, plot_time(time))
    if len(in_paper := of_paper(points)):
        shown.claims += [claim_five_bits(in_paper), claim_linear(in_paper), claim_data_set_size(in_paper)]
    shown.claims += [claim_order(stored), claim_relu(in_paper, of_paper(relu)), claim_time(of_paper(time))]
    return shown
