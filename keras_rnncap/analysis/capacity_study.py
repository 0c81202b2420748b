"""What cells store: figures 1, 2a, 2b and App.1 of Collins et al. (2017), and the claims about them."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from keras_rnncap.analysis.capacity import PAPER_ESTIMATE, PAPER_RANGE
from keras_rnncap.analysis.exhibits import Claim, Exhibit, Exhibits, StudyRows, decide, of_paper, open_claim
from keras_rnncap.analysis.statistics import LEVEL, Estimate, compute_mean, significant, verdict_within
from keras_rnncap.analysis.style import (
    add_legend,
    cell_color,
    cell_order,
    draw_line,
    each_cell,
    log_axes,
    new_figure,
    new_grid,
    plain,
)

PAPER_ORDER = ("rnn", "ugrnn", "gru", "lstm", "+rnn")
"""The cells of figure 1, from most bits per parameter to least; the IRNN, below all, is held to ReLU."""


def compute_points(pieces: pd.DataFrame, part: str = "size") -> pd.DataFrame:
    """Returns what each point of a part stores, with an interval over seeds where there are several."""
    keys = ["cell", "depth", "params", "length"]
    rows = []
    for key, group in pieces[pieces["part"] == part].dropna(subset=["bits_per_parameter"]).groupby(keys):
        estimate = compute_mean(group["bits_per_parameter"])
        rows.append(
            dict(zip(keys, key, strict=True))
            | {"parameters": group["parameters"].iloc[0], "units": group["units"].iloc[0]}
            | {"bits": group["mutual_information_bits"].mean(), "patterns": group["patterns"].mean()}
            | {"bits_per_parameter": estimate.value, "low": estimate.low, "high": estimate.high}
        )
    return pd.DataFrame(
        rows, columns=[*keys, "parameters", "units", "bits", "patterns", "bits_per_parameter", "low", "high"]
    )


def compute_by_cell(points: pd.DataFrame) -> pd.DataFrame:
    """Returns bits per parameter with a row for each depth and budget that all cells have, and a column for each cell.

    The IRNN counts as a cell here; cells that lack a point that others have are compared on the points in common.
    """
    table = points.pivot_table(index=["depth", "params"], columns="cell", values="bits_per_parameter")
    cells: list[str] = sorted(map(str, table.columns), key=cell_order)
    return table[cells]


def compute_equivalent_parameters(by_cell: pd.DataFrame) -> pd.DataFrame:
    """Returns how many times the parameters a cell (column) needs to store what another (row) stores (figure 1i).

    The paper averages over sizes and depths; here over the points that both cells have.

    Example:
    >>> table = compute_equivalent_parameters(pd.DataFrame({"rnn": [4.0, 4.0], "lstm": [2.0, 2.0]}))
    >>> float(table.loc["rnn", "lstm"])
    2.0
    """
    cells = list(by_cell.columns)
    table = pd.DataFrame(index=pd.Index(cells, name="as much as"), columns=cells, dtype=float)
    for row in cells:
        for column in cells:
            both = by_cell[[row, column]].dropna() if row != column else by_cell[[row]].dropna()
            table.loc[row, column] = both[row].mean() / both[column].mean() if len(both) else np.nan
    return table


def compute_exponent(points: pd.DataFrame) -> Estimate:
    """Returns the exponent a of bits ~ parameters^a, with a factor of its own for each cell and depth.

    Least squares on logarithms, from which each group's mean is taken; the interval is of Student's t.

    Example:
    >>> points = pd.DataFrame({"cell": "rnn", "depth": 1, "parameters": [1, 10, 100], "bits": [3, 31, 290]})
    >>> round(compute_exponent(points).value, 2)
    0.99
    """
    known = points[points["bits"] > 0]
    groups = known.groupby(["cell", "depth"])
    known = known[groups["bits"].transform("size") > 1]
    if known.empty:
        return Estimate(np.nan, np.nan, np.nan, 0)
    groups = known.groupby(["cell", "depth"])
    x, y = (
        np.log(known[name]) - np.log(known[name]).groupby([known["cell"], known["depth"]]).transform("mean")
        for name in ("parameters", "bits")
    )
    slope = float((x * y).sum() / (x**2).sum())
    free = len(known) - groups.ngroups - 1
    if free < 1:
        return Estimate(slope, np.nan, np.nan, len(known))
    error = float(np.sqrt(((y - slope * x) ** 2).sum() / free / (x**2).sum()))
    half = error * stats.t.ppf(1 - LEVEL / 2, free)
    return Estimate(slope, slope - half, slope + half, len(known))


def compute_ratios(points: pd.DataFrame, others: pd.DataFrame) -> pd.DataFrame:
    """Returns what points of `others` store as a part of what the same points of `points` store."""
    keys = ["cell", "depth", "params", "length"]
    both = others.merge(points, on=keys, suffixes=("", "_free"))
    return both.assign(ratio=(both["bits_per_parameter"] / both["bits_per_parameter_free"]).astype(float))


# ---- pictures


def _lines(axes: Axes, points: pd.DataFrame, x: str, y: str, errors: bool = True, linestyle: str = "-") -> None:
    """Draws a line for each cell."""
    for cell, line in each_cell(points.sort_values(x)):
        draw_line(axes, line, x, y, cell, None if linestyle != "-" else plain(cell), linestyle)
        if errors and line["low"].notna().any():
            distances = [line[y] - line["low"], line["high"] - line[y]]
            axes.errorbar(line[x], line[y], distances, fmt="none", color=cell_color(cell))


def _bits_per_parameter_lines(solid: pd.DataFrame, dashed: pd.DataFrame, meaning: str) -> tuple[Figure, Axes]:
    """Returns a figure of bits per parameter against parameters, a solid and a dashed line for each cell."""
    figure, (axes,) = new_figure(1, width=6.0)
    _lines(axes, solid, "parameters", "bits_per_parameter")
    _lines(axes, dashed, "parameters", "bits_per_parameter", linestyle="--")
    axes.plot([], [], color="0.4", linestyle="--", label=meaning)
    log_axes(axes, "x")
    axes.set(xlabel="parameters", ylabel="bits per parameter")
    add_legend(figure)
    return figure, axes


def plot_capacity_by_size(points: pd.DataFrame) -> Figure:
    """Draws bits, above, and bits per parameter, below, against parameters, a column for each depth (figure 1a-h).

    Look for: lines that run along the diagonal above and level below mean that a cell stores in proportion to its
    parameters; the grey band is what the paper found.
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
        _lines(above, of_depth, "parameters", "bits", errors=False)
        below.axhspan(*PAPER_RANGE, color="0.9")
        _lines(below, of_depth, "parameters", "bits_per_parameter")
        log_axes(above, "xy")
        log_axes(below, "x")
        above.set_title(f"depth {depth}")
        below.set_xlabel("parameters")
    grid[0, 0].set_ylabel("bits stored")
    grid[1, 0].set_ylabel("bits per parameter")
    grid[1, 0].set_ylim(0, PAPER_RANGE[1] + 0.2)
    handles = {
        label: handle for axes in grid[0] for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles.keys(), loc="outside right center", frameon=False, fontsize="small")
    return figure


