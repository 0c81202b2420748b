"""One model in place of a population, for cells that cannot share, trained with Keras' own `fit`."""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_rnncap.datasets.task import PREFETCHED, untuned
from keras_rnncap.population.epochs import schedule_arrays, schedule_state
from keras_rnncap.population.member import Member
from keras_rnncap.population.model import Batches
from keras_rnncap.population.rows import PatternTable
from keras_rnncap.population.shuffling import shuffled
from keras_rnncap.training import ScheduleState, compile_model, fit


class AlonePopulation:
    """A population of one, for cells that populations do not take; methods are those of `Population`.

    Args:
        build: From a member to its Keras model.
        members: The member.
        table: The patterns from which it draws; `None` where it trains on batches.
    """

    def __init__(
        self, build: Callable[[Member], keras.Model], members: Sequence[Member], table: PatternTable | None = None
    ) -> None:
        self._build, self.table = build, table
        self.members = list(members[:1])
        self._model = build(self.members[0])

    def compile_population(
        self, loss: keras.losses.Loss, steps_per_execution: int = 100, jit: bool | None = None
    ) -> None:
        """Compiles the model as its member says."""
        del steps_per_execution, jit
        self._loss = loss
        compile_model(self._model, loss, self.members[0].settings)
        self._model.optimizer.build(self._model.trainable_variables)
        self._loss_sum, self._loss_steps, self.alive = 0.0, 0, np.array([True])
        self.schedules = [self.members[0].settings.schedule_start]

    @property
    def steps_done(self) -> np.ndarray:
        """Training steps that the member has taken, shape `(1,)`."""
        return np.array([int(self._model.optimizer.iterations)])

    @property
    def ended(self) -> np.ndarray:
        """Whether the member has taken all its steps, was stopped by a schedule or has diverged, shape `(1,)`."""
        (state,) = self.schedules
        stopped = state is not None and bool(state.stopped)
        return ~self.alive | stopped | (self.steps_done >= self.members[0].settings.steps)

    def follow(self, slot: int, state: ScheduleState) -> None:
        """Has the member train on as a state of its schedule says, or stop."""
        self.schedules[slot] = state
        self._model.optimizer.learning_rate = state.rate

    def fit_steps(self, steps: int) -> None:
        """Trains for `steps` steps on the member's own patterns of the table."""
        self._fit(self._pattern_batches, steps)

    def fit_batches(self, batches: Batches, steps: int) -> None:
        """Trains for `steps` steps on batches."""

        def first(*parts: Any) -> tuple[Any, ...]:
            return tuple(part[0] for part in parts)

        def data(start: int, steps: int) -> Any:
            own_batches = batches(self.members, [start], steps)
            return own_batches.map(first) if hasattr(own_batches, "map") else (first(*batch) for batch in own_batches)

        self._fit(data, steps)

    def _fit(self, data: Callable[[int, int], Any], steps: int) -> None:
        done = int(self.steps_done[0])
        left = min(steps, self.members[0].settings.steps - done)
        if not self.ended[0]:
            loss = fit(self._model, data(done, left))
            self._loss_sum, self._loss_steps = self._loss_sum + loss * left, self._loss_steps + left
            self.alive = np.array([math.isfinite(loss)])

    def take_losses(self) -> np.ndarray:
        """Returns the mean loss since the last call."""
        mean = self._loss_sum / self._loss_steps if self._loss_steps else math.nan
        self._loss_sum, self._loss_steps = 0.0, 0
        return np.array([mean])

    def outputs_on_table(self) -> np.ndarray:
        """Returns the outputs for every pattern of the table, `(1, patterns, output_dim)`."""
        return ops.convert_to_numpy(self._model(self._sequences(), training=False))[np.newaxis]

    def _sequences(self) -> np.ndarray:
        """Returns the patterns of the table as inputs, `(patterns, time, input_dim)`."""
        assert self.table is not None
        inputs = np.repeat(self.table.inputs[:, np.newaxis], self.table.length, axis=1).astype("float32")
        if not self.members[0].every_step:
            inputs[:, 1:] = 0.0
        return inputs

    def _pattern_batches(self, start: int, steps: int) -> Any:
        """Returns batches of the member's patterns from a step on."""
        assert self.table is not None
        inputs, targets, size = self._sequences(), self.table.targets, self.table.batch_size
        patterns = self.members[0].patterns

        def batch(step: Any) -> tuple[Any, Any]:
            rows = shuffled(ops.reshape(step, (1, 1)), size, ops.full((1, 1), patterns))[0]
            return ops.take(inputs, rows, axis=0), ops.take(targets, rows, axis=0)

        if keras.backend.backend() != "tensorflow":
            return map(batch, range(start, start + steps))
        import tensorflow as tf

        return tf.data.Dataset.range(start, start + steps).map(batch).prefetch(PREFETCHED).with_options(untuned())

    def replace(self, slot: int, member: Member) -> None:
        """Takes another member in place of the one that is here."""
        self.members[slot] = member
        self._model = self._build(member)
        self.compile_population(self._loss)

    def member(self, slot: int) -> keras.Model:
        """Returns the model."""
        del slot
        return self._model

    @property
    def _variables(self) -> list[Any]:
        # Keras does not count states that layers keep from batch to batch among the variables of the model.
        states = [keras.tree.flatten(layer.states) for layer in self._model.layers if getattr(layer, "stateful", False)]
        return [*self._model.variables, *self._model.optimizer.variables, *itertools.chain(*states)]

    def states(self) -> list[dict[str, np.ndarray]]:
        """Returns what `restore` needs."""
        values = {str(place): np.array(variable) for place, variable in enumerate(self._variables)}
        losses = {"losses": np.array([self._loss_sum, self._loss_steps]), "alive": self.alive}
        return [values | schedule_arrays(self.schedules[0]) | losses]

    def restore(self, slot: int, state: Mapping[str, np.ndarray]) -> None:
        """Sets the model and its optimizer back to their state in `states`."""
        for place, variable in enumerate(self._variables):
            variable.assign(state[str(place)])
        self._loss_sum, self._loss_steps = state.get("losses", (0.0, 0))
        self.alive = np.array(state["alive"])
        if schedule := schedule_state(state):
            self.follow(slot, schedule)
