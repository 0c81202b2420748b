"""KerasTuner's oracles, made from a name and told of trials that ended in an earlier process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias, get_args

import keras_tuner as kt
from keras_rnncap.tuners.oracle import GPBanditOracle
from keras_tuner.engine.trial import Trial, TrialStatus

from keras_rnncap.errors import InputError
from keras_rnncap.initializers import derived_seed

Row: TypeAlias = dict[str, Any]
OracleName: TypeAlias = Literal["gp", "random", "bayesian", "repeat"]


class RepeatOracle(kt.Oracle):
    """Proposes the default values of the space, again and again: trials differ in their seeds alone."""

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Returns the default values."""
        del trial_id
        return {"status": TrialStatus.RUNNING, "values": dict(self.get_space().values)}


ORACLES: dict[str, type[kt.Oracle]] = {
    "gp": GPBanditOracle,
    "random": kt.oracles.RandomSearchOracle,
    "bayesian": kt.oracles.BayesianOptimizationOracle,
    "repeat": RepeatOracle,
}

COMPLETED, INFEASIBLE = "completed", "infeasible"
"""The `status` of a row: the trial ended with a score, or its training diverged."""


def check_oracle(name: str) -> str:
    """Returns the name of an oracle.

    Raises:
        InputError: If there is none of that name, or it needs a package that is missing.
    """
    if name not in get_args(OracleName):
        raise InputError(f"oracle must be one of {', '.join(get_args(OracleName))}; got {name!r}")
    if name == "bayesian":
        try:
            import sklearn  # noqa: F401
        except ImportError:
            raise InputError(
                "oracle='bayesian', KerasTuner's own, needs scikit-learn: pip install scikit-learn"
            ) from None
    return name


def make_oracle(
    name: str,
    objective: kt.Objective,
    space: kt.HyperParameters,
    trials: int,
    seed: int,
    rows: Sequence[tuple[Row, Mapping[str, Any]]] = (),
    starts: Sequence[Mapping[str, Any]] = (),
    initial_trials: int | None = None,
) -> kt.Oracle:
    """Returns an oracle that has been told of trials which ended earlier.

    Args:
        name: `"gp"`, `GPBanditOracle`; or KerasTuner's own `"random"` and `"bayesian"`.
        objective: The objective.
        space: The search space.
        trials: Number of trials, earlier ones included.
        seed: Seed of the proposals.
        rows: The rows of earlier trials, with `status` and, where that is `COMPLETED`, the objective; and the values of
            each.
        starts: For each of the first trials, what differs from the default values of the space.
        initial_trials: Trials that end before a model of the objective is asked; `None` leaves that to the oracle.
    """
    options: dict[str, Any] = {"objective": objective, "max_trials": trials, "hyperparameters": space}
    options["max_consecutive_failed_trials"] = 10**9  # infeasible trials are results, not failures
    if name == "gp":
        options |= {"seed": seed, "initial_trials": initial_trials}
    else:
        # KerasTuner takes 0 for "no seed"; a search that goes on must not repeat its random proposals.
        options["seed"] = 1 + derived_seed(seed, len(rows)) % 2**30
        if name == "bayesian":
            options["num_initial_points"] = initial_trials
    oracle = _with_starts(ORACLES[check_oracle(name)])(starts, **options)
    for number, (row, values) in enumerate(rows):
        _replay(oracle, number, row, values)
    return oracle


def _with_starts(oracle: type[kt.Oracle]) -> type[kt.Oracle]:
    class WithStarts(oracle):
        """An oracle whose first trials take given values."""

        def __init__(self, starts: Sequence[Mapping[str, Any]], **options: Any) -> None:
            super().__init__(**options)
            self._starts = list(starts)

        def populate_space(self, trial_id: str) -> dict[str, Any]:
            """Returns the first starting point that no trial has, or a proposal."""
            for start in self._starts:
                values = {**self.get_space().values, **start}
                if all(trial.hyperparameters.values != values for trial in self.trials.values()):
                    return {"status": TrialStatus.RUNNING, "values": values}
            return super().populate_space(trial_id)

    return WithStarts


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
    oracle._record_values(trial)
    oracle.trials[trial.trial_id] = trial
    oracle.start_order.append(trial.trial_id)
    oracle.end_order.append(trial.trial_id)
