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

    One block: hidden. Arguments: those of `RecurrentCell`.

    Example:
    >>> tuple(keras.layers.RNN(RNNCell(4))(np.ones((32, 10, 8))).shape)
    (32, 4)
    """

    blocks = ("hidden",)
    # Appendix A leaves the identity to the IRNN.
    recurrent_kinds: ClassVar[tuple[MatrixKind, ...]] = ("orthogonal", "normal")

    def step(self, x: Any, states: tuple[Any, ...], w: CellWeights) -> tuple[Any, ...]:
        """Equation 1."""
        (h,) = states
        (a,) = w.of_both(x, h)
        return (w.activation(a),)
