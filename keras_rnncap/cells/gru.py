"""The gated recurrent unit."""

from __future__ import annotations

from typing import Any

from keras import ops

from keras_rnncap.cells.algebra import CellWeights
from keras_rnncap.cells.families import GatedCell
from keras_rnncap.cells.lookup import known_as


@known_as("gru")
class GRUCell(GatedCell):
    """The gated recurrent unit, reset before the matrix.

        u_t = sigmoid(W^uh h_{t-1} + W^ux x_t + b^u + b^fg)
        r_t = sigmoid(W^rh h_{t-1} + W^rx x_t + b^r)
        c_t = s(W^ch (r_t h_{t-1}) + W^cx x_t + b^c)
        h_t = u_t h_{t-1} + (1 - u_t) c_t

    Source: Cho et al. (2014); Collins, Sohl-Dickstein, Sussillo (2017), eq. 5-8. With `forget_bias=0` it is
    `keras.layers.GRUCell(reset_after=False)`, with the same order of blocks.

    Blocks: update (u), reset (r), candidate (c). Arguments: those of `GatedCell`.

    Example:
    >>> tuple(keras.layers.RNN(GRUCell(4))(np.ones((32, 10, 8))).shape)
    (32, 4)
    """

    blocks = ("update", "reset", "candidate")

    def step(self, x: Any, states: tuple[Any, ...], w: CellWeights) -> tuple[Any, ...]:
        """Equations 5-8."""
        (h,) = states
        ux, rx, cx = w.of_input(x)
        uh, rh = w.of_state(h, 0, 2)
        u = ops.sigmoid(uh + ux + w.number("forget_bias"))
        r = ops.sigmoid(rh + rx)
        (ch,) = w.of_state(r * h, 2)
        c = w.activation(ch + cx)
        return (u * h + (1 - u) * c,)
