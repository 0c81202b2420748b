"""Members keep their states from batch to batch as stateful models do that train alone."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rnncap.datasets import DistractorArithmetic
from keras_rnncap.population import (
    AlonePopulation,
    CannotShareError,
    Member,
    MemberBuilder,
    Population,
    validation_scores,
)
from keras_rnncap.training import TrainingSettings, compile_model

BATCH, STEPS = 4, 8
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="mean_with_sample_weight")
MEMBERS = [
    Member(TrainingSettings(STEPS, name, 0.2 if name == "sgd" else 0.02, 0.5, clip_norm=1.0), seed=n)
    for n, name in enumerate(("sgd", "adam", "momentum"))
]


def build(cell="lstm", depth=2, stateful_batch=BATCH):
    return MemberBuilder(cell, 4, depth, 3, 2, return_sequences=True, stateful_batch=stateful_batch)


def batches(length, own):
    rng = np.random.default_rng(0)
    shape = (STEPS, 3, BATCH, length) if own else (STEPS, BATCH, length)
    return rng.normal(size=(*shape, 3)).astype("float32"), rng.integers(0, 2, shape)


def compiled(make, members=MEMBERS, **options):
    population = Population(make, members, **options)
    population.compile_population(LOSS, steps_per_execution=1)
    return population


def alone(make, slot, data, own):
    model = make(MEMBERS[slot])
    compile_model(model, LOSS, MEMBERS[slot].settings)
    model.run_eagerly = True  # faster than to trace a few steps
    for x, y in zip(*data, strict=True):
        model.train_on_batch(x[slot] if own else x, y[slot] if own else y)
    return weights(model)


def weights(model):
    return [keras.ops.convert_to_numpy(weight) for weight in model.trainable_weights]


def assert_close(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=3e-5 * max(np.abs(other).max(), 0.003))


@pytest.mark.parametrize(
    ("cell", "depth", "length", "own", "groups"),
    [
        ("lstm", 2, 5, True, False),
        pytest.param("lstm", 1, 20, False, False, marks=pytest.mark.xla),
        ("+rnn", 2, 5, True, True),
    ],
)
def test_a_member_equals_the_stateful_model_trained_alone(cell, depth, length, own, groups):
    make, data = build(cell, depth), batches(length, own)
    limit = {"memory_limit": Population(make, MEMBERS).memory_needed(BATCH, length, 2)} if groups else {}
    population = compiled(make, **limit)
    for x, y in zip(*data, strict=True):
        population.train_on_batch(x, y)
    assert population._groups.size == (2 if groups else 3)
    for slot in range(3):
        assert_close(weights(population.member(slot)), alone(make, slot, data, own))
    without = alone(build(cell, depth, None), 0, data, own)[-2]  # another trajectory
    assert np.abs(alone(make, 0, data, own)[-2] - without).max() > 1e-4


def test_states_are_kept_with_a_member_and_those_of_a_new_one_are_zero():
    make, (x, y) = build(), batches(5, True)
    whole, first = compiled(make), compiled(make)
    for step in range(STEPS):
        whole.train_on_batch(x[step], y[step])
    for step in range(4):
        first.train_on_batch(x[step], y[step])
    later = compiled(make, MEMBERS[::-1])
    for slot, state in enumerate(first.states()):
        later.restore(2 - slot, state)
    for step in range(4, STEPS):
        later.train_on_batch(x[step][::-1].copy(), y[step][::-1].copy())
    for slot in range(3):
        assert_close(weights(later.member(2 - slot)), weights(whole.member(slot)))
    later.replace(1, MEMBERS[1])
    for step in range(STEPS):
        later.train_on_batch(x[step][::-1].copy(), y[step][::-1].copy())
    assert_close(weights(later.member(1)), alone(make, 1, (x, y), True))


def test_scores_of_a_stream_carry_states_and_leave_zeros_to_those_scored_alone(monkeypatch):
    task = DistractorArithmetic()
    monkeypatch.setattr(type(task), "validation_limit", 400)
    make = MemberBuilder("lstm", 4, 1, task.input_dim, task.output_dim, return_sequences=True, stateful_batch=BATCH)
    population = compiled(make)
    batch = next(task.batches(BATCH, 0))
    population.train_on_batch(*batch)
    expected = {slot: task.validation_score(population.member(slot)) for slot in (0, 2)}
    before = population.states()
    assert validation_scores(population, task, (0, 2)) == pytest.approx(expected, rel=1e-5)
    for slot, state in enumerate(population.states()):
        for name in state:
            if name.startswith("carried"):
                assert np.abs(before[slot][name]).max() > 0
                np.testing.assert_array_equal(state[name], before[slot][name] if slot == 1 else 0)


def test_a_population_of_one_keeps_and_restores_its_states():
    make, (x, y) = build(), batches(5, True)

    def data(members, starts, steps):
        return tf.data.Dataset.from_tensor_slices(tuple(part[starts[0] : starts[0] + steps, :1] for part in (x, y)))

    first, later = (AlonePopulation(make, MEMBERS[:1]) for _ in range(2))
    for population in (first, later):
        population.compile_population(LOSS)
    first.fit_batches(data, 3)
    later.restore(0, first.states()[0])
    later.fit_batches(data, STEPS - 3)
    assert_close(weights(later.member(0)), alone(make, 0, (x, y), True))


def test_learned_initial_states_are_refused():
    member = Member(TrainingSettings(1), {"learned_initial_state": True})
    with pytest.raises(CannotShareError, match="learned_initial_state must be False"):
        Population(build(), [member])
