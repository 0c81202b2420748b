"""The three cells that an evolutionary search found."""

from typing import Any

from keras import ops

from keras_rnncap.cells.algebra import CellWeights
from keras_rnncap.cells.base import RecurrentCell
from keras_rnncap.cells.families import ProjectingCell
from keras_rnncap.cells.lookup import known_as


@known_as("mut1")
class MUT1Cell(ProjectingCell):
    """MUT1: an update gate of the input alone, and the input itself, through a tanh, in the candidate.

        z_t = sigmoid(W^zx x_t + b^z)
        r_t = sigmoid(W^rx x_t + W^rh h_{t-1} + b^r)
        c_t = s(W^ch (r_t h_{t-1}) + tanh(x_t) + b^c)
        h_t = z_t c_t + (1 - z_t) h_{t-1}

    Source: Jozefowicz, Zaremba, Sutskever (2015), section 4, where s is tanh. Unlike the GRU's gate u, z admits the
    candidate. Inputs of another width than `units` are projected.
    Weights: `kernel` `(units, 2 * units)` of the blocks update (z), reset (r), `recurrent_kernel` `(units, 2 * units)`
    of reset, candidate (c), `bias` `(3 * units,)` of all three; `initial_state` `(1, units)`; perhaps `projection`
    `(input_dim, units)`. Arguments: those of `ProjectingCell`.

    Example:
    >>> tuple(keras.layers.RNN(MUT1Cell(4))(np.ones((32, 10, 8))).shape)
    (32, 4)
    """

    blocks = ("update", "reset", "candidate")
    kernel_blocks = ("update", "reset")
    recurrent_blocks = ("reset", "candidate")
    activations = ("tanh",)

    def step(self, x: Any, states: tuple[Any, ...], w: CellWeights) -> tuple[Any, ...]:
        """MUT1 of section 4."""
        (h,) = states
        zx, rx, bias = w.of_input(x)
        (rh,) = w.of_state(h, 0, 1)
        z, r = ops.sigmoid(zx), ops.sigmoid(rx + rh)
        (ch,) = w.of_state(r * h, 1)
        c = w.activation(ch + ops.tanh(x) + bias)
        return (z * c + (1 - z) * h,)


@known_as("mut2")
class MUT2Cell(ProjectingCell):
    """MUT2: the input itself, without a matrix, in the reset gate.

        z_t = sigmoid(W^zx x_t + W^zh h_{t-1} + b^z)
        r_t = sigmoid(x_t + W^rh h_{t-1} + b^r)
        c_t = s(W^cx x_t + W^ch (r_t h_{t-1}) + b^c)
        h_t = z_t c_t + (1 - z_t) h_{t-1}

    Source: as `MUT1Cell`. Inputs of another width than `units` are projected.
    Weights: `kernel` `(units, 2 * units)` of the blocks update (z), candidate (c), `recurrent_kernel`
    `(units, 3 * units)` and `bias` `(3 * units,)` of these and reset (r); `initial_state` `(1, units)`; perhaps
    `projection` `(input_dim, units)`. Arguments: those of `ProjectingCell`.

    Example:
    >>> tuple(keras.layers.RNN(MUT2Cell(4))(np.ones((32, 10, 8))).shape)
    (32, 4)
    """

    blocks = ("update", "candidate", "reset")
    kernel_blocks = ("update", "candidate")
    recurrent_blocks = ("update", "candidate", "reset")
    activations = ("tanh",)

    def step(self, x: Any, states: tuple[Any, ...], w: CellWeights) -> tuple[Any, ...]:
        """MUT2 of section 4."""
        (h,) = states
        zx, cx, bias = w.of_input(x)
        (zh,), (rh,) = w.of_state(h, 0, 1), w.of_state(h, 2)
        z, r = ops.sigmoid(zx + zh), ops.sigmoid(x + rh + bias)
        (ch,) = w.of_state(r * h, 1, 2)
        c = w.activation(cx + ch)
        return (z * c + (1 - z) * h,)


@known_as("mut3")
class MUT3Cell(RecurrentCell):
    """MUT3: an update gate that sees the state through a tanh.

        z_t = sigmoid(W^zx x_t + W^zh tanh(h_{t-1}) + b^z)
        r_t = sigmoid(W^rx x_t + W^rh h_{t-1} + b^r)
        c_t = s(W^cx x_t + W^ch (r_t h_{t-1}) + b^c)
        h_t = z_t c_t + (1 - z_t) h_{t-1}

    Source: as `MUT1Cell`. Weights: `kernel` `(input_dim, 3 * units)`, `recurrent_kernel` `(units, 3 * units)` and
    `bias` `(3 * units,)` of the blocks update (z), reset (r), candidate (c); `initial_state` `(1, units)`. Arguments:
    those of `RecurrentCell`.

    Example:
    >>> tuple(keras.layers.RNN(MUT3Cell(4))(np.ones((32, 10, 8))).shape)
    (32, 4)
    """

    blocks = ("update", "reset", "candidate")
    activations = ("tanh",)

    def step(self, x: Any, states: tuple[Any, ...], w: CellWeights) -> tuple[Any, ...]:
        """MUT3 of section 4."""
        (h,) = states
        zx, rx, cx = w.of_input(x)
        (zh,), (rh,) = w.of_state(ops.tanh(h), 0, 1), w.of_state(h, 1, 2)
        z, r = ops.sigmoid(zx + zh), ops.sigmoid(rx + rh)
        (ch,) = w.of_state(r * h, 2)
        c = w.activation(cx + ch)
        return (z * c + (1 - z) * h,)
