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
from keras_rnncap.tuners.jobs import Job, Measured
from keras_tuner.engine.base_tuner import BaseTuner
from keras_tuner.engine.trial import Trial, TrialStatus

from keras_rnncap.errors import InputError, check_integer
from keras_rnncap.initializers import derived_seed
from keras_rnncap.population import CannotShareError, Member
from keras_rnncap.progress import StepCallback, WorkProgress
from keras_rnncap.runs import replacing

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
        history: `(step, mean training loss since the entry before)` now and then.
        model: Returns the trained model.
    """

    trial_id: str
    number: int
    values: dict[str, Any]
    member: Member
    measured: Measured
    steps: int
    history: list[tuple[int, float]]
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


@dataclasses.dataclass
class _Running:
    """A trial in training, or about to be."""

    number: int
    trial: Trial
    values: dict[str, Any]
    member: Member
    history: list[tuple[int, float]] = dataclasses.field(default_factory=list)
    checkpoints: int = 0


class _Group:
    """The trials of one shape: a population, and who is in which of its slots."""

    def __init__(self, job: Job, running: Sequence[_Running]) -> None:
        self.population = job.population(running[0].values, [one.member for one in running])
        self.slots: list[_Running | None] = list(running)
        self.done = np.zeros(len(running), int)

    def put(self, slot: int, running: _Running) -> None:
        self.population.replace(slot, running.member)
        self.slots[slot] = running
        self.done[slot] = 0

    def taken(self) -> list[tuple[int, _Running]]:
        return [(slot, running) for slot, running in enumerate(self.slots) if running]


def _itself(model: keras.Model) -> keras.Model:
    return model


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
        bar: WorkProgress | None = None,
        **options: Any,
    ) -> None:
        if oracle.objective != job.kt_objective:
            raise InputError(f"the oracle's objective must be the job's, {job.kt_objective}; got {oracle.objective}")
        super().__init__(oracle, **options)
        self.job, self.slots, self.rule, self.seed = job, check_integer("slots", slots, 1), rule, seed
        self._on_end = on_end or self._keep_best
        self._bar = bar or WorkProgress(1, enabled=False)
        self._groups: dict[Hashable, _Group] = {}
        self._waiting: list[_Running] = []
        self._askers = itertools.count()
        self.ended = 0
        self.infeasible = 0

    # ---- the search

    def search(self, *arguments: Any, **options: Any) -> None:
        """Runs trials until the oracle has no more. It takes no arguments: the job knows its data."""
        if arguments or options:
            raise InputError("search takes no arguments: the job says what is trained and on what")
        self.oracle.verbose = 0
        try:
            while self._fill():
                for group in list(self._groups.values()):
                    if group.taken():
                        self._advance(group)
        except CannotShareError as error:
            self._bar.say(f"training one model after another: {error}")
            self._waiting += [running for group in self._groups.values() for _, running in group.taken()]
            self._groups = {}
            self._train_alone()

    def _fill(self) -> bool:
        """Gives free places to new trials; returns whether there are any trials."""
        in_flight = len(self._waiting) + sum(len(group.taken()) for group in self._groups.values())
        for _ in range(self.slots - in_flight):
            if running := self._ask():
                self._waiting.append(running)
            else:
                break
        by_shape: dict[Hashable, list[_Running]] = {}
        for running in self._waiting:
            by_shape.setdefault(self.job.shape(running.values), []).append(running)
        for shape, newcomers in by_shape.items():
            if group := self._groups.get(shape):
                free = [slot for slot, taken in enumerate(group.slots) if not taken]
                for slot, running in zip(free, newcomers, strict=False):
                    group.put(slot, running)
                    self._waiting.remove(running)
                    self._show()
            else:
                self._groups[shape] = _Group(self.job, newcomers)
                for running in newcomers:
                    self._waiting.remove(running)
        return any(group.taken() for group in self._groups.values())

    def _ask(self) -> _Running | None:
        number = len(self.oracle.trials)
        # An asker with a running trial would be given that again.
        trial = self.oracle.create_trial(f"{self.tuner_id}-{next(self._askers)}")
        if trial.status == TrialStatus.STOPPED:
            return None
        values = {
            name: value.item() if isinstance(value, np.generic) else value  # KerasTuner's GP proposes NumPy numbers
            for name, value in trial.hyperparameters.values.items()
        }
        return _Running(number, trial, values, self.job.member(values, derived_seed(self.seed, number)))

    def _advance(self, group: _Group) -> None:
        """Trains a group until something is to be done with one of its trials, or for a while."""
        taken = group.taken()
        steps = min(self.job.round_steps, *(self._next_stop(running) - group.done[slot] for slot, running in taken))
        losses = self.job.advance(group.population, int(steps))
        alive = group.population.alive
        for slot, running in taken:
            group.done[slot] += steps
            running.history.append((int(group.done[slot]), float(losses[slot])))
        ended = [slot for slot, _ in taken if not alive[slot] or group.done[slot] >= self.job.steps]
        ended += self._hopeless(group, [(slot, running) for slot, running in taken if slot not in ended], losses)
        self._show()
        if not ended:
            return
        out = [running for slot, running in taken if slot in ended]
        ended = [slot for slot, _ in taken if slot in ended]
        measured = self.job.measure(group.population, ended, [running.values for running in out], list(losses[ended]))
        for slot, running, found in zip(ended, out, measured, strict=True):
            self._end(running, found, int(group.done[slot]), functools.partial(group.population.member, slot))
            group.slots[slot] = None
            self._show()

    def _next_stop(self, running: _Running) -> int:
        if self.rule and running.checkpoints < len(self.rule.parts):
            return math.ceil(self.rule.parts[running.checkpoints] * self.job.steps)
        return self.job.steps

    def _hopeless(self, group: _Group, going_on: list[tuple[int, _Running]], losses: np.ndarray) -> list[int]:
        if not self.rule:
            return []
        at = [(slot, one) for slot, one in going_on if group.done[slot] >= self._next_stop(one)]
        if not at:
            return []
        progress, hopeless = self.job.progress(group.population, losses), []
        for checkpoint in sorted({one.checkpoints for _, one in at}):
            slots = [slot for slot, one in at if one.checkpoints == checkpoint]
            verdicts = self.rule.hopeless(checkpoint, [float(progress[slot]) for slot in slots])
            hopeless += [slot for slot, verdict in zip(slots, verdicts, strict=True) if verdict]
        for _, one in at:
            one.checkpoints += 1
        return hopeless

    def _train_alone(self) -> None:
        """Runs one trial after another, those that wait first."""
        while running := self._waiting.pop(0) if self._waiting else self._ask():
            callback = StepCallback(self._bar, self.ended * self.job.steps, self._describe(1))
            model, measured = self.job.train_alone(running.values, running.member, (callback,))
            running.history.append((self.job.steps, measured["loss"] if measured else math.nan))
            self._end(running, measured, self.job.steps, functools.partial(_itself, model))
            self._bar.to(self.ended * self.job.steps, self._describe(0))

    # ---- ends

    def _end(self, running: _Running, measured: Measured, steps: int, model: Callable[[], keras.Model]) -> None:
        """Has an ended trial recorded, then tells the oracle."""
        self.ended += 1
        self.infeasible += measured is None
        trial, member = running.trial, running.member
        self._on_end(
            EndedTrial(trial.trial_id, running.number, running.values, member, measured, steps, running.history, model)
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
            with replacing(self._weights_file(ended.trial_id)) as new:
                ended.model().save_weights(new)

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
        taken = [(group.done[slot]) for group in self._groups.values() for slot, _ in group.taken()]
        self._bar.to(self.ended * self.job.steps + int(sum(taken)), self._describe(len(taken)))
