"""A population for each core: XLA gains nothing from a second core within products of a few dozen units."""

from __future__ import annotations

import concurrent.futures
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_rnncap.population.member import Member
from keras_rnncap.population.model import Batches, PatternTable, Population
from keras_rnncap.training import ScheduleState


def cores() -> int:
    """Returns the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def populations_at_once() -> int:
    """Returns how many populations to train at the same time: one for each core; one where there is a GPU or TPU."""
    return 1 if _has_accelerator() else cores()


def _has_accelerator() -> bool:
    if keras.backend.backend() == "jax":
        import jax

        return jax.default_backend() in ("gpu", "tpu")
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return any(tf.config.list_physical_devices(kind) for kind in ("GPU", "TPU"))
    return False


class ParallelPopulation:
    """Members spread over several populations, which train at the same time, each in a thread of its own.

    It has what of `Population` a sweep takes; slots are counted through. For members so large that a single product
    occupies all cores, take one `Population`.

    Args:
        build: As for `Population`.
        members: The members.
        table: The patterns from which they draw; `None` where they train on batches.
        parts: Number of populations; `None` takes `populations_at_once()`.
    """

    def __init__(
        self,
        build: Callable[[Member], keras.Model],
        members: Sequence[Member],
        table: PatternTable | None = None,
        parts: int | None = None,
    ) -> None:
        count = min(parts or populations_at_once(), len(members))
        chunks = np.array_split(np.arange(len(members)), max(count, 1))
        self.table = table
        self.parts = [Population(build, [members[index] for index in chunk], table) for chunk in chunks]
        self._places = [(part, index) for part in self.parts for index in range(len(part.members))]

    @property
    def members(self) -> list[Member]:
        """The members, by slot."""
        return [member for part in self.parts for member in part.members]

    def compile_population(self, loss: keras.losses.Loss, steps_per_execution: int = 100) -> None:
        """Compiles all populations; see `Population.compile_population`."""
        for part in self.parts:
            part.compile_population(loss, steps_per_execution)

    def fit_steps(self, steps: int) -> None:
        """Trains all members for `steps` steps. An interrupt ends it at the end of a call of the compiled graphs."""
        self._for_each(lambda part: part.fit_steps(steps))

    def fit_batches(self, batches: Batches, steps: int) -> None:
        """Trains all members for so many steps on batches of their own; `batches` is called for each population."""
        self._for_each(lambda part: part.fit_batches(batches, steps))

    def _for_each(self, train: Callable[[Population], Any]) -> None:
        if len(self.parts) == 1:
            train(self.parts[0])
            return
        with concurrent.futures.ThreadPoolExecutor(len(self.parts)) as pool:
            futures = [pool.submit(train, part) for part in self.parts]
            try:
                for future in futures:
                    future.result()
            except BaseException:
                for part in self.parts:
                    part.stop_training = True
                raise

    def replace(self, slot: int, member: Member) -> None:
        """Gives a member's place to a new one; see `Population.replace`."""
        part, index = self._places[slot]
        part.replace(index, member)

    @property
    def schedules(self) -> list[ScheduleState | None]:
        """Where the schedule of each member is, `None` for those without; see `keras_rnncap.population.epochs`."""
        return [state for part in self.parts for state in part.schedules]

    def follow(self, slot: int, state: ScheduleState) -> None:
        """Has a member train on as its schedule says in a state; see `Population.follow`."""
        part, index = self._places[slot]
        part.follow(index, state)

    def states(self) -> list[dict[str, np.ndarray]]:
        """Returns what `restore` needs of each member; see `Population.states`."""
        return [state for part in self.parts for state in part.states()]

    def restore(self, slot: int, state: Mapping[str, np.ndarray]) -> None:
        """Sets the member in a slot back to where `states` was taken of it; see `Population.restore`."""
        part, index = self._places[slot]
        part.restore(index, state)

    def member(self, slot: int) -> keras.Model:
        """Returns a member as an ordinary Keras model with its present weights."""
        part, index = self._places[slot]
        return part.member(index)

    @property
    def alive(self) -> np.ndarray:
        """Which members have not diverged, shape `(members,)`."""
        return np.concatenate([part.alive for part in self.parts])

    @property
    def ended(self) -> np.ndarray:
        """Which members have taken all their steps, were stopped by a schedule or have diverged, shape `(members,)`."""
        return np.concatenate([part.ended for part in self.parts])

    @property
    def steps_done(self) -> np.ndarray:
        """Training steps that each member has taken, shape `(members,)`."""
        return np.concatenate([part.steps_done for part in self.parts])

    def take_losses(self) -> np.ndarray:
        """Returns each member's mean training loss since the last call; see `Population.take_losses`."""
        return np.concatenate([part.take_losses() for part in self.parts])

    def outputs_on_table(self) -> np.ndarray:
        """Returns every member's outputs for every pattern of the table, `(members, patterns, output_dim)`."""
        return np.concatenate([part.outputs_on_table() for part in self.parts])

    @property
    def stateful_batch(self) -> int | None:
        """Samples in a batch where members keep their states; see `Population.stateful_batch`."""
        return self.parts[0].stateful_batch

    def outputs(self, inputs: np.ndarray, states: Any = None) -> tuple[np.ndarray, Any]:
        """Returns every member's outputs for a batch, and the states after it; see `Population.outputs`."""
        before = states or [None] * len(self.parts)
        found = [part.outputs(inputs, one) for part, one in zip(self.parts, before, strict=True)]
        return np.concatenate([outputs for outputs, _ in found]), [after for _, after in found]

    def reset_states(self, slots: Sequence[int]) -> None:
        """Has the states that members in some slots keep be zero; see `Population.reset_states`."""
        for part, index in (self._places[slot] for slot in slots):
            part.reset_states([index])
