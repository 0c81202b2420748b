"""Measurements, search spaces and sweeps on KerasTuner."""

from keras_rnncap.tuners.capacity import CapacityResult, measure_capacity

__all__ = ["CapacityResult", "measure_capacity"]
