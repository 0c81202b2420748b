"""The minimal gated unit: a GRU with one gate."""

from typing import Any

from keras import ops

from keras_rnncap.cells.algebra import CellWeights
from keras_rnncap.cells.base import RecurrentCell
from keras_rnncap.cells.lookup import known_as


@known_as("mgu")
class MGUCell(RecurrentCell):
    """The minimal gated unit: one gate for what is updated and for what the candidate sees.

        f_t = sigmoid(W^fh h_{t-1} + W^fx x_t + b^f)
        c_t = s(W^ch (f_t h_{t-1}) + W^cx x_t + b^c)
        h_t = (1 - f_t) h_{t-1} + f_t c_t

    Source: Zhou, Wu, Zhang, Zhou (2016), arXiv 1603.09420, where s is tanh.

    Weights: `kernel` `(input_dim, 2 * units)`, `recurrent_kernel` `(units, 2 * units)` and `bias` `(2 * units,)` of the
    blocks forget (f), candidate (c); `initial_state` `(1, units)`. Arguments: those of `RecurrentCell`.

    Example:
    >>> tuple(keras.layers.RNN(MGUCell(4))(np.ones((32, 10, 8))).shape)
    (32, 4)
    """

    blocks = ("forget", "candidate")

    def step(self, x: Any, states: tuple[Any, ...], w: CellWeights) -> tuple[Any, ...]:
        """The equations."""
        (h,) = states
        fx, cx = w.of_input(x)
        (fh,) = w.of_state(h, 0, 1)
        f = ops.sigmoid(fh + fx)
        (ch,) = w.of_state(f * h, 1)
        return ((1 - f) * h + f * w.activation(ch + cx),)
