"""Writes a model for this package, or for TensorFlow alone."""

import contextlib
import io
import logging
import zipfile
from collections.abc import Iterator
from pathlib import Path

import keras

from keras_rnncap.runs import replacing


def save_model(model: keras.Model, directory: Path) -> None:
    """Writes `model.keras` and `saved_model/` into a folder, each whole or not at all, in place of those before.

    `model.keras` is loaded with `keras.saving.load_model` after `import keras_rnncap`. The SavedModel needs TensorFlow
    alone: `model = tf.saved_model.load(folder)`, then `model.serve(inputs)`, for any batch and, if the model has
    none of its own, any length.
    """
    directory.mkdir(exist_ok=True)
    with replacing(directory / "model.keras") as new:
        model.save(new)
    with replacing(directory / "saved_model") as new:
        export_saved_model(model, new)


def write_weights(model: keras.Model, path: Path) -> None:
    """Writes what `model.save_weights` does, the optimizer's state included, in one step."""
    with replacing(path) as new:
        # HDF5 ends the process where a disk is full; Keras writes archives from memory.
        archive = new.with_name("weights.keras")
        model.save(archive)
        with zipfile.ZipFile(archive) as content:
            new.write_bytes(content.read("model.weights.h5"))


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
