"""The forward pass of many models at once: the cells' own `step` on tensors with a leading member axis."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from keras_rnncap.cells import CellWeights, RecurrentCell
from keras_rnncap.cells.base import places_of_learned
from keras_rnncap.dropout import StepDropout, masks
from keras_rnncap.errors import InputError

UNROLLED_STEPS = 16
"""Up to this length the time loop is written out: faster to run, slower to compile."""

SHARED_NUMBERS = ("every_step", "patterns")
"""The first columns of a population's `numbers`; activation and numbers of each layer's cell follow."""


class CannotShareError(InputError):
    """Models of this cell cannot train as a population; they can one by one."""


class Slot(NamedTuple):
    """Where a weight stands in a member's row, and in which form.

    Attributes:
        layer: Index of its layer.
        name: The weight's name.
        shape: Its shape in the member's own model.
    """

    layer: int
    name: str
    shape: tuple[int, ...]

    @property
    def is_matrix(self) -> bool:
        """Whether it is stored transposed, `(outputs, inputs)`."""
        return len(self.shape) == 2 and self.name != "initial_state"

    @property
    def stored(self) -> tuple[int, ...]:
        """Its shape in the row: with an axis for the batch, but for matrices."""
        if self.is_matrix:
            return self.shape[::-1]
        return self.shape if self.name == "initial_state" else (*(self.shape or (1,)), 1)

    @property
    def size(self) -> int:
        """Number of parameters."""
        return int(np.prod(self.shape))

    def to_row(self, weight: np.ndarray) -> np.ndarray:
        """Returns the weight's stretch of the row."""
        return (weight.T if self.is_matrix else weight).ravel()

    def from_row(self, stretch: np.ndarray) -> np.ndarray:
        """Returns the weight from its stretch of the row."""
        return stretch.reshape(self.shape[::-1]).T if self.is_matrix else stretch.reshape(self.shape)


class MemberWeights(CellWeights):
    """The algebra of all members at once, with the batch innermost: vectors are `(members, features, batch)`.

    Matrix products with the batch as their long, contiguous axis, and elementwise work on it, are what a CPU does best.

    Args:
        cell: The cell of any one member.
        weights: Its weights by name, `(members, *stored)` each.
        numbers: Its numbers by name, `(members, 1, 1)` each, and `activation`, the place of each member's in the cell's
            `activations`.
    """

    features = -2

    def __init__(self, cell: RecurrentCell, weights: Mapping[str, Any], numbers: Mapping[str, Any]) -> None:
        super().__init__(cell)
        self._weights, self._numbers = weights, numbers
        self._functions = [keras.activations.get(name) for name in cell.activations]
        self._x: Any = None
        self._products: Mapping[str, Any] = {}
        self.times_input: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        """Returns the members' weights, `(members, *shape, 1)`."""
        weight = self._weights[name]
        matrix = len(getattr(self._cell, name).shape) == 2
        return ops.swapaxes(weight, 1, 2)[..., None] if matrix else weight

    def matmul(self, name: str, x: Any, first: int = 0, last: int | None = None) -> Any:
        """Returns `W x`; x may be one for all members, `(input_dim, batch)`."""
        kernel = self._weights[name]
        if first or last is not None:
            kernel = kernel[:, first:last]
        elif x is self._x:
            self.times_input.add(name)
            if name in self._products:
                return self._products[name]
        if len(x.shape) == 3:
            return ops.matmul(kernel, x)
        members, outputs, width = kernel.shape  # one large product instead of one for each member
        return ops.reshape(ops.matmul(ops.reshape(kernel, (-1, width)), x), (members, outputs, -1))

    def number(self, name: str) -> Any:
        """Returns the members' numbers, or the one that all have."""
        return self._numbers[name] if name in self._numbers else getattr(self._cell, name)

    def activation(self, a: Any) -> Any:
        """Returns `s(a)`, s each member's own."""
        chosen = self._functions[0](a)
        for index in range(1, len(self._functions)):
            mine = self._numbers["activation"] == index
            mine = ops.reshape(mine, (-1, *[1] * (len(a.shape) - 1)))
            chosen = ops.where(mine, self._functions[index](a), chosen)
        return chosen

    def initial_states(self, batch: Any) -> tuple[Any, ...]:
        """Returns the members' states before the first time step, `(members, *shape, batch)`."""
        states, learned = self._cell.declare_states(), self._weights.get("initial_state")
        members, dtype = (some := next(iter(self._weights.values()))).shape[0], some.dtype
        starts = []
        for state, place in zip(states, places_of_learned(states), strict=True):
            start = ops.zeros((members, *state.shape, batch), dtype=dtype)
            if learned is not None and place is not None:
                start = start + ops.reshape(learned[:, place], (members, *state.shape, 1))
            starts.append(start)
        return tuple(starts)

    def run(self, x: Any, states: tuple[Any, ...], products: Mapping[str, Any] | None = None) -> tuple[Any, ...]:
        """Returns the states after a time step.

        Args:
            x: What `step` gets as the input.
            states: The states before.
            products: Products of weights and that input that are known already.
        """
        self._x, self._products = x, products or {}
        with self._seen_by_the_cell():
            return self._cell.step(x, states, self)

    @contextlib.contextmanager
    def _seen_by_the_cell(self) -> Iterator[None]:
        """Has attributes of the cell be the members' numbers and activations, for a `step` that reads them there."""
        attributes, own = vars(self._cell), {**self._numbers, "activation": self.activation}
        before = {name: attributes[name] for name in own if name in attributes}
        attributes.update(own)
        try:
            yield
        finally:
            for name in own:
                del attributes[name]
            attributes.update(before)


