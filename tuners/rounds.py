"""Trains all running trials at the same time, in rounds of equally many steps."""

import contextlib
import dataclasses
import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from keras_tuner.engine.trial import Trial

from keras_rnncap.engines import Engine, make_engine
from keras_rnncap.population import CannotShareError, Member
from keras_rnncap.tuners.jobs import Job
from keras_rnncap.tuners.journal import TrialState
from keras_rnncap.tuners.scheduling import Key, Schedule
from keras_rnncap.tuners.worker import Ended, Piece, Placed, Trained, Worker


def looks(history: Sequence[tuple[int, float, float]]) -> list[float]:
    """Returns what the stopping rule saw of a trial, in order."""
    return [progress for _, _, progress in history if not math.isnan(progress)]


@dataclasses.dataclass(eq=False)
class Running:
    """A trial in training, or about to be."""

    trial: Trial
    values: dict[str, Any]  # of its active hyperparameters
    member: Member
    state: TrialState = dataclasses.field(default_factory=lambda: TrialState(0, [], 0, {}))
    new_state: TrialState = dataclasses.field(init=False)  # after a round, which may not count yet
    over: bool = False  # as of `Trained`

    @property
    def looks(self) -> list[float]:
        """What the stopping rule saw of it, in order."""
        return looks(self.state.history)

    @property
    def number(self) -> int:
        """The trial's number."""
        return int(self.trial.trial_id)

    def placed(self, state: TrialState) -> Placed:
        """Returns it in some state, as a worker takes it."""
        return Placed(self.number, self.member.seed, self.values, state.done, state.arrays)


def make_workers(job: Job, engine: str | Engine) -> Engine:
    """Returns an engine for the trials of a job with any number of steps; `engine` is a name, or such an engine."""
    return make_engine(engine, functools.partial(Worker, job)) if isinstance(engine, str) else engine


@contextlib.contextmanager
def closing_workers(job: Job, engine: str) -> Iterator[Engine]:
    """Yields `make_workers`, and ends its work afterwards."""
    workers = make_workers(job, engine)
    try:
        yield workers
    finally:
        workers.cancel()


class Rounds:
    """The running trials: which of them trains where, in populations of at most `largest` slots, and their workers."""

    def __init__(self, job: Job, largest: int, engine: str | Engine) -> None:
        self.job = job
        self.alone: bool | None = None
        self._engine = make_workers(job, engine)
        self._schedule: Schedule[Running] = Schedule(largest, job.many_shapes)
        self._turn = 0

    def __iter__(self) -> Iterator[Running]:
        return (running for running, _ in self._schedule)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def put(self, running: Running) -> None:
        """Takes up a trial, in the place that it had if it has one in its state."""
        state = running.state
        had = (state.slot, state.size or self._schedule.largest) if state.arrays else None
        self._schedule.put(running, self.job.shape(running.values), had)

    def drop(self, running: Running) -> None:
        """Forgets a trial."""
        self._schedule.drop(running)

    def cancel(self) -> None:
        """Ends all workers."""
        self._engine.cancel()

    def find_out_whether_alone(self) -> str | None:
        """Tries a population, and trains one model after another where its cell cannot share; returns why."""
        self.alone = False
        self._schedule.settle()
        running, place = next(iter(self._schedule))
        try:
            self._do([self._piece(place.key, {running: running.state})])
        except CannotShareError as error:
            self.train_alone()
            return str(error)
        return None

    def train_alone(self) -> None:
        """Has one model trained after another; trials that were in training begin anew."""
        self._engine.cancel()
        self.alone, trials = True, list(self)
        self._schedule = Schedule(1, elastic=False)
        for running in trials:
            running.state = TrialState(0, [], 0, {})
            self._schedule.put(running, self.job.shape(running.values))

    def train(self, is_looked_at: Callable[[Running, int], bool]) -> list[Running]:
        """Trains all trials for a round; returns them with new states, in an order that follows from their places.

        `is_looked_at` says of a trial and its steps after the round whether its progress is asked for.
        """
        self._turn += 1
        self._schedule.settle()
        steps, pieces = self.job.round_steps, []
        for key, group in self._schedule.groups.items():
            looks = [slot for slot, each in enumerate(group) if each and is_looked_at(each, each.state.done + steps)]
            states = {running: running.state for running in group if running}
            pieces.append(self._piece(key, states, steps=steps, looks=tuple(looks)))
        results = self._do(pieces)
        places = sorted(self._schedule, key=lambda item: (item[1].key[1], item[1].slot, item[0].number))
        for running, place in places:
            trained: Trained = results[place.key][place.slot]
            entry = (trained.done, trained.loss, math.nan if trained.over else trained.progress)
            slot, size = self._schedule.kept(place)
            running.over = trained.over
            running.new_state = TrialState(trained.done, [*running.state.history, entry], slot, trained.arrays, size)
        return [running for running, _ in places]

    def measure(self, ends: Sequence[Running]) -> list[Ended]:
        """Measures trials that end."""
        pieces, states = [], {running: running.new_state for running in ends}
        for key, group in self._schedule.groups.items():
            losses = {slot: each.new_state.history[-1][1] for slot, each in enumerate(group) if each and each in ends}
            if losses:
                pieces.append(self._piece(key, states, ends=losses))
        results, places = self._do(pieces), dict(self._schedule)
        return [results[places[running].key][places[running].slot] for running in ends]

    def _piece(self, key: Key, states: Mapping[Running, TrialState], **options: Any) -> Piece:
        trials = self._schedule.groups[key]
        slots = (running.placed(states[running]) if running and running in states else None for running in trials)
        return Piece(key, bool(self.alone), tuple(slots), self._turn, of_steps=self.job.steps, **options)

    def _do(self, pieces: Sequence[Piece]) -> dict[Key, dict[int, Any]]:
        """Returns the results of some pieces, by population and slot."""
        for piece in pieces:
            self._engine.submit(piece)
        return {piece.key: result for piece, result in (self._engine.completed() for _ in pieces)}
