"""JANET: just another network, an LSTM with nothing but a forget gate."""

from typing import Any

from keras import ops

from keras_rnncap.cells.algebra import CellWeights
from keras_rnncap.cells.base import RecurrentCell
from keras_rnncap.cells.lookup import known_as
from keras_rnncap.errors import check_integer, check_number
from keras_rnncap.initializers import Chrono, Initializer


@known_as("janet")
class JANETCell(RecurrentCell):
    """JANET: the LSTM reduced to its forget gate, taking in a little more than it lets go.

        s_t = W^sh h_{t-1} + W^sx x_t + b^s
        c_t = s(W^ch h_{t-1} + W^cx x_t + b^c)
        h_t = sigmoid(s_t) h_{t-1} + (1 - sigmoid(s_t - beta)) c_t

    Source: van der Westhuizen, Lasenby (2018), arXiv 1804.04849, where s is tanh. b^s starts at log(u), u uniform
    in [1, longest - 1]: the chrono initialization of Tallec, Ollivier (2018).

    Weights: `kernel` `(input_dim, 2 * units)`, `recurrent_kernel` `(units, 2 * units)` and `bias` `(2 * units,)` of the
    blocks forget (s), candidate (c); `initial_state` `(1, units)`.

    Args:
        beta: What is subtracted from the forget gate's s_t to let in.
        longest: Time steps of the longest dependency, at least 3, for the default `bias_initializer`.
        **kwargs: As for `RecurrentCell`.

    Example:
    >>> tuple(keras.layers.RNN(JANETCell(4))(np.ones((32, 10, 8))).shape)
    (32, 4)
    """

    blocks = ("forget", "candidate")
    tunes_bias = False

    def __init__(
        self, units: int, beta: float = 1.0, longest: int = 100, bias_initializer: Initializer = None, **kwargs: Any
    ) -> None:
        beta, longest = check_number("beta", beta, 0.0), check_integer("longest", longest, 3)
        if bias_initializer is None:
            bias_initializer = {"forget": Chrono(longest), "candidate": "zeros"}
        super().__init__(units, bias_initializer=bias_initializer, **kwargs)
        self.beta, self.longest = beta, longest

    def step(self, x: Any, states: tuple[Any, ...], w: CellWeights) -> tuple[Any, ...]:
        """The equations."""
        (h,) = states
        s, c = w.of_both(x, h)
        return (ops.sigmoid(s) * h + ops.sigmoid(self.beta - s) * w.activation(c),)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "beta": self.beta, "longest": self.longest}
