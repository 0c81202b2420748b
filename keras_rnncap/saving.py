"""Writes a model so that it can be loaded with this package, or with TensorFlow alone."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator
from pathlib import Path

import keras

from keras_rnncap.runs import replacing


def save_model(model: keras.Model, directory: Path) -> None:
    """Writes `model.keras` and `saved_model/` into a folder; each takes its place whole or not at all.

    `model.keras` is loaded with `keras.saving.load_model` after `import keras_rnncap`. The SavedModel needs TensorFlow
    alone: `model = tf.saved_model.load(folder)`, then `model.serve(inputs)`, for any batch and, if the model has
    none of its own, any length.

    Args:
        model: A built model.
        directory: The folder; it is created if need be, and what is there of these names is replaced.
    """
    directory.mkdir(exist_ok=True)
    with replacing(directory / "model.keras") as new:
        model.save(new)
    with replacing(directory / "saved_model") as new:
        export_saved_model(model, new)


def export_saved_model(model: keras.Model, directory: Path) -> None:
    """Writes a SavedModel with the endpoint `serve`, without TensorFlow's remarks."""
    with quiet():
        model.export(directory, format="tf_saved_model", verbose=False)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps TensorFlow's remarks away."""
    logger = logging.getLogger("tensorflow")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)