class Template:
    """What all members share: cells, shapes of weights, and how outputs follow from a matrix of weights.

    A plain object, so that Keras does not take the weights of the model it is made from for the population's.

    Args:
        model: The model of any one member.

    Raises:
        CannotShareError: If a layer is not `keras.layers.RNN` of a `RecurrentCell`, or has what populations do not do.
    """

    def __init__(self, model: keras.Model) -> None:
        self.slots = slots_of(model)
        layers = _layers(model)
        self.cells: list[RecurrentCell] = [layer.cell for layer in layers[:-1]]
        self.returns_sequences = bool(layers[-2].return_sequences)
        self.stateful_batch: int | None = model.input_shape[0] if layers[0].stateful else None
        if self.stateful_batch and any(slot.name == "initial_state" for slot in self.slots):
            raise CannotShareError(
                "members that keep their states start from zero: learned_initial_state must be False"
            )
        self.input_dim = int(model.input_shape[-1])
        self._columns = [(layer, name) for layer, cell in enumerate(self.cells) for name in _own_numbers(cell)]
        self._checked: list[tuple[dict[str, Any], np.ndarray]] = []

    @property
    def width(self) -> int:
        """How many numbers a member has besides its weights."""
        return len(SHARED_NUMBERS) + len(self._columns)

    # ---- members

    def numbers(self, model: keras.Model, every_step: bool, patterns: int) -> np.ndarray:
        """Returns in what a member differs besides its weights: the shared numbers, then those of each layer's cell."""
        cells = [layer.cell for layer in _layers(model)[:-1]]
        own = [_own_numbers(cells[layer])[name] for layer, name in self._columns]
        return np.array([every_step, patterns, *own], "float32")

    def check_same(self, model: keras.Model, row: np.ndarray) -> None:
        """Checks that a model and its row give the same outputs for a few random sequences.

        A `step` may do what makes sense with the features last and not with the batch last, as it is here, or take
        numbers from where a population cannot know them. Models that differ only in initializers and seeds from one
        that was checked, or in numbers from two of them, are not checked again.

        Raises:
            CannotShareError: If they do not.
        """
        kind, numbers = self._kind(model), self.numbers(model, False, 1)
        seen = [known for other, known in self._checked if other == kind]
        if len(seen) < 2 and not any(np.array_equal(known, numbers) for known in seen):
            self._check_outputs(model, row, numbers)
            self._checked.append((kind, numbers))

    def _check_outputs(self, model: keras.Model, row: np.ndarray, numbers: np.ndarray) -> None:
        rng = np.random.default_rng(0)
        batch, length, width = model.input_shape
        x = rng.normal(size=(batch or 3, length or 4, width)).astype("float32")
        expected = ops.convert_to_numpy(model(x, training=False))
        reason = "its outputs are others"
        try:
            own_row, own_numbers = (ops.convert_to_tensor(array[None].astype(x.dtype)) for array in (row, numbers))
            outputs = ops.convert_to_numpy(self.sequence(own_row, own_numbers, ops.convert_to_tensor(x))[0])[0]
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
        """Returns what `step` may depend on besides weights and searched numbers."""
        kind = {}
        for layer in _layers(model)[:-1]:
            config = layer.cell.get_config()
            varies = {"name", "seed", *layer.cell.searched_numbers()}
            kept = {key: value for key, value in config.items() if not key.endswith("_initializer")}
            kind[layer.name] = {key: value for key, value in kept.items() if key not in varies}
        return kind

    # ---- outputs

    def static(self, rows: Any, numbers: Any, x: Any, length: int) -> Any:
        """Runs inputs that stay for `length` steps: `(members, input_dim, batch)`, or `(input_dim, batch)` for all.

        Returns:
            The last outputs, `(members, batch, output_dim)`.
        """
        layers, readout = self._layers(rows, numbers)
        x, products = self._of_input(layers[0], x)
        every_step = numbers[:, 0:1, None]
        later = (
            (x if len(x.shape) == 3 else x[None]) * every_step,
            {name: product * every_step for name, product in products.items()},
        )
        states, y = self._step(layers, self._initial_states(layers, x.shape[-1]), x, products)
        if length - 1 <= UNROLLED_STEPS:
            for _ in range(length - 1):
                states, y = self._step(layers, states, *later)
        else:
            states, _ = _loop(
                lambda states, _: self._step(layers, states, *later), states, (ops.zeros((length - 1, 1)),), False
            )
            y = states[-1][0]
        return self._read_out(readout, y)

    def sequence(
        self, rows: Any, numbers: Any, inputs: Any, states: Any = None, dropout: tuple[Any, Any, Any] | None = None
    ) -> tuple[Any, Any]:
        """Runs sequences: `(batch, time, input_dim)` for all members, or `(members, batch, time, input_dim)`.

        Args:
            rows: The weights.
            numbers: The numbers.
            inputs: The sequences.
            states: The states of each layer before the first step, `(members, *shape, batch)` each; `None` for the
                members' own initial states.
            dropout: Rates, seeds and steps of the members, `(members,)` each, from which the masks of the inputs of
                all layers and of the readout follow; `None` for no dropout.

        Returns:
            The last outputs, `(members, batch, output_dim)`, or those of all steps, `(members, batch, time,
            output_dim)`, as the members' models do; and the states after the last step.
        """
        layers, readout = self._layers(rows, numbers)
        drops = self._masks(dropout, inputs) if dropout else []
        if drops:
            inputs = inputs * ops.transpose(drops[0], (1, 3, 0, 2))
        own = len(inputs.shape) == 4
        xs, products = (
            self._own_inputs(layers[0], inputs) if own else (ops.swapaxes(ops.moveaxis(inputs, -2, 0), -1, -2), {})
        )
        names = list(products)
        if states is None:
            states = self._initial_states(layers, ops.shape(xs)[-1])

        def step(states: Any, now: tuple[Any, ...]) -> tuple[Any, Any]:
            x, *known = now
            known, dropped = known[: len(names)], known[len(names) :]
            if not own:
                x = self.cells[0].project(x, layers[0])
            return self._step(layers, states, x, dict(zip(names, known, strict=True)), dropped)

        sequences, length = (xs, *products.values(), *drops[1:-1]), inputs.shape[-2]
        if length <= UNROLLED_STEPS:
            ys = []
            for t in range(length):
                states, y = step(states, tuple(sequence[t] for sequence in sequences))
                ys.append(y)
            stacked = ops.stack(ys) if self.returns_sequences else None
        else:
            states, stacked = _loop(step, states, sequences, self.returns_sequences)
        if not self.returns_sequences:
            y = _vector(states[-1][0])
            return self._read_out(readout, y * drops[-1][0] if drops else y), states
        outputs = self._read_out(readout, stacked * drops[-1] if drops else stacked)  # (time, members, batch, ...)
        return ops.moveaxis(outputs, 0, 2), states

    def _of_input(self, first: MemberWeights, x: Any) -> tuple[Any, dict[str, Any]]:
        """Returns what the first cell's `step` gets, and its products with the weights that it multiplies by that."""
        x = self.cells[0].project(x, first)
        return x, {name: first.matmul(name, x) for name in self._times_input}

    @functools.cached_property
    def _times_input(self) -> list[str]:
        """Names of the weights that the first cell multiplies by its input, found by running a step of zeros."""
        zeros = ops.zeros((1, sum(slot.size for slot in self.slots)))
        layers, _ = self._layers(zeros, ops.zeros((1, self.width)))
        x = self.cells[0].project(ops.zeros((1, self.input_dim, 1)), layers[0])
        layers[0].run(x, self._initial_states(layers, 1)[0])
        return sorted(layers[0].times_input)

    def _own_inputs(self, first: MemberWeights, inputs: Any) -> tuple[Any, dict[str, Any]]:
        """Returns members' own inputs, and their products with the first weights, `(time, members, width, batch)` each.

        One product of all time steps: those of single steps, a small one for each member, take twice as long.
        """
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
        own: list[dict[str, Any]] = [{} for _ in self.cells]
        for place, (layer, name) in enumerate(self._columns, len(SHARED_NUMBERS)):
            own[layer][name] = numbers[:, place, None, None]
        layers = [MemberWeights(*parts) for parts in zip(self.cells, weights[:-1], own, strict=True)]
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
        """Runs one time step of all layers; returns all states and the last output.

        The inputs of the layers after the first are multiplied by masks, if there are any.
        """
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


