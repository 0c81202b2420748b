"""A member trains as if it were alone."""

import concurrent.futures
import itertools

import keras
import numpy as np
import pytest

from keras_rnncap.cells import CELLS, constructor_options
from keras_rnncap.datasets import PerceptronCapacity
from keras_rnncap.errors import InputError
from keras_rnncap.models import sequence_model
from keras_rnncap.population import (
    Member,
    MemberBuilder,
    PatternTable,
    Population,
)
from keras_rnncap.population.shuffling import shuffled
from keras_rnncap.training import TrainingSettings, compile_model

STEPS, BATCH = 50, 64
TASK = PerceptronCapacity(200, 10, length=3, seed=3)
TABLE = PatternTable(TASK.inputs[:, 0], TASK.targets, TASK.length, BATCH)
# Rates at which training is well conditioned: an LSTM of depth 2 with ReLU and Adam at 0.03 amplifies a change of its
# first weights by one unit in the last place to 8e-4 within 50 steps, in Keras alone, so that no two programs agree.
OPTIMIZERS = [
    ("sgd", 0.5, 1.0, 0.0, 100),
    ("momentum", 0.2, 0.5, 1e-3, 150),
    ("rmsprop", 0.01, 10.0, 1e-4, 200),
    ("adam", 0.01, 100.0, 0.0, 90),
]


TINY_GRADIENTS = ("s6", "slstm", "mlstm", "gated-deltanet")
"""Cells with weights on which outputs depend little or not at all: rounding errors, which the last two optimizers blow
up to whole steps."""


def members(name, steps=STEPS):
    """One for each optimizer, different in everything else too."""
    cell = CELLS[name]
    found = []
    optimizers = OPTIMIZERS[:2] if name in TINY_GRADIENTS else OPTIMIZERS
    for index, (optimizer, rate, clip, l2, patterns) in enumerate(optimizers):
        options = {
            "activation": cell.activations[index % len(cell.activations)],
            "bias_initializer": keras.initializers.RandomNormal(stddev=0.3),
        }
        if "forget_bias" in constructor_options(cell):
            options["forget_bias"] = 0.5 + index
        settings = TrainingSettings(steps, optimizer, rate, 0.3, 0.8, clip, l2, loss_saturation=index / 4)
        found.append(Member(settings, options, {}, seed=index, every_step=bool(index % 2), patterns=patterns))
    return found


def trained(population, steps=STEPS, **options):
    population.compile_population(TASK.loss(), steps_per_execution=10, **options)
    population.fit_steps(steps)
    return population


def drawn(steps, patterns):
    """The places in the table of the patterns that a member draws, one after another."""
    batches = np.arange(steps)[:, None]
    return np.ravel(shuffled(batches, BATCH, np.full_like(batches, patterns)))


def alone(build, member, steps=STEPS):
    """The same member as an ordinary Keras model with Keras' own optimizer, on the same batches."""
    model = build(member)
    compile_model(model, TASK.loss(), member.settings)
    model.steps_per_execution = 1  # with more, Keras traces a step twice
    inputs = TASK.inputs.copy()
    if member.every_step:
        inputs[:] = inputs[:, :1]
    rows = drawn(steps, member.patterns)
    model.fit(inputs[rows], TASK.targets[rows], BATCH, verbose=0, shuffle=False)
    return weights(model)


def weights(model):
    return [keras.ops.convert_to_numpy(weight) for weight in model.trainable_weights]


def assert_close(ours, theirs, tolerance=3e-5):
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * max(np.abs(other).max(), 0.003))


# Of the cells of other papers, those two whose blocks do not all have a matrix for the input, the state and a bias.
QUICK = {
    ("+rnn", 2),
    *((cell, 1) for cell in ("rnn", "irnn", "ugrnn", "gru", "lstm", "+rnn", "mut1", "reset-after-gru")),
}
SHAPES = [
    pytest.param(*shape, marks=() if shape in QUICK else pytest.mark.slow)
    for shape in itertools.product(CELLS, (1, 2))
    if shape != ("gated-deltanet", 2)  # its second layer divides outputs that are 0 by their lengths
]


@pytest.mark.xla
@pytest.mark.parametrize(("cell", "depth"), SHAPES)
def test_a_member_equals_the_model_trained_alone_with_keras_own_optimizer(cell, depth):
    build = MemberBuilder(cell, 4, depth, TASK.input_dim, 1)
    population = trained(Population(build, members(cell), TABLE))
    for index, member in enumerate(population.members):
        assert_close(weights(population.member(index)), alone(build, member))


