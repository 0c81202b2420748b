"""How many populations to train at the same time."""

import os

import keras


def cores() -> int:
    """Returns the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def populations_at_once() -> int:
    """Returns one for each core, as XLA gains little from a second one; one where there is a GPU or TPU."""
    if keras.backend.backend() == "jax":
        import jax

        return 1 if jax.default_backend() in ("gpu", "tpu") else cores()
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return 1 if any(map(tf.config.list_physical_devices, ("GPU", "TPU"))) else cores()
    return cores()
