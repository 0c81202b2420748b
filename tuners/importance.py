"""Which hyperparameters mattered."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras_tuner as kt
import numpy as np
import pandas as pd
from scipy import stats

from keras_rnncap.tuners.oracles.encoding import SpaceEncoding
from keras_rnncap.tuners.oracles.gaussian_process import GaussianProcess
from keras_rnncap.tuners.oracles.warping import robust_scores

LEAST_TRIALS = 10
"""Feasible trials below which nothing can be said."""
MOST_TRIALS = 500
"""Trials, drawn at random, that the process is fitted to."""


def compute_importance(
    space: kt.HyperParameters,
    values: Sequence[Mapping[str, Any]],
    scores: np.ndarray,
    direction: str,
    seed: int = 0,
    samples: int = 512,
) -> pd.DataFrame | None:
    """Computes the share of each hyperparameter in how scores differ: Sobol's indices of a Gaussian process.

    `first_order` is the share of the variance over the whole space that a hyperparameter explains alone, `total` with
    all its interactions; failed trials count as somewhat worse than the worst.

    Args:
        space: The search space.
        values: The values of each trial.
        scores: Its score; NaN where it was infeasible.
        direction: `"max"` or `"min"`.
        seed: Seed of the sampling.
        samples: Points for each index, a power of two.

    Returns:
        A table with `first_order` and `total` for each hyperparameter, the most important first; `None` if fewer than
        `LEAST_TRIALS` trials were feasible or all scored the same.

    Example:
    >>> hp = kt.HyperParameters()
    >>> _ = hp.Float("matters", 0, 1), hp.Float("does_not", 0, 1)
    >>> rng = np.random.default_rng(0)
    >>> values = [{"matters": x, "does_not": y} for x, y in rng.random((30, 2))]
    >>> table = compute_importance(hp, values, np.array([trial["matters"] for trial in values]), "max")
    >>> table.index[0], bool(table.total["matters"] > 0.9)
    ('matters', True)
    """
    scores = np.asarray(scores, float)
    known = scores[np.isfinite(scores)]
    if len(known) < LEAST_TRIALS or np.ptp(known) == 0:
        return None
    encoding = SpaceEncoding(space)
    places = np.stack([encoding.point(trial) for trial in values])
    goodness = robust_scores(scores if direction == "max" else -scores)
    rng = np.random.default_rng(seed)
    subset = rng.permutation(len(places))[:MOST_TRIALS]
    process = GaussianProcess(encoding.features(places[subset]), goodness[subset])
    indices = stats.sobol_indices(
        func=lambda points: process.predict(encoding.features(points.T))[0],
        n=samples,
        dists=[stats.uniform()] * encoding.dimensions,
        rng=rng,
    )
    names = [hp.name for hp in encoding.hyperparameters]
    table = pd.DataFrame({"first_order": indices.first_order, "total": indices.total_order}, index=names)
    return table.clip(lower=0.0).groupby(level=0).max().sort_values("total", ascending=False)
