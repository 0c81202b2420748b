"""The vanilla recurrent network that starts as the identity."""

from __future__ import annotations

from typing import Any

import keras

from keras_rnncap import initializers
from keras_rnncap.cells.lookup import known_as
from keras_rnncap.cells.rnn import RNNCell


@known_as("irnn")
class IRNNCell(RNNCell):
    """The IRNN: a vanilla RNN with ReLU, started at the identity with zero biases.

        h_t = ReLU(W^h h_{t-1} + W^x x_t + b^h),  W^h = 1 and b^h = 0 at the start

    Source: Le, Jaitly, Hinton (2015); Collins, Sohl-Dickstein, Sussillo (2017), eq. 1 and the note below it.

    Args:
        units: As for `RecurrentCell`.
        activation: ReLU and nothing else.
        recurrent_initializer: The identity, or a scaled one.
        **kwargs: As for `RecurrentCell`.

    Example:
    >>> tuple(keras.layers.RNN(IRNNCell(4))(np.ones((32, 10, 8))).shape)
    (32, 4)
    """

    activations = ("relu",)
    recurrent_kinds = ("identity",)
    tunes_bias = False

    def __init__(
        self,
        units: int,
        activation: Any = "relu",
        recurrent_initializer: initializers.Initializer = "identity",
        **kwargs: Any,
    ) -> None:
        super().__init__(units, activation=activation, recurrent_initializer=recurrent_initializer, **kwargs)
        if self.activation is not keras.activations.relu:
            raise ValueError(
                f"activation of an IRNNCell must be 'relu'; got {activation!r}. RNNCell takes any activation"
            )
