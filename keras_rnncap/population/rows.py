"""Models of one shape as the rows of one matrix: they come and go, and are kept and restored."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from keras_rnncap.errors import InputError
from keras_rnncap.population.epochs import schedule_arrays, schedule_state
from keras_rnncap.population.forward import Template
from keras_rnncap.population.groups import Groups
from keras_rnncap.population.member import Member
from keras_rnncap.population.optimizer import set_rows
from keras_rnncap.population.shuffling import check_patterns
from keras_rnncap.population.slots import CannotShareError, Slot, dropout_of, slots_of
from keras_rnncap.training import ScheduleState


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


class MemberRows(keras.Model):
    """The members of a population, whose weights and states are rows of its variables; see `Population`."""

    def __init__(
        self, build: Callable[[Member], keras.Model], members: Sequence[Member], table: PatternTable | None
    ) -> None:
        super().__init__(name="population")
        if table is not None:
            check_patterns(len(table.inputs))
        if not members:
            raise InputError("a population needs at least one member; got none")
        self._build, self.members, self.table = build, list(members), table
        self.schedules = [member.settings.schedule_start for member in members]
        models = [build(member) for member in members]
        self._template = Template(models[0])
        self._groups = Groups(len(members))
        self._drops = False
        count = len(members)
        size = sum(slot.size for slot in self.slots)
        self.rows = self.add_weight(shape=(count, size), initializer="zeros", name="rows")
        state = functools.partial(self.add_weight, trainable=False, initializer="zeros")
        self._numbers = state(shape=(count, self._template.width), name="numbers")
        self._saturation = state(shape=(count, 1), name="saturation")
        self._temperature = state(shape=(count, 1), name="temperature")
        self._batches = state(shape=(count, 1), dtype="int32", name="batches")
        self._loss_sum = state(shape=(count, 1), name="loss_sum")
        self._loss_count = state(shape=(count, 1), name="loss_count")
        self._steps_left = state(shape=(count, 1), name="steps_left")
        self._rate = state(shape=(count,), name="dropout_rate")
        self._seed = state(shape=(count,), dtype="uint32", name="dropout_seed")
        self._drawn = state(shape=(count,), dtype="int32", name="dropout_steps")
        self._carried = [
            tuple(
                state(shape=(count, *declared.shape, self.stateful_batch), name=f"carried_{layer}_{declared.name}")
                for declared in cell.declare_states()
            )
            for layer, cell in enumerate(self._template.cells if self.stateful_batch else ())
        ]
        self._enter(range(count), members, models)
        if table is not None:  # patterns innermost, as they are computed with
            self._table_inputs = state(shape=table.inputs.shape[::-1], name="table_inputs")
            self._table_targets = state(shape=table.targets.shape, name="table_targets")
            self._table_inputs.assign(table.inputs.T)
            self._table_targets.assign(table.targets)
        self.built = True

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The stretches of a member's row that its weights have."""
        return self._template.slots

    @property
    def stateful_batch(self) -> int | None:
        """Samples in a batch of members that keep their states from batch to batch; else `None`."""
        return self._template.stateful_batch

    def _row_of(self, model: keras.Model) -> np.ndarray:
        if slots_of(model) != self.slots:
            raise InputError("all members of a population must have the same cell, units, depth, input and output")
        weights = zip(self.slots, model.trainable_weights, strict=True)
        return np.concatenate([slot.to_row(ops.convert_to_numpy(weight)) for slot, weight in weights])

    def _checked(self, member: Member, model: keras.Model) -> tuple[np.ndarray, np.ndarray]:
        """Returns a member's row and numbers."""
        if self.table is not None:
            if not 1 <= member.patterns <= len(self.table.inputs):
                raise InputError(f"patterns must be in [1, {len(self.table.inputs)}]; got {member.patterns}")
            if dropout_of(model)[0]:
                raise CannotShareError(
                    "members that draw from a table have no dropout; train them on batches or one by one"
                )
        row = self._row_of(model)
        self._template.check_same(model, row)
        return row, self._template.numbers(model, member.every_step, member.patterns)

    def _enter(self, slots: Sequence[int], members: Sequence[Member], models: Sequence[keras.Model]) -> None:
        """Gives members places at their start, if all of them fit in."""
        rows, numbers = zip(*map(self._checked, members, models), strict=True)
        rates, seeds = zip(*map(dropout_of, models), strict=True)
        for variable, values in (
            (self.rows, rows),
            (self._numbers, numbers),
            (self._saturation, [[member.settings.loss_saturation] for member in members]),
            (self._temperature, [[member.settings.loss_temperature] for member in members]),
            (self._steps_left, [[member.settings.steps] for member in members]),
            (self._batches, 0),
            (self._loss_sum, 0.0),
            (self._loss_count, 0.0),
            (self._rate, rates),
            (self._seed, seeds),
            (self._drawn, 0),
        ):
            set_rows(variable, slots, values)
        self.reset_states(slots)
        if any(rates) and not self._drops:  # steps get slower, and are compiled again
            self._drops, self.train_function = True, None

    def replace(self, slot: int, member: Member) -> None:
        """Gives a member's place to a new one, with fresh weights and optimizer state; nothing is compiled again."""
        model = self._build(member)
        self._checked(member, model)  # before anything changes
        if self.compiled:
            self.optimizer.reset_row(slot, member.settings)
        self._enter([slot], [member], [model])
        self.members[slot], self.schedules[slot] = member, member.settings.schedule_start

    def member(self, index: int) -> keras.Model:
        """Returns a member as an ordinary Keras model with its present weights."""
        model = self._build(self.members[index])
        row = ops.convert_to_numpy(self.rows)[index]
        stretches = np.split(row, np.cumsum([slot.size for slot in self.slots])[:-1])
        for slot, weight, stretch in zip(self.slots, model.trainable_weights, stretches, strict=True):
            weight.assign(slot.from_row(stretch))
        return model

    def follow(self, slot: int, state: ScheduleState) -> None:
        """Has the member in a slot train on as a state of its schedule says, or stop."""
        steps, done = self.members[slot].settings.steps, int(self.steps_done[slot])
        self.schedules[slot] = state
        self.optimizer.change_row(slot, learning_rate=state.rate, steps=done if state.stopped else steps)
        set_rows(self._steps_left, slot, 0.0 if state.stopped else steps - done)

    def reset_states(self, slots: Sequence[int]) -> None:
        """Sets the states that members in some slots keep from batch to batch to zero."""
        for variable in keras.tree.flatten(self._carried):
            set_rows(variable, slots, 0.0)

    @property
    def _member_state(self) -> dict[str, Any]:
        """Variables with a leading member axis in which a member differs from a new one, by name."""
        optimizer, dropout = self.optimizer, [self._drawn] if self._drops else []
        moments = {"first_moment": optimizer.first, "second_moment": optimizer.second}
        progress = (self._batches, self._loss_sum, self._loss_count, self._steps_left)
        named = {variable.name: variable for variable in (*progress, *keras.tree.flatten(self._carried), *dropout)}
        if optimizer.bases:
            moments |= {variable.name: variable for variable in (*optimizer.moments, *optimizer.bases)}
            moments["refreshed"] = optimizer.refreshed
        return {"row": self.rows, **moments, "steps": optimizer.row_steps, "alive": optimizer.alive, **named}

    def states(self) -> list[dict[str, np.ndarray]]:
        """Returns what `restore` needs of each member; the population must have been compiled."""
        arrays = {name: np.array(ops.convert_to_numpy(variable)) for name, variable in self._member_state.items()}
        return [
            {name: array[slot] for name, array in arrays.items()} | schedule_arrays(state)
            for slot, state in enumerate(self.schedules)
        ]

    def restore(self, slot: int, state: Mapping[str, np.ndarray]) -> None:
        """Sets the member in a slot to its state in `states`, of this population or another."""
        for name, variable in self._member_state.items():
            # Populations without dropout do not keep the first; earlier versions did not keep the other.
            if name in state or name not in ("dropout_steps", "batches"):
                set_rows(variable, slot, state[name])
        if schedule := schedule_state(state):
            self.follow(slot, schedule)

    @property
    def alive(self) -> np.ndarray:
        """Which members have not diverged, shape `(members,)`."""
        alive = self.optimizer.alive if self.compiled else np.ones((len(self.members), 1))
        return ops.convert_to_numpy(alive)[:, 0] > 0

    @property
    def steps_done(self) -> np.ndarray:
        """Training steps that each member has taken, shape `(members,)`."""
        steps = self.optimizer.row_steps if self.compiled else np.zeros((len(self.members), 1))
        return ops.convert_to_numpy(steps)[:, 0].astype(int)

    @property
    def ended(self) -> np.ndarray:
        """Which members have taken all their steps, were stopped by a schedule or have diverged, shape `(members,)`."""
        stopped = np.array([state is not None and bool(state.stopped) for state in self.schedules])
        return ~self.alive | stopped | (self.steps_done >= [member.settings.steps for member in self.members])

    def take_losses(self) -> np.ndarray:
        """Returns each member's mean training loss since the last call, `(members,)`; NaN where it took no step."""
        sums, counts = (ops.convert_to_numpy(variable)[:, 0] for variable in (self._loss_sum, self._loss_count))
        for variable in (self._loss_sum, self._loss_count):
            set_rows(variable, range(len(sums)), 0.0)
        return np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
