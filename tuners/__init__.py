"""Measurements, search spaces and sweeps on KerasTuner."""

from keras_rnncap.tuners.capacity import CapacityResult as CapacityResult, measure_capacity as measure_capacity
from keras_rnncap.tuners.dashboards import to_optuna_study as to_optuna_study
from keras_rnncap.tuners.importance import compute_importance as compute_importance
from keras_rnncap.tuners.jobs import Job as Job
from keras_rnncap.tuners.oracles.gp_bandit import GPBanditOracle as GPBanditOracle
from keras_rnncap.tuners.population_tuner import EndedTrial as EndedTrial, PopulationTuner as PopulationTuner
from keras_rnncap.tuners.population_tuner import QuantileRule as QuantileRule
from keras_rnncap.tuners.sweep import SweepResult as SweepResult, run_sweep as run_sweep
