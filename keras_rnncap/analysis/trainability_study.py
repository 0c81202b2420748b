"""How easily cells train: figures 4 and 5, tables 1 and App.2 of Collins et al. (2017), and the claims."""

import itertools

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy import stats

from keras_rnncap.analysis.exhibits import PAPER_CELLS, Claim, Exhibits, StudyRows, decide, of_paper, open_claim, told
from keras_rnncap.analysis.statistics import LEVEL, compute_share, correct_holm
from keras_rnncap.analysis.style import (
    add_legend,
    cell_color,
    each_cell,
    new_figure,
    new_grid,
    plain,
    sort_by_cell,
    unit_name,
)
from keras_rnncap.runs import SCORED, STOPPED, UNTRAINED
from keras_rnncap.runs.rows import BEFORE

PAPER_INFEASIBLE = {
    "+rnn": (None, 8.8),
    "gru": (15.5, 3.2),
    "irnn": (56.7, 44.6),
    "lstm": (12.0, 4.0),
    "rnn": (21.5, 18.7),
    "ugrnn": (20.2, 11.5),
}
"""Table 1: percent of 1,000 random settings that were infeasible, with 1 and with 8 layers."""
PAPER_WELCH = {
    1: {"rnn / gru": 26.5, "rnn / ugrnn": 20.7, "rnn / lstm": 19.6, "rnn / irnn": 12.7}
    | {"irnn / gru": 7.74, "irnn / ugrnn": 4.03, "irnn / lstm": 2.23}
    | {"ugrnn / gru": 4.11, "ugrnn / lstm": -2.25, "gru / lstm": -6.65},
    8: {"gru / +rnn": 23.6, "irnn / +rnn": 25.7, "lstm / +rnn": 26.1, "rnn / +rnn": 25.8, "ugrnn / +rnn": 24.3}
    | {"irnn / gru": 3.51, "gru / lstm": -4.84, "rnn / gru": 3.93, "ugrnn / gru": 1.13, "irnn / lstm": -2.04}
    | {"rnn / irnn": 0.571, "irnn / ugrnn": 2.37, "rnn / lstm": -1.53, "ugrnn / lstm": -3.81, "rnn / ugrnn": 2.81},
}
"""Table App.2: t for each depth and pair, the sign turned where the paper names the pair the other way round."""


def with_pieces(rows: StudyRows, part: str) -> pd.DataFrame:
    """Returns the trials of a part with the cell, depth and task of their pieces, and each one's `score`."""
    pieces = rows.pieces[rows.pieces["part"] == part]
    if pieces.empty:
        return pd.DataFrame()
    keys = ["piece", "cell", "depth", "task", "objective", "direction", "params"]
    trials = rows.trials.merge(pieces[keys], on="piece").assign(score=np.nan)
    for objective, scored in trials.groupby("objective"):
        trials.loc[scored.index, "score"] = scored.get(objective, np.nan)
    return trials.assign(score=trials["score"].where(trials["status"].isin(SCORED)))


def of_one_budget(trials: pd.DataFrame) -> pd.DataFrame:
    """Returns the trials of the budget that most of them have: models of different sizes are not compared."""
    return trials if trials.empty else trials[trials["params"] == trials["params"].mode().iloc[0]]


def is_infeasible(trials: pd.DataFrame) -> pd.Series:
    """Returns which trials diverged; rows of earlier versions call these infeasible, and those that learned nothing."""
    return ~trials["status"].isin((*SCORED, STOPPED))


def compute_infeasible(trials: pd.DataFrame) -> pd.DataFrame:
    """Returns the share of infeasible settings of each cell and depth, with Wilson's interval, beside the paper's."""
    rows = []
    for (depth, cell), settings in trials.groupby(["depth", "cell"]):
        share, before = compute_share(is_infeasible(settings)), settings["status"].isin([*BEFORE]).any()
        paper = PAPER_INFEASIBLE.get(str(cell), (None, None))[0 if depth == 1 else 1]
        rows.append(
            {"depth": depth, "cell": cell, "settings": len(settings)}
            | {"infeasible %": round(100 * share.value, 1), "low %": round(100 * share.low, 1)}
            | {"high %": round(100 * share.high, 1), "paper %": paper if depth in (1, 8) else None}
            | {"untrained %": None if before else round(100 * (settings["status"] == UNTRAINED).mean(), 1)}
            | {"smallest": settings["score"].min(), "median": settings["score"].median()}
        )
    return sort_by_cell(pd.DataFrame(rows), "depth").reset_index(drop=True)


