"""What small models make of words, and for how long they remember one: figures 1 and 2 of Mehta, and the claims."""

import json

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy import optimize

from keras_rnncap.analysis.exhibits import Exhibits, StudyRows
from keras_rnncap.analysis.initializations_study import PAPER_CELLS, of_part
from keras_rnncap.analysis.style import cell_color, new_grid, plain, sort_by_cell
from keras_rnncap.analysis.words_claims import (
    GOOD,
    claim_collinear,
    claim_forgets,
    claim_generalizes,
    claim_remembers,
    claim_separable,
    claim_stop_line,
    claim_stop_words,
    claim_swapped,
    shortest,
)

KINDS = {"stop": ("0.6", range(6)), "positive": ("#0072B2", range(6, 8)), "negative": ("#D55E00", range(8, 10))}
TOGETHER = 0.05
"""The distance of states below which two paths are together."""
PAIRS = ("stop words or others first", "two words swapped", "opposite words first", "one word before stop words")
"""What the sequences of a pair differ in."""
STOP_WORDS = slice(0, 6)
OTHER_WORDS = slice(6, 10)


def vectors(texts: pd.Series) -> np.ndarray:
    """Returns vectors that a column holds as JSON, one below the other; of no texts, no vectors of two numbers."""
    return np.array([json.loads(text) for text in texts], float).reshape(len(texts), -1 if len(texts) else 2)


def compute_words(words: pd.DataFrame) -> pd.DataFrame:
    """Returns for each cell and draw how the first matrix of its best model treats words.

    `stop norm`: the mean of |W x| / |x| of stop words, as a part of that of others: 0 if they are in the null space.
    `stop line`: the share of the squares of W x of stop words along one line through zero.
    `margin`: how far the segment between both positive words is from that between both negative ones, after W, as a
    part of the distance of their means; above 0, they are linearly separable. `of words`: the same of the word vectors
    themselves. `collinear`: the share of the variance of W_o W x along one line.
    """
    table = []
    for (cell, draw), every in words[words["kind"] == "word"].groupby(["cell", "draw"]):
        best = every.sort_values("accuracy", ascending=False, kind="stable")["piece"].iloc[0]
        own = every[every["piece"] == best].sort_values("word")
        given, products, read_out = (vectors(own[name]) for name in ("vector", "product", "read_out"))
        norms = np.linalg.norm(products, axis=1) / np.linalg.norm(given, axis=1)
        line = np.linalg.svd(products[STOP_WORDS], compute_uv=False) ** 2
        spread = np.linalg.svd(read_out - read_out.mean(axis=0), compute_uv=False) ** 2
        table.append(
            {"cell": cell, "draw": draw, "accuracy": own["accuracy"].iloc[0]}
            | {"stop norm": norms[STOP_WORDS].mean() / norms[OTHER_WORDS].mean(), "stop line": line[0] / line.sum()}
            | {"margin": separation(products[6:8], products[8:10]), "of words": separation(given[6:8], given[8:10])}
            | {"collinear": spread[0] / spread.sum()}
        )
    return sort_by_cell(pd.DataFrame(table))


def alike(table: pd.DataFrame) -> pd.DataFrame:
    """Returns the rows of the draws that most cells have; some have more draws, and are not to be compared by those."""
    if table.empty:
        return table
    cells = table.groupby("draw")["cell"].transform("nunique")
    return table[cells == cells.max()]


def best_pieces(table: pd.DataFrame) -> pd.DataFrame:
    """Returns of each cell the rows of its best model: of several seeds, each piece has one."""
    if table.empty:
        return table
    best = table.loc[table.groupby("cell")["accuracy"].idxmax(), "piece"]
    return table[table["piece"].isin(best)]


