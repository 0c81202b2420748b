"""Functions to minimize, with their spaces."""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import keras_tuner as kt
import numpy as np
from scipy import optimize

FAILED = 0.2


class Problem(NamedTuple):
    """A function to minimize, its space, and its least value."""

    space: Callable[[], kt.HyperParameters]
    value: Callable[[Mapping[str, Any]], float]
    least: float

    def failing(self, failures: str, seed: int) -> "Problem":
        """Returns the problem with a fifth of its trials, or of its space, failing; `least` must not be there."""
        rng, first = np.random.default_rng([seed, 3]), self.space().space[0]

        def value(values: Mapping[str, Any]) -> float:
            by_chance = failures == "random" and rng.random() < FAILED
            by_place = failures == "region" and first.value_to_prob(values[first.name]) > 1 - FAILED
            return math.nan if by_chance or by_place else self.value(values)

        return self._replace(value=value)


def box(low: list[float], high: list[float], function: Callable[[np.ndarray], float], least: float) -> Problem:
    """Returns a problem whose hyperparameters x0, x1 and so on are the numbers of a box."""

    def space() -> kt.HyperParameters:
        hp = kt.HyperParameters()
        for index, (a, b) in enumerate(zip(low, high, strict=True)):
            hp.Float(f"x{index}", a, b)
        return hp

    return Problem(space, lambda values: float(function(np.array([values[f"x{i}"] for i in range(len(low))]))), least)


def _branin(x: np.ndarray) -> float:
    b, c, t = 5.1 / (4 * math.pi**2), 5 / math.pi, 1 / (8 * math.pi)
    return float((x[1] - b * x[0] ** 2 + c * x[0] - 6) ** 2 + 10 * (1 - t) * math.cos(x[0]) + 10)


_ALPHA = np.array([1.0, 1.2, 3.0, 3.2])
_HARTMANN_A = {
    3: [[3, 10, 30], [0.1, 10, 35], [3, 10, 30], [0.1, 10, 35]],
    6: [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]],
}
_HARTMANN_P = {
    3: [[3689, 1170, 2673], [4699, 4387, 7470], [1091, 8732, 5547], [381, 5743, 8828]],
    6: [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ],
}


def _hartmann(x: np.ndarray) -> float:
    a, p = np.array(_HARTMANN_A[len(x)]), 1e-4 * np.array(_HARTMANN_P[len(x)])
    return float(-_ALPHA @ np.exp(-np.sum(a * (x - p) ** 2, axis=1)))


def _ackley(x: np.ndarray) -> float:
    waves = np.exp(np.mean(np.cos(2 * math.pi * x)))
    return float(-20 * math.exp(-0.2 * math.sqrt(np.mean(x**2))) - waves + 20 + math.e)


def _levy(x: np.ndarray) -> float:
    w = 1 + (x - 1) / 4
    waves = (w[:-1] - 1) ** 2 * (1 + 10 * np.sin(math.pi * w[:-1] + 1) ** 2)
    last = (w[-1] - 1) ** 2 * (1 + math.sin(2 * math.pi * w[-1]) ** 2)
    return float(math.sin(math.pi * w[0]) ** 2 + np.sum(waves) + last)


def _mixed_space() -> kt.HyperParameters:
    hp = kt.HyperParameters()
    hp.Float("rate", 1e-5, 1e-1, sampling="log")
    hp.Choice("kind", ["a", "b", "c", "d"], ordered=False)
    with hp.conditional_scope("kind", ["b", "c"]):
        hp.Float("momentum", 0.0, 1.0)
    hp.Int("layers", 1, 8)
    hp.Float("clip", 0.0, 1.0)
    return hp


def _mixed(values: Mapping[str, Any]) -> float:
    """Least, 0, at kind c, momentum 0.8, rate 1e-3, 3 layers, clip 0.5; infeasible where rate > 0.01."""
    rate = math.log10(values["rate"])
    if rate > -2:
        return math.nan
    kind = {"a": 1.0, "b": 0.5, "c": 0.0, "d": 2.0}[values["kind"]]
    momentum = (values.get("momentum", 0.8) - 0.8) ** 2
    return kind + (rate + 3) ** 2 / 4 + 2 * momentum + (values["layers"] - 3) ** 2 / 20 + (values["clip"] - 0.5) ** 2


PROBLEMS = {
    "Branin": box([-5, 0], [10, 15], _branin, 0.397887),
    "Hartmann 3": box([0] * 3, [1] * 3, _hartmann, -3.86278),
    "Hartmann 6": box([0] * 6, [1] * 6, _hartmann, -3.32237),
    "Rosenbrock 5": box([-2.0] * 5, [2.0] * 5, lambda x: float(optimize.rosen(x)), 0.0),
    "Ackley 10": box([-10.0] * 10, [15.0] * 10, _ackley, 0.0),
    "Levy 6": box([-10.0] * 6, [10.0] * 6, _levy, 0.0),
    "mixed": Problem(_mixed_space, _mixed, 0.0),
}
