import functools

import keras
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_rnncap import count_parameters, sequence_model, units_for_budget
from keras_rnncap.budget import outline, trainable_parameters
from keras_rnncap.cells import CELLS
from keras_rnncap.errors import InputError

# Blocks of weights (eq. 1-20 of Collins et al., 2017) and rows of learned initial state.
BLOCKS = {"rnn": 1, "irnn": 1, "ugrnn": 2, "gru": 3, "lstm": 4, "+rnn": 4}
INITIAL = {**dict.fromkeys(BLOCKS, 1), "lstm": 2}


def formula(cell, units, depth, input_dim, output_dim):
    """The number of parameters by hand: W^x, W^h and b of each block, initial states, projection, readout."""
    total = 0
    for layer in range(depth):
        width = input_dim if layer == 0 else units
        if cell == "+rnn" and layer == 0:
            total += input_dim * units
            width = units
        total += BLOCKS[cell] * units * (width + units + 1) + INITIAL[cell] * units
    return total + (units + 1) * output_dim


@functools.cache  # hypothesis asks for the same sizes again and again
def model(cell, units, depth, input_dim, output_dim):
    return sequence_model(cell, units, depth, input_dim=input_dim, output_dim=output_dim)


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("cell", BLOCKS)
def test_counts_follow_from_the_equations(cell, depth):
    table = count_parameters(model(cell, 5, depth, 3, 2))
    assert table["total"].sum() == formula(cell, 5, depth, 3, 2)


def test_one_count_is_itemized_by_hand():
    table = count_parameters(model("lstm", 10, 2, 7, 3))
    assert table.drop(columns="total").to_dict("index") == {
        "layer_1": {"input": 280, "recurrent": 400, "bias": 40, "initial state": 20, "readout": 0},
        "layer_2": {"input": 400, "recurrent": 400, "bias": 40, "initial state": 20, "readout": 0},
        "readout": {"input": 0, "recurrent": 0, "bias": 0, "initial state": 0, "readout": 33},
    }
    assert table["total"].to_dict() == {"layer_1": 740, "layer_2": 860, "readout": 33}


def test_the_projection_is_counted_once():
    table = count_parameters(model("+rnn", 4, 2, 4, 1))
    assert table["projection"].to_dict() == {"layer_1": 16, "layer_2": 0, "readout": 0}


def test_only_what_trains_is_counted():
    frozen = sequence_model("gru", 4, 2, input_dim=3, output_dim=2)
    frozen.get_layer("layer_1").trainable = False
    assert list(count_parameters(frozen).index) == ["layer_2", "readout"]
    no_bias = sequence_model("gru", 4, input_dim=3, output_dim=2, cell_options={"use_bias": False})
    assert "bias" not in count_parameters(no_bias).columns


def test_cells_of_keras_are_itemized_and_strange_weights_are_other():
    class Strange(keras.layers.SimpleRNNCell):
        def build(self, input_shape):
            super().build(input_shape)
            self.extra = self.add_weight(shape=(7,), name="extra")
            self.fixed = self.add_weight(shape=(9,), name="fixed", trainable=False)

    table = count_parameters(sequence_model(Strange, 4, input_dim=3, output_dim=2))
    assert table.loc["layer_1"].to_dict() == {
        "input": 12, "recurrent": 16, "bias": 4, "other": 7, "readout": 0, "total": 39
    }  # fmt: skip


@settings(max_examples=15, deadline=None)
@given(
    st.sampled_from(sorted(BLOCKS)),
    st.integers(1, 2),
    st.sampled_from([1, 6]),
    st.sampled_from([1, 3]),
    st.integers(60, 1500),
)
def test_the_units_found_fit_and_one_more_would_not(cell, depth, input_dim, output_dim, budget):
    found = units_for_budget(lambda units: model(cell, units, depth, input_dim, output_dim), budget)
    assert formula(cell, found.units, depth, input_dim, output_dim) == found.parameters <= budget
    assert formula(cell, found.units + 1, depth, input_dim, output_dim) > budget
    parts = found.breakdown.drop(columns="total")
    assert (parts.sum(axis=1) == found.breakdown["total"]).all()
    assert parts.to_numpy().sum() == found.parameters
    assert len(found.breakdown) == depth + 1


def test_a_budget_met_exactly_is_allowed():
    exact = formula("gru", 7, 1, 3, 2)
    build = functools.partial(model, "gru", depth=1, input_dim=3, output_dim=2)
    assert units_for_budget(build, exact).units == 7
    assert units_for_budget(build, exact - 1).units == 6


def test_the_smallest_model_is_found():
    smallest = formula("lstm", 1, 1, 3, 2)
    assert units_for_budget(lambda units: model("lstm", units, 1, 3, 2), smallest).units == 1


def test_a_budget_too_small_names_the_minimum():
    smallest = formula("lstm", 1, 1, 3, 2)
    with pytest.raises(
        InputError, match=rf"budget of {smallest - 1} parameters is too small: one unit needs {smallest}"
    ):
        units_for_budget(lambda units: model("lstm", units, 1, 3, 2), smallest - 1)


def test_few_models_are_built():
    built = []

    def build(units):
        built.append(units)
        return model("rnn", units, 1, 2, 1)

    assert units_for_budget(build, 10_000).units == 97
    assert len(built) < 20


