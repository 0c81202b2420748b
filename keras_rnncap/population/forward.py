"""The forward pass of many models at once: the cells' own `step` on tensors with a leading member axis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from keras_rnncap.errors import InputError

UNROLLED_STEPS = 16
"""Up to this length the time loop is written out: faster to run, slower to compile."""

SHARED_NUMBERS = ("every_step", "patterns", "activation")
"""The first columns of a population's `numbers`; those of the cell, its `member_numbers`, follow."""


KNOWN_WEIGHTS = ("kernel", "recurrent_kernel", "bias", "initial_state", "projection")
"""The weights of a cell that a population computes with."""


class CannotShareError(InputError):
    """Models of this cell cannot train as a population; they can one by one."""


class Slot(NamedTuple):
    """Where a weight stands in a member's row, and in which form.

    Attributes:
        layer: Index of its layer among those with weights.
        name: The weight's name.
        shape: Its shape in the member's own model.
        stored: Its shape in the row: matrices transposed, `(outputs, inputs)`; vectors `(size, 1)`.
    """

    layer: int
    name: str
    shape: tuple[int, ...]
    stored: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of parameters."""
        return int(np.prod(self.shape))

    def to_row(self, weight: np.ndarray) -> np.ndarray:
        """Returns the weight's stretch of the row."""
        return (weight if self.name == "initial_state" else weight.T).ravel()

    def from_row(self, stretch: np.ndarray) -> np.ndarray:
        """Returns the weight from its stretch of the row."""
        if self.name == "initial_state" or len(self.shape) == 1:
            return stretch.reshape(self.shape)
        return stretch.reshape(self.shape[::-1]).T


class MemberAffine(NamedTuple):
    """`Affine` for all members at once, with the batch innermost: `(members, features, batch)`.

    Matrix products with the batch as their long, contiguous axis, and elementwise work on it, are what a CPU does best.
    """

    kernel: Any  # (members, kernel_blocks * units, input_dim)
    recurrent_kernel: Any  # (members, recurrent_blocks * units, units)
    bias: Any  # (members, blocks * units, 1) or None
    units: int
    bias_only: int = 0
    product: Any = None  # W^x x where it is known already

    def of_input(self, x: Any) -> list[Any]:
        """Returns `W^x x + b`, a tensor for each block; for those without W^x, `b`, which broadcasts."""
        a = input_product(self.kernel, x) if self.product is None else self.product
        if not self.bias_only:
            return self._split(a if self.bias is None else a + self.bias)
        if self.bias is None:
            return [*self._split(a), *[0.0] * self.bias_only]
        width = self.kernel.shape[1]
        return [*self._split(a + self.bias[:, :width]), *self._split(self.bias[:, width:])]

    def of_state(self, h: Any, first: int = 0, last: int | None = None) -> list[Any]:
        """Returns `W^h h`, a tensor for each of the blocks of `recurrent_kernel` from `first` to before `last`."""
        kernel = self.recurrent_kernel
        if first or last is not None:
            kernel = kernel[:, first * self.units : None if last is None else last * self.units]
        return self._split(ops.matmul(kernel, h))

    def of_both(self, x: Any, h: Any) -> list[Any]:
        """Returns `W^h h + W^x x + b`, a tensor for each block, where all blocks have both."""
        a = input_product(self.kernel, x) if self.product is None else self.product
        a = ops.matmul(self.recurrent_kernel, h) + a
        return self._split(a if self.bias is None else a + self.bias)

    def _split(self, a: Any) -> list[Any]:
        count = a.shape[1] // self.units
        return [a] if count == 1 else ops.split(a, count, axis=1)


def input_product(kernel: Any, x: Any) -> Any:
    """Returns `W x`, `(members, outputs, batch)`; x may be one for all members, `(input_dim, batch)`."""
    if len(x.shape) == 3:
        return ops.matmul(kernel, x)
    members, outputs, width = kernel.shape  # one large product instead of one for each member
    return ops.reshape(ops.matmul(ops.reshape(kernel, (-1, width)), x), (members, outputs, -1))


class _CellOfAll:
    """A cell whose hyperparameters are tensors with a member axis; what is not one of them is the template's."""

    def __init__(self, cell: Any, **hyperparameters: Any) -> None:
        self._cell = cell
        self.__dict__.update(hyperparameters)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cell, name)

    def step(self, x: Any, states: Any, affine: MemberAffine) -> tuple[Any, ...]:
        """The cell's own equation."""
        return type(self._cell).step(self, x, states, affine)