def separation(one: np.ndarray, other: np.ndarray) -> float:
    """Returns the distance of the segments between two pairs of points, as a part of the distance of their means.

    Example:
    >>> separation(np.array([[1.0, 1.0], [1.0, -1.0]]), np.array([[0.0, 0.0], [-2.0, 0.0]]))
    0.5
    >>> separation(np.array([[1.0, 1.0], [1.0, -1.0]]), np.array([[2.0, 0.0], [-2.0, 0.0]]))
    0.0
    """
    sides = np.stack([one[1] - one[0], other[0] - other[1]], axis=1)
    nearest = optimize.lsq_linear(sides, other[0] - one[0], (0.0, 1.0), method="bvls", tol=1e-14)
    distance = np.linalg.norm(sides @ nearest.x - (other[0] - one[0]))
    return float(np.round(distance / np.linalg.norm(one.mean(axis=0) - other.mean(axis=0)), 6))


def compute_memory(probes: pd.DataFrame) -> pd.DataFrame:
    """Returns for each cell how long good models keep the answer to one word, in stop words.

    Of each model that of the word to which its answer is wrong first, at the length of training or later; where a model
    comes to rest at one answer, words of this answer are never forgotten. Of the models the quartiles, and how many
    keep all four words to the end. Cells without good models have no numbers.
    """
    table = []
    for cell, every in probes.groupby("cell"):
        own = every[every["accuracy"] >= GOOD]
        if own.empty:
            table.append({"cell": cell, "models": 0})
            continue
        each = shortest(own)
        low, median, high = each["until"].quantile([0.25, 0.5, 0.75])
        kept = own["until"].isna().groupby(own["trial"]).all()
        table.append(
            {"cell": cell, "models": len(each), "median": median, "first quartile": low, "third quartile": high}
            | {"never wrong": int(kept.sum()), "stop words": int(own["probed"].max())}
        )
    return sort_by_cell(pd.DataFrame(table)) if table else pd.DataFrame()


def compute_lengths(lengths: pd.DataFrame) -> pd.DataFrame:
    """Returns the median accuracy of the good models of each cell, a column for each length of sequences."""
    good = lengths[lengths["accuracy"] >= GOOD]
    if good.empty:
        return pd.DataFrame()
    table = good.pivot_table(index="cell", columns="length", values="accuracy_at_length", aggfunc="median")
    table.columns = [f"{length:.0f} words" for length in table.columns]
    table.insert(0, "models", good.groupby("cell")["trial"].nunique())
    return sort_by_cell(table.reset_index())


def compute_pairs(states: pd.DataFrame) -> pd.DataFrame:
    """Returns what the best models of the paper's cells answer to pairs of sequences, and if they tell them apart.

    `together from`: the word from which on the two paths of the state are closer than 0.05.
    """
    table = []
    paths = states[(states["kind"] == "path") & states["cell"].isin(PAPER_CELLS)].dropna(subset=["right"])
    for cell, pair in paths[["cell", "pair"]].drop_duplicates().itertuples(index=False):
        own = paths[(paths["cell"] == cell) & (paths["pair"] == pair)]
        sides = [side.sort_values("step") for _, side in own.groupby("side")]
        away = np.linalg.norm(vectors(sides[0]["state"]) - vectors(sides[1]["state"]), axis=1) >= TOGETHER
        last = int(np.flatnonzero(away)[-1]) + 1 if away.any() else 0
        answers = [
            f"{'positive' if side['positive'].iloc[0] else 'negative'}, {'right' if side['right'].iloc[0] else 'wrong'}"
            for side in sides
        ]
        table.append(
            {"cell": cell, "pair": PAIRS[int(pair)], "solid": answers[0], "dashed": answers[1]}
            | {"together from": last if last < len(away) else np.nan}
        )
    return sort_by_cell(pd.DataFrame(table)) if table else pd.DataFrame()


