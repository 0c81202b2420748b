"""The problems of Jozefowicz et al. (2015), and the training of one architecture with many settings of the grid."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import keras
import numpy as np

from keras_rnncap.budget import Budget, units_for_budget
from keras_rnncap.cells import CellFactory, constructor_options, get_cell
from keras_rnncap.datasets import Task, make_task
from keras_rnncap.datasets.task import Split
from keras_rnncap.errors import InputError
from keras_rnncap.population import Member, MemberBuilder, Population, due, listen
from keras_rnncap.population.epochs import Together
from keras_rnncap.training import TrainingSettings
from keras_rnncap.tuners.spaces import JozefowiczSpace, Procedure
from keras_rnncap.tuners.spaces.space import Values

BATCH = 20
FEW_STEPS = 5_000
"""Training steps of all models up to which XLA takes longer to compile than it saves."""


@dataclasses.dataclass(frozen=True)
class Problem:
    """What an architecture is trained on, and how long.

    Attributes:
        task: The task, as `make_task` takes it.
        params: Largest number of trainable parameters.
        depth: Number of layers.
        procedure: How the learning rate falls, as `paper_schedule` has it.
        epoch_steps: Training steps between validation scores.
        epochs: Epochs at most.
        dropouts: Rates of dropout to choose from.
        held_out: Validation steps, or samples, that a validation score is measured on.
        enough: Accuracy at which training ends; above 1 for none.
        judged_by: What the best epoch and the best setting are best in, on the validation split.
    """

    task: str
    params: int
    depth: int = 1
    procedure: Procedure = "search"
    epoch_steps: int = 100
    epochs: int = 20
    dropouts: tuple[float, ...] = ()
    held_out: int = 10_000
    enough: float = 2.0
    judged_by: Literal["accuracy", "loss"] = "accuracy"

    def made(self) -> Task:
        """Returns the task."""
        return _made(self.task)

    def space(self, cell: CellFactory) -> JozefowiczSpace:
        """Returns the grid."""
        options: dict[str, Any] = {"procedure": self.procedure, "epoch_steps": self.epoch_steps}
        return JozefowiczSpace(cell, (self.params,), self.made().scored_steps, dropouts=self.dropouts, **options)

    def grid(self) -> dict[str, list[Any]]:
        """Returns the values of each hyperparameter; the number of layers is not one: a problem has one of these."""
        return {name: list(values) for name, values in _grid(self)}

    def builder(self, cell: CellFactory, units: int) -> MemberBuilder:
        """Returns what builds models of so many units."""
        task = self.made()
        batch = BATCH if task.carries_state else None
        sizes = (task.input_dim, task.output_dim, task.return_sequences)
        return MemberBuilder(cell, units, self.depth, *sizes, stateful_batch=batch)

    def budget(self, cell: CellFactory) -> Budget:
        """Returns the size of the models; raises `InputError` if `params` buys no unit."""
        options = start_options(cell)
        return units_for_budget(
            lambda units: self.builder(cell, units)(Member(TrainingSettings(1), options)), self.params
        )


@functools.cache
def _made(task: str) -> Task:
    return make_task(task)


@functools.cache
def _grid(problem: Problem) -> tuple[tuple[str, tuple[Any, ...]], ...]:
    space = problem.space(get_cell("gru")).hyperparameters().space
    return tuple((hp.name, tuple(hp.values)) for hp in space if hp.name != "depth")


def start_options(cell: CellFactory) -> dict[str, Any]:
    """Returns the arguments of a cell that is zero at the start, as all are in the paper."""
    name = "learned_initial_state"
    return {name: False} if name in constructor_options(cell) else {}


class Measures(NamedTuple):
    """What is measured of each model, `(models,)`.

    Attributes:
        loss: Of a scored step, in nats.
        accuracy: The fraction of scored steps whose symbol is the most likely; NaN where there are no symbols.
        probability: The mean probability of the right symbol; NaN likewise.
    """

    loss: np.ndarray
    accuracy: np.ndarray
    probability: np.ndarray


def measure(population: Population, task: Task, split: Split, limit: int | None) -> Measures:
    """Measures all models of a population in one pass over a split, or over its first `limit` steps or samples."""
    sums, total = np.zeros((3, len(population.members))), 0.0
    answers = task.answers()
    for targets, outputs, weights in task.judged(Together(population), split, limit):
        each = np.ones(targets.shape[:2]) if weights is None else np.asarray(weights, float)
        every = np.broadcast_to(targets, (len(sums[0]), *targets.shape))
        with np.errstate(invalid="ignore", over="ignore"):  # those that diverged have any outputs
            losses = answers.losses(every, outputs).reshape(*every.shape[:3], -1).sum(axis=-1)
            right = answers.right(every, outputs)
            sums[0] += (losses * each).sum(axis=(1, 2))
            sums[1] += np.nan if right is None else (right * each).sum(axis=(1, 2))
            sums[2] += np.nan if right is None else (np.exp(-losses) * each).sum(axis=(1, 2))
        total += float(each.sum())
    return Measures(*sums / total)


class Training:
    """Models of one architecture on one problem, one for each setting, trained as one population.

    They see the same batches, and keep their states from batch to batch. After each epoch, each is measured on the
    validation split; its schedule follows the loss. What counts is the epoch with the best accuracy, or loss, as the
    problem says; where there are no symbols, the loss.

    Args:
        problem: The problem.
        cell: The architecture.
        settings: Values of the grid, for each model.
        seeds: Of the weights, for each model.
        data_seed: Of the batches.

    Raises:
        CannotShareError: If populations do not take the cell.
        InputError: If the budget buys no unit.

    Example:
    >>> problem = Problem("memorization", params=500, epoch_steps=2, epochs=2)
    >>> training = Training(problem, get_cell("gru"), [{k: v[0] for k, v in problem.grid().items()}], seeds=[0])
    >>> training.run()
    >>> training.validation.accuracy.shape, training.epochs.tolist()
    ((1,), [2])
    """

    def __init__(
        self,
        problem: Problem,
        cell: CellFactory,
        settings: Sequence[Values],
        seeds: Sequence[int],
        data_seed: int = 0,
    ) -> None:
        self.problem, self._task, self._data_seed = problem, problem.made(), data_seed
        self._stopped = False
        space, steps = problem.space(cell), problem.epoch_steps * problem.epochs
        self.budget = problem.budget(cell)
        members = [
            Member(
                space.settings(values, steps),
                space.cell_options(values) | start_options(cell),
                space.readout_options(values),
                seed,
            )
            for values, seed in zip(settings, seeds, strict=True)
        ]
        self._population = Population(problem.builder(cell, self.budget.units), members)
        jit = steps * len(members) > FEW_STEPS or keras.backend.backend() != "tensorflow"
        self._population.compile_population(self._task.loss(), min(problem.epoch_steps, 50), jit)
        self._best = np.array(self._population.rows)
        empty = np.full(len(members), np.nan)
        self.validation = Measures(empty, empty, empty)
        self.epochs = np.zeros(len(members), int)

    def run(self, on_epoch: Callable[[int, Measures], None] = lambda *_: None) -> None:
        """Trains all models to their ends."""
        problem, population = self.problem, self._population
        for epoch in range(problem.epochs):
            first = epoch * problem.epoch_steps
            batches = self._task.dataset(BATCH, self._data_seed, first, first + problem.epoch_steps)
            running = ~population.ended
            population.fit(batches, steps_per_epoch=problem.epoch_steps, verbose=0, shuffle=False)
            now = measure(population, self._task, "validation", problem.held_out)
            listen(population, {slot: -now.loss[slot] for slot in due(population)}, "max")
            self._keep(now, running)
            if self._stopped:
                return
            on_epoch(epoch + 1, self.validation)
            if population.ended.all() or np.nan_to_num(self.validation.accuracy).max() >= problem.enough:
                return

    def _keep(self, now: Measures, running: np.ndarray) -> None:
        """Keeps the weights and measures of those that are better than they were."""
        before = self.validation
        with np.errstate(invalid="ignore"):
            ahead = (self._judged(now) > self._judged(before)) | ~np.isfinite(self._judged(before))
        better = running & self._population.alive & np.isfinite(now.loss) & ahead
        self._best = np.where(better[:, np.newaxis], np.array(self._population.rows), self._best)
        self.validation = Measures(*(np.where(better, *pair) for pair in zip(now, before, strict=True)))
        self.epochs = self.epochs + running

    def _judged(self, found: Measures) -> np.ndarray:
        """Returns what counts of each model, more being better."""
        of_symbols = self.problem.judged_by == "accuracy" and np.isfinite(found.accuracy).any()
        return found.accuracy if of_symbols else -found.loss

    def stop(self) -> None:
        """Stops training in another thread, soon."""
        self._stopped = self._population.stop_training = True

    @property
    def alive(self) -> np.ndarray:
        """Which models have not diverged, `(models,)`."""
        return self._population.alive

    @property
    def score(self) -> np.ndarray:
        """What counts of each model on the validation split, more being better; minus infinity where there is none."""
        found = self._judged(self.validation)
        return np.where(np.isfinite(found), found, -np.inf)

    def test(self) -> Measures:
        """Measures the models on the whole test split, each with the weights of its best epoch."""
        self._population.rows.assign(self._best)
        return measure(self._population, self._task, "test", None)

    def model(self, index: int) -> keras.Model:
        """Returns a model with the weights of its best epoch."""
        self._population.rows.assign(self._best)
        return self._population.member(index)


def check_problem(problem: Problem, cell: str | CellFactory) -> None:
    """Raises `InputError` if a cell cannot be trained on a problem: its data are missing, or it is too large."""
    if problem.made().patterns:
        raise InputError(f"task must have a validation split; got {problem.task}")
    problem.budget(get_cell(cell))
