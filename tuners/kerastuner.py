"""KerasTuner, driven so that rows are the only record: nothing is lost with its own files, which are thrown away."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

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
        """Returns the values of the next trial."""
        if len(self.trials) < len(self._starts):
            values = {**self.get_space().values, **self._starts[len(self.trials)]}
            return {"status": TrialStatus.RUNNING, "values": values}
        return super().populate_space(trial_id)


def search(
    run: Callable[[int, dict[str, Any]], Row], oracle: kt.Oracle, rows: Sequence[Row], values_of: Callable[[Row], Any]
) -> None:
    """Lets an oracle propose trials until its `max_trials` are reached.

    Args:
        run: Runs trial number `i` with these hyperparameter values, keeps its row, and returns it. A row has `status`
            and, where that is `COMPLETED`, a column with the name of the oracle's objective. An exception ends it all.
        oracle: A KerasTuner oracle without trials. Failed trials must not stop it.
        rows: The rows of trials that ended in an earlier process; the oracle is told of them first.
        values_of: Returns the hyperparameter values of such a row.
    """
    for number, row in enumerate(rows):
        _replay(oracle, number, row, values_of(row))
    name = oracle.objective.name
    with tempfile.TemporaryDirectory() as scratch:
        BaseTuner(oracle, directory=scratch, overwrite=True)  # gives the oracle a folder for its files
        oracle.verbose = 0
        while (trial := oracle.create_trial("tuner0")).status != TrialStatus.STOPPED:
            # KerasTuner's GP proposes NumPy numbers
            values = {
                key: value.item() if isinstance(value, np.generic) else value
                for key, value in trial.hyperparameters.values.items()
            }
            row = run(int(trial.trial_id), values)
            if row["status"] == COMPLETED:
                oracle.update_trial(trial.trial_id, {name: row[name]})
            trial.status = TrialStatus.COMPLETED if row["status"] == COMPLETED else TrialStatus.FAILED
            oracle.end_trial(trial)


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
