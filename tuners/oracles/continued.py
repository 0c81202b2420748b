"""Oracles made from a name, which go on where an earlier process ended."""

import dataclasses
import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any

import keras_tuner as kt
from keras_tuner.engine.trial import Trial, TrialStatus

from keras_rnncap.errors import InputError
from keras_rnncap.initializers import derived_seed
from keras_rnncap.runs import STOPPED
from keras_rnncap.tuners.oracles import ORACLES

INITIAL_OPTIONS = {"gp": "initial_trials", "bayesian": "num_initial_points"}
"""What oracles call the number of trials before they ask a model of the objective."""
START = "start"
"""What proposed a trial that took given values."""


def check_oracle(name: str) -> str:
    """Returns the name of an oracle; raises `InputError` if there is none, or it needs a package that is missing."""
    if name not in ORACLES:
        raise InputError(f"oracle must be one of {', '.join(ORACLES)}; got {name!r}")
    if name == "bayesian" and importlib.util.find_spec("sklearn") is None:
        raise InputError("oracle='bayesian', KerasTuner's own, needs scikit-learn: pip install scikit-learn")
    return name


@dataclasses.dataclass(frozen=True)
class PastTrial:
    """A trial that was asked for in an earlier process."""

    number: int
    values: Mapping[str, Any]
    row: Mapping[str, Any] | None  # with `status`, and the objective or `told` if it has one; `None` if it runs


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
) -> "ContinuedOracle":
    """Returns an oracle of `ORACLES` that knows of the past trials, which count among its trials.

    The first trials have the default values of the space but for `starts`; `initial_trials` come before a model of the
    objective is asked; `state` is what `proposal_state` returned after the last of the past trials, if it is known.
    """
    oracle_class = ORACLES[check_oracle(name)]
    if name != "gp":
        # KerasTuner takes 0 for "no seed"; where its state is unknown, random proposals must not be repeated.
        seed = 1 + derived_seed(seed, 0 if state else len(past)) % 2**30
    options: dict[str, Any] = {"objective": objective, "max_trials": trials, "hyperparameters": space, "seed": seed}
    if name in INITIAL_OPTIONS:
        options[INITIAL_OPTIONS[name]] = initial_trials
    oracle: ContinuedOracle = type("Continued", (ContinuedOracle, oracle_class), {})(starts, **options)
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
    """An oracle without files whose first trials take given values; it goes on from trials and a `proposal_state`."""

    def __init__(self, starts: Sequence[Mapping[str, Any]], **options: Any) -> None:
        super().__init__(**options)
        self._starts = starts
        self._was_start = False

    @property
    def last_proposed_by(self) -> str:
        """What proposed the last trial: `"start"` where it has given values, else what the oracle says."""
        proposed_by: str = getattr(self, "proposed_by", "oracle")
        return START if self._was_start else proposed_by

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Returns the first starting point that no trial has, or a proposal."""
        for start in self._starts:
            values = {**self.get_space().values, **start}
            self._was_start = all(trial.hyperparameters.values != values for trial in self.trials.values())
            if self._was_start:
                return {"status": TrialStatus.RUNNING, "values": values}
        self._was_start = False
        return super().populate_space(trial_id)

    def proposal_state(self) -> dict[str, Any]:
        """Returns what the next proposals depend on besides the trials, as JSON values."""
        of_all_oracles = kt.Oracle.get_state(self).keys() - {"seed_state"}
        return {key: value for key, value in self.get_state().items() if key not in of_all_oracles}

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
        name = self.objective.name
        if (score := past.row.get("told" if past.row["status"] == STOPPED else name)) is not None:
            trial.metrics.register(name, self.objective.direction)
            trial.metrics.update(name, score)
            trial.status = TrialStatus.COMPLETED
            self.score_trial(trial)
        self.end_order.append(trial.trial_id)

    def save(self) -> None:
        """Writes nothing."""

    def _save_trial(self, trial: Trial) -> None:
        """Writes nothing."""