def _own_numbers(cell: RecurrentCell) -> dict[str, Any]:
    """Returns the place of the cell's activation in its `activations`, and its searched numbers.

    Raises:
        CannotShareError: If it has another activation.
    """
    activation = keras.activations.serialize(cell.activation)
    if activation not in cell.activations:
        valid = ", ".join(cell.activations)
        raise CannotShareError(f"activation in a population must be one of {valid}; got {activation}")
    numbers = {name: getattr(cell, name) for name in cell.searched_numbers()}
    return {"activation": cell.activations.index(activation), **numbers}


def _loop(
    step: Callable[[Any, Any], tuple[Any, Any]], states: Any, xs: tuple[Any, ...], collect: bool
) -> tuple[Any, Any]:
    """Runs `step(states, x) -> (states, y)` over the first axis of tensors; returns the states, and all ys if wanted.

    Not `keras.ops.scan` on TensorFlow: there it takes only ys of the same structure as the states.
    """
    if keras.backend.backend() != "tensorflow":
        return ops.scan(lambda carry, x: (out := step(carry, x)) and (out[0], out[1] if collect else None), states, xs)
    import tensorflow as tf

    length = xs[0].shape[0]
    y = states[-1][0]
    collected = (tf.TensorArray(y.dtype, length, element_shape=y.shape),) if collect else ()

    def body(t: Any, collected: Any, states: Any) -> tuple[Any, ...]:
        states, y = step(states, tuple(x[t] for x in xs))
        return t + 1, tuple(ys.write(t, y) for ys in collected), states

    _, collected, states = tf.while_loop(
        lambda t, *_: t < length, body, (0, collected, states), maximum_iterations=length
    )
    return states, collected[0].stack() if collect else None


