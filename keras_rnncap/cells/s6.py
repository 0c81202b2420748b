"""S6, the selective state space of Mamba."""

from typing import Any, ClassVar

from keras import ops

from keras_rnncap.cells.algebra import CellWeights, State, Weight, linear_scan
from keras_rnncap.cells.families import ProjectingCell
from keras_rnncap.cells.lookup import known_as
from keras_rnncap.errors import check_integer
from keras_rnncap.initializers import LogOfCounts, StepSize


@known_as("s6")
class S6Cell(ProjectingCell):
    """The selective state space of Mamba, without its convolution and gate: a matrix state; parallel in time.

        D_t = softplus(W^d x_t + b^d)
        B_t, C_t = W^s x_t
        H_t = exp(D_t A) H_{t-1} + (D_t x_t) B_t^T,  A = -exp(A')
        y_t = s(H_t C_t + d x_t)

    Source: Gu, Dao (2023), arXiv 2312.00752, algorithm 2, where s is the identity, and W^d x_t one number
    for all units. A' starts at log 1 to log `columns` in each row, softplus(b^d) log-uniform in [0.001, 0.1], d at 1.
    Inputs of another width than `units` are projected.

    Weights: `selection` `(units, 2 * columns)` of the blocks input (B), output (C), `step_kernel` `(units, 1)` (W^d),
    `step_bias` (b^d) and `skip` (d) `(units,)`, `log_decay` `(units, columns)` (A'); `initial_state`
    `(1, units * columns)`; perhaps `projection` `(input_dim, units)`. States: y, the output, and H,
    `(units, columns)`.

    Args:
        columns: Numbers of the state for each unit.
        **kwargs: As for `ProjectingCell`, `activation` being `"linear"`; without W^h, `recurrent_dropout` must be 0.

    Example:
    >>> tuple(keras.layers.RNN(S6Cell(4))(np.ones((32, 10, 8))).shape)
    (32, 4)
    """

    activations = ("linear",)
    start: ClassVar = {"every_step": 1}  # what is read out depends on the input

    def __init__(self, units: int, activation: Any = "linear", columns: int = 16, **kwargs: Any) -> None:
        columns = check_integer("columns", columns, 1)
        super().__init__(units, activation=activation, **kwargs)
        self.columns = columns

    def declare_weights(self, input_dim: int) -> list[Weight]:
        """Returns all weights."""
        return [
            self.weight("selection", (input_dim, 2 * self.columns), "kernel", ("input", "output"), "input"),
            self.weight("step_kernel", (input_dim, 1), "kernel", (), "input"),
            Weight("step_bias", (self.units,), StepSize()),
            Weight("log_decay", (self.units, self.columns), LogOfCounts()),
            Weight("skip", (self.units,), "ones"),
        ]

    def declare_states(self) -> list[State]:
        """Returns the output and the matrix."""
        return [State("output", (self.units,), learned=False), State("memory", (self.units, self.columns))]

    def step(self, x: Any, states: tuple[Any, ...], w: CellWeights) -> tuple[Any, ...]:
        """The equation."""
        kept, added, c = self._kept_and_added(x, w)
        memory = kept * states[1] + added
        return (self._read_out(x, memory, c, w), memory)

    def scan(self, xs: Any, states: tuple[Any, ...], w: CellWeights) -> tuple[Any, ...]:
        """The same for all time steps."""
        kept, added, c = self._kept_and_added(xs, w)
        memory = linear_scan(kept, added, states[1])
        return (self._read_out(xs, memory, c, w), memory)

    def _kept_and_added(self, x: Any, w: CellWeights) -> tuple[Any, Any, Any]:
        """Returns exp(D A), (D x) B^T and C."""
        b, c = w.split(w.matmul("selection", x), 2)
        d = ops.softplus(w.matmul("step_kernel", x) + w["step_bias"])
        return ops.exp(-w.rows(d) * ops.exp(w["log_decay"])), w.outer(d * x, b), c

    def _read_out(self, x: Any, memory: Any, c: Any, w: CellWeights) -> Any:
        return w.activation(w.apply(memory, c) + w["skip"] * x)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "columns": self.columns}
