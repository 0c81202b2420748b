"""Which cell for a task and a number of parameters: what rows of studies say, and how surely."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from keras_rnncap.analysis.exhibits import StudyRows
from keras_rnncap.analysis.statistics import LEVEL
from keras_rnncap.analysis.style import cell_order


class Recommendation(NamedTuple):
    """What rows say about a task at a size.

    Attributes:
        candidates: A row for each cell, the best expected score first: `expected`, that of a search of its
            hyperparameters, with a 95% interval `low` to `high`; `feasible` with its interval, the share of settings
            that did not diverge, and `median`, both of random settings (NaN where the rows have none), infeasible ones
            counted as worst; `ms_per_step`, milliseconds for a training step of a trial among others, on the machine of
            the rows.
        objective: Name of the score.
        direction: Whether more or less is better.
        best: The cell with the best expected score; `None` where no cell has one.
        as_good: Cells whose intervals reach the best's expected score.
        easiest: The cell whose random settings have the best median, the larger share of feasible ones deciding among
            equals; `None` where the rows have no random settings.
        basis: What the rows are.
        remarks: What to bear in mind.
    """

    candidates: pd.DataFrame
    objective: str
    direction: str
    best: str | None
    as_good: list[str]
    easiest: str | None
    basis: str
    remarks: list[str]


def interpolate(sizes: np.ndarray, scores: np.ndarray, size: float) -> float:
    """Returns the score at a size, linear in the logarithm between the nearest sizes, that of the nearest one outside.

    Example:
    >>> round(interpolate(np.array([10.0, 1000.0]), np.array([1.0, 3.0]), 100.0), 6)
    2.0
    """
    order = np.argsort(sizes)
    return float(np.interp(np.log(size), np.log(sizes[order]), scores[order]))


def compute_expected(points: pd.DataFrame, params: int) -> pd.DataFrame:
    """Returns the score of each cell at a number of parameters, with an interval.

    Scores are interpolated in the logarithm of the parameters. How far that may be off is taken from leaving out, one
    at a time, all points of all cells that lie between two others: the interval is Student's t times their root mean
    square error. It is not known (NaN) with fewer than two such points, or outside a cell's sizes.

    Args:
        points: `cell`, `parameters` and `score` of searches, one for each cell and size.
        params: The number of parameters.

    Example:
    >>> made = pd.DataFrame({"cell": ["rnn"] * 3, "parameters": [10, 100, 1000], "score": [1.0, 2.0, 3.0]})
    >>> round(float(compute_expected(made, 316)["expected"].iloc[0]), 2)
    2.5
    """
    errors, rows = [], []
    for cell, own in points.groupby("cell"):
        own = own.sort_values("parameters")
        sizes, scores = own["parameters"].to_numpy(float), own["score"].to_numpy(float)
        for index in range(1, len(sizes) - 1):
            others = np.arange(len(sizes)) != index
            errors.append(scores[index] - interpolate(sizes[others], scores[others], sizes[index]))
        inside = sizes.min() <= params <= sizes.max()
        rows.append({"cell": str(cell), "expected": interpolate(sizes, scores, params), "inside": inside})
    half = np.nan
    if len(errors) > 1:
        half = float(np.sqrt(np.mean(np.square(errors))) * stats.t.ppf(1 - LEVEL / 2, len(errors)))
    table = pd.DataFrame(rows)
    table["low"] = np.where(table["inside"], table["expected"] - half, np.nan)
    table["high"] = np.where(table["inside"], table["expected"] + half, np.nan)
    return table.sort_values("cell", key=lambda cells: cells.map(cell_order), ignore_index=True)


def compute_settings(trials: pd.DataFrame, objective: str, direction: str) -> pd.DataFrame:
    """Returns, for each cell, the share of settings that do not diverge, with Wilson's interval, and the median of all.

    Args:
        trials: `cell`, `status` and the objective.
        objective: Name of the score.
        direction: Whether more or less is better: an infeasible setting counts as the worst.
    """
    rows = []
    worst = np.inf if direction == "min" else -np.inf
    for cell, own in trials.groupby("cell"):
        well = own["status"] == "completed"
        interval = stats.binomtest(int(well.sum()), len(own)).proportion_ci(method="wilson")
        scores = own[objective] if objective in own else pd.Series(np.nan, index=own.index)
        median = float(np.median(scores.where(well, worst).fillna(worst)))
        rows.append(
            {"cell": cell, "feasible": well.mean(), "feasible_low": interval.low, "feasible_high": interval.high}
            | {"median": median, "settings": len(own)}
        )
    return pd.DataFrame(rows)


def _pieces_of(rows: StudyRows, task: str) -> pd.DataFrame:
    """Returns the searches of a task; those of perceptron capacity with bits per parameter as their score."""
    pieces = rows.pieces
    if pieces.empty:
        return pieces
    if task == "perceptron":
        return pieces[pieces["part"] == "size"].assign(
            objective="bits_per_parameter",
            direction="max",
            best_score=lambda table: table["bits_per_parameter"],
            data=task,
        )
    return pieces[(pieces["task"] == task) & (pieces["part"] != "rerun")]


def compute_recommendation(
    rows: StudyRows, task: str, params: int, depth: int = 1, data: str | None = None
) -> Recommendation | None:
    """Returns what rows say about a task, or `None` where they have none of it.

    Args:
        rows: Rows of studies.
        task: The task's name.
        params: Number of parameters.
        depth: Number of layers; where the rows lack it, the nearest one that they have.
        data: What the data are, to say so where the rows are of others.
    """
    own = _pieces_of(rows, task)
    if own.empty:
        return None
    remarks = []
    if data is None or (own["data"] != data).all():
        known = own["data"].mode().iloc[0]
        if data is not None:
            remarks.append(f"the rows are of {known}, not of {data}: trust the order more than the scores")
        data = str(known)
    own = own[own["data"] == data]
    depths = sorted(own["depth"].unique(), key=lambda one: (abs(one - depth), one))
    if depths[0] != depth:
        remarks.append(f"the rows have no depth {depth}; these are of depth {int(depths[0])}")
    own = own[own["depth"] == depths[0]]
    objective, direction = str(own["objective"].iloc[0]), str(own["direction"].iloc[0])
    sign = 1 if direction == "max" else -1
    # Searches that spent differently are not to be compared: those of which most cells have one.
    spent = own.groupby(["part", "steps"])["cell"].transform("nunique")
    most = own[spent == spent.max()]
    most = most[most["part"] == most["part"].iloc[0]]
    scored = most.dropna(subset=["best_score"]).assign(score=lambda table: table["best_score"])
    points = scored.sort_values("score", ascending=sign < 0).drop_duplicates(["cell", "params"])
    expected = compute_expected(points, params) if len(points) else pd.DataFrame({"cell": []})
    random = own[own["part"] == "random"]
    trials = rows.trials.merge((random if len(random) else most)[["piece", "cell"]], on="piece")
    candidates = compute_settings(trials, objective, direction).merge(expected, on="cell", how="left")
    if random.empty:
        candidates[["feasible", "feasible_low", "feasible_high", "median"]] = np.nan
        remarks.append("the rows have no random settings of this task, only those that searches proposed")
    near = most.loc[np.log(most["parameters"] / params).abs().groupby(most["cell"]).idxmin()]
    steps = rows.trials.groupby("piece")["steps"].sum()
    near = near.assign(ms_per_step=1000 * near["elapsed_s"] / near["piece"].map(steps))
    candidates = candidates.merge(near[["cell", "ms_per_step"]], on="cell", how="left")
    for name in ("expected", "low", "high"):
        candidates[name] = candidates.get(name, np.nan)
    candidates = candidates.sort_values("expected", ascending=sign < 0, ignore_index=True)
    first = candidates.iloc[0]
    found = bool(np.isfinite(first["expected"]))
    if found and not candidates["inside"].fillna(True).astype(bool).all():
        least, largest = points["parameters"].min(), points["parameters"].max()
        which = "some" if candidates["inside"].fillna(False).astype(bool).any() else "all"
        remarks.append(
            f"{params:,} parameters are outside the sizes of {which} cells ({least:,.0f} to {largest:,.0f} in all): "
            "the nearest size stands for it, with no interval; --probe trains at this size"
        )
    elif found and np.isnan(first["low"]):
        remarks.append("there are too few sizes to know how far scores scatter")
    reach = candidates["high"] if sign > 0 else -candidates["low"]
    others = (candidates["cell"] != first["cell"]) & candidates["expected"].notna()
    as_good = candidates[others & ~(reach < sign * first["expected"])]["cell"]
    easiest = None
    if len(random) and candidates["feasible"].max() > 0:
        ranked = candidates.assign(rank=sign * candidates["median"]).sort_values(["rank", "feasible"], ascending=False)
        easiest = str(ranked["cell"].iloc[0])
    return Recommendation(
        candidates=candidates,
        objective=objective,
        direction=direction,
        best=str(first["cell"]) if found else None,
        as_good=[str(cell) for cell in as_good] if found else [],
        easiest=easiest,
        basis=f"{len(most)} searches on {data} and {len(trials):,} trials",
        remarks=remarks,
    )
