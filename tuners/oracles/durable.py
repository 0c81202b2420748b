"""A KerasTuner oracle whose state survives whatever ends a process, and whose trials end as they are told to."""

import functools
import math
import os
from collections.abc import Callable, Mapping
from typing import Any

import keras_tuner as kt
from keras_tuner.engine.trial import Trial, TrialStatus

from keras_rnncap.errors import InputError

ENDED = (TrialStatus.COMPLETED, TrialStatus.FAILED)
"""An invalid trial is run again; KerasTuner calls it failed once it has no retries left."""


def synchronized(method: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a method under the lock of `kt.synchronized`, given back also where the method raises."""

    @kt.synchronized
    def outcome(*args: Any, **options: Any) -> tuple[Any, BaseException | None]:
        try:
            return method(*args, **options), None
        except BaseException as error:  # raised below: KerasTuner would keep the lock
            return None, error

    @functools.wraps(method)
    def method_under_lock(*args: Any, **options: Any) -> Any:
        result, error = outcome(*args, **options)
        if error is not None:
            raise error
        return result

    return method_under_lock


class _NamedObjective(kt.Objective):
    """An objective that ends the search, and says which metrics there are, where its own is missing."""

    def get_value(self, logs: Mapping[str, float]) -> float:
        if self.name not in logs:
            metrics = ", ".join(logs)
            raise kt.errors.FatalValueError(f"the objective {self.name!r} is not among the metrics: they are {metrics}")
        return float(logs[self.name])


class DurableOracle(kt.Oracle):
    """A `keras_tuner.Oracle` that writes files in one step, gives its lock back, and ends trials as it is told."""

    objective: Any

    def __init__(self, objective: Any, **options: Any) -> None:
        super().__init__(objective, **options)
        if type(self.objective) is kt.Objective:
            self.objective = _NamedObjective(self.objective.name, self.objective.direction)

    def get_best_trials(self, num_trials: int = 1) -> list[Trial]:
        """Returns the best completed trials; KerasTuner's own adds failed ones where there are too few."""
        return [trial for trial in super().get_best_trials(num_trials) if trial.status == TrialStatus.COMPLETED]

    @synchronized
    def create_trial(self, tuner_id: str) -> Trial:
        """Returns the next trial to run; those of an earlier process in this folder are taken up."""
        # KerasTuner would start anew where that was killed before its tuner wrote a file of its own.
        if not self.trials and os.path.exists(self._get_oracle_fname()):
            self.reload()
        return super().create_trial(tuner_id)

    @synchronized
    def update_trial(self, trial_id: str, metrics: Mapping[str, float], step: int = 0) -> Trial:
        """Enters metrics of a trial."""
        self._known(trial_id)
        return super().update_trial(trial_id, metrics, step)

    @synchronized
    def end_trial(
        self, trial: Trial | str | None = None, status: str | None = None, *, trial_id: str | None = None
    ) -> None:
        """Ends a trial, as what `update_trial` was told of it; what is on disk says afterwards that it ended.

        A trial whose score is not finite is invalid, like one that crashed: it is run again where
        `max_retries_per_trial` allows. Ended once more, a trial is what the last call says.

        Args:
            trial: The trial, also as the copy that another process has; or its id, as in older scripts.
            status: `"COMPLETED"`, `"INVALID"` or `"FAILED"`. `None` takes that of `trial`; of an id, that it completed.
            trial_id: The id, by the name that older scripts use.

        Raises:
            InputError: If there is no such trial or status, or if a completed trial has no value of the objective.
        """
        told = trial if isinstance(trial, Trial) else None
        known = self._known(trial_id if trial is None else told.trial_id if told else trial)
        status = status or (told.status if told else TrialStatus.COMPLETED)
        if status not in (*ENDED, TrialStatus.INVALID):
            raise InputError(f"status of a trial that ends must be COMPLETED, INVALID or FAILED; got {status!r}")
        if told:
            known.hyperparameters, known.message = told.hyperparameters, told.message
        known.status, known.score = status, None
        if status == TrialStatus.COMPLETED:
            self._score(known)
        if known.trial_id in self.end_order:
            self.end_order.remove(known.trial_id)
        try:
            super().end_trial(known)
        finally:
            if known.trial_id in self.end_order or known.trial_id in self._retry_queue:
                self._let_go(known)

    def _known(self, trial_id: Any) -> Trial:
        if trial_id not in self.trials:
            raise InputError(f"trial_id must be that of a trial which create_trial gave; got {trial_id!r}")
        return self.trials[trial_id]

    def _score(self, trial: Trial) -> None:
        trial.status = TrialStatus.RUNNING  # where the score cannot be had
        self.score_trial(trial)
        if trial.score is None:
            raise InputError(
                f"a completed trial must have a value of {self.objective.name!r}, and trial {trial.trial_id} has none: "
                "report it with update_trial first, or end the trial as FAILED"
            )
        trial.status = TrialStatus.COMPLETED
        if not math.isfinite(trial.score):
            trial.score, trial.status = None, TrialStatus.INVALID

    def _let_go(self, trial: Trial) -> None:
        """Writes that nobody runs a trial, as KerasTuner does too early, and not at all if too many failed."""
        for asker in [asker for asker, running in self.ongoing_trials.items() if running is trial]:
            del self.ongoing_trials[asker]
        if trial.trial_id in self._retry_queue:
            trial.metrics = type(trial.metrics)()  # KerasTuner's tuner reports none where there are some
        self._save_trial(trial)
        self.save()

    def save(self) -> None:
        """Writes the state in one step."""
        name = self._get_oracle_fname()
        super(kt.Oracle, self).save(f"{name}.new")
        os.replace(f"{name}.new", name)

    def _save_trial(self, trial: Trial) -> None:
        name = os.path.join(self._get_trial_dir(trial.trial_id), "trial.json")
        trial.save(f"{name}.new")
        os.replace(f"{name}.new", name)

    def reload(self) -> None:
        """Restores the state of an earlier process; trials that it left running are run again, none that ended."""
        super().reload()
        # Killed between KerasTuner's two files, a process leaves a trial that only one of them knows.
        self._retry_queue = []
        for name, trial in sorted(self.trials.items(), reverse=True):  # taken from the end
            if name not in self.start_order:
                self.start_order.append(name)
                self._record_values(trial)
            if trial.status not in ENDED:
                self._retry_queue.append(name)
            elif name not in self.end_order:
                self.end_order.append(name)
