"""The forward pass of many models at once: the cells' own `step` on tensors with a leading member axis."""

import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from keras_rnncap.cells import RecurrentCell
from keras_rnncap.dropout import masks
from keras_rnncap.optimizers import unit_blocks
from keras_rnncap.population.slots import CannotShareError, layers_of, slots_of
from keras_rnncap.population.weights import MemberWeights

UNROLLED_STEPS = 16
"""Up to this length the time loop is written out: faster to run, slower to compile."""

SHARED_NUMBERS = ("every_step", "patterns")
"""The first columns of a population's `numbers`; those of each layer's cell follow."""


class Level(NamedTuple):
    """Prefixes of sequences of words, of one length.

    Attributes:
        parents: Of each one, the index of the prefix without its last word among those of the level before; `None`
            where they are the same, one by one.
        words: Its last word.
    """

    parents: np.ndarray | None
    words: np.ndarray


class Template:
    """What all members share, from the model of any of them: cells, slots of weights, and the forward pass.

    A plain object, so that Keras does not take the weights of that model for the population's.
    """

    def __init__(self, model: keras.Model) -> None:
        self.slots = slots_of(model)
        layers = layers_of(model)
        self.cells: list[RecurrentCell] = [layer.cell for layer in layers[:-1]]
        self.returns_sequences = bool(layers[-2].return_sequences)
        self.stateful_batch: int | None = model.input_shape[0] if layers[0].stateful else None
        if self.stateful_batch and any(slot.name == "initial_state" for slot in self.slots):
            raise CannotShareError(
                "members that keep their states start from zero: learned_initial_state must be False"
            )
        self.input_dim = int(model.input_shape[-1])
        self._columns = [(layer, name) for layer, cell in enumerate(self.cells) for name in _cell_numbers(cell)]
        self._checked: list[tuple[dict[str, Any], np.ndarray]] = []

    @property
    def width(self) -> int:
        """Numbers of a member besides its weights."""
        return len(SHARED_NUMBERS) + len(self._columns)

    @functools.cached_property
    def features(self) -> int:
        """Activations that the gradient needs, of each member, sample and time step."""
        widths = [state.size for cell in self.cells for state in cell.declare_states()]
        for layer in range(len(self.cells)):
            slots = [slot for slot in self.slots if slot.layer == layer and slot.name != "initial_state"]
            widths.append(max((slot.shape[-1] for slot in slots if slot.shape), default=0))
        return self.input_dim + 3 * sum(widths)

    def unit_rows(self) -> tuple[list[np.ndarray], np.ndarray]:
        """Returns the places in a row of all weights of each output unit, and which places weight decay is for."""
        blocks = unit_blocks([(f"{slot.layer}/{slot.name}", slot.shape) for slot in self.slots])
        sizes = [slot.size for slot in self.slots]
        starts = np.cumsum([0, *sizes])[:-1]
        sources = [
            start + slot.to_row(np.arange(slot.size).reshape(slot.shape))
            for start, slot in zip(starts, self.slots, strict=True)
        ]
        place_of = np.argsort(np.concatenate(sources)).astype("int32")
        decayed = [slot.layer < len(self.cells) and slot.name != "initial_state" for slot in self.slots]
        return [place_of[places] for places in blocks], np.repeat(decayed, sizes)

    def numbers(self, model: keras.Model, every_step: bool, patterns: int) -> np.ndarray:
        """Returns the numbers of a member besides its weights: the shared ones, then those of each layer's cell."""
        of_cells = (number for layer in layers_of(model)[:-1] for number in _cell_numbers(layer.cell).values())
        return np.array([every_step, patterns, *of_cells], "float32")

    def check_same(self, model: keras.Model, row: np.ndarray) -> None:
        """Raises `CannotShareError` unless a model and its row give the same outputs for a few random sequences.

        A `step` may depend on the order of axes, or on numbers that a population does not know. Models that differ only
        in initializers and seeds from one that was checked, or in numbers from two of them, are not checked again.
        """
        kind, numbers = self._kind(model), self.numbers(model, False, 1)
        checked = [checked_numbers for checked_kind, checked_numbers in self._checked if checked_kind == kind]
        if len(checked) < 2 and not any(np.array_equal(numbers, same) for same in checked):
            self._check_outputs(model, row, numbers)
            self._checked.append((kind, numbers))

    def _check_outputs(self, model: keras.Model, row: np.ndarray, numbers: np.ndarray) -> None:
        rng = np.random.default_rng(0)
        batch, length, width = model.input_shape
        x = rng.normal(size=(batch or 3, length or 4, width)).astype("float32")
        expected = ops.convert_to_numpy(model(x, training=False))
        reason = "its outputs are others"
        try:
            tensors = map(ops.convert_to_tensor, (row[None].astype(x.dtype), numbers[None], x))
            outputs = ops.convert_to_numpy(self.sequence(*tensors)[0])[0]
            size = np.abs(expected[np.isfinite(expected)]).max(initial=0.0)
            if np.allclose(outputs, expected, rtol=1e-3, atol=1e-4 * size, equal_nan=True):
                return
        except (ValueError, TypeError, ArithmeticError, LookupError) as error:
            reason = str(error)
        names = " and ".join(dict.fromkeys(type(cell).__name__ for cell in self.cells))
        raise CannotShareError(
            f"the step of {names} does not work on (members, units, batch) as on (batch, units): {reason}; use the "
            "methods of w and operations that act on each number by itself, or train its models one by one"
        )

    @staticmethod
    def _kind(model: keras.Model) -> dict[str, Any]:
        """Returns the configurations of cells, without initializers, seeds and searched numbers."""
        return {
            layer.name: {
                key: value
                for key, value in layer.cell.get_config().items()
                if not key.endswith("_initializer") and key not in {"name", "seed", *layer.cell.searched_numbers()}
            }
            for layer in layers_of(model)[:-1]
        }

    def static(self, rows: Any, numbers: Any, x: Any, length: int) -> Any:
        """Returns the last outputs, `(members, batch, output_dim)`, for static inputs over `length` time steps.

        Inputs are `(members, input_dim, batch)`, or `(input_dim, batch)` for all members.
        """
        layers, readout = self._layers(rows, numbers)
        x, products = self._of_input(layers[0], x)
        every_step = numbers[:, 0:1, None]
        later = (
            (x if len(x.shape) == 3 else x[None]) * every_step,
            {name: product * every_step for name, product in products.items()},
        )
        states, _ = self._step(layers, self._initial_states(layers, x.shape[-1]), x, products)
        steps = (ops.zeros((length - 1, 1)),)
        states, _ = _scan(lambda states, _: self._step(layers, states, *later), states, steps, False)
        return self._read_out(readout, _vector(states[-1][0]))

    def sequence(
        self, rows: Any, numbers: Any, inputs: Any, states: Any = None, dropout: tuple[Any, Any, Any] | None = None
    ) -> tuple[Any, Any]:
        """Runs sequences.

        Args:
            rows: The weights.
            numbers: The numbers.
            inputs: `(batch, time, input_dim)` for all members, or `(members, batch, time, input_dim)`.
            states: The states of each layer before the first step, `(members, *shape, batch)` each; `None` for the
                members' own initial states.
            dropout: Rates, seeds and steps of the members' dropout, `(members,)` each, if any.

        Returns:
            The outputs of the last step, `(members, batch, output_dim)`, or of all, `(members, batch, time,
            output_dim)`; and the states after the last step.
        """
        layers, readout = self._layers(rows, numbers)
        drops = self._masks(dropout, inputs) if dropout else []
        if drops:
            inputs = inputs * ops.transpose(drops[0], (1, 3, 0, 2))
        shared = len(inputs.shape) == 3
        xs, products = (
            (ops.swapaxes(ops.moveaxis(inputs, -2, 0), -1, -2), {}) if shared else self._own_inputs(layers[0], inputs)
        )
        if states is None:
            states = self._initial_states(layers, ops.shape(xs)[-1])

        def step(states: Any, at_t: tuple[Any, Any, Any]) -> tuple[Any, Any]:
            x, products, dropped = at_t
            x = self.cells[0].project(x, layers[0]) if shared else x
            return self._step(layers, states, x, products, dropped)

        states, stacked = _scan(step, states, (xs, products, drops[1:-1]), self.returns_sequences)
        if not self.returns_sequences:
            y = _vector(states[-1][0])
            return self._read_out(readout, y * drops[-1][0] if drops else y), states
        outputs = self._read_out(readout, stacked * drops[-1] if drops else stacked)  # (time, members, batch, ...)
        return ops.moveaxis(outputs, 0, 2), states

    def prefixes(self, rows: Any, numbers: Any, vectors: np.ndarray, levels: Sequence[Level]) -> Any:
        """Returns the last outputs, `(members, prefixes, output_dim)`, for the prefixes of the last of some levels.

        `vectors` has the input of each word, `(words, input_dim)`.
        """
        layers, readout = self._layers(rows, numbers)
        states = self._initial_states(layers, 1)
        for level in levels:
            if level.parents is not None:
                states = keras.tree.map_structure(functools.partial(ops.take, indices=level.parents, axis=-1), states)
            x, products = self._of_input(layers[0], ops.convert_to_tensor(vectors[level.words].T, rows.dtype))
            states, _ = self._step(layers, states, x, products)
            states = keras.tree.map_structure(_copied, states)
        return self._read_out(readout, _vector(states[-1][0]))

    def _of_input(self, first: MemberWeights, x: Any) -> tuple[Any, dict[str, Any]]:
        """Returns the input of the first cell's `step`, and its products with weights."""
        x = self.cells[0].project(x, first)
        return x, {name: first.matmul(name, x) for name in self._times_input}

    @functools.cached_property
    def _times_input(self) -> list[str]:
        """Names of the weights that the first cell multiplies by its input, from a step on zeros."""
        zeros = ops.zeros((1, sum(slot.size for slot in self.slots)))
        layers, _ = self._layers(zeros, ops.zeros((1, self.width)))
        x = self.cells[0].project(ops.zeros((1, self.input_dim, 1)), layers[0])
        layers[0].run(x, self._initial_states(layers, 1)[0])
        return sorted(layers[0].times_input)

    def _own_inputs(self, first: MemberWeights, inputs: Any) -> tuple[Any, dict[str, Any]]:
        """Returns members' inputs, and their products with the first weights, `(time, members, width, batch)` each."""
        # One product of all time steps takes half the time of products of single steps.
        members, batch, length, width = ops.shape(inputs)
        x, products = self._of_input(
            first, ops.reshape(ops.transpose(inputs, (0, 3, 2, 1)), (members, width, length * batch))
        )

        def by_time(part: Any) -> Any:
            return ops.transpose(ops.reshape(part, (members, part.shape[1], length, batch)), (2, 0, 1, 3))

        return by_time(x), {name: by_time(product) for name, product in products.items()}

    def _layers(self, rows: Any, numbers: Any) -> tuple[list[MemberWeights], dict[str, Any]]:
        """Returns the algebra of each recurrent layer, and the weights of the readout."""
        cuts = np.cumsum([slot.size for slot in self.slots])[:-1].tolist()
        parts = ops.split(rows, cuts, axis=1)
        weights: list[dict[str, Any]] = [{} for _ in range(len(self.cells) + 1)]
        for slot, part in zip(self.slots, parts, strict=True):
            weights[slot.layer][slot.name] = ops.reshape(part, (rows.shape[0], *slot.stored))
        cell_numbers: list[dict[str, Any]] = [{} for _ in self.cells]
        for place, (layer, name) in enumerate(self._columns, len(SHARED_NUMBERS)):
            cell_numbers[layer][name] = numbers[:, place, None, None]
        layers = [MemberWeights(*parts) for parts in zip(self.cells, weights[:-1], cell_numbers, strict=True)]
        return layers, weights[-1]

    def _initial_states(self, layers: Sequence[MemberWeights], batch: Any) -> tuple[tuple[Any, ...], ...]:
        return tuple(layer.initial_states(batch) for layer in layers)

    def _masks(self, dropout: tuple[Any, Any, Any], inputs: Any) -> list[Any]:
        """Returns the masks of the inputs of each layer and of the readout, `(time, members, features, batch)` each."""
        batch, length, width = ops.shape(inputs)[-3:]
        widths = [width, *(int(np.prod(cell.declare_states()[0].shape)) for cell in self.cells)]
        lengths = [length] * len(self.cells) + [length if self.returns_sequences else 1]
        sizes = zip(lengths, widths, strict=True)
        return [masks(*dropout, place, (time, features, batch)) for place, (time, features) in enumerate(sizes)]

    def _step(
        self, layers: Any, states: Any, x: Any, products: Mapping[str, Any], dropped: Sequence[Any] = ()
    ) -> tuple[Any, Any]:
        """Runs a time step of all layers, with dropout masks for those after the first; returns states and output."""
        new: list[tuple[Any, ...]] = []
        for cell, layer, state in zip(self.cells, layers, states, strict=True):
            if new:
                y = _vector(new[-1][0])
                x, products = cell.project(y * dropped[len(new) - 1] if dropped else y, layer), {}
            new.append(tuple(layer.run(x, state, products)))
        return tuple(new), _vector(new[-1][0])

    def _read_out(self, weights: dict[str, Any], y: Any) -> Any:
        """Returns the readout of `(..., members, units, batch)` as `(..., members, batch, output_dim)`."""
        outputs = ops.matmul(weights["kernel"], y)
        if "bias" in weights:
            outputs = outputs + weights["bias"]
        return ops.swapaxes(outputs, -1, -2)


