"""Which cell holds what: one table of all cells, and two questions."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy import stats

from keras_rnncap.analysis.exhibits import Claim, Exhibits, StudyRows, decide, open_claim
from keras_rnncap.analysis.statistics import LEVEL, compute_mean, compute_share
from keras_rnncap.analysis.style import cell_color, cell_order, new_figure, plain, sort_by_cell, unit_name
from keras_rnncap.analysis.trainability_study import with_pieces

BLIND = ("mingru", "minlstm", "lru", "rg-lru", "s6", "mlstm", "gated-deltanet")
"""Cells of which no gate sees the state."""
SEEING: tuple[str, ...] = ("ugrnn", "gru", "reset-after-gru", "lstm", "tanh-lstm", "lstm-b", "mut1", "mut2", "mut3")
SEEING += ("mgu", "janet", "fastgrnn", "lem", "slstm")
"""Cells of which every gate, or all but one, sees the state."""
MATRICES = ("mlstm", "gated-deltanet")
"""Cells whose state is a matrix to which products of two vectors are added."""
DECADES = 5
"""Of the learning rates that were drawn at random."""
LEARNED = 0.5
"""A setting learned if its score is at least so far from that of guessing to the best of all cells."""
FEWEST = 3
"""Cells of a kind with which kinds are compared."""
KEEPS, LOSES = 0.9, 0.5
"""Numbers that a state keeps, as a part of those it could."""


def compute_capacity(pieces: pd.DataFrame) -> pd.DataFrame:
    """Returns the bits per parameter of each cell and budget: the mean over seeds, with Student's interval."""
    rows = []
    for (cell, params), searches in pieces[pieces["part"] == "size"].groupby(["cell", "params"]):
        mean = compute_mean(searches["bits_per_parameter"])
        rows.append({"cell": cell, "params": params, "bits": mean.value, "low": mean.low, "high": mean.high})
    return sort_by_cell(pd.DataFrame(rows, columns=["cell", "params", "bits", "low", "high"]))


def compute_kept(pieces: pd.DataFrame) -> pd.DataFrame:
    """Returns how many numbers the state of each cell keeps: (1 - error) inputs, for inputs of variance 1."""
    memory = pieces[pieces["part"] == "memory"].dropna(subset=["best_score"]) if "state" in pieces else pieces[:0]
    if memory.empty:
        return pd.DataFrame(columns=["cell", "at_most", "state", "kept", "could"])
    kept = memory["input_dim"] * (1 - memory["best_score"]).clip(lower=0)
    table = memory.assign(kept=kept, could=np.minimum(memory["state"], memory["input_dim"]))
    keys = ["cell", "at_most", "state"]
    return sort_by_cell(table.groupby(keys, as_index=False)[["kept", "could"]].mean(), "state")


def compute_learned(rows: StudyRows, part: str) -> pd.DataFrame:
    """Returns the share of settings of a part that learned, with Wilson's interval.

    A setting learned if its score is at least half way from the median of all settings that learned nothing, or from
    the worst score, to the best of all cells.
    """
    trials, shares = with_pieces(rows, part), []
    if trials.empty or trials["score"].isna().all():
        return pd.DataFrame(columns=["cell", "share", "low", "high", "settings"])
    sign = 1 if trials["direction"].iloc[0] == "max" else -1
    scores = sign * trials["score"]
    guessed = scores[trials["status"] == "untrained"].median()
    guessed = scores.min() if np.isnan(guessed) else guessed
    learned = scores >= guessed + LEARNED * (scores.max() - guessed)
    for cell, own in learned.groupby(trials["cell"]):
        share = compute_share(own)
        shares.append({"cell": cell, "share": share.value, "low": share.low, "high": share.high, "settings": len(own)})
    return sort_by_cell(pd.DataFrame(shares))


def compute_cells(rows: StudyRows) -> pd.DataFrame:
    """Returns one row for each cell: what it stores, keeps, learns and reads, and what measuring that took."""
    pieces = rows.pieces
    columns: list[tuple[str, str, str]] = []  # cell, column, text; columns in order
    for row in compute_capacity(pieces).sort_values("params").to_dict("records"):
        text = f"{row['bits']:.2f}" + (f" ({row['low']:.2f} to {row['high']:.2f})" if np.isfinite(row["low"]) else "")
        columns.append((row["cell"], f"bits per parameter, {row['params']:,.0f}", text))
    for row in compute_kept(pieces).sort_values("at_most").to_dict("records"):
        text = f"{row['kept']:.1f} of {row['could']:.0f}"
        columns.append((row["cell"], f"numbers kept, at most {row['at_most']:.0f}", text))
    for row in compute_learned(rows, "random").to_dict("records"):
        text = f"{100 * row['share']:.0f} ({100 * row['low']:.0f} to {100 * row['high']:.0f})"
        columns.append((row["cell"], "random settings that learn, %", text))
    for row in compute_learned(rows, "rates").to_dict("records"):
        columns.append((row["cell"], "learning rates, decades", f"{DECADES * row['share']:.1f}"))
    read = pieces[pieces["part"] == "text"].dropna(subset=["best_score"])
    means = read.groupby(["params", "cell"])[["best_score"]].mean().reset_index()
    for row in means.to_dict("records"):
        name = f"{read['objective'].iloc[0].replace('_', ' ')}, {row['params']:,.0f}"
        columns.append((row["cell"], name, f"{row['best_score']:.3f}"))
    for row in pieces.groupby("cell")[["elapsed_s"]].sum().reset_index().to_dict("records"):
        columns.append((row["cell"], "minutes", f"{row['elapsed_s'] / 60:.1f}"))
    long = pd.DataFrame(columns, columns=["cell", "column", "text"])
    wide = long.pivot(index="cell", columns="column", values="text")[list(long["column"].unique())]
    wide.columns.name = None
    return sort_by_cell(wide.fillna("-").reset_index())


