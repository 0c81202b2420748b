"""Which cell holds what: one table of all cells, and two questions."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy import stats

from keras_rnncap.analysis.exhibits import Claim, Exhibits, StudyRows, decide, open_claim
from keras_rnncap.analysis.statistics import LEVEL, compute_mean, compute_share
from keras_rnncap.analysis.style import cell_color, cell_order, new_figure, plain, sort_by_cell, unit_name
from keras_rnncap.analysis.trainability_study import with_pieces

MATRICES = ("s6", "mlstm", "gated-deltanet")
"""Cells whose state is a matrix to which products of two vectors are added."""
DECADES = 5
"""Of the learning rates that were drawn at random."""
LEARNED = 0.5
"""A setting learned if its loss is below so large a part of that of knowing how frequent answers are, and no more."""
FEWEST_PAIRS, FEWEST_SEEDS = 3, 2
"""Cells with a twin, and seeds of each, with which gates are compared."""
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
    """Returns how many numbers the state of each cell keeps: (1 - error) numbers of variance 1, the mean over seeds.

    With Student's interval; `could` is the least of the numbers that there are and those of the state.
    """
    columns = ["cell", "at_most", "state", "could", "kept", "low", "high"]
    memory = pieces[pieces["part"] == "memory"].dropna(subset=["best_score"]) if "state" in pieces else pieces[:0]
    memory = memory.assign(kept=lambda table: table["numbers"] * (1 - table["best_score"]).clip(lower=0))
    memory = memory.assign(could=np.minimum(memory["state"], memory["numbers"]))
    rows = []
    for shape, searches in memory.groupby(["of_cell", *columns[1:4]]):
        mean = compute_mean(searches["kept"])
        rows.append(dict(zip(columns, (*shape, mean.value, mean.low, mean.high), strict=True)))
    return sort_by_cell(pd.DataFrame(rows, columns=columns), "state") if rows else pd.DataFrame(columns=columns)


def compute_learned(rows: StudyRows, part: str) -> pd.DataFrame:
    """Returns the share of settings of a part that learned, with Wilson's interval.

    A setting learned if its loss is below half of that of the best model that does not see the input.
    """
    trials, shares = with_pieces(rows, part), []
    if trials.empty:
        return pd.DataFrame(columns=["cell", "share", "low", "high", "settings"])
    limits = rows.pieces.set_index("piece")["learned_at"]
    learned = trials["score"] < trials["piece"].map(limits)
    for cell, own in learned.groupby(trials["cell"]):
        share = compute_share(own)
        shares.append({"cell": cell, "share": share.value, "low": share.low, "high": share.high, "settings": len(own)})
    return sort_by_cell(pd.DataFrame(shares))


def compute_cells(rows: StudyRows) -> pd.DataFrame:
    """Returns one row for each cell: what it stores, keeps, learns and reads, and what measuring that took."""
    pieces = rows.pieces.assign(cell=rows.pieces.reindex(columns=["of_cell"])["of_cell"].fillna(rows.pieces["cell"]))
    columns: list[tuple[str, str, str]] = []  # cell, column, text; columns in order
    for row in compute_capacity(pieces).sort_values("params").to_dict("records"):
        text = _with_interval(row["bits"], row, 2)
        columns.append((row["cell"], f"bits per parameter, {row['params']:,.0f}", text))
    for row in compute_kept(pieces).sort_values("at_most").to_dict("records"):
        text = f"{_with_interval(row['kept'], row, 1)} of {row['could']:.0f}"
        columns.append((row["cell"], f"numbers kept, at most {row['at_most']:.0f}", text))
    for row in compute_learned(rows, "random").to_dict("records"):
        text = f"{100 * row['share']:.0f} ({100 * row['low']:.0f} to {100 * row['high']:.0f})"
        columns.append((row["cell"], "random settings that learn, %", text))
    for row in compute_learned(rows, "rates").to_dict("records"):
        window = {name: DECADES * row[name] for name in ("low", "high")}
        columns.append((row["cell"], "learning rates, decades", _with_interval(DECADES * row["share"], window, 1)))
    read = pieces[pieces["part"] == "text"].dropna(subset=["best_score"])
    for (params, cell), searches in read.groupby(["params", "cell"]):
        name = f"{read['objective'].iloc[0].replace('_', ' ')}, {params:,.0f}"
        mean = compute_mean(searches["best_score"])
        columns.append((str(cell), name, _with_interval(mean.value, mean._asdict(), 3)))
    for row in pieces.groupby("cell")[["elapsed_s"]].sum().reset_index().to_dict("records"):
        columns.append((row["cell"], "minutes", f"{row['elapsed_s'] / 60:.1f}"))
    long = pd.DataFrame(columns, columns=["cell", "column", "text"])
    wide = long.pivot(index="cell", columns="column", values="text")[list(long["column"].unique())]
    wide.columns.name = None
    return sort_by_cell(wide.fillna("-").reset_index())


def _with_interval(value: float, interval: Mapping[Any, float], digits: int) -> str:
    """Returns a value, with its interval where there is one."""
    low, high = (f"{interval[name]:.{digits}f}" for name in ("low", "high"))
    return f"{value:.{digits}f}" + (f" ({low} to {high})" if np.isfinite(interval["low"]) else "")


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


def compute_gates(pieces: pd.DataFrame) -> pd.DataFrame:
    """Returns by how many bits per parameter each cell is ahead of its twin whose gates do not see the state.

    A row for each cell, with the mean of both and of the difference over the seeds that both have.
    """
    columns = ["cell", "params", "sees the state", "does not", "difference", "low", "high", "seeds"]
    gates, rows = pieces[pieces["part"] == "gates"], []
    for (cell, params), own in gates.groupby(["of_cell", "params"]) if len(gates) else ():
        sees = own["sees_state"].astype(str) == "True"
        both = own.pivot_table(index="seed", columns=sees, values="bits_per_parameter").dropna()
        if both.shape[1] < 2 or both.empty:
            continue
        mean = compute_mean(both[True] - both[False])
        row = {"cell": cell, "params": params, "sees the state": both[True].mean(), "does not": both[False].mean()}
        row |= {"difference": mean.value, "low": mean.low, "high": mean.high, "seeds": len(both)}
        rows.append(row)
    return sort_by_cell(pd.DataFrame(rows, columns=columns)) if rows else pd.DataFrame(columns=columns)


def claim_blind_gates(gates: pd.DataFrame) -> Claim:
    """Tests whether cells store more than their twins whose gates do not see the state, by a t-test over cells."""
    claim, paper = "Gates that do not see the state cost capacity", "nothing is published"
    if len(gates) < FEWEST_PAIRS or gates["seeds"].min() < FEWEST_SEEDS:
        return open_claim(claim, paper, f"fewer than {FEWEST_PAIRS} cells with a twin, or {FEWEST_SEEDS} seeds of each")
    p_value = float(stats.ttest_1samp(gates["difference"], 0.0).pvalue)
    told = [
        f"{row['cell']} {row['sees the state']:.2f}, without {row['does not']:.2f}" for row in gates.to_dict("records")
    ]
    ahead, significant = gates["difference"] > 0, p_value < LEVEL
    return Claim(
        claim,
        paper,
        "; ".join(told) + " bits per parameter",
        decide(bool(ahead.all() and significant), bool((~ahead).all() and significant)),
        "inputs at every step; cells and twins that differ by W^h of the gates alone, at equal parameters; t-test of "
        f"the differences over {len(gates)} cells, of each the mean over seeds: p = {p_value:.2g}; holds if all cells "
        "are ahead of their twins and it is significant, does not if all are behind and it is",
    )


def claim_matrix_states(kept: pd.DataFrame) -> Claim:
    """Tests whether a matrix state keeps as many numbers as it has."""
    claim = "A matrix state keeps one number for each that it has"
    paper = "of vector states: one number per unit"
    own = kept[kept["cell"].isin(MATRICES)]
    if own.empty:
        return open_claim(claim, paper, "no rows of the memory of such cells")
    parts = own["kept"] / own["could"]
    said = [
        f"{row['cell']} {row['kept']:.1f} of {row['could']:.0f} (state of {row['state']:.0f})"
        for row in own.to_dict("records")
    ]
    vectors = kept[~kept["cell"].isin(MATRICES)]
    share = (vectors["kept"] / vectors["could"]).median()
    return Claim(
        claim,
        paper,
        ", ".join(said),
        decide(bool((parts >= KEEPS).all()), bool((parts < LOSES).all())),
        f"numbers kept of those that the state could, written in several steps; holds if at least {KEEPS} at every "
        f"point, does not if below {LOSES} at all; the median of vector states is {share:.2f}",
    )


def cells_exhibits(rows: StudyRows) -> Exhibits:
    """Returns the table of all cells, two figures, and two questions."""
    shown, pieces = Exhibits(), rows.pieces
    caption = (
        "Means over seeds, with Student's 95% intervals where there are several. Numbers kept: of 64 that are seen 8 "
        "at a time, read from the whole state of one layer. Random settings (of appendix A, on parentheses) learn if "
        f"they halve the loss of knowing how frequent answers are; learning rates: the decades of {DECADES} in which "
        "the cell does, all else as by default; both with Wilson's intervals, of one seed."
    )
    shown.add("cells", "Which cell holds what", "", caption, compute_cells(rows))
    capacity, kept = compute_capacity(pieces), compute_kept(pieces)
    if capacity["bits"].notna().any():
        shown.add("cells-capacity", "Bits per parameter", "", "Intervals are over seeds.", plot_cells(capacity))
    if len(kept):
        caption = "Numbers of variance 1, seen 8 at a time; the best of a search for each point, the mean over seeds."
        shown.add("cells-memory", "Numbers that a state keeps", "", caption, plot_kept(kept))
    gates = compute_gates(pieces)
    if len(gates):
        caption = "Bits per parameter, with inputs at every step, and the difference with its interval over seeds."
        shown.add("cells-gates", "Gates that see the state, and twins that do not", "", caption, gates.round(3))
    shown.claims += [claim_blind_gates(gates), claim_matrix_states(kept)]
    return shown
