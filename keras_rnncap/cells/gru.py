"""Gated units: the update gate RNN, and the gated recurrent unit, reset before and after the matrix."""

from typing import Any, ClassVar

from keras import ops

from keras_rnncap.cells.algebra import CellWeights
from keras_rnncap.cells.families import GatedCell
from keras_rnncap.cells.lookup import known_as


@known_as("ugrnn")
class UGRNNCell(GatedCell):
    """The update gate RNN: a vanilla RNN and one gate that carries the state over or updates it.

        c_t = s(W^ch h_{t-1} + W^cx x_t + b^c)
        g_t = sigmoid(W^gh h_{t-1} + W^gx x_t + b^g + b^fg)
        h_t = g_t h_{t-1} + (1 - g_t) c_t

    Source: Collins, Sohl-Dickstein, Sussillo (2017), eq. 2-4.

    Weights: `kernel` `(input_dim, 2 * units)`, `recurrent_kernel` `(units, 2 * units)` and `bias` `(2 * units,)` of the
    blocks candidate (c), gate (g); `initial_state` `(1, units)`. Arguments: those of `GatedCell`.

    Example:
    >>> tuple(keras.layers.RNN(UGRNNCell(4))(np.ones((32, 10, 8))).shape)
    (32, 4)
    """

    blocks = ("candidate", "gate")
    start: ClassVar = {
        "recurrent_scale": 1.2,
        "bias_scale": -0.3,
        "forget_bias": 0.0,
        "weight_decay": 2e-3,
        "patterns_per_parameter": 6.0,
    }

    def step(self, x: Any, states: tuple[Any, ...], w: CellWeights) -> tuple[Any, ...]:
        """Equations 2-4."""
        (h,) = states
        c, g = w.of_both(x, h)
        c = w.activation(c)
        g = ops.sigmoid(g + w.number("forget_bias"))
        return (g * h + (1 - g) * c,)


@known_as("gru")
class GRUCell(GatedCell):
    """The gated recurrent unit, reset before the matrix.

        u_t = sigmoid(W^uh h_{t-1} + W^ux x_t + b^u + b^fg)
        r_t = sigmoid(W^rh h_{t-1} + W^rx x_t + b^r)
        c_t = s(W^ch (r_t h_{t-1}) + W^cx x_t + b^c)
        h_t = u_t h_{t-1} + (1 - u_t) c_t

    Source: Cho et al. (2014); Collins, Sohl-Dickstein, Sussillo (2017), eq. 5-8. With `forget_bias=0` it is
    `keras.layers.GRUCell(reset_after=False)`, with the same order of blocks.

    Weights: `kernel` `(input_dim, 3 * units)`, `recurrent_kernel` `(units, 3 * units)` and `bias` `(3 * units,)` of the
    blocks update (u), reset (r), candidate (c); `initial_state` `(1, units)`. Arguments: those of `GatedCell`.

    Example:
    >>> tuple(keras.layers.RNN(GRUCell(4))(np.ones((32, 10, 8))).shape)
    (32, 4)
    """

    blocks = ("update", "reset", "candidate")
    start: ClassVar = GatedCell.start | {"centered": 1}

    def step(self, x: Any, states: tuple[Any, ...], w: CellWeights) -> tuple[Any, ...]:
        """Equations 5-8."""
        (h,) = states
        ux, rx, cx = w.of_input(x)
        uh, rh = w.of_state(h, 0, 2)
        u = ops.sigmoid(uh + ux + w.number("forget_bias"))
        r = ops.sigmoid(rh + rx)
        (ch,) = w.of_state(r * h, 2)
        c = w.activation(ch + cx)
        return (u * h + (1 - u) * c,)


@known_as("reset-after-gru")
class ResetAfterGRUCell(GatedCell):
    """The gated recurrent unit, reset after the matrix, with two biases for each block.

        r_t = sigmoid(W^rx x_t + b^r + W^rh h_{t-1} + b^rh)
        z_t = sigmoid(W^zx x_t + b^z + W^zh h_{t-1} + b^zh + b^fg)
        c_t = s(W^cx x_t + b^c + r_t (W^ch h_{t-1} + b^ch))
        h_t = (1 - z_t) c_t + z_t h_{t-1}

    Source: Mehta, eq. 3-6, where s is tanh and b^fg is 0: then it is `keras.layers.GRUCell()`, with the same order of
    blocks, and the GRU of PyTorch and of cuDNN.

    Weights: `kernel` `(input_dim, 3 * units)` and `recurrent_kernel` `(units, 3 * units)` of the blocks update (z),
    reset (r), candidate (c); `bias` `(6 * units,)` of these, update_recurrent (b^zh), reset_recurrent (b^rh) and
    candidate_recurrent (b^ch); `initial_state` `(1, units)`. Arguments: those of `GatedCell`, `forget_bias` being 0.

    Example:
    >>> tuple(keras.layers.RNN(ResetAfterGRUCell(4))(np.ones((32, 10, 8))).shape)
    (32, 4)
    """

    blocks = ("update", "reset", "candidate", "update_recurrent", "reset_recurrent", "candidate_recurrent")
    kernel_blocks = ("update", "reset", "candidate")
    recurrent_blocks = ("update", "reset", "candidate")

    def __init__(self, units: int, forget_bias: float = 0.0, **kwargs: Any) -> None:
        super().__init__(units, forget_bias=forget_bias, **kwargs)

    def step(self, x: Any, states: tuple[Any, ...], w: CellWeights) -> tuple[Any, ...]:
        """Equations 3-6."""
        (h,) = states
        zx, rx, cx, zb, rb, cb = w.of_input(x)
        zh, rh, ch = w.of_state(h)
        r = ops.sigmoid(rx + rh + rb)
        z = ops.sigmoid(zx + zh + zb + w.number("forget_bias"))
        c = w.activation(cx + r * (ch + cb))
        return ((1 - z) * c + z * h,)
