"""The presets that come with the package."""

import numpy as np
import pytest
from keras_rnncap.zoo.handles import bundled

from keras_rnncap import zoo

NAMES = [f"{folder.parent.name}@{folder.name}" for folder in bundled()]


def test_presets_of_every_task_are_bundled_and_small():
    tasks = {name.split("@")[0].rsplit("-", 2)[1] for name in NAMES}
    assert len(NAMES) >= 24
    assert tasks == {"perceptron", "memory", "parentheses", "memorization", "text8"}
    assert sum(file.stat().st_size for folder in bundled() for file in folder.rglob("*") if file.is_file()) < 40e6


@pytest.mark.parametrize("name", NAMES)
def test_a_bundled_preset_is_whole_and_predicts(name):
    zoo.verify(name)
    facts, model = zoo.describe(name), zoo.load(name)
    assert facts.handle == name
    assert sum(weight.value.numpy().size for weight in model.trainable_weights) == facts.parameters
    outputs = model.predict(np.zeros((2, 3, model.input_shape[-1]), "float32"), verbose=0)
    assert outputs.shape[0] == 2
    assert np.isfinite(outputs).all()
