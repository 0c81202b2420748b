"""Training as in Mehta's study: as Keras does it, model by model."""

import keras
import numpy as np
import pytest

from keras_rnncap.population import MemberBuilder, Population
from keras_rnncap.studies.word_models import BATCH, outcome, paper_task, train_word_models, word_members

CELLS = ("two-bias-rnn", "reset-after-gru")


@pytest.fixture(scope="module")
def task():
    return paper_task("first", 3, seed=1)


def keras_twin(cell, task, seed, epochs):
    """A model trained by Keras' own optimizer, with the paper's schedule written out; its accuracies."""
    (member,) = word_members(4, [seed], epochs)
    model = MemberBuilder(cell, 4, 1, task.input_dim, 2)(member)
    optimizer = keras.optimizers.Adam(1e-3)
    model.compile(optimizer, task.loss())
    words, labels = task.words("train"), task.labels(task.words("train")) > 0
    found = [_accuracy(model, task)]
    for epoch in range(epochs):
        order = np.random.default_rng([task.seed, 2, epoch]).permutation(len(words))
        model.fit(task.vectors[words[order]], labels[order].astype("int32"), BATCH, shuffle=False, verbose=0)
        found.append(_accuracy(model, task))
        if found[-1] < found[-2] and epoch:
            optimizer.learning_rate = float(optimizer.learning_rate) / 2
    return model, found


def _accuracy(model, task):
    words = task.words("validation")
    outputs = keras.ops.convert_to_numpy(model(task.vectors[words], training=False))
    return float(np.mean((outputs[:, 1] > outputs[:, 0]) == (task.labels(words) > 0)))


@pytest.mark.parametrize("cell", CELLS)
def test_a_population_trains_as_keras_does(cell, task):
    trained = train_word_models(cell, 4, task, [5, 6], epochs=3, keep=True)
    assert trained.accuracy.shape == trained.loss.shape == (4, 2)
    assert trained.weights.shape[:2] == (4, 2)
    for index, seed in enumerate((5, 6)):
        model, accuracies = keras_twin(cell, task, seed, 3)
        np.testing.assert_allclose(trained.accuracy[:, index], accuracies, atol=5e-3)
        weights = [keras.ops.convert_to_numpy(weight) for weight in trained.population.member(index).trainable_weights]
        for ours, theirs in zip(weights, model.trainable_weights, strict=True):
            np.testing.assert_allclose(ours, keras.ops.convert_to_numpy(theirs), atol=5e-3)
    assert np.abs(np.diff(trained.weights, axis=0)).max(axis=(1, 2)).min() > 1e-3


@pytest.mark.parametrize("cell", CELLS)
def test_weights_start_within_the_paper_s_limits_and_states_at_zero(cell, task):
    population = Population(MemberBuilder(cell, 4, 1, task.input_dim, 2), word_members(4, range(30)))
    rows = np.array(population.rows)
    assert np.abs(rows).max() <= 0.5
    assert rows.std() == pytest.approx(0.5 / np.sqrt(3), rel=0.05)
    assert len(np.unique(rows.round(6))) > 0.99 * rows.size
    assert not any(slot.name == "initial_state" for slot in population.slots)
    found = outcome(population, task)
    model = population.member(3)
    assert found.accuracy[3] == pytest.approx(_accuracy(model, task), abs=1e-3)
    words = task.words("validation")
    loss = task.loss()(task.labels(words) > 0, model(task.vectors[words]))
    assert found.loss[3] == pytest.approx(float(loss), rel=1e-4)


def test_models_stop_after_four_epochs_without_gain_and_can_start_elsewhere(task):
    first = train_word_models("two-bias-rnn", 2, task, range(4), epochs=12)
    for accuracies, epochs in zip(first.accuracy.T, first.epochs, strict=True):
        known = accuracies[1 : epochs + 1]
        gains = np.flatnonzero(known > np.maximum.accumulate(np.concatenate([[-1], known]))[:-1])
        assert epochs == min(gains[-1] + 5, 12)
    rows = np.array(first.population.rows)
    again = train_word_models("two-bias-rnn", 2, task, range(4), epochs=2, starts=rows, stops=False)
    np.testing.assert_allclose(again.accuracy[0], outcome(first.population, task).accuracy)
    assert again.epochs.tolist() == [2] * 4
