"""The gated delta rule: a matrix memory that corrects what it has stored under a key."""

from typing import Any, ClassVar

from keras import ops

from keras_rnncap.cells.algebra import CellWeights, State, Weight
from keras_rnncap.cells.base import RecurrentCell
from keras_rnncap.cells.lookup import known_as
from keras_rnncap.errors import check_integer
from keras_rnncap.initializers import LogOfUniform, StepSize


@known_as("gated-deltanet")
class GatedDeltaNetCell(RecurrentCell):
    """The gated DeltaNet: a matrix memory that fades, and that moves what a key finds towards a value.

        k_t, q_t = W^k x_t, of each block, both divided by their lengths;  v_t = W^v x_t
        a_t = exp(-exp(A) softplus(W^a x_t + d)),  b_t = sigmoid(W^b x_t), two numbers
        R_t = a_t S_{t-1}
        S_t = R_t + k_t (b_t (v_t - R_t^T k_t))^T
        y_t = s(S_t^T q_t)

    Source: Yang, Kautz, Hatamizadeh (2024), arXiv 2412.06464, eq. 10 and section 3.4, with one head and the
    identity as s, without convolution, output gate and normalization. exp(A) starts uniform in [1, 16], softplus(d)
    log-uniform in [0.001, 0.1]. There is no other bias.

    Weights: `key_kernel` `(input_dim, 2 * keys)` of the blocks key, query, `value_kernel` `(input_dim, units)`,
    `gate_kernel` `(input_dim, 2)` of the blocks decay (W^a), step (W^b), `log_decay` (A) and `decay_bias` (d) `()`;
    `initial_state` `(1, keys * units)`. States: y, the output, and S, `(keys, units)`.

    Args:
        keys: Rows of the memory; `None` takes as many as `units`.
        **kwargs: As for `RecurrentCell`, `activation` being `"linear"`; without W^h, `recurrent_dropout` must be 0.

    Example:
    >>> tuple(keras.layers.RNN(GatedDeltaNetCell(4))(np.ones((32, 10, 8))).shape)
    (32, 4)
    """

    activations = ("linear",)
    start: ClassVar = {"every_step": 1}  # what is read out depends on the input

    def __init__(self, units: int, activation: Any = "linear", keys: int | None = None, **kwargs: Any) -> None:
        keys = None if keys is None else check_integer("keys", keys, 1)
        super().__init__(units, activation=activation, **kwargs)
        self.keys = keys

    @property
    def _keys(self) -> int:
        return self.keys or self.units

    def declare_weights(self, input_dim: int) -> list[Weight]:
        """Returns the matrices and the numbers of the decay."""
        return [
            self.weight("key_kernel", (input_dim, 2 * self._keys), "kernel", ("key", "query"), "input"),
            self.weight("value_kernel", (input_dim, self.units), "kernel", (), "input"),
            self.weight("gate_kernel", (input_dim, 2), "kernel", ("decay", "step"), "input"),
            Weight("log_decay", (), LogOfUniform(1.0, 16.0)),
            Weight("decay_bias", (), StepSize()),
        ]

    def declare_states(self) -> list[State]:
        """Returns the output and the memory."""
        return [State("output", (self.units,), learned=False), State("memory", (self._keys, self.units))]

    def step(self, x: Any, states: tuple[Any, ...], w: CellWeights) -> tuple[Any, ...]:
        """Equation 10."""
        _, memory = states
        k, q = (self._of_length_one(part, w) for part in w.split(w.matmul("key_kernel", x), 2))
        a, b = w.split(w.matmul("gate_kernel", x), 2)
        a = ops.exp(-ops.exp(w["log_decay"]) * ops.softplus(a + w["decay_bias"]))
        memory = w.rows(a) * memory
        error = w.matmul("value_kernel", x) - w.apply_transposed(memory, k)
        memory = memory + w.outer(k, ops.sigmoid(b) * error)
        return (w.activation(w.apply_transposed(memory, q)), memory)

    @staticmethod
    def _of_length_one(a: Any, w: CellWeights) -> Any:
        return a * ops.rsqrt(w.sum(a * a) + 1e-6)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "keys": self.keys}