def test_a_build_that_does_not_grow_is_refused():
    with pytest.raises(InputError, match="must return larger models for more units"):
        units_for_budget(lambda units: model("rnn", min(units, 2), 1, 2, 1), 100)


def test_an_unbuilt_model_is_refused():
    with pytest.raises(InputError, match="must return a built model"):
        units_for_budget(lambda units: keras.Sequential([keras.layers.Dense(units)]), 100)


def no_values(shape, dtype=None):
    raise AssertionError("a weight got values")


@pytest.mark.parametrize("cell", ["gru", keras.layers.LSTMCell], ids=["of ours", "of Keras"])
def test_no_weight_gets_values_so_that_a_thousand_million_parameters_take_no_memory(cell):
    options = {"kernel_initializer": no_values, "recurrent_initializer": no_values}

    def build(units):
        return sequence_model(cell, units, 2, input_dim=27, output_dim=27, cell_options=options)

    with pytest.raises(AssertionError, match="got values"):
        build(2)
    found = units_for_budget(build, 10**9)
    assert 0.999e9 < found.parameters <= 10**9
    assert found.breakdown["total"].sum() == found.parameters
    with keras.StatelessScope():  # at its end Keras gives values to all variables that it knows to have none
        pass


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
@pytest.mark.parametrize("cell", CELLS)
def test_models_with_values_have_the_size_that_was_found(cell, depth):
    build = functools.partial(sequence_model, cell, depth=depth, input_dim=5, output_dim=3)
    found = units_for_budget(build, 900)
    pd.testing.assert_frame_equal(count_parameters(build(found.units)), found.breakdown)
    assert found.parameters <= 900 < trainable_parameters(build(found.units + 1))


class Scaled(keras.layers.Layer):
    """A layer of a user's, that neither says its output's shape nor makes its weights in `build`."""

    def __init__(self, units):
        super().__init__()
        self.scale = self.add_weight(shape=(units,), initializer="ones")
        self.dense = keras.layers.Dense(units)

    def call(self, x):
        return self.dense(x) * self.scale


class Whole(keras.Model):
    """A model that is built by running it."""

    def __init__(self, units):
        super().__init__()
        self.scaled, self.readout = Scaled(units), keras.layers.Dense(1)

    def call(self, x):
        return self.readout(self.scaled(x))


def functional(units):
    inputs = keras.Input((4,))
    return keras.Model(inputs, keras.layers.Dense(1)(Scaled(units)(inputs)))


def run_once(units):
    model = Whole(units)
    model(keras.ops.ones((2, 4)))
    return model


def compiled(units):
    model = functional(units)
    model.compile(keras.optimizers.Adam(), "mse")
    return model


def stateful(units):
    inputs = keras.Input((3, 4), batch_size=2)
    layers = [keras.layers.SimpleRNN(units, stateful=True, use_bias=False), keras.layers.Dense(1, use_bias=False)]
    return keras.Sequential([inputs, *layers])


@pytest.mark.parametrize("build", [functional, run_once, compiled])
def test_models_of_users_are_counted_however_they_are_built(build):
    found = units_for_budget(build, 100)
    assert (found.units, found.parameters) == (14, 7 * 14 + 1)
    assert found.parameters == trainable_parameters(build(found.units))


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="Keras keeps no state on other backends")
def test_models_that_keep_a_state_are_counted():
    assert units_for_budget(stateful, 100)[:2] == (7, 7 * 7 + 5 * 7)


def test_what_is_wrong_with_a_model_is_said_as_python_says_it():
    with pytest.raises(TypeError, match="argument 'nope'"):
        units_for_budget(functools.partial(sequence_model, "rnn", nope=1), 100)


def test_an_outline_has_shapes_and_the_same_model_built_again_has_values():
    build = functools.partial(sequence_model, "lstm", 4, input_dim=3, output_dim=2, seed=0)
    shapes = [tuple(weight.shape) for weight in outline(build).weights]
    assert shapes == [tuple(weight.shape) for weight in build().weights]
    model = build()
    model.compile("sgd", "mse")
    model.fit(keras.ops.ones((2, 5, 3)), keras.ops.ones((2, 2)), verbose=0)


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ({"depth": 101}, "depth must be at most 100; got 101"),
        ({"input_dim": 10**10}, "input_dim must be at most 1,000,000,000; got 10,000,000,000"),
        ({"units": 10**30}, "units must be at most"),
    ],
)
def test_sizes_that_keras_cannot_build_are_refused(sizes, said):
    with pytest.raises(InputError, match=said):
        sequence_model("rnn", **{"units": 1, "input_dim": 1, "output_dim": 1, **sizes})


def test_the_largest_budget_is_answered_and_a_larger_one_is_refused():
    found = units_for_budget(functools.partial(sequence_model, "rnn", input_dim=2, output_dim=1), 10**15)
    assert found.units**2 < found.parameters <= 10**15
    with pytest.raises(InputError, match=r"budget must be at most 1,000,000,000,000,000"):
        units_for_budget(functools.partial(sequence_model, "rnn", input_dim=2, output_dim=1), 10**15 + 1)


@pytest.mark.parametrize("budget", [0, -1, 10.5, True, "100"])
def test_a_budget_must_be_a_positive_integer(budget):
    with pytest.raises(InputError, match="budget must be an integer of at least 1"):
        units_for_budget(lambda units: model("rnn", units, 1, 2, 1), budget)