def plot_relu(points: pd.DataFrame, relu: pd.DataFrame) -> Figure:
    """Draws bits per parameter with the activation free (solid) and held to ReLU (dashed), depth 1 (figure 2a).

    Look for: dashed lines below the solid ones of the same colour; the IRNN always has ReLU.
    """
    free = points[(points["depth"] == 1) & points["cell"].isin([*relu["cell"].unique(), "irnn"])]
    figure, axes = _bits_per_parameter_lines(free, relu, "held to ReLU")
    axes.set_ylim(0, None)
    return figure


def plot_saturated(points: pd.DataFrame, saturated: pd.DataFrame) -> Figure:
    """Draws bits per parameter with a saturated loss (solid) and with the cross-entropy of the paper (dashed).

    Look for: solid lines above the dashed ones of the same colour; the grey band is what the paper found.
    """
    same_models = points.merge(saturated[["cell", "depth"]].drop_duplicates(), on=["cell", "depth"])
    figure, axes = _bits_per_parameter_lines(saturated, same_models, "cross-entropy")
    axes.axhspan(*PAPER_RANGE, color="0.9", zorder=0)
    axes.set_ylim(0, PAPER_RANGE[1] + 0.2)
    return figure


def plot_time(time: pd.DataFrame) -> Figure:
    """Draws bits per parameter against the number of time steps (figure 2b).

    Look for: a rise over the first steps, then a level line.
    """
    figure, (axes,) = new_figure(1, width=6.0)
    _lines(axes, time, "length", "bits_per_parameter")
    axes.set(xlabel="time steps", ylabel="bits per parameter")
    axes.set_ylim(0, None)
    add_legend(figure)
    return figure


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


# ---- claims


def claim_five_bits(points: pd.DataFrame) -> Claim:
    """Tests whether the mean over cells, depths and sizes is about 5: its interval within 4.5 and 5.5."""
    values = points["bits_per_parameter"]
    mean = compute_mean(values)
    return Claim(
        "Cells store about 5 bits per parameter",
        f"about {PAPER_ESTIMATE:g}; {PAPER_RANGE[0]:g} to {PAPER_RANGE[1]:g} over cells, depths and sizes",
        f"mean {mean.value:.2f}; {values.min():.2f} to {values.max():.2f}",
        verdict_within(mean, PAPER_ESTIMATE - 0.5, PAPER_ESTIMATE + 0.5),
        f"mean over {mean.points} points {mean}; holds if the interval is within 4.5 and 5.5",
    )


