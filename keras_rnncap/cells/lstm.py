"""The long short-term memory."""

from __future__ import annotations

from typing import Any

from keras import ops

from keras_rnncap.cells.algebra import CellWeights
from keras_rnncap.cells.families import GatedCell
from keras_rnncap.cells.lookup import known_as


@known_as("lstm")
class LSTMCell(GatedCell):
    """The long short-term memory.

        i_t = sigmoid(W^ih h_{t-1} + W^ix x_t + b^i)
        f_t = sigmoid(W^fh h_{t-1} + W^fx x_t + b^f + b^fg)
        c^in_t = s(W^ch h_{t-1} + W^cx x_t + b^c)
        c_t = f_t c_{t-1} + i_t c^in_t
        o_t = sigmoid(W^oh h_{t-1} + W^ox x_t + b^o)
        h_t = o_t tanh(c_t)

    Source: Hochreiter, Schmidhuber (1997); Collins, Sohl-Dickstein, Sussillo (2017), eq. 9-14. With `forget_bias=0` it
    is `keras.layers.LSTMCell`, with the same order of blocks; the last tanh stays tanh whatever `activation` is.

    Blocks: input (i), forget (f), candidate (c), output (o). The rows of `initial_state` are h and c. Arguments: those
    of `GatedCell`.

    Example:
    >>> tuple(keras.layers.RNN(LSTMCell(4))(np.ones((32, 10, 8))).shape)
    (32, 4)
    """

    blocks = ("input", "forget", "candidate", "output")
    state_names = ("hidden", "cell")
    learned_states = ("hidden", "cell")

    def step(self, x: Any, states: tuple[Any, ...], w: CellWeights) -> tuple[Any, ...]:
        """Equations 9-14."""
        h, c = states
        i, f, c_in, o = w.of_both(x, h)
        c = ops.sigmoid(f + w.number("forget_bias")) * c + ops.sigmoid(i) * w.activation(c_in)
        return (ops.sigmoid(o) * ops.tanh(c), c)
