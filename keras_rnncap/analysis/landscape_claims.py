"""What the surface of the loss says: the claims of Mehta's figures 7 to 10."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from keras_rnncap.analysis.exhibits import Claim, decide, open_claim
from keras_rnncap.analysis.initializations_study import GRU, KEYS, PAPER_CELLS, RNN
from keras_rnncap.analysis.statistics import LEVEL, correct_holm

ALIKE = 0.05
"""The Kolmogorov-Smirnov distance up to which two distributions count as the same."""
APART = 0.1
"""That from which on they do not."""
SOLUTION = 0.9
"""The accuracy from which on a setting counts as a solution."""
TIMES = 2.0
"""How many times as many solutions still count as many."""
SHAPES, NOT_ALL = 4, "not both cells have settings at all four shapes"
"""Shapes of untrained settings that the paper has."""
SHAPE = ["vectors", "word_dim", "units"]
"""What trained models have in common that are compared."""
LITTLE, MUCH = 1.25, 2.0
"""Up to how many times as far counts as a little change of a distance, and from where on as a large one."""
RESAMPLED = 10_000
FEWEST_PATHS, FEWEST_PERTURBED = 10, 5
"""Trainings of each cell that are compared."""


def shape_text(shape: Sequence[Any]) -> str:
    """Returns the values of `SHAPE` as a person says them.

    Example:
    >>> shape_text(("fixed", 2, 4)), shape_text(("trained", 2, 4))
    ('2 x 4', '2 x 4 with trained word vectors')
    """
    vectors, word_dim, units = shape
    return f"{word_dim:.0f} x {units:.0f}" + (f" with {vectors} word vectors" if vectors != "fixed" else "")


def within_draws(table: pd.DataFrame, measure: str) -> tuple[float, float]:
    """Returns by how much the mean of the GRU is larger than that of the RNN within draws, and its p-value.

    The p-value is two-sided, by random permutations of the cells within each draw. Draws of which one cell has nothing
    tell nothing; where that is all of them, the difference is NaN.

    Args:
        table: A row for each training, with its `cell` and `draw`.
        measure: The column of which means are compared.

    Example:
    >>> table = pd.DataFrame({"cell": [GRU] * 8 + [RNN] * 8, "draw": 0, "apart": [1.0] * 8 + [0.0] * 8})
    >>> difference, p_value = within_draws(table, "apart")
    >>> difference, p_value < 0.01, within_draws(table.assign(apart=0.0), "apart")
    (1.0, True, (0.0, 1.0))
    """
    rng, table = np.random.default_rng(0), table.sort_values("draw")
    is_gru = (table["cell"] == GRU).to_numpy()
    values = (table[measure] - table.groupby("draw")[measure].transform("mean")).to_numpy(float)
    parts = [is_gru[places] for places in table.groupby("draw").indices.values()]
    pairs = sum(part.sum() * (~part).sum() / len(part) for part in parts)
    if not pairs:
        return np.nan, 1.0
    permuted = np.hstack([rng.permuted(np.tile(part, (RESAMPLED, 1)), axis=1) for part in parts])
    found = values[is_gru].sum()
    extreme = np.abs(permuted @ values) >= abs(found) - 1e-9
    return float(found / pairs), float((1 + extreme.sum()) / (1 + RESAMPLED))


def claim_same_accuracies(distances: pd.DataFrame) -> Claim:
    """Tests whether random settings of RNN and GRU are right as often, by the distance of the distributions."""
    claim = "Random settings of RNN and GRU are right equally often"
    paper = "histograms of a million settings are much the same, at all four shapes"
    known = distances.dropna(subset=["distance"])
    if len(known) < SHAPES:
        return open_claim(claim, paper, NOT_ALL)
    told = zip(known["word_dim"], known["units"], known["distance"], strict=True)
    return Claim(
        claim,
        paper,
        "; ".join(f"{word_dim} x {units}: {distance:.3f}" for word_dim, units, distance in told),
        decide(bool((known["distance"] <= ALIKE).all()), bool((known["distance"] > APART).any())),
        "Kolmogorov-Smirnov distance of the distributions of accuracy: a size, as of a million points any difference "
        f"is significant; holds if at most {ALIKE} at all four shapes, does not if above {APART} at one",
    )


def claim_equal_frequency(distances: pd.DataFrame) -> Claim:
    """Tests whether as many random settings of RNN and GRU are solutions, by Fisher's exact test and the ratio."""
    claim = "RNN and GRU have as many solutions among random settings"
    paper = "the same, read off the histograms"
    known = distances.dropna(subset=["distance"])
    if len(known) < SHAPES:
        return open_claim(claim, paper, NOT_ALL)
    told, p_values, ratios = [], [], []
    for row in known.to_dict("records"):
        good, of = ([row[f"{cell} {kind}"] for cell in (RNN, GRU)] for kind in ("above 90%", "settings"))
        p_values.append(stats.fisher_exact([[g, n - g] for g, n in zip(good, of, strict=True)]).pvalue)
        shares = [(g + 0.5) / n for g, n in zip(good, of, strict=True)]
        ratios.append(max(shares) / min(shares))
        best = ", ".join(f"{100 * row[f'{cell} best']:.0f}%" for cell in (RNN, GRU))
        told.append(f"{row['word_dim']} x {row['units']}: {good[0]} and {good[1]} (best {best})")
    apart = (np.array(ratios) > TIMES) & (correct_holm(p_values) < LEVEL)
    found = known[[f"{cell} above 90%" for cell in PAPER_CELLS]].to_numpy().min() > 0
    return Claim(
        claim,
        paper,
        "; ".join(told),
        decide(bool(found and max(ratios) <= TIMES), bool(apart.any())),
        f"settings above {SOLUTION:.0%} of RNN and GRU; does not hold if at one shape one has over {TIMES:g} times "
        "as many, significant by Fisher's exact test with Holm's correction; holds if both have some, and at most so "
        "many times as many, at all four shapes",
    )


