"""Hundreds of models of one shape, trained as one Keras model."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from keras_rnncap.errors import InputError
from keras_rnncap.population.member import Member
from keras_rnncap.population.optimizer import RowOptimizer, set_row


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

    kernel: Any  # (members, blocks * units, input_dim)
    recurrent_kernel: Any  # (members, blocks * units, units)
    bias: Any  # (members, blocks * units, 1) or None
    units: int
    product: Any = None  # W^x x where it is known already

    def of_input(self, x: Any) -> list[Any]:
        """Returns `W^x x + b`, a tensor for each block."""
        a = self.input_product(x) if self.product is None else self.product
        return self._split(a if self.bias is None else a + self.bias)

    def input_product(self, x: Any) -> Any:
        """Returns `W^x x`, `(members, blocks * units, batch)`; x may be one for all members, `(input_dim, batch)`."""
        if len(x.shape) == 3:
            return ops.matmul(self.kernel, x)
        members, outputs, width = self.kernel.shape  # one large product instead of one for each member
        return ops.reshape(ops.matmul(ops.reshape(self.kernel, (-1, width)), x), (members, outputs, -1))

    def of_state(self, h: Any, first: int = 0, last: int | None = None) -> list[Any]:
        """Returns `W^h h`, a tensor for each of the blocks `first` to before `last`."""
        kernel = self.recurrent_kernel
        if first or last is not None:
            kernel = kernel[:, first * self.units : None if last is None else last * self.units]
        return self._split(ops.matmul(kernel, h))

    def of_both(self, x: Any, h: Any) -> list[Any]:
        """Returns `W^h h + W^x x + b`, a tensor for each block."""
        a = self.input_product(x) if self.product is None else self.product
        a = ops.matmul(self.recurrent_kernel, h) + a
        return self._split(a if self.bias is None else a + self.bias)

    def _split(self, a: Any) -> list[Any]:
        count = a.shape[1] // self.units
        return [a] if count == 1 else ops.split(a, count, axis=1)


class _CellOfAll:
    """A cell whose hyperparameters are tensors with a member axis; what is not one of them is the template's."""

    def __init__(self, cell: Any, **hyperparameters: Any) -> None:
        self._cell = cell
        self.__dict__.update(hyperparameters)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cell, name)


