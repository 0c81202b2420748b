"""What a sweep trains: from the values of hyperparameters to the members of a population, and from them to scores."""

from __future__ import annotations

import abc
import dataclasses
import functools
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Literal, Protocol, TypeAlias

import keras
import keras_tuner as kt
import numpy as np
from keras_tuner.engine import hyperparameters as kinds

from keras_rnncap.budget import Budget, units_for_budget
from keras_rnncap.cells import CellFactory, constructor_options
from keras_rnncap.datasets import PerceptronCapacity, Task
from keras_rnncap.information import bits_per_parameter, mutual_information_bits
from keras_rnncap.models import sequence_model
from keras_rnncap.population import Member, MemberBuilder, ParallelPopulation, PatternTable
from keras_rnncap.training import STEPS_PER_EXECUTION, TrainingSettings
from keras_rnncap.tuners.spaces import CollinsSpace, add_capacity_hyperparameters, edit_space

Values: TypeAlias = Mapping[str, Any]
Measured: TypeAlias = dict[str, Any] | None
"""What is known of a trained member, the objective and the `loss` among it; `None` where it is infeasible."""


class Space(Protocol):
    """A search space, and what its values mean for a model and its training; `CollinsSpace` is one."""

    def hyperparameters(self) -> kt.HyperParameters:
        """Returns the space."""

    def cell_options(self, values: Values) -> dict[str, Any]:
        """Returns the arguments of the cell's constructor."""

    def readout_options(self, values: Values) -> dict[str, Any]:
        """Returns the arguments of the readout."""

    def settings(self, values: Values, steps: int) -> TrainingSettings:
        """Returns the hyperparameters of the training."""


class Job(abc.ABC):
    """A cell of a given size on a task, to be trained with any hyperparameters of a space.

    Where the space has `depth` or `params`, they take the place of the arguments: trials of different shapes train in
    different populations.

    Args:
        cell: The cell.
        space: The search space.
        params: Largest number of trainable parameters.
        depth: Number of layers.
        steps: Training steps of a trial.
        batch_size: Samples in a step.
        seed: Seed of the data.
        changes: Changes of the space, as `edit_space` takes them.
    """

    objective: str
    direction: Literal["min", "max"]

    def __init__(
        self,
        cell: CellFactory,
        space: Space,
        *,
        params: int,
        depth: int,
        steps: int,
        batch_size: int,
        seed: int,
        changes: Mapping[str, Any] | None = None,
    ) -> None:
        self.cell, self.space = cell, space
        self.params, self.depth = params, depth
        self.steps, self.batch_size, self.seed = steps, batch_size, seed
        self.hyperparameters = edit_space(self._hyperparameters(), changes or {})

    def _hyperparameters(self) -> kt.HyperParameters:
        return self.space.hyperparameters()

    def nearest(self, name: str, value: Any) -> Any:
        """Returns the value of a hyperparameter that is allowed and nearest to a number."""
        hp = next(one for one in self.hyperparameters.space if one.name == name)
        if isinstance(hp, kinds.Float | kinds.Int):
            return min(max(value, hp.min_value), hp.max_value)
        allowed = [hp.value] if isinstance(hp, kinds.Fixed) else hp.values
        return min(allowed, key=lambda one: abs(one - value))

    @property
    def all_fixed(self) -> bool:
        """Whether the space is a single point."""
        space = self.hyperparameters
        return all(isinstance(hp, kinds.Fixed) for hp in space.space if hp.name in space.values)

    @property
    def kt_objective(self) -> kt.Objective:
        """What KerasTuner calls the objective."""
        return kt.Objective(self.objective, self.direction)

    @property
    def round_steps(self) -> int:
        """Training steps after which ended trials are looked for.

        All trials begin and end between rounds, so that what a round measures of a trial does not depend on others.
        """
        if self.steps < 10 * STEPS_PER_EXECUTION:
            rounds = math.ceil(self.steps / STEPS_PER_EXECUTION)
        else:  # twentieths of all steps end with a round, and most rules look after so many
            rounds = 20 * max(1 + (self.steps >= 40 * STEPS_PER_EXECUTION), math.ceil(self.steps / 50_000))
        return math.ceil(self.steps / rounds)

    # ---- shapes

    def shape(self, values: Values) -> Hashable:
        """Returns what members must have in common to be of one population."""
        return values.get("depth", self.depth), values.get("params", self.params)

    @property
    def many_shapes(self) -> bool:
        """Whether trials differ in shape."""
        space = self.hyperparameters.space
        return any(hp.name in ("depth", "params") and not isinstance(hp, kinds.Fixed) for hp in space)

    def budget(self, values: Values | None = None) -> Budget:
        """Returns the size of a model with these values."""
        values = values or {}
        return self._budget(values.get("depth", self.depth), values.get("params", self.params))

    @functools.cache  # noqa: B019  # a job lives as long as its process
    def _budget(self, depth: int, params: int) -> Budget:
        return units_for_budget(lambda units: self._builder(units, depth)(None), params)

    @abc.abstractmethod
    def _builder(self, units: int, depth: int) -> Callable[[Member | None], keras.Model]:
        """Returns what builds a model."""

    # ---- members

    def member(self, values: Values, seed: int) -> Member:
        """Returns the member with these values."""
        return Member(
            self.space.settings(values, self.steps),
            self.space.cell_options(values),
            self.space.readout_options(values),
            seed=seed,
        )

    def facts(self, member: Member) -> dict[str, Any]:
        """Returns what the rows of this job's trials say besides hyperparameters, also where they are infeasible."""
        del member
        return {}

    def builder(self, values: Values) -> Callable[[Member], keras.Model]:
        """Returns what builds the models of the members that have the shape of these values."""
        depth = values.get("depth", self.depth)
        build = self._builder(self.budget(values).units, depth)
        if "seed" in constructor_options(self.cell):
            return build

        def seeded(member: Member) -> keras.Model:
            # Only for cells that need it: TensorFlow then makes its compiled functions ready anew, 1.6 MB each time.
            keras.utils.set_random_seed(member.seed)
            return build(member)

        return seeded

    @abc.abstractmethod
    def population(self, values: Values, members: Sequence[Member], kind: Any = ParallelPopulation) -> Any:
        """Returns a compiled population of members that have the shape of these values.

        Args:
            values: The values of one of them.
            members: The members.
            kind: `AlonePopulation` for a cell that populations do not take.

        Raises:
            CannotShareError: If they do not take the cell.
        """

    @abc.abstractmethod
    def advance(self, population: Any, steps: int) -> np.ndarray:
        """Trains all members for so many steps; returns the mean loss of each."""

    @abc.abstractmethod
    def progress(self, population: Any, losses: np.ndarray) -> np.ndarray:
        """Returns how well each member does, more being better, to compare trials after equal numbers of steps.

        Args:
            population: The population.
            losses: What `advance` just returned.
        """

    @abc.abstractmethod
    def measure(
        self, population: Any, slots: Sequence[int], values: Sequence[Values], losses: Sequence[float]
    ) -> list[Measured]:
        """Measures the members in some slots, given their values and what `advance` just returned for them."""


