"""The presets that come with the package.

`golden.json` holds what each answered when it was bundled. `python tests/zoo/test_bundled.py` adds those of presets
that are new; what is there stays, as presets do.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_rnncap import zoo
from keras_rnncap.datasets import get_task_class, make_task
from keras_rnncap.datasets.corpus import data_dir
from keras_rnncap.zoo.handles import bundled

NAMES = [f"{folder.parent.name}@{folder.name}" for folder in bundled()]
GOLDEN = Path(__file__).with_name("golden.json")
ON_JAX = """
import json, sys
sys.modules |= {"tensorflow": None, "tensorflow_datasets": None}  # as if they were not installed
from keras_rnncap import zoo
import test_bundled
print(json.dumps({name: test_bundled.answers(zoo.load(name)) for name in test_bundled.NAMES}))
"""


def answers(model):
    """What a model says to a few sequences, every weight of its readout used, as numbers for `golden.json`."""
    inputs = np.random.default_rng(0).uniform(-1, 1, (2, 7, model.input_shape[-1])).astype("float32")
    outputs = keras.ops.convert_to_numpy(model(inputs, training=False)).astype("float64")
    outputs = outputs[:, -1] if outputs.ndim == 3 else outputs
    return [[float(f"{number:.6g}") for number in row] for row in outputs]


def assert_as_before(name, found):
    expected = np.array(json.loads(GOLDEN.read_text())[name])
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max(), err_msg=name)


def samples(name):
    """A task's samples, or, where its data are not here, noise of the same shape."""
    facts, model = zoo.describe(name), zoo.load(name)
    spec = facts.task
    if get_task_class(spec.partition(":")[0]).needs_data and data_dir() is None:
        rng, classes = np.random.default_rng(0), model.output_shape[-1]
        return rng.normal(size=(32, 9, model.input_shape[-1])).astype("float32"), rng.integers(0, classes, (32, 9))
    return make_task(spec).sample(np.random.default_rng(0), 32)


def test_presets_of_every_task_are_bundled_and_small():
    tasks = {name.split("@")[0].rsplit("-", 2)[1] for name in NAMES}
    assert len(NAMES) >= 24
    assert tasks >= {"perceptron", "memory", "parentheses", "memorization", "text8"}
    assert sum(file.stat().st_size for folder in bundled() for file in folder.rglob("*") if file.is_file()) < 40e6
    assert set(json.loads(GOLDEN.read_text())) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_bundled_preset_is_whole_and_answers_as_it_did(name):
    zoo.verify(name)
    facts, model = zoo.describe(name), zoo.load(name)
    assert facts.handle == name
    assert sum(keras.ops.convert_to_numpy(weight).size for weight in model.trainable_weights) == facts.parameters
    assert_as_before(name, answers(model))


def test_every_preset_answers_the_same_on_jax_without_tensorflow():
    pytest.importorskip("jax")
    environment = os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    environment["PYTHONPATH"] = str(Path(__file__).parent)
    run = subprocess.run([sys.executable, "-c", ON_JAX], env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    for name, found in json.loads(run.stdout.splitlines()[-1]).items():
        assert_as_before(name, found)


QUICK = ("lstm-perceptron-1k@v1", "intersection-rnn-text8-100k@v1")


@pytest.mark.parametrize("name", [one if one in QUICK else pytest.param(one, marks=pytest.mark.slow) for one in NAMES])
def test_a_preset_is_tuned_further_exported_and_loaded_again(name, tmp_path):
    import tensorflow as tf

    x, y = samples(name)
    model = zoo.load(name)
    before = answers(model)
    assert np.isfinite(model.predict(x, verbose=0)).all()
    model.fit(x, y, epochs=1, batch_size=16, verbose=0)
    after = answers(model)
    assert np.isfinite(after).all()
    assert np.abs(np.subtract(after, before)).max() > 1e-6  # it learned something
    written = zoo.export(model, tmp_path, ["keras", "saved_model", "litert", "litert-int8"])
    expected = keras.ops.convert_to_numpy(model(x))
    size = np.abs(expected).max()
    again = keras.saving.load_model(written["keras"])
    np.testing.assert_allclose(again(x), expected, atol=1e-5 * size)
    loaded = tf.saved_model.load(str(written["saved_model"]))
    np.testing.assert_allclose(loaded.serve(x), expected, atol=1e-5 * size)
    mine = zoo.save(model, tmp_path / "mine", zoo.PresetFacts(name="mine-tuned-1k", task="mine"))
    np.testing.assert_allclose(zoo.load(mine)(x), expected, atol=1e-5 * size)


if __name__ == "__main__":
    there = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    there |= {name: answers(zoo.load(name)) for name in NAMES if name not in there}
    GOLDEN.write_text(json.dumps(there, indent=None).replace("]], ", "]],\n") + "\n")