@pytest.mark.parametrize(
    ("cell", "depth"), [("rnn", 1), ("gru", 2), pytest.param("+rnn", 2, marks=pytest.mark.xla), ("reset-after-gru", 1)]
)
def test_row_soap_and_its_schedule_are_those_of_a_model_alone(cell, depth):
    settings = [
        TrainingSettings(100, "row-soap", 0.001, 0.05, 0.9, 1.0, loss_saturation=0.4, loss_temperature=0.5),
        TrainingSettings(100, "row-soap", 0.002, 0.5, 0.8, 10.0, weight_decay=0.1, warmup=0.1, linear_decay=True),
        TrainingSettings(100, "adam", 0.001, 0.5, 0.9, 10.0, l2=1e-4, weight_decay=0.1, warmup=0.1, linear_decay=True),
    ]
    build = MemberBuilder(cell, 4, depth, TASK.input_dim, 1)
    population = Population(build, [Member(each, seed=seed, patterns=150) for seed, each in enumerate(settings)], TABLE)
    population.compile_population(TASK.loss(), steps_per_execution=20)
    population.fit_steps(50)  # with new bases after 20 and 40 steps
    for index, member in enumerate(population.members):
        # Eigenvectors of small eigenvalues amplify rounding; with another basis weights differ by half of their moves.
        tolerance = {"row-soap": 3e-3, "adam": 3e-5}[member.settings.optimizer]
        assert_close(weights(population.member(index)), alone(build, member), tolerance)


def test_a_row_soap_member_goes_on_in_another_place_as_if_nothing_had_happened():
    build = MemberBuilder("ugrnn", 4, 1, TASK.input_dim, 1)
    settings = TrainingSettings(100, "row-soap", 0.01)
    undisturbed, first, second = (
        Population(build, [Member(settings, seed=seed, patterns=150) for seed in seeds], TABLE)
        for seeds in ((0, 1), (0, 1), (2, 3))
    )
    for population, steps in ((undisturbed, 100), (first, 60), (second, 20)):
        population.compile_population(TASK.loss(), steps_per_execution=20)
        population.fit_steps(steps)
    second.replace(0, first.members[1])
    second.restore(0, first.states()[1])
    second.fit_steps(40)
    assert_close(weights(second.member(0)), weights(undisturbed.member(1)))


def test_without_xla_too():
    build = MemberBuilder("ugrnn", 4, 1, TASK.input_dim, 1)
    population = trained(Population(build, members("ugrnn"), TABLE), jit=False)
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
    calm = trained(Population(build, [*members("ugrnn"), harmless], TABLE))
    population = trained(Population(build, [*members("ugrnn"), diverging], TABLE))
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
    real = population.compute_loss
    population.compute_loss = lambda *a, **k: traces.append(1) or real(*a, **k)
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