def claim_linear(points: pd.DataFrame) -> Claim:
    """Tests whether the exponent of bits against parameters is 1: its interval within 0.9 and 1.1."""
    exponent = compute_exponent(points)
    return Claim(
        "Capacity is linear in the number of parameters",
        "roughly linear across several orders of magnitude",
        f"bits ~ parameters^{exponent.value:.2f}, {points['params'].min():,} to {points['params'].max():,} parameters",
        verdict_within(exponent, 0.9, 1.1),
        f"exponent {exponent}, a factor for each cell and depth; holds if the interval is within 0.9 and 1.1",
    )


def claim_order(by_cell: pd.DataFrame) -> Claim:
    """Tests RNN > UGRNN > GRU > LSTM > +RNN by Page's trend test on the points that all have.

    It holds if the means are in that order and the trend is significant; it does not if neighbours in the order are
    significantly the other way round (paired t-test, Holm's correction), or no trend is found while all differences
    together are significant (Friedman); else it is undecided.
    """
    claim = "Gates cost capacity: " + " > ".join(PAPER_ORDER)
    paper = "on average across all depths and sizes"
    cells = [cell for cell in PAPER_ORDER if cell in by_cell]
    complete = by_cell[cells].dropna()
    if len(cells) < len(PAPER_ORDER) or len(complete) < 3:
        return open_claim(claim, paper, f"{len(complete)} points with all of {len(PAPER_ORDER)} cells; 3 are needed")
    means = complete.mean()
    ours = sorted(cells, key=lambda cell: -means[cell])
    page = stats.page_trend_test(complete[cells[::-1]].to_numpy()).pvalue
    pairs = list(itertools.pairwise(cells))
    p_values = [stats.ttest_rel(complete[right], complete[left], alternative="greater").pvalue for left, right in pairs]
    reversed_pairs = []
    for rank, index in enumerate(np.argsort(p_values)):
        if not significant(p_values[index] * (len(pairs) - rank)):
            break
        reversed_pairs.append(pairs[index])
    friedman = stats.friedmanchisquare(*complete.to_numpy().T).pvalue
    fails = bool(reversed_pairs) or (not significant(page) and significant(friedman))
    wrong = "; reversed: " + ", ".join(f"{right} > {left}" for left, right in reversed_pairs) if reversed_pairs else ""
    return Claim(
        claim,
        paper,
        " > ".join(f"{cell} {means[cell]:.2f}" for cell in ours),
        decide(ours == cells and significant(page), fails),
        f"Page's trend test p = {page:.2g}, Friedman's p = {friedman:.2g}, n = {len(complete)} points{wrong}; holds if "
        "the means are in this order and the trend is significant, does not if neighbours are significantly reversed, "
        "or there is no trend though cells differ",
    )


def claim_relu(points: pd.DataFrame, relu: pd.DataFrame) -> Claim:
    """Tests whether cells held to ReLU store less: a t-test on the logarithm of the ratio."""
    claim, paper = "ReLU costs capacity", "RNN and UGRNN drop from about 5 to the 3.5 range"
    ratios = compute_ratios(points, relu)
    ratios = ratios[(ratios["ratio"] > 0) & np.isfinite(ratios["ratio"])]
    if len(ratios) < 3:
        return open_claim(claim, paper, f"{len(ratios)} points with both; 3 are needed")
    p_value = stats.ttest_1samp(np.log(ratios["ratio"]), 0.0).pvalue
    mean = float(np.exp(np.log(ratios["ratio"]).mean()))
    by_cell = ", ".join(f"{cell} {group['ratio'].mean():.2f}" for cell, group in ratios.groupby("cell"))
    return Claim(
        claim,
        paper,
        f"{mean:.2f} of what is stored with the activation free ({by_cell})",
        decide(significant(p_value) and mean < 1, significant(p_value) and mean >= 1),
        f"t-test on the logarithm of the ratio, p = {p_value:.2g}, n = {len(ratios)}",
    )


