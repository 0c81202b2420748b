"""Measurements, search spaces and sweeps on KerasTuner."""

from keras_rnncap.tuners.capacity import CapacityResult, measure_capacity
from keras_rnncap.tuners.oracle import GPBanditOracle

__all__ = ["CapacityResult", "GPBanditOracle", "measure_capacity"]