@pytest.mark.parametrize("cell", ["rnn", "+rnn"])
def test_groups_that_fit_into_less_memory_give_the_same(cell, diverging):
    build = MemberBuilder(cell, 4, 1, TASK.input_dim, 1)
    chosen = [*members(cell), members(cell)[2]]
    whole = Population(build, chosen, TABLE)
    limit = whole.memory_needed(BATCH, TASK.length, 2)
    assert whole.memory_needed(BATCH, TASK.length) > limit
    groups = Population(build, chosen, TABLE, memory_limit=limit)
    rows = []
    for population in (whole, groups):
        trained(population, 20)
        rows.append((keras.ops.convert_to_numpy(population.rows), population.take_losses()))
    assert groups._groups.size == 2  # 5 members in 3 groups, the last of which overlaps the one before it
    assert groups.steps_done.tolist() == [20] * 5
    for one, other in zip(*rows, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    with pytest.raises(InputError, match=r"memory_limit=1e\+04 bytes is too small: 5 members .* need"):
        Population(build, chosen, TABLE, memory_limit=1e4)


def test_groups_on_sequences_give_the_same():
    build = MemberBuilder("gru", 4, 1, 3, 1)
    chosen = [Member(TrainingSettings(5, "adam", 0.01 * (i + 1)), seed=i) for i in range(3)]
    rng = np.random.default_rng(0)
    whole = Population(build, chosen)
    groups = Population(build, chosen, memory_limit=whole.memory_needed(8, 6, 1))
    for own in (False, True):
        x, y = rng.normal(size=(3, 8, 6, 3) if own else (8, 6, 3)), rng.normal(size=(3, 8, 1) if own else (8, 1))
        for population in (whole, groups):
            population.compile_population(keras.losses.MeanSquaredError(), steps_per_execution=1)
            for _ in range(3):
                population.train_on_batch(x, y)
        np.testing.assert_allclose(whole.take_losses(), groups.take_losses(), rtol=1e-4)
        np.testing.assert_allclose(groups.rows, whole.rows, rtol=1e-4, atol=1e-6)
    assert groups._groups.size == 1


@pytest.mark.xla
def test_members_of_several_populations_in_threads_are_what_they_are_in_one():
    build = MemberBuilder("ugrnn", 4, 1, TASK.input_dim, 1)
    one, *parts = (Population(build, members("ugrnn")[part], TABLE) for part in (slice(4), slice(2), slice(2, 4)))
    for population in (one, *parts):
        population.compile_population(TASK.loss(), 10)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        list(pool.map(lambda population: population.fit_steps(30), (one, *parts)))
        one.replace(3, members("ugrnn")[0])
        parts[1].replace(1, members("ugrnn")[0])
        list(pool.map(lambda population: population.fit_steps(30), (one, *parts)))

    def both(value):
        return np.concatenate([value(part) for part in parts]), value(one)

    np.testing.assert_allclose(*both(Population.outputs_on_table), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(*both(Population.take_losses), rtol=1e-3)
    assert both(lambda population: population.steps_done)[0].tolist() == one.steps_done.tolist() == [50, 50, 50, 30]
    assert both(lambda population: population.ended)[0].tolist() == one.ended.tolist() == [True, True, True, False]
    for slot in range(4):
        assert_close(weights(parts[slot // 2].member(slot % 2)), weights(one.member(slot)))


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize(("cell", "length"), [("lstm", 7), pytest.param("+rnn", 20, marks=pytest.mark.xla)])
def test_sequences_shared_or_each_members_own(cell, length, own):
    """Targets at every step, some of them not scored; a short time loop that is written out, and a long one."""
    build = MemberBuilder(cell, 4, 2, 3, 2, return_sequences=True)
    rng = np.random.default_rng(0)
    chosen = [Member(TrainingSettings(10, "adam", 0.01 * (i + 1), loss_saturation=0.9 * i), seed=i) for i in range(2)]
    shape = (2, 8) if own else (8,)
    x, y = rng.normal(size=(*shape, length, 3)).astype("float32"), rng.integers(0, 2, (*shape, length))
    mask = (np.arange(length) > 2).astype("float32")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="mean_with_sample_weight")
    population = Population(build, chosen)
    population.compile_population(loss, steps_per_execution=1)
    weight = np.broadcast_to(mask, y.shape).copy()
    for _ in range(10):
        population.train_on_batch(x, y, sample_weight=weight)
    for index, member in enumerate(chosen):
        model = build(member)
        compile_model(model, loss, member.settings)
        model.run_eagerly = True  # faster than to trace a few steps
        for _ in range(10):
            pick = (x[index], y[index], weight[index]) if own else (x, y, weight)
            model.train_on_batch(pick[0], pick[1], sample_weight=pick[2])
        assert_close(weights(population.member(index)), weights(model))


@pytest.mark.parametrize("length", [5, 30])
def test_sequences_with_a_target_at_the_end(length):
    build = MemberBuilder("lstm", 4, 1, 3, 2)
    rng = np.random.default_rng(0)
    chosen = [Member(TrainingSettings(5, "adam", 0.01 * (i + 1)), seed=i) for i in range(2)]
    x, y = rng.normal(size=(8, length, 3)).astype("float32"), rng.integers(0, 2, 8)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    population = Population(build, chosen)
    population.compile_population(loss, steps_per_execution=1)
    for _ in range(5):
        population.train_on_batch(x, y)
    for index, member in enumerate(chosen):
        model = build(member)
        compile_model(model, loss, member.settings)
        model.run_eagerly = True
        for _ in range(5):
            model.train_on_batch(x, y)
        assert_close(weights(population.member(index)), weights(model))


def test_long_static_inputs_do_not_unroll_and_are_the_same():
    task = PerceptronCapacity(40, 10, length=25, seed=3)
    build = MemberBuilder("ugrnn", 4, 1, 10, 1)
    table = PatternTable(task.inputs[:, 0], task.targets, task.length, 40)
    chosen = [Member(TrainingSettings(1), seed=i, every_step=bool(i), patterns=40) for i in range(2)]
    population = Population(build, chosen, table)
    population.compile_population(task.loss())
    for index, member in enumerate(chosen):
        inputs = np.repeat(task.inputs[:, :1], 25, axis=1) if member.every_step else task.inputs
        np.testing.assert_allclose(population.outputs_on_table()[index], population.member(index)(inputs), atol=1e-5)
    population.fit_steps(1)
    assert np.isfinite(population.take_losses()).all()


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
    rows = drawn(1, chosen[3].patterns)
    expected = float(chosen[3].settings.minimized(TASK.loss())(TASK.targets[rows], outputs[3][rows]))
    np.testing.assert_allclose(population.take_losses()[3], expected, rtol=1e-4)
    assert np.isnan(population.take_losses()).all()


def test_models_go_in_and_come_out_as_they_are():
    build = MemberBuilder("lstm", 3, 2, 5, 2)
    models = [sequence_model("lstm", 3, 2, input_dim=5, output_dim=2, seed=seed) for seed in (7, 8)]
    population = Population(build, [Member(TrainingSettings(1))] * 2)
    population.rows.assign(np.stack([population._row_of(model) for model in models]))
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