def claim_time(time: pd.DataFrame) -> Claim:
    """Tests whether capacity rises over the first steps, and then by less than half of that: t-tests over cells."""
    claim = "Capacity rises over the first time steps, then saturates"
    paper = "rises with the number of unrollings, with diminishing gains"
    table = time.pivot_table(index="cell", columns="length", values="bits_per_parameter")
    last = int(time["length"].max()) if len(time) else 0
    complete = table[[1, 5, last]].dropna() if {1, 5} <= {*table.columns} and last > 5 else table.iloc[:0]
    if len(complete) < 3:
        return open_claim(claim, paper, f"{len(complete)} cells with 1, 5 and more steps; 3 are needed")
    early, late = complete[5] - complete[1], complete[last] - complete[5]
    rises = stats.ttest_1samp(early, 0.0, alternative="greater").pvalue
    slows = stats.ttest_1samp(late - early / 2, 0.0, alternative="less").pvalue
    falls = stats.ttest_1samp(early, 0.0, alternative="less").pvalue
    goes_on = stats.ttest_1samp(late - early / 2, 0.0, alternative="greater").pvalue
    return Claim(
        claim,
        paper,
        f"gain from 1 to 5 steps {early.mean():+.2f}, from 5 to {last} {late.mean():+.2f} bits per parameter",
        decide(significant(rises) and significant(slows), significant(falls) or significant(goes_on)),
        f"t-tests over {len(complete)} cells: a gain at first p = {rises:.2g}, less than half of it after p = "
        f"{slows:.2g}; holds if both, does not if either is significantly the other way round",
    )


def claim_data_set_size(points: pd.DataFrame) -> Claim:
    """Tests whether the best data set is slightly larger than what is stored: a mean ratio within 1 and 1.2."""
    ratio = compute_mean(points["patterns"] / points["bits"])
    return Claim(
        "The best data set has slightly more samples than bits are stored",
        "only slightly larger, for all cells, sizes and depths",
        f"{ratio.value:.2f} patterns for each bit",
        verdict_within(ratio, 1.0, 1.2),
        f"mean ratio {ratio}; holds if the interval is within 1 and 1.2",
    )


def capacity_exhibits(rows: StudyRows) -> Exhibits:
    """Returns figures 1, 2a, 2b and App.1, and what they say."""
    shown = Exhibits()
    if rows.pieces.empty or (points := compute_points(rows.pieces)).empty:
        return shown
    by_cell = compute_by_cell(points)
    shown.exhibits += [
        Exhibit(
            "capacity-size",
            "Bits stored against parameters",
            "fig. 1a-h",
            "Best of all trials of a search for each point: a lower bound. The band is the paper's 3 to 6 bits per "
            "parameter.",
            plot_capacity_by_size(points),
        ),
        Exhibit(
            "capacity-table",
            "Bits per parameter by depth and budget",
            "fig. 1e-h",
            "The same as numbers.",
            by_cell.round(2).reset_index(),
        ),
        Exhibit(
            "equivalent-parameters",
            "Equivalent parameters",
            "fig. 1i",
            "How many times the parameters the cell of a column needs to store what the cell of a row stores; means "
            "over the depths and budgets that both have.",
            compute_equivalent_parameters(by_cell).round(2).reset_index(),
        ),
        Exhibit(
            "capacity-patterns",
            "Size of the best data set against bits stored",
            "fig. App.1",
            "Each point is the best trial of a search.",
            plot_data_set_size(points),
        ),
    ]
    in_paper = of_paper(points)
    if len(in_paper):
        shown.claims += [claim_five_bits(in_paper), claim_linear(in_paper), claim_data_set_size(in_paper)]
    relu = compute_points(rows.pieces, "relu")
    time = compute_points(rows.pieces, "time")
    keys = ["cell", "depth", "params"]  # the points of `size` belong to the lines over time steps, too
    time = pd.concat([time, points.merge(time[keys].drop_duplicates(), on=keys)])
    if not relu.empty:
        shown.exhibits.append(
            Exhibit(
                "capacity-relu",
                "Capacity with ReLU",
                "fig. 2a",
                "A search of its own for each dashed point, with the activation held to ReLU.",
                plot_relu(points, relu),
            )
        )
    saturated = compute_points(rows.pieces, "saturated")
    if not saturated.empty:
        ratios = compute_ratios(points, saturated)
        gain = f" Here it stores {ratios['ratio'].mean():.2f} times as much in the mean." if len(ratios) else ""
        shown.exhibits.append(
            Exhibit(
                "capacity-saturated",
                "Capacity with a loss that lets go of hopeless patterns",
                "",
                "The paper trained by cross-entropy, under which patterns that cannot all be right pull at the weights "
                f"of the others; these searches choose how much that counts.{gain} One layer, two for the +RNN.",
                plot_saturated(points, saturated),
            )
        )
    if not time.empty:
        shown.exhibits.append(
            Exhibit(
                "capacity-time",
                "Capacity against time steps",
                "fig. 2b",
                f"Budget {int(time['params'].iloc[0]):,} parameters; the +RNN has two layers, the others one.",
                plot_time(time),
            )
        )
    shown.claims += [claim_order(by_cell), claim_relu(in_paper, of_paper(relu)), claim_time(of_paper(time))]
    return shown
