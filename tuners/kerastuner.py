"""KerasTuner, driven so that rows are the only record: nothing is lost with its own files, which are thrown away."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import keras_tuner as kt
import numpy as np
from keras_tuner.engine.base_tuner import BaseTuner
from keras_tuner.engine.trial import Trial, TrialStatus

Row: TypeAlias = dict[str, Any]

COMPLETED, INFEASIBLE = "completed", "infeasible"
"""The `status` of a row: the trial ended with a score, or its training diverged."""


class StartingPointsOracle(kt.oracles.BayesianOptimizationOracle):
    """KerasTuner's Bayesian optimization, whose first trials take given values.

    Args:
        starts: For each of the first trials, what differs from the default values of the space.
        **options: As for `keras_tuner.oracles.BayesianOptimizationOracle`.
    """

    def __init__(self, starts: Sequence[Mapping[str, Any]], **options: Any) -> None:
        super().__init__(**options)
        self._starts = list(starts)

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Returns the values of the next trial: the first starting point that no trial has, or a proposal."""
        for start in self._starts:
            values = {**self.get_space().values, **start}
            if all(trial.hyperparameters.values != values for trial in self.trials.values()):
                return {"status": TrialStatus.RUNNING, "values": values}
        return super().populate_space(trial_id)


class Proposal(NamedTuple):
    """A trial to run.

    Attributes:
        number: Counts the proposals of an oracle, those of earlier processes included.
        values: Values of the hyperparameters.
        trial: KerasTuner's own trial.
    """

    number: int
    values: dict[str, Any]
    trial: Trial


class Proposals:
    """What an oracle proposes, with any number of trials running at the same time. A context manager.

    Args:
        oracle: A KerasTuner oracle without trials. Failed trials must not stop it.
        rows: The rows of trials that ended in an earlier process; the oracle is told of them first. A row has `status`
            and, where that is `COMPLETED`, a column with the name of the oracle's objective.
        values_of: Returns the hyperparameter values of such a row.
    """

    def __init__(self, oracle: kt.Oracle, rows: Sequence[Row], values_of: Callable[[Row], Mapping[str, Any]]) -> None:
        self.oracle = oracle
        for number, row in enumerate(rows):
            _replay(oracle, number, row, values_of(row))
        self._scratch = tempfile.TemporaryDirectory()

    def __enter__(self) -> Proposals:
        """Gives the oracle a folder for its files, which nobody reads."""
        BaseTuner(self.oracle, directory=self._scratch.name, overwrite=True)
        self.oracle.verbose = 0
        return self

    def __exit__(self, *error: object) -> None:
        """Throws the files away."""
        self._scratch.cleanup()

    def ask(self) -> Proposal | None:
        """Returns the next trial to run, or `None` if there are `max_trials`."""
        number = len(self.oracle.trials)
        trial = self.oracle.create_trial(f"asker {number}")  # for an asker with a running trial, it would be that again
        if trial.status == TrialStatus.STOPPED:
            return None
        values = {
            key: value.item() if isinstance(value, np.generic) else value  # KerasTuner's GP proposes NumPy numbers
            for key, value in trial.hyperparameters.values.items()
        }
        return Proposal(number, values, trial)

    def tell(self, proposal: Proposal, row: Row) -> None:
        """Tells the oracle how a trial ended."""
        trial, name = proposal.trial, self.oracle.objective.name
        if row["status"] == COMPLETED:
            self.oracle.update_trial(trial.trial_id, {name: row[name]})
        trial.status = TrialStatus.COMPLETED if row["status"] == COMPLETED else TrialStatus.FAILED
        self.oracle.end_trial(trial)


def _replay(oracle: kt.Oracle, number: int, row: Row, values: Mapping[str, Any]) -> None:
    """Enters a finished trial into an oracle, as `create_trial` and `end_trial` would have."""
    hyperparameters = oracle.get_space()
    hyperparameters.values = dict(values)
    trial = Trial(hyperparameters, trial_id=str(number), status=TrialStatus.FAILED)
    if row["status"] == COMPLETED:
        name = oracle.objective.name
        trial.metrics.register(name, oracle.objective.direction)
        trial.metrics.update(name, row[name])
        trial.status = TrialStatus.COMPLETED
        oracle.score_trial(trial)
    oracle.trials[trial.trial_id] = trial
    oracle.start_order.append(trial.trial_id)
    oracle.end_order.append(trial.trial_id)
