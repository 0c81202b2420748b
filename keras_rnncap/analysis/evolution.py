"""What a search for architectures found: their family, and how the best rises with the time spent."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy import stats

from keras_rnncap.analysis.architectures_claims import WELCH, Compared, reruns
from keras_rnncap.analysis.exhibits import Claim, Exhibits, StudyRows, decide, open_claim
from keras_rnncap.analysis.statistics import LEVEL, compute_mean
from keras_rnncap.analysis.style import OTHER_COLORS, new_figure, plain

SEARCHED, RANDOM = "found", "random"
"""What the architectures of the paper's search, and of that without selection, are called, with their ranks."""
GRU, LSTM = "gru", "tanh-lstm"


def plot_family(table: pd.DataFrame) -> Figure:
    """Draws each architecture that was evaluated on all tasks at its number and score, with a line to its parent.

    Args:
        table: A row for each architecture: `architecture`, `parent`, `candidate` and `score`, NaN for those that were
            not evaluated on all tasks, of which parents alone are drawn.

    Look for: whether the best descend from one another, and whether early or late ones are the best.
    """
    figure, (axes,) = new_figure(1, 8.0, 4.5)
    known = table.set_index("architecture")
    scored = known[known["score"].notna()]
    for _, row in scored.iterrows():
        if row["parent"] in scored.index:
            parent = scored.loc[row["parent"]]
            ends = [parent["candidate"], row["candidate"]], [parent["score"], row["score"]]
            axes.plot(*ends, color="0.75", linewidth=0.8, zorder=0)
    axes.plot(scored["candidate"], scored["score"], "o", markersize=4, color=OTHER_COLORS[1])
    for name, row in scored.nlargest(3, "score").iterrows():
        axes.annotate(plain(name), (row["candidate"], row["score"]), fontsize="x-small", xytext=(4, 3),
                      textcoords="offset points")  # fmt: skip
    axes.axhline(1.0, color="0.2", linestyle="--", linewidth=1, zorder=0)
    axes.set(xlabel="candidate", ylabel="score, the GRU has 1")
    return figure


def compute_progress(table: pd.DataFrame) -> pd.DataFrame:
    """Returns the best score so far after each candidate, and the hours of one core spent.

    Args:
        table: A row for each candidate in order: `seconds` of its trainings, and the `score` of its architecture when
            it had ended, NaN for those without.

    Example:
    >>> rows = pd.DataFrame({"seconds": [3600.0, 3600.0, 1800.0], "score": [1.0, float("nan"), 1.2]})
    >>> compute_progress(rows)["best"].tolist(), compute_progress(rows)["hours"].tolist()
    ([1.0, 1.0, 1.2], [1.0, 2.0, 2.5])
    """
    hours = table["seconds"].cumsum() / 3600
    return pd.DataFrame({"hours": hours, "best": table["score"].cummax().ffill()})


