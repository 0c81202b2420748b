"""Versions that a result depends on."""

import contextlib
import importlib.metadata
import platform

import keras


def versions() -> dict[str, str]:
    """Returns the versions of Python, this package and those under it, and the Keras backend."""
    known = {"python": platform.python_version(), "backend": keras.config.backend()}
    for package in ("keras-rnncap", "keras", "tensorflow", "jax", "keras-tuner", "numpy"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            known[package] = importlib.metadata.version(package)
    return known
