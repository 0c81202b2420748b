"""From how many initializations small models learn: figures 3 to 6 of Mehta, and the claims."""

import itertools

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy import stats

from keras_rnncap.analysis.exhibits import Claim, Exhibits, StudyRows, decide, open_claim
from keras_rnncap.analysis.statistics import LEVEL, compute_share, correct_holm
from keras_rnncap.analysis.style import cell_color, new_figure, new_grid, plain, sort_by_cell
from keras_rnncap.cells import get_cell

PAPER_CELLS = ("two-bias-rnn", "reset-after-gru")
"""The vanilla RNN and the GRU of the paper."""
RNN, GRU = PAPER_CELLS
GOOD = 0.9
"""The accuracy from which on a training counts as a success."""
FEW = (2, 4)
"""Numbers of a word vector, and of units, of figures 5 and 6."""
INITIALIZATIONS = 3
"""Of figures 3 and 4."""
FEWEST_CELLS = 3
"""Families of a kind with which kinds are compared."""
SAME, OTHER = 0.03, 0.1
"""How far apart the best accuracies of two cells of equal capacity may be, and from where on capacities differ."""
UNGATED = (RNN, "rnn", "irnn", "indrnn", "lru")
"""Cells without gates."""
OF_DRAWS = "How much draws of sequences and words differ, the intervals do not say."


KEYS = ["cell", "word_dim", "units", "vectors", "draw"]
"""What pieces have in common whose models differ by their seeds alone, but for the rule."""


def completed(pieces: pd.DataFrame) -> pd.DataFrame:
    """Returns pieces with their kind of word vectors, and the number of their draw of sequences and words.

    Kinds are `fixed`, unless something else is said, and `trained`. The draw of the study's first seed is 0.
    """
    drawn = pieces.reindex(columns=["seed", "draw"]).fillna(0)
    vectors = pieces.reindex(columns=["vectors"])["vectors"].astype(object).fillna("fixed")
    return pieces.assign(draw=drawn.groupby(["seed", "draw"]).ngroup(), vectors=vectors)


def of_part(rows: StudyRows, part: str) -> pd.DataFrame:
    """Returns the rows of trials of a part that have an accuracy, with what their pieces are of.

    Trials are named by their pieces, too: models of several draws or seeds have the same numbers.
    """
    pieces = rows.pieces[rows.pieces["part"] == part]
    trials = rows.trials.merge(completed(pieces)[["piece", *KEYS]], on="piece") if len(pieces) else pd.DataFrame()
    if trials.empty:
        return trials
    trials = trials.assign(trial=trials["piece"] + " " + trials["trial"].astype(str))
    return trials[trials["accuracy"].notna()]


def compute_trainings(rows: StudyRows) -> pd.DataFrame:
    """Returns a row for each training, with what its piece is of."""
    trainings = rows.trials.merge(completed(rows.pieces)[["piece", "part", "rule", *KEYS]], on="piece")
    return trainings.assign(good=lambda table: table["accuracy"] > GOOD)


def in_common(trainings: pd.DataFrame) -> pd.DataFrame:
    """Returns the trainings at the shapes and draws that all cells of their rule have."""
    setting = ["rule", "word_dim", "units", "draw"]
    cells = trainings.groupby(setting)["cell"].transform("nunique")
    return trainings[cells == trainings.groupby("rule")["cell"].transform("nunique")]


def compute_shares(trainings: pd.DataFrame) -> pd.DataFrame:
    """Returns the share of trainings above 90% of each rule and cell, with Wilson's interval, largest first.

    Of the shapes and draws that all cells of a rule have. `fewer`: the p-value of Fisher's exact test against the first
    of the rule, with Holm's correction.
    """
    rows = []
    for (rule, cell), group in in_common(trainings).groupby(["rule", "cell"]):
        share = compute_share(group["good"])
        rows.append(
            {"rule": rule, "cell": cell, "trainings": share.points, "share": share.value}
            | {"low": share.low, "high": share.high, "median epochs": group["epochs"].median()}
        )
    table = pd.DataFrame(rows, columns=["rule", "cell", "trainings", "share", "low", "high", "median epochs"])
    table = sort_by_cell(table).sort_values(["rule", "share"], ascending=[True, False], kind="stable")
    return table.assign(fewer=[p for _, of_rule in table.groupby("rule") for p in _fewer_than_first(of_rule)])


