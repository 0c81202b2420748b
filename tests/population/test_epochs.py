"""Members of a population follow their schedules as models do that train alone."""

import dataclasses
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_rnncap.population.epochs as epochs_module
from keras_rnncap.datasets import ParenthesesCounting
from keras_rnncap.population import (
    AlonePopulation,
    Member,
    MemberBuilder,
    Population,
    due,
    fit_epochs,
    listen,
    steps_to_epoch_end,
    validation_scores,
)
from keras_rnncap.training import Schedule, TrainingSettings, compile_model, fit

BUILD = MemberBuilder("gru", units=4, input_dim=3, output_dim=1)
LOSS = keras.losses.MeanSquaredError()
SCORES = [0.1, 0.3, math.nan, 0.3, 0.2, 0.4, 0.4, 0.5, 0.6, 0.7]
MEMBERS = [  # the rates of their epochs, going by SCORES
    ("sgd", Schedule("plateau", 4, 0.5, patience=2), [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]),
    ("adam", Schedule("after_plateau", 4, 0.5, patience=2, lowerings=2), [1, 1, 1, 1, 0.5, 0.25]),
    ("adam", Schedule("worse", 5, 0.8), [1, 1, 1, 0.8, 0.8, 0.64, 0.64, 0.64]),
    ("sgd", Schedule("always", 4, 0.8, constant_epochs=3), [1, 1, 1, *(0.8**n for n in range(1, 8))]),
    ("rmsprop", Schedule("never", 4, stop_patience=3), [1] * 5),
    ("momentum", None, [1]),
]
MEMBERS = [
    (
        Member(
            TrainingSettings(40, name, 0.2 if name == "sgd" else 0.02, 0.1, clip_norm=0.5, schedule=schedule), seed=n
        ),
        rates,
    )
    for n, (name, schedule, rates) in enumerate(MEMBERS)
]


def batch(seed, step):
    rng = np.random.default_rng([seed, step])
    return rng.normal(size=(8, 5, 3)).astype("float32"), rng.normal(size=(8, 1)).astype("float32")


def batches(members, starts, steps):
    found = [
        [batch(one.seed, start + step) for one, start in zip(members, starts, strict=True)] for step in range(steps)
    ]
    parts = tuple(np.stack([np.stack([one[part] for one in step]) for step in found]) for part in (0, 1))
    return tf.data.Dataset.from_tensor_slices(parts)


def compiled(kind, members):
    population = kind(BUILD, members)
    population.compile_population(LOSS, steps_per_execution=1)
    return population


def train(population, steps=None):
    """Trains in epochs, to the end or for a while, going by SCORES."""

    def score(slots):
        return {slot: SCORES[int(population.schedules[slot].epochs)] for slot in slots}

    if steps is None:
        fit_epochs(population, lambda steps: population.fit_batches(batches, steps), score, "max")
        return
    until = population.steps_done.max() + steps
    while population.steps_done.max() < until:
        population.fit_batches(batches, min(steps_to_epoch_end(population), until - population.steps_done.max()))
        listen(population, score(due(population)), "max")


def by_hand(member, rates):
    """The weights of the same model, with Keras' own optimizer at the rates that the scores should lead to."""
    model, settings = BUILD(member), member.settings
    compile_model(model, LOSS, settings)
    size = settings.schedule.epoch_steps if settings.schedule else settings.steps
    for epoch, rate in enumerate(rates):
        if settings.schedule:
            model.optimizer.learning_rate = rate * settings.learning_rate
        stretch = [batch(member.seed, step) for step in range(epoch * size, min((epoch + 1) * size, settings.steps))]
        fit(model, tf.data.Dataset.from_tensor_slices(tuple(np.stack(part) for part in zip(*stretch, strict=True))))
    return weights(model), int(model.optimizer.iterations)


def weights(model):
    return [keras.ops.convert_to_numpy(weight) for weight in model.trainable_weights]


def assert_close(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=3e-5 * max(np.abs(other).max(), 0.003))


def test_members_with_schedules_of_all_kinds_equal_models_alone():
    population = compiled(Population, [member for member, _ in MEMBERS])
    train(population)
    assert population.ended.all()
    assert population.alive.all()
    for slot, (member, rates) in enumerate(MEMBERS):
        expected, steps = by_hand(member, rates)
        assert population.steps_done[slot] == steps
        assert_close(weights(population.member(slot)), expected)
    # Rates matter here: at a constant one the first member ends elsewhere.
    constant, _ = by_hand(MEMBERS[0][0], [1] * 10)
    assert (
        max(np.abs(one - other).max() for one, other in zip(weights(population.member(0)), constant, strict=True))
        > 1e-3
    )
    before = keras.ops.convert_to_numpy(population.rows)
    population.take_losses()
    population.fit_batches(batches, 3)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(population.rows), before)
    assert np.isnan(population.take_losses()).all()


