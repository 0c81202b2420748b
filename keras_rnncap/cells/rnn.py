"""The vanilla recurrent network."""

from __future__ import annotations

from typing import Any, ClassVar

from keras_rnncap.cells.algebra import CellWeights
from keras_rnncap.cells.base import RecurrentCell
from keras_rnncap.cells.lookup import known_as
from keras_rnncap.initializers import MatrixKind


@known_as("rnn")
class RNNCell(RecurrentCell):
    """The vanilla RNN.

        h_t = s(W^h h_{t-1} + W^x x_t + b^h)

    Source: Collins, Sohl-Dickstein, Sussillo (2017), eq. 1.

    Weights: `kernel` `(input_dim, units)`, `recurrent_kernel` `(units, units)`, `bias` `(units,)`, `initial_state`
    `(1, units)`. Arguments, call arguments and errors are those of `RecurrentCell`.

    Example:
    >>> outputs = keras.layers.RNN(RNNCell(4))(np.ones((32, 10, 8)))
    >>> tuple(outputs.shape)
    (32, 4)
    """

    blocks = ("hidden",)
    recurrent_kinds: ClassVar[tuple[MatrixKind, ...]] = (
        "orthogonal",
        "normal",
    )  # the identity is left to the IRNN (appendix A)

    def step(self, x: Any, states: tuple[Any, ...], w: CellWeights) -> tuple[Any, ...]:
        """Equation 1."""
        (h,) = states
        (a,) = w.of_both(x, h)
        return (w.activation(a),)