def _fewer_than_first(shares: pd.DataFrame) -> list[float]:
    """Returns the p-values of the cells of a rule against the first, NaN for that."""
    of = shares["trainings"].to_numpy()
    good = (shares["share"].to_numpy() * of).round()
    tests = [
        stats.fisher_exact([[good[0], of[0] - good[0]], [good[place], of[place] - good[place]]]).pvalue
        for place in range(1, len(of))
    ]
    return [np.nan, *correct_holm(tests)]


def compute_vectors(trainings: pd.DataFrame) -> pd.DataFrame:
    """Returns the best accuracy and the share of trainings above 90% with each kind of word vectors, by rule and shape.

    Of the rules, cells and shapes that have trained word vectors.
    """
    table, keys = [], ["rule", "cell", "word_dim", "units"]
    for shape, group in trainings.groupby(keys):
        if "trained" not in set(group["vectors"]):
            continue
        row = dict(zip(keys, shape, strict=True))
        for kind, own in group.groupby("vectors"):
            share = compute_share(own["good"])
            row |= {f"{kind}: best": own["accuracy"].max(), f"{kind}: share": share.value}
            row |= {f"{kind}: low": share.low, f"{kind}: high": share.high, f"{kind}: trainings": len(own)}
        table.append(row)
    return sort_by_cell(pd.DataFrame(table)) if table else pd.DataFrame()


def compute_best(trainings: pd.DataFrame) -> pd.DataFrame:
    """Returns the best accuracy of the RNN and of the GRU at each shape of figures 5 and 6, for each draw."""
    few = trainings[trainings["word_dim"].isin(FEW) & trainings["units"].isin(FEW)]
    few = few[few["cell"].isin(PAPER_CELLS)]
    keys = ["rule", "word_dim", "units", "draw"]
    pivot = few.pivot_table(index=keys, columns="cell", values="accuracy", aggfunc="max")
    return pivot.reindex(columns=list(PAPER_CELLS)).reset_index()


def plot_heatmaps(trainings: pd.DataFrame) -> Figure:
    """Draws the accuracy of the first three initializations of each shape, in percent: the RNN above, the GRU below."""
    trainings = trainings[trainings["draw"] == 0]
    figure, grid = new_grid(2, INITIALIZATIONS, (3.2 * INITIALIZATIONS, 6.0))
    words = sorted({*trainings["word_dim"]} - {4})
    units = sorted(trainings["units"].unique())
    for (row, cell), number in itertools.product(enumerate(PAPER_CELLS), range(INITIALIZATIONS)):
        chosen = trainings[(trainings["cell"] == cell) & (trainings["trial"] == number)]
        pivot = chosen.pivot_table(index="units", columns="word_dim", values="accuracy").reindex(units, columns=words)
        axes = grid[row, number]
        axes.imshow(100 * pivot, vmin=50, vmax=100, cmap="viridis", aspect="auto")
        for (y, x), value in np.ndenumerate(100 * pivot.to_numpy()):
            color = "white" if value < 80 else "black"
            axes.text(x, y, f"{value:.0f}", ha="center", va="center", color=color, fontsize=8)
        axes.set_xticks(range(len(words)), words)
        axes.set_yticks(range(len(units)), units)
        axes.set_title(f"{plain(cell)} {number + 1}", fontsize="small")
    for axes in grid[:, 0]:
        axes.set_ylabel("hidden units")
    for axes in grid[-1]:
        axes.set_xlabel("word dimensions")
    return figure


