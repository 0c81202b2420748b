"""What cells store: numbers of figures 1, 2a, 2b and App.1 of Collins et al. (2017), and the claims about them."""

import itertools

import numpy as np
import pandas as pd
from scipy import stats

from keras_rnncap.analysis.capacity import PAPER_ESTIMATE, PAPER_RANGE
from keras_rnncap.analysis.exhibits import Claim, decide, open_claim, told
from keras_rnncap.analysis.statistics import LEVEL, Estimate, compute_mean, correct_holm, significant, verdict_within
from keras_rnncap.analysis.style import by_cell

PAPER_ORDER = ("rnn", "ugrnn", "gru", "lstm", "+rnn")
"""The cells of figure 1, from most bits per parameter to least; the IRNN, below all, is held to ReLU."""
POINT = ["cell", "depth", "params", "length"]


def compute_points(pieces: pd.DataFrame, part: str = "size") -> pd.DataFrame:
    """Returns what each point of a part stores, with an interval over seeds where there are several."""
    rows = []
    for key, seeds in pieces[pieces["part"] == part].dropna(subset=["bits_per_parameter"]).groupby(POINT):
        stored, first = compute_mean(seeds["bits_per_parameter"]), seeds.iloc[0]
        means = seeds["mutual_information_bits"].mean(), seeds["patterns"].mean()
        rows.append((*key, first["parameters"], first["units"], *means, stored.value, stored.low, stored.high))
    return pd.DataFrame(
        rows, columns=[*POINT, "parameters", "units", "bits", "patterns", "bits_per_parameter", "low", "high"]
    )


def compute_by_cell(points: pd.DataFrame) -> pd.DataFrame:
    """Returns bits per parameter with a row for each depth and budget, and a column for each cell."""
    return by_cell(points, ["depth", "params"], "bits_per_parameter")


def compute_equivalent_parameters(stored: pd.DataFrame) -> pd.DataFrame:
    """Returns how many times the parameters a cell (column) needs to store what another (row) stores (figure 1i).

    The paper averages over sizes and depths; here over the points that both cells have.

    Example:
    >>> table = compute_equivalent_parameters(pd.DataFrame({"rnn": [4.0, 4.0], "lstm": [2.0, 2.0]}))
    >>> float(table.loc["rnn", "lstm"])
    2.0
    """
    sums = stored.fillna(0.0).T @ stored.notna().astype(float)  # of a row's cell, over the points of a column's cell
    return (sums / sums.T).rename_axis(index="as much as", columns=None)


def compute_exponent(points: pd.DataFrame) -> Estimate:
    """Returns the exponent a of bits ~ parameters^a, with a factor of its own for each cell and depth.

    Least squares on logarithms, from which each group's mean is taken; the interval is of Student's t.

    Example:
    >>> points = pd.DataFrame({"cell": "rnn", "depth": 1, "parameters": [1, 10, 100], "bits": [3, 31, 290]})
    >>> round(compute_exponent(points).value, 2)
    0.99
    """
    known = points[points["bits"] > 0]
    known = known[known.groupby(["cell", "depth"])["bits"].transform("size") > 1]
    if known.empty:
        return Estimate(np.nan, np.nan, np.nan, 0)
    logarithms = known[["parameters", "bits"]].astype(float).apply(np.log)
    groups = logarithms.groupby([known["cell"], known["depth"]])
    centred = logarithms - groups.transform("mean")
    x, y = centred["parameters"], centred["bits"]
    slope = float((x * y).sum() / (x**2).sum())
    free = len(known) - groups.ngroups - 1
    error = np.sqrt(((y - slope * x) ** 2).sum() / free / (x**2).sum()) if free else np.nan
    half = float(error * stats.t.ppf(1 - LEVEL / 2, free))
    return Estimate(slope, slope - half, slope + half, len(known))


def compute_ratios(points: pd.DataFrame, others: pd.DataFrame) -> pd.DataFrame:
    """Returns what points of `others` store as a part of what the same points of `points` store."""
    both = others.merge(points, on=POINT, suffixes=("", "_free"))
    return both.assign(ratio=(both["bits_per_parameter"] / both["bits_per_parameter_free"]).astype(float))


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


def claim_order(stored: pd.DataFrame) -> Claim:
    """Tests the order of the cells on the points that all have, by Page's trend test."""
    claim = "Gates cost capacity: " + " > ".join(PAPER_ORDER)
    paper = "on average across all depths and sizes"
    cells = [cell for cell in PAPER_ORDER if cell in stored]
    complete = stored[cells].dropna()
    if len(cells) < len(PAPER_ORDER) or len(complete) < 3:
        return open_claim(claim, paper, f"{len(complete)} points with all of {len(PAPER_ORDER)} cells; 3 are needed")
    means = complete.mean()
    ours = sorted(cells, key=lambda cell: -means[cell])
    page = stats.page_trend_test(complete[cells[::-1]].to_numpy()).pvalue
    pairs = list(itertools.pairwise(cells))
    p_values = [stats.ttest_rel(complete[right], complete[left], alternative="greater").pvalue for left, right in pairs]
    corrected = correct_holm(p_values)
    reversed_pairs = [pairs[index] for index in np.argsort(p_values) if significant(corrected[index])]
    friedman = stats.friedmanchisquare(*complete.to_numpy().T).pvalue
    fails = bool(reversed_pairs) or (not significant(page) and significant(friedman))
    wrong = "; reversed: " + ", ".join(f"{right} > {left}" for left, right in reversed_pairs) if reversed_pairs else ""
    return Claim(
        claim,
        paper,
        told(means[ours], " > "),
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
    logarithms = np.log(ratios["ratio"])
    p_value, mean = stats.ttest_1samp(logarithms, 0.0).pvalue, float(np.exp(logarithms.mean()))
    ours = f"{mean:.2f} of what is stored with the activation free ({told(ratios.groupby('cell')['ratio'].mean())})"
    verdict = decide(significant(p_value) and mean < 1, significant(p_value) and mean >= 1)
    test = f"t-test on the logarithm of the ratio, p = {p_value:.2g}, n = {len(ratios)}"
    return Claim(claim, paper, ours, verdict, test)


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
    rises, falls = (stats.ttest_1samp(early, 0.0, alternative=side).pvalue for side in ("greater", "less"))
    goes_on, slows = (stats.ttest_1samp(late - early / 2, 0.0, alternative=side).pvalue for side in ("greater", "less"))
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
