"""Hundreds of models of one shape, trained as one Keras model."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import keras
import numpy as np
from keras import ops

from keras_rnncap.errors import InputError, check_number
from keras_rnncap.population.epochs import started
from keras_rnncap.population.forward import SHARED_NUMBERS, CannotShareError, Template, dropout_of, slots_of
from keras_rnncap.population.groups import Groups
from keras_rnncap.population.member import Member
from keras_rnncap.population.optimizer import RowOptimizer, set_row
from keras_rnncap.training import ScheduleState, saturate

BATCH_SIZE = 32
"""Keras' own, where none is named."""
MEMORY_LIMIT = 4e9
"""Bytes: what a population takes by default before it computes its members in groups, one after another."""


Batches: TypeAlias = Callable[[Sequence[Member], Sequence[int], int], Any]
"""From members, the steps that each has made and a number of steps to so many batches, `(members, batch, ...)` each."""


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


class Population(keras.Model):
    """N models of one shape that train as one Keras model.

    Members whose models are stateful keep their states from batch to batch, from zero until `reset_states`; see
    `MemberBuilder.stateful_batch`.

    All trainable weights are one matrix of shape `(members, parameters)`, a row for each member. Losses of members add,
    so the gradient of a row is that of its member alone, and `RowOptimizer` trains each row by its own settings. The
    cells' own `step` runs on tensors with a leading member axis.

    Inputs of a step, and targets likewise, are

    - one batch for all members, `(batch, time, input_dim)`: it is not copied for each of them; or
    - a batch for each, `(members, batch, time, input_dim)`; or
    - where the population has a `table`, the number of steps to make, as `fit_steps` gives it: in each of them every
      member takes its next `batch_size` of its own patterns, the first `patterns` of the table, in order and again from
      the start, as its static input.

    Args:
        build: From a member to its ordinary Keras model, as it starts: layers `keras.layers.RNN` with cells that have a
            `step`, and a `Dense` readout. `MemberBuilder` makes one.
        members: The members.
        table: The patterns from which members draw, if that is where their data are.
        memory_limit: Bytes. Where a step of all members would need more, as `memory_needed` estimates it, they are
            computed in groups, one after another; the results are the same.

    Raises:
        CannotShareError: If a model is not of that kind, or a cell's `step` computes something else here.
        InputError: If there are no members, their models differ in shape, or a single member needs more than
            `memory_limit`.

    Example:
    >>> from keras_rnncap.population import MemberBuilder
    >>> from keras_rnncap.training import TrainingSettings
    >>> build = MemberBuilder("ugrnn", units=4, input_dim=3, output_dim=1)
    >>> members = [Member(TrainingSettings(steps=20, learning_rate=rate), seed=0) for rate in (0.001, 0.01, 0.1)]
    >>> population = Population(build, members)
    >>> population.compile_population(keras.losses.MeanSquaredError(), steps_per_execution=1)
    >>> history = population.fit(np.ones((8, 5, 3)), np.ones((8, 1)), epochs=20, verbose=0)
    >>> population.steps_done.tolist(), population.member(1).output_shape
    ([20, 20, 20], (None, 1))
    """

    def __init__(
        self,
        build: Callable[[Member], keras.Model],
        members: Sequence[Member],
        table: PatternTable | None = None,
        memory_limit: float = MEMORY_LIMIT,
    ) -> None:
        super().__init__(name="population")
        if not members:
            raise InputError("a population needs at least one member; got none")
        check_number("memory_limit", memory_limit, 1.0)
        self._build = build
        self.members = list(members)
        self.schedules = [started(member) for member in members]
        self.table = table
        self.memory_limit = memory_limit
        models = [build(member) for member in members]
        self._template = Template(models[0])
        self._groups = Groups(len(members))
        self._batch_size: int | None = None
        if table is not None:
            self._group_size(table.batch_size, table.length)  # an error now rather than when training starts
        count = len(members)
        self.rows = self.add_weight(
            shape=(count, sum(slot.size for slot in self.slots)), initializer="zeros", name="rows"
        )
        state = functools.partial(self.add_weight, trainable=False, initializer="zeros")
        self._numbers = state(shape=(count, self._template.width), name="numbers")
        self._saturation = state(shape=(count, 1), name="saturation")
        self._position = state(shape=(count, 1), dtype="int32", name="position")
        self._loss_sum = state(shape=(count, 1), name="loss_sum")
        self._loss_count = state(shape=(count, 1), name="loss_count")
        self._steps_left = state(shape=(count, 1), name="steps_left")
        self._rate = state(shape=(count,), name="dropout_rate")
        self._seed = state(shape=(count,), dtype="uint32", name="dropout_seed")
        self._drawn = state(shape=(count,), dtype="int32", name="dropout_steps")
        self._drops = False
        pairs = [self._checked(*pair) for pair in zip(members, models, strict=True)]
        for slot, model in enumerate(models):
            self._set_dropout(slot, model)
        self.rows.assign(np.stack([row for row, _ in pairs]))
        self._numbers.assign(np.stack([numbers for _, numbers in pairs]))
        self._saturation.assign([[member.settings.loss_saturation] for member in members])
        self._steps_left.assign([[float(member.settings.steps)] for member in members])
        cells = self._template.cells if self.stateful_batch else []
        self._carried = [
            tuple(
                state(shape=(count, *declared.shape, self.stateful_batch), name=f"carried_{layer}_{declared.name}")
                for declared in cell.declare_states()
            )
            for layer, cell in enumerate(cells)
        ]
        if table is not None:  # patterns innermost, as they are computed with
            self._table_inputs = state(shape=table.inputs.shape[::-1], name="table_inputs")
            self._table_targets = state(shape=table.targets.shape, name="table_targets")
            self._table_inputs.assign(table.inputs.T)
            self._table_targets.assign(table.targets)
        self.built = True

    # ---- members and rows

    @property
    def slots(self) -> tuple[Any, ...]:
        """Where each weight stands in a member's row."""
        return self._template.slots

    def _checked(self, member: Member, model: keras.Model) -> tuple[np.ndarray, np.ndarray]:
        """Returns a member's row and numbers, if it fits in here."""
        if self.table is not None and not 1 <= member.patterns <= len(self.table.inputs):
            raise InputError(f"patterns must be in [1, {len(self.table.inputs)}]; got {member.patterns}")
        if self.table is not None and dropout_of(model)[0]:
            raise CannotShareError(
                "members that draw from a table have no dropout; train them on batches or one by one"
            )
        row = self._row_of(model)
        self._template.check_same(model, row)
        return row, self._template.numbers(model, member.every_step, member.patterns)

    def _row_of(self, model: keras.Model) -> np.ndarray:
        if slots_of(model) != tuple(self.slots):
            raise InputError("all members of a population must have the same cell, units, depth, input and output")
        return np.concatenate(
            [
                slot.to_row(ops.convert_to_numpy(weight))
                for slot, weight in zip(self.slots, model.trainable_weights, strict=True)
            ]
        )

    def member(self, index: int) -> keras.Model:
        """Returns a member as an ordinary Keras model with its present weights."""
        model = self._build(self.members[index])
        row = ops.convert_to_numpy(self.rows)[index]
        stretches = np.split(row, np.cumsum([slot.size for slot in self.slots])[:-1])
        for slot, weight, stretch in zip(self.slots, model.trainable_weights, stretches, strict=True):
            weight.assign(slot.from_row(stretch))
        return model

    def replace(self, slot: int, member: Member) -> None:
        """Gives a member's place to a new one, with fresh weights and optimizer state; nothing is compiled again."""
        model = self._build(member)
        row, numbers = self._checked(member, model)  # before anything changes
        for variable, value in (
            (self.rows, row),
            (self._numbers, numbers),
            (self._saturation, member.settings.loss_saturation),
            (self._position, 0),
            (self._loss_sum, 0.0),
            (self._loss_count, 0.0),
            (self._steps_left, member.settings.steps),
        ):
            set_row(variable, slot, value)
        self.reset_states([slot])
        self._set_dropout(slot, model)
        if self.optimizer is not None and self.optimizer.built:
            self.optimizer.reset_row(slot, member.settings)
        self.members[slot], self.schedules[slot] = member, started(member)

    def _set_dropout(self, slot: int, model: keras.Model) -> None:
        """Takes over a model's dropout. Steps get slower with the first that has some, and are compiled again."""
        rate, seed = dropout_of(model)
        if rate and not self._drops:
            self._drops, self.train_function = True, None
        if self._drops:
            for variable, value in ((self._rate, rate), (self._seed, seed), (self._drawn, 0)):
                set_row(variable, slot, value)

    def follow(self, slot: int, state: ScheduleState) -> None:
        """Has the member in a slot train on as its schedule says in a state, or not at all where that has stopped.

        `keras_rnncap.population.epochs.listen` does so after an epoch.
        """
        steps, done = self.members[slot].settings.steps, int(self.steps_done[slot])
        self.schedules[slot] = state
        self.optimizer.change_row(slot, learning_rate=state.rate, steps=done if state.stopped else steps)
        set_row(self._steps_left, slot, 0.0 if state.stopped else steps - done)

    @property
    def stateful_batch(self) -> int | None:
        """Samples in a batch where members keep their states from batch to batch, as their models do; else `None`."""
        return self._template.stateful_batch

    def reset_states(self, slots: Sequence[int]) -> None:
        """Has the states that members in some slots keep from batch to batch be zero."""
        for variable in keras.tree.flatten(self._carried):
            for slot in slots:
                set_row(variable, slot, 0.0)

    @property
    def _own_state(self) -> dict[str, Any]:
        """What a member has of its own and a new one has not, by name: variables with a leading member axis."""
        optimizer = self.optimizer
        return {
            "row": self.rows,
            "position": self._position,
            "loss_sum": self._loss_sum,
            "loss_count": self._loss_count,
            "steps_left": self._steps_left,
            "first_moment": optimizer.first,
            "second_moment": optimizer.second,
            "steps": optimizer.row_steps,
            "alive": optimizer.alive,
            **{variable.name: variable for variable in keras.tree.flatten(self._carried)},
            **({"dropout_steps": self._drawn} if self._drops else {}),
        }

    def states(self) -> list[dict[str, np.ndarray]]:
        """Returns what `restore` needs of each member; the population must have been compiled."""
        arrays = {name: np.array(ops.convert_to_numpy(variable)) for name, variable in self._own_state.items()}
        states = [{name: array[slot] for name, array in arrays.items()} for slot in range(len(self.members))]
        schedules = [{"schedule": np.array(state)} if state else {} for state in self.schedules]
        return [state | schedule for state, schedule in zip(states, schedules, strict=True)]

    def restore(self, slot: int, state: Mapping[str, np.ndarray]) -> None:
        """Sets the member in a slot back to where `states` was taken of it, in this population or another one."""
        for name, variable in self._own_state.items():
            if name in state or name != "dropout_steps":  # which a member lacks that was among others without dropout
                set_row(variable, slot, state[name])
        if "schedule" in state:
            self.follow(slot, ScheduleState(*state["schedule"].tolist()))

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

    @property
    def ended(self) -> np.ndarray:
        """Which members have taken all their steps, were stopped by a schedule or have diverged, shape `(members,)`."""
        stopped = np.array([state is not None and bool(state.stopped) for state in self.schedules])
        return ~self.alive | stopped | (self.steps_done >= [member.settings.steps for member in self.members])

    def take_losses(self) -> np.ndarray:
        """Returns each member's mean training loss since the last call, over the steps that it made.

        Shape `(members,)`; NaN where no step was made, NaN or infinite where the loss became so.
        """
        sums, counts = ops.convert_to_numpy(self._loss_sum)[:, 0], ops.convert_to_numpy(self._loss_count)[:, 0]
        self._loss_sum.assign(np.zeros((len(sums), 1)))
        self._loss_count.assign(np.zeros((len(sums), 1)))
        return np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)

    # ---- memory

    def memory_needed(self, batch_size: int, length: int, members: int | None = None) -> int:
        """Returns an estimate of the bytes that a training step of so many members at once needs.

        Counted are weights, gradients and moments of all members, and for those that are computed at once the inputs
        and, for each layer and time step, what the gradient needs again.
        """
        count = len(self.members)
        features = self._template.input_dim
        for layer, cell in enumerate(self._template.cells):
            maps = [s.shape[-1] for s in self.slots if s.layer == layer and s.shape and s.name != "initial_state"]
            features += 3 * max(maps, default=0) + 3 * sum(state.size for state in cell.declare_states())
        activations = (members or count) * batch_size * length * features
        return 4 * (6 * count * sum(slot.size for slot in self.slots) + activations)

    def _group_size(self, batch_size: int, length: int) -> int:
        """Returns how many members are computed at once."""
        size = len(self.members)
        while self.memory_needed(batch_size, length, size) > self.memory_limit:
            if size == 1:
                raise InputError(
                    f"memory_limit={self.memory_limit:.3g} bytes is too small: {len(self.members)} members of which "
                    f"one is computed at once need {self.memory_needed(batch_size, length, 1):.3g}; raise it, or take "
                    "fewer members or a smaller batch"
                )
            size = -(-size // 2)
        return size

    # ---- training

    def compile_population(
        self, loss: keras.losses.Loss, steps_per_execution: int = 100, jit: bool | None = True
    ) -> None:
        """Compiles with the members' own optimizers.

        Args:
            loss: The loss of one model; members' losses add.
            steps_per_execution: Training steps in one call of the compiled graph.
            jit: Whether to use XLA.
        """
        self._steps_per_call = steps_per_execution
        self._loss_of_one = loss  # not given to Keras, which on JAX would trace the model in every fit to build it
        self.compile(
            RowOptimizer([member.settings for member in self.members], self._groups),
            steps_per_execution=1 if self.table is not None else steps_per_execution,
            jit_compile=jit,
        )
        self.optimizer.build([self.rows])

    def fit(self, x: Any = None, y: Any = None, batch_size: int | None = None, **options: Any) -> Any:
        """Trains on batches as Keras does; `batch_size` is that of arrays, from which batches are taken."""
        taken = batch_size or (BATCH_SIZE if hasattr(x, "__array__") else None)
        if taken != self._batch_size:
            self._batch_size, self.train_function = taken, None  # it was traced for groups of another size
        return super().fit(x, y, batch_size=batch_size, **options)

    def fit_steps(self, steps: int, callbacks: Sequence[keras.callbacks.Callback] = ()) -> None:
        """Trains all members for `steps` steps on their own patterns of the table, in one epoch of `fit`.

        A batch of this `fit`, after which callbacks are called, is `steps_per_execution` steps.
        """
        whole, rest = divmod(steps, self._steps_per_call)
        counts: Any = np.array([self._steps_per_call] * whole + [rest] * (rest > 0), "int32")[:, None]
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            options = tf.data.Options()
            options.autotune.enabled = False  # it delays the end of such a short data set by up to five seconds
            counts = tf.data.Dataset.from_tensor_slices(counts[:, None]).with_options(options)
            size = None
        else:
            size = 1
        self.fit(counts, batch_size=size, verbose=0, shuffle=False, callbacks=list(callbacks))

    def fit_batches(self, batches: Batches, steps: int) -> None:
        """Trains all members for `steps` steps, each on batches of its own."""
        data = batches(self.members, self.steps_done.tolist(), steps)
        self.fit(data, steps_per_epoch=steps, verbose=0, shuffle=False)

    def train_step(self, *arguments: Any) -> Any:
        """Makes one step, or, from a table, as many as the data say; each of them in turn with all groups.

        The loop is in the compiled graph, so that memory is not asked for anew in every step.
        """
        step = super().train_step
        x = keras.utils.unpack_x_y_sample_weight(arguments[-1])[0]
        groups = self._groups
        batch, length = (
            (self.table.batch_size, self.table.length)
            if self.table is not None
            else (x.shape[-3] or self._batch_size or 1, x.shape[-2] or 1)  # None where TensorFlow does not know it
        )
        groups.size, groups.index = self._group_size(batch, length), 0
        rounds = groups.count * (1 if self.table is None else ops.sum(ops.cast(x, "int32")))
        if self.table is None and groups.count == 1:
            return step(*arguments)

        def in_turn(number: Any, *arguments: Any) -> Any:
            groups.index = number % groups.count
            return step(*arguments)

        if keras.backend.backend() == "jax":
            state, data = arguments
            return {}, ops.fori_loop(0, rounds, lambda number, state: in_turn(number, state, data)[1], state)
        import tensorflow as tf

        def once(number: Any) -> Any:
            in_turn(number, *arguments)
            return number + 1

        tf.while_loop(lambda number: number < rounds, once, [0])
        return self.get_metrics_result()

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Returns the members' outputs, `(members, batch, output_dim)` or `(members, batch, time, output_dim)`.

        In training, those of the group whose turn it is.
        """
        rows, numbers = self._part_of(self.rows, training), self._part_of(self._numbers, training)
        if isinstance(inputs, Mapping):
            return self._template.sequence(rows, numbers, inputs["inputs"], inputs["states"])
        if self.table is None:
            x = self._part_of(inputs, training) if len(inputs.shape) == 4 else inputs
            if not training:
                return self._template.sequence(rows, numbers, x)[0]
            before = tuple(tuple(map(self._groups.part, states)) for states in self._carried) or None
            dropout = tuple(map(self._groups.part, (self._rate, self._seed, self._drawn))) if self._drops else None
            outputs, after = self._template.sequence(rows, numbers, x, before, dropout)
            if self._drops:
                self._groups.add(self._drawn, 1)
            if self._carried:
                for variable, value in zip(keras.tree.flatten(self._carried), keras.tree.flatten(after), strict=True):
                    self._groups.set(variable, value)
            return outputs
        x = ops.swapaxes(ops.take(self._table_inputs, self._places(training), axis=1), 0, 1)
        return self._template.static(rows, numbers, x, self.table.length)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Returns the sum of the members' losses, those that are not finite left out, and records each."""
        if self.table is not None:
            y = ops.take(self._table_targets, self._places(training), axis=0)
        elif len(x.shape) == 4:
            y = self._part_of(y, training)
            sample_weight = None if sample_weight is None else self._part_of(sample_weight, training)
        else:
            y = ops.broadcast_to(y, (y_pred.shape[0], *ops.shape(y)))
        saturation = self._part_of(self._saturation, training)
        losses = self.member_losses(y, y_pred, saturation, sample_weight)
        if training:
            running = self._part_of(self._steps_left, training) > 0  # the optimizer's own count is not read here on JAX
            self._groups.add(self._loss_sum, ops.where(running, losses[:, None], 0.0))
            self._groups.add(self._loss_count, ops.cast(running, losses.dtype))
            self._groups.add(self._steps_left, -ops.cast(running, losses.dtype))
            if self.table is not None:
                self._groups.add(self._position, ops.full((losses.shape[0], 1), self.table.batch_size, "int32"))
                self._position.assign(ops.mod(ops.convert_to_tensor(self._position), self._own_patterns))
        return ops.sum(ops.where(ops.isfinite(losses), losses, self._undefined(losses, training)))

    def _undefined(self, losses: Any, training: bool) -> Any:
        """Returns 0 for each member, with an undefined gradient for those whose loss is: the optimizer freezes them.

        The gradient of sqrt at 0 is infinite, and infinite times 0 is not a number.
        """
        rows = self._part_of(self.rows, training)
        return ops.sqrt(ops.where(ops.isfinite(losses), 1.0, 0.0 * ops.sum(rows, axis=1)))

    def member_losses(self, y: Any, y_pred: Any, saturation: Any, sample_weight: Any = None) -> Any:
        """Returns the loss of each member, shape `(members,)`, each saturated by its own `(members, 1)`."""
        each = self._loss_of_one.call(y, y_pred)
        axes = tuple(range(1, len(each.shape)))
        each = saturate(each, ops.reshape(saturation, (-1, *[1] * len(axes))))
        if sample_weight is None:
            return ops.mean(each, axis=axes)
        weight = ops.broadcast_to(ops.cast(sample_weight, each.dtype), ops.shape(each))
        return ops.divide_no_nan(ops.sum(each * weight, axis=axes), ops.sum(weight, axis=axes))

    def outputs_on_table(self) -> np.ndarray:
        """Returns every member's outputs for every pattern of the table, `(members, patterns, output_dim)`."""
        assert self.table is not None
        rows, numbers, x = (
            ops.convert_to_tensor(variable) for variable in (self.rows, self._numbers, self._table_inputs)
        )
        return ops.convert_to_numpy(self._template.static(rows, numbers, x, self.table.length))

    def outputs(self, inputs: np.ndarray, states: Any = None) -> tuple[np.ndarray, Any]:
        """Returns every member's outputs for a batch, `(members, batch, ...)`, computed in parts that fit in memory.

        Args:
            inputs: The batch.
            states: Where members keep their states, those that this returned for the batch before, or `None` for zeros.
        """
        if self.stateful_batch:
            zeros = [tuple(np.zeros(state.shape, "float32") for state in layer) for layer in self._carried]
            return self.predict_on_batch({"inputs": inputs, "states": states or zeros})
        size, length = inputs.shape[:2]
        while size > 1 and self.memory_needed(size, length) - self.memory_needed(0, length) > self.memory_limit:
            size = -(-size // 2)
        parts = [self.predict_on_batch(inputs[first : first + size]) for first in range(0, len(inputs), size)]
        return np.concatenate(parts, axis=1), None

    def _part_of(self, tensor: Any, training: bool) -> Any:
        """Returns what belongs to the members that are computed, of a tensor with a leading member axis."""
        return self._groups.part(tensor) if training else ops.convert_to_tensor(tensor)

    @property
    def _own_patterns(self) -> Any:
        """How many patterns of the table are each member's own, `(members, 1)`."""
        column = SHARED_NUMBERS.index("patterns")
        return ops.cast(ops.convert_to_tensor(self._numbers)[:, column : column + 1], "int32")

    def _places(self, training: bool) -> Any:
        """Returns the places in the table of each member's next batch, `(members, batch)`."""
        assert self.table is not None
        patterns = self._part_of(self._own_patterns, training)
        return (self._part_of(self._position, training) + ops.arange(self.table.batch_size, dtype="int32")) % patterns
