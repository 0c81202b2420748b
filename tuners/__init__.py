"""Measurements, search spaces and sweeps on KerasTuner."""

from keras_rnncap.tuners.capacity import CapacityResult, measure_capacity
from keras_rnncap.tuners.dashboards import to_optuna_study
from keras_rnncap.tuners.importance import compute_importance
from keras_rnncap.tuners.jobs import Job
from keras_rnncap.tuners.oracles.gp_bandit import GPBanditOracle
from keras_rnncap.tuners.population_tuner import EndedTrial, PopulationTuner, QuantileRule
from keras_rnncap.tuners.sweep import SweepResult, run_sweep

__all__ = [
    "CapacityResult",
    "EndedTrial",
    "GPBanditOracle",
    "Job",
    "PopulationTuner",
    "QuantileRule",
    "SweepResult",
    "compute_importance",
    "measure_capacity",
    "run_sweep",
    "to_optuna_study",
]
