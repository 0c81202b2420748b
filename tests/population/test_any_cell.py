"""Populations take any cell that declares its weights and states, and say why where they do not."""

import functools

import keras
import numpy as np
import pytest
from keras import constraints, regularizers
from population.test_population import TABLE, TASK, alone, assert_close, drawn, trained, weights
from toy_cells import TOYS, DeltaCell, DiagonalCell, LeakyUGRNNCell

from keras_rnncap import GraphCell, GRUCell, RecurrentCell, UGRNNCell, sequence_model
from keras_rnncap.datasets import PerceptronCapacity
from keras_rnncap.graphs import Graph, Node, known_graphs
from keras_rnncap.population import CannotShareError, Member, MemberBuilder, PatternTable, Population
from keras_rnncap.training import TrainingSettings, compile_model

NUMBERS = {"rate": (0.3, 0.9), "leak": (0.1, 0.6), "forget_bias": (0.0, 2.0)}


def members(cell):
    """Two that differ in optimizer, activation, numbers, weights and patterns."""
    found = []
    for index, optimizer in enumerate(("sgd", "adam")):
        options = {"activation": ("tanh", "relu")[index]}
        options |= {name: NUMBERS[name][index] for name in cell.searched_numbers()}
        settings = TrainingSettings(50, optimizer, (0.1, 0.005)[index], 0.3, 0.8, 1.0, 1e-4)
        found.append(Member(settings, options, {}, seed=index, every_step=bool(index), patterns=100 + index))
    return found


@pytest.mark.xla
@pytest.mark.parametrize("units", [pytest.param(4, marks=pytest.mark.slow), (3, 5)])
@pytest.mark.parametrize("cell", TOYS)
def test_a_member_equals_the_model_trained_alone(cell, units):
    build = MemberBuilder(cell, units, input_dim=TASK.input_dim)
    population = trained(Population(build, members(cell), TABLE))
    for index, member in enumerate(population.members):
        assert_close(weights(population.member(index)), alone(build, member))


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("cell", TOYS)
def test_on_sequences_too(cell, own):
    build = MemberBuilder(cell, (3, 5), input_dim=3, output_dim=2, return_sequences=True)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 8, 6, 3)).astype("float32"), rng.normal(size=(2, 8, 6, 2)).astype("float32")
    population = Population(build, members(cell))
    population.compile_population(keras.losses.MeanSquaredError(), steps_per_execution=1)
    for _ in range(10):
        population.train_on_batch(x, y) if own else population.train_on_batch(x[0], y[0])
    for index, member in enumerate(population.members):
        model = build(member)
        compile_model(model, keras.losses.MeanSquaredError(), member.settings)
        model.run_eagerly = True  # faster than to trace a few steps
        for _ in range(10):
            model.train_on_batch(x[index * own], y[index * own])
        assert_close(weights(population.member(index)), weights(model))


x_and_state = Graph(2, (Node("linear", (1,), 0.9), Node("linear", (2,)), Node("add", (3, 4))), (5, 2))
GRAPHS = {name: known_graphs()[name] for name in ("gru", "lstm", "mut2")} | {"the input as a state": x_and_state}


@pytest.mark.parametrize("name", GRAPHS)
def test_members_of_a_graph_equal_models_trained_alone(name):
    build = MemberBuilder(functools.partial(GraphCell, graph=GRAPHS[name]), (3, 5), input_dim=TASK.input_dim)
    rates = (("sgd", 0.1), ("adam", 0.005))
    chosen = [
        Member(TrainingSettings(50, kind, rate, 0.3, 0.8, 1.0, 1e-4), seed=3, patterns=100) for kind, rate in rates
    ]
    population = trained(Population(build, chosen, TABLE))
    for index, member in enumerate(population.members):
        assert_close(weights(population.member(index)), alone(build, member))


def test_a_matrix_state_in_a_time_loop_that_is_not_written_out(monkeypatch):
    task = PerceptronCapacity(200, 10, length=20, seed=3)
    monkeypatch.setattr("population.test_population.TASK", task)
    build = MemberBuilder(DeltaCell, (3, 5), input_dim=task.input_dim)
    table = PatternTable(task.inputs[:, 0], task.targets, task.length, TABLE.batch_size)
    population = trained(Population(build, members(DeltaCell), table))
    for index, member in enumerate(population.members):
        assert_close(weights(population.member(index)), alone(build, member))


def test_layers_of_one_model_may_have_numbers_of_their_own():
    def build(member):
        model = sequence_model(UGRNNCell, 4, 2, input_dim=TASK.input_dim, output_dim=1, seed=member.seed)
        for layer, (bias, activation) in zip(model.layers[1:3], [(0.2, "relu"), (3.0, "tanh")], strict=True):
            layer.cell.forget_bias = bias + member.seed
            layer.cell.activation = keras.activations.get(activation)
        return model

    chosen = [Member(TrainingSettings(50, "sgd", 0.1), seed=seed, patterns=50) for seed in range(2)]
    population = trained(Population(build, chosen, TABLE))
    for index, member in enumerate(chosen):
        assert_close(weights(population.member(index)), alone(build, member))


REFUSED = {
    "regularized": {"kernel_regularizer": regularizers.L1(0.1)},
    "constrained": {"recurrent_constraint": constraints.MaxNorm(0.5)},
}