@pytest.mark.parametrize("index", [0, 1, 5])
def test_so_does_a_population_of_one(index):
    member, rates = MEMBERS[index]
    alone = compiled(AlonePopulation, [member])
    train(alone, 18)
    later = compiled(AlonePopulation, [member])
    later.restore(0, alone.states()[0])
    for population in (alone, later):
        train(population)
        expected, steps = by_hand(member, rates)
        assert population.steps_done[0] == steps
        assert_close(weights(population.member(0)), expected)


@pytest.mark.parametrize("stop", [13, 24])
def test_members_go_on_from_where_they_were_kept_in_other_places_and_company(stop):
    """In the midst of an epoch, or after one, when some have been stopped."""
    chosen = [member for member, _ in MEMBERS]
    whole, first = compiled(Population, chosen), compiled(Population, chosen)
    train(whole)
    train(first, stop)
    later = compiled(Population, chosen[::-1])
    for slot, state in enumerate(first.states()):
        later.restore(len(chosen) - 1 - slot, state)
    assert later.steps_done.tolist() == first.steps_done.tolist()[::-1]
    assert later.ended.tolist() == first.ended.tolist()[::-1]
    train(later)
    for slot in range(len(chosen)):
        one, other = whole.member(slot), later.member(len(chosen) - 1 - slot)
        assert_close(weights(other), weights(one))
        assert later.schedules[len(chosen) - 1 - slot] == whole.schedules[slot]


def test_one_that_was_stopped_gives_its_place_to_another_that_starts_afresh():
    population = compiled(Population, [MEMBERS[4][0], MEMBERS[0][0]])
    train(population, 24)
    assert population.ended.tolist() == [True, False]
    population.replace(0, MEMBERS[1][0])
    assert population.ended.tolist() == [False, False]
    assert population.schedules[0] == MEMBERS[1][0].settings.schedule.start(0.02)
    train(population)
    for slot, index in enumerate((1, 0)):
        assert_close(weights(population.member(slot)), by_hand(*MEMBERS[index])[0])


@pytest.mark.parametrize("kind", [Population, AlonePopulation])
def test_scores_of_all_at_once_are_those_of_each_model(kind, monkeypatch):
    task = ParenthesesCounting(length=6, streams=1)
    build = MemberBuilder("ugrnn", 5, 1, task.input_dim, task.output_dim, task.return_sequences)
    population = kind(build, [Member(TrainingSettings(3), seed=seed) for seed in range(3)])
    population.compile_population(task.loss())
    count = len(population.members)
    expected = {slot: task.validation_score(population.member(slot)) for slot in range(count)}
    found = validation_scores(population, task, range(count))
    assert found == pytest.approx(expected, abs=1e-6)
    assert validation_scores(population, task, [count - 1]) == {count - 1: found[count - 1]}
    assert validation_scores(population, task, []) == {}
    monkeypatch.setattr(epochs_module, "LARGEST_OUTPUTS", 100)
    monkeypatch.setattr(population, "member", lambda slot, member=population.member: asked.append(slot) or member(slot))
    asked = []
    assert validation_scores(population, task, range(count)) == pytest.approx(expected, abs=1e-6)
    assert asked == list(range(count))


def test_outputs_are_the_same_in_parts_that_fit_in_memory():
    members = [member for member, _ in MEMBERS[:3]]
    whole = Population(BUILD, members)
    parts = Population(BUILD, members, memory_limit=whole.memory_needed(3, 5, 1))
    x, _ = batch(0, 0)
    np.testing.assert_allclose(parts.outputs(x)[0], whole.outputs(x)[0], rtol=1e-5, atol=1e-6)
    assert whole.outputs(x)[0].shape == (3, 8, 1)


def test_members_without_schedules_are_asked_for_no_score():
    plain = [dataclasses.replace(member, settings=TrainingSettings(7)) for member, _ in MEMBERS[:2]]
    population = compiled(Population, plain)
    assert (steps_to_epoch_end(population), due(population), population.schedules) == (7, [], [None, None])
    train(population)
    assert (steps_to_epoch_end(population), population.ended.all()) == (0, True)
    assert "schedule" not in population.states()[0]
