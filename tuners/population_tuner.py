"""A KerasTuner tuner whose running trials are the members of populations."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import keras_tuner as kt
import numpy as np
from keras_tuner.engine.base_tuner import BaseTuner
from keras_tuner.engine.trial import Trial, TrialStatus

from keras_rnncap.errors import InputError, check_integer
from keras_rnncap.initializers import derived_seed
from keras_rnncap.population import AlonePopulation, CannotShareError, Member, ParallelPopulation
from keras_rnncap.population.parallel import populations_at_once
from keras_rnncap.saving import write_weights
from keras_rnncap.terminal.progress import WorkProgress
from keras_rnncap.tuners.jobs import Job, Measured
from keras_rnncap.tuners.journal import TrialState

SLOTS = 16
"""Trials that train at the same time by default."""
MEDIAN = {0.25: 0.5, 0.5: 0.5}
"""Looks at trials after a quarter and a half of their steps, and stops the worse half."""


class EndedTrial(NamedTuple):
    """A trial that ended.

    Attributes:
        trial_id: KerasTuner's name of it.
        number: Counts an oracle's trials.
        values: Values of the active hyperparameters.
        member: What they came to.
        measured: What is known of it, `None` if it is infeasible.
        steps: Training steps that it made; fewer than asked for if it diverged or was stopped early.
        history: `(step, mean training loss since the entry before, progress)` now and then; progress is what the
            stopping rule compared there, NaN where it did not look.
        model: Returns the trained model.
    """

    trial_id: str
    number: int
    values: dict[str, Any]
    member: Member
    measured: Measured
    steps: int
    history: list[tuple[int, float, float]]
    model: Callable[[], keras.Model]


class QuantileRule:
    """Stops trials that after a part of their steps do worse than most others did there.

    With the quantile 0.5 everywhere, the default, this is the median rule of Golovin et al. (2017).

    Args:
        checkpoints: For parts of the training steps, in (0, 1), the quantile of all trials that came so far, in (0, 1),
            below which one is stopped.
        least: Trials that must have come so far before one is stopped.

    Raises:
        InputError: If a part or a quantile is out of range.

    Example:
    >>> rule = QuantileRule({0.5: 0.5}, least=3)
    >>> rule.hopeless(0, [1.0, 2.0, 3.0]), rule.hopeless(0, [1.5])
    ([True, False, False], [True])
    """

    def __init__(self, checkpoints: Mapping[float, float] = MEDIAN, least: int = 8) -> None:
        for part, quantile in checkpoints.items():
            if not (0 < part < 1 and 0 < quantile < 1):
                raise InputError(f"checkpoints must map parts in (0, 1) to quantiles in (0, 1); got {part}: {quantile}")
        self.parts = sorted(checkpoints)
        self.least = check_integer("least", least, 1)
        self._quantiles = [checkpoints[part] for part in self.parts]
        self._seen: list[list[float]] = [[] for _ in self.parts]

    def hopeless(self, checkpoint: int, values: Sequence[float]) -> list[bool]:
        """Returns which of some trials are to be stopped at a checkpoint; of their values, more is better."""
        seen = self._seen[checkpoint]
        seen.extend(values)
        limit = np.quantile(seen, self._quantiles[checkpoint])
        return [len(seen) >= self.least and bool(value < limit) for value in values]


@dataclasses.dataclass(eq=False)
class _Running:
    """A trial in training, or about to be."""

    number: int
    trial: Trial
    values: dict[str, Any]
    member: Member
    state: TrialState

    @property
    def checkpoints(self) -> int:
        """How often the stopping rule has looked at it."""
        return len(_looks(self.state.history))


class _Group:
    """The trials of one shape: a population, and who is in which of its slots.

    Places that nobody takes yet are filled with copies that stop after a step: the last digits of what a trial computes
    depend on the size of its population, which must be the same when a search goes on.
    """

    def __init__(self, job: Job, running: Sequence[_Running], size: int, kind: Any = ParallelPopulation) -> None:
        self.slots: list[_Running | None] = [None] * max(size, len(running))
        for trial in sorted(running, key=lambda trial: not trial.state.arrays):  # those that had a place first
            had = trial.state.slot if trial.state.arrays else len(self.slots)
            free = [slot for slot, taken in enumerate(self.slots) if not taken]
            self.slots[had if had in free else free[0]] = trial
        first = running[0]
        idle = dataclasses.replace(first.member, settings=dataclasses.replace(first.member.settings, steps=1))
        members = [trial.member if trial else idle for trial in self.slots]
        self.population = job.population(first.values, members, kind)
        for slot, trial in self.taken():
            self._restore(slot, trial)

    def put(self, slot: int, running: _Running) -> None:
        self.population.replace(slot, running.member)
        self.slots[slot] = running
        self._restore(slot, running)

    def _restore(self, slot: int, running: _Running) -> None:
        if running.state.arrays:
            self.population.restore(slot, running.state.arrays)

    def taken(self) -> list[tuple[int, _Running]]:
        return [(slot, running) for slot, running in enumerate(self.slots) if running]


def _unstarted() -> TrialState:
    return TrialState(0, [], 0, {})


def _looks(history: Sequence[tuple[int, float, float]]) -> list[float]:
    """Returns what the stopping rule saw of a trial, in order."""
    return [progress for _, _, progress in history if not math.isnan(progress)]


class PopulationTuner(BaseTuner):
    """Runs the trials of any KerasTuner oracle as members of populations, one population for each model shape.

    A trial that ends, diverges or is stopped early gives its place to the next. Cells that populations do not take
    (`CannotShareError`) are trained one model after another.

    Args:
        oracle: The oracle; its objective is the job's.
        job: What is trained.
        slots: Trials that train at the same time.
        rule: When to stop a trial early; `None` trains all to their end.
        seed: Seed of the members' weights.
        on_end: Called with each trial that ended, before the oracle is told; `None` keeps the best trial's weights in
            KerasTuner's own folder, for `get_best_models`.
        on_ask: Called with each new trial before it starts: its number, seed and values.
        on_round: Called between rounds, when `states` can be kept.
        bar: Shows progress; interrupts of its user end the search.
        **options: Further arguments of KerasTuner's `BaseTuner`: `directory`, `project_name`, `overwrite`.

    Raises:
        InputError: If the oracle has another objective than the job.

    Example:
    >>> from keras_rnncap.cells import UGRNNCell
    >>> from keras_rnncap.tuners import CapacityJob, GPBanditOracle
    >>> job = CapacityJob(
    ...     UGRNNCell, input_dim=10, length=2, params=60, depth=1, steps=20, batch_size=64, seed=0,
    ...     changes={"patterns_per_parameter": (0.1, 4.0)},
    ... )
    >>> oracle = GPBanditOracle(job.kt_objective, max_trials=3, hyperparameters=job.hyperparameters, seed=0)
    >>> tuner = PopulationTuner(oracle, job, directory=tmp_path)
    >>> tuner.search()
    >>> len(oracle.get_best_trials(5)), tuner.get_best_models()[0].output_shape
    (3, (None, 1))
    """

    def __init__(
        self,
        oracle: kt.Oracle,
        job: Job,
        *,
        slots: int = SLOTS,
        rule: QuantileRule | None = None,
        seed: int = 0,
        on_end: Callable[[EndedTrial], None] | None = None,
        on_ask: Callable[[int, int, dict[str, Any]], None] | None = None,
        on_round: Callable[[], None] | None = None,
        bar: WorkProgress | None = None,
        **options: Any,
    ) -> None:
        if oracle.objective != job.kt_objective:
            raise InputError(f"the oracle's objective must be the job's, {job.kt_objective}; got {oracle.objective}")
        super().__init__(oracle, **options)
        self.job, self.slots, self.rule, self.seed = job, check_integer("slots", slots, 1), rule, seed
        self._on_end = on_end or self._keep_best
        self._on_ask = on_ask or (lambda *_: None)
        self._on_round = on_round or (lambda: None)
        self._bar = bar or WorkProgress(1, enabled=False)
        self._groups: dict[Hashable, _Group] = {}
        self._waiting: list[_Running] = []
        self._kind: Any = ParallelPopulation
        self._askers = itertools.count()
        self.ended = 0
        self.infeasible = 0
        self.seeds_taken: set[int] = set()

    # ---- the search

    def search(self, *arguments: Any, **options: Any) -> None:
        """Runs trials until the oracle has no more. It takes no arguments: the job knows its data."""
        if arguments or options:
            raise InputError("search takes no arguments: the job says what is trained and on what")
        self.oracle.verbose = 0
        self.oracle.max_consecutive_failed_trials = 10**9  # infeasible trials are results, not failures
        while self._fill():
            for group in list(self._groups.values()):
                if group.taken():
                    self._advance(group)
            self._on_round()

    @property
    def states(self) -> dict[int, TrialState]:
        """The trials that have not ended, by number, as they were after their last round; for `resume`."""
        return {running.number: running.state for running in self._in_flight() if running.state.done}

    def resume(self, trial: Trial, seed: int, state: TrialState | None) -> None:
        """Takes up a trial that the oracle knows to be running, as an earlier process left it, or from its start."""
        values = trial.hyperparameters.values
        running = _Running(int(trial.trial_id), trial, values, self.job.member(values, seed), state or _unstarted())
        self._waiting.append(running)
        for checkpoint, progress in enumerate(_looks(running.state.history)):
            self.remember(checkpoint, progress)

    def remember(self, checkpoint: int, progress: float) -> None:
        """Tells the stopping rule what a trial did at a checkpoint in an earlier process."""
        if self.rule:
            self.rule.hopeless(checkpoint, [progress])

    def _in_flight(self) -> list[_Running]:
        return self._waiting + [running for group in self._groups.values() for _, running in group.taken()]

    def _fill(self) -> bool:
        """Gives free places to new trials; returns whether there are any trials."""
        for _ in range(self.slots - len(self._in_flight())):
            if running := self._ask():
                self._waiting.append(running)
            else:
                break
        by_shape: dict[Hashable, list[_Running]] = {}
        taken = sum(len(group.taken()) for group in self._groups.values())
        places = (1 if self._kind is AlonePopulation else self.slots) - taken
        for running in self._waiting[: max(places, 0)]:
            by_shape.setdefault(self.job.shape(running.values), []).append(running)
        for shape, newcomers in by_shape.items():
            self._place(shape, newcomers)
        return any(group.taken() for group in self._groups.values())

    def _place(self, shape: Hashable, newcomers: list[_Running]) -> None:
        """Puts trials into free slots of the population of their shape, or makes one for them."""
        if group := self._groups.get(shape):
            free = [slot for slot, taken in enumerate(group.slots) if not taken]
            placed = newcomers[: len(free)]
            for slot, running in zip(free, placed, strict=False):
                group.put(slot, running)
        else:
            placed = newcomers if self._kind is ParallelPopulation else newcomers[:1]
            try:
                self._groups[shape] = _Group(self.job, placed, self._size, self._kind)
            except CannotShareError as error:
                self._bar.say(f"training one model after another: {error}")
                self._kind, placed = AlonePopulation, newcomers[:1]
                self._groups[shape] = _Group(self.job, placed, 1, self._kind)
        self._waiting = [running for running in self._waiting if running not in placed]
        self._show()

    @property
    def _size(self) -> int:
        """Places in a population, at least: alike in every process, and in each of a population's equal parts."""
        if self.job.many_shapes or self._kind is AlonePopulation:
            return 1
        size = min(self.slots, self.oracle.max_trials or self.slots)
        parts = populations_at_once()
        return size if size == 1 else math.ceil(size / parts) * parts

    def _ask(self) -> _Running | None:
        # An asker with a running trial would be given that again.
        trial = self.oracle.create_trial(f"{self.tuner_id}-{next(self._askers)}")
        if trial.status == TrialStatus.STOPPED:
            return None
        values = {
            name: value.item() if isinstance(value, np.generic) else value  # KerasTuner's GP proposes NumPy numbers
            for name, value in trial.hyperparameters.values.items()
        }
        number = int(trial.trial_id)
        seed = derived_seed(self.seed, number)
        while seed in self.seeds_taken:  # of a run of before trials were numbered as they are asked for
            seed = derived_seed(seed, number)
        self._on_ask(number, seed, values)
        return _Running(number, trial, values, self.job.member(values, seed), _unstarted())

    def _advance(self, group: _Group) -> None:
        """Trains a group for a round, and ends what of its trials is at its end."""
        taken, steps = group.taken(), self.job.round_steps
        losses = self.job.advance(group.population, steps)
        alive, arrays = group.population.alive, group.population.states()
        done = {slot: min(running.state.done + steps, self.job.steps) for slot, running in taken}
        ended = [slot for slot, _ in taken if not alive[slot] or done[slot] >= self.job.steps]
        progress = self._progress(group, [slot for slot, _ in taken if slot not in ended], done, losses)
        hopeless = self._hopeless(group, progress)
        states = {}
        for slot, running in taken:
            entry = (done[slot], float(losses[slot]), progress.get(slot, math.nan))
            states[slot] = TrialState(done[slot], [*running.state.history, entry], slot, arrays[slot])
            if slot not in ended and slot not in hopeless:
                running.state = states[slot]  # of one that ends, the state stays until it has its row
        self._show()
        self._end_slots(group, {slot: states[slot] for slot in states if slot in ended or slot in hopeless}, losses)

    def _end_slots(self, group: _Group, states: dict[int, TrialState], losses: np.ndarray) -> None:
        """Measures the trials in some slots, and ends them."""
        if not states:
            return
        out = {slot: running for slot, running in group.taken() if slot in states}
        values = [running.values for running in out.values()]
        measured = self.job.measure(group.population, list(out), values, list(losses[list(out)]))
        with self._bar.held():  # all or, where the process is killed, those that have a row
            for (slot, running), result in zip(out.items(), measured, strict=True):
                self._end(running, result, states[slot], functools.partial(group.population.member, slot))
                group.slots[slot] = None
        self._show()

    def _next_stop(self, running: _Running) -> int:
        """Returns the step at which the stopping rule looks at a trial next, the end of a round."""
        if self.rule and (place := running.checkpoints) < len(self.rule.parts):
            rounds = math.ceil(self.rule.parts[place] * self.job.steps / self.job.round_steps)
            return rounds * self.job.round_steps
        return self.job.steps

    def _progress(self, group: _Group, slots: list[int], done: dict[int, int], losses: np.ndarray) -> dict[int, float]:
        """Returns how well those of some trials do that the stopping rule looks at now, by slot."""
        trials = dict(group.taken())
        due = [slot for slot in slots if self.rule and done[slot] >= self._next_stop(trials[slot])]
        if not due:
            return {}
        progress = self.job.progress(group.population, losses)
        return {slot: float(np.nan_to_num(progress[slot], nan=-np.inf)) for slot in due}

    def _hopeless(self, group: _Group, progress: dict[int, float]) -> list[int]:
        """Returns the slots whose trials the stopping rule ends."""
        trials, hopeless = dict(group.taken()), []
        for checkpoint in sorted({trials[slot].checkpoints for slot in progress}):
            slots = [slot for slot in progress if trials[slot].checkpoints == checkpoint]
            assert self.rule is not None
            verdicts = self.rule.hopeless(checkpoint, [progress[slot] for slot in slots])
            hopeless += [slot for slot, verdict in zip(slots, verdicts, strict=True) if verdict]
        return hopeless

    # ---- ends

    def _end(self, running: _Running, measured: Measured, state: TrialState, model: Callable[[], keras.Model]) -> None:
        """Has an ended trial recorded, then tells the oracle."""
        self.ended += 1
        self.infeasible += measured is None
        trial, member = running.trial, running.member
        self._on_end(
            EndedTrial(
                trial.trial_id, running.number, running.values, member, measured, state.done, state.history, model
            )
        )
        if measured is None:
            trial.status = TrialStatus.FAILED
        else:
            self.oracle.update_trial(trial.trial_id, {self.job.objective: measured[self.job.objective]})
            trial.status = TrialStatus.COMPLETED
        self.oracle.end_trial(trial)

    def _keep_best(self, ended: EndedTrial) -> None:
        if ended.measured is None:
            return
        score, sign = ended.measured[self.job.objective], 1 if self.job.direction == "max" else -1
        best = self._best()
        if best is None or sign * score > sign * best.score:
            write_weights(ended.model(), self._weights_file(ended.trial_id))

    def _weights_file(self, trial_id: str) -> Path:
        return Path(self.get_trial_dir(trial_id)) / "best.weights.h5"

    def get_best_models(self, num_models: int = 1) -> list[keras.Model]:
        """Returns the best trial's model; the weights of others are not kept."""
        if num_models != 1:
            raise InputError(f"num_models must be 1: only the best trial's weights are kept; got {num_models}")
        if (best := self._best()) is None:
            return []
        values = best.hyperparameters.values
        model = self.job.builder(values)(self.job.member(values, 0))
        model.load_weights(self._weights_file(best.trial_id))
        return [model]

    def _best(self) -> Trial | None:
        for trial in self.oracle.get_best_trials(1):  # where none is completed, it returns others
            return trial if trial.status == TrialStatus.COMPLETED else None
        return None

    # ---- progress

    def _describe(self, running: int) -> str:
        best = self._best()
        found = f"  best {best.score:.4g}" if best else ""
        return f"{self.ended} trials done, {running} running, {self.infeasible} infeasible{found}"

    def _show(self) -> None:
        """Moves the bar; raises `KeyboardInterrupt` if there was one."""
        taken = [running.state.done for group in self._groups.values() for _, running in group.taken()]
        self._bar.to(self.ended * self.job.steps + sum(taken), self._describe(len(taken)))
