"""How many populations to train at the same time."""

from __future__ import annotations

import os

import keras


def cores() -> int:
    """Returns the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def populations_at_once() -> int:
    """Returns how many populations to train at the same time: one for each core; one where there is a GPU or TPU.

    XLA gains nothing from a second core within products of a few dozen units.
    """
    return 1 if _has_accelerator() else cores()


def _has_accelerator() -> bool:
    if keras.backend.backend() == "jax":
        import jax

        return jax.default_backend() in ("gpu", "tpu")
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return any(tf.config.list_physical_devices(kind) for kind in ("GPU", "TPU"))
    return False
