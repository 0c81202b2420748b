"""KerasTuner's own oracles by name, and one that proposes always the same."""

from typing import Any

import keras_tuner as kt
from keras_tuner.engine.trial import TrialStatus


class RandomOracle(kt.oracles.RandomSearchOracle):
    """KerasTuner's random search."""

    name = "random"


class BayesianOracle(kt.oracles.BayesianOptimizationOracle):
    """KerasTuner's own Gaussian process, which needs scikit-learn."""

    name = "bayesian"


class RepeatOracle(kt.Oracle):
    """Proposes the default values of the space, again and again: trials differ in their seeds alone."""

    name = "repeat"

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Returns the default values."""
        del trial_id
        return {"status": TrialStatus.RUNNING, "values": dict(self.get_space().values)}
