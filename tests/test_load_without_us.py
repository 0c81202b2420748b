"""A SavedModel needs TensorFlow alone: another Python, which cannot import this package, loads it."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_rnncap import sequence_model
from keras_rnncap.cells import CELLS
from keras_rnncap.saving import save_model

DEPTHS = {"+rnn": 2, "gru": 2}
SHAPES = [(1, 1), (3, 7), (10, 50)]

STRANGER = """
import importlib.abc, json, pathlib, sys
import numpy as np

class NotHere(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("keras_rnncap", "datasets", "tuners", "zoo"):
            raise ImportError(f"{name} is not here")

sys.meta_path.insert(0, NotHere())
import tensorflow as tf

folder = pathlib.Path(sys.argv[1])
for name in json.loads(sys.argv[2]):
    inputs = np.load(folder / name / "inputs.npz")
    loaded = tf.saved_model.load(folder / name / "saved_model")
    np.savez(folder / name / "outputs.npz", **{key: loaded.serve(inputs[key]) for key in inputs})
assert not any(module.startswith("keras_rnncap") for module in sys.modules)
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """Saves a model of each cell, read out at each step, and has a stranger run them all."""
    sizes = {"input_dim": 4, "output_dim": 3}
    folder, models, rng = tmp_path_factory.mktemp("saved"), {}, np.random.default_rng(0)
    for name in CELLS:
        models[name] = sequence_model(name, 5, DEPTHS.get(name, 1), **sizes, return_sequences=True, seed=1)
        save_model(models[name], folder / name)
        inputs = {f"{b}x{t}": rng.normal(size=(b, t, 4)).astype("float32") for b, t in SHAPES}
        np.savez(folder / name / "inputs.npz", **inputs)
    command = [sys.executable, "-I", "-c", STRANGER, str(folder), json.dumps(list(CELLS))]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 0, done.stderr
    return folder, models


@pytest.mark.parametrize("name", CELLS)
def test_outputs_are_those_of_the_keras_model_for_any_batch_and_length(loaded, name):
    folder, models = loaded
    outputs = np.load(folder / name / "outputs.npz")
    for key, inputs in np.load(folder / name / "inputs.npz").items():
        expected = np.asarray(models[name](inputs))
        assert outputs[key].shape == (*inputs.shape[:2], 3)
        assert np.abs(expected).max() > 1e-2
        np.testing.assert_allclose(outputs[key], expected, atol=1e-5)


@pytest.mark.parametrize("name", CELLS)
def test_the_keras_file_gives_the_same_model(loaded, name):
    folder, models = loaded
    again = keras.saving.load_model(folder / name / "model.keras")
    inputs = np.load(folder / name / "inputs.npz")["3x7"]
    np.testing.assert_array_equal(np.asarray(again(inputs)), np.asarray(models[name](inputs)))


def test_saving_again_replaces_both_and_leaves_nothing_else(loaded):
    folder, models = loaded
    save_model(models["gru"], folder / "rnn")
    names = {item.name for item in (folder / "rnn").iterdir()}
    assert names == {"model.keras", "saved_model", "inputs.npz", "outputs.npz"}
    again = keras.saving.load_model(folder / "rnn" / "model.keras")
    assert again.get_layer("layer_1").cell.__class__ is CELLS["gru"]


def test_the_line_in_the_docstring_works(loaded):
    """As `save_model` says."""
    import tensorflow as tf

    folder, models = loaded
    inputs = np.zeros((2, 3, 4), "float32")
    model = tf.saved_model.load(folder / "lstm" / "saved_model")
    outputs = model.serve(inputs)
    np.testing.assert_allclose(outputs, models["lstm"](inputs), atol=1e-5)