class Template:
    """What all members share: cells, shapes of weights, and how outputs follow from a matrix of weights.

    A plain object, so that Keras does not take the weights of the model it is made from for the population's.

    Args:
        model: The model of any one member.

    Raises:
        InputError: If a layer is not `keras.layers.RNN` of a cell with a `step`, or a cell has dropout.
    """

    def __init__(self, model: keras.Model) -> None:
        layers = [layer for layer in model.layers if layer.trainable_weights]
        self.cells = [_cell_of(layer) for layer in layers[:-1]]
        self.returns_sequences = bool(layers[-2].return_sequences)
        self.slots = slots_of(model)
        self.number_names: tuple[str, ...] = (*SHARED_NUMBERS, *self.cells[0].member_numbers)
        self._found_same: list[dict[str, Any]] = []

    def numbers(self, model: keras.Model, every_step: bool, patterns: int) -> np.ndarray:
        """Returns in what a member differs besides its weights, in the order of `number_names`."""
        cell = Template(model).cells[0]
        activation = keras.activations.serialize(cell.activation)
        if activation not in cell.activations:
            valid = ", ".join(cell.activations)
            raise CannotShareError(f"activation in a population must be one of {valid}; got {activation}")
        own = [getattr(cell, name) for name in cell.member_numbers]
        return np.array([every_step, patterns, cell.activations.index(activation), *own], "float32")

    def check_same(self, model: keras.Model, row: np.ndarray, numbers: np.ndarray) -> None:
        """Checks that a model and its row give the same outputs for a few random sequences.

        A `step` may do what makes sense with the features last and not with the batch last, as it is here, or ask
        which activation it has. Models that differ from one that was checked only in initializers, seeds and
        `member_numbers` are not checked again.

        Raises:
            CannotShareError: If they do not.
        """
        kind = self._kind(model)
        if kind in self._found_same:
            return
        rng = np.random.default_rng(0)
        x = rng.normal(size=(3, model.input_shape[1] or 4, model.input_shape[-1])).astype("float32")
        expected = ops.convert_to_numpy(model(x, training=False))
        reason = "its outputs are others"
        try:
            own_row, own_numbers = (ops.convert_to_tensor(array[None].astype(x.dtype)) for array in (row, numbers))
            outputs = ops.convert_to_numpy(self.sequence(own_row, own_numbers, ops.convert_to_tensor(x)))[0]
            size = np.abs(expected[np.isfinite(expected)]).max(initial=0.0)
            if np.allclose(outputs, expected, rtol=1e-3, atol=1e-4 * size, equal_nan=True):
                self._found_same.append(kind)
                return
        except (ValueError, TypeError, ArithmeticError) as error:
            reason = str(error)
        name = type(self.cells[0]).__name__
        raise CannotShareError(
            f"the step of {name} does not work on (members, units, batch) as on (batch, units): {reason}; use "
            "operations that act on each number by itself, or train its models one by one"
        )

    @staticmethod
    def _kind(model: keras.Model) -> dict[str, Any]:
        """Returns what `step` may depend on besides weights and `member_numbers`."""
        kind = {}
        for layer in [layer for layer in model.layers if layer.trainable_weights][:-1]:
            config = layer.cell.get_config()
            varies = {"name", "seed", *layer.cell.member_numbers}
            own = {key: one for key, one in config.items() if key not in varies and not key.endswith("_initializer")}
            kind[layer.name] = own
        return kind

    def static(self, rows: Any, numbers: Any, x: Any, length: int) -> Any:
        """Runs inputs that stay for `length` steps: `(members, input_dim, batch)`, or `(input_dim, batch)` for all.

        Returns:
            The last outputs, `(members, batch, output_dim)`.
        """
        weights = self._weights(rows)
        first = weights[0]
        batch = x.shape[-1]
        if "projection" in first:
            x = input_product(first["projection"], x)
        product = input_product(first["kernel"], x)
        every_step = numbers[:, 0:1, None]
        later = ((x if len(x.shape) == 3 else x[None]) * every_step, product * every_step)
        cells = self._cells_of_all(numbers)
        states, y = self._step(cells, weights, self._initial_states(weights, batch), x, product)
        if length - 1 <= UNROLLED_STEPS:
            for _ in range(length - 1):
                states, y = self._step(cells, weights, states, *later)
        else:
            states, _ = _loop(
                lambda states, _: self._step(cells, weights, states, *later),
                states,
                (ops.zeros((length - 1, 1)),),
                False,
            )
            y = states[-1][0]
        return self._read_out(weights[-1], y)

    def sequence(self, rows: Any, numbers: Any, inputs: Any) -> Any:
        """Runs sequences: `(batch, time, input_dim)` for all members, or `(members, batch, time, input_dim)`.

        Returns:
            The last outputs, `(members, batch, output_dim)`, or those of all steps, `(members, batch, time,
            output_dim)`, as the members' models do.
        """
        weights = self._weights(rows)
        cells = self._cells_of_all(numbers)
        own = len(inputs.shape) == 4
        xs = self._own_inputs(weights[0], inputs) if own else (ops.swapaxes(ops.moveaxis(inputs, -2, 0), -1, -2),)
        states = self._initial_states(weights, ops.shape(xs[0])[-1])

        def step(states: Any, x: Any) -> tuple[Any, Any]:
            return self._step(cells, weights, states, *x)

        length = inputs.shape[-2]
        if length <= UNROLLED_STEPS:
            ys = []
            for t in range(length):
                states, y = step(states, tuple(x[t] for x in xs))
                ys.append(y)
            stacked = ops.stack(ys) if self.returns_sequences else None
        else:
            states, stacked = _loop(step, states, xs, self.returns_sequences)
        if not self.returns_sequences:
            return self._read_out(weights[-1], states[-1][0])
        outputs = self._read_out(weights[-1], stacked)  # (time, members, batch, output_dim)
        return ops.moveaxis(outputs, 0, 2)

    def _own_inputs(self, first: dict[str, Any], inputs: Any) -> tuple[Any, Any]:
        """Returns members' own inputs, and their products with the first kernel, `(time, members, width, batch)` each.

        One product of all time steps: those of single steps, a small one for each member, take twice as long.
        """
        members, batch, length, width = inputs.shape
        x = ops.reshape(ops.transpose(inputs, (0, 3, 2, 1)), (members, width, length * batch))
        if "projection" in first:
            x = input_product(first["projection"], x)
        product = input_product(first["kernel"], x)
        x, product = (ops.reshape(part, (members, part.shape[1], length, batch)) for part in (x, product))
        return ops.transpose(x, (2, 0, 1, 3)), ops.transpose(product, (2, 0, 1, 3))

    def _weights(self, rows: Any) -> list[dict[str, Any]]:
        """Returns the stored weights of each layer, `(members, *stored)`."""
        cuts = np.cumsum([slot.size for slot in self.slots])[:-1].tolist()
        parts = ops.split(rows, cuts, axis=1)
        layers: list[dict[str, Any]] = [{} for _ in range(len(self.cells) + 1)]
        for slot, part in zip(self.slots, parts, strict=True):
            layers[slot.layer][slot.name] = ops.reshape(part, (rows.shape[0], *slot.stored))
        return layers

    def _cells_of_all(self, numbers: Any) -> list[_CellOfAll]:
        numbers = numbers[:, :, None, None]
        own = {name: numbers[:, self.number_names.index(name)] for name in self.cells[0].member_numbers}
        chosen_index = numbers[:, SHARED_NUMBERS.index("activation")]
        functions = [keras.activations.get(name) for name in self.cells[0].activations]

        def activation(a: Any) -> Any:
            chosen = functions[0](a)
            for index in range(1, len(functions)):
                chosen = ops.where(chosen_index == index, functions[index](a), chosen)
            return chosen

        return [_CellOfAll(cell, activation=activation, **own) for cell in self.cells]

    def _initial_states(self, weights: list[dict[str, Any]], batch: Any) -> tuple[tuple[Any, ...], ...]:
        members = weights[-1]["kernel"].shape[0]
        states = []
        for cell, own in zip(self.cells, weights, strict=False):
            zeros = ops.zeros((members, cell.units, batch), dtype=own["kernel"].dtype)
            learned: Any = own.get("initial_state")
            names = () if learned is None else cell.learned_states
            rows = {name: learned[:, index, :, None] for index, name in enumerate(names)}
            states.append(tuple(zeros + rows[name] if name in rows else zeros for name in cell.state_names))
        return tuple(states)

    def _step(self, cells: Any, weights: Any, states: Any, x: Any, product: Any = None) -> tuple[Any, Any]:
        """Runs one time step of all layers; returns all states and the last output."""
        new = []
        for layer, (cell, state) in enumerate(zip(cells, states, strict=True)):
            own = weights[layer]
            if "projection" in own and product is None:
                x = input_product(own["projection"], x)
            bias_only = len(cell.blocks) - len(cell.kernel_blocks)
            affine = MemberAffine(
                own["kernel"], own["recurrent_kernel"], own.get("bias"), cell.units, bias_only, product
            )
            new.append(cell.step(x, state, affine))
            x, product = new[-1][0], None
        return tuple(new), x

    def _read_out(self, weights: dict[str, Any], y: Any) -> Any:
        """Returns the readout of `(..., members, units, batch)` as `(..., members, batch, output_dim)`."""
        outputs = ops.matmul(weights["kernel"], y)
        if "bias" in weights:
            outputs = outputs + weights["bias"]
        return ops.swapaxes(outputs, -1, -2)


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


def _cell_of(layer: Any) -> Any:
    cell: Any = getattr(layer, "cell", None)
    if not hasattr(cell, "step"):
        raise CannotShareError(
            f"layer {layer.name} of a population must be keras.layers.RNN(cell) with a cell that has a step, as "
            "keras_rnncap.RecurrentCell says; train models with other cells one by one"
        )
    if unknown := {weight.name for weight in cell.trainable_weights} - set(KNOWN_WEIGHTS):
        raise CannotShareError(
            f"{type(cell).__name__} has weights of its own ({', '.join(sorted(unknown))}), which a population does not "
            "know; train its models one by one"
        )
    if cell.dropout or cell.recurrent_dropout:
        raise InputError("dropout of cells in a population must be 0")
    return cell


def slots_of(model: keras.Model) -> tuple[Slot, ...]:
    """Returns where each weight of a model stands in its row."""
    slots = []
    for index, layer in enumerate(layer for layer in model.layers if layer.trainable_weights):
        for weight in layer.trainable_weights:
            shape = tuple(weight.shape)
            stored = shape if weight.name == "initial_state" else (*shape[::-1], 1)[:2]
            slots.append(Slot(index, weight.name, shape, stored))
    return tuple(slots)
