"""Twins of gated cells whose gates see the input alone: without W^h of the gates, and otherwise the same."""

from typing import Any

import keras
from keras import ops

from keras_rnncap.cells import CellWeights, GRUCell, LSTMCell, MGUCell, UGRNNCell


@keras.saving.register_keras_serializable("keras_rnncap")
class BlindUGRNNCell(UGRNNCell):
    """The `UGRNNCell` with `g_t = sigmoid(W^gx x_t + b^g + b^fg)`."""

    blocks = ("candidate", "gate")
    recurrent_blocks = ("candidate",)

    def step(self, x: Any, states: tuple[Any, ...], w: CellWeights) -> tuple[Any, ...]:
        """The equations."""
        (h,) = states
        c, g = w.of_input(x)
        (ch,) = w.of_state(h)
        g = ops.sigmoid(g + w.number("forget_bias"))
        return (g * h + (1 - g) * w.activation(c + ch),)


@keras.saving.register_keras_serializable("keras_rnncap")
class BlindGRUCell(GRUCell):
    """The `GRUCell` with `u_t` and `r_t` of the input alone."""

    blocks = ("update", "reset", "candidate")
    recurrent_blocks = ("candidate",)

    def step(self, x: Any, states: tuple[Any, ...], w: CellWeights) -> tuple[Any, ...]:
        """The equations."""
        (h,) = states
        u, r, cx = w.of_input(x)
        u = ops.sigmoid(u + w.number("forget_bias"))
        (ch,) = w.of_state(ops.sigmoid(r) * h)
        return (u * h + (1 - u) * w.activation(cx + ch),)


@keras.saving.register_keras_serializable("keras_rnncap")
class BlindLSTMCell(LSTMCell):
    """The `LSTMCell` with `i_t`, `f_t` and `o_t` of the input alone."""

    blocks = ("input", "forget", "candidate", "output")
    recurrent_blocks = ("candidate",)

    def step(self, x: Any, states: tuple[Any, ...], w: CellWeights) -> tuple[Any, ...]:
        """The equations."""
        h, c = states
        i, f, c_in, o = w.of_input(x)
        (ch,) = w.of_state(h)
        c = ops.sigmoid(f + w.number("forget_bias")) * c + ops.sigmoid(i) * w.activation(c_in + ch)
        return (ops.sigmoid(o) * ops.tanh(c), c)


@keras.saving.register_keras_serializable("keras_rnncap")
class BlindMGUCell(MGUCell):
    """The `MGUCell` with `f_t` of the input alone."""

    blocks = ("forget", "candidate")
    recurrent_blocks = ("candidate",)

    def step(self, x: Any, states: tuple[Any, ...], w: CellWeights) -> tuple[Any, ...]:
        """The equations."""
        (h,) = states
        f, cx = w.of_input(x)
        f = ops.sigmoid(f)
        (ch,) = w.of_state(f * h)
        return ((1 - f) * h + f * w.activation(cx + ch),)


TWINS = {"ugrnn": BlindUGRNNCell, "gru": BlindGRUCell, "lstm": BlindLSTMCell, "mgu": BlindMGUCell}
"""The twin of each cell that has one."""
