"""A KerasTuner tuner whose running trials are the members of populations."""

import functools
import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import keras_tuner as kt
import numpy as np
from keras_tuner.engine.base_tuner import BaseTuner
from keras_tuner.engine.trial import Trial, TrialStatus

from keras_rnncap.defaults import ENGINE
from keras_rnncap.engines import Engine
from keras_rnncap.errors import InputError, check_integer
from keras_rnncap.initializers import derived_seed
from keras_rnncap.population import CannotShareError, Member
from keras_rnncap.population.devices import populations_at_once
from keras_rnncap.runs import CUT, STOPPED
from keras_rnncap.saving import write_weights
from keras_rnncap.terminal.progress import WorkProgress
from keras_rnncap.tuners.jobs import Job, Measured
from keras_rnncap.tuners.journal import TrialState
from keras_rnncap.tuners.oracles.durable import DurableOracle
from keras_rnncap.tuners.rounds import Rounds, Running, looks
from keras_rnncap.tuners.stopping import QuantileRule
from keras_rnncap.tuners.worker import Ended

SLOTS = 16
"""Trials that train at the same time by default."""
GRACE = 0.05
"""How much longer than its time a search takes so that a trial ends, as a part of that time."""


class EndedTrial(NamedTuple):
    """A trial that ended.

    Attributes:
        trial_id: KerasTuner's name of it.
        number: Its number; the first is 0.
        values: Values of the active hyperparameters.
        member: The member of a population that has these.
        status: One of `keras_rnncap.runs.rows.STATUSES`.
        measured: Its scores; `None` if it diverged or was stopped early.
        told: What the oracle was told of it if it was stopped early and others have scores, else `None`.
        steps: Training steps that it made; fewer than asked for if it diverged or was stopped early.
        history: `(step, mean training loss since the entry before, progress where the stopping rule looked or NaN)`.
        model: Returns the trained model.
    """

    trial_id: str
    number: int
    values: dict[str, Any]
    member: Member
    status: str
    measured: Measured
    told: float | None
    steps: int
    history: list[tuple[int, float, float]]
    model: Callable[[], keras.Model]


