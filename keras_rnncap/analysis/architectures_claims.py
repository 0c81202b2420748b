"""What Jozefowicz et al. (2015) say of gates, as claims; their rules were written before any row was known."""

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from keras_rnncap.analysis.exhibits import Claim, StudyRows, decide, open_claim
from keras_rnncap.analysis.statistics import LEVEL, compute_share, correct_holm

LSTM, GRU = "tanh-lstm", "gru"
ARITHMETIC, XML, WORDS = "distractor-arithmetic", "xml", "frequent-words"
NOTTINGHAM = "polyphonic-music-nottingham"
SAME = 0.02
"""Accuracies that differ by less than this part of the LSTM's count as the same."""
LITTLE, MUCH = 0.02, 0.04
"""Parts of the loss that a doubling of parameters gains, little and more than little."""
MOST, HALF = 0.75, 0.5
"""Shares of settings."""
FEWEST = 2
"""Seeds of each cell."""


def reruns(rows: StudyRows, part: str) -> pd.DataFrame:
    """Returns the reruns of a part's best settings, with `cell`, `column` and `params` of their searches."""
    names = ["piece", "part", "cell", "column", "params"]
    if rows.trials.empty or not {*names, "column"} <= {*rows.pieces}:
        return pd.DataFrame(columns=[*names, "kind", "accuracy", "loss", "probability"])
    trials = rows.trials.merge(rows.pieces[names], on="piece")
    return trials[(trials["part"] == part) & (trials["kind"] == "rerun")]


class Compared:
    """Cells on the columns of a table, compared by Welch's t-test over seeds, with Holm's correction.

    Args:
        table: The reruns.
        measure: `"accuracy"`, of which more is better, or `"loss"`.
    """

    def __init__(self, table: pd.DataFrame, measure: str) -> None:
        self._table, self._measure = table, measure

    def values(self, cell: str, column: str) -> np.ndarray:
        """Returns what the reruns of a cell have."""
        own = self._table[(self._table["cell"] == cell) & (self._table["column"] == column)]
        return own[self._measure].dropna().to_numpy(float)

    def has(self, cells: Sequence[str], columns: Sequence[str]) -> bool:
        """Whether all cells have enough seeds in all columns."""
        return all(len(self.values(*pair)) >= FEWEST for pair in itertools.product(cells, columns))

    def mean(self, cell: str, column: str) -> float:
        """Returns the mean over seeds."""
        return float(self.values(cell, column).mean())

    def ahead(self, pairs: Sequence[tuple[str, str, str]]) -> list[int]:
        """Returns for each pair of cells and column 1 if the first is significantly better, -1 if worse, else 0."""
        sign = 1 if self._measure == "accuracy" else -1
        differences = [sign * (self.mean(one, column) - self.mean(other, column)) for one, other, column in pairs]
        p_values = []
        for one, other, column in pairs:
            mine, theirs = self.values(one, column), self.values(other, column)
            constant = np.ptp(mine) == 0 == np.ptp(theirs)
            p_values.append(
                float(mine[0] == theirs[0])
                if constant
                else float(stats.ttest_ind(mine, theirs, equal_var=False).pvalue)
            )
        corrected = correct_holm(p_values)
        return [int(np.sign(d)) if p < LEVEL else 0 for d, p in zip(differences, corrected, strict=True)]

    def told(self, cells: Sequence[str], columns: Sequence[str]) -> str:
        """Returns the means as text."""
        return "; ".join(
            f"{column}: " + ", ".join(f"{cell} {self.mean(cell, column):.3f}" for cell in cells) for column in columns
        )


WELCH = "Welch's t-tests over seeds of the best settings, Holm's correction"


def claim_gru(compared: Compared) -> Claim:
    """Tests whether the GRU is ahead of the LSTM but for language modelling."""
    claim = "The GRU is better than the LSTM on all tasks but language modelling"
    paper = "arithmetic .896 and .892, XML .460 and .425; with dropout, the LSTM is better on words"
    if not compared.has([GRU, LSTM], [ARITHMETIC, XML]):
        return open_claim(claim, paper, "no reruns of both on arithmetic and XML")
    ahead = compared.ahead([(GRU, LSTM, ARITHMETIC), (GRU, LSTM, XML)])
    rule = f"{WELCH}; holds if the GRU is ahead on arithmetic and XML, does not if it is behind on one of them"
    ours = compared.told([GRU, LSTM], [ARITHMETIC, XML])
    return Claim(claim, paper, ours, decide(min(ahead) == 1, min(ahead) == -1), rule)


