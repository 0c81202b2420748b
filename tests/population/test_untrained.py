"""Accuracies of settings without training: those of the models themselves, one by one."""

import itertools

import keras
import numpy as np
import pytest

from keras_rnncap.cells import CELLS
from keras_rnncap.datasets import SentimentSequences
from keras_rnncap.errors import InputError
from keras_rnncap.models import sequence_model
from keras_rnncap.population import CannotShareError
from keras_rnncap.population.untrained import SETTINGS, UntrainedModels, prefix_levels, uniform_settings


def accuracies_slowly(model, vectors, words, labels, settings):
    found = []
    shapes = [weight.shape for weight in model.trainable_weights]
    for setting in settings:
        parts = np.split(setting, np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1])
        model.set_weights([part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)])
        outputs = keras.ops.convert_to_numpy(model(vectors[words], training=False))
        difference = outputs[:, 1] - outputs[:, 0]
        found.append(np.mean(np.where(difference == 0, 0.5, (difference > 0) == (labels > 0))))
    return found


@pytest.mark.parametrize("learned", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_accuracies_are_those_of_each_model_alone(cell, learned):
    task = SentimentSequences("first", length=6, word_dim=2, classes=2)
    words, labels = task.words("validation")[:200], task.labels(task.words("validation")[:200]) > 0
    options = {"learned_initial_state": learned, "seed": 0}
    if cell == "+rnn":
        options["input_projection"] = True
    model = sequence_model(cell, 3, input_dim=2, output_dim=2, cell_options=options)
    settings = uniform_settings(0, 0, 32 * SETTINGS, model, 2.0)
    untrained = UntrainedModels(model, task.vectors, words, labels)
    found = untrained.accuracies(settings)
    expected = accuracies_slowly(model, task.vectors, words, labels, settings[:5])
    # A difference of logits near zero may have another sign: one sequence of 200.
    np.testing.assert_allclose(found[:5], expected, atol=0.0051)
    assert len(set(found.round(3))) > 10


def test_prefixes_of_sequences_are_shared():
    words = np.array(list(itertools.product(range(3), repeat=4)))
    rng = np.random.default_rng(0)
    sequences = words[rng.integers(0, 81, 300)]
    for count, sizes in ((300, [3, 9, 27, 300]), (50, [3, 9, 50, 50]), (1, [1, 1, 1, 1])):
        levels = prefix_levels(sequences[:count])
        assert [len(level.words) for level in levels] == sizes
        for place, sequence in enumerate(sequences[:count]):
            read = []
            for level in reversed(levels):
                read.append(level.words[place])
                place = place if level.parents is None else level.parents[place]
            assert (read[::-1], place) == (sequence.tolist(), 0)


def test_undecided_answers_are_half_right_and_repeated_sequences_count():
    model = sequence_model("rnn", 2, input_dim=3, output_dim=2)
    words, labels = np.array([[0, 1], [0, 1], [2, 1], [2, 2]]), np.array([0, 0, 1, 1])
    untrained = UntrainedModels(model, np.eye(3), words, labels)
    settings = np.zeros((SETTINGS, model.count_params()))
    settings[1, -2:] = 1.0, 0.0  # the readout's biases: always 0
    settings[2, -2:] = 0.0, 1.0
    untrained_accuracies = untrained.accuracies(settings)
    assert untrained_accuracies[:3].tolist() == [0.5, 0.5, 0.5]
    labels[1] = 1
    untrained = UntrainedModels(model, np.eye(3), words, labels)
    assert untrained.accuracies(settings)[:3].tolist() == [0.5, 0.25, 0.75]


def test_what_cannot_be_computed_is_refused():
    task = (np.eye(3), np.array([[0, 1]]), np.array([1]))
    one = sequence_model("rnn", 2, input_dim=3, output_dim=1)
    every = sequence_model("rnn", 2, input_dim=3, output_dim=2, return_sequences=True)
    for model in (one, every):
        with pytest.raises(CannotShareError, match="two logits after the last word"):
            UntrainedModels(model, *task)
    model = sequence_model("rnn", 2, input_dim=3, output_dim=2)
    with pytest.raises(InputError, match=r"settings must be \(a multiple of 4, 20\); got \(64, 3\)"):
        UntrainedModels(model, *task).accuracies(np.zeros((64, 3)))