def compute_welch(trials: pd.DataFrame) -> pd.DataFrame:
    """Returns Welch's t-test on the feasible scores for every pair of cells at each depth (table App.2).

    A negative t means that the first cell of a pair has the smaller mean. Holm's correction is over the pairs of a
    depth.

    Example:
    >>> table = pd.DataFrame({"depth": 1, "cell": ["gru"] * 3 + ["rnn"] * 3, "score": [1.0, 1.1, 0.9, 2.0, 2.1, 1.9]})
    >>> compute_welch(table)[["pair", "t", "df"]].round(2).to_numpy().tolist()
    [['rnn / gru', 12.25, 4.0]]
    """
    rows = []
    for depth in sorted(int(depth) for depth in trials["depth"].unique()):
        settings = trials[(trials["depth"] == depth) & trials["score"].notna()]
        scores = {cell: group["score"] for cell, group in each_cell(settings) if len(group) > 1}
        pairs = list(itertools.combinations(scores, 2))
        tests = [stats.ttest_ind(scores[first], scores[second], equal_var=False) for first, second in pairs]
        corrected = correct_holm([test.pvalue for test in tests])
        for names, test, p_value in zip(map(" / ".join, pairs), tests, corrected, strict=True):
            paper = PAPER_WELCH.get(depth, {}).get(names)
            rows.append((depth, names, test.statistic, test.df, test.pvalue, p_value, paper))
    return pd.DataFrame(rows, columns=["depth", "pair", "t", "df", "p", "p (Holm)", "paper's t"])


def compute_progress(trials: pd.DataFrame) -> pd.DataFrame:
    """Returns, for each search, the median and the best score of its trials so far (figure 4)."""
    rows = []
    for _, search in trials.sort_values("trial", kind="stable").groupby("piece"):
        sign = 1 if search["direction"].iloc[0] == "min" else -1
        losses = (sign * search["score"]).fillna(np.inf).to_numpy()  # an infeasible trial is worse than any
        medians = np.array([np.median(losses[:count]) for count in range(1, len(losses) + 1)])
        table = search[["task", "cell", "depth", "objective", "trial", "score"]]
        rows.append(table.assign(median=sign * medians, best=sign * np.minimum.accumulate(losses)))
    return pd.concat(rows, ignore_index=True).replace([np.inf, -np.inf], np.nan)


def plot_random(trials: pd.DataFrame) -> Figure:
    """Draws boxes of the scores of random settings, a panel for each depth, best median first (figure 5).

    Look for: a low box is a cell that does well without tuning; a low whisker one that can do well with it.
    """
    depths = sorted(trials["depth"].unique())
    figure, panels = new_figure(len(depths), width=5.0, height=4.0)
    for axes, depth in zip(panels, depths, strict=True):
        groups = {str(cell): group for cell, group in trials[trials["depth"] == depth].groupby("cell", sort=False)}
        cells = sorted(groups, key=lambda cell: groups[cell]["score"].median())
        boxes = axes.boxplot(
            [groups[cell]["score"].dropna() for cell in cells],
            tick_labels=[plain(cell) for cell in cells],
            patch_artist=True,
            medianprops={"color": "white", "linewidth": 2},
            flierprops={"markersize": 2, "markeredgecolor": "0.5"},
        )
        for place, (box, cell) in enumerate(zip(boxes["boxes"], cells, strict=True), 1):
            box.set_facecolor(cell_color(cell))
            share = is_infeasible(groups[cell]).mean()
            axes.annotate(
                f"{share:.0%}", (place, 1.0), xycoords=("data", "axes fraction"), ha="center", va="bottom", fontsize=7
            )
        axes.set_title(f"depth {depth} (percent infeasible above)", fontsize="small", pad=14)
        axes.set(xlabel="cell", ylabel=unit_name(trials["objective"].iloc[0]))
    return figure


def plot_progress(progress: pd.DataFrame) -> Figure:
    """Draws the median, above, and the best score, below, against the number of trials, a column for each depth.

    Look for: cells whose median falls early are easy to tune.
    """
    depths = sorted(progress["depth"].unique())
    figure, grid = new_grid(2, len(depths), (4.0 * len(depths) + 1.0, 6.0), sharex=True, sharey=True)
    for column, depth in enumerate(depths):
        for cell, trials in each_cell(progress):
            trials, color = trials[trials["depth"] == depth], cell_color(cell)
            for row, name in enumerate(("median", "best")):
                style = {"where": "post", "color": color, "label": plain(cell)}
                grid[row, column].step(trials["trial"] + 1, trials[name], **style)
            grid[1, column].plot(trials["trial"] + 1, trials["score"], ".", color=color, markersize=3, alpha=0.4)
        grid[0, column].set_title(f"depth {depth}")
        grid[1, column].set_xlabel("trials")
    unit = unit_name(progress["objective"].iloc[0])
    grid[0, 0].set_ylabel(f"median {unit}")
    grid[1, 0].set_ylabel(f"best {unit}")
    add_legend(figure)
    return figure


