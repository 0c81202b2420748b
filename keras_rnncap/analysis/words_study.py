"""What small models make of words, and for how long they remember one: figures 1 and 2 of Mehta, and the claims."""

import json

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy import stats

from keras_rnncap.analysis.exhibits import Claim, Exhibits, StudyRows, decide, open_claim
from keras_rnncap.analysis.initializations_study import GRU, PAPER_CELLS, RNN, of_part
from keras_rnncap.analysis.statistics import LEVEL
from keras_rnncap.analysis.style import cell_color, new_grid, plain, sort_by_cell

KINDS = {"stop": ("0.6", range(6)), "positive": ("#0072B2", range(6, 8)), "negative": ("#D55E00", range(8, 10))}
GOOD = 0.98


def vectors(texts: pd.Series) -> np.ndarray:
    """Returns vectors that a column holds as JSON, one below the other; of no texts, no vectors of two numbers."""
    return np.array([json.loads(text) for text in texts], float).reshape(len(texts), -1 if len(texts) else 2)


def compute_words(words: pd.DataFrame) -> pd.DataFrame:
    """Returns for each cell how its first matrix treats words.

    `stop norm`: the mean norm of W x of stop words, as a part of that of others: 0 if they are in the null space.
    `margin`: the least distance of projections of a positive and a negative word on the line through the means of
    both, as a part of the distance of the means; above 0, they are separable. `collinear`: the share of the variance of
    W_o W x along one line.
    """
    table = []
    for cell, own in words[words["kind"] == "word"].groupby("cell"):
        own = own.sort_values("word")
        products, read_out = vectors(own["product"]), vectors(own["read_out"])
        norms = np.linalg.norm(products, axis=1)
        good, bad = products[6:8], products[8:10]
        line = good.mean(axis=0) - bad.mean(axis=0)
        gap = (good @ line).min() - (bad @ line).max()
        spread = np.linalg.svd(read_out - read_out.mean(axis=0), compute_uv=False) ** 2
        table.append(
            {"cell": cell, "accuracy": own["accuracy"].iloc[0], "stop norm": norms[:6].mean() / norms[6:].mean()}
            | {"margin": gap / (line @ line), "collinear": spread[0] / spread.sum()}
        )
    return sort_by_cell(pd.DataFrame(table))


def compute_memory(probes: pd.DataFrame) -> pd.DataFrame:
    """Returns for each cell how long good models keep the answer to one word, in stop words.

    Of each model the median over the four words, and the `shortest`, that of the word whose answer changes first: where
    a model comes to rest at one answer, words of this answer are never forgotten. Of the models the quartiles, and how
    many keep all four to the end.
    """
    good = probes[(probes["accuracy"] >= GOOD) & probes["right"].astype(bool)]
    table = []
    for cell, own in good.groupby("cell"):
        steps = own["until"].fillna(own["probed"])
        each = steps.groupby(own["trial"]).median()
        kept = own["until"].isna().groupby(own["trial"]).all()
        low, median, high = each.quantile([0.25, 0.5, 0.75])
        shortest = steps.groupby(own["trial"]).min().median()
        table.append(
            {"cell": cell, "models": len(each), "shortest": shortest, "median": median}
            | {"first quartile": low, "third quartile": high}
            | {"never change": int(kept.sum()), "stop words": int(own["probed"].max())}
        )
    return sort_by_cell(pd.DataFrame(table)) if table else pd.DataFrame()