class CapacityJob(Job):
    """Perceptron capacity (`PerceptronCapacity`): the number of patterns is a hyperparameter, the score what is stored.

    Args:
        input_dim: Width of the patterns.
        length: Time steps.
        **options: As for `Job`.
    """

    objective = "mutual_information_bits"
    direction = "max"

    def __init__(self, cell: CellFactory, *, input_dim: int, length: int, **options: Any) -> None:
        self.input_dim, self.length = input_dim, length
        super().__init__(cell, options.pop("space", None) or CollinsSpace(cell), **options)
        highest = next(hp for hp in self.hyperparameters.space if hp.name == "patterns_per_parameter")
        self._most = getattr(highest, "max_value", None) or max(highest.values)

    def _hyperparameters(self) -> kt.HyperParameters:
        hp = super()._hyperparameters()
        add_capacity_hyperparameters(hp)
        return hp

    def _builder(self, units: int, depth: int) -> Callable[[Member | None], keras.Model]:
        build = MemberBuilder(self.cell, units, depth, self.input_dim, 1)
        return lambda member: build(member or Member(TrainingSettings(1)))

    def member(self, values: Values, seed: int) -> Member:
        """Returns the member with these values."""
        patterns = max(1, round(values["patterns_per_parameter"] * self.budget(values).parameters))
        member = super().member(values, seed)
        saturation = values.get("loss_saturation", 0.0)  # rows of before it was a hyperparameter lack it
        settings = dataclasses.replace(member.settings, loss_saturation=saturation)
        return dataclasses.replace(member, settings=settings, every_step=bool(values["every_step"]), patterns=patterns)

    def facts(self, member: Member) -> dict[str, Any]:
        """Returns the number of patterns."""
        return {"patterns": member.patterns}

    def task(self, member: Member) -> PerceptronCapacity:
        """Returns the task of a member: the first of the patterns that all share."""
        return PerceptronCapacity(member.patterns, self.input_dim, self.length, member.every_step, self.seed)

    def population(self, values: Values, members: Sequence[Member], kind: Any = ParallelPopulation) -> Any:
        """Returns a compiled population, with a table of patterns for the largest that the space allows."""
        most = math.ceil(self._most * self.budget(values).parameters)
        task = PerceptronCapacity(max(most, 1), self.input_dim, self.length, seed=self.seed)
        table = PatternTable(task.inputs[:, 0], task.targets, self.length, self.batch_size)
        population = kind(self.builder(values), members, table)
        population.compile_population(task.loss(), min(STEPS_PER_EXECUTION, self.steps))
        return population

    def advance(self, population: ParallelPopulation, steps: int) -> np.ndarray:
        """Trains all members for so many steps; returns the mean loss of each."""
        population.fit_steps(steps)
        return population.take_losses()

    def progress(self, population: ParallelPopulation, losses: np.ndarray) -> np.ndarray:
        """Returns the bits that each member stores; those of one that diverged are none."""
        del losses
        outputs, alive = population.outputs_on_table(), population.alive
        return np.array(
            [
                self._bits(self.task(member), logits) if well else 0.0
                for member, logits, well in zip(population.members, outputs, alive, strict=True)
            ]
        )

    @staticmethod
    def _bits(task: PerceptronCapacity, logits: np.ndarray) -> float:
        return mutual_information_bits(task.patterns, task.accuracy_of(logits[: task.patterns]))

    def measure(
        self, population: ParallelPopulation, slots: Sequence[int], values: Sequence[Values], losses: Sequence[float]
    ) -> list[Measured]:
        """Measures the members in some slots on all their patterns."""
        del losses
        outputs, alive, members = population.outputs_on_table(), population.alive, population.members
        return [
            self._measured(one, members[slot], outputs[slot, : members[slot].patterns] if alive[slot] else None)
            for slot, one in zip(slots, values, strict=True)
        ]

    def _measured(self, values: Values, member: Member, logits: np.ndarray | None) -> Measured:
        task = self.task(member)
        settings = member.settings
        if logits is None or not (
            float(settings.minimized(task.loss())(task.targets, logits)) <= settings.saturated(task.infeasible_above)
        ):
            return None
        bits = self._bits(task, logits)
        return {
            "accuracy": task.accuracy_of(logits),
            self.objective: bits,
            "bits_per_parameter": bits_per_parameter(bits, self.budget(values).parameters),
            "loss": float(task.loss()(task.targets, logits)),  # not saturated, to compare trials by
        }


