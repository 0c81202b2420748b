"""What small models make of words, as claims: those of Mehta's figures 1 and 2."""

from collections.abc import Callable

import pandas as pd
from scipy import stats

from keras_rnncap.analysis.exhibits import Claim, decide, open_claim
from keras_rnncap.analysis.initializations_study import GRU, PAPER_CELLS, RNN
from keras_rnncap.analysis.statistics import LEVEL

GOOD = 0.98
"""The accuracy from which on models are compared."""
SEPARABLE = 0.01
"""The margin from which on words count as separable."""
LONG = 100
"""Words of the sequences on which generalization is tested: ten times as many as in training."""
FEWEST = 3
"""Models of a cell that are compared."""


def shortest(probes: pd.DataFrame) -> pd.Series:
    """Returns for each model after how many stop words its answer to a word is wrong; all there were if it never is."""
    return probes["until"].fillna(probes["probed"]).groupby(probes["trial"]).min()


def claim_stop_words(words: pd.DataFrame) -> Claim:
    """Tests whether the first matrix ignores stop words, by how long their products are."""
    claim = "Stop words are not in the null space of the first matrix"
    paper = "2 x 2: products of stop words lie along one dimension, not at zero"
    if words.empty:
        return open_claim(claim, paper, "no words")
    norms = words.set_index("cell")["stop norm"]
    return Claim(
        claim,
        paper,
        ", ".join(f"{cell} {value:.2f}" for cell, value in norms.items()),
        decide(bool((norms > 0.1).all()), bool((norms < 0.05).all())),
        "mean of |W x| / |x| of stop words as a part of that of others; holds if above 0.1 for both cells, does not "
        "if below 0.05 for both. Six drawn words span the plane: only zeros would have all of them in the null space",
    )


def claim_separable(words: pd.DataFrame) -> Claim:
    """Tests whether positive and negative words are on two sides of a line after the first matrix."""
    claim = "Positive and negative words are linearly separable after the first matrix"
    paper = "2 x 2: yes, for RNN and GRU"
    if words.empty:
        return open_claim(claim, paper, "no words")
    margins = words.set_index("cell")["margin"]
    return Claim(
        claim,
        paper,
        "; ".join(
            f"{row['cell']} {row['margin']:.2f} (of the drawn words, before the matrix: {row['of words']:.2f})"
            for _, row in words.iterrows()
        ),
        decide(bool((margins > SEPARABLE).all()), bool((margins <= SEPARABLE).all())),
        "distance of the segments between words of a kind, as a part of that of their means; holds if above "
        f"{SEPARABLE} for both cells, does not if for none. A square matrix can only lose what the drawn words "
        "have, so this tests whether training lost it",
    )


def claim_stop_line(words: pd.DataFrame) -> Claim:
    """Tests whether the RNN's products of stop words lie along one line through zero."""
    claim = "The RNN's first matrix puts stop words along one line"
    paper = "2 x 2: the product lies along one dimension"
    own = words[words["cell"] == RNN] if len(words) else words
    if own.empty:
        return open_claim(claim, paper, "no words of the RNN")
    share = float(own["stop line"].iloc[0])
    return Claim(
        claim,
        paper,
        f"{share:.2f}",
        decide(share > 0.95, share < 0.8),
        "share of the squares of W x of stop words along one line through zero; holds if above 0.95, does not if "
        "below 0.8",
    )


def claim_collinear(words: pd.DataFrame) -> Claim:
    """Tests whether all words lie on one line before the softmax."""
    claim = "Readout and first matrix together put all words on one line"
    paper = "2 x 2: W_o W x lies on a single straight line for both"
    if words.empty:
        return open_claim(claim, paper, "no words")
    shares = words.set_index("cell")["collinear"]
    return Claim(
        claim,
        paper,
        ", ".join(f"{cell} {value:.3f}" for cell, value in shares.items()),
        decide(bool((shares > 0.99).all()), bool((shares < 0.95).any())),
        "share of the variance of W_o W x along one line; holds if above 0.99 for both cells, does not if below 0.95 "
        "for one",
    )


def _claim_of_good(
    claim: str, paper: str, table: pd.DataFrame, measure: Callable[[pd.DataFrame], pd.Series], rule: str, sign: int = 1
) -> Claim:
    """Tests whether a measure is larger (sign 1) or smaller (-1) for good models of the GRU than for the RNN's."""
    good = table[table["accuracy"] >= GOOD] if len(table) else pd.DataFrame(columns=["cell"])
    values = {cell: measure(good[good["cell"] == cell]) for cell in PAPER_CELLS if cell in {*good["cell"]}}
    if len(values) < 2 or min(map(len, values.values())) < FEWEST:
        return open_claim(claim, paper, f"fewer than {FEWEST} models of one cell at {GOOD:.0%} and above")
    p_value = float(stats.mannwhitneyu(values[GRU], values[RNN]).pvalue)
    medians = {cell: float(each.median()) for cell, each in values.items()}
    more = sign * (medians[GRU] - medians[RNN])
    return Claim(
        claim,
        paper,
        ", ".join(f"{cell} {medians[cell]:,.4g} (n = {len(values[cell])})" for cell in PAPER_CELLS),
        decide(bool(p_value < LEVEL and more > 0), bool(p_value < LEVEL and more < 0)),
        f"Mann-Whitney test of {rule}: p = {p_value:.2g}; holds if significantly {'more' if sign > 0 else 'less'} for "
        "the GRU, does not if the reverse",
    )


def claim_remembers(probes: pd.DataFrame) -> Claim:
    """Tests whether the GRU keeps the answer to a word for longer than the RNN, by the Mann-Whitney test."""
    paper = "4 x 2, one word before stop words: right up to 15 (RNN), still right after 2,000 (GRU)"
    rule = "the stop words after which the answer to one of the four words is wrong"
    return _claim_of_good("The GRU remembers a word for longer than the RNN", paper, probes, shortest, rule)


def claim_generalizes(lengths: pd.DataFrame) -> Claim:
    """Tests whether the GRU is better than the RNN on sequences ten times as long, by the Mann-Whitney test."""
    claim = "The GRU generalizes to longer sequences better than the RNN"
    paper = "GRUs generalize better; shown by the memory of one word only"

    def accuracy(good: pd.DataFrame) -> pd.Series:
        return good.loc[good["length"] == LONG, "accuracy_at_length"]

    return _claim_of_good(claim, paper, lengths, accuracy, f"the accuracy on sequences of {LONG} words")


def _of_trials(column: str) -> Callable[[pd.DataFrame], pd.Series]:
    return lambda good: good[column]


def claim_forgets(pairs: pd.DataFrame) -> Claim:
    """Tests whether less is left in the GRU's state of words that differ at the start, by the Mann-Whitney test."""
    claim = "The GRU's state loses the first words that the RNN's keeps"
    paper = "4 x 2, one pair, stop words or others first: states coincide from word 7 (GRU), never (RNN)"
    rule = "the distance of the states of a pair after 10 words, as a part of that after 3, medians over 200 pairs"
    return _claim_of_good(claim, paper, pairs, _of_trials("left_of_first"), rule, sign=-1)


def claim_swapped(pairs: pd.DataFrame) -> Claim:
    """Tests whether the GRU errs more where two words are swapped, by the Mann-Whitney test."""
    claim = "The GRU errs more than the RNN where two words are swapped"
    paper = "4 x 2, one pair: the RNN is right on both sequences, the GRU on one"
    rule = "the share of right answers to 200 pairs of sequences"
    return _claim_of_good(claim, paper, pairs, _of_trials("swapped_right"), rule, sign=-1)