@keras.saving.register_keras_serializable(package="keras_rnncap")
class Population(keras.Model):
    """N models of one shape that train as one Keras model.

    All trainable weights are one matrix of shape `(members, parameters)`, a row for each member. Losses of members add,
    so the gradient of a row is that of its member alone, and `RowOptimizer` trains each row by its own settings. The
    cells' own `step` runs on tensors with a leading member axis.

    Inputs of a step, and targets likewise, are

    - one batch for all members, `(batch, time, input_dim)`: it is not copied for each of them; or
    - a batch for each, `(members, batch, time, input_dim)`; or
    - where the population has a `table`, anything: every member takes its next `batch_size` of its own patterns, the
      first `patterns` of the table, in order and again from the start, as its static input.

    Args:
        build: From a member to its ordinary Keras model, as it starts: layers `keras.layers.RNN` with cells that have a
            `step`, and a `Dense` readout. `MemberBuilder` makes one.
        members: The members.
        table: The patterns from which members draw, if that is where their data are.

    Raises:
        InputError: If there are no members, their models differ in shape, or a model is not of that kind.
    """

    def __init__(
        self, build: Callable[[Member], keras.Model], members: Sequence[Member], table: PatternTable | None = None
    ) -> None:
        super().__init__(name="population")
        if not members:
            raise InputError("a population needs at least one member; got none")
        self._build = build
        self.members = list(members)
        self.table = table
        models = [build(member) for member in members]
        self._template = template = _Template(models[0])
        self.slots = template.slots
        count = len(members)
        self.rows = self.add_weight(
            shape=(count, sum(slot.size for slot in self.slots)), initializer="zeros", name="rows"
        )
        state = functools.partial(self.add_weight, trainable=False, initializer="zeros")
        self._numbers = state(shape=(count, 3 + len(self._number_names)), name="numbers")
        self._position = state(shape=(count, 1), dtype="int32", name="position")
        self._loss_sum = state(shape=(count,), name="loss_sum")
        self._loss_count = state(shape=(), name="loss_count")
        self.rows.assign(np.stack([self._row_of(model) for model in models]))
        self._numbers.assign(np.stack([self._numbers_of(*pair) for pair in zip(members, models, strict=True)]))
        if table is not None:
            self._table_inputs = state(shape=table.inputs.shape, name="table_inputs")
            self._table_targets = state(shape=table.targets.shape, name="table_targets")
            self._table_inputs.assign(table.inputs)
            self._table_targets.assign(table.targets)
        self.built = True

    # ---- members and rows

    @property
    def _number_names(self) -> tuple[str, ...]:
        return self._template.cells[0].member_numbers

    def _numbers_of(self, member: Member, model: keras.Model) -> np.ndarray:
        """Returns what differs between members besides weights: every_step, patterns, activation, cell numbers."""
        cell = _Template(model).cells[0]
        activation = keras.activations.serialize(cell.activation)
        if activation not in cell.activations:
            valid = ", ".join(cell.activations)
            raise InputError(f"activation in a population must be one of {valid}; got {activation}")
        if self.table is not None and not 1 <= member.patterns <= len(self.table.inputs):
            raise InputError(f"patterns must be in [1, {len(self.table.inputs)}]; got {member.patterns}")
        own = [getattr(cell, name) for name in self._number_names]
        return np.array([member.every_step, member.patterns, cell.activations.index(activation), *own], "float32")

    def _row_of(self, model: keras.Model) -> np.ndarray:
        if _slots(model) != tuple(self.slots):
            raise InputError("all members of a population must have the same cell, units, depth, input and output")
        weights = [(w.name, w) for layer in model.layers for w in layer.trainable_weights]
        return np.concatenate(
            [slot.to_row(ops.convert_to_numpy(weight)) for slot, (_, weight) in zip(self.slots, weights, strict=True)]
        )

    @classmethod
    def from_models(
        cls,
        build: Callable[[Member], keras.Model],
        members: Sequence[Member],
        models: Sequence[keras.Model],
        table: PatternTable | None = None,
    ) -> Population:
        """Returns the population whose members have these models' weights."""
        population = cls(build, members, table)
        population.rows.assign(np.stack([population._row_of(model) for model in models]))
        return population

    def member(self, index: int) -> keras.Model:
        """Returns a member as an ordinary Keras model with its present weights."""
        model = self._build(self.members[index])
        row = ops.convert_to_numpy(self.rows)[index]
        stretches = np.split(row, np.cumsum([slot.size for slot in self.slots])[:-1])
        weights = [weight for layer in model.layers for weight in layer.trainable_weights]
        for slot, weight, stretch in zip(self.slots, weights, stretches, strict=True):
            weight.assign(slot.from_row(stretch))
        return model

    def replace(self, slot: int, member: Member) -> None:
        """Gives a member's place to a new one, with fresh weights and optimizer state; nothing is compiled again."""
        model = self._build(member)
        row = self._row_of(model)  # checks before anything changes
        numbers = self._numbers_of(member, model)
        set_row(self.rows, slot, row)
        set_row(self._numbers, slot, numbers)
        set_row(self._position, slot, 0)
        set_row(self._loss_sum, slot, 0.0)
        if self.optimizer is not None and self.optimizer.built:
            self.optimizer.reset_row(slot, member.settings)
        self.members[slot] = member

    @property
    def alive(self) -> np.ndarray:
        """Which members have not diverged, shape `(members,)`."""
        if self.optimizer is None or not self.optimizer.built:
            return np.ones(len(self.members), bool)
        return ops.convert_to_numpy(self.optimizer.alive)[:, 0] > 0

    @property
    def steps_done(self) -> np.ndarray:
        """Training steps that each member has taken, shape `(members,)`."""
        if self.optimizer is None or not self.optimizer.built:
            return np.zeros(len(self.members), int)
        return ops.convert_to_numpy(self.optimizer.row_steps)[:, 0].astype(int)

    def take_losses(self) -> np.ndarray:
        """Returns each member's mean loss since the last call, NaN where it diverged or no step was made."""
        count = float(ops.convert_to_numpy(self._loss_count))
        sums = ops.convert_to_numpy(self._loss_sum)
        self._loss_sum.assign(np.zeros_like(sums))
        self._loss_count.assign(0.0)
        return sums / count if count else np.full_like(sums, np.nan)

    # ---- training

    def compile_population(
        self, loss: keras.losses.Loss, steps_per_execution: int = 100, jit: bool | None = None
    ) -> None:
        """Compiles with the members' own optimizers.

        Args:
            loss: The loss of one model; members' losses add.
            steps_per_execution: Training steps in one call of the compiled graph.
            jit: Whether to use XLA; `None` uses it where the time loop is written out.
        """
        self.compile(
            RowOptimizer([member.settings for member in self.members]),
            loss,
            steps_per_execution=steps_per_execution,
            jit_compile=self.table is not None if jit is None else jit,
        )
        self.optimizer.build([self.rows])

    def fit_steps(self, steps: int, callbacks: Sequence[keras.callbacks.Callback] = ()) -> None:
        """Trains all members for `steps` steps on their own patterns of the table, in one epoch of `fit`."""
        import tensorflow as tf

        ticks = tf.data.Dataset.from_tensors(np.zeros((1, 1), "float32")).repeat(steps)
        self.fit(ticks, verbose=0, shuffle=False, callbacks=list(callbacks))

    def call(self, inputs: Any) -> Any:
        """Returns the members' outputs, `(members, batch, output_dim)` or `(members, batch, time, output_dim)`."""
        if self.table is None:
            return self._run_sequence(inputs)
        outputs = self._run_static(ops.take(self._table_inputs, self._own_rows(), axis=0))
        return outputs

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Returns the sum of the members' losses, those that are not finite left out, and records each."""
        if self.table is not None:
            del x
            y = ops.take(self._table_targets, self._own_rows(), axis=0)
            self._position.assign(self._position + self.table.batch_size)
        losses = self.member_losses(y, y_pred, sample_weight)
        if training:
            self._loss_sum.assign(self._loss_sum + losses)
            self._loss_count.assign(self._loss_count + 1.0)
        return ops.sum(ops.where(ops.isfinite(losses), losses, 0.0))

    def member_losses(self, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Returns the loss of each member, shape `(members,)`."""
        if len(y.shape) < len(y_pred.shape) and y.shape[0] != y_pred.shape[0]:
            y = ops.broadcast_to(y, (y_pred.shape[0], *ops.shape(y)))
        each = self.loss.call(y, y_pred)
        axes = tuple(range(1, len(each.shape)))
        if sample_weight is None:
            return ops.mean(each, axis=axes)
        weight = ops.broadcast_to(ops.cast(sample_weight, each.dtype), ops.shape(each))
        return ops.sum(each * weight, axis=axes) / ops.sum(weight, axis=axes)

    def _own_rows(self) -> Any:
        """Returns the places in the table of each member's next batch, `(members, batch)`."""
        assert self.table is not None
        patterns = ops.cast(ops.convert_to_tensor(self._numbers)[:, 1:2], "int32")
        return (self._position + ops.arange(self.table.batch_size, dtype="int32")) % patterns

    def outputs_on_table(self) -> np.ndarray:
        """Returns every member's outputs for every pattern of the table, `(members, patterns, output_dim)`."""
        x = ops.transpose(ops.convert_to_tensor(self._table_inputs))
        return ops.convert_to_numpy(self._run_static(x))

    # ---- the forward pass

    def _weights(self) -> list[dict[str, Any]]:
        """Returns the stored weights of each layer, `(members, *stored)`."""
        members = len(self.members)
        cuts = np.cumsum([slot.size for slot in self.slots])[:-1].tolist()
        parts = ops.split(ops.convert_to_tensor(self.rows), cuts, axis=1)
        layers: list[dict[str, Any]] = [{} for _ in range(len(self._template.cells) + 1)]
        for slot, part in zip(self.slots, parts, strict=True):
            layers[slot.layer][slot.name] = ops.reshape(part, (members, *slot.stored))
        return layers

    def _all_cells(self) -> list[_CellOfAll]:
        numbers = ops.convert_to_tensor(self._numbers)[:, :, None, None]
        own = {name: numbers[:, 3 + index] for index, name in enumerate(self._number_names)}
        names = self._template.cells[0].activations
        functions = [keras.activations.get(name) for name in names]

        def activation(a: Any) -> Any:
            chosen = functions[0](a)
            for index in range(1, len(functions)):
                chosen = ops.where(numbers[:, 2] == index, functions[index](a), chosen)
            return chosen

        return [_CellOfAll(cell, activation=activation, **own) for cell in self._template.cells]

    def _run_static(self, x: Any) -> Any:
        """Runs inputs that stay: `(members, batch, input_dim)`, or `(input_dim, batch)` for all members."""
        assert self.table is not None
        length = self.table.length
        batch = x.shape[1]
        weights = self._weights()
        first = weights[0]
        if len(x.shape) == 3:
            x = ops.swapaxes(x, 1, 2)
        if "projection" in first:
            x = MemberAffine(first["projection"], None, None, 0).input_product(x)
        product = MemberAffine(first["kernel"], None, None, 0).input_product(x)
        every_step = ops.convert_to_tensor(self._numbers)[:, 0:1, None]
        later, later_product = (x if len(x.shape) == 3 else x[None]) * every_step, product * every_step
        cells = self._all_cells()
        states = self._initial_states(weights, batch)
        for t in range(length):
            inputs = (x, product) if t == 0 else (later, later_product)
            states, y = self._step(cells, weights, states, *inputs)
        return self._read_out(weights[-1], y)

    def _run_sequence(self, inputs: Any) -> Any:
        """Runs sequences: `(batch, time, input_dim)`, or `(members, batch, time, input_dim)`."""
        x = ops.moveaxis(inputs, -2, 0)  # (time, ..., batch, input_dim)
        x = ops.swapaxes(x, -1, -2)
        weights = self._weights()
        cells = self._all_cells()
        states = self._initial_states(weights, ops.shape(x)[-1])

        ys = []
        for t in range(x.shape[0]):
            states, y = self._step(cells, weights, states, x[t])
            ys.append(y)
        if not self._template.returns_sequences:
            return self._read_out(weights[-1], y)
        outputs = self._read_out(weights[-1], ops.stack(ys))  # (time, members, batch, output_dim)
        return ops.moveaxis(outputs, 0, 2)

    def _initial_states(self, weights: list[dict[str, Any]], batch: Any) -> list[tuple[Any, ...]]:
        members = len(self.members)
        states = []
        for cell, own in zip(self._template.cells, weights, strict=False):
            zeros = ops.zeros((members, cell.units, batch))
            learned: Any = own.get("initial_state")
            names = () if learned is None else cell.learned_states
            rows = {name: learned[:, index, :, None] for index, name in enumerate(names)}
            states.append(tuple(zeros + rows[name] if name in rows else zeros for name in cell.state_names))
        return states

    def _step(self, cells: Any, weights: Any, states: Any, x: Any, product: Any = None) -> tuple[Any, Any]:
        """Runs one time step of all layers by their cells' own `step`; returns all states and the last output."""
        new = []
        for layer, (cell, state) in enumerate(zip(cells, states, strict=True)):
            own = weights[layer]
            if "projection" in own and product is None:
                x = MemberAffine(own["projection"], None, None, 0).input_product(x)
            affine = MemberAffine(own["kernel"], own["recurrent_kernel"], own.get("bias"), cell.units, product)
            new.append(type(cell._cell).step(cell, x, state, affine))
            x, product = new[-1][0], None
        return new, x

    def _read_out(self, weights: dict[str, Any], y: Any) -> Any:
        """Returns the readout of `(..., members, units, batch)` as `(..., members, batch, output_dim)`."""
        outputs = ops.matmul(weights["kernel"], y)
        if "bias" in weights:
            outputs = outputs + weights["bias"]
        return ops.swapaxes(outputs, -1, -2)


class _Template:
    """What members share. A plain object, so that Keras does not take the template's weights for the population's."""

    def __init__(self, model: keras.Model) -> None:
        layers = [layer for layer in model.layers if layer.trainable_weights]
        self.cells = [_cell_of(layer) for layer in layers[:-1]]
        self.returns_sequences = bool(layers[-2].return_sequences)
        self.slots = _slots(model)


def _cell_of(layer: Any) -> Any:
    cell: Any = getattr(layer, "cell", None)
    if not hasattr(cell, "step"):
        raise InputError(
            f"layer {layer.name} of a population must be keras.layers.RNN(cell) with a cell that has a step, as "
            "keras_rnncap.RecurrentCell says; train models with other cells one by one"
        )
    if cell.dropout or cell.recurrent_dropout:
        raise InputError("dropout of cells in a population must be 0")
    return cell


def _slots(model: keras.Model) -> tuple[Slot, ...]:
    slots = []
    for index, layer in enumerate(layer for layer in model.layers if layer.trainable_weights):
        for weight in layer.trainable_weights:
            shape = tuple(weight.shape)
            stored = shape if weight.name == "initial_state" else (*shape[::-1], 1)[:2]
            slots.append(Slot(index, weight.name, shape, stored))
    return tuple(slots)


class PatternTable(NamedTuple):
    """Patterns that all members of a population draw from, each from the first `patterns` of them.

    Attributes:
        inputs: Shape `(patterns, input_dim)`, given at the first time step or at every one, as the member says.
        targets: Shape `(patterns, output_dim)`.
        length: Time steps before the output is read.
        batch_size: Patterns in a step of each member.
    """

    inputs: np.ndarray
    targets: np.ndarray
    length: int
    batch_size: int
