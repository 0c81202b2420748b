"""An optimizer under which each row of a matrix is trained by itself."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_rnncap.errors import InputError
from keras_rnncap.optimizers import identities, last_refresh, rate_factor, refreshed, rotated_step
from keras_rnncap.population.groups import Groups
from keras_rnncap.training import TrainingSettings

RHO, BETA_2, EPSILON = 0.9, 0.999, 1e-7
"""Keras' defaults: RMSprop's rho, Adam's beta_2, and the epsilon of both."""


class RowOptimizer(keras.optimizers.Optimizer):
    """SGD, momentum, RMSprop, Adam or RowSOAP for each row of a weight matrix of shape `(members, parameters)`.

    Each row has its own settings, clipping and count of steps. One pass does the first four: with gradient g (l2
    included, then clipped), learning rate e,

        v <- s v + (1 - s) g^2                   s = rho of RMSprop, beta_2 of Adam; v is not used by the others
        u = g, or g / sqrt(v + epsilon)          the latter for RMSprop
        m <- a m + c u                           a = momentum, beta_1; c = e, and 1 - beta_1 for Adam
        w <- w - m                               Adam: w - e' m / (sqrt(v) + epsilon), e' = e sqrt(1 - beta_2^t) / (1 -
        beta_1^t)

    which are Keras' formulas. A row is frozen when it has taken all its steps, or when its weights or the norm of its
    gradient stop being finite, which `alive` tells. The square of a gradient from about 1e19 on is no float32.

    RowSOAP computes its bases between calls of the compiled graph: at the end of the first call that has reached a step
    at which `RowSOAP` does.

    Args:
        settings: The settings of each row.
        groups: The rows that move in a call; all by default.
        blocks: Places in a row that share a preconditioner, as `unit_blocks` gives them; for RowSOAP, which a later row
            can have only if one of these has it.
        decayed: Which parameters weight decay is for, shape `(parameters,)`; all by default.
    """

    def __init__(
        self,
        settings: Sequence[TrainingSettings],
        groups: Groups | None = None,
        blocks: Sequence[np.ndarray] = (),
        decayed: np.ndarray | None = None,
        name: str = "row_optimizer",
    ) -> None:
        super().__init__(learning_rate=1.0, name=name)
        self._blocks = list(blocks) if any(member.optimizer == "row-soap" for member in settings) else []
        self._decayed = np.float32(1.0) if decayed is None else decayed.astype("float32")
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
        self.refreshed = self.add_variable((rows, 1), "zeros", name="refreshed")
        squares = [(rows, *places.shape, places.shape[1]) for places in self._blocks]
        self.moments = [self.add_variable(shape, "zeros", name=f"moment_{n}") for n, shape in enumerate(squares)]
        self.bases = [self.add_variable(shape, identities, name=f"basis_{n}") for n, shape in enumerate(squares)]

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
        fall = [field[name] for name in ("steps", "log_decay", "warmup", "linear_decay")]
        rate = field["learning_rate"] * rate_factor(done, *fall)

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
        moments = [ops.convert_to_tensor(moment) for moment in self.moments]
        if self._blocks:
            soap = field["soap"] > 0
            direction, *rotated, moments = self._rotated(gradient, first, second, t, momentum)
            step = ops.where(soap, rate * direction, step)
            new_first, new_second = (
                ops.where(soap, *pair) for pair in zip(rotated, (new_first, new_second), strict=True)
            )
        new = weights - step - rate * field["weight_decay"] * self._decayed * weights

        finite = ops.isfinite(norm) & ops.all(ops.isfinite(new), axis=1, keepdims=True)
        running = (done < field["steps"]) & (alive > 0) & self._groups.moves()
        moves = running & finite
        variable.assign(ops.where(moves, new, weights))
        self.first.assign(ops.where(moves, new_first, first))
        self.second.assign(ops.where(moves, new_second, second))
        self.row_steps.assign(ops.where(moves, t, done))
        self.alive.assign(ops.where(running & ops.logical_not(finite), 0.0, alive))
        for variable, moment in zip(self.moments, moments, strict=True):
            variable.assign(ops.where(moves[:, :, None, None], moment, ops.convert_to_tensor(variable)))

    def _rotated(
        self, gradient: Any, first: Any, second: Any, t: Any, momentum: Any
    ) -> tuple[Any, Any, Any, list[Any]]:
        """Returns the directions and moments of RowSOAP as rows, and its outer products."""
        parts = []
        for places, moment, basis in zip(self._blocks, self.moments, self.bases, strict=True):
            g, m, v = (ops.take(rows, places, axis=1) for rows in (gradient, first, second))
            matrix, q = ops.convert_to_tensor(moment), ops.convert_to_tensor(basis)
            parts.append(rotated_step(g, m, v, matrix, q, t[:, :, None], momentum[:, :, None]))
        order = np.argsort(np.concatenate([places.ravel() for places in self._blocks]))
        rows = (
            ops.concatenate([ops.reshape(part, (len(self._initial), -1)) for part in kind], axis=1)
            for kind in zip(*(part[:3] for part in parts), strict=True)
        )
        direction, first, second = (ops.take(row, order, axis=1) for row in rows)
        return direction, first, second, [part[3] for part in parts]

    def refresh(self) -> None:
        """Computes the bases of rows for which it is due, between two calls: LAPACK is far faster than XLA at it."""
        steps, before = (ops.convert_to_numpy(v)[:, 0].astype(int) for v in (self.row_steps, self.refreshed))
        soap = ops.convert_to_numpy(self.settings)[:, FIELDS.index("soap")] > 0
        due = np.flatnonzero(soap & (last_refresh(steps) > before)).tolist() if self._blocks else []
        if not due:
            return
        second = np.array(ops.convert_to_numpy(self.second))
        for places, moment, basis in zip(self._blocks, self.moments, self.bases, strict=True):
            values = second[:, places]
            values[due], bases = map(ops.convert_to_numpy, refreshed(values[due], ops.convert_to_numpy(moment)[due]))
            second[:, places] = values
            set_rows(basis, due, bases)
        self.second.assign(second)
        set_rows(self.refreshed, due, steps[due][:, None])

    def reset_row(self, row: int, settings: TrainingSettings) -> None:
        """Gives a row new settings, and starts it afresh."""
        if settings.optimizer == "row-soap" and not self._blocks:
            raise InputError("a population can take a member with row-soap only if it had one at its start")
        for variable in (self.first, self.second, self.row_steps, self.refreshed, *self.moments):
            set_rows(variable, row, 0.0)
        for basis in self.bases:
            set_rows(basis, row, np.eye(basis.shape[-1]))
        set_rows(self.alive, row, 1.0)
        set_rows(self.settings, row, _row(settings))

    def change_row(self, row: int, **changes: float) -> None:
        """Changes some settings of a row, named as in `FIELDS`."""
        settings = np.array(ops.convert_to_numpy(self.settings)[row])
        settings[[FIELDS.index(field) for field in changes]] = list(changes.values())
        set_rows(self.settings, row, settings)


class RefreshBases(keras.callbacks.Callback):
    """Has the `RowOptimizer` of a population compute bases after each call of the compiled graph, where it is due."""

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Called by Keras after each call of the compiled graph."""
        del batch, logs
        population: Any = self.model
        if population.optimizer.bases and keras.backend.backend() == "jax":
            population.jax_state_sync()
        population.optimizer.refresh()


FIELDS = (
    *("learning_rate", "log_decay", "warmup", "linear_decay", "momentum", "momentum_share", "clip_norm", "l2"),
    *("weight_decay", "steps", "adam", "rmsprop", "soap"),
)


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
            0.0 if settings.schedule else settings.warmup,
            not settings.schedule and settings.linear_decay,
            0.0 if settings.optimizer == "sgd" else settings.momentum,
            1.0 - settings.momentum,
            settings.clip_norm,
            settings.l2,
            settings.weight_decay,
            settings.steps,
            settings.optimizer == "adam",
            settings.optimizer == "rmsprop",
            settings.optimizer == "row-soap",
        ],
    )