def plot_accuracies(trainings: pd.DataFrame) -> Figure:
    """Draws the accuracy of every initialization at the four smallest shapes, sorted, a line for each cell.

    Look for: a line that stays high to the right is of a cell that learns from most initializations; equal left ends
    are equal capacity.
    """
    shapes = list(itertools.product(FEW, FEW))
    figure, panels = new_figure(len(shapes), width=3.2, height=3.2)
    for axes, (word_dim, units) in zip(panels, shapes, strict=True):
        for cell in PAPER_CELLS:
            here = (trainings["word_dim"] == word_dim) & (trainings["units"] == units) & (trainings["cell"] == cell)
            values = 100 * np.sort(trainings[here]["accuracy"])[::-1]
            axes.plot(np.arange(1, len(values) + 1), values, ".-", color=cell_color(cell), label=plain(cell))
        axes.axhline(100 * GOOD, color="0.7", linewidth=1)
        axes.set_title(f"{word_dim} x {units}", fontsize="small")
        axes.set_xlabel("initializations, best first")
    panels[0].set_ylabel("accuracy, %")
    panels[0].legend(frameon=False, fontsize="small")
    return figure


def plot_shares(shares: pd.DataFrame) -> Figure:
    """Draws the share of trainings above 90% of each cell, with its interval, a panel for each rule.

    Look for: cells whose intervals do not overlap differ in how easily they are trained.
    """
    rules = list(shares["rule"].unique())
    figure, panels = new_figure(len(rules), width=4.5, height=1.0 + 0.25 * shares.groupby("rule").size().max())
    for axes, rule in zip(panels, rules, strict=True):
        table = shares[shares["rule"] == rule].iloc[::-1]
        errors = [table["share"] - table["low"], table["high"] - table["share"]]
        colors = [cell_color(cell) for cell in table["cell"]]
        axes.errorbar(table["share"], range(len(table)), xerr=errors, fmt="none", ecolor="0.6")
        axes.scatter(table["share"], range(len(table)), color=colors, zorder=3)
        axes.set_yticks(range(len(table)), [plain(cell) for cell in table["cell"]])
        axes.set(xlabel=f"share above {GOOD:.0%}", xlim=(-0.02, 1.02))
        axes.set_title(str(rule), fontsize="small")
    return figure


def claim_more_initializations(trainings: pd.DataFrame, vectors: str) -> Claim:
    """Tests whether the GRU learns from more initializations than the RNN, by Fisher's exact test for each rule."""
    claim = f"The GRU learns from more initializations than the RNN ({vectors} word vectors)"
    paper = "First: RNN in few of 16 shapes and 3 initializations, GRU in most; Xor: RNN in 1 of 48"
    if vectors == "trained":
        paper = "the same of 30 initializations of the four smallest shapes"
    rows = in_common(trainings[trainings["cell"].isin(PAPER_CELLS)])
    counts = rows.groupby(["rule", "cell"])["good"].agg(["sum", "size"]).unstack("cell")
    if counts.shape != (2, 4) or counts.isna().to_numpy().any():
        return open_claim(claim, paper, "not both cells have trainings with both rules")
    tests, told, differences = [], [], []
    for rule, row in counts.iterrows():
        good, of = ([int(row[kind, cell]) for cell in (GRU, RNN)] for kind in ("sum", "size"))
        tests.append(stats.fisher_exact([[g, n - g] for g, n in zip(good, of, strict=True)]).pvalue)
        differences.append(good[0] / of[0] - good[1] / of[1])
        told.append(f"{rule}: GRU {good[0]} of {of[0]}, RNN {good[1]} of {of[1]}")
    floor = [rule for rule, row in counts.iterrows() if not row["sum"].any()]
    tried = [rule not in floor for rule in counts.index]
    p_values, difference = correct_holm(np.array(tests)[tried]), np.array(differences)[tried]
    told += [f"nothing learned {rule} at these shapes" for rule in floor]
    return Claim(
        claim,
        paper,
        "; ".join(told),
        decide(
            bool(any(tried) and ((difference > 0) & (p_values < LEVEL)).all()),
            bool(((difference < 0) & (p_values < LEVEL)).any()),
        ),
        f"Fisher's exact tests on trainings above {GOOD:.0%}, at the shapes and draws that both have, Holm's "
        f"correction: p = {', '.join(f'{p:.2g}' for p in p_values)}; holds if the GRU has significantly more with each "
        "rule that something learned, does not if it has significantly fewer with one",
    )


