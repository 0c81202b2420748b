"""What small models make of words, as claims: those of Mehta's figures 1 and 2."""

from collections.abc import Callable

import pandas as pd

from keras_rnncap.analysis.exhibits import Claim, Verdict, decide, open_claim
from keras_rnncap.analysis.initializations_study import PAPER_CELLS, RNN
from keras_rnncap.analysis.landscape_claims import within_draws
from keras_rnncap.analysis.statistics import LEVEL

GOOD = 0.98
"""The accuracy from which on models are compared."""
SEPARABLE = 0.01
"""The margin from which on words count as separable."""
APART = 0.1
"""That of drawn words from which on a matrix could lose it."""
LONG = 100
"""Words of the sequences on which generalization is tested: ten times as many as in training."""
FEWEST = 3
"""Models of each cell that are compared."""


def shortest(probes: pd.DataFrame) -> pd.DataFrame:
    """Returns for each model after how many stop words its answer to a word is wrong; all there were if it never is."""
    if probes.empty:
        return probes
    every = probes.assign(until=probes["until"].fillna(probes["probed"]))
    return every.groupby(["cell", "draw", "trial"], as_index=False)[["until", "accuracy"]].min()


def _claim_of_medians(
    claim: str, paper: str, words: pd.DataFrame, column: str, verdict: Callable[[pd.Series], Verdict], rule: str
) -> Claim:
    """Tests a measure of the first matrices by its medians over draws, one for each cell."""
    if words.empty:
        return open_claim(claim, paper, "no words")
    values = words.groupby("cell")[column]
    ours = ", ".join(
        f"{cell} {own.median():.2f} ({own.min():.2f} to {own.max():.2f} of {len(own)} draws)" for cell, own in values
    )
    return Claim(claim, paper, ours, verdict(values.median()), f"{rule}, median over draws")


def claim_stop_words(words: pd.DataFrame) -> Claim:
    """Tests whether the first matrix ignores stop words, by how long their products are."""
    return _claim_of_medians(
        "Stop words are not in the null space of the first matrix",
        "2 x 2: products of stop words lie along one dimension, not at zero",
        words,
        "stop norm",
        lambda norms: decide(bool((norms > 0.1).all()), bool((norms < 0.05).all())),
        "mean of |W x| / |x| of stop words as a part of that of others; holds if above 0.1 for both cells, does not if "
        "below 0.05 for both (six drawn words span the plane: only zeros would have all of them in the null space)",
    )


def claim_separable(words: pd.DataFrame) -> Claim:
    """Tests whether positive and negative words are on two sides of a line after the first matrix."""
    claim = "Positive and negative words are linearly separable after the first matrix"
    paper = "2 x 2: yes, for RNN and GRU"
    own = words[words["of words"] > APART] if len(words) else words
    if own.empty:
        return open_claim(claim, paper, f"no draw of which the words themselves are {APART} apart")
    parts = (own["margin"] > SEPARABLE).groupby(own["cell"]).agg(["sum", "size"])
    shares = parts["sum"] / parts["size"]
    return Claim(
        claim,
        paper,
        ", ".join(f"{cell} in {row['sum']} of {row['size']} draws" for cell, row in parts.iterrows()),
        decide(bool((shares == 1).all()), bool((shares < 0.5).any())),
        "distance of the segments between words of a kind, as a part of that of their means, above "
        f"{SEPARABLE}; holds if so in all draws for both cells, does not if in less than half for one. A square matrix "
        f"can only lose what the drawn words have (above {APART}), so this tests whether training lost it",
    )


def claim_stop_line(words: pd.DataFrame) -> Claim:
    """Tests whether the RNN's products of stop words lie along one line through zero."""
    return _claim_of_medians(
        "The RNN's first matrix puts stop words along one line",
        "2 x 2: the product lies along one dimension",
        words[words["cell"] == RNN] if len(words) else words,
        "stop line",
        lambda shares: decide(bool((shares > 0.95).all()), bool((shares < 0.8).all())),
        "share of the squares of W x of stop words along one line through zero; holds if above 0.95, does not if below "
        "0.8",
    )


