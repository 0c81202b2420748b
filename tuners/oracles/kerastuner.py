"""KerasTuner's oracles, made from a name and told of trials that ended in an earlier process."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import keras_tuner as kt
from keras_tuner.engine.trial import Trial, TrialStatus

from keras_rnncap.errors import InputError
from keras_rnncap.initializers import derived_seed
from keras_rnncap.runs import COMPLETED
from keras_rnncap.tuners.oracles.gp_bandit import GPBanditOracle

Row: TypeAlias = dict[str, Any]


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


def check_oracle(name: str) -> str:
    """Returns the name of an oracle.

    Raises:
        InputError: If there is none of that name, or it needs a package that is missing.
    """
    if name not in ORACLES:
        raise InputError(f"oracle must be one of {', '.join(ORACLES)}; got {name!r}")
    if name == "bayesian":
        try:
            import sklearn  # noqa: F401
        except ImportError:
            raise InputError(
                "oracle='bayesian', KerasTuner's own, needs scikit-learn: pip install scikit-learn"
            ) from None
    return name


@dataclasses.dataclass(frozen=True)
class PastTrial:
    """A trial that was asked for in an earlier process.

    Attributes:
        number: Its number.
        values: Values of its hyperparameters.
        row: Its row, with `status` and, where that is `COMPLETED`, the objective; `None` if it has not ended.
    """

    number: int
    values: Mapping[str, Any]
    row: Row | None


def make_oracle(
    name: str,
    objective: kt.Objective,
    space: kt.HyperParameters,
    trials: int,
    seed: int,
    past: Sequence[PastTrial] = (),
    starts: Sequence[Mapping[str, Any]] = (),
    initial_trials: int | None = None,
    state: Mapping[str, Any] | None = None,
) -> ContinuedOracle:
    """Returns an oracle that knows of trials of earlier processes; those without a row are running.

    Args:
        name: `"gp"`, `GPBanditOracle`; or KerasTuner's own `"random"` and `"bayesian"`.
        objective: The objective.
        space: The search space.
        trials: Number of trials, earlier ones included.
        seed: Seed of the proposals.
        past: The trials of earlier processes, by number.
        starts: For each of the first trials, what differs from the default values of the space.
        initial_trials: Trials that end before a model of the objective is asked; `None` leaves that to the oracle.
        state: What `proposal_state` returned after the last of the past trials, if that is known: proposals go on as
            if there had been one process.
    """
    options: dict[str, Any] = {"objective": objective, "max_trials": trials, "hyperparameters": space}
    if name == "gp":
        options |= {"seed": seed, "initial_trials": initial_trials}
    else:
        # KerasTuner takes 0 for "no seed"; where its state is unknown, random proposals must not be repeated.
        options["seed"] = 1 + derived_seed(seed, 0 if state else len(past)) % 2**30
        if name == "bayesian":
            options["num_initial_points"] = initial_trials
    oracle = _continued(ORACLES[check_oracle(name)])(starts, **options)
    for trial in past:
        oracle.enter(trial)
    if state:
        try:
            oracle.set_state(oracle.get_state() | dict(state))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InputError(
                f"the oracle's state in asked.jsonl is damaged ({error!r}); restore it, or delete its folder"
            ) from error
    return oracle


class ContinuedOracle(kt.Oracle):
    """An oracle whose first trials take given values, which goes on where an earlier process ended.

    It keeps no files: `proposal_state` and the trials that it is told of are all that it needs.
    """

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

    def proposal_state(self) -> dict[str, Any]:
        """Returns what the next proposals depend on besides the trials, as JSON values."""
        known = kt.Oracle.get_state(self)
        return {key: value for key, value in self.get_state().items() if key == "seed_state" or key not in known}

    def enter(self, past: PastTrial) -> None:
        """Enters a trial as `create_trial` would have and, if it has a row, `end_trial`."""
        hyperparameters = self.get_space()
        hyperparameters.values = dict(past.values)
        trial = Trial(hyperparameters, trial_id=str(past.number), status=TrialStatus.RUNNING)
        self._record_values(trial)
        self.trials[trial.trial_id] = trial
        self.start_order.append(trial.trial_id)
        if past.row is None:
            self.ongoing_trials[f"trial-{trial.trial_id}"] = trial
            return
        trial.status = TrialStatus.FAILED
        if past.row["status"] == COMPLETED:
            name = self.objective.name
            trial.metrics.register(name, self.objective.direction)
            trial.metrics.update(name, past.row[name])
            trial.status = TrialStatus.COMPLETED
            self.score_trial(trial)
        self.end_order.append(trial.trial_id)

    def save(self) -> None:
        """Writes nothing."""

    def _save_trial(self, trial: Trial) -> None:
        """Writes nothing."""


def _continued(oracle: type[kt.Oracle]) -> type[ContinuedOracle]:
    return type("Continued", (ContinuedOracle, oracle), {})
