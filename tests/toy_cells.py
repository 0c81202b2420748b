"""Cells that are not three matrices: what a user could write, for tests of everything that takes a cell."""

import keras
from keras import ops

from keras_rnncap import RecurrentCell, State, UGRNNCell, Weight


@keras.saving.register_keras_serializable(package="toy")
class DiagonalCell(RecurrentCell):
    """h' = s(W x + b + u h): a vector where others have a matrix."""

    blocks = ("hidden",)
    recurrent_blocks = ()

    def declare_weights(self, input_dim):
        uniform = keras.initializers.RandomUniform(-0.9, 0.9)
        return [*super().declare_weights(input_dim), Weight("recurrent_vector", (self.units,), uniform)]

    def step(self, x, states, w):
        (h,) = states
        (a,) = w.of_input(x)
        return (w.activation(a + w["recurrent_vector"] * h),)


@keras.saving.register_keras_serializable(package="toy")
class GatedInputCell(RecurrentCell):
    """h' = (1 - z) h + z W x, z = sigmoid(V x + c): no recurrent matrix, linear in the state, parallel in time."""

    blocks = ("gate", "candidate")
    recurrent_blocks = ()

    def step(self, x, states, w):
        (h,) = states
        z, c = w.of_input(x)
        z = ops.sigmoid(z)
        return ((1 - z) * h + z * c,)

    def scan(self, xs, states, w):
        (h,) = states
        z, c = w.of_input(xs)
        z = ops.sigmoid(z)
        kept, added = 1 - z, z * c
        added = ops.concatenate([added[:, :1] + kept[:, :1] * h[:, None], added[:, 1:]], axis=1)

        def both(one, other):
            return one[0] * other[0], other[0] * one[1] + other[1]

        return (ops.associative_scan(both, (kept, added), axis=1)[1],)


@keras.saving.register_keras_serializable(package="toy")
class DeltaCell(RecurrentCell):
    """S' = S + k (b (v - S^T k))^T, y = S'^T q + d: a matrix state of 3 rows, an output of its own, a scalar weight."""

    rows = 3
    searched = {"rate": (0.0, 1.0)}  # noqa: RUF012

    def __init__(self, units, rate=0.5, **kwargs):
        super().__init__(units, **kwargs)
        self.rate = float(rate)

    def get_config(self):
        return {**super().get_config(), "rate": self.rate}

    def declare_weights(self, input_dim):
        return [
            Weight("keys", (input_dim, 2 * self.rows), "glorot_uniform", ("key", "query"), dropout="input"),
            Weight("values", (input_dim, self.units), "glorot_uniform", dropout="input"),
            Weight("table", (self.rows, self.units), "glorot_uniform"),
            Weight("shift", (), "ones"),
        ]

    def declare_states(self):
        return [State("output", (self.units,), learned=False), State("memory", (self.rows, self.units))]

    def step(self, x, states, w):
        _, S = states
        k, q = w.split(w.matmul("keys", x), 2)
        v = w.matmul("values", x)
        k = k / ops.sqrt(w.sum(k * k) + 1.0)
        S = S * w["table"] + w.outer(k, w.number("rate") * (v - w.apply_transposed(S, k)))
        return (w.activation(w.apply_transposed(S, q) + w["shift"]), S)


@keras.saving.register_keras_serializable(package="toy")
class LeakyUGRNNCell(UGRNNCell):
    """h' = l h + (1 - l) UGRNN(x, h): an equation around another, with a number to search."""

    searched = {"leak": (0.0, 0.9)}  # noqa: RUF012

    def __init__(self, units, leak=0.2, **kwargs):
        super().__init__(units, **kwargs)
        self.leak = float(leak)

    def get_config(self):
        return {**super().get_config(), "leak": self.leak}

    def step(self, x, states, w):
        (new,) = super().step(x, states, w)
        leak = w.number("leak")
        return (leak * states[0] + (1 - leak) * new,)


TOYS = (DiagonalCell, GatedInputCell, DeltaCell, LeakyUGRNNCell)