def claim_gated_train(trials: pd.DataFrame) -> Claim:
    """Tests whether random settings of gated cells score better than the RNN's, where the paper found that."""
    claim = "Gated cells train where the RNN does not"
    paper = "better than the RNN with random settings: UGRNN, GRU, LSTM at depth 1, UGRNN, GRU, +RNN at depth 8"
    welch, deep = compute_welch(trials), trials["depth"].max()
    wanted = [(1, f"rnn / {cell}") for cell in ("ugrnn", "gru", "lstm")]
    wanted += [(deep, f"rnn / {cell}") for cell in ("ugrnn", "gru", "+rnn") if deep > 1]
    pairs = welch[[(depth, pair) in wanted for depth, pair in zip(welch["depth"], welch["pair"], strict=True)]]
    if pairs.empty:
        return open_claim(claim, paper, "no pair of the RNN and a gated cell")
    significant = pairs["p (Holm)"] < LEVEL
    better, worse = (pairs["t"] > 0) & significant, (pairs["t"] < 0) & significant
    tests = "; ".join(f"depth {row.depth}, {row.pair}: t = {row.t:.1f}" for row in pairs.itertuples())
    return Claim(
        claim,
        paper,
        f"{better.sum()} of {len(pairs)} pairs significantly better, {worse.sum()} significantly worse",
        decide(len(pairs) == 6 and bool(better.all()), bool(worse.any())),
        f"Welch's t-tests, Holm's correction within a depth ({tests}); holds if all six pairs are better, does not if "
        "one is worse",
    )


def claim_irnn_infeasible(trials: pd.DataFrame) -> Claim:
    """Tests whether a third to two thirds of the IRNN's settings are infeasible, by Wilson's interval."""
    claim, paper = "The IRNN is infeasible about half the time", "56.7% of random settings at depth 1, 44.6% at depth 8"
    settings = trials[trials["cell"] == "irnn"]
    if settings.empty:
        return open_claim(claim, paper, "no settings of the IRNN")
    table = compute_infeasible(settings)
    inside = (table["low %"] >= 100 / 3) & (table["high %"] <= 200 / 3)
    outside = (table["high %"] < 100 / 3) | (table["low %"] > 200 / 3)
    shares = table[["depth", "infeasible %", "low %", "high %"]].itertuples(index=False)
    return Claim(
        claim,
        paper,
        "; ".join(f"depth {depth}: {share:.0f}% ({low:.0f} to {high:.0f})" for depth, share, low, high in shares),
        decide(len(table) == 2 and bool(inside.all()), bool(outside.any())),
        f"Wilson's 95% intervals, n = {table['settings'].min()} each; holds if within a third and two thirds at depth "
        "1 and deep, does not if one is outside",
    )


def claim_intersection_deep(trials: pd.DataFrame) -> Claim:
    """Tests whether the +RNN has the smallest median and the smallest error at the largest depth."""
    depth = int(trials["depth"].max())
    claim = f"The +RNN is best at depth {depth if depth > 1 else 8}"
    paper = "smallest error and smallest median at depth 8; t = -23.6 or less against every other cell"
    deep = trials[trials["depth"] == depth]
    if depth < 2 or {*deep["cell"]} != {*PAPER_CELLS}:
        return open_claim(claim, paper, "not all six cells have settings deeper than 1")
    scores = deep.groupby("cell")["score"]
    medians, smallest = scores.median().sort_values(), scores.min().sort_values()
    pairs = compute_welch(deep)
    pairs = pairs[pairs["pair"].str.contains("+rnn", regex=False)]
    t = pairs["t"].where(pairs["pair"].str.startswith("+rnn"), -pairs["t"])
    significant = pairs["p (Holm)"] < LEVEL
    better, worse = (t < 0) & significant, (t > 0) & significant
    first = medians.index[0] == "+rnn" and smallest.index[0] == "+rnn"
    return Claim(
        claim,
        paper,
        f"medians: {told(medians)}; smallest: {told(smallest)}",
        decide(first and bool(better.all()), bool(worse.any())),
        f"Welch's t-tests, Holm's correction: better than {better.sum()} of {len(pairs)} cells, worse than "
        f"{worse.sum()}; holds if first by both and better than all, does not if worse than any",
    )


def trainability_exhibits(rows: StudyRows) -> Exhibits:
    """Returns figures 4 and 5 and tables 1 and App.2, and what they say."""
    shown = Exhibits()
    random, search = (of_one_budget(with_pieces(rows, part)) for part in ("random", "search"))
    if len(random):
        title = f"Scores of random settings on {random['task'].iloc[0]}"
        caption = "Hyperparameters at random within the ranges of appendix A; no trial is stopped early."
        shown.add("trainability-random", title, "fig. 5", caption, plot_random(random))
        caption = "Infeasible is a loss that diverged, untrained one that ended above chance; Wilson's 95% interval."
        if random["status"].isin([*BEFORE]).any():
            caption += " Rows of earlier versions count losses above chance by the task's margin, too."
        shown.add("trainability-infeasible", "Infeasible settings", "table 1", caption, compute_infeasible(random))
        title = "Welch's t-tests for every pair"
        caption = "A negative t: the first cell of the pair has the smaller mean. Holm's correction within a depth."
        shown.add("trainability-welch", title, "table App.2", caption, compute_welch(random))
        claims = (claim_gated_train, claim_irnn_infeasible, claim_intersection_deep)
        shown.claims += [claim(of_paper(random)) for claim in claims]
    for task, trials in search.groupby("task") if len(search) else ():
        caption = "Bayesian optimization of all hyperparameters; medians count infeasible trials as worst."
        figure = plot_progress(compute_progress(trials))
        shown.add(f"trainability-search-{task}", f"Searches on {task}", "fig. 4", caption, figure)
    return shown