def claim_gated(trainings: pd.DataFrame) -> Claim:
    """Tests whether cells with gates learn from more initializations, by the Mann-Whitney test over families.

    A family is of the cells of one file, with gates or without: variants of a cell are no evidence of their own.
    """
    claim = "Gated cells learn from more initializations than cells without gates"
    paper = "of RNN and GRU"
    shares = compute_shares(trainings[trainings["rule"] == "first"])
    kinds = shares["cell"].isin(UNGATED).rename("ungated")
    families = shares.groupby([kinds, shares["cell"].map(lambda cell: get_cell(cell).__module__)])["share"].median()
    gated, ungated = (families[families.index.get_level_values("ungated") == kind] for kind in (False, True))
    if min(len(ungated), len(gated)) < FEWEST_CELLS:
        return open_claim(
            claim, paper, f"fewer than {FEWEST_CELLS} families of each kind have trainings of the same shapes"
        )
    p_value = float(stats.mannwhitneyu(gated, ungated).pvalue)
    return Claim(
        claim,
        paper,
        f"First, median share above {GOOD:.0%}: {gated.median():.2f} of {len(gated)} families of gated cells, "
        f"{ungated.median():.2f} of {len(ungated)} without gates",
        decide(
            bool(p_value < LEVEL and gated.median() > ungated.median()),
            bool(p_value < LEVEL and gated.median() < ungated.median()),
        ),
        f"Mann-Whitney test over families (files of cells), of each the median: p = {p_value:.2g}; without gates are "
        f"{', '.join(shares['cell'][kinds])}",
    )


def claim_equal_capacity(trainings: pd.DataFrame, vectors: str) -> Claim:
    """Tests whether the best RNN is as good as the best GRU at each of the four smallest shapes, with `first`."""
    claim = f"RNN and GRU of the same shape have the same capacity ({vectors} word vectors)"
    paper = "First: the best of 30 RNNs has 96% at 2 x 4 and 97% at 4 x 4, where the GRU succeeds"
    best = compute_best(trainings[trainings["rule"] == "first"]).dropna()
    shapes = best.groupby(["word_dim", "units"])
    if len(shapes) < len(FEW) ** 2:
        return open_claim(claim, paper, "not both cells have trainings at the four smallest shapes")
    table = shapes[list(PAPER_CELLS)].max()
    least = (best[GRU] - best[RNN]).groupby([best["word_dim"], best["units"]]).min()
    gaps, draws = table[GRU] - table[RNN], int(shapes.size().min())
    told = [
        f"{row['word_dim']} x {row['units']}: RNN {100 * row[RNN]:.1f}%, GRU {100 * row[GRU]:.1f}%"
        for row in table.reset_index().to_dict("records")
    ]
    return Claim(
        claim,
        paper,
        "; ".join(told),
        decide(bool((gaps.abs() <= SAME).all()), bool((least > OTHER).any())),
        f"the best of all initializations and {draws} draw{'s'[: draws > 1]} of sequences and words; holds if within "
        f"{100 * SAME:.0f} points at all four shapes, does not if at one shape the best RNN of every draw is more than "
        f"{100 * OTHER:.0f} points below the best GRU: what was not found may still exist",
    )


