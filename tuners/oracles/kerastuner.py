"""KerasTuner's own oracles by name, and one that proposes always the same."""

from typing import Any

import keras_tuner as kt
from keras_tuner.engine.trial import TrialStatus

from keras_rnncap.tuners.oracles.gp_bandit import INITIAL, PROCESS


class RandomOracle(kt.oracles.RandomSearchOracle):
    """KerasTuner's random search."""

    name = proposed_by = "random"


class BayesianOracle(kt.oracles.BayesianOptimizationOracle):
    """KerasTuner's own Gaussian process, which needs scikit-learn."""

    name = "bayesian"

    @property
    def proposed_by(self) -> str:
        """What proposed the last trial: chance, before the process is asked, or the process."""
        completed = sum(trial.status == TrialStatus.COMPLETED for trial in self.trials.values())
        return INITIAL if completed < (self.num_initial_points or 3 * len(self.hyperparameters.space)) else PROCESS


class RepeatOracle(kt.Oracle):
    """Proposes the default values of the space, again and again: trials differ in their seeds alone."""

    name = proposed_by = "repeat"

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Returns the default values."""
        del trial_id
        return {"status": TrialStatus.RUNNING, "values": dict(self.get_space().values)}
