"""Estimates with their intervals, corrections for many tests, and verdicts."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from keras_rnncap.analysis.exhibits import Verdict, decide

LEVEL = 0.05
"""Level of significance of all tests."""


class Estimate(NamedTuple):
    """A mean, a share or a slope with its 95% confidence interval, and the number of observations."""

    value: float
    low: float
    high: float
    points: int

    def __str__(self) -> str:
        """Returns it as text."""
        return f"{self.value:.2f} (95% {self.low:.2f} to {self.high:.2f}, n = {self.points})"


def compute_mean(values: Sequence[float] | np.ndarray | pd.Series) -> Estimate:
    """Returns the mean of independent values, with the interval of Student's t; NaN ends where there is one value.

    Example:
    >>> print(compute_mean([4.0, 5.0, 6.0]))
    5.00 (95% 2.52 to 7.48, n = 3)
    """
    known = np.asarray(values, float)
    known = known[np.isfinite(known)]
    mean = float(known.mean()) if len(known) else np.nan
    half = float(stats.sem(known) * stats.t.ppf(1 - LEVEL / 2, len(known) - 1)) if len(known) > 1 else np.nan
    return Estimate(mean, mean - half, mean + half, len(known))


def compute_share(events: pd.Series) -> Estimate:
    """Returns the share of true values, with Wilson's interval."""
    interval = stats.binomtest(int(events.sum()), len(events)).proportion_ci(method="wilson")
    return Estimate(float(events.mean()), interval.low, interval.high, len(events))


def correct_holm(p_values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Returns p-values after Holm's correction for their number; 1 for a test that could not be made (NaN).

    Example:
    >>> correct_holm([0.04, 0.01, 0.03]).round(2).tolist()
    [0.06, 0.03, 0.06]
    """
    order, count = np.argsort(p_values), len(p_values)
    corrected = np.fmin(1.0, np.asarray(p_values, float)[order] * np.arange(count, 0, -1))
    return np.maximum.accumulate(corrected)[np.argsort(order)]


def significant(p_value: float) -> bool:
    """Returns whether a test found something; one that could not be made (NaN) did not."""
    return bool(p_value < LEVEL)


def verdict_within(estimate: Estimate, low: float, high: float) -> Verdict:
    """Returns whether an estimate's whole interval is within limits ("holds"), outside, or neither.

    Example:
    >>> verdict_within(Estimate(1.0, 0.95, 1.05, 9), 0.9, 1.1), verdict_within(Estimate(0.5, 0.4, 0.6, 9), 0.9, 1.1)
    ('holds', 'does not hold')
    """
    inside, outside = low <= estimate.low and estimate.high <= high, estimate.high < low or estimate.low > high
    return decide(inside, outside)  # an interval of NaN is neither
