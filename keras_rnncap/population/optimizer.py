"""An optimizer under which each row of a matrix is trained by itself."""

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
    """SGD, momentum, RMSprop or Adam for each row of a weight matrix of shape `(members, parameters)`.

    Each row has its own settings, clipping and count of steps. One pass does all four: with gradient g (l2 included,
    then clipped), learning rate e,

        v <- s v + (1 - s) g^2                   s = rho of RMSprop, beta_2 of Adam; v is not used by the others
        u = g, or g / sqrt(v + epsilon)          the latter for RMSprop
        m <- a m + c u                           a = momentum, beta_1; c = e, and 1 - beta_1 for Adam
        w <- w - m                               Adam: w - e' m / (sqrt(v) + epsilon), e' = e sqrt(1 - beta_2^t) / (1 -
        beta_1^t)

    which are Keras' formulas. A row is frozen when it has taken all its steps, or when its weights or the norm of its
    gradient stop being finite, which `alive` tells. The square of a gradient from about 1e19 on is no float32.

    Args:
        settings: The settings of each row.
        groups: The rows that move in a call; all by default.
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
        """Gives a row new settings, and starts it afresh."""
        for variable in (self.first, self.second, self.row_steps):
            set_rows(variable, row, 0.0)
        set_rows(self.alive, row, 1.0)
        set_rows(self.settings, row, _row(settings))

    def change_row(self, row: int, **changes: float) -> None:
        """Changes some settings of a row, named as in `FIELDS`."""
        settings = np.array(ops.convert_to_numpy(self.settings)[row])
        settings[[FIELDS.index(field) for field in changes]] = list(changes.values())
        set_rows(self.settings, row, settings)


FIELDS = ("learning_rate", "log_decay", "momentum", "momentum_share", "clip_norm", "l2", "steps", "adam", "rmsprop")


def set_rows(variable: Any, rows: int | Sequence[int], values: Any) -> None:
    """Assigns a row of a variable, or several."""
    content = np.array(ops.convert_to_numpy(variable))
    content[np.array(rows, int)] = values
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
