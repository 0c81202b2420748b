"""The long short-term memory of Jozefowicz et al. (2015), whole and without one of its gates."""

from __future__ import annotations

from typing import Any, ClassVar

from keras import ops

from keras_rnncap.cells.algebra import CellWeights
from keras_rnncap.cells.base import GatedCell, RecurrentCell
from keras_rnncap.cells.lookup import known_as


def _step(cell: Any, x: Any, states: tuple[Any, ...], w: CellWeights) -> tuple[Any, ...]:
    """The equation of `TanhLSTMCell`, where a gate that `blocks` does not name is 1."""
    h, c = states
    a = dict(zip(cell.blocks, w.of_both(x, h), strict=True))
    c_in = w.activation(a["candidate"])
    c_in = ops.sigmoid(a["input"]) * c_in if "input" in a else c_in
    c = ops.sigmoid(a["forget"] + w.number("forget_bias")) * c + c_in if "forget" in a else c + c_in
    h = ops.tanh(c) * ops.tanh(a["output"]) if "output" in a else ops.tanh(c)
    return (h, c)


@known_as("tanh-lstm")
class TanhLSTMCell(GatedCell):
    """The long short-term memory of Jozefowicz et al., whose output gate is a tanh.

        i_t = sigmoid(W^ih h_{t-1} + W^ix x_t + b^i)
        f_t = sigmoid(W^fh h_{t-1} + W^fx x_t + b^f + b^fg)
        c^in_t = s(W^ch h_{t-1} + W^cx x_t + b^c)
        c_t = f_t c_{t-1} + i_t c^in_t
        o_t = tanh(W^oh h_{t-1} + W^ox x_t + b^o)
        h_t = o_t tanh(c_t)

    Source: Jozefowicz, Zaremba, Sutskever (2015), section 2, whose i is c^in here, and whose j is i. There s is tanh
    and b^fg is 0, or 1 in the LSTM-b, which is `ForgetBiasLSTMCell`.

    Weights: `kernel` `(input_dim, 4 * units)`, `recurrent_kernel` `(units, 4 * units)`, `bias` `(4 * units,)` with the
    blocks input (i), forget (f), candidate (c) and output (o), `initial_state` `(2, units)`: a row for h, one for c.
    Arguments, call arguments and errors are those of `GatedCell`, where `forget_bias` is 0 unless it is given.

    Example:
    >>> outputs = keras.layers.RNN(TanhLSTMCell(4))(np.ones((32, 10, 8)))
    >>> tuple(outputs.shape)
    (32, 4)
    """

    blocks: ClassVar[tuple[str, ...]] = ("input", "forget", "candidate", "output")
    state_names = ("hidden", "cell")
    learned_states = ("hidden", "cell")
    activations = ("tanh",)

    def __init__(self, units: int, forget_bias: float = 0.0, **kwargs: Any) -> None:
        super().__init__(units, forget_bias=forget_bias, **kwargs)

    def step(self, x: Any, states: tuple[Any, ...], w: CellWeights) -> tuple[Any, ...]:
        """Equations of section 2."""
        return _step(self, x, states, w)


@known_as("lstm-b")
class ForgetBiasLSTMCell(TanhLSTMCell):
    """The LSTM-b: `TanhLSTMCell` whose forget gate has a bias of 1.

    Source: Jozefowicz, Zaremba, Sutskever (2015), sections 2.2 and 4. They start b^f at 1; here, as in all cells of
    this package, the 1 is added whenever the cell runs, and b^f starts at 0. Arguments are those of `TanhLSTMCell`.

    Example:
    >>> ForgetBiasLSTMCell(4).forget_bias
    1.0
    """

    def __init__(self, units: int, forget_bias: float = 1.0, **kwargs: Any) -> None:
        super().__init__(units, forget_bias=forget_bias, **kwargs)


@known_as("lstm-i")
class NoInputGateLSTMCell(TanhLSTMCell):
    """The LSTM-i: `TanhLSTMCell` without its input gate, i_t = 1.

    Source: Jozefowicz, Zaremba, Sutskever (2015), section 4. Blocks: forget, candidate, output. Arguments are those of
    `TanhLSTMCell`.

    Example:
    >>> NoInputGateLSTMCell.blocks
    ('forget', 'candidate', 'output')
    """

    blocks = ("forget", "candidate", "output")


@known_as("lstm-o")
class NoOutputGateLSTMCell(TanhLSTMCell):
    """The LSTM-o: `TanhLSTMCell` without its output gate, h_t = tanh(c_t).

    Source: Jozefowicz, Zaremba, Sutskever (2015), section 4. Blocks: input, forget, candidate. Arguments are those of
    `TanhLSTMCell`.

    Example:
    >>> NoOutputGateLSTMCell.blocks
    ('input', 'forget', 'candidate')
    """

    blocks = ("input", "forget", "candidate")


@known_as("lstm-f")
class NoForgetGateLSTMCell(RecurrentCell):
    """The LSTM-f: `TanhLSTMCell` without its forget gate, f_t = 1.

    Source: Jozefowicz, Zaremba, Sutskever (2015), section 4. Blocks: input, candidate, output. Arguments are those of
    `RecurrentCell`.

    Example:
    >>> NoForgetGateLSTMCell.blocks
    ('input', 'candidate', 'output')
    """

    blocks = ("input", "candidate", "output")
    state_names = ("hidden", "cell")
    learned_states = ("hidden", "cell")
    activations = ("tanh",)

    def step(self, x: Any, states: tuple[Any, ...], w: CellWeights) -> tuple[Any, ...]:
        """Equations of section 2, with f_t = 1."""
        return _step(self, x, states, w)
