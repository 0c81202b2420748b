"""Masks of dropout: their size, that they are independent, and that one model and many get the same."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops

from keras_rnncap.dropout import StepDropout, masks
from keras_rnncap.errors import InputError
from keras_rnncap.models import sequence_model

SHAPE = (7, 30, 20)


def drawn(rates, seeds, steps, place=0):
    rates, seeds = np.array(rates, "float32"), np.array(seeds, "uint32")
    return ops.convert_to_numpy(masks(rates, seeds, np.array(steps, "int32"), place, SHAPE))


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_expectation_and_variance_are_those_of_dropout(rate):
    found = drawn([rate] * 40, range(40), [3] * 40)
    count = found.size
    assert set(np.unique(found)) == {0.0, np.float32(1) / (np.float32(1) - np.float32(rate))}
    deviation = np.sqrt(rate / (1 - rate) / count)
    assert abs(found.mean() - 1) < 4 * deviation
    assert found.var() == pytest.approx(rate / (1 - rate), rel=0.03)
    for axis in range(4):  # no row or column is dropped more often than others
        means = found.mean(axis=tuple(other for other in range(4) if other != axis))
        assert np.abs(means - 1).max() < 5 * deviation * np.sqrt(found.shape[axis])


def test_masks_of_other_seeds_steps_places_and_elements_are_independent():
    cases = itertools.product((0, 1, 2**32 - 1), (0, 1, 2, 1000), (0, 1, 2))
    flat = np.array([drawn([0.5], [seed], [step], place).ravel() for seed, step, place in cases])
    size = flat.shape[1]
    pairs = np.corrcoef(flat)[np.triu_indices(len(flat), 1)]
    assert np.abs(pairs).max() < 5 / np.sqrt(size)
    one = flat[0] - 1
    for lag in (1, 2, 20, 600):  # neighbours in the batch, features and time
        assert abs((one[lag:] * one[:-lag]).mean()) < 5 / np.sqrt(size)


def test_a_models_masks_do_not_depend_on_the_models_beside_it():
    together = drawn([0.5, 0.0, 0.2], [5, 6, 7], [9, 0, 4])
    for index, rate in enumerate((0.5, 0.0, 0.2)):
        np.testing.assert_array_equal(together[:, index], drawn([rate], [5 + index], [(9, 0, 4)[index]])[:, 0])
    assert (together[:, 1] == 1).all()


def test_the_layer_counts_its_steps_and_drops_what_the_masks_say():
    layer = StepDropout(0.5, seed=11, place=2)
    time, features, batch = SHAPE
    x = np.random.default_rng(0).normal(size=(batch, time, features)).astype("float32")
    np.testing.assert_array_equal(layer(x), x)
    for step in range(3):
        expected = x * drawn([0.5], [11], [step], 2)[:, 0].transpose(2, 0, 1)
        np.testing.assert_array_equal(ops.convert_to_numpy(layer(x, training=True)), expected)
    last = StepDropout(0.5, seed=11, place=2)
    at_end = ops.convert_to_numpy(last(x[:, 0], training=True))
    np.testing.assert_array_equal(at_end, x[:, 0] * drawn([0.5], [11], [0], 2)[0, 0].T)


def test_a_model_with_dropout_is_saved_with_the_steps_that_it_made(tmp_path):
    model = sequence_model("lstm", 4, 2, input_dim=3, output_dim=1, dropout=0.5, seed=3)
    x = np.random.default_rng(0).normal(size=(8, 5, 3)).astype("float32")
    plain = sequence_model("lstm", 4, 2, input_dim=3, output_dim=1, seed=3)
    np.testing.assert_array_equal(ops.convert_to_numpy(model(x)), ops.convert_to_numpy(plain(x)))
    model(x, training=True)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    outputs = [ops.convert_to_numpy(one(x, training=True)) for one in (model, loaded, model)]
    np.testing.assert_array_equal(outputs[0], outputs[1])
    assert np.abs(outputs[0] - outputs[2]).max() > 0
    assert [layer.name for layer in model.layers if isinstance(layer, StepDropout)] == [
        "dropout_0",
        "dropout_1",
        "dropout_2",
    ]


def test_a_rate_out_of_range_is_named():
    for rate in (-0.1, 1.0):
        with pytest.raises(InputError, match="rate must be a finite number in"):
            StepDropout(rate)
