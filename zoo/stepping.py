"""A recurrent model one time step at a time, with its states as plain inputs and outputs."""

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_rnncap.errors import InputError


class StateSpec(NamedTuple):
    """A state of a model.

    Attributes:
        name: `LAYER.INDEX`.
        size: Its width.
        initial: Its values before the first time step.
    """

    name: str
    size: int
    initial: np.ndarray


class Stepper:
    """A model's layers, to be called for one time step.

    Args:
        model: A built model: a chain of recurrent layers, Keras' own included, and `Dense` or `Activation` layers.

    Raises:
        InputError: If the model is no such chain.

    Example:
    >>> from keras_rnncap import sequence_model
    >>> stepper = Stepper(sequence_model("lstm", 4, input_dim=3, output_dim=2))
    >>> [(state.name, state.size) for state in stepper.states]
    [('layer_1.0', 4), ('layer_1.1', 4)]
    >>> output, states = stepper(np.ones((1, 3), "float32"), stepper.initial_states(1))
    >>> output.shape, len(states)
    (TensorShape([1, 2]), 2)
    """

    def __init__(self, model: keras.Model) -> None:
        layers = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]
        for before, after in itertools.pairwise(layers):
            if isinstance(after, keras.layers.RNN) and not isinstance(before, keras.layers.RNN):
                raise InputError(
                    f"a recurrent layer after {before.name} cannot be stepped: recurrent layers come first"
                )
        for layer in layers:
            nodes = layer._inbound_nodes[-1:] if isinstance(model, keras.Sequential) else layer._inbound_nodes
            single = len(nodes) == 1 and len(nodes[0].input_tensors) == 1
            steps = isinstance(layer, keras.layers.RNN | keras.layers.Dense | keras.layers.Activation)
            if not (single and steps) or getattr(layer, "go_backwards", False):
                raise InputError(
                    f"layer {layer.name} ({type(layer).__name__}) cannot be stepped: a model to step is a chain of "
                    "recurrent layers that go forward, and Dense or Activation layers after them"
                )
        self._recurrent = [layer for layer in layers if isinstance(layer, keras.layers.RNN)]
        if not self._recurrent:
            raise InputError("the model has no recurrent layer to step")
        self.model, self._after = model, layers[len(self._recurrent) :]
        self.input_dim = int(model.input_shape[-1])

    @property
    def states(self) -> list[StateSpec]:
        """The model's states, layer by layer."""
        return [
            StateSpec(f"{layer.name}.{index}", int(state.shape[-1]), keras.ops.convert_to_numpy(state)[0])
            for layer in self._recurrent
            for index, state in enumerate(keras.tree.flatten(layer.cell.get_initial_state(batch_size=1)))
        ]

    def initial_states(self, batch_size: Any) -> list[Any]:
        """Returns the states before the first time step, each of shape `(batch_size, size)`."""
        return keras.tree.flatten([layer.cell.get_initial_state(batch_size=batch_size) for layer in self._recurrent])

    def __call__(self, x: Any, states: Sequence[Any]) -> tuple[Any, list[Any]]:
        """Returns the model's output for one time step, and the new states.

        Args:
            x: Shape `(batch, input_dim)`.
            states: As `initial_states` or the step before returned them.
        """
        remaining: list[Any] = list(states)
        new: list[Any] = []
        for layer in self._recurrent:
            count = len(keras.tree.flatten(layer.cell.state_size))
            x, of_layer = layer.cell(x, remaining[:count])
            remaining, new = remaining[count:], [*new, *keras.tree.flatten(of_layer)]
        for layer in self._after:
            x = layer(x)
        return x, new