def near_paths(fixed: pd.DataFrame, paths: pd.DataFrame) -> pd.DataFrame:
    """Returns the fixed points that are near the states of some paths: no farther than these are spread.

    The search for them can end where no path comes, as where a gate is shut for good and all states are fixed.

    Example:
    >>> paths, fixed = (pd.DataFrame({"state": ["[0, 0]", state]}) for state in ("[0, 2]", "[0, -9]"))
    >>> near_paths(fixed, paths)["state"].tolist()
    ['[0, 0]']
    """
    if fixed.empty or paths.empty:
        return fixed
    visited = vectors(paths["state"])
    spread = np.linalg.norm(visited - visited.mean(axis=0), axis=1).max()
    away = np.linalg.norm(vectors(fixed["state"])[:, None] - visited, axis=-1).min(axis=1)
    return fixed[away <= spread]


def compute_fixed_points(states: pd.DataFrame) -> pd.DataFrame:
    """Returns for the best model of each cell how many fixed points it has near its paths, and how many are stable.

    `slowest`: the largest absolute eigenvalue of the stable ones; near 1, the state returns to them slowly.
    """
    table = []
    for cell, own in states[states["kind"].isin(("path", "fixed point"))].groupby("cell"):
        fixed = near_paths(own[own["kind"] == "fixed point"], own[own["kind"] == "path"])
        sizes = np.array(_largest_eigenvalues(fixed))
        stable = sizes[sizes < 1]
        table.append(
            {"cell": cell, "accuracy": own["accuracy"].iloc[0], "fixed points": len(sizes), "stable": len(stable)}
            | {"slowest": stable.max() if len(stable) else np.nan}
        )
    return sort_by_cell(pd.DataFrame(table))


def _largest_eigenvalues(fixed: pd.DataFrame) -> list[float]:
    return [max(np.hypot(*value) for value in json.loads(text)) for text in fixed["eigenvalues"]]


def plot_words(words: pd.DataFrame) -> Figure:
    """Draws word vectors, W x, and W_o W x of each cell, coloured by what the words mean.

    Look for: stop words near the origin are ignored at once; positive and negative words on two sides can be counted.
    """
    cells = [cell for cell in PAPER_CELLS if cell in {*words["cell"]}]
    columns = {"vector": "words x", "product": "W x", "read_out": "W_o W x"}
    figure, grid = new_grid(len(cells), len(columns), (3.2 * len(columns), 3.0 * len(cells)))
    for row, cell in enumerate(cells):
        own = words[(words["cell"] == cell) & (words["kind"] == "word")].sort_values("word")
        for column, (name, label) in enumerate(columns.items()):
            axes = grid[row, column]
            for kind, (color, places) in KINDS.items():
                axes.scatter(*vectors(own[own["word"].isin(places)][name])[:, :2].T, color=color, label=kind)
            axes.axhline(0, color="0.85", linewidth=0.8, zorder=0)
            axes.axvline(0, color="0.85", linewidth=0.8, zorder=0)
            axes.set_title(f"{plain(cell)}: {label}", fontsize="small")
    grid[0, 0].legend(frameon=False, fontsize="x-small")
    _name_axes(grid, "first number", "second number")
    return figure


def plot_states(states: pd.DataFrame) -> Figure:
    """Draws the states of pairs of sequences that differ in their first words, with fixed points (mean stop word).

    Filled points are stable; the number is the largest absolute eigenvalue. Look for: two paths that come together
    forget how they began.
    """
    cells = [cell for cell in PAPER_CELLS if cell in {*states["cell"]}]
    pairs = sorted(states["pair"].dropna().unique())
    figure, grid = new_grid(len(cells), len(pairs), (3.2 * len(pairs), 3.0 * len(cells)))
    for row, cell in enumerate(cells):
        own = states[states["cell"] == cell]
        fixed = near_paths(own[own["kind"] == "fixed point"], own[own["kind"] == "path"])
        points = vectors(fixed["state"])
        sizes = _largest_eigenvalues(fixed)
        for column, pair in enumerate(pairs):
            axes = grid[row, column]
            for side, line in ((0, "-"), (1, "--")):
                path = own[(own["pair"] == pair) & (own["side"] == side)].sort_values("step")
                places = vectors(path["state"])
                axes.plot(places[:, 0], places[:, 1], line, marker=".", color=cell_color(cell), linewidth=0.8)
            for point, size in zip(points, sizes, strict=True):
                axes.plot(*point[:2], "o", color="#CC79A7", fillstyle="full" if size < 1 else "none")
                axes.annotate(f"{size:.2f}", point[:2], fontsize="x-small", xytext=(3, 3), textcoords="offset points")
            axes.set_title(f"{plain(cell)}: {PAIRS[int(pair)]}", fontsize="small")
    _name_axes(grid, "first unit", "second unit")
    return figure


