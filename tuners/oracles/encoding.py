"""A KerasTuner search space as numbers: where points are drawn, and what a Gaussian process sees of them."""

import contextlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras_tuner as kt
import numpy as np
import pandas as pd
from keras_tuner.engine import hyperparameters as kinds

MOST_POINTS = 10_000
"""A space of at most so many points is listed."""
MOST_TICKS = 8
"""A hyperparameter of at most so many values has each named along its axis."""


class SpaceEncoding:
    """Points of a search space as rows of the unit cube, a column for each hyperparameter.

    KerasTuner's own scaling maps a column to values. For a Gaussian process an ordered hyperparameter is one feature
    in [0, 1], an unordered choice is one-hot, and an inactive hyperparameter is constant.
    """

    def __init__(self, space: kt.HyperParameters) -> None:
        self.hyperparameters: list[Any] = list(space.space)
        self.dimensions = len(self.hyperparameters)
        self._places: dict[str, list[int]] = {}
        for place, hp in enumerate(self.hyperparameters):
            self._places.setdefault(hp.name, []).append(place)

    @staticmethod
    def _index(coordinates: np.ndarray, count: float) -> np.ndarray:
        """Returns which of so many values are at coordinates."""
        return np.minimum((coordinates * count).astype(int), int(count) - 1)

    @staticmethod
    def _count(hp: Any) -> float:
        if isinstance(hp, kinds.Fixed | kinds.Boolean | kinds.Choice):
            return len(hp.values)
        if hp.step is not None:
            return hp._get_n_values()
        if isinstance(hp, kinds.Int):
            return hp.max_value - hp.min_value + 1
        return 1 if hp.min_value == hp.max_value else math.inf

    def active(self, points: np.ndarray) -> np.ndarray:
        """Returns which hyperparameters are active at points of the cube, `(n, d)` of booleans."""
        active = np.ones(points.shape, bool)
        for place, hp in enumerate(self.hyperparameters):
            for condition in hp.conditions:
                if not hasattr(condition, "values"):  # the scope that holds for every hyperparameter
                    continue
                met = np.zeros(len(points), bool)
                for parent in self._places.get(condition.name, []):
                    source = self.hyperparameters[parent]
                    count = int(self._count(source))
                    values = [source.prob_to_value((index + 0.5) / count) for index in range(count)]
                    allowed = np.array([value in condition.values for value in values])
                    met |= active[:, parent] & allowed[self._index(points[:, parent], count)]
                active[:, place] &= met
        return active

    @staticmethod
    def _is_ordered(hp: Any) -> bool:
        return not isinstance(hp, kinds.Boolean) and getattr(hp, "ordered", True)

    def ordered_features(self) -> np.ndarray:
        """Returns which of the features are ordered, `(features,)` of booleans; the others are one-hot."""
        ordered: list[bool] = []
        for hp in self.hyperparameters:
            if (count := self._count(hp)) > 1:
                ordered += [True] if self._is_ordered(hp) else [False] * int(count)
        return np.array(ordered or [True])

    def features(self, points: np.ndarray) -> np.ndarray:
        """Returns what a Gaussian process sees, `(n, features)`."""
        active = self.active(points)
        columns = []
        for place, hp in enumerate(self.hyperparameters):
            count, on = self._count(hp), active[:, place]
            if count == 1:
                continue
            if not self._is_ordered(hp):
                index = self._index(points[:, place], count)
                columns.append((index[:, None] == np.arange(count)) * on[:, None] / math.sqrt(2))
            else:
                columns.append(np.where(on, points[:, place], 0.5)[:, None])
        return np.concatenate(columns, axis=1) if columns else np.zeros((len(points), 1))

    def values(self, point: np.ndarray) -> dict[str, Any]:
        """Returns the values of the active hyperparameters at a point."""
        active = self.active(point[None])[0]
        values = {}
        for hp, coordinate, on in zip(self.hyperparameters, point, active, strict=True):
            if on:
                value = hp.prob_to_value(float(min(coordinate, 1 - 1e-9)))
                values[hp.name] = value.item() if isinstance(value, np.generic) else value
        return values

    def point(self, values: Mapping[str, Any]) -> np.ndarray:
        """Returns the point of values; the middle where there is none."""
        point = np.full(self.dimensions, 0.5)
        for place, hp in enumerate(self.hyperparameters):
            if hp.name in values:
                with contextlib.suppress(ValueError, TypeError):  # a value of another branch that has the same name
                    point[place] = np.clip(hp.value_to_prob(values[hp.name]), 0.0, 1.0)
        return point

    def places(self, values: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
        """Returns where the values of trials are, a row for each, a column for each name; NaN where it is inactive."""
        first = {name: places[0] for name, places in self._places.items()}
        points = [self.point(trial) for trial in values]
        rows = [
            {name: point[place] for name, place in first.items() if name in trial}
            for point, trial in zip(points, values, strict=True)
        ]
        return pd.DataFrame(rows, columns=list(first), dtype=float)

    def ticks(self) -> dict[str, list[tuple[float, str]]]:
        """Returns for each hyperparameter places along its axis, and what values they are."""
        ticks = {}
        for name, (first, *_) in self._places.items():
            hp, count = self.hyperparameters[first], self._count(self.hyperparameters[first])
            if count <= MOST_TICKS:
                middles = [(index + 0.5) / count for index in range(int(count))]
                ticks[name] = [(middle, str(hp.prob_to_value(middle))) for middle in middles]
            else:
                ticks[name] = [(place, f"{hp.prob_to_value(min(place, 1 - 1e-9)):.3g}") for place in (0.0, 0.5, 1.0)]
        return ticks

    def all_points(self) -> np.ndarray | None:
        """Returns a point for each different choice of values, or `None` if there are more than `MOST_POINTS`."""
        counts = [self._count(hp) for hp in self.hyperparameters]
        if not counts or math.prod(counts) > MOST_POINTS:
            return None
        grid = np.meshgrid(*[(np.arange(count) + 0.5) / count for count in counts], indexing="ij")
        points = np.stack([axis.ravel() for axis in grid], axis=1)
        points[~self.active(points)] = 0.5
        return np.unique(points, axis=0)
