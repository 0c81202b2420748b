"""The long short-term memory: of Collins et al. (2017), and of Jozefowicz et al. (2015), whole and without a gate."""

from typing import Any, ClassVar

from keras import ops

from keras_rnncap.cells.algebra import CellWeights
from keras_rnncap.cells.base import RecurrentCell
from keras_rnncap.cells.families import GatedCell
from keras_rnncap.cells.lookup import known_as


@known_as("lstm")
class LSTMCell(GatedCell):
    """The long short-term memory.

        i_t = sigmoid(W^ih h_{t-1} + W^ix x_t + b^i)
        f_t = sigmoid(W^fh h_{t-1} + W^fx x_t + b^f + b^fg)
        c^in_t = s(W^ch h_{t-1} + W^cx x_t + b^c)
        c_t = f_t c_{t-1} + i_t c^in_t
        o_t = sigmoid(W^oh h_{t-1} + W^ox x_t + b^o)
        h_t = o_t tanh(c_t)

    Source: Hochreiter, Schmidhuber (1997); Collins, Sohl-Dickstein, Sussillo (2017), eq. 9-14. With `forget_bias=0` it
    is `keras.layers.LSTMCell`, with the same order of blocks; the last tanh stays tanh whatever `activation` is.

    Weights: `kernel` `(input_dim, 4 * units)`, `recurrent_kernel` `(units, 4 * units)` and `bias` `(4 * units,)` of the
    blocks input (i), forget (f), candidate (c), output (o); `initial_state` `(2, units)`: a row for h, one for c.
    Arguments: those of `GatedCell`.

    Example:
    >>> tuple(keras.layers.RNN(LSTMCell(4))(np.ones((32, 10, 8))).shape)
    (32, 4)
    """

    blocks = ("input", "forget", "candidate", "output")
    state_names = ("hidden", "cell")
    learned_states = ("hidden", "cell")
    start: ClassVar = GatedCell.start | {"patterns_per_parameter": 6.2}

    def step(self, x: Any, states: tuple[Any, ...], w: CellWeights) -> tuple[Any, ...]:
        """Equations 9-14."""
        h, c = states
        i, f, c_in, o = w.of_both(x, h)
        c = ops.sigmoid(f + w.number("forget_bias")) * c + ops.sigmoid(i) * w.activation(c_in)
        return (ops.sigmoid(o) * ops.tanh(c), c)


class _AnyGates(RecurrentCell):
    """The equation of `TanhLSTMCell`, where a gate that `blocks` does not name is 1."""

    state_names = ("hidden", "cell")
    learned_states = ("hidden", "cell")
    activations = ("tanh",)

    def step(self, x: Any, states: tuple[Any, ...], w: CellWeights) -> tuple[Any, ...]:
        """Equations of section 2."""
        h, c = states
        a = dict(zip(self.blocks, w.of_both(x, h), strict=True))
        c_in = w.activation(a["candidate"])
        c_in = ops.sigmoid(a["input"]) * c_in if "input" in a else c_in
        c = ops.sigmoid(a["forget"] + w.number("forget_bias")) * c + c_in if "forget" in a else c + c_in
        h = ops.tanh(c) * ops.tanh(a["output"]) if "output" in a else ops.tanh(c)
        return (h, c)


@known_as("tanh-lstm")
class TanhLSTMCell(_AnyGates, GatedCell):
    """The long short-term memory of Jozefowicz et al.: `LSTMCell` whose output gate is a tanh.

        i_t = sigmoid(W^ih h_{t-1} + W^ix x_t + b^i)
        f_t = sigmoid(W^fh h_{t-1} + W^fx x_t + b^f + b^fg)
        c^in_t = s(W^ch h_{t-1} + W^cx x_t + b^c)
        c_t = f_t c_{t-1} + i_t c^in_t
        o_t = tanh(W^oh h_{t-1} + W^ox x_t + b^o)
        h_t = o_t tanh(c_t)

    Source: Jozefowicz, Zaremba, Sutskever (2015), section 2, whose i is c^in here, and whose j is i. There s is tanh.
    Weights: those of `LSTMCell`. Arguments: those of `GatedCell`, with a `forget_bias` of 0.

    Example:
    >>> tuple(keras.layers.RNN(TanhLSTMCell(4))(np.ones((32, 10, 8))).shape)
    (32, 4)
    """

    blocks: ClassVar[tuple[str, ...]] = ("input", "forget", "candidate", "output")

    def __init__(self, units: int, forget_bias: float = 0.0, **kwargs: Any) -> None:
        super().__init__(units, forget_bias=forget_bias, **kwargs)


@known_as("lstm-b")
class ForgetBiasLSTMCell(TanhLSTMCell):
    """The LSTM-b: `TanhLSTMCell` whose forget gate has a bias of 1.

    Source: Jozefowicz, Zaremba, Sutskever (2015), sections 2.2 and 4, who start b^f at 1 instead.

    Example:
    >>> ForgetBiasLSTMCell(4).forget_bias
    1.0
    """

    def __init__(self, units: int, forget_bias: float = 1.0, **kwargs: Any) -> None:
        super().__init__(units, forget_bias=forget_bias, **kwargs)


@known_as("lstm-i")
class NoInputGateLSTMCell(TanhLSTMCell):
    """The LSTM-i of Jozefowicz et al. (2015), section 4: `TanhLSTMCell` without its input gate, i_t = 1.

    Example:
    >>> NoInputGateLSTMCell.blocks
    ('forget', 'candidate', 'output')
    """

    blocks = ("forget", "candidate", "output")


@known_as("lstm-o")
class NoOutputGateLSTMCell(TanhLSTMCell):
    """The LSTM-o of Jozefowicz et al. (2015), section 4: `TanhLSTMCell` without its output gate, h_t = tanh(c_t).

    Example:
    >>> NoOutputGateLSTMCell.blocks
    ('input', 'forget', 'candidate')
    """

    blocks = ("input", "forget", "candidate")


@known_as("lstm-f")
class NoForgetGateLSTMCell(_AnyGates):
    """The LSTM-f of Jozefowicz et al. (2015), section 4: `TanhLSTMCell` without its forget gate, f_t = 1.

    Arguments: those of `RecurrentCell`.

    Example:
    >>> NoForgetGateLSTMCell.blocks
    ('input', 'candidate', 'output')
    """

    blocks = ("input", "candidate", "output")
