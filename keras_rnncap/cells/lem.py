"""Long expressive memory: two states with time steps of their own."""

from typing import Any, ClassVar

from keras import ops

from keras_rnncap.cells.algebra import CellWeights
from keras_rnncap.cells.base import RecurrentCell
from keras_rnncap.cells.lookup import known_as
from keras_rnncap.errors import check_number


@known_as("lem")
class LEMCell(RecurrentCell):
    """Long expressive memory: a discretized differential equation of two states with learned time scales.

        d_t = dt sigmoid(W^dh y_{t-1} + W^dx x_t + b^d)
        e_t = dt sigmoid(W^eh y_{t-1} + W^ex x_t + b^e)
        z_t = (1 - d_t) z_{t-1} + d_t s(W^zh y_{t-1} + W^zx x_t + b^z)
        y_t = (1 - e_t) y_{t-1} + e_t s(W^yh z_t + W^yx x_t + b^y)

    Source: Rusch, Mishra, Erichson, Mahoney (2021), arXiv 2110.04744, eq. 3, where s is tanh; y_t sees the new z_t.

    Weights: `kernel` `(input_dim, 4 * units)`, `recurrent_kernel` `(units, 4 * units)` and `bias` `(4 * units,)` of the
    blocks memory_step (d), hidden_step (e), memory (z), hidden (y); `initial_state` `(2, units)`: a row for y, one for
    z. States: y, the output, and z.

    Args:
        dt: The largest time step, above 0 and at most 1.
        **kwargs: As for `RecurrentCell`.

    Example:
    >>> tuple(keras.layers.RNN(LEMCell(4))(np.ones((32, 10, 8))).shape)
    (32, 4)
    """

    blocks = ("memory_step", "hidden_step", "memory", "hidden")
    state_names = ("hidden", "memory")
    learned_states = ("hidden", "memory")
    activations = ("tanh",)
    searched: ClassVar = {"dt": (0.05, 1.0)}

    def __init__(self, units: int, dt: float = 1.0, **kwargs: Any) -> None:
        dt = check_number("dt", dt, 1e-6, 1.0)
        super().__init__(units, **kwargs)
        self.dt = dt

    def step(self, x: Any, states: tuple[Any, ...], w: CellWeights) -> tuple[Any, ...]:
        """Equation 3."""
        y, z = states
        dx, ex, zx, yx = w.of_input(x)
        dh, eh, zh = w.of_state(y, 0, 3)
        d, e = (w.number("dt") * ops.sigmoid(a) for a in (dh + dx, eh + ex))
        z = (1 - d) * z + d * w.activation(zh + zx)
        (yh,) = w.of_state(z, 3)
        return ((1 - e) * y + e * w.activation(yh + yx), z)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "dt": self.dt}
