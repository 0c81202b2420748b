"""FastGRNN: a gate and a candidate that share their matrices, for small devices."""

from typing import Any

import keras
from keras import ops

from keras_rnncap.cells.algebra import CellWeights, Weight
from keras_rnncap.cells.base import RecurrentCell
from keras_rnncap.cells.lookup import known_as

STARTS = {"zeta": 1.0, "nu": -4.0}
"""What the two numbers start at, before the sigmoid."""


@known_as("fastgrnn")
class FastGRNNCell(RecurrentCell):
    """FastGRNN: gate and candidate differ in their biases alone; two learned numbers weigh them.

        a_t = W^h h_{t-1} + W^x x_t
        z_t = sigmoid(a_t + b^z)
        c_t = s(a_t + b^c)
        h_t = (sigmoid(zeta) (1 - z_t) + sigmoid(nu)) c_t + z_t h_{t-1}

    Source: Kusupati, Singh, Bhatia, Kumar, Jain, Varma (2018), arXiv 1901.02358, section 3.2, where s is tanh.

    Weights: `kernel` `(input_dim, units)`, `recurrent_kernel` `(units, units)`, `bias` `(2 * units,)` of the blocks
    gate (z), candidate (c), `zeta` and `nu` `()`, which start at 1 and -4; `initial_state` `(1, units)`. Initializers
    of the matrices are for the block gate. Arguments: those of `RecurrentCell`.

    Example:
    >>> tuple(keras.layers.RNN(FastGRNNCell(4))(np.ones((32, 10, 8))).shape)
    (32, 4)
    """

    blocks = ("gate", "candidate")
    kernel_blocks = ("gate",)
    recurrent_blocks = ("gate",)

    def declare_weights(self, input_dim: int) -> list[Weight]:
        """Returns the matrices, the bias and the two numbers."""
        numbers = [Weight(name, (), keras.initializers.Constant(value)) for name, value in STARTS.items()]
        return [*super().declare_weights(input_dim), *numbers]

    def step(self, x: Any, states: tuple[Any, ...], w: CellWeights) -> tuple[Any, ...]:
        """The equations of section 3.2."""
        (h,) = states
        a = w.matmul("recurrent_kernel", h) + w.matmul("kernel", x)
        of_gate, of_candidate = w.split(w["bias"], 2) if self.use_bias else (0.0, 0.0)
        z, c = ops.sigmoid(a + of_gate), w.activation(a + of_candidate)
        return ((ops.sigmoid(w["zeta"]) * (1 - z) + ops.sigmoid(w["nu"])) * c + z * h,)
