"""Families of cells: with a forget bias, with inputs as wide as the state, and linear in a state."""

from typing import Any, ClassVar

import keras

from keras_rnncap import initializers
from keras_rnncap.cells.algebra import CellWeights, Weight, linear_scan
from keras_rnncap.cells.base import RecurrentCell


class GatedCell(RecurrentCell):
    """A cell with a forget or update gate, to whose pre-activation b^fg is added whenever the cell runs.

    `forget_bias` is not part of the stored bias: a bias of zero and a forget bias of 1 open the gate to sigmoid(1).

    Args:
        forget_bias: b^fg; Collins et al. (2017), appendix A, draw it uniformly from [0, 6].
        **kwargs: As for `RecurrentCell`.
    """

    searched: ClassVar = {"forget_bias": (0.0, 6.0)}
    start: ClassVar = {
        "recurrent_scale": 2.0,
        "forget_bias": 0.5,
        "weight_decay": 2.5e-3,  # less, and long trainings of large models end worse than short ones
        "patterns_per_parameter": 6.0,
    }

    def __init__(self, units: int, forget_bias: float = 1.0, **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        self.forget_bias = float(forget_bias)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "forget_bias": self.forget_bias}


class ProjectingCell(RecurrentCell):
    """A cell whose equation adds the input to something of width `units`, so that `step` needs an input that wide.

    Inputs of another width are first multiplied by a learned `projection`, shape `(input_dim, units)`, without a bias.

    Args:
        input_projection: `None` projects where the input is not `units` wide, `True` always, `False` never: inputs of
            another width are then a `ValueError`.
        projection_initializer: Initializer of `projection`; the default is the one of `kernel` in `RecurrentCell`.
        projection_regularizer, projection_constraint: Its regularizer and constraint.
        **kwargs: As for `RecurrentCell`.
    """

    def __init__(
        self,
        units: int,
        input_projection: bool | None = None,
        projection_initializer: initializers.Initializer = None,
        projection_regularizer: Any = None,
        projection_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(units, **kwargs)
        self.input_projection = input_projection
        if projection_initializer is None:
            projection_initializer = initializers.matrix_initializer("normal")
        self.projection_initializer = keras.initializers.get(projection_initializer)
        self.projection_regularizer = keras.regularizers.get(projection_regularizer)
        self.projection_constraint = keras.constraints.get(projection_constraint)

    def _build_projection(self, input_dim: int) -> int:
        if self.input_projection or (self.input_projection is None and input_dim != self.units):
            shape, regularizer = (input_dim, self.units), self.projection_regularizer
            weight = Weight(
                "projection", shape, self.projection_initializer, (), regularizer, self.projection_constraint
            )
            self.projection = self._add(weight, 4)
        elif input_dim != self.units:
            raise ValueError(
                f"{type(self).__name__} with input_projection=False needs inputs of width units = {self.units}; "
                f"got {input_dim}. Leave input_projection at None, or use units={input_dim}"
            )
        return self.units

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        names = ("projection_initializer", "projection_regularizer", "projection_constraint")
        serialized = {name: initializers.serialize(getattr(self, name)) for name in names}
        return {**super().get_config(), "input_projection": self.input_projection, **serialized}


class LinearCell(RecurrentCell):
    """A cell of one state `h_t = kept_t h_{t-1} + added_t`, neither of which depends on the state; parallel in time.

    A subclass defines `kept_and_added`.

    Args:
        activation: As for `RecurrentCell`.
        **kwargs: As for `RecurrentCell`.
    """

    activations = ("linear",)

    def __init__(self, units: int, activation: Any = "linear", **kwargs: Any) -> None:
        super().__init__(units, activation=activation, **kwargs)

    def kept_and_added(self, x: Any, w: CellWeights) -> tuple[Any, Any]:
        """Returns what the state is multiplied by and what is added to it, from the input."""
        raise NotImplementedError(f"{type(self).__name__} must define kept_and_added(x, w)")

    def step(self, x: Any, states: tuple[Any, ...], w: CellWeights) -> tuple[Any, ...]:
        """The equation."""
        kept, added = self.kept_and_added(x, w)
        return (kept * states[0] + added,)

    def scan(self, xs: Any, states: tuple[Any, ...], w: CellWeights) -> tuple[Any, ...]:
        """The same for all time steps."""
        return (linear_scan(*self.kept_and_added(xs, w), states[0]),)
