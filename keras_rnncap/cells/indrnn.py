"""The independently recurrent network: units that see no other unit."""

from typing import Any

import keras

from keras_rnncap.cells.algebra import CellWeights, Weight
from keras_rnncap.cells.base import RecurrentCell
from keras_rnncap.cells.lookup import known_as
from keras_rnncap.initializers import Initializer


@known_as("indrnn")
class IndRNNCell(RecurrentCell):
    """The IndRNN, of which each unit sees the input and itself.

        h_t = s(W^x x_t + u h_{t-1} + b),  u a vector

    Source: Li, Li, Cook, Zhu, Gao (2018), arXiv 1803.04831, eq. 2, where s is ReLU. Units see each other where layers
    are stacked. u starts uniform in [0, 1]; for sequences of length T, the paper keeps |u| below 2^(1/T), which a
    `recurrent_constraint` can.

    Weights: `kernel` `(input_dim, units)`, `bias` and `recurrent_vector` (u) `(units,)`; `initial_state` `(1, units)`.
    Arguments: those of `RecurrentCell`, `activation` being `"relu"`; without W^h, `recurrent_dropout` must be 0.

    Example:
    >>> tuple(keras.layers.RNN(IndRNNCell(4))(np.ones((32, 10, 8))).shape)
    (32, 4)
    """

    blocks = ("hidden",)
    recurrent_blocks = ()
    activations = ("relu", "tanh")

    def __init__(
        self, units: int, activation: Any = "relu", recurrent_initializer: Initializer = None, **kwargs: Any
    ) -> None:
        if recurrent_initializer is None:
            recurrent_initializer = keras.initializers.RandomUniform(0.0, 1.0)
        super().__init__(units, activation=activation, recurrent_initializer=recurrent_initializer, **kwargs)

    def declare_weights(self, input_dim: int) -> list[Weight]:
        """Returns the matrix, the bias and the vector."""
        return [*super().declare_weights(input_dim), self.weight("recurrent_vector", (self.units,), "recurrent")]

    def step(self, x: Any, states: tuple[Any, ...], w: CellWeights) -> tuple[Any, ...]:
        """Equation 2."""
        (h,) = states
        (a,) = w.of_input(x)
        return (w.activation(a + w["recurrent_vector"] * h),)
