"""Where the weights of a model stand in the row of a member, and which models have such a row."""

from typing import Any, NamedTuple

import keras
import numpy as np

from keras_rnncap.cells import RecurrentCell
from keras_rnncap.dropout import StepDropout
from keras_rnncap.errors import InputError


class CannotShareError(InputError):
    """Models of this cell cannot train as a population; they can one by one."""


class Slot(NamedTuple):
    """A weight's stretch of a member's row.

    Attributes:
        layer: Index of its layer.
        name: The weight's name.
        shape: Its shape in the member's model.
    """

    layer: int
    name: str
    shape: tuple[int, ...]

    @property
    def _is_matrix(self) -> bool:  # stored transposed, (outputs, inputs)
        return len(self.shape) == 2 and self.name != "initial_state"

    @property
    def stored(self) -> tuple[int, ...]:
        """Its shape in the row; all but matrices have an axis for the batch."""
        if self._is_matrix:
            return self.shape[::-1]
        return self.shape if self.name == "initial_state" else (*(self.shape or (1,)), 1)

    @property
    def size(self) -> int:
        """Number of parameters."""
        return int(np.prod(self.shape))

    def to_row(self, weight: np.ndarray) -> np.ndarray:
        """Returns the stretch of the row for a weight."""
        return (weight.T if self._is_matrix else weight).ravel()

    def from_row(self, stretch: np.ndarray) -> np.ndarray:
        """Returns the weight for a stretch of the row."""
        return stretch.reshape(self.shape[::-1]).T if self._is_matrix else stretch.reshape(self.shape)


def slots_of(model: keras.Model) -> tuple[Slot, ...]:
    """Returns the slots of a model's weights; raises `CannotShareError` if populations do not take a layer."""
    layers = layers_of(model)
    for layer in layers[:-1]:
        _check_cell(layer)
    if type(layers[-1]) is not keras.layers.Dense or len(layers) == 1:
        raise CannotShareError(
            f"the last layer of a population's models must be a Dense readout; got {layers[-1].name}"
        )
    for layer in layers:
        _check_weights(layer)
    return tuple(
        Slot(index, weight.name, tuple(weight.shape))
        for index, layer in enumerate(layers)
        for weight in layer.trainable_weights
    )


def layers_of(model: keras.Model) -> list[Any]:
    """Returns the recurrent layers of a model and its readout."""
    return [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer | StepDropout)]


def dropout_of(model: keras.Model) -> tuple[float, int]:
    """Returns the rate and the seed of a model's dropout; zeros where it has none."""
    layers = [layer for layer in model.layers if isinstance(layer, StepDropout)]
    return (layers[0].rate, layers[0].seed) if layers else (0.0, 0)


def _check_cell(layer: Any) -> None:
    cell: Any = getattr(layer, "cell", None)
    if not isinstance(cell, RecurrentCell):
        raise CannotShareError(
            f"layer {layer.name} of a population must be keras.layers.RNN(cell) with a keras_rnncap.RecurrentCell; "
            "train models with other cells one by one"
        )
    if unknown := {weight.name for weight in cell.weights} - set(cell.weight_names):
        raise CannotShareError(
            f"{type(cell).__name__} has weights that it does not declare ({', '.join(sorted(unknown))}); name them in "
            "declare_weights, or train its models one by one"
        )
    if cell.dropout or cell.recurrent_dropout:
        raise CannotShareError("dropout of cells in a population must be 0")


def _check_weights(layer: Any) -> None:
    weights = layer.trainable_weights
    reasons = {
        "frozen": layer.non_trainable_weights,
        "regularized": [weight for weight in weights if weight.regularizer is not None],
        "constrained": [weight for weight in weights if weight.constraint is not None],
    }
    for reason, refused in reasons.items():
        if refused:
            names = ", ".join(weight.name for weight in refused)
            raise CannotShareError(
                f"weights of layer {layer.name} are {reason} ({names}), which populations do not do; its models train "
                "one by one"
            )
    if getattr(layer, "activity_regularizer", None) is not None:
        raise CannotShareError(f"layer {layer.name} has an activity regularizer; its models train one by one")
