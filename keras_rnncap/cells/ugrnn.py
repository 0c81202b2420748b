"""The update gate RNN."""

from __future__ import annotations

from typing import Any

from keras import ops

from keras_rnncap.cells.algebra import CellWeights
from keras_rnncap.cells.families import GatedCell
from keras_rnncap.cells.lookup import known_as


@known_as("ugrnn")
class UGRNNCell(GatedCell):
    """The update gate RNN: a vanilla RNN and one gate that carries the state over or updates it.

        c_t = s(W^ch h_{t-1} + W^cx x_t + b^c)
        g_t = sigmoid(W^gh h_{t-1} + W^gx x_t + b^g + b^fg)
        h_t = g_t h_{t-1} + (1 - g_t) c_t

    Source: Collins, Sohl-Dickstein, Sussillo (2017), eq. 2-4.

    Blocks: candidate (c), gate (g). Arguments: those of `GatedCell`.

    Example:
    >>> tuple(keras.layers.RNN(UGRNNCell(4))(np.ones((32, 10, 8))).shape)
    (32, 4)
    """

    blocks = ("candidate", "gate")

    def step(self, x: Any, states: tuple[Any, ...], w: CellWeights) -> tuple[Any, ...]:
        """Equations 2-4."""
        (h,) = states
        c, g = w.of_both(x, h)
        c = w.activation(c)
        g = ops.sigmoid(g + w.number("forget_bias"))
        return (g * h + (1 - g) * c,)
