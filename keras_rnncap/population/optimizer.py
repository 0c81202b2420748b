"""An optimizer under which each row of a matrix is trained by itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_rnncap.population.groups import Groups
from keras_rnncap.training import TrainingSettings

RHO, BETA_2, EPSILON = 0.9, 0.999, 1e-7
"""Keras' defaults: RMSprop's rho, Adam's beta_2, and the epsilon of both."""


class RowOptimizer(keras.optimizers.Optimizer):
    """SGD, momentum, RMSprop and Adam, a choice for each row of one weight matrix of shape `(members, parameters)`.

    Each row has its own settings, its own clipping by the norm of its gradient, and its own count of steps, so that
    rows do not know of each other. One pass does all four: with gradient g (l2 included, then clipped), learning rate
    e,

        v <- s v + (1 - s) g^2                   s = rho of RMSprop, beta_2 of Adam; v is not used by the others
        u = g, or g / sqrt(v + epsilon)          the latter for RMSprop
        m <- a m + c u                           a = momentum, beta_1; c = e, and 1 - beta_1 for Adam
        w <- w - m                               Adam: w - e' m / (sqrt(v) + epsilon), e' = e sqrt(1 - beta_2^t) / (1 -
        beta_1^t)

    which are Keras' formulas. A row whose weights stop being finite, or the norm of whose gradient does, is frozen as
    it was, and `alive` says so; Keras' clipping makes such a gradient not a number. The norm may be infinite where the
    gradient is not: from about 1e19 on, its square is no float32. A row that has done its steps is frozen as well.

    Args:
        settings: The settings of each row.
        groups: Which rows move in a call; all, where it is not given.
    """

    def __init__(
        self, settings: Sequence[TrainingSettings], groups: Groups | None = None, name: str = "row_optimizer"
    ) -> None:
        super().__init__(learning_rate=1.0, name=name)
        self._initial = np.stack([_row(member) for member in settings])
        self._groups = groups or Groups(len(settings))

    def build(self, variables: Sequence[Any]) -> None:
        """Creates the moments and the settings."""
        if self.built:
            return
        super().build(variables)
        (weights,) = variables
        rows = len(self._initial)
        self.first = self.add_variable_from_reference(weights, name="first_moment")
        self.second = self.add_variable_from_reference(weights, name="second_moment")
        self.settings = self.add_variable((rows, len(FIELDS)), "zeros", name="settings")
        self.settings.assign(self._initial)
        self.row_steps = self.add_variable((rows, 1), "zeros", name="row_steps")
        self.alive = self.add_variable((rows, 1), "ones", name="alive")

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Takes one step with every row."""
        del learning_rate
        field = dict(zip(FIELDS, ops.split(ops.convert_to_tensor(self.settings), len(FIELDS), axis=1), strict=True))
        weights, done, first, second, alive = (
            ops.convert_to_tensor(state) for state in (variable, self.row_steps, self.first, self.second, self.alive)
        )
        gradient = gradient + 2 * field["l2"] * weights
        norm = ops.sqrt(ops.sum(ops.square(gradient), axis=1, keepdims=True))
        gradient = gradient * ops.minimum(1.0, field["clip_norm"] / ops.maximum(norm, 1e-30))
        rate = field["learning_rate"] * ops.exp(field["log_decay"] * done / field["steps"])

        adam, rmsprop = field["adam"], field["rmsprop"]
        # Complements are taken in double precision, as Keras does: 1 - 0.999 in single precision is off by 1e-5.
        share = adam * (1 - BETA_2) + rmsprop * (1 - RHO)
        new_second = second + share * (ops.square(gradient) - second)
        scaled = ops.where(rmsprop > 0, gradient * ops.rsqrt(new_second + EPSILON), gradient)
        momentum = field["momentum"]
        new_first = momentum * first + ops.where(adam > 0, field["momentum_share"], rate) * scaled
        t = done + 1
        corrected = rate * ops.sqrt(1 - ops.power(BETA_2, t)) / (1 - ops.power(momentum, t))
        step = ops.where(adam > 0, corrected * new_first / (ops.sqrt(new_second) + EPSILON), new_first)
        new = weights - step

        finite = ops.isfinite(norm) & ops.all(ops.isfinite(new), axis=1, keepdims=True)
        running = (done < field["steps"]) & (alive > 0) & self._groups.moves()
        moves = running & finite
        variable.assign(ops.where(moves, new, weights))
        self.first.assign(ops.where(moves, new_first, first))
        self.second.assign(ops.where(moves, new_second, second))
        self.row_steps.assign(ops.where(moves, t, done))
        self.alive.assign(ops.where(running & ops.logical_not(finite), 0.0, alive))

    def reset_row(self, row: int, settings: TrainingSettings) -> None:
        """Gives a row new settings and forgets all it did."""
        for variable, value in (
            (self.first, 0.0),
            (self.second, 0.0),
            (self.row_steps, 0.0),
            (self.alive, 1.0),
            (self.settings, _row(settings)),
        ):
            set_row(variable, row, value)

    def change_row(self, row: int, **changes: float) -> None:
        """Changes settings of a row while it trains: those of `FIELDS` that are named."""
        settings = np.array(ops.convert_to_numpy(self.settings)[row])
        settings[[FIELDS.index(field) for field in changes]] = list(changes.values())
        set_row(self.settings, row, settings)


FIELDS = ("learning_rate", "log_decay", "momentum", "momentum_share", "clip_norm", "l2", "steps", "adam", "rmsprop")


def set_row(variable: Any, row: int, value: Any) -> None:
    """Assigns one row of a variable."""
    content = np.array(ops.convert_to_numpy(variable))
    content[row] = value
    variable.assign(content)


def _row(settings: TrainingSettings) -> np.ndarray:
    """Returns the settings as numbers, in the order of `FIELDS`."""
    return np.array(
        [
            settings.learning_rate,
            0.0 if settings.schedule else math.log(settings.learning_rate_decay),
            0.0 if settings.optimizer == "sgd" else settings.momentum,
            1.0 - settings.momentum,
            settings.clip_norm,
            settings.l2,
            settings.steps,
            settings.optimizer == "adam",
            settings.optimizer == "rmsprop",
        ],
    )