def _vector(y: Any) -> Any:
    """Returns an output as a vector; matrices row by row."""
    return y if len(y.shape) == 3 else ops.reshape(y, (y.shape[0], int(np.prod(y.shape[1:-1])), -1))


def _copied(state: Any) -> Any:
    """Returns a vector state as its product with the identity, which XLA does not fuse with what comes after.

    Where a step reads the state number by number, as gated cells do, XLA otherwise computes it once more there.
    """
    if len(state.shape) != 3:
        return state
    members, units, _ = state.shape
    return ops.matmul(ops.broadcast_to(ops.eye(units, dtype=state.dtype), (members, units, units)), state)


def _cell_numbers(cell: RecurrentCell) -> dict[str, Any]:
    """Returns the index of the cell's activation in its `activations`, and its searched numbers."""
    activation = keras.activations.serialize(cell.activation)
    if activation not in cell.activations:
        valid = ", ".join(cell.activations)
        raise CannotShareError(f"activation in a population must be one of {valid}; got {activation}")
    numbers = {name: getattr(cell, name) for name in cell.searched_numbers()}
    return {"activation": cell.activations.index(activation), **numbers}


def _scan(
    step: Callable[[Any, Any], tuple[Any, Any]], states: Any, xs: tuple[Any, ...], collect: bool
) -> tuple[Any, Any]:
    """Runs `step(states, x) -> (states, y)` over the first axis of tensors; returns the states, and ys if wanted."""
    length, ys = xs[0].shape[0], []
    if length <= UNROLLED_STEPS:
        for t in range(length):
            states, y = step(states, keras.tree.map_structure(operator.itemgetter(t), xs))
            ys.append(y)
        return states, ops.stack(ys) if collect else None
    if keras.backend.backend() != "tensorflow":
        return ops.scan(lambda carry, x: (out := step(carry, x)) and (out[0], out[1] if collect else None), states, xs)
    import tensorflow as tf  # where `keras.ops.scan` takes only ys of the same structure as the states

    y = states[-1][0]
    collected = (tf.TensorArray(y.dtype, length, element_shape=y.shape),) if collect else ()

    def body(t: Any, collected: Any, states: Any) -> tuple[Any, ...]:
        states, y = step(states, keras.tree.map_structure(operator.itemgetter(t), xs))
        return t + 1, tuple(ys.write(t, y) for ys in collected), states

    _, collected, states = tf.while_loop(
        lambda t, *_: t < length, body, (0, collected, states), maximum_iterations=length
    )
    return states, collected[0].stack() if collect else None
