"""The vanilla recurrent network, and the one that starts as the identity."""

from typing import Any, ClassVar

import keras

from keras_rnncap.cells.algebra import CellWeights
from keras_rnncap.cells.base import RecurrentCell
from keras_rnncap.cells.lookup import known_as
from keras_rnncap.initializers import Initializer, MatrixKind


@known_as("rnn")
class RNNCell(RecurrentCell):
    """The vanilla RNN.

        h_t = s(W^h h_{t-1} + W^x x_t + b^h)

    Source: Collins, Sohl-Dickstein, Sussillo (2017), eq. 1. Weights: `kernel` `(input_dim, units)`, `recurrent_kernel`
    `(units, units)`, `bias` `(units,)`, `initial_state` `(1, units)`. Arguments: those of `RecurrentCell`.

    Example:
    >>> tuple(keras.layers.RNN(RNNCell(4))(np.ones((32, 10, 8))).shape)
    (32, 4)
    """

    blocks = ("hidden",)
    # Appendix A leaves the identity to the IRNN.
    recurrent_kinds: ClassVar[tuple[MatrixKind, ...]] = ("orthogonal", "normal")
    start: ClassVar = {
        "kernel_scale": 1.5,
        "recurrent_scale": 1.0,
        "weight_decay": 1e-2,
        "patterns_per_parameter": 6.5,
        "patterns_power": 0.1,
        "centered": 1,
    }

    def step(self, x: Any, states: tuple[Any, ...], w: CellWeights) -> tuple[Any, ...]:
        """Equation 1."""
        (h,) = states
        (a,) = w.of_both(x, h)
        return (w.activation(a),)


@known_as("two-bias-rnn")
class TwoBiasRNNCell(RecurrentCell):
    """The vanilla RNN with a bias for the input and one for the state.

        h_t = s(W^x x_t + b^x + W^h h_{t-1} + b^h)

    The two add up to one, but start and train apart: each step of Adam moves their sum twice as far.

    Source: Mehta, eq. 1, where s is tanh; the RNN of PyTorch. Weights: `kernel` `(input_dim, units)`,
    `recurrent_kernel` `(units, units)`, `bias` `(2 * units,)` of the blocks hidden (b^x) and hidden_recurrent (b^h),
    `initial_state` `(1, units)`. Arguments: those of `RecurrentCell`.

    Example:
    >>> tuple(keras.layers.RNN(TwoBiasRNNCell(4))(np.ones((32, 10, 8))).shape)
    (32, 4)
    """

    blocks = ("hidden", "hidden_recurrent")
    kernel_blocks = ("hidden",)
    recurrent_blocks = ("hidden",)
    recurrent_kinds: ClassVar[tuple[MatrixKind, ...]] = RNNCell.recurrent_kinds
    start: ClassVar = RNNCell.start

    def step(self, x: Any, states: tuple[Any, ...], w: CellWeights) -> tuple[Any, ...]:
        """Equation 1."""
        (h,) = states
        hx, b = w.of_input(x)
        (hh,) = w.of_state(h)
        return (w.activation(hx + hh + b),)


@known_as("irnn")
class IRNNCell(RNNCell):
    """The IRNN: a vanilla RNN with ReLU, started at the identity with zero biases.

        h_t = ReLU(W^h h_{t-1} + W^x x_t + b^h),  W^h = 1 and b^h = 0 at the start

    Source: Le, Jaitly, Hinton (2015); Collins, Sohl-Dickstein, Sussillo (2017), eq. 1 and the note below it. Weights:
    those of `RNNCell`.

    Args:
        activation: ReLU and nothing else.
        recurrent_initializer: The identity, or a scaled one.

    Example:
    >>> tuple(keras.layers.RNN(IRNNCell(4))(np.ones((32, 10, 8))).shape)
    (32, 4)
    """

    activations = ("relu",)
    recurrent_kinds = ("identity",)
    start: ClassVar = {"patterns_per_parameter": 5.0}
    tunes_bias = False

    def __init__(
        self,
        units: int,
        activation: Any = "relu",
        recurrent_initializer: Initializer = "identity",
        **kwargs: Any,
    ) -> None:
        super().__init__(units, activation=activation, recurrent_initializer=recurrent_initializer, **kwargs)
        if self.activation is not keras.activations.relu:
            raise ValueError(
                f"activation of an IRNNCell must be 'relu'; got {activation!r}. RNNCell takes any activation"
            )