def claim_forget_bias(compared: Compared) -> Claim:
    """Tests whether a forget bias of 1 closes the gap between LSTM and GRU."""
    claim = "A bias of 1 for the forget gate closes the gap between the LSTM and the GRU"
    paper = "arithmetic .902 (GRU .896, LSTM .892), XML .444 (.460, .425)"
    cells, columns = ["lstm-b", LSTM, GRU], [ARITHMETIC, XML]
    if not compared.has(cells, columns):
        return open_claim(claim, paper, "no reruns of all three on arithmetic and XML")
    gaps = {column: compared.mean(GRU, column) - compared.mean(LSTM, column) for column in columns}
    ahead = compared.ahead([(GRU, LSTM, column) for column in columns])
    open_gaps = [column for column, found in zip(columns, ahead, strict=True) if found == 1]
    if not open_gaps:
        return open_claim(claim, paper, f"the GRU is not significantly ahead: {compared.told(cells, columns)}")
    closed = [(compared.mean("lstm-b", c) - compared.mean(LSTM, c)) / gaps[c] for c in open_gaps]
    rule = (
        "part of the gap between LSTM and GRU that the bias closes, of means over seeds, where the GRU is ahead "
        f"({WELCH}); holds if at least half everywhere (the paper's: all and 56%), does not if below a quarter "
        "somewhere"
    )
    ours = compared.told(cells, columns) + f"; closed {', '.join(f'{part:.0%}' for part in closed)}"
    return Claim(claim, paper, ours, decide(min(closed) >= HALF, min(closed) < HALF / 2), rule)


def claim_gates(compared: Compared) -> Claim:
    """Tests the order of the gates' importance."""
    claim = "The forget gate matters most, then the input gate, then the output gate"
    paper = "arithmetic without them .293, .751, .867, XML .234, .414, .421"
    order, columns = ["lstm-f", "lstm-i", "lstm-o"], [ARITHMETIC, XML]
    if not compared.has(order, columns):
        return open_claim(claim, paper, "no reruns of all three on arithmetic and XML")
    pairs = [(better, worse, column) for column in columns for worse, better in itertools.pairwise(order)]
    ahead = compared.ahead(pairs)
    means = [compared.mean(one, column) > compared.mean(other, column) for one, other, column in pairs]
    rule = (
        f"accuracy without each gate on arithmetic and XML; {WELCH}; holds if all four neighbours are in this order "
        "and the forget gate's are significant, does not if a pair is significantly in the other order"
    )
    forget = [found for found, (_, worse, _) in zip(ahead, pairs, strict=True) if worse == "lstm-f"]
    verdict = decide(all(means) and min(forget) == 1, min(ahead) == -1)
    return Claim(claim, paper, compared.told(order, columns), verdict, rule)


def claim_forget_words(compared: Compared) -> Claim:
    """Tests whether the forget gate matters little for words."""
    claim, paper = "The forget gate matters little for language modelling", "words .0891 with it, .0881 without"
    if not compared.has([LSTM, "lstm-f"], [WORDS]):
        return open_claim(claim, paper, "no reruns of both on words")
    mine, theirs = compared.values("lstm-f", WORDS), compared.values(LSTM, WORDS)
    interval = stats.ttest_ind(mine, theirs, equal_var=False).confidence_interval(1 - LEVEL)
    low, high = (limit / theirs.mean() for limit in interval)
    rule = (
        f"95% interval of the difference, as a part of the LSTM's accuracy; holds if within {SAME:.0%}, does not if "
        "beyond it"
    )
    ours = f"{compared.told([LSTM, 'lstm-f'], [WORDS])}; difference {low:+.1%} to {high:+.1%}"
    return Claim(claim, paper, ours, decide(low >= -SAME and high <= SAME, high < -SAME or low > SAME), rule)


def claim_mut1(compared: Compared) -> Claim:
    """Tests whether MUT1 is as good as the GRU on words and better elsewhere."""
    claim = "MUT1 matches the GRU on language modelling and is better on all other tasks"
    paper = "arithmetic .921 (GRU .896), XML .475 (.460), words .0897 (.0907)"
    columns = [ARITHMETIC, XML, WORDS]
    if not compared.has(["mut1", GRU], columns):
        return open_claim(claim, paper, "no reruns of both on all three tasks")
    ahead = compared.ahead([("mut1", GRU, column) for column in columns])
    rule = (
        f"{WELCH}; holds if it is ahead on arithmetic and XML and not behind on words, does not if behind on one of "
        "the three"
    )
    verdict = decide(ahead[0] == 1 == ahead[1] and ahead[2] >= 0, min(ahead) == -1)
    return Claim(claim, paper, compared.told(["mut1", GRU], columns), verdict, rule)


def claim_dropout(music: pd.DataFrame) -> Claim:
    """Tests whether dropout changes which cells are best on music."""
    claim = "With dropout, other cells are the best on Nottingham"
    paper = "rank correlation of the losses without and with dropout -0.32; MUT1 is best without, LSTM-i and -o with"
    compared = Compared(music, "loss")
    both = [NOTTINGHAM, f"{NOTTINGHAM}-dropout"]
    cells = sorted({*music["cell"]})
    cells = [cell for cell in cells if compared.has([cell], both)]
    if len(cells) < 5:
        return open_claim(claim, paper, "fewer than five cells with reruns without and with dropout")
    without, with_it = ([compared.mean(cell, column) for cell in cells] for column in both)
    found = stats.spearmanr(without, with_it)
    firsts = [cells[int(np.argmin(values))] for values in (without, with_it)]
    same = firsts[0] == firsts[1] or compared.ahead([(firsts[1], firsts[0], both[1])])[0] != 1
    rule = (
        "Spearman's correlation over cells; holds if it is not significant and the best without dropout is "
        "significantly behind the best with it, does not if it is significant and positive and the best is not behind"
    )
    ours = f"correlation {found.statistic:.2f} (p = {found.pvalue:.2g}); best without {firsts[0]}, with {firsts[1]}"
    positive = found.statistic > 0 and found.pvalue < LEVEL
    return Claim(claim, paper, ours, decide(not same and found.pvalue >= LEVEL, positive and same), rule)