def slots_of(model: keras.Model) -> tuple[Slot, ...]:
    """Returns where each weight of a model stands in its row.

    Raises:
        CannotShareError: If a layer is none that a population knows, or has what populations do not do.
    """
    layers = _layers(model)
    for layer in layers[:-1]:
        _check_cell(layer)
    if type(layers[-1]) is not keras.layers.Dense or len(layers) == 1:
        raise CannotShareError(
            f"the last layer of a population's models must be a Dense readout; got {layers[-1].name}"
        )
    slots = []
    for index, layer in enumerate(layers):
        _check_weights(layer)
        slots += [Slot(index, weight.name, tuple(weight.shape)) for weight in layer.trainable_weights]
    return tuple(slots)


def _layers(model: keras.Model) -> list[Any]:
    return [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer | StepDropout)]


def dropout_of(model: keras.Model) -> tuple[float, int]:
    """Returns the rate and the seed of the dropout of a model that `sequence_model` built, zeros where it has none."""
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
    """Raises `CannotShareError` where Keras would do to weights what a population does not."""
    reasons = {
        "frozen": [weight.name for weight in layer.non_trainable_weights],
        "regularized": [weight.name for weight in layer.trainable_weights if weight.regularizer is not None],
        "constrained": [weight.name for weight in layer.trainable_weights if weight.constraint is not None],
    }
    for reason, names in reasons.items():
        if names:
            raise CannotShareError(
                f"weights of layer {layer.name} are {reason} ({', '.join(names)}), which populations do not do; its "
                "models train one by one"
            )
    if getattr(layer, "activity_regularizer", None) is not None:
        raise CannotShareError(f"layer {layer.name} has an activity regularizer; its models train one by one")
