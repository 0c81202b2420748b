"""A KerasTuner tuner whose running trials are the members of populations."""

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import keras_tuner as kt
import numpy as np
from keras_tuner.engine.base_tuner import BaseTuner
from keras_tuner.engine.trial import Trial, TrialStatus

from keras_rnncap.defaults import ENGINE
from keras_rnncap.errors import InputError, check_integer
from keras_rnncap.initializers import derived_seed
from keras_rnncap.population import CannotShareError, Member
from keras_rnncap.population.devices import populations_at_once
from keras_rnncap.saving import write_weights
from keras_rnncap.terminal.progress import WorkProgress
from keras_rnncap.tuners.jobs import Job, Measured
from keras_rnncap.tuners.journal import TrialState
from keras_rnncap.tuners.rounds import Rounds, Running
from keras_rnncap.tuners.stopping import QuantileRule
from keras_rnncap.tuners.worker import Ended

SLOTS = 16
"""Trials that train at the same time by default."""


class EndedTrial(NamedTuple):
    """A trial that ended.

    Attributes:
        trial_id: KerasTuner's name of it.
        number: Its number; the first is 0.
        values: Values of the active hyperparameters.
        member: The member of a population that has these.
        measured: Its scores, `None` if it is infeasible.
        steps: Training steps that it made; fewer than asked for if it diverged or was stopped early.
        history: `(step, mean training loss since the entry before, progress where the stopping rule looked or NaN)`.
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


def _looks(history: Sequence[tuple[int, float, float]]) -> list[float]:
    """Returns what the stopping rule saw of a trial, in order."""
    return [progress for _, _, progress in history if not math.isnan(progress)]


class PopulationTuner(BaseTuner):
    """Runs the trials of any KerasTuner oracle as members of populations, one population for each model shape.

    A trial that ends gives its place to the next. Cells that populations do not take (`CannotShareError`) are trained
    one model after another.

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
        engine: Where trials train, as `make_engine` takes it; they are the same everywhere.
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
        engine: str = ENGINE,
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
        self._resumed: list[Running] = []
        self._askers = itertools.count()
        self.ended = self.infeasible = 0
        self.seeds_taken: set[int] = set()

    def search(self, *arguments: Any, **options: Any) -> None:
        """Runs trials until the oracle has no more. It takes no arguments: the job knows its data."""
        if arguments or options:
            raise InputError("search takes no arguments: the job says what is trained and on what")
        self.oracle.verbose = 0
        self.oracle.max_consecutive_failed_trials = 10**9  # infeasible trials are results, not failures
        for running in sorted(self._resumed, key=lambda running: not running.state.arrays):
            self._rounds.put(running)
        try:
            while self._fill():
                self._round()
                self._on_round()
        finally:
            self._resumed = []
            self._rounds.cancel()

    @property
    def states(self) -> dict[int, TrialState]:
        """The trials that have not ended, by number, as they were after their last round; for `resume`."""
        return {running.number: running.state for running in self._rounds if running.state.done}

    def resume(self, trial: Trial, seed: int, state: TrialState | None) -> None:
        """Takes up a trial that the oracle knows to be running, as an earlier process left it, or from its start."""
        values = trial.hyperparameters.values
        running = Running(trial, values, self.job.member(values, seed))
        running.state = state or running.state
        self._resumed.append(running)
        for checkpoint, progress in enumerate(_looks(running.state.history)):
            self.remember(checkpoint, progress)

    def remember(self, checkpoint: int, progress: float) -> None:
        """Tells the stopping rule what a trial did at a checkpoint in an earlier process."""
        if self.rule:
            self.rule.hopeless(checkpoint, [progress])

    def _fill(self) -> bool:
        """Has a trial in each slot while the oracle has some; returns whether there are any trials."""
        self._ask_up_to(1)
        # Found out before others are asked for beside the first.
        if self._rounds.alone is None and self._rounds and (reason := self._rounds.find_out_whether_alone()):
            self._bar.say(f"training one model after another: {reason}")
        self._ask_up_to(1 if self._rounds.alone else self.slots)
        self._show()
        return bool(self._rounds)

    def _ask_up_to(self, count: int) -> None:
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
        hopeless = self._hopeless(trials)
        ends = [running for running in trials if running.over or running in hopeless]
        measured = self._rounds.measure(ends)
        self._show()
        with self._bar.held():
            for running, ended in zip(ends, measured, strict=True):
                self._end(running, ended)
                self._rounds.drop(running)
            for running in trials:
                running.state = running.new_state
        self._show()

    def _is_looked_at(self, running: Running, step: int) -> bool:
        """Whether the stopping rule looks at a trial after so many steps, at the end of a round."""
        looks = len(_looks(running.state.history))
        if not self.rule or looks >= len(self.rule.parts) or step >= self.job.steps:
            return False
        rounds = math.ceil(self.rule.parts[looks] * self.job.steps / self.job.round_steps)
        return step >= rounds * self.job.round_steps

    def _hopeless(self, trials: Sequence[Running]) -> list[Running]:
        if self.rule is None:
            return []
        looked_at = [running for running in trials if not math.isnan(running.new_state.history[-1][2])]
        hopeless: list[Running] = []
        for checkpoint in range(len(self.rule.parts)):
            if here := [each for each in looked_at if len(_looks(each.new_state.history)) == checkpoint + 1]:
                verdicts = self.rule.hopeless(checkpoint, [running.new_state.history[-1][2] for running in here])
                hopeless += itertools.compress(here, verdicts)
        return hopeless

    def _end(self, running: Running, ended: Ended) -> None:
        """Has an ended trial recorded, then tells the oracle."""
        measured, trial, state = ended.measured, running.trial, running.new_state
        self.ended += 1
        self.infeasible += measured is None
        facts = (trial.trial_id, running.number, running.values, running.member, measured, state.done, state.history)
        self._on_end(EndedTrial(*facts, functools.partial(self._model, running, ended.weights)))
        if measured is None:
            trial.status = TrialStatus.FAILED
        else:
            self.oracle.update_trial(trial.trial_id, {self.job.objective: measured[self.job.objective]})
            trial.status = TrialStatus.COMPLETED
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
        best = self.oracle.get_best_trials(1)  # where none is completed, another
        return best[0] if best and best[0].status == TrialStatus.COMPLETED else None

    def _show(self) -> None:
        """Moves the bar; raises `KeyboardInterrupt` if there was one."""
        done = [running.state.done for running in self._rounds]
        best = self._best()
        score = f"  best {best.score:.4g}" if best else ""
        trials = f"{self.ended} trials done, {len(done)} running, {self.infeasible} infeasible"
        self._bar.to(self.ended * self.job.steps + sum(done), trials + score)