def compute_fixed_points(states: pd.DataFrame) -> pd.DataFrame:
    """Returns for the best model of each cell how many fixed points it has, and how many of these are stable.

    `slowest`: the largest absolute eigenvalue of the stable ones; near 1, the state returns to them slowly.
    """
    table = []
    for cell, own in states[states["kind"] != "probe"].groupby("cell"):
        sizes = np.array(_largest_eigenvalues(own[own["kind"] == "fixed point"]))
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

    Filled points are stable. Look for: two paths that come together forget how they began.
    """
    cells = [cell for cell in PAPER_CELLS if cell in {*states["cell"]}]
    pairs = sorted(states["pair"].dropna().unique())
    figure, grid = new_grid(len(cells), len(pairs), (3.2 * len(pairs), 3.0 * len(cells)))
    titles = ("stop words or others first", "two words swapped", "opposite words first")
    for row, cell in enumerate(cells):
        own = states[states["cell"] == cell]
        fixed = own[own["kind"] == "fixed point"]
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
            axes.set_title(f"{plain(cell)}: {titles[int(pair)]}", fontsize="small")
    _name_axes(grid, "first unit", "second unit")
    return figure


def _name_axes(grid: np.ndarray, x: str, y: str) -> None:
    for axes in grid[-1]:
        axes.set_xlabel(x)
    for axes in grid[:, 0]:
        axes.set_ylabel(y)


def claim_stop_words(words: pd.DataFrame) -> Claim:
    """Tests whether the first matrix ignores stop words, by how long their products are."""
    claim = "Stop words are not in the null space of the first matrix"
    paper = "2 x 2: products of stop words lie along one dimension, not at zero"
    table = compute_words(words) if len(words) else pd.DataFrame()
    if table.empty:
        return open_claim(claim, paper, "no words")
    norms = table.set_index("cell")["stop norm"]
    return Claim(
        claim,
        paper,
        ", ".join(f"{cell} {value:.2f}" for cell, value in norms.items()),
        decide(bool((norms > 0.1).all()), bool((norms < 0.05).all())),
        "mean norm of W x of stop words as a part of that of others; holds if above 0.1 for both cells, does not if "
        "below 0.05 for both",
    )


def claim_separable(words: pd.DataFrame) -> Claim:
    """Tests whether positive and negative words are on two sides of a line after the first matrix."""
    claim = "Positive and negative words are linearly separable after the first matrix"
    paper = "2 x 2: yes, for RNN and GRU"
    table = compute_words(words) if len(words) else pd.DataFrame()
    if table.empty:
        return open_claim(claim, paper, "no words")
    margins = table.set_index("cell")["margin"]
    return Claim(
        claim,
        paper,
        ", ".join(f"{cell} {value:.2f}" for cell, value in margins.items()),
        decide(bool((margins > 0).all()), bool((margins <= 0).all())),
        "gap between both kinds along the line through their means, as a part of the distance of the means; holds if "
        "above 0 for both cells, does not if for none",
    )


def claim_remembers(probes: pd.DataFrame) -> Claim:
    """Tests whether the GRU keeps the answer to a word for longer than the RNN, by the Mann-Whitney test."""
    claim = "The GRU remembers a word for longer than the RNN"
    paper = "4 x 2: the answer changes after about 15 stop words (RNN) and about 2,000 (GRU)"
    values = {}
    for cell in PAPER_CELLS:
        own = probes[(probes["cell"] == cell) & (probes["accuracy"] >= GOOD)] if len(probes) else probes
        own = own[own["right"].astype(bool)] if len(own) else own
        steps = own["until"].fillna(own["probed"]) if len(own) else pd.Series(dtype=float)
        values[cell] = steps.groupby(own["trial"]).median().to_numpy() if len(own) else np.zeros(0)
    if min(map(len, values.values())) < 3:
        return open_claim(claim, paper, "fewer than three models of one cell at 98% and above")
    p_value = float(stats.mannwhitneyu(values[GRU], values[RNN]).pvalue)
    medians = {cell: float(np.median(steps)) for cell, steps in values.items()}
    return Claim(
        claim,
        paper,
        ", ".join(f"{cell} {medians[cell]:.0f} (n = {len(values[cell])})" for cell in PAPER_CELLS),
        decide(
            bool(p_value < LEVEL and medians[GRU] > medians[RNN]), bool(p_value < LEVEL and medians[GRU] < medians[RNN])
        ),
        f"Mann-Whitney test of the stop words until the answer changes, medians over four words: p = {p_value:.2g}",
    )


def words_exhibits(rows: StudyRows) -> Exhibits:
    """Returns figures 1 and 2, the memory of every cell, and what they say."""
    shown = Exhibits()
    words, states = (of_part(rows, part) for part in ("words", "states"))
    probes = states[states["kind"] == "probe"] if len(states) else states
    if len(words):
        caption = "The best of all trainings; of the GRU, W is the candidate's."
        shown.add("words", "What becomes of words", "fig. 1", caption, plot_words(words))
        shown.add("words-table", "The same as numbers", "fig. 1", caption, compute_words(words).round(3))
    if len(states):
        caption = "Pairs of sequences that are the same after their first words; fixed points of the mean stop word."
        shown.add("words-states", "Paths of the state", "fig. 2", caption, plot_states(states))
        caption = "Of the best model of each cell, for the mean stop word."
        shown.add("words-fixed-points", "Fixed points", "fig. 2", caption, compute_fixed_points(states).round(3))
    memory = compute_memory(probes) if len(probes) else pd.DataFrame()
    if len(memory):
        caption = (
            "Stop words after a single word until the answer changes, of models of at least 98%: of the word whose "
            "answer changes first (shortest; the median over models), and the median over four words."
        )
        shown.add("words-memory", "How long a word is remembered", "fig. 2", caption, memory.round(1))
    shown.claims += [claim_stop_words(words), claim_separable(words), claim_remembers(probes)]
    return shown
