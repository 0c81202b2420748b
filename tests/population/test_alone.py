"""A population of one, for cells that cannot share: Keras' own training, in parts as in one piece."""

import keras
import numpy as np
import pytest

import keras_rnncap.population.alone as alone_module
from keras_rnncap.datasets import ParenthesesCounting, PerceptronCapacity
from keras_rnncap.population import AlonePopulation, Member, MemberBuilder, PatternTable
from keras_rnncap.training import TrainingSettings
from keras_rnncap.tuners.jobs import TaskJob

TASK = PerceptronCapacity(40, 6, 3, seed=1)
TABLE = PatternTable(TASK.inputs[:, 0], TASK.targets, 3, batch_size=16)
BUILD = MemberBuilder(keras.layers.GRUCell, units=5, input_dim=6, output_dim=1)


def population(**options):
    settings = TrainingSettings(**{"steps": 30, "learning_rate": 0.05} | options)
    alone = AlonePopulation(BUILD, [Member(settings, seed=3, patterns=40)], TABLE)
    alone.compile_population(TASK.loss())
    return alone


def test_it_stops_after_its_steps_and_goes_on_from_where_it_was_kept():
    whole = population()
    whole.fit_steps(20)
    (kept,) = whole.states()
    whole.fit_steps(20)
    assert whole.steps_done.tolist() == [30]
    later = population()
    later.restore(0, kept)
    assert later.steps_done.tolist() == [20]
    later.fit_steps(20)
    np.testing.assert_array_equal(later.take_losses(), whole.take_losses())
    for name, value in whole.states()[0].items():
        np.testing.assert_array_equal(later.states()[0][name], value)


def test_its_loss_is_that_of_the_data_without_the_penalty_of_weights():
    found = [population(steps=1, l2=l2) for l2 in (0.0, 1e-2)]
    for alone in found:
        alone.fit_steps(1)
    assert found[0].take_losses() == pytest.approx(found[1].take_losses(), rel=1e-6)


def test_patterns_come_in_order_and_again_from_the_first(monkeypatch):
    alone, seen = population(), []

    def fit(model, data, loss):
        seen.extend(np.asarray(inputs) for inputs, _ in data)
        return 0.5

    monkeypatch.setattr(alone_module, "fit", fit)
    alone.fit_steps(4)
    np.testing.assert_array_equal(np.concatenate(seen), np.tile(TASK.inputs, (2, 1, 1))[:64])
    assert alone.take_losses().tolist() == [0.5]
    outputs = keras.ops.convert_to_numpy(alone.member(0)(TASK.inputs, training=False))
    np.testing.assert_allclose(alone.outputs_on_table()[0], outputs)


def test_batches_of_a_task_are_its_own_and_one_that_diverged_stops():
    task = ParenthesesCounting(length=4, streams=1)
    sizes = {"params": 300, "depth": 1, "steps": 20, "batch_size": 8, "seed": 0}
    job = TaskJob(task, keras.layers.GRUCell, **sizes)
    values = job.hyperparameters.values | {"optimizer": "sgd", "learning_rate": 1e30, "clip_norm": 1e30}
    alone = job.population(values, [job.member(values, 1)], AlonePopulation)
    assert not np.isfinite(job.advance(alone, 20)).any()
    assert alone.alive.tolist() == [False]
    done = alone.steps_done
    job.advance(alone, 20)
    assert (alone.steps_done == done).all()
    assert job.measure(alone, [0], [values], [np.nan]) == [None]
