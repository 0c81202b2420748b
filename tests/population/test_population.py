"""A member trains as if it were alone."""

import itertools

import keras
import numpy as np
import pytest
from keras_rnncap.datasets import PerceptronCapacity

from keras_rnncap.cells import CELLS, constructor_options
from keras_rnncap.errors import InputError
from keras_rnncap.models import sequence_model
from keras_rnncap.population import Member, MemberBuilder, PatternTable, Population
from keras_rnncap.training import TrainingSettings, compile_model

STEPS, BATCH = 50, 64
TASK = PerceptronCapacity(200, 10, seed=3)
TABLE = PatternTable(TASK.inputs[:, 0], TASK.targets, TASK.length, BATCH)
OPTIMIZERS = [
    ("sgd", 0.5, 1.0, 0.0, 100),
    ("momentum", 0.2, 0.5, 1e-3, 150),
    ("rmsprop", 0.01, 10.0, 1e-4, 200),
    ("adam", 0.03, 100.0, 0.0, 90),
]


def members(name, steps=STEPS):
    """One for each optimizer, different in everything else too."""
    cell = CELLS[name]
    found = []
    for index, (optimizer, rate, clip, l2, patterns) in enumerate(OPTIMIZERS):
        options = {
            "activation": cell.activations[index % len(cell.activations)],
            "bias_initializer": keras.initializers.RandomNormal(stddev=0.3),
        }
        if "forget_bias" in constructor_options(cell):
            options["forget_bias"] = 0.5 + index
        settings = TrainingSettings(steps, optimizer, rate, 0.3, 0.8, clip, l2)
        found.append(Member(settings, options, {}, seed=index, every_step=bool(index % 2), patterns=patterns))
    return found


def trained(population, steps=STEPS, jit=False):
    population.compile_population(TASK.loss(), steps_per_execution=10, jit=jit)
    population.fit_steps(steps)
    return population


def alone(build, member, steps=STEPS):
    """The same member as an ordinary Keras model with Keras' own optimizer, on the same batches."""
    model = build(member)
    compile_model(model, TASK.loss(), member.settings)
    inputs = TASK.inputs.copy()
    if member.every_step:
        inputs[:] = inputs[:, :1]
    for step in range(steps):
        rows = (step * BATCH + np.arange(BATCH)) % member.patterns
        model.train_on_batch(inputs[rows], TASK.targets[rows])
    return weights(model)


def weights(model):
    return [keras.ops.convert_to_numpy(weight) for weight in model.trainable_weights]


def assert_close(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-4 * max(np.abs(other).max(), 1e-3))


SHAPES = [
    pytest.param(cell, depth, marks=() if depth == 1 or cell == "+rnn" else pytest.mark.slow)
    for cell, depth in itertools.product(CELLS, (1, 2))
]


@pytest.mark.parametrize(("cell", "depth"), SHAPES)
def test_a_member_equals_the_model_trained_alone_with_keras_own_optimizer(cell, depth):
    build = MemberBuilder(cell, 4, depth, TASK.input_dim, 1)
    population = trained(Population(build, members(cell), TABLE))
    for index, member in enumerate(population.members):
        assert_close(weights(population.member(index)), alone(build, member))


def test_with_xla_too():
    build = MemberBuilder("ugrnn", 4, 1, TASK.input_dim, 1)
    population = trained(Population(build, members("ugrnn"), TABLE), jit=True)
    assert_close(weights(population.member(3)), alone(build, population.members[3]))


def test_order_does_not_matter():
    build = MemberBuilder("ugrnn", 4, 1, TASK.input_dim, 1)
    one = trained(Population(build, members("ugrnn"), TABLE))
    other = trained(Population(build, members("ugrnn")[::-1], TABLE))
    for index in range(4):
        assert_close(weights(one.member(index)), weights(other.member(3 - index)))


@pytest.fixture
def diverging():
    return Member(TrainingSettings(STEPS, "sgd", 1e38, 1.0, 0.0, 1e38, 0.0), {"activation": "relu"}, patterns=200)


