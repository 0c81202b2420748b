"""The cells of the xLSTM: exponential gates, and a matrix memory."""

import math
from typing import Any, ClassVar

from keras import ops

from keras_rnncap.cells.algebra import CellWeights, State, Weight
from keras_rnncap.cells.families import GatedCell
from keras_rnncap.cells.lookup import known_as
from keras_rnncap.errors import check_integer

LARGEST_EXPONENT = 60.0
"""Of a divisor that grows as a memory is forgotten, so that gradients stay finite."""


def _gates(i: Any, f: Any, m: Any, empty: Any = False) -> tuple[Any, Any, Any]:
    """Returns the input gate exp(i) and the forget gate sigmoid(f), both times exp(-m'), and the stabilizer m'.

    Where a memory is `empty`, m' is i: nothing else is there to be kept finite.
    """
    log_f = ops.log_sigmoid(f)
    new = ops.where(empty, i, ops.maximum(i, m + log_f))
    return ops.exp(i - new), ops.exp(log_f + m - new), new


@known_as("slstm")
class SLSTMCell(GatedCell):
    """The sLSTM: an LSTM with an exponential input gate, normalized by what the gates add up to.

        i_t, f_t, z_t, o_t = W^h h_{t-1} + W^x x_t + b, of each block;  f_t + b^fg in place of f_t
        m_t = max(i_t, m_{t-1} + log sigmoid(f_t))
        i'_t = exp(i_t - m_t),  f'_t = exp(m_{t-1} + log sigmoid(f_t) - m_t)
        c_t = f'_t c_{t-1} + i'_t s(z_t)
        n_t = f'_t n_{t-1} + i'_t
        h_t = sigmoid(o_t) c_t / n_t

    Source: Beck et al. (2024), arXiv 2405.04517, eq. 8-17, with one head, a sigmoid forget gate, and s = tanh. m only
    keeps the exponentials finite, and is i_t where n_{t-1} is 0, as in the authors' code. n_t below 1e-7 counts as
    that. The input gate's bias multiplies c and n alike, and changes no output.

    Weights: `kernel` `(input_dim, 4 * units)`, `recurrent_kernel` `(units, 4 * units)` and `bias` `(4 * units,)` of the
    blocks input (i), forget (f), candidate (z), output (o); `initial_state` `(1, units)`, of h. States: h, the output,
    c, n and m.

    Args:
        forget_bias: b^fg; the paper starts b^f between 3 and 6 in place of it.
        **kwargs: As for `GatedCell`.

    Example:
    >>> tuple(keras.layers.RNN(SLSTMCell(4))(np.ones((32, 10, 8))).shape)
    (32, 4)
    """

    blocks = ("input", "forget", "candidate", "output")
    state_names = ("hidden", "cell", "normalizer", "stabilizer")
    activations = ("tanh",)
    start: ClassVar = GatedCell.start | {"forget_bias": 4.5}

    def __init__(self, units: int, forget_bias: float = 3.0, **kwargs: Any) -> None:
        super().__init__(units, forget_bias=forget_bias, **kwargs)

    def step(self, x: Any, states: tuple[Any, ...], w: CellWeights) -> tuple[Any, ...]:
        """Equations 8-17."""
        h, c, n, m = states
        i, f, z, o = w.of_both(x, h)
        i, f, m = _gates(i, f + w.number("forget_bias"), m, n == 0)
        c, n = f * c + i * w.activation(z), f * n + i
        return (ops.sigmoid(o) * c / ops.maximum(n, 1e-7), c, n, m)


