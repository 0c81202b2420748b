"""Which cell for a task and a number of parameters: what rows of studies say, and how surely."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from keras_rnncap.analysis.exhibits import StudyRows
from keras_rnncap.analysis.statistics import LEVEL, compute_share
from keras_rnncap.runs import SCORED

FEASIBLE = ("feasible", "feasible_low", "feasible_high")


class Recommendation(NamedTuple):
    """What rows say about a task at a size.

    Attributes:
        candidates: A row for each cell, the best expected score first: `expected`, the score of a search, with a 95%
            interval `low` to `high`; `feasible`, the share of random settings that did not diverge, with its interval,
            and `median`, of all random settings, infeasible ones as worst (NaN where the rows have none);
            `ms_per_step`, milliseconds for a training step of a trial, on the machine of the rows.
        objective: Name of the score.
        direction: Whether more or less is better.
        best: The cell with the best expected score; `None` where no cell has one.
        as_good: Cells whose intervals reach the best's expected score.
        easiest: The cell whose random settings have the best median; `None` where the rows have no random settings.
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


def compute_expected(points: pd.DataFrame, params: int) -> pd.DataFrame:
    """Returns the score of each cell at a number of parameters, from `cell`, `parameters` and `score` of searches.

    Scores are interpolated in the logarithm of the parameters; outside a cell's sizes the nearest one stands. The
    interval is Student's t times the root mean square error of interpolating, one at a time, all points that lie
    between two others of their cell; NaN with fewer than two such points, or outside a cell's sizes.

    Example:
    >>> points = pd.DataFrame({"cell": ["rnn"] * 3, "parameters": [10, 100, 1000], "score": [1.0, 2.0, 3.0]})
    >>> round(float(compute_expected(points, 316)["expected"].iloc[0]), 2)
    2.5
    """
    errors, rows = [], []
    for cell, searches in points.sort_values("parameters").groupby("cell"):
        sizes, scores = np.log(searches["parameters"].to_numpy(float)), searches["score"].to_numpy(float)
        for index in range(1, len(sizes) - 1):
            rest = np.arange(len(sizes)) != index
            errors.append(scores[index] - np.interp(sizes[index], sizes[rest], scores[rest]))
        inside = searches["parameters"].min() <= params <= searches["parameters"].max()
        rows.append((str(cell), float(np.interp(np.log(params), sizes, scores)), inside))
    half = np.nan
    if len(errors) > 1:
        half = float(np.sqrt(np.mean(np.square(errors))) * stats.t.ppf(1 - LEVEL / 2, len(errors)))
    table = pd.DataFrame(rows, columns=["cell", "expected", "inside"])
    halves = np.where(table["inside"], half, np.nan)
    return table.assign(low=table["expected"] - halves, high=table["expected"] + halves)


def compute_settings(trials: pd.DataFrame, objective: str, direction: str) -> pd.DataFrame:
    """Returns the share of feasible settings of each cell, with Wilson's interval, and the median score of all.

    An infeasible setting counts as the worst.
    """
    rows, worst = [], np.inf if direction == "min" else -np.inf
    for cell, settings in trials.groupby("cell"):
        completed = settings["status"].isin(SCORED)
        share = compute_share(completed)
        scores = settings.get(objective, pd.Series(np.nan, settings.index))
        median = float(np.median(scores.where(completed, worst).fillna(worst)))
        rows.append((cell, *share[:3], median, len(settings)))
    return pd.DataFrame(rows, columns=["cell", *FEASIBLE, "median", "settings"])


def _searches_of(rows: StudyRows, task: str) -> pd.DataFrame:
    """Returns the searches of a task; those of perceptron capacity with bits per parameter as their score."""
    pieces = rows.pieces
    if pieces.empty:
        return pieces
    pieces = pieces[pieces.reindex(columns=["of_cell"])["of_cell"].isna()]  # cells made for a question
    if task != "perceptron":
        searches = pieces["params"].notna()  # trainings without a search have no budget
        return pieces[(pieces["task"] == task) & searches & ~pieces["part"].isin(("rerun", "rates"))]
    stored = pieces.assign(objective="bits_per_parameter", direction="max", data=task)
    return stored.assign(best_score=pieces["bits_per_parameter"])[pieces["part"] == "size"]