def _claim_of_trained(
    claim: str, paper: str, table: pd.DataFrame, shapes: pd.DataFrame, measure: str, sign: int, fewest: int, rule: str
) -> Claim:
    """Tests whether a measure of the GRU's trainings is larger (sign 1) or smaller (-1) than that of the RNN's.

    At all `shapes` for which models were trained: where too few ended good at one, it is not said to hold.
    """
    told, p_values, differences, missing = [], [], [], []
    claim += f" ({', '.join(shapes['vectors'].unique()) or 'no'} word vectors)"
    for shape in shapes[SHAPE].itertuples(index=False):
        own = table[(table[SHAPE] == list(shape)).all(axis=1)]
        one, other = (own[own["cell"] == cell][measure] for cell in (GRU, RNN))
        counts = f"n = {len(one)} and {len(other)}"
        if min(len(one), len(other)) < fewest:
            missing.append(f"{shape_text(shape)}: {counts}")
            continue
        difference, p_value = within_draws(own, measure)
        p_values.append(p_value)
        differences.append(sign * difference)
        told.append(
            f"{shape_text(shape)}: GRU {one.mean():.3f} (median {one.median():.3f}), RNN {other.mean():.3f} (median "
            f"{other.median():.3f}; {counts}), within draws {difference:+.3f}"
        )
    if not told:
        found = "; ".join(missing) or "none"
        return open_claim(claim, paper, f"fewer than {fewest} good trainings of one cell (GRU and RNN, {found})")
    signed, corrected = np.array(differences), correct_holm(p_values)
    return Claim(
        claim,
        paper,
        "; ".join([*told, *(f"too few at {text}" for text in missing)]),
        decide(
            bool(not missing and ((signed > 0) & (corrected < LEVEL)).all()),
            bool(((signed < 0) & (corrected < LEVEL)).any()),
        ),
        f"{rule}, permutation tests within draws, Holm's correction: p = {', '.join(f'{p:.2g}' for p in corrected)}; "
        f"holds if so at every shape, of each cell with at least {fewest} good trainings, does not if the reverse at "
        "one",
    )


