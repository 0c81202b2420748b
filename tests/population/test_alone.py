"""A population of one, for cells that cannot share: Keras' own training, in parts as in one piece."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rnncap.datasets import ParenthesesCounting, PerceptronCapacity
from keras_rnncap.population import (
    AlonePopulation,
    Member,
    MemberBuilder,
    PatternTable,
    Population,
)
from keras_rnncap.population.shuffling import shuffled
from keras_rnncap.training import TrainingSettings, compile_model
from keras_rnncap.tuners.jobs import Job

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
    own = Member(TrainingSettings(1, learning_rate=0.05), {"kernel_regularizer": "l2"}, seed=3, patterns=40)
    found.append(AlonePopulation(BUILD, [own], TABLE))
    found[2].compile_population(TASK.loss())
    for alone in found:
        alone.fit_steps(1)
    losses = [alone.take_losses()[0] for alone in found]
    assert losses[1:] == pytest.approx(losses[:1] * 2, rel=1e-6)


@pytest.mark.parametrize("weighted", [False, True])
def test_its_loss_is_that_of_a_member_over_whole_shorter_and_several_stretches(weighted):
    build = MemberBuilder("gru", units=5, input_dim=6, output_dim=1, return_sequences=True)
    member = Member(TrainingSettings(25, learning_rate=0.05, l2=1e-3, loss_saturation=0.2), seed=3)
    loss = keras.losses.BinaryCrossentropy(from_logits=True, reduction="mean_with_sample_weight")

    def batch(step):
        rng = np.random.default_rng(step)
        x, y = rng.normal(size=(1, 8, 4, 6)).astype("float32"), rng.integers(0, 2, (1, 8, 4, 1)).astype("float32")
        return (x, y, (rng.random((1, 8, 4)) < 0.1 + 0.8 * (step % 2)).astype("float32")) if weighted else (x, y)

    def batches(members, starts, steps):
        parts = zip(*(batch(starts[0] + step) for step in range(steps)), strict=True)
        return tf.data.Dataset.from_tensor_slices(tuple(np.stack(part) for part in parts))

    found = []
    for kind in (AlonePopulation, Population):
        population, losses = kind(build, [member]), []
        population.compile_population(loss, steps_per_execution=1)
        for steps in ((10,), (3, 4), (10,), (10,)):
            for part in steps:
                population.fit_batches(batches, part)
            losses.append(population.take_losses()[0])
        found.append(losses)
    np.testing.assert_allclose(*found, rtol=1e-4)
    assert np.isfinite(found[0]).tolist() == [True, True, True, False]  # 25 steps: 10, 7, 8, and no more


def test_a_gradient_of_infinite_norm_ends_a_member_as_it_ends_the_model_alone():
    build = MemberBuilder("rnn", units=5, input_dim=6, output_dim=1)
    large = {"kernel_initializer": keras.initializers.Constant(1e25)}
    members = [Member(TrainingSettings(20, "adam", 0.01), readout_options=options) for options in ({}, large, {})]
    x, y = (np.random.default_rng(0).normal(size=shape).astype("float32") for shape in ((8, 4, 6), (8, 1)))
    together = Population(build, members)
    together.compile_population(keras.losses.MeanAbsoluteError(), steps_per_execution=1)
    before = keras.ops.convert_to_numpy(together.rows)[1]
    for _ in range(3):
        together.train_on_batch(x, y)
    alone = []
    for member in members:
        population = AlonePopulation(build, [member])
        population.compile_population(keras.losses.MeanAbsoluteError())
        population.fit_batches(lambda *_: tf.data.Dataset.from_tensors((x[None], y[None])).repeat(3), 3)
        alone.append(bool(population.alive[0]))
    assert alone == together.alive.tolist() == [True, False, True]
    assert together.steps_done.tolist() == [3, 0, 3]
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(together.rows)[1], before)


def test_patterns_come_in_the_order_of_each_epoch():
    alone, by_hand = population(), {}
    for shift in (0, 1):
        model = by_hand[shift] = BUILD(alone.members[0])
        compile_model(model, TASK.loss(), alone.members[0].settings)
        batches = np.arange(4)[:, None] + shift
        for own in np.asarray(shuffled(batches, 16, np.full_like(batches, 40))):
            model.train_on_batch(TASK.inputs[own], TASK.targets[own])
    alone.fit_steps(4)
    weights = [
        np.concatenate([np.ravel(weight) for weight in model.get_weights()])
        for model in (alone.member(0), *by_hand.values())
    ]
    np.testing.assert_allclose(weights[0], weights[1], atol=1e-6)
    assert np.abs(weights[0] - weights[2]).max() > 1e-4
    outputs = keras.ops.convert_to_numpy(alone.member(0)(TASK.inputs, training=False))
    np.testing.assert_allclose(alone.outputs_on_table()[0], outputs)


def test_batches_of_a_task_are_its_own_and_one_that_diverged_stops():
    task = ParenthesesCounting(length=4, streams=1)
    sizes = {"params": 300, "depth": 1, "steps": 20, "batch_size": 8, "seed": 0}
    job = Job(task, keras.layers.GRUCell, **sizes)
    values = job.hyperparameters.values | {"optimizer": "sgd", "learning_rate": 1e30, "clip_norm": 1e30}
    alone = job.population(values, [job.member(values, 1)], AlonePopulation)
    assert not np.isfinite(job.advance(alone, 20)).any()
    assert alone.alive.tolist() == [False]
    done = alone.steps_done
    job.advance(alone, 20)
    assert (alone.steps_done == done).all()
    assert job.measure(alone, [0], [values], [np.nan]) == [None]
