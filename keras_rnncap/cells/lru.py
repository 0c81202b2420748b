"""Linear recurrent units: of complex states (LRU), and of real ones with gates (RG-LRU)."""

from collections.abc import Sequence
from typing import Any

from keras import ops

from keras_rnncap.cells.algebra import CellWeights, State, Weight, complex_scan
from keras_rnncap.cells.base import RecurrentCell
from keras_rnncap.cells.families import LinearCell, ProjectingCell
from keras_rnncap.cells.lookup import known_as
from keras_rnncap.errors import check_integer, check_number
from keras_rnncap.initializers import GatedDecay, RingPhase, RingRadius, matrix_initializer

GATE_POWER = 8.0
"""The c of the RG-LRU."""


@known_as("lru")
class LRUCell(RecurrentCell):
    """The linear recurrent unit: complex numbers that turn and shrink, each by itself; parallel in time.

        z_t = L z_{t-1} + exp(gamma) B x_t,  L = exp(-exp(nu) + i exp(theta))
        y_t = s(Re(C z_t) + D x_t)

    Source: Orvieto, Smith, Gu, Fernando, Gulcehre, Pascanu, De (2023), arXiv 2303.06349, section 3, whose state is x,
    and where s is the identity. L starts uniform on the ring of radii `smallest` to `largest`, with phases up to
    `largest_phase`, and exp(gamma) at sqrt(1 - |L|^2). There is no bias.

    Weights: `kernel` `(input_dim, 2 * numbers)` (B), real parts first, `output_kernel` `(2 * numbers, units)` (the real
    parts of C over the negative imaginary ones), `skip` `(input_dim, units)` (D), `nu`, `theta` and `gamma`
    `(numbers,)`; `initial_state` `(2, numbers)`: real parts, imaginary parts. States: y, the output, and z.

    Args:
        numbers: Complex numbers of the state; `None` takes as many as `units`.
        smallest, largest: Radii of the ring, in [0, 1].
        largest_phase: In radians, above 0.
        **kwargs: As for `RecurrentCell`, `activation` being `"linear"`; without W^h, `recurrent_dropout` must be 0.

    Example:
    >>> tuple(keras.layers.RNN(LRUCell(4))(np.ones((32, 10, 8))).shape)
    (32, 4)
    """

    activations = ("linear",)

    def __init__(
        self,
        units: int,
        activation: Any = "linear",
        numbers: int | None = None,
        smallest: float = 0.0,
        largest: float = 1.0,
        largest_phase: float = 6.28,
        **kwargs: Any,
    ) -> None:
        numbers = None if numbers is None else check_integer("numbers", numbers, 1)
        smallest = check_number("smallest", smallest, 0.0, 1.0)
        largest = check_number("largest", largest, smallest, 1.0)
        largest_phase = check_number("largest_phase", largest_phase, 1e-6)
        super().__init__(units, activation=activation, **kwargs)
        self.numbers, self.smallest, self.largest, self.largest_phase = numbers, smallest, largest, largest_phase

    @property
    def _numbers(self) -> int:
        return self.numbers or self.units

    def declare_weights(self, input_dim: int) -> list[Weight]:
        """Returns the matrices and the vectors of the complex numbers."""
        n, normal = self._numbers, matrix_initializer("normal")
        return [
            self.weight("kernel", (input_dim, 2 * n), "kernel", ("real", "imaginary"), "input"),
            Weight("output_kernel", (2 * n, self.units), normal),
            Weight("skip", (input_dim, self.units), normal, dropout="input"),
            Weight("nu", (n,), RingRadius(self.smallest, self.largest)),
            Weight("theta", (n,), RingPhase(self.largest_phase)),
            Weight("gamma", (n,)),
        ]

    def declare_states(self) -> list[State]:
        """Returns the output and the parts of the complex numbers."""
        parts = [State(name, (self._numbers,)) for name in ("real", "imaginary")]
        return [State("output", (self.units,), learned=False), *parts]

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Creates the weights; gamma follows from the absolute values of L."""
        super().build(input_shape)
        self.gamma.assign(0.5 * ops.log(-ops.expm1(-2.0 * ops.exp(ops.convert_to_tensor(self.nu)))))

    def step(self, x: Any, states: tuple[Any, ...], w: CellWeights) -> tuple[Any, ...]:
        """The equation."""
        _, real, imaginary = states
        (kept_real, kept_imaginary), (added_real, added_imaginary) = self._kept_and_added(x, w)
        new = (
            kept_real * real - kept_imaginary * imaginary + added_real,
            kept_real * imaginary + kept_imaginary * real + added_imaginary,
        )
        return (self._read_out(x, new, w), *new)

    def scan(self, xs: Any, states: tuple[Any, ...], w: CellWeights) -> tuple[Any, ...]:
        """The same for all time steps."""
        kept, added = self._kept_and_added(xs, w)
        new = complex_scan(tuple(part + ops.zeros_like(added[0]) for part in kept), added, states[1:])
        return (self._read_out(xs, new, w), *new)

    def _kept_and_added(self, x: Any, w: CellWeights) -> tuple[Any, Any]:
        """Returns L, and exp(gamma) B x, real and imaginary parts each."""
        radius, phase, gain = ops.exp(-ops.exp(w["nu"])), ops.exp(w["theta"]), ops.exp(w["gamma"])
        real, imaginary = w.split(w.matmul("kernel", x), 2)
        return (radius * ops.cos(phase), radius * ops.sin(phase)), (gain * real, gain * imaginary)

    def _read_out(self, x: Any, state: tuple[Any, Any], w: CellWeights) -> Any:
        return w.activation(w.matmul("output_kernel", w.join(*state)) + w.matmul("skip", x))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        own = ("numbers", "smallest", "largest", "largest_phase")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}


@known_as("rg-lru")
class RGLRUCell(LinearCell, ProjectingCell):
    """The real-gated linear recurrent unit of Griffin: decays that the input chooses; parallel in time.

        r_t = sigmoid(W^r x_t + b^r)
        i_t = sigmoid(W^i x_t + b^i)
        a_t = exp(-8 softplus(L) r_t)
        h_t = a_t h_{t-1} + sqrt(1 - a_t^2) i_t x_t

    Source: De et al. (2024), arXiv 2402.19427, section 2.4, where W^r and W^i are block-diagonal. L starts so that
    exp(-8 softplus(L)) is uniform in [0.9, 0.999]. Inputs of another width than `units` are projected.

    Weights: `kernel` `(units, 2 * units)` and `bias` `(2 * units,)` of the blocks recurrence (r), input (i), `decay`
    `(units,)` (L); `initial_state` `(1, units)`; perhaps `projection` `(input_dim, units)`. Arguments: those of
    `ProjectingCell`; without W^h, `recurrent_dropout` must be 0.

    Example:
    >>> tuple(keras.layers.RNN(RGLRUCell(4))(np.ones((32, 10, 8))).shape)
    (32, 4)
    """

    blocks = ("recurrence", "input")
    recurrent_blocks = ()

    def declare_weights(self, input_dim: int) -> list[Weight]:
        """Returns the matrix, the bias and the decays."""
        return [*super().declare_weights(input_dim), Weight("decay", (self.units,), GatedDecay(GATE_POWER))]

    def kept_and_added(self, x: Any, w: CellWeights) -> tuple[Any, Any]:
        """The equation."""
        r, i = w.of_input(x)
        log_a = -GATE_POWER * ops.softplus(w["decay"]) * ops.sigmoid(r)
        # 1 - a^2 = -tanh(log a) (1 + a^2): exact where a is near 1, and ONNX has no expm1. The slope of the root has no
        # bound where a is 1.
        kept = -ops.tanh(log_a) * (1.0 + ops.exp(2.0 * log_a))
        gain = ops.sqrt(ops.maximum(kept, 1e-6))
        return ops.exp(log_a), gain * ops.sigmoid(i) * w.activation(x)
