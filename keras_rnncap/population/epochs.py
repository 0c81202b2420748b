"""Epochs of the members of a population: validation scores of all at once, and the schedules that follow them."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from keras_rnncap.datasets import Task
from keras_rnncap.training import ScheduleState

LARGEST_OUTPUTS = 1e9
"""Bytes of outputs for validation data that are kept at once."""


def schedule_arrays(state: ScheduleState | None) -> dict[str, np.ndarray]:
    """Returns a state of a schedule, if there is one, as an entry of a member's arrays."""
    return {} if state is None else {"schedule": np.array(state)}


def schedule_state(arrays: Mapping[str, np.ndarray]) -> ScheduleState | None:
    """Returns the state of a schedule that a member's arrays hold."""
    return ScheduleState(*arrays["schedule"].tolist()) if "schedule" in arrays else None


def steps_to_epoch_end(population: Any) -> int:
    """Returns the training steps until an epoch of some member ends, or its training; 0 if all have ended."""
    left = []
    for member, done, ended in zip(population.members, population.steps_done, population.ended, strict=True):
        steps, schedule = member.settings.steps - int(done), member.settings.schedule
        if not ended:
            left.append(min(steps, schedule.epoch_steps - int(done) % schedule.epoch_steps) if schedule else steps)
    return min(left, default=0)


def due(population: Any) -> list[int]:
    """Returns the slots of running members that have ended an epoch of which their schedules have no score."""
    progress = zip(population.members, population.schedules, population.steps_done, population.ended, strict=True)
    return [
        slot
        for slot, (member, state, done, ended) in enumerate(progress)
        if state is not None and not ended and done >= (state.epochs + 1) * member.settings.schedule.epoch_steps
    ]


def listen(population: Any, scores: Mapping[int, float], direction: Literal["min", "max"]) -> None:
    """Tells the schedules of members the validation scores of an epoch; each member follows its own.

    Args:
        population: The population.
        scores: The score of each slot that was `due`; NaN counts as no gain.
        direction: Whether more or less of it is better.
    """
    for slot, score in scores.items():
        schedule = population.members[slot].settings.schedule
        population.follow(slot, schedule.after_epoch(population.schedules[slot], score, direction))


def fit_epochs(
    population: Any,
    train: Callable[[int], Any],
    score: Callable[[Sequence[int]], Mapping[int, float]],
    direction: Literal["min", "max"],
    steps: float = math.inf,
) -> None:
    """Trains for a number of steps, or until all members have ended.

    Args:
        population: A compiled population.
        train: Trains it for so many steps.
        score: From slots to the validation scores of their members.
        direction: Whether more or less of them is better.
        steps: The number of steps.
    """
    while chunk := min(steps_to_epoch_end(population), steps):
        train(int(chunk))
        if slots := due(population):
            listen(population, score(slots), direction)
        steps -= chunk


def validation_scores(population: Any, task: Task, slots: Sequence[int]) -> dict[int, float]:
    """Returns `task.validation_score` of the members in some slots, by slot.

    Outputs are computed for all members at once. Where they would take more than a gigabyte, or a score asks more of a
    model than `predict_on_batch`, members are scored as models of their own. States that members keep from batch to
    batch are zero afterwards.
    """
    if not hasattr(population, "outputs"):
        return {slot: float(task.validation_score(population.member(slot))) for slot in slots}
    try:
        shared = _SharedOutputs(population)
        scores = {slot: task.validation_score(shared.of(slot)) for slot in slots}
    except (AttributeError, MemoryError):
        scores = {slot: task.validation_score(population.member(slot)) for slot in slots}
    population.reset_states(slots)
    return {slot: float(score) for slot, score in scores.items()}


class Together:
    """Stands for the models of all members: its outputs have a leading axis for them.

    Args:
        population: A `Population`.
    """

    def __init__(self, population: Any) -> None:
        self._population, self._states = population, None
        self.input_shape = (population.stateful_batch,)
        self.stateful, self.layers = population.stateful_batch is not None, [self]

    def reset_state(self) -> None:
        """Begins at the start of a stream."""
        self._states = None

    def predict_on_batch(self, x: np.ndarray) -> np.ndarray:
        """Returns the outputs of all members, `(members, batch, ...)`; the states that they train with stay."""
        outputs, self._states = self._population.outputs(x, self._states)
        return outputs


class _SharedOutputs:
    """Stands for the models of members one after another; outputs for each batch are computed once for all."""

    def __init__(self, population: Any) -> None:
        self._population = population
        self._kept: list[np.ndarray] = []
        self._states: Any = None
        self.input_shape = (population.stateful_batch,)
        self.stateful, self.layers = population.stateful_batch is not None, [self]

    def of(self, slot: int) -> Any:
        """Returns it as the model of another member, which is asked for the same batches."""
        self._slot, self._next = slot, 0
        return self

    def reset_state(self) -> None:
        self._states = None

    def predict_on_batch(self, x: np.ndarray) -> np.ndarray:
        if self._next == len(self._kept):
            outputs, self._states = self._population.outputs(x, self._states)
            self._kept.append(outputs)
            if sum(outputs.nbytes for outputs in self._kept) > LARGEST_OUTPUTS:
                raise MemoryError
        self._next += 1
        return self._kept[self._next - 1][self._slot]