class TaskJob(Job):
    """Any task with samples of its own. Each trial sees batches that follow from its own seed and steps.

    The score is the task's on its validation split; a trial is infeasible whose loss is not finite, or at last above
    what the task allows.

    Args:
        task: The task.
        **options: As for `Job`.
    """

    def __init__(self, task: Task, cell: CellFactory, **options: Any) -> None:
        self.task = task
        self.objective, self.direction = task.score_name, task.score_direction
        super().__init__(cell, options.pop("space", None) or CollinsSpace(cell), **options)

    def _builder(self, units: int, depth: int) -> Callable[[Member | None], keras.Model]:
        task = self.task

        def build(member: Member | None) -> keras.Model:
            return sequence_model(
                self.cell,
                units,
                depth,
                input_dim=task.input_dim,
                output_dim=task.output_dim,
                return_sequences=task.return_sequences,
                cell_options=member.cell_options if member else {},
                readout_options=member.readout_options if member else {},
                seed=member.seed if member else 0,
            )

        return build

    def population(self, values: Values, members: Sequence[Member], kind: Any = ParallelPopulation) -> Any:
        """Returns a compiled population."""
        population = kind(self.builder(values), members)
        population.compile_population(self.task.loss(), self._steps_per_call)
        return population

    @property
    def _steps_per_call(self) -> int:
        return max(1, min(STEPS_PER_EXECUTION, self.steps) // 10)

    def advance(self, population: ParallelPopulation, steps: int) -> np.ndarray:
        """Trains all members for so many steps; returns the mean loss of each."""
        population.fit_batches(self._batches, steps)
        return population.take_losses()

    def _batches(self, members: Sequence[Member], starts: Sequence[int], steps: int) -> Any:
        """Returns so many batches, `(members, batch, time, ...)`, each member's own from its own step on."""
        # One that has made its steps only waits for its place to be taken: it costs no batches of its own.
        waiting = [start >= member.settings.steps for member, start in zip(members, starts, strict=True)]
        sources = [waiting.index(False) if wait and not all(waiting) else slot for slot, wait in enumerate(waiting)]
        seeds, starts = [members[source].seed for source in sources], [starts[source] for source in sources]
        if keras.backend.backend() == "tensorflow":
            return self.task.member_dataset(self.batch_size, seeds, starts, steps)
        return (  # without TensorFlow
            self.task.member_batch(self.batch_size, seeds, [start + step for start in starts]) for step in range(steps)
        )

    def progress(self, population: ParallelPopulation, losses: np.ndarray) -> np.ndarray:
        """Returns the negative losses."""
        del population
        return -np.where(np.isfinite(losses), losses, np.inf)

    def measure(
        self, population: ParallelPopulation, slots: Sequence[int], values: Sequence[Values], losses: Sequence[float]
    ) -> list[Measured]:
        """Measures the members in some slots on the validation split."""
        del values
        alive, members = population.alive, population.members
        return [
            self._measured(functools.partial(population.member, slot), members[slot], loss if alive[slot] else math.nan)
            for slot, loss in zip(slots, map(float, losses), strict=True)
        ]

    def _measured(self, model: Callable[[], keras.Model], member: Member, loss: float) -> Measured:
        if not loss <= member.settings.saturated(self.task.infeasible_above):
            return None
        score = self.task.validation_score(model())
        return {self.objective: score, "loss": loss} if math.isfinite(score) else None