def claim_words_dropout(words: pd.DataFrame) -> Claim:
    """Tests whether an LSTM is the best on words where dropout is allowed."""
    claim = "The LSTM is the best on words when dropout is allowed"
    paper = "20 million parameters: LSTM-b 79.8 perplexity, the best other cell (MUT3) 89.5"
    if words.empty:
        return open_claim(claim, paper, "no rows")
    own = words[words["params"] == words["params"].max()].assign(column="all")
    compared = Compared(own, "loss")
    cells = [cell for cell in sorted({*own["cell"]}) if compared.has([cell], ["all"])]
    gated = [cell for cell in cells if "lstm" in cell]
    others = [cell for cell in cells if "lstm" not in cell]
    if not gated or not others or words["params"].nunique() < 2:
        return open_claim(claim, paper, "no reruns of LSTMs and of others with dropout")
    best, other = (min(names, key=lambda cell: compared.mean(cell, "all")) for names in (gated, others))
    ahead = compared.ahead([(best, other, "all")])[0]
    rule = f"{WELCH} of the best LSTM and the best other cell at the largest size; holds if ahead, does not if behind"
    ours = f"{best} {compared.mean(best, 'all'):.3f}, {other} {compared.mean(other, 'all'):.3f} nats"
    return Claim(claim, paper, ours, decide(ahead == 1, ahead == -1), rule)


def claim_size(words: pd.DataFrame) -> Claim:
    """Tests whether larger models gain little."""
    claim, paper = "Larger models gain little", "words, 10 to 20 million parameters: 1.1% less loss, mean over cells"
    means = words.pivot_table(index="cell", columns="params", values="loss") if len(words) else pd.DataFrame()
    means = means.dropna()
    if means.shape[1] < 2 or len(means) < FEWEST:
        return open_claim(claim, paper, "fewer than two sizes")
    small, large = (int(size) for size in (means.columns.min(), means.columns.max()))
    gains = (1 - means[large] / means[small]) / math.log2(large / small)
    interval = stats.t.interval(1 - LEVEL, len(gains) - 1, gains.mean(), stats.sem(gains))
    rule = (
        f"part of the loss that a doubling of parameters gains, from {small:,} to {large:,}, mean over cells with its "
        f"95% interval; holds if below {LITTLE:.0%}, does not if above {MUCH:.0%}"
    )
    ours = f"{gains.mean():.1%} ({interval[0]:.1%} to {interval[1]:.1%}) for each doubling"
    return Claim(claim, paper, ours, decide(interval[1] < LITTLE, interval[0] > MUCH), rule)


def claim_memorization(rows: StudyRows) -> Claim:
    """Tests whether memorization is easy for the LSTM."""
    claim = "Memorization is easy for the LSTM: 25,000 parameters, under four minutes, all but extreme settings"
    paper = "all but the most extreme settings of its hyperparameters"
    trials = rows.trials.merge(rows.pieces[["piece", "part", "cell"]], on="piece") if len(rows.trials) else rows.trials
    if trials.empty or "epochs_until_right" not in trials:
        return open_claim(claim, paper, "no rows")
    own = trials[(trials["part"] == "memorization") & (trials["cell"] == LSTM) & (trials["kind"] == "setting")]
    if own.empty:
        return open_claim(claim, paper, "no rows of the LSTM")
    share = compute_share(own["epochs_until_right"].notna())
    rule = (
        f"share of settings that reach 95% in the training of this study, with Wilson's interval; holds if above "
        f"{MOST:.0%}, does not if below {HALF:.0%}"
    )
    ours = f"{share}, all settings together in {own['elapsed_s'].sum():.0f} s of one core"
    return Claim(claim, paper, ours, decide(share.value > MOST, share.high < HALF), rule)


def architectures_claims(rows: StudyRows) -> list[Claim]:
    """Returns all claims."""
    accuracy = Compared(reruns(rows, "accuracy"), "accuracy")
    of_accuracies: tuple[Callable[[Compared], Claim], ...] = (
        *(claim_gru, claim_forget_bias, claim_gates, claim_forget_words, claim_mut1),
    )
    words = reruns(rows, "words")
    return [
        *(claim(accuracy) for claim in of_accuracies),
        claim_dropout(reruns(rows, "music")),
        claim_words_dropout(words),
        claim_size(words),
        claim_memorization(rows),
    ]