def claim_collinear(words: pd.DataFrame) -> Claim:
    """Tests whether all words lie on one line before the softmax."""
    return _claim_of_medians(
        "Readout and first matrix together put all words on one line",
        "2 x 2: W_o W x lies on a single straight line for both",
        words,
        "collinear",
        lambda shares: decide(bool((shares > 0.99).all()), bool((shares < 0.95).any())),
        "share of the variance of W_o W x along one line; holds if above 0.99 for both cells, does not if below 0.95 "
        "for one",
    )


def _claim_of_good(claim: str, paper: str, models: pd.DataFrame, measure: str, rule: str, sign: int = 1) -> Claim:
    """Tests whether a measure is larger (sign 1) or smaller (-1) for good models of the GRU than for the RNN's.

    `models` has a row for each model; those of draws that both cells have are compared, by ranks within draws.
    """
    good = models[models["accuracy"] >= GOOD] if len(models) else pd.DataFrame(columns=["cell", "draw", measure])
    good = good[good["cell"].isin(PAPER_CELLS)]
    good = good[good.groupby("draw")["cell"].transform("nunique") == len(PAPER_CELLS)]
    counts = good.groupby("cell").size().reindex(list(PAPER_CELLS), fill_value=0)
    if counts.min() < FEWEST:
        reason = f"fewer than {FEWEST} models of one cell at {GOOD:.0%} and above, of draws of which both have some"
        return open_claim(claim, paper, reason)
    ranks = good.assign(rank=good.groupby("draw")[measure].rank())
    difference, p_value = within_draws(ranks, "rank")
    medians, more = good.groupby("cell")[measure].median(), sign * difference
    return Claim(
        claim,
        paper,
        ", ".join(f"{cell} {medians[cell]:,.4g} (n = {counts[cell]})" for cell in PAPER_CELLS)
        + f", of {good['draw'].nunique()} draws",
        decide(bool(p_value < LEVEL and more > 0), bool(p_value < LEVEL and more < 0)),
        f"{rule}; permutation test of ranks within draws: p = {p_value:.2g}; holds if significantly "
        f"{'more' if sign > 0 else 'less'} for the GRU, does not if the reverse",
    )


def claim_remembers(probes: pd.DataFrame) -> Claim:
    """Tests whether the GRU keeps the answer to a word for longer than the RNN."""
    claim = "The GRU remembers a word for longer than the RNN"
    paper = "4 x 2, one word before stop words: right up to 15 (RNN), still right after 2,000 (GRU)"
    rule = "the stop words after which the answer to one of the four words is wrong, medians"
    return _claim_of_good(claim, paper, shortest(probes), "until", rule)


def claim_generalizes(lengths: pd.DataFrame) -> Claim:
    """Tests whether the GRU is better than the RNN on sequences ten times as long."""
    claim = "The GRU generalizes to longer sequences better than the RNN"
    paper = "GRUs generalize better; shown by the memory of one word only"
    own = lengths[lengths["length"] == LONG] if len(lengths) else lengths
    rule = f"the accuracy on sequences of {LONG} words, medians"
    return _claim_of_good(claim, paper, own, "accuracy_at_length", rule)


def claim_forgets(pairs: pd.DataFrame) -> Claim:
    """Tests whether less is left in the GRU's state of words that differ at the start."""
    claim = "The GRU's state loses the first words that the RNN's keeps"
    paper = "4 x 2, one pair, stop words or others first: states coincide from word 7 (GRU), never (RNN)"
    rule = "the distance of the states of a pair after 10 words, as a part of that after 3, medians over 200 pairs"
    return _claim_of_good(claim, paper, pairs, "left_of_first", rule, sign=-1)


def claim_swapped(pairs: pd.DataFrame) -> Claim:
    """Tests whether the GRU errs more where two words are swapped."""
    claim = "The GRU errs more than the RNN where two words are swapped"
    paper = "4 x 2, one pair: the RNN is right on both sequences, the GRU on one"
    rule = "the share of right answers to 200 pairs of sequences, medians"
    return _claim_of_good(claim, paper, pairs, "swapped_right", rule, sign=-1)
