"""Scores of trials as a Gaussian process likes them."""

import math
from typing import NamedTuple

import numpy as np

FARTHEST = 1e12
"""Units below the median beyond which a score says no more than that the trial failed."""


class Warped(NamedTuple):
    """Scores as a Gaussian process likes them, more being better."""

    scores: np.ndarray  # of mean about 0 and deviation about 1
    log_slope: float  # sum of log d(warped)/d(score): with it the likelihoods of different warpings compare


def robust_scores(scores: np.ndarray) -> np.ndarray:
    """Returns scores, more being better, without outliers below.

    The median is 0, the unit is the deviation of the better half from it. Below it, distances grow with their
    logarithm, for up to 1e12 units. NaN, a failure, is half a unit worse than the worst.
    """
    known = np.isfinite(scores)
    robust = np.zeros(len(scores))
    if known.any():
        robust[known] = _robust(scores[known]).scores
        robust[~known] = robust[known].min() - 0.5
    return robust


def is_telling(scores: np.ndarray) -> np.ndarray:
    """Returns which scores say more than that a trial failed: those that are finite and not absurdly low."""
    return np.isfinite(scores) & (robust_scores(scores) > -math.log1p(FARTHEST))


def _robust(scores: np.ndarray) -> Warped:
    scores = _of_safe_size(scores)
    median = np.median(scores)
    unit = _root_mean_square(scores[scores >= median] - median) or _root_mean_square(scores - scores.mean()) or 1.0
    with np.errstate(over="ignore"):
        z = (scores - median) / unit
    below = np.log1p(np.clip(-z, 0, FARTHEST))
    return Warped(np.where(z < 0, -below, z), float(-np.sum(np.log(unit) + below)))


def _near_best(scores: np.ndarray) -> Warped:
    """Returns scores by the logarithm of their distance from the best: what a narrow valley looks like."""
    scores = _of_safe_size(scores)
    distance = scores.max() - scores
    softening = 0.1 * np.median(distance)
    if not softening > 0:
        return _robust(scores)
    z = -np.log(softening + distance)
    center, unit = np.median(z), np.std(z) or 1.0
    return Warped((z - center) / unit, float(np.sum(z) - len(z) * np.log(unit)))


def _of_safe_size(scores: np.ndarray) -> np.ndarray:
    """Returns scores, divided by a power of two where they are so large that their sums or differences overflow."""
    return np.ldexp(scores, min(900 - int(np.frexp(np.abs(scores).max())[1]), 0))


def _root_mean_square(x: np.ndarray) -> float:
    exponent = int(np.frexp(np.abs(x).max())[1])
    return float(np.ldexp(np.sqrt(np.mean(np.ldexp(x, -exponent) ** 2)), exponent))


ROBUST, NEAR_BEST = "robust", "near_best"
WARPINGS = {ROBUST: _robust, NEAR_BEST: _near_best}