def _name_axes(grid: np.ndarray, x: str, y: str) -> None:
    for axes in grid[-1]:
        axes.set_xlabel(x)
    for axes in grid[:, 0]:
        axes.set_ylabel(y)


def words_exhibits(rows: StudyRows) -> Exhibits:
    """Returns figures 1 and 2, the memory of every cell, and what they say."""
    shown = Exhibits()
    words, states = (of_part(rows, part) for part in ("words", "states"))
    probes, lengths, pairs = (
        states[states["kind"] == kind] if len(states) else states for kind in ("probe", "length", "pairs")
    )
    draws = alike(states)["draw"].nunique() if len(states) else 0
    of_draws = f"Of {draws} draw{'s'[: draws > 1]} of sequences and word vectors; the claims are of more."
    of_paper_words = words[words["cell"].isin(PAPER_CELLS)] if len(words) else words
    best = best_pieces(of_paper_words)
    if len(best):
        caption = "The best of all trainings; of the GRU, W is the candidate's."
        shown.add("words", "What becomes of words", "fig. 1", caption, plot_words(best))
        caption = "The same of the best training of each draw of sequences and word vectors."
        shown.add("words-table", "The same as numbers", "fig. 1", caption, compute_words(of_paper_words).round(3))
    shown_states = states[states["kind"].isin(("path", "fixed point"))] if len(states) else states
    of_best = best_pieces(alike(shown_states))
    of_paper = best_pieces(shown_states[shown_states["cell"].isin(PAPER_CELLS)] if len(states) else states)
    if len(of_paper):
        caption = (
            "Pairs of sequences that are the same after their first words, of 10 words and, where one word comes "
            "before stop words, of 40; fixed points of the mean stop word. Of the best of all draws."
        )
        shown.add("words-states", "Paths of the state", "fig. 2", caption, plot_states(of_paper))
        caption = (
            "What the rule says of the two sequences of each pair, and whether the answer is right; states that are "
            "together from a word on have forgotten the difference."
        )
        shown.add("words-pairs", "The same as words", "fig. 2", caption, compute_pairs(of_paper))
    if len(of_best):
        caption = "Of the best model of each cell, for the mean stop word; those near states that paths come to."
        shown.add("words-fixed-points", "Fixed points", "fig. 2", caption, compute_fixed_points(of_best).round(3))
    memory = compute_memory(alike(probes)) if len(probes) else pd.DataFrame()
    if len(memory):
        caption = (
            "Stop words after a single word until the answer is wrong, of models of at least 98%; of the word whose "
            "answer is wrong first, medians and quartiles over models. Who is never wrong has all stop words that were "
            f"tried. {of_draws}"
        )
        shown.add("words-memory", "How long a word is remembered", "fig. 2", caption, memory.round(1))
    table = compute_lengths(alike(lengths)) if len(lengths) else pd.DataFrame()
    if len(table):
        caption = (
            "Median accuracy on sequences longer than those of training (10 words), of models of at least 98%. "
            f"{of_draws}"
        )
        shown.add("words-lengths", "Longer sequences", "", caption, table.round(3))
    table = compute_words(of_paper_words) if len(best) else best
    shown.claims += [claim_stop_words(table), claim_stop_line(table), claim_separable(table), claim_collinear(table)]
    shown.claims += [claim_forgets(pairs), claim_swapped(pairs)]
    shown.claims += [claim_remembers(probes), claim_generalizes(lengths)]
    return shown