class PopulationTuner(BaseTuner):
    """Runs the trials of any KerasTuner oracle as members of populations, one population for each model shape.

    A trial that ends gives its place to the next. One that the rule stops gives it too, and the oracle is told the
    final score that it would have by its rank (`QuantileRule.told`); it goes on when others that come later do worse,
    and has ended when all others have. Cells that populations do not take (`CannotShareError`) are trained one model
    after another.

    Args:
        oracle: The oracle; its objective is the job's.
        job: What is trained.
        slots: Trials that train at the same time.
        rule: When to stop a trial early; `None` trains all to their end.
        seed: Seed of the members' weights.
        on_end: Called with each trial that ended, before the oracle is told; `None` keeps the best trial's weights for
            `get_best_models`.
        on_ask: Called with each new trial before it starts: its number, seed and values.
        on_round: Called between rounds, when `states` can be kept.
        bar: Shows progress; interrupts of its user end the search.
        engine: Where trials train, as `make_workers` takes it; they are the same everywhere.
        deadline: When the search ends, as `time.monotonic()` has it: no trial begins that would not have ended by then,
            and those in training are left as they are. Where none has a score, they have a little longer, and are then
            measured as they are.
        **options: Further arguments of KerasTuner's `BaseTuner`: `directory`, `project_name`, `overwrite`.

    Raises:
        InputError: If the oracle has another objective than the job.

    Example:
    >>> from keras_rnncap.cells import UGRNNCell
    >>> from keras_rnncap.datasets import PerceptronSearch
    >>> from keras_rnncap.tuners import GPBanditOracle, Job
    >>> job = Job(
    ...     PerceptronSearch(60, input_dim=10, length=2), UGRNNCell, params=60, depth=1, steps=20, batch_size=64,
    ...     seed=0, changes={"patterns_per_parameter": (0.1, 4.0)},
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
        engine: str | Engine = ENGINE,
        deadline: float | None = None,
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
        # As many slots in a population as all populations that train at the same time need.
        largest = math.ceil(min(self.slots, oracle.max_trials or self.slots) / populations_at_once())
        self._rounds = Rounds(job, largest, engine)
        self._began, self._deadline, self._round_s = time.monotonic(), deadline, 0.0
        self._resumed: list[Running] = []
        self._askers = itertools.count()
        self._stopped: list[Running] = []
        self._told: set[str] = set()
        self.ended = self.diverged = self.scored = 0
        self.seeds_taken: set[int] = set()

    def search(self, *arguments: Any, **options: Any) -> None:
        """Runs trials until the oracle has no more. It takes no arguments: the job knows its data."""
        if arguments or options:
            raise InputError("search takes no arguments: the job says what is trained and on what")
        self.oracle.verbose = 0
        self.oracle.max_consecutive_failed_trials = 10**9  # infeasible trials are results, not failures
        for running in sorted(self._resumed, key=lambda running: not running.state.arrays):
            if (told := running.state.told) is None:
                self._rounds.put(running)
            else:
                running.state.told = None
                self._stop(running, told)
        try:
            while self._fill() and not self._is_over():
                began = time.monotonic()
                self._round()
                self._on_round()
                self._round_s = time.monotonic() - began
            if not self.scored:
                self._end_as_they_are()
            with self._bar.held():
                while self._stopped:
                    self._end_stopped(self._stopped[0])
        finally:
            self._resumed = []
            self._rounds.cancel()

    def _is_over(self) -> bool:
        """Returns whether the time is over; where no trial has a score, a little later, after one round at least."""
        if self._deadline is None or not (self.scored or any(running.state.done for running in self._rounds)):
            return False
        longer = 0.0 if self.scored else GRACE * (self._deadline - self._began)
        return time.monotonic() >= self._deadline + longer

    def _end_as_they_are(self) -> None:
        """Has trials that were not trained to their end measured and recorded, so that there is a result."""
        trials = [running for running in self._rounds if running.state.done]
        for running in trials:
            running.new_state = running.state
        measured = self._rounds.measure(trials)
        with self._bar.held():
            for running, ended in zip(trials, measured, strict=True):
                self._end(running, ended, cut=True)
                self._rounds.drop(running)
            for running in self._stopped:
                self._expect(running)  # in scores, as there are some now

    @property
    def states(self) -> dict[int, TrialState]:
        """The trials that have not ended, by number, as they were after their last round; for `resume`."""
        return {running.number: running.state for running in (*self._rounds, *self._stopped) if running.state.done}

    def resume(self, trial: Trial, seed: int, state: TrialState | None) -> None:
        """Takes up a trial that the oracle knows to be running, as an earlier process left it, or from its start."""
        values = trial.hyperparameters.values
        running = Running(trial, values, self.job.member(values, seed))
        running.state = state or running.state
        self._resumed.append(running)
        self.remember(running.looks)

    def remember(self, looks: Sequence[float], score: float | None = None) -> None:
        """Tells the stopping rule what a trial did at its checkpoints in an earlier process, and its final score."""
        if self.rule:
            for checkpoint, progress in enumerate(looks):
                self.rule.hopeless(checkpoint, [progress])
            if score is not None:
                self.rule.complete(looks, self._sign * score)

    @property
    def _sign(self) -> int:
        return 1 if self.job.direction == "max" else -1

    def _fill(self) -> bool:
        """Has a trial in each slot while the oracle has some; returns whether there are any trials."""
        self._go_on()
        self._ask_up_to(1)
        # Found out before others are asked for beside the first.
        if self._rounds.alone is None and self._rounds and (reason := self._rounds.find_out_whether_alone()):
            self._bar.say(f"training one model after another: {reason}")
        self._ask_up_to(1 if self._rounds.alone else self.slots)
        self._show()
        return bool(self._rounds)

    def _go_on(self) -> None:
        """Has stopped trials go on that are not hopeless any more, beside those that came since; the best first."""
        assert self.rule or not self._stopped
        for running in sorted(self._stopped, key=lambda each: (-len(each.looks), -each.looks[-1], each.number)):
            if len(self._rounds) >= (1 if self._rounds.alone else self.slots) or not self.rule:
                return
            promising = not self.rule.is_hopeless(len(running.looks) - 1, running.looks[-1])
            if promising and self._has_time_for(self.job.steps - running.state.done):
                self._stopped.remove(running)
                running.state.told = None
                self._rounds.put(running)

    def _has_time_for(self, steps: int) -> bool:
        """Returns whether so many steps are made before the deadline, at the pace of the last round."""
        seconds = math.ceil(steps / self.job.round_steps) * self._round_s
        return self._deadline is None or not self.scored or time.monotonic() + seconds <= self._deadline

    def _ask_up_to(self, count: int) -> None:
        if not self._has_time_for(self.job.steps):
            return
        while len(self._rounds) < count:
            # An asker with a running trial would be given that again.
            trial = self.oracle.create_trial(f"{self.tuner_id}-{next(self._askers)}")
            if trial.status == TrialStatus.STOPPED:
                return
            self._rounds.put(self._begin(trial))

    def _begin(self, trial: Trial) -> Running:
        values = {
            name: value.item() if isinstance(value, np.generic) else value  # KerasTuner's GP proposes NumPy numbers
            for name, value in trial.hyperparameters.values.items()
        }
        number = int(trial.trial_id)
        seed = derived_seed(self.seed, number)
        while seed in self.seeds_taken:  # by an earlier version, which numbered trials otherwise
            seed = derived_seed(seed, number)
        self._on_ask(number, seed, values)
        return Running(trial, values, self.job.member(values, seed))

    def _round(self) -> None:
        """Trains all trials for a round, which counts as a whole or not at all, and ends those that are over."""
        try:
            trials = self._rounds.train(self._is_looked_at)
        except CannotShareError as error:  # one that came later differs in what populations do not do
            self._bar.say(f"training one model after another: {error}")
            self._rounds.train_alone()
            return
        stops = [running for running in self._hopeless(trials) if not running.over]
        ends = [running for running in trials if running.over]
        measured = self._rounds.measure(ends)
        self._show()
        with self._bar.held():
            for running, ended in zip(ends, measured, strict=True):
                self._end(running, ended)
                self._rounds.drop(running)
            for running in trials:
                running.state = running.new_state
            for running in stops:
                self._rounds.drop(running)
                self._stop(running)
            for running in self._stopped if ends else ():
                self._expect(running)  # as the trials that ended say
        self._show()

    def _is_looked_at(self, running: Running, step: int) -> bool:
        """Whether the stopping rule looks at a trial after so many steps, at the end of a round."""
        looks = len(running.looks)
        if not self.rule or looks >= len(self.rule.parts) or step >= self.job.steps:
            return False
        rounds = math.ceil(self.rule.parts[looks] * self.job.steps / self.job.round_steps)
        return step >= rounds * self.job.round_steps

    def _hopeless(self, trials: Sequence[Running]) -> Iterator[Running]:
        """Yields the trials to be stopped."""
        if self.rule is None:
            return
        looked_at = [running for running in trials if not math.isnan(running.new_state.history[-1][2])]
        for checkpoint in range(len(self.rule.parts)):
            if here := [each for each in looked_at if len(looks(each.new_state.history)) == checkpoint + 1]:
                values = [running.new_state.history[-1][2] for running in here]
                yield from itertools.compress(here, self.rule.hopeless(checkpoint, values))

    def _stop(self, running: Running, told: float | None = None) -> None:
        """Has a trial wait; the oracle is told what to expect of it."""
        self._stopped.append(running)
        self._told.add(running.trial.trial_id)
        self._expect(running, told)

    def _expect(self, running: Running, told: float | None = None) -> None:
        """Tells the oracle what to expect of a trial that waits, if that is not what it was told."""
        if told is None and self.rule:
            seen = running.looks
            told = self._sign * self.rule.told(len(seen) - 1, seen[-1])
        if told is not None and told != running.state.told:
            running.state.told = told
            self._tell(running.trial, told)

    def _end_stopped(self, running: Running) -> None:
        """Has a trial recorded that waited to the end; what the oracle was told is a score if others have some."""
        state = running.state
        told = state.told if self.scored else None
        facts = (running.trial.trial_id, running.number, running.values, running.member)
        self.ended += 1
        self._on_end(EndedTrial(*facts, STOPPED, None, told, state.done, state.history, self._no_model))
        self._stopped.remove(running)

    def _no_model(self) -> keras.Model:
        raise InputError("a trial that was stopped early has no model")

    def _end(self, running: Running, ended: Ended, cut: bool = False) -> None:
        """Has a trial that ended, or was cut, recorded, then tells the oracle and, if it ended, the rule."""
        measured, trial, state = ended.measured, running.trial, running.new_state
        status = CUT if cut and measured is not None else self.job.status(measured)
        self.ended += 1
        self.diverged += measured is None
        self.scored += measured is not None
        facts = (trial.trial_id, running.number, running.values, running.member, status, measured, None)
        self._on_end(
            EndedTrial(*facts, state.done, state.history, functools.partial(self._model, running, ended.weights))
        )
        score = None if measured is None else measured[self.job.objective]
        if self.rule and score is not None and not cut:
            self.rule.complete(looks(state.history), self._sign * score)
        self._told.discard(trial.trial_id)
        self._tell(trial, score)

    def _tell(self, trial: Trial, score: float | None) -> None:
        """Tells the oracle the score of a trial, `None` if it diverged; also once more of one that was stopped."""
        trial.status = TrialStatus.FAILED if score is None else TrialStatus.COMPLETED
        if trial.trial_id in self.oracle.end_order and not isinstance(self.oracle, DurableOracle):
            return  # KerasTuner's own oracles hear of a trial once
        if score is not None:
            known = self.oracle.trials[trial.trial_id]
            known.metrics = type(known.metrics)()  # KerasTuner takes the mean of what it is told
            self.oracle.update_trial(trial.trial_id, {self.job.objective: score})
        self.oracle.end_trial(trial)

    def _model(self, running: Running, weights: Sequence[np.ndarray]) -> keras.Model:
        model = self.job.builder(running.values)(running.member)
        model.set_weights(weights)
        return model

    def _keep_best(self, ended: EndedTrial) -> None:
        if ended.measured is None:
            return
        best, score = self._best(), ended.measured[self.job.objective]
        if best is None or self.job.kt_objective.better_than(score, best.score):
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
        best = self.oracle.get_best_trials(1 + len(self._told))  # where none is completed, others
        completed = (trial for trial in best if trial.status == TrialStatus.COMPLETED)
        return next((trial for trial in completed if trial.trial_id not in self._told), None)

    def _show(self) -> None:
        """Moves the bar; raises `KeyboardInterrupt` if there was one."""
        done = [running.state.done for running in (*self._rounds, *self._stopped)]
        best = self._best()
        score = f"  best {best.score:.4g}" if best else ""
        running, stopped = len(self._rounds), len(self._stopped)
        trials = f"{self.ended} trials done, {running} running, {stopped} stopped, {self.diverged} diverged"
        self._bar.to(self.ended * self.job.steps + sum(done), trials + score)
