"""Versions that a result depends on."""

from __future__ import annotations

import importlib.metadata
import platform

import keras


def versions() -> dict[str, str]:
    """Returns the versions of Python, this package and those under it, and the Keras backend."""
    found = {"python": platform.python_version(), "backend": keras.config.backend()}
    for package in ("keras-rnncap", "keras", "tensorflow", "jax", "keras-tuner", "numpy"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