def claim_xor_harder(trainings: pd.DataFrame, vectors: str) -> Claim:
    """Tests whether the RNN learns `xor` from fewer initializations than `first`, by Fisher's exact test."""
    claim = f"Xor is harder than First for the RNN ({vectors} word vectors)"
    paper = "First: some of 48; Xor: 1 of 48"
    own = trainings[trainings["cell"] == RNN]
    own = own[own.groupby(["word_dim", "units", "draw"])["rule"].transform("nunique") == 2]
    counts = own.groupby("rule")["good"].agg(["sum", "size"])
    if len(counts) < 2:
        return open_claim(claim, paper, "no trainings with both rules")
    table = [[int(row["sum"]), int(row["size"] - row["sum"])] for _, row in counts.loc[["first", "xor"]].iterrows()]
    p_value = stats.fisher_exact(table).pvalue
    shares = counts["sum"] / counts["size"]
    return Claim(
        claim,
        paper,
        f"First: {table[0][0]} of {sum(table[0])}; Xor: {table[1][0]} of {sum(table[1])}",
        decide(
            bool(p_value < LEVEL and shares["first"] > shares["xor"]),
            bool(p_value < LEVEL and shares["first"] < shares["xor"]),
        ),
        f"Fisher's exact test on trainings above {GOOD:.0%}: p = {p_value:.2g}",
    )


def initializations_exhibits(rows: StudyRows) -> Exhibits:
    """Returns figures 3 to 6, the shares of all cells, and what they say."""
    shown, every = Exhibits(), compute_trainings(rows)
    trained, trainings = (every[every["vectors"] == kind] for kind in ("trained", "fixed"))
    caption = "Best validation accuracy over the epochs of each training, in percent."
    for rule, numbers in (("first", ("3", "5")), ("xor", ("4", "6"))):
        of_rule = trainings[trainings["rule"] == rule]
        paper = of_rule[of_rule["cell"].isin(PAPER_CELLS)]
        if len(paper):
            title = f"{rule}: three initializations of each shape"
            shown.add(f"initializations-{rule}", title, f"fig. {numbers[0]}", caption, plot_heatmaps(paper))
            title = f"{rule}: every initialization of the four smallest shapes"
            of_draws = f"{caption} The paper has 30 initializations; these are of {paper['draw'].nunique()} draws."
            shown.add(f"initializations-{rule}-few", title, f"fig. {numbers[1]}", of_draws, plot_accuracies(paper))
        own = trained[trained["rule"] == rule]
        if len(own):
            title = f"{rule}: the same with trained word vectors"
            shown.add(f"initializations-{rule}-trained", title, f"fig. {numbers[1]}", caption, plot_accuracies(own))
    shares = compute_shares(trainings)
    caption = (
        f"Trainings above {GOOD:.0%}, at the shapes and draws that all cells have, with Wilson's 95% interval. "
        f"{OF_DRAWS} `fewer`: p-value of Fisher's exact test against the first, with Holm's correction."
    )
    if len(shares):
        title = "Which cells learn from most initializations"
        shown.add("initializations-shares", title, "", caption, plot_shares(shares))
        table = shares.round(3).assign(fewer=[float(f"{p:.2g}") for p in shares["fewer"]])
        shown.add("initializations-shares-table", "The same as numbers", "", caption, table)
    if len(trained):
        caption = f"The best accuracy, and the share above {GOOD:.0%} with Wilson's 95% interval. {OF_DRAWS}"
        table = compute_vectors(every).round(3)
        shown.add("initializations-vectors", "Fixed and trained word vectors", "", caption, table)
    for vectors, of_kind in (("fixed", trainings[trainings["cell"].isin(PAPER_CELLS)]), ("trained", trained)):
        for claim in (claim_more_initializations, claim_equal_capacity, claim_xor_harder):
            shown.claims.append(claim(of_kind, vectors))
    shown.claims.append(claim_gated(trainings))
    return shown
