"""Members with dropout train as their models do alone, whoever is beside them."""

import dataclasses

import keras
import numpy as np
import pytest

from keras_rnncap.population import CannotShareError, Member, MemberBuilder, PatternTable, Population
from keras_rnncap.training import TrainingSettings, compile_model

STEPS = 6
MEMBERS = [
    Member(TrainingSettings(STEPS, "adam", 0.02, 0.5, clip_norm=1.0, dropout=rate), seed=7 + n)
    for n, rate in enumerate((0.5, 0.0, 0.2))
]
LOSS = keras.losses.MeanSquaredError()


def data(length, own, sequences):
    rng = np.random.default_rng(0)
    shape = (STEPS, 3, 8) if own else (STEPS, 8)
    x = rng.normal(size=(*shape, length, 3)).astype("float32")
    return x, rng.normal(size=(*shape, length, 1) if sequences else (*shape, 1)).astype("float32")


def compiled(build, members, **options):
    population = Population(build, members, **options)
    population.compile_population(LOSS, steps_per_execution=1)
    return population


def alone(build, slot, x, y, own):
    model = build(MEMBERS[slot])
    compile_model(model, LOSS, MEMBERS[slot].settings)
    model.run_eagerly = True  # faster than to trace a few steps
    for now, then in zip(x, y, strict=True):
        model.train_on_batch(now[slot] if own else now, then[slot] if own else then)
    return weights(model)


def weights(model):
    return [keras.ops.convert_to_numpy(weight) for weight in model.trainable_weights]


def assert_close(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=3e-5 * max(np.abs(other).max(), 0.003))


@pytest.mark.parametrize(
    ("cell", "depth", "length", "own", "sequences", "stateful"),
    [
        ("lstm", 2, 5, True, True, None),
        ("+rnn", 2, 20, False, True, 8),
        pytest.param("gru", 1, 5, False, False, None, marks=pytest.mark.xla),
    ],
)
def test_a_member_equals_the_model_trained_alone(cell, depth, length, own, sequences, stateful):
    build = MemberBuilder(cell, 4, depth, 3, 1, sequences, stateful)
    x, y = data(length, own, sequences)
    population = compiled(build, MEMBERS)
    for now, then in zip(x, y, strict=True):
        population.train_on_batch(now, then)
    for slot in range(3):
        assert_close(weights(population.member(slot)), alone(build, slot, x, y, own))
    other = dataclasses.replace(MEMBERS[0], settings=dataclasses.replace(MEMBERS[0].settings, dropout=0.0))
    without = compiled(build, [other, *MEMBERS[1:]])
    for now, then in zip(x, y, strict=True):
        without.train_on_batch(now, then)
    assert np.abs(weights(without.member(0))[-2] - weights(population.member(0))[-2]).max() > 1e-3


def test_members_resume_in_groups_and_come_in_where_there_was_no_dropout():
    build = MemberBuilder("lstm", 4, 1, 3, 1)
    x, y = data(5, False, False)
    first = compiled(build, MEMBERS)
    for step in range(3):
        first.train_on_batch(x[step], y[step])
    later = compiled(build, [MEMBERS[1]] * 3, memory_limit=first.memory_needed(8, 5, 2))
    later.train_on_batch(x[0], y[0])  # traced without dropout
    for slot, member in enumerate(MEMBERS[::-1]):
        later.replace(slot, member)
        later.restore(slot, first.states()[2 - slot])
    for step in range(3, STEPS):
        later.train_on_batch(x[step], y[step])
    for slot in range(3):
        assert_close(weights(later.member(2 - slot)), alone(build, slot, x, y, False))


def test_members_of_a_table_have_none():
    table = PatternTable(np.ones((4, 3)), np.ones((4, 1)), 2, 4)
    with pytest.raises(CannotShareError, match="members that draw from a table have no dropout"):
        Population(MemberBuilder("rnn", 4, 1, 3, 1), MEMBERS[:1], table)