def claim_smoother(trainings: pd.DataFrame, shapes: pd.DataFrame) -> Claim:
    """Tests whether the GRU's curve bends less from epoch to epoch, by permutation of trainings, at each shape."""
    claim = "The GRU's way is smoother than the RNN's"
    paper = "the cosine of the update with the whole way is smoother for the GRU, at 2 x 4 and 4 x 8"
    rule = "smaller mean change of the slope of the cosine (a steep rise is not rough)"
    return _claim_of_trained(claim, paper, trainings, shapes, "roughness", -1, FEWEST_PATHS, rule)


def claim_straighter(trainings: pd.DataFrame, shapes: pd.DataFrame) -> Claim:
    """Tests whether the GRU's updates point more along the whole way, by permutation of trainings, at each shape."""
    claim = "The GRU's way is straighter than the RNN's"
    paper = "the cosine of the update with the whole way is consistently high for the GRU, at 2 x 4 and 4 x 8"
    return _claim_of_trained(claim, paper, trainings, shapes, "mean cosine", 1, FEWEST_PATHS, "larger mean cosine")


def claim_robust(perturbed: pd.DataFrame, shapes: pd.DataFrame) -> Claim:
    """Tests whether the GRU is nearer to what it was 30 epochs after a perturbation of k = 1, by permutation."""
    claim = "The GRU recovers better from a perturbation"
    paper = "2 x 4: the GRU is the better performer, close to 90% within 30 epochs even at k = 1"
    if len(perturbed):
        last = perturbed[(perturbed["factor"] == 1.0) & (perturbed["epoch"] == perturbed["epoch"].max())]
        last = last.assign(recovered=last["accuracy"] - last["trained_accuracy"])
    else:
        last = pd.DataFrame(columns=[*KEYS, "recovered"])
    rule = "mean accuracy 30 epochs after k = 1 less that before, of models of at least 98%; larger"
    return _claim_of_trained(claim, paper, last, shapes, "recovered", 1, FEWEST_PERTURBED, rule)


def _moved_text(moved: pd.DataFrame) -> str:
    """Returns the medians of each cell and factor."""
    cells = moved.groupby("cell")
    return "; ".join(
        f"{cell}, medians: " + ", ".join(f"{row['median']:.2f} (k = {row['factor']:g})" for _, row in own.iterrows())
        for cell, own in cells
    )


def claim_return(moved: pd.DataFrame) -> Claim:
    """Tests whether perturbed models end far from the trained weights, as a part of how far they started."""
    claim = "Perturbed models do not return to the weights that they came from"
    paper = "the distance never gets close to zero"
    if moved.empty:
        return open_claim(claim, paper, "no perturbed models")
    return Claim(
        claim,
        paper,
        f"{_moved_text(moved)}; least {moved['min'].min():.2f}",
        decide(bool((moved["min"] > 0.5).all()), bool((moved["median"] < 0.5).any())),
        "distance from the trained weights after training again, as a part of that before; holds if above a half for "
        "all, does not if the median of one cell and k is below",
    )


def claim_little_change(moved: pd.DataFrame) -> Claim:
    """Tests whether perturbed models end about as far from the trained weights as they started."""
    claim = "The distance from the weights before a perturbation changes little"
    paper = "very little change"
    if moved.empty:
        return open_claim(claim, paper, "no perturbed models")
    apart = np.exp(np.abs(np.log(moved["median"])))
    return Claim(
        claim,
        paper,
        _moved_text(moved),
        decide(bool((apart <= LITTLE).all()), bool((apart > MUCH).any())),
        f"the same medians; holds if all change by at most {LITTLE:g} times, does not if one changes by over {MUCH:g}",
    )
