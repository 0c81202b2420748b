"""The intersection RNN, +RNN."""

from typing import Any, ClassVar

import keras
from keras import ops

from keras_rnncap.cells.algebra import CellWeights
from keras_rnncap.cells.families import GatedCell, ProjectingCell
from keras_rnncap.cells.lookup import known_as


@known_as("+rnn")
class IntersectionRNNCell(ProjectingCell, GatedCell):
    """The intersection RNN, written +RNN: one coupled gate through time and one through depth.

        y^in_t = s1(W^yh h_{t-1} + W^yx x_t + b^y)
        h^in_t = s2(W^hh h_{t-1} + W^hx x_t + b^h)
        g^y_t = sigmoid(W^gyh h_{t-1} + W^gyx x_t + b^gy + b^fg,y)
        g^h_t = sigmoid(W^ghh h_{t-1} + W^ghx x_t + b^gh + b^fg,h)
        y_t = g^y_t x_t + (1 - g^y_t) y^in_t
        h_t = g^h_t h_{t-1} + (1 - g^h_t) h^in_t

    Source: Collins, Sohl-Dickstein, Sussillo (2017), eq. 15-20, with s1 = ReLU and s2 = tanh as there. The paper leaves
    depth 1 out: eq. 19 needs inputs of width `units`, and others are projected, see `ProjectingCell`.

    Weights: `kernel` and `recurrent_kernel` `(units, 4 * units)` and `bias` `(4 * units,)` of the blocks output (y),
    hidden (h), output_gate (gy), hidden_gate (gh); `initial_state` `(1, units)`; perhaps `projection`
    `(input_dim, units)`. States: the output y, which is not read, and h.

    Args:
        activation, output_activation: s2 and s1.
        forget_bias, depth_forget_bias: b^fg,h and b^fg,y.
        **kwargs: As for `GatedCell` and `ProjectingCell`.

    Example:
    >>> tuple(keras.layers.RNN(IntersectionRNNCell(4))(np.ones((32, 10, 8))).shape)
    (32, 4)
    """

    blocks = ("output", "hidden", "output_gate", "hidden_gate")
    state_names = ("output", "hidden")
    learned_states = ("hidden",)
    activations = ("tanh",)
    searched: ClassVar = {"depth_forget_bias": (0.0, 6.0)}
    start: ClassVar = {
        "kernel_scale": 2.2,
        "recurrent_scale": 0.9,
        "projection_scale": 1.4,
        "forget_bias": 0.1,
        "depth_forget_bias": 0.1,
        "learning_rate": 0.03,
        "patterns_per_parameter": 4.7,
    }

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        output_activation: Any = "relu",
        depth_forget_bias: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(units, activation=activation, **kwargs)
        self.output_activation = keras.activations.get(output_activation)
        self.depth_forget_bias = float(depth_forget_bias)

    def step(self, x: Any, states: tuple[Any, ...], w: CellWeights) -> tuple[Any, ...]:
        """Equations 15-20."""
        _, h = states
        y_in, h_in, gy, gh = w.of_both(x, h)
        gy = ops.sigmoid(gy + w.number("depth_forget_bias"))
        gh = ops.sigmoid(gh + w.number("forget_bias"))
        y = gy * x + (1 - gy) * self.output_activation(y_in)
        h = gh * h + (1 - gh) * w.activation(h_in)
        return (y, h)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "output_activation": keras.activations.serialize(self.output_activation),
            "depth_forget_bias": self.depth_forget_bias,
        }