@pytest.mark.parametrize("reason", REFUSED)
def test_weights_with_regularizers_or_constraints_train_alone_and_keep_them(reason):
    build = MemberBuilder(GRUCell, 4, input_dim=TASK.input_dim)
    member = Member(TrainingSettings(20, "sgd", 0.3, l2=0.01), REFUSED[reason], seed=1, patterns=50)
    with pytest.raises(CannotShareError, match=f"weights of layer layer_1 are {reason}"):
        Population(build, [member], TABLE)
    plain = Population(build, [Member(member.settings, seed=1, patterns=50)], TABLE)
    with pytest.raises(CannotShareError, match=reason):
        plain.replace(0, member)

    by_hand = build(member)  # what Keras does, with l2 written into the loss
    optimizer = member.settings.make_optimizer()
    optimizer.build(by_hand.trainable_variables)
    rows = drawn(20, 50)
    by_hand.compile(
        optimizer,
        lambda y, p: (
            keras.losses.binary_crossentropy(y, p, from_logits=True)
            + 0.01 * sum(keras.ops.sum(keras.ops.square(weight)) for weight in by_hand.trainable_variables)
        ),
    )
    by_hand.fit(TASK.inputs[rows], TASK.targets[rows], 64, verbose=0, shuffle=False)
    ours = alone(build, member, 20)
    assert_close(ours, weights(by_hand))
    without = alone(build, Member(member.settings, seed=1, patterns=50), 20)
    assert max(np.abs(one - other).max() for one, other in zip(ours, without, strict=True)) > 0.01


@pytest.mark.parametrize("frozen", ["cell", "readout"])
def test_frozen_weights_train_alone(frozen):
    def build(member):
        model = sequence_model(DiagonalCell, 4, input_dim=TASK.input_dim, output_dim=1, seed=member.seed)
        (model.layers[1].cell.recurrent_vector if frozen == "cell" else model.layers[2].bias).trainable = False
        return model

    with pytest.raises(CannotShareError, match="frozen"):
        Population(build, [Member(TrainingSettings(1), patterns=5)], TABLE)


def test_a_frozen_layer_trains_alone():
    def build(member):
        model = sequence_model(DiagonalCell, 4, input_dim=TASK.input_dim, output_dim=1, seed=member.seed)
        model.layers[2].trainable = False
        return model

    with pytest.raises(CannotShareError, match="readout are frozen"):
        Population(build, [Member(TrainingSettings(1), patterns=5)], TABLE)


def test_a_weight_that_is_not_declared_and_a_number_that_is_not_taken_from_w_are_found():
    class Undeclared(RecurrentCell):
        blocks = ("hidden",)

        def build(self, input_shape):
            super().build(input_shape)
            self.own = self.add_weight(name="own", shape=(self.units,), initializer="ones")

        def step(self, x, states, w):
            (a,) = w.of_both(x, states[0])
            return (w.activation(a * self.own),)

    build = MemberBuilder(Undeclared, 4, input_dim=TASK.input_dim)
    with pytest.raises(CannotShareError, match=r"weights that it does not declare \(own\)"):
        Population(build, [Member(TrainingSettings(1), patterns=5)], TABLE)

    class Early(LeakyUGRNNCell):
        def __init__(self, units, **kwargs):
            super().__init__(units, **kwargs)
            self.half = self.leak / 2  # known to the first member's cell alone

        def step(self, x, states, w):
            return (super().step(x, states, w)[0] * self.half,)

    build = MemberBuilder(Early, 4, input_dim=TASK.input_dim)
    with pytest.raises(CannotShareError, match="its outputs are others"):
        Population(build, [Member(TrainingSettings(1), {"leak": leak}, patterns=5) for leak in (0.2, 0.8)], TABLE)


def test_a_step_may_read_numbers_and_the_activation_from_the_cell():
    class Older(LeakyUGRNNCell):
        def step(self, x, states, w):
            c, g = w.of_both(x, states[0])
            g = keras.ops.sigmoid(g + self.forget_bias)
            new = g * states[0] + (1 - g) * self.activation(c)
            return (self.leak * states[0] + (1 - self.leak) * new,)

    old, new = (
        trained(Population(MemberBuilder(cell, 4, input_dim=TASK.input_dim), members(cell), TABLE), 20)
        for cell in (Older, LeakyUGRNNCell)
    )
    np.testing.assert_allclose(old.rows, new.rows, rtol=1e-5, atol=1e-6)


# Groups.


def batches(size, seed):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(size, 6, 3)).astype("float32"), rng.normal(size=(size, 1)).astype("float32")


def grouped(limit=None, **options):
    build = MemberBuilder("ugrnn", 4, input_dim=3)
    chosen = [Member(TrainingSettings(100, "sgd", 0.1), seed=seed) for seed in range(5)]
    population = Population(build, chosen, **({"memory_limit": limit} if limit else {}))
    population.compile_population(keras.losses.MeanSquaredError(), steps_per_execution=1, **options)
    return population


def test_groups_keep_their_turn_when_the_batch_size_changes():
    whole = grouped()
    parts = grouped(whole.memory_needed(16, 6, 2))
    for step, size in enumerate((16, 8, 16, 16, 32, 8)):
        for population in (whole, parts):
            population.train_on_batch(*batches(size, step))
    assert parts.steps_done.tolist() == whole.steps_done.tolist() == [6] * 5
    np.testing.assert_allclose(parts.rows, whole.rows, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("size", [16, None])
def test_memory_limit_holds_for_arrays(size):
    whole = grouped()
    parts = grouped(whole.memory_needed(size or 32, 6, 2))
    for population in (whole, parts):
        population.fit(*batches(64, 0), batch_size=size, verbose=0, shuffle=False)
    assert parts._groups.size == 2
    np.testing.assert_allclose(parts.rows, whole.rows, rtol=1e-5, atol=1e-7)