def plot_progress(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Draws the best score so far of some searches against the time that they took.

    Look for: a search that is ahead at equal cost. The best of many noisy scores rises by chance, too.
    """
    figure, (axes,) = new_figure(1, 6.5)
    for place, (name, table) in enumerate(tables.items()):
        style: dict[str, Any] = {"color": OTHER_COLORS[place % len(OTHER_COLORS)], "label": plain(name)}
        progress = compute_progress(table)
        axes.plot(progress["hours"], progress["best"], "o-", markersize=2, drawstyle="steps-post", **style)
    axes.axhline(1.0, color="0.2", linestyle="--", linewidth=1, zorder=0)
    axes.set(xlabel="hours of one core", ylabel="best score, the GRU has 1")
    axes.legend(frameon=False)
    return figure


class Retrained:
    """Architectures that were trained again, each column by what it is judged by: accuracy, or the loss of music.

    Args:
        rows: The rows of the study.
    """

    def __init__(self, rows: StudyRows) -> None:
        table = reruns(rows, "retrained")
        kinds = rows.pieces.set_index("piece")["seen"] if "seen" in rows.pieces else pd.Series(dtype=object)
        self.table = table.assign(seen=table["piece"].map(kinds))
        self.accuracy, self.loss = Compared(self.table, "accuracy"), Compared(self.table, "loss")

    def columns(self, kind: str) -> list[str]:
        """Returns the columns that a search saw (`"seen"`) or did not."""
        return list(dict.fromkeys(self.table[self.table["seen"] == kind]["column"]))

    def compared(self, column: str) -> Compared:
        """Returns the comparison by what a column is judged by."""
        own = self.table[self.table["column"] == column]
        return self.accuracy if own["accuracy"].notna().any() else self.loss

    def cells(self, source: str) -> list[str]:
        """Returns the architectures of a search, the best first."""
        names = [cell for cell in dict.fromkeys(self.table["cell"]) if cell.startswith(f"{source}-")]
        return sorted(names, key=lambda name: int(name.rpartition("-")[2]))

    def has(self, cell: str, columns: list[str]) -> bool:
        """Whether an architecture has enough seeds in all columns, of which there are some."""
        return bool(columns) and all(self.compared(column).has([cell], [column]) for column in columns)

    def ratio(self, cell: str, column: str) -> float:
        """Returns the mean over seeds as a part of the GRU's: of accuracies, or the inverse of that of losses."""
        compared = self.compared(column)
        ratio = compared.mean(cell, column) / compared.mean(GRU, column)
        return ratio if compared is self.accuracy else 1 / ratio

    def score(self, cell: str, kind: str = "seen") -> float:
        """Returns the least ratio over the columns."""
        return min(self.ratio(cell, column) for column in self.columns(kind))

    def ahead(self, cells: list[str], other: str, columns: list[str]) -> dict[str, list[int]]:
        """Returns for each architecture and column 1 if it is significantly better than another, -1 if worse, else 0.

        The correction is for all pairs of a measure.
        """
        found: dict[tuple[str, str], int] = {}
        for compared in (self.accuracy, self.loss):
            pairs = [(cell, other, column) for cell in cells for column in columns if self.compared(column) is compared]
            signs = compared.ahead(pairs) if pairs else []
            found |= {(cell, column): sign for (cell, _, column), sign in zip(pairs, signs, strict=True)}
        return {cell: [found[cell, column] for column in columns] for cell in cells}


def compute_retrained(rows: StudyRows) -> pd.DataFrame:
    """Returns the mean of each architecture on each problem with half of its interval, and its score."""
    retrained, found = Retrained(rows), []
    columns = [*retrained.columns("seen"), *retrained.columns("unseen")]
    for cell in dict.fromkeys(retrained.table["cell"]):
        row: dict[str, Any] = {"architecture": cell}
        for column in columns:
            compared = retrained.compared(column)
            mean = compute_mean(compared.values(cell, column))
            row[column] = f"{mean.value:.3f} ± {(mean.high - mean.low) / 2:.3f}" if mean.points > 1 else "-"
        ready = retrained.has(GRU, columns) and retrained.has(cell, columns)
        row["least part of the GRU's"] = round(retrained.score(cell), 3) if ready else np.nan
        found.append(row)
    return pd.DataFrame(found)


def compute_searches(pieces: pd.DataFrame) -> pd.DataFrame:
    """Returns what each search did and found."""
    own = pieces[pieces["part"] == "search"]
    found = []
    for row in own.to_dict("records"):
        near = ", ".join(f"{name} ({edits:.0f})" for name, edits in json.loads(row["nearest"]))
        counts = {"architectures": row["new_architectures"], "past the filter": row["past_filter"]}
        counts |= {"on all tasks": row["on_all_tasks"], "best score": round(row["best_score"], 3)}
        hours = round(row["seconds_of_training"] / 3600, 2)
        found.append({"search": row["source"], **counts, "hours of one core": hours, "nearest known (edits)": near})
    return pd.DataFrame(found)


def claim_better(retrained: Retrained) -> Claim:
    """Tests whether an architecture was found that is better than GRU and LSTM on all problems of the search."""
    claim = "The search finds an architecture that is better than the GRU and the LSTM on all three problems"
    paper = "MUT1 better than the LSTM on all, than the GRU on two of three; by a small margin"
    columns, cells = retrained.columns("seen"), retrained.cells(SEARCHED)
    ready = [cell for cell in cells if retrained.has(cell, columns)]
    if not ready or not all(retrained.has(base, columns) for base in (GRU, LSTM)):
        return open_claim(claim, paper, "no reruns of what was found, of the GRU and of the LSTM on all problems")
    signs = [retrained.ahead(ready, base, columns) for base in (GRU, LSTM)]
    better = [cell for cell in ready if all(min(of_base[cell]) == 1 for of_base in signs)]
    worse = [cell for cell in ready if any(min(of_base[cell]) == -1 for of_base in signs)]
    scores = ", ".join(f"{cell} {retrained.score(cell):.3f}" for cell in ready)
    rule = (
        f"{WELCH} over the best of the search and problems; holds if one is ahead of both everywhere, does not if each "
        "is behind one of them somewhere"
    )
    ours = f"least part of the GRU's mean: {scores}; LSTM {retrained.score(LSTM):.3f}"
    return Claim(claim, paper, ours, decide(bool(better), len(worse) == len(ready)), rule)


def claim_selection(retrained: Retrained) -> Claim:
    """Tests whether the search finds better architectures than one without selection at equal cost."""
    claim, paper = "Selection finds better architectures than chance at equal cost", "not compared"
    columns = retrained.columns("seen")
    scores = [
        [retrained.score(cell) for cell in retrained.cells(source) if retrained.has(cell, columns)]
        for source in (SEARCHED, RANDOM)
    ]
    if min(map(len, scores)) < 3 or not retrained.has(GRU, columns):
        return open_claim(claim, paper, "fewer than three architectures of each search with reruns on all problems")
    test = stats.mannwhitneyu(*scores)
    more = np.median(scores[0]) > np.median(scores[1])
    rule = (
        "Mann-Whitney test of the scores of the best of each search, trained again; holds if significantly higher with "
        "selection, does not if significantly lower"
    )
    medians = [float(np.median(each)) for each in scores]
    ours = f"medians {medians[0]:.3f} with selection, {medians[1]:.3f} without, p = {test.pvalue:.2g}"
    found = bool(test.pvalue < LEVEL)
    return Claim(claim, paper, ours, decide(found and bool(more), found and not more), rule)


def claim_unseen(retrained: Retrained) -> Claim:
    """Tests whether what is best on the search's problems is good on others, too."""
    claim = "What the search found is better than the GRU on problems that it never saw"
    paper = "MUT1 is the best without dropout on Nottingham and on Piano-midi"
    columns, cells = retrained.columns("unseen"), retrained.cells(SEARCHED)
    ready = [cell for cell in cells if retrained.has(cell, columns)]
    if not ready or not retrained.has(GRU, columns):
        return open_claim(claim, paper, "no reruns on such problems")
    signs = retrained.ahead(ready, GRU, columns)
    rule = (
        f"{WELCH} over the best of the search and such problems; holds if one is ahead of the GRU on all, does not if "
        "each is behind somewhere"
    )
    ours = "; ".join(
        f"{cell} {', '.join(f'{retrained.ratio(cell, column):.3f}' for column in columns)}" for cell in ready
    )
    holds = any(min(each) == 1 for each in signs.values())
    fails = all(min(each) == -1 for each in signs.values())
    return Claim(claim, paper, f"parts of the GRU's ({', '.join(columns)}): {ours}", decide(holds, fails), rule)


def claim_like_the_gru(pieces: pd.DataFrame) -> Claim:
    """Tests whether the best architectures are close to the GRU."""
    claim = "The best architectures that are found are similar to the GRU"
    paper = "MUT1, MUT2 and MUT3 are, which is the main criticism of the search"
    own = pieces[(pieces["part"] == "search") & (pieces["source"] == SEARCHED)] if "source" in pieces else pieces[:0]
    if own.empty:
        return open_claim(claim, paper, "no search")
    near = json.loads(own["nearest"].iloc[0])
    if len(near) < 3:
        return open_claim(claim, paper, "fewer than three were evaluated on all tasks")
    like = [name in (GRU, "mut1", "mut2", "mut3") for name, _ in near]
    rule = "nearest of the known cells by edits; holds if GRU or MUT1-3 for four of five, does not if for one or none"
    ours = ", ".join(f"{name} at {edits:.0f} edits" for name, edits in near)
    part = float(np.mean(like))
    return Claim(claim, paper, ours, decide(part >= 0.8, part <= 0.2), rule)


def evolution_exhibits(rows: StudyRows) -> Exhibits:
    """Returns what the searches did, their families and progress, the table of what was trained again, and claims."""
    shown, pieces = Exhibits(), rows.pieces
    searches = compute_searches(pieces)
    if len(searches):
        caption = "Searches of equal cost; scores are those of the search itself, of the best of many noisy ones."
        shown.add("evolution-searches", "What the searches found", "section 3.4", caption, searches)
        trials = rows.trials.merge(pieces[["piece", "part", "source"]], on="piece")
        for source, own in trials[trials["part"] == "search"].groupby("source"):
            title = f"The family of what {'the paper' if source == SEARCHED else 'chance'} finds"
            caption = "Each architecture that was evaluated on all problems, and its parent."
            shown.add(f"evolution-family-{source}", title, "", caption, plot_family(own))
    table = compute_retrained(rows)
    if len(table):
        caption = (
            "Accuracy on the test split, nats per step for music; means over fresh seeds of the best of 20 fresh "
            "settings, with half of Student's 95% interval. The last column is the least over the search's problems."
        )
        shown.add("evolution-retrained", "Trained again with fresh settings and seeds", "section 4", caption, table)
    retrained = Retrained(rows)
    shown.claims += [claim_better(retrained), claim_selection(retrained), claim_unseen(retrained)]
    shown.claims.append(claim_like_the_gru(pieces))
    return shown