@known_as("mlstm")
class MLSTMCell(GatedCell):
    """The mLSTM: a matrix memory that adds an outer product of a key and a value at each time step.

        k_t, q_t = W^k x_t + b^k, of each block, k_t over sqrt(keys);  v_t, o_t = W^v x_t + b^v
        i_t, f_t = W^g x_t + b^g, two numbers;  f_t + b^fg in place of f_t
        m_t = max(i_t, m_{t-1} + log sigmoid(f_t))
        i'_t = exp(i_t - m_t),  f'_t = exp(m_{t-1} + log sigmoid(f_t) - m_t)
        C_t = f'_t C_{t-1} + i'_t k_t v_t^T
        n_t = f'_t n_{t-1} + i'_t k_t
        h_t = sigmoid(o_t) s(C_t^T q_t / max(|n_t^T q_t|, exp(-m_t)))

    Source: Beck et al. (2024), arXiv 2405.04517, eq. 19-27, with one head, a sigmoid forget gate and the identity as
    s; C_t is transposed. m only keeps the exponentials finite; -m_t above 60 counts as that, too much for float16.

    Weights: `key_kernel` `(input_dim, 2 * keys)` and `key_bias` `(2 * keys,)` of the blocks key, query, `value_kernel`
    `(input_dim, 2 * units)` and `value_bias` `(2 * units,)` of value, output, `gate_kernel` `(input_dim, 2)` and
    `gate_bias` `(2,)` of input, forget; `initial_state` `(1, keys * units)`, of C. States: h, the output, C,
    `(keys, units)`, n and m.

    Args:
        keys: Rows of the memory; `None` takes as many as `units`.
        forget_bias: b^fg; the paper starts b^f between 3 and 6 in place of it.
        **kwargs: As for `GatedCell`, `activation` being `"linear"`; without W^h, `recurrent_dropout` must be 0.

    Example:
    >>> tuple(keras.layers.RNN(MLSTMCell(4))(np.ones((32, 10, 8))).shape)
    (32, 4)
    """

    activations = ("linear",)
    start: ClassVar = GatedCell.start | {"forget_bias": 4.5, "every_step": 1}  # what is read out depends on the input

    def __init__(
        self,
        units: int,
        activation: Any = "linear",
        keys: int | None = None,
        forget_bias: float = 3.0,
        **kwargs: Any,
    ) -> None:
        keys = None if keys is None else check_integer("keys", keys, 1)
        super().__init__(units, activation=activation, forget_bias=forget_bias, **kwargs)
        self.keys = keys

    @property
    def _keys(self) -> int:
        return self.keys or self.units

    def declare_weights(self, input_dim: int) -> list[Weight]:
        """Returns the matrices and biases."""
        pairs = {"key": (self._keys, "key", "query"), "value": (self.units, "value", "output")}
        pairs["gate"] = (1, "input", "forget")
        weights = []
        for name, (width, *blocks) in pairs.items():
            weights.append(self.weight(f"{name}_kernel", (input_dim, 2 * width), "kernel", tuple(blocks), "input"))
            if self.use_bias:
                weights.append(self.weight(f"{name}_bias", (2 * width,), "bias", tuple(blocks)))
        return weights

    def declare_states(self) -> list[State]:
        """Returns the output, the memory, its normalizer and the stabilizer."""
        return [
            State("output", (self.units,), learned=False),
            State("memory", (self._keys, self.units)),
            State("normalizer", (self._keys,), learned=False),
            State("stabilizer", (1,), learned=False),
        ]

    def step(self, x: Any, states: tuple[Any, ...], w: CellWeights) -> tuple[Any, ...]:
        """Equations 19-27."""
        _, memory, n, m = states
        k, q = self._pair("key", x, w)
        v, o = self._pair("value", x, w)
        i, f = self._pair("gate", x, w)
        i, f, m = _gates(i, f + w.number("forget_bias"), m)
        k = k / math.sqrt(self._keys)
        memory = w.rows(f) * memory + w.outer(i * k, v)
        n = f * n + i * k
        divisor = ops.maximum(ops.abs(w.sum(n * q)), ops.exp(ops.minimum(-m, LARGEST_EXPONENT)))
        h = ops.sigmoid(o) * w.activation(w.apply_transposed(memory, q) / divisor)
        return (h, memory, n, m)

    def _pair(self, name: str, x: Any, w: CellWeights) -> list[Any]:
        a = w.matmul(f"{name}_kernel", x)
        return w.split(a + w[f"{name}_bias"] if self.use_bias else a, 2)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "keys": self.keys}