def test_a_diverging_member_is_frozen_and_changes_nothing_in_the_others(diverging):
    build = MemberBuilder("ugrnn", 4, 1, TASK.input_dim, 1)
    harmless = Member(TrainingSettings(STEPS, "sgd", 1e-3), patterns=200)
    # With XLA: without it, TensorFlow's threads add in another order each time, and no run equals the next to the bit.
    calm = trained(Population(build, [*members("ugrnn"), harmless], TABLE), jit=True)
    population = trained(Population(build, [*members("ugrnn"), diverging], TABLE), jit=True)
    assert population.alive.tolist() == [True] * 4 + [False]
    assert population.steps_done[4] < STEPS
    assert all(np.isfinite(weight).all() for weight in weights(population.member(4)))
    for index in range(4):
        for one, other in zip(weights(population.member(index)), weights(calm.member(index)), strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_replaced_member_trains_as_if_it_had_been_there_from_the_start(diverging):
    build = MemberBuilder("ugrnn", 4, 1, TASK.input_dim, 1)
    chosen = members("ugrnn", steps=30)
    population = Population(build, [chosen[0], diverging], TABLE)
    traces = []
    population.call = lambda inputs, call=population.call: traces.append(1) or call(inputs)
    trained(population, 10)
    traced = len(traces)
    for new in (chosen[2], chosen[3]):
        population.replace(1, new)
        assert population.alive.tolist() == [True, True]
        population.fit_steps(30)
        assert_close(weights(population.member(1)), alone(build, new, 30))
    assert len(traces) == traced
    assert population.steps_done.tolist() == [30, 30]  # the other has ended in the meantime, and stands still
    assert_close(weights(population.member(0)), alone(build, chosen[0], 30))


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize(("cell", "length"), [("lstm", 7), ("+rnn", 20)])
def test_sequences_shared_or_each_members_own(cell, length, own):
    """Targets at every step, some of them not scored."""
    build = MemberBuilder(cell, 4, 2, 3, 2, return_sequences=True)
    rng = np.random.default_rng(0)
    chosen = [Member(TrainingSettings(10, "adam", 0.01 * (i + 1)), seed=i) for i in range(2)]
    shape = (2, 8) if own else (8,)
    x, y = rng.normal(size=(*shape, length, 3)).astype("float32"), rng.integers(0, 2, (*shape, length))
    mask = (np.arange(length) > 2).astype("float32")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="mean_with_sample_weight")
    population = Population(build, chosen)
    population.compile_population(loss, steps_per_execution=1, jit=False)
    weight = np.broadcast_to(mask, y.shape).copy()
    for _ in range(10):
        population.train_on_batch(x, y, sample_weight=weight)
    for index, member in enumerate(chosen):
        model = build(member)
        compile_model(model, loss, member.settings)
        for _ in range(10):
            pick = (x[index], y[index], weight[index]) if own else (x, y, weight)
            model.train_on_batch(pick[0], pick[1], sample_weight=pick[2])
        assert_close(weights(population.member(index)), weights(model))


def test_losses_and_outputs_are_each_members_own():
    build = MemberBuilder("gru", 4, 1, TASK.input_dim, 1)
    chosen = members("gru")
    population = Population(build, chosen, TABLE)
    outputs = population.outputs_on_table()
    for index, member in enumerate(chosen):
        inputs = TASK.inputs if not member.every_step else np.repeat(TASK.inputs[:, :1], TASK.length, axis=1)
        np.testing.assert_allclose(outputs[index], population.member(index)(inputs), atol=1e-5)
    population.compile_population(TASK.loss(), steps_per_execution=1, jit=False)
    population.fit_steps(1)
    rows = np.arange(BATCH) % chosen[3].patterns
    expected = float(TASK.loss()(TASK.targets[rows], outputs[3][rows]))
    np.testing.assert_allclose(population.take_losses()[3], expected, rtol=1e-4)
    assert np.isnan(population.take_losses()).all()


def test_models_go_in_and_come_out_as_they_are():
    build = MemberBuilder("lstm", 3, 2, 5, 2)
    models = [sequence_model("lstm", 3, 2, input_dim=5, output_dim=2, seed=seed) for seed in (7, 8)]
    population = Population.from_models(build, [Member(TrainingSettings(1))] * 2, models)
    for index, model in enumerate(models):
        for one, other in zip(weights(population.member(index)), weights(model), strict=True):
            np.testing.assert_array_equal(one, other)


def test_what_cannot_be_a_population_is_refused():
    build = MemberBuilder("rnn", 3, 1, TASK.input_dim, 1)
    plain = Member(TrainingSettings(1))
    with pytest.raises(InputError, match="at least one member"):
        Population(build, [])
    with pytest.raises(InputError, match="one by one"):
        Population(MemberBuilder(keras.layers.GRUCell, 3, 1, 2, 1), [plain])
    with pytest.raises(InputError, match="dropout"):
        Population(build, [Member(TrainingSettings(1), {"dropout": 0.5})])
    with pytest.raises(InputError, match="activation in a population must be one of tanh, relu; got elu"):
        Population(build, [Member(TrainingSettings(1), {"activation": "elu"})])
    with pytest.raises(InputError, match=r"patterns must be in \[1, 200\]; got 201"):
        Population(build, [Member(TrainingSettings(1), patterns=201)], TABLE)
    with pytest.raises(InputError, match="same cell, units, depth"):
        Population(build, [plain]).replace(0, Member(TrainingSettings(1), {"use_bias": False}))
