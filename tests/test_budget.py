import functools

import keras
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_rnncap import count_parameters, sequence_model, units_for_budget
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


@pytest.mark.parametrize("budget", [0, -1, 10.5, True, "100"])
def test_a_budget_must_be_a_positive_integer(budget):
    with pytest.raises(InputError, match="budget must be an integer of at least 1"):
        units_for_budget(lambda units: model("rnn", units, 1, 2, 1), budget)
