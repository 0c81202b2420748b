"""The minimal GRU and LSTM: gates that do not see the state, so that all time steps can be computed at once."""

from typing import Any

from keras import ops

from keras_rnncap.cells.algebra import CellWeights
from keras_rnncap.cells.families import LinearCell
from keras_rnncap.cells.lookup import known_as


@known_as("mingru")
class MinGRUCell(LinearCell):
    """The minimal GRU, whose gate and candidate see the input alone; linear in its state, and parallel in time.

        z_t = sigmoid(W^zx x_t + b^z)
        c_t = s(W^cx x_t + b^c)
        h_t = (1 - z_t) h_{t-1} + z_t c_t

    Source: Feng, Tung, Ahmed, Bengio, Hajimirsadeghi (2024), arXiv 2410.01201, section 3.1, where s is the identity.

    Weights: `kernel` `(input_dim, 2 * units)` and `bias` `(2 * units,)` of the blocks gate (z), candidate (c);
    `initial_state` `(1, units)`. Arguments: those of `RecurrentCell`, `activation` being `"linear"`; without W^h,
    `recurrent_dropout` must be 0.

    Example:
    >>> tuple(keras.layers.RNN(MinGRUCell(4))(np.ones((32, 10, 8))).shape)
    (32, 4)
    """

    blocks = ("gate", "candidate")
    recurrent_blocks = ()

    def kept_and_added(self, x: Any, w: CellWeights) -> tuple[Any, Any]:
        """The equation."""
        z, c = w.of_input(x)
        return ops.sigmoid(-z), ops.sigmoid(z) * w.activation(c)


@known_as("minlstm")
class MinLSTMCell(LinearCell):
    """The minimal LSTM, whose gates see the input alone and add up to 1; linear in its state, and parallel in time.

        f_t = sigmoid(W^fx x_t + b^f)
        i_t = sigmoid(W^ix x_t + b^i)
        c_t = s(W^cx x_t + b^c)
        h_t = (f_t h_{t-1} + i_t c_t) / (f_t + i_t)

    Source: Feng, Tung, Ahmed, Bengio, Hajimirsadeghi (2024), arXiv 2410.01201, section 3.2, where s is the identity.

    Weights: `kernel` `(input_dim, 3 * units)` and `bias` `(3 * units,)` of the blocks forget (f), input (i), candidate
    (c); `initial_state` `(1, units)`. Arguments: those of `RecurrentCell`, `activation` being `"linear"`; without W^h,
    `recurrent_dropout` must be 0.

    Example:
    >>> tuple(keras.layers.RNN(MinLSTMCell(4))(np.ones((32, 10, 8))).shape)
    (32, 4)
    """

    blocks = ("forget", "input", "candidate")
    recurrent_blocks = ()

    def kept_and_added(self, x: Any, w: CellWeights) -> tuple[Any, Any]:
        """The equation."""
        f, i, c = w.of_input(x)
        # f / (f + i) of two sigmoids, without a division of small numbers.
        kept = ops.sigmoid(ops.softplus(-i) - ops.softplus(-f))
        return kept, (1 - kept) * w.activation(c)