def plot_cells(table: pd.DataFrame) -> Figure:
    """Draws the bits per parameter of each cell, ordered by those of the smallest budget, with intervals over seeds.

    Look for: cells whose intervals do not meet; cells that change places with the budget.
    """
    budgets = sorted(table["params"].unique())
    figure, axes = new_figure(len(budgets), width=4.5, height=1.2 + 0.2 * table["cell"].nunique())
    order = table[table["params"] == budgets[0]].sort_values("bits")["cell"].tolist()
    order += [cell for cell in table["cell"].unique() if cell not in order]
    for place, params in zip(axes, budgets, strict=True):
        own = table[table["params"] == params].set_index("cell")
        for height, cell in enumerate(order):
            if cell in own.index:
                bits, low, high = own.loc[cell, ["bits", "low", "high"]].astype(float)
                place.plot([low, high], [height, height], color=cell_color(cell), linewidth=1)
                place.plot(bits, height, "o", markersize=4, color=cell_color(cell))
        place.set_yticks(range(len(order)), [plain(cell) for cell in order], fontsize="small")
        place.set(xlabel="bits per parameter", ylabel="cell", title=f"{params:,.0f} parameters")
    return figure


def plot_kept(table: pd.DataFrame) -> Figure:
    """Draws how many numbers a state keeps against how many it has.

    Look for: points on the line, whose states keep one number for each that they have.
    """
    figure, (axes,) = new_figure(1, width=6.5)
    reach = float(table["state"].max())
    axes.plot([0, reach], [0, reach], color="0.2", linestyle="--", linewidth=1, label="one for each", zorder=0)
    for cell in sorted(table["cell"].unique(), key=cell_order):
        own = table[table["cell"] == cell]
        axes.plot(own["state"], own["kept"], "o", markersize=4, color=cell_color(cell), label=plain(cell))
    axes.set(xlabel=unit_name("numbers_of_the_state"), ylabel="numbers kept", ylim=(0, None))
    figure.legend(loc="outside right upper", frameon=False, fontsize="x-small", ncols=2)
    return figure


def claim_blind_gates(pieces: pd.DataFrame) -> Claim:
    """Tests whether cells whose gates do not see the state store less, by the Mann-Whitney test over cells."""
    claim = "Gates that do not see the state cost capacity"
    paper = "nothing is published"
    table = compute_capacity(pieces)
    said, smaller, larger = [], [], []
    for params, own in table.groupby("params"):
        blind, seeing = (own.loc[own["cell"].isin(kind), "bits"].dropna() for kind in (BLIND, SEEING))
        if min(len(blind), len(seeing)) < FEWEST:
            continue
        p_value = float(stats.mannwhitneyu(blind, seeing).pvalue)
        said.append(
            f"{params:,.0f} parameters: medians {blind.median():.2f} of {len(blind)} cells and {seeing.median():.2f} "
            f"of {len(seeing)}, p = {p_value:.2g}"
        )
        smaller.append(p_value < LEVEL and blind.median() < seeing.median())
        larger.append(p_value < LEVEL and blind.median() > seeing.median())
    if not said:
        return open_claim(claim, paper, f"fewer than {FEWEST} cells of each kind")
    return Claim(
        claim,
        paper,
        "; ".join(said),
        decide(all(smaller), any(larger)),
        f"Mann-Whitney test over cells; blind are {', '.join(BLIND)}; holds if they store less at every budget, does "
        "not if they store more at one",
    )


def claim_matrix_states(pieces: pd.DataFrame) -> Claim:
    """Tests whether a matrix state keeps as many numbers as it has."""
    claim = "A matrix state keeps one number for each that it has"
    paper = "of vector states: one number per unit"
    table = compute_kept(pieces)
    own = table[table["cell"].isin(MATRICES)]
    if own.empty:
        return open_claim(claim, paper, "no rows of the memory of such cells")
    parts = own["kept"] / own["could"]
    said = [
        f"{row['cell']} {row['kept']:.1f} of {row['could']:.0f} (state of {row['state']:.0f})"
        for row in own.to_dict("records")
    ]
    return Claim(
        claim,
        paper,
        ", ".join(said),
        decide(bool((parts >= KEEPS).all()), bool((parts < LOSES).all())),
        f"numbers kept of those that state and inputs allow; holds if at least {KEEPS} at every point, does not if "
        f"below {LOSES} at all",
    )


def cells_exhibits(rows: StudyRows) -> Exhibits:
    """Returns the table of all cells, two figures, and two questions."""
    shown, pieces = Exhibits(), rows.pieces
    caption = (
        "Means over seeds, with 95% intervals where there are several. Numbers kept: of the 64 inputs of `memory`, as "
        "many as the state could keep at most. Random settings: of appendix A, on parentheses. Learning rates: decades "
        f"of {DECADES} in which the cell learns, all else as by default."
    )
    shown.add("cells", "Which cell holds what", "", caption, compute_cells(rows))
    capacity, kept = compute_capacity(pieces), compute_kept(pieces)
    if capacity["bits"].notna().any():
        shown.add("cells-capacity", "Bits per parameter", "", "Intervals are over seeds.", plot_cells(capacity))
    if len(kept):
        caption = "Inputs of variance 1; the best of a search for each point."
        shown.add("cells-memory", "Numbers that a state keeps", "", caption, plot_kept(kept))
    shown.claims += [claim_blind_gates(pieces), claim_matrix_states(pieces)]
    return shown
