"""What a sweep trains: from the values of hyperparameters to the members of a population, and from them to scores."""

import copy
import dataclasses
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import keras
import keras_tuner as kt
import numpy as np
from keras_tuner.engine import hyperparameters as kinds

from keras_rnncap.budget import Budget, units_for_budget
from keras_rnncap.cells import CellFactory, constructor_options
from keras_rnncap.datasets import BITS, Judged, Task
from keras_rnncap.errors import InputError, unknown
from keras_rnncap.information import bits_per_parameter
from keras_rnncap.population import (
    Member,
    MemberBuilder,
    PatternTable,
    Population,
    check_patterns,
    fit_epochs,
    validation_scores,
)
from keras_rnncap.runs import COMPLETED, DIVERGED, UNTRAINED
from keras_rnncap.training import STEPS_PER_EXECUTION, TrainingSettings
from keras_rnncap.tuners.spaces import CollinsSpace, Space, edit_space
from keras_rnncap.tuners.spaces.space import Values

Measured: TypeAlias = dict[str, Any] | None
"""What is known of a trained member, the objective and the `loss` among it; `None` where it diverged."""


FEW_STEPS = 200
"""Training steps up to which XLA takes longer to compile than it saves."""


class Job:
    """A cell of a given size on a task, to be trained with any hyperparameters of a space and of the task.

    Where the space has `depth` or `params`, they take the place of the arguments. Members learn the first of the task's
    patterns in order, where it has a table of them, and are measured on these; else each sees batches that follow from
    its own seed and steps, and is measured on the validation split. A trial diverged if its loss is not finite; it is
    untrained if its score is no better than that of guessing.

    Args:
        task: The task.
        cell: The cell.
        params: Largest number of trainable parameters.
        depth: Number of layers.
        steps: Training steps of a trial.
        batch_size: Samples in a step.
        seed: Seed of the data.
        space: The search space; `None` takes the `CollinsSpace` of the cell.
        changes: Changes of the space, as `edit_space` takes them.
        objective: What is searched for, one of the task's `objectives`; `None` takes its score.

    Raises:
        InputError: If the task has no such objective, or the space cannot be changed so.

    Example:
    >>> from keras_rnncap.cells import GRUCell
    >>> from keras_rnncap.datasets import MemoryCapacity
    >>> options = {"params": 100, "depth": 1, "steps": 20, "batch_size": 8, "seed": 0}
    >>> Job(MemoryCapacity(4, 3), GRUCell, objective="mutual_information_bits", **options).direction
    'max'
    """

    def __init__(
        self,
        task: Task,
        cell: CellFactory,
        *,
        params: int,
        depth: int,
        steps: int,
        batch_size: int,
        seed: int,
        space: Space | None = None,
        changes: Mapping[str, Any] | None = None,
        objective: str | None = None,
    ) -> None:
        self.task, self.cell, self.space = task, cell, space or CollinsSpace(cell)
        self.params, self.depth = params, depth
        self.steps, self.batch_size, self.seed = steps, batch_size, seed
        self.objective = task.score_name if objective is None else objective
        if self.objective not in task.objectives:
            raise unknown("objective", self.objective, task.objectives)
        self.direction = task.objectives[self.objective]
        hp = self.space.hyperparameters()
        task.add_hyperparameters(hp)
        self.hyperparameters = edit_space(hp, changes or {})

    def check(self) -> None:
        """Raises `InputError` if the budget buys no model, or the task cannot have the values that the space allows."""
        if count := self._largest_task(self.budget({})).patterns:
            check_patterns(count)

    def with_steps(self, steps: int) -> "Job":
        """Returns the same with another number of steps."""
        other = copy.copy(self)
        other.steps = steps
        return other

    @property
    def compiling(self) -> dict[str, Any]:
        """How populations are compiled, as `Population.compile_population` takes it."""
        steps = min(STEPS_PER_EXECUTION, self.steps)
        jit = self.steps > FEW_STEPS or keras.backend.backend() != "tensorflow"
        return {"steps_per_execution": steps if self.task.patterns else max(1, steps // 10), "jit": jit}

    def nearest(self, name: str, value: Any) -> Any:
        """Returns the value of a hyperparameter that is allowed and nearest to a number."""
        hp = next(hp for hp in self.hyperparameters.space if hp.name == name)
        if isinstance(hp, kinds.Float | kinds.Int):
            return min(max(value, hp.min_value), hp.max_value)
        return min(hp.values, key=lambda choice: abs(choice - value))

    def point(self, values: Values) -> dict[str, Any]:
        """Returns hyperparameters that are known by the last parts of their names: for each the nearest allowed value.

        Those that the space does not have, or that have no such choice, are left out.
        """
        found = {}
        for hp in self.hyperparameters.space:
            value = values.get(hp.name.split(".")[-1]) if hp.name in self.hyperparameters.values else None
            if isinstance(value, str):
                if value in hp.values:
                    found[hp.name] = value
            elif value is not None:
                found[hp.name] = self.nearest(hp.name, value)
        return found

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
        """Training steps after which ended trials are looked for: trials begin and end between rounds."""
        if self.steps < 10 * STEPS_PER_EXECUTION:
            rounds = math.ceil(self.steps / STEPS_PER_EXECUTION)
        else:  # twentieths of all steps end with a round, and most rules look after so many
            rounds = 20 * max(1 + (self.steps >= 40 * STEPS_PER_EXECUTION), math.ceil(self.steps / 50_000))
        return math.ceil(self.steps / rounds)

    def shape(self, values: Values) -> tuple[int, int]:
        """Returns depth and budget, which members must have in common to be of one population."""
        return values.get("depth", self.depth), values.get("params", self.params)

    @property
    def many_shapes(self) -> bool:
        """Whether trials differ in shape."""
        space = self.hyperparameters.space
        return any(hp.name in ("depth", "params") and not isinstance(hp, kinds.Fixed) for hp in space)

    def budget(self, values: Values) -> Budget:
        """Returns the size of a model with these values."""
        return self._budget(*self.shape(values))

    @functools.cache  # noqa: B019  # a job lives as long as its process
    def _budget(self, depth: int, params: int) -> Budget:
        return units_for_budget(lambda units: self._builder(units, depth)(Member(TrainingSettings(1))), params)

    def _builder(self, units: int, depth: int) -> MemberBuilder:
        task = self.task
        return MemberBuilder(self.cell, units, depth, task.input_dim, task.output_dim, task.return_sequences)

    def task_of(self, values: Values) -> Task:
        """Returns the task as a trial with these values has it."""
        return self.task.with_values(values, self.budget(values).parameters)

    def _largest_task(self, budget: Budget) -> Task:
        space = self.hyperparameters.space
        largest = {hp.name: hp.max_value if isinstance(hp, kinds.Float | kinds.Int) else max(hp.values) for hp in space}
        return self.task.with_values(largest, budget.parameters)

    def member(self, values: Values, seed: int) -> Member:
        """Returns the member with these values."""
        settings, task = self.space.settings(values, self.steps), self.task_of(values)
        if task.patterns and (settings.schedule or settings.dropout):
            raise InputError(
                f"schedule and dropout must be left at their defaults: {task.name} has no validation split, and its "
                "patterns are to be stored"
            )
        if "loss_saturation" in values:  # rows of earlier versions lack it
            settings = dataclasses.replace(settings, loss_saturation=values["loss_saturation"])
        return Member(
            settings,
            self.space.cell_options(values),
            self.space.readout_options(values),
            seed=seed,
            every_step=task.every_step,
            patterns=max(task.patterns, 1),
        )

    def status(self, measured: Measured) -> str:
        """Returns the status of a trial that made its steps or diverged, given what was measured."""
        if measured is None:
            return DIVERGED
        score, guessed = measured.get(self.task.score_name, math.nan), self.task.guessed_score
        learned = score > guessed if self.task.score_direction == "max" else score < guessed
        return COMPLETED if learned else UNTRAINED

    def facts(self, member: Member) -> dict[str, Any]:
        """Returns what rows say besides hyperparameters, also of trials without a score."""
        return {"patterns": member.patterns} if self.task.patterns else {}

    def builder(self, values: Values) -> Callable[[Member], keras.Model]:
        """Returns what builds the models of the members that have the shape of these values."""
        build = self._builder(self.budget(values).units, self.shape(values)[0])
        if "seed" in constructor_options(self.cell):
            return build

        def seeded(member: Member) -> keras.Model:
            # Only for cells that need it: TensorFlow then makes its compiled functions ready anew, 1.6 MB each time.
            keras.utils.set_random_seed(member.seed)
            return build(member)

        return seeded

    def population(self, values: Values, members: Sequence[Member], kind: Any = Population) -> Any:
        """Returns a compiled population of members that have the shape of these values; its class is `kind`.

        Raises:
            CannotShareError: If it does not take the cell; `AlonePopulation` takes all.
        """
        table = None
        if self.task.patterns:
            patterns, targets = self._largest_task(self.budget(values)).table()
            table = PatternTable(patterns, targets, self.task.length, self.batch_size)
        population = kind(self.builder(values), members, table)
        population.compile_population(self.task.loss(), **self.compiling)
        return population

    def advance(self, population: Any, steps: int) -> np.ndarray:
        """Trains all members for so many steps; returns the mean loss of each. Schedules hear of each epoch's end."""
        if self.task.patterns:
            population.fit_steps(steps)
        elif not any(population.schedules):
            population.fit_batches(self._batches, steps)
        else:
            fit_epochs(
                population,
                functools.partial(population.fit_batches, self._batches),
                functools.partial(validation_scores, population, self.task),
                self.task.score_direction,
                steps,
            )
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

    def progress(self, population: Any, losses: np.ndarray) -> np.ndarray:
        """Returns how well each member does, more being better, given what `advance` just returned.

        Of patterns in a table, the bits that it stores, none if it diverged; else its negative loss.
        """
        if not self.task.patterns:
            return -np.where(np.isfinite(losses), losses, np.inf)
        judged = zip(self._judged(population), population.alive, strict=True)
        return np.array([self.task.measures_of([member])[BITS] if alive else 0.0 for member, alive in judged])

    def _judged(self, population: Any) -> list[Any]:
        """Returns targets and outputs of each member's own patterns, if the task has any."""
        if not self.task.patterns:
            return [None] * len(population.members)
        targets, outputs = population.table.targets, population.outputs_on_table()
        return [
            (targets[: member.patterns], answers[: member.patterns], None)
            for member, answers in zip(population.members, outputs, strict=True)
        ]

    def measure(
        self, population: Any, slots: Sequence[int], values: Sequence[Values], losses: Sequence[float]
    ) -> list[Measured]:
        """Measures the members in some slots, given their values and what `advance` just returned for them."""
        alive, judged = population.alive, self._judged(population)
        return [
            self._measured(population, slot, judged[slot], trial, float(loss)) if alive[slot] else None
            for slot, trial, loss in zip(slots, values, losses, strict=True)
        ]

    def _measured(self, population: Any, slot: int, judged: Judged | None, values: Values, loss: float) -> Measured:
        """Measures a member on its own patterns, if it is judged by these, or on the validation split."""
        task = self.task
        if judged:
            loss = float(task.loss()(*judged[:2]))  # not saturated, to compare trials by
            measured = task.measures_of([judged])
        else:
            measured = task.measures(population.member(slot), "validation", task.validation_limit)
        if not all(map(math.isfinite, (loss, *measured.values()))):
            return None
        per_parameter = bits_per_parameter(measured[BITS], self.budget(values).parameters)
        return {**measured, "bits_per_parameter": per_parameter, "loss": loss}