def compute_recommendation(
    rows: StudyRows, task: str, params: int, depth: int = 1, data: str | None = None
) -> Recommendation | None:
    """Returns what rows say about a task at a size, or `None` where they have none of the task.

    Where the rows lack the depth, the nearest one is taken, and where they lack the data, others; remarks say so.
    """
    searches = _searches_of(rows, task)
    if searches.empty:
        return None
    remarks = []
    if data is None or (searches["data"] != data).all():
        known = str(searches["data"].mode().iloc[0])
        if data is not None:
            remarks.append(f"the rows are of {known}, not of {data}: trust the order more than the scores")
        data = known
    searches = searches[searches["data"] == data]
    nearest = min(searches["depth"].unique(), key=lambda known: (abs(known - depth), known))
    if nearest != depth:
        remarks.append(f"the rows have no depth {depth}; these are of depth {int(nearest)}")
    searches = searches[searches["depth"] == nearest]
    objective, direction = str(searches["objective"].iloc[0]), str(searches["direction"].iloc[0])
    sign = 1 if direction == "max" else -1
    # Searches that spent differently are not to be compared: those of which most cells have one.
    spent = searches.reindex(columns=["part", "steps", "trials"]).fillna({"trials": 0})
    most = searches.groupby([spent[name] for name in spent])["cell"].nunique().idxmax()
    compared = searches[(spent == list(most)).all(axis=1)]
    points = compared.dropna(subset=["best_score"]).rename(columns={"best_score": "score"})
    points = points.groupby(["cell", "params"], as_index=False)[["score", "parameters"]].mean()  # over seeds
    random = searches[searches["part"] == "random"]
    trials = rows.trials.merge((compared if random.empty else random)[["piece", "cell"]], on="piece")
    candidates = compute_settings(trials, objective, direction)
    if random.empty:
        candidates[[*FEASIBLE, "median"]] = np.nan
        remarks.append("the rows have no random settings of this task, only those that searches proposed")
    near = compared.loc[np.log(compared["parameters"] / params).abs().groupby(compared["cell"]).idxmin()]
    steps = rows.trials.groupby("piece")["steps"].sum()
    near = near.assign(ms_per_step=1000 * near["elapsed_s"] / near["piece"].map(steps))
    for table in (compute_expected(points, params), near[["cell", "ms_per_step"]]):
        candidates = candidates.merge(table, on="cell", how="left")
    candidates = candidates.sort_values("expected", ascending=sign < 0, ignore_index=True)
    first = candidates.iloc[0]
    best = str(first["cell"]) if np.isfinite(first["expected"]) else None
    inside = candidates["inside"].dropna().astype(bool)
    if best and not inside.all():
        least, largest = points["parameters"].min(), points["parameters"].max()
        remarks.append(
            f"{params:,} parameters are outside the sizes of {'some' if inside.any() else 'all'} cells ({least:,.0f} "
            f"to {largest:,.0f} in all): the nearest size stands for it, with no interval; --probe trains at this size"
        )
    elif best and np.isnan(first["low"]):
        remarks.append("there are too few sizes to know how far scores scatter")
    reach = candidates["high"] if sign > 0 else -candidates["low"]
    as_good = (reach >= sign * first["expected"]) & (candidates.index > 0)
    easiest = None
    if len(random) and candidates["feasible"].max() > 0:
        ranked = candidates.assign(rank=sign * candidates["median"]).sort_values(["rank", "feasible"], ascending=False)
        easiest = str(ranked["cell"].iloc[0])
    return Recommendation(
        candidates=candidates,
        objective=objective,
        direction=direction,
        best=best,
        as_good=candidates.loc[as_good, "cell"].astype(str).tolist(),
        easiest=easiest,
        basis=f"{len(compared)} searches on {data} and {len(trials):,} trials",
        remarks=remarks,
    )
