import keras
import numpy as np
import pytest

from keras_rnncap import IntersectionRNNCell, UGRNNCell, sequence_model
from keras_rnncap.cells import CELLS
from keras_rnncap.errors import InputError


def weights(model):
    """The weights by `layer/name`, whatever the cell between the two is called."""
    return {
        f"{layer.name}/{weight.name}": keras.ops.convert_to_numpy(weight)
        for layer in model.layers
        for weight in layer.trainable_weights
    }


CONSTANT = {
    "irnn": ["recurrent_kernel"],
    "fastgrnn": ["zeta", "nu"],
    "s6": ["log_decay", "skip"],
    "mlstm": ["key_bias", "value_bias", "gate_bias"],
}
"""Weights that start from the same values each time, besides initial states and all biases but JANET's."""


def kernel(model, layer, name="recurrent_kernel"):
    return keras.ops.convert_to_numpy(getattr(model.get_layer(f"layer_{layer}").cell, name))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("return_sequences", [False, True])
def test_shapes(cell, return_sequences):
    model = sequence_model(cell, 5, 2, input_dim=3, output_dim=2, return_sequences=return_sequences)
    assert model.output_shape == ((None, None, 2) if return_sequences else (None, 2))
    assert model(np.ones((4, 6, 3))).shape == ((4, 6, 2) if return_sequences else (4, 2))
    assert [layer.name for layer in model.layers] == ["inputs", "layer_1", "layer_2", "readout"]
    weights = {weight.name: weight for weight in model.get_layer("layer_2").cell.weights}
    declared = model.get_layer("layer_2").cell.declare_weights(5)
    assert {weights[one.name].shape[0] for one in declared if one.dropout == "input"} == {5}


def test_the_readout_is_a_linear_map_of_the_last_output():
    model = sequence_model("gru", 4, input_dim=3, output_dim=2)
    x = np.random.default_rng(0).normal(size=(5, 6, 3)).astype("float32")
    last, readout = model.get_layer("layer_1")(x), model.get_layer("readout")
    W, b = (keras.ops.convert_to_numpy(weight) for weight in readout.weights)
    np.testing.assert_allclose(model(x), keras.ops.convert_to_numpy(last) @ W + b, atol=1e-6)


def test_the_readout_starts_normal_with_standard_deviation_one_by_root_units():
    model = sequence_model("rnn", 100, input_dim=1, output_dim=400, seed=0)
    W, b = (keras.ops.convert_to_numpy(weight) for weight in model.get_layer("readout").weights)
    assert np.std(W) == pytest.approx(0.1, rel=0.02)
    assert not b.any()


@pytest.mark.parametrize("cell", [*CELLS, keras.layers.SimpleRNNCell, keras.layers.GRUCell, keras.layers.LSTMCell])
def test_the_same_seed_gives_the_same_weights(cell):
    one, again, other = (
        weights(sequence_model(cell, 4, 2, input_dim=4, output_dim=4, seed=seed)) for seed in (1, 1, 2)
    )
    assert list(one) == list(again)
    for name, value in one.items():
        np.testing.assert_array_equal(value, again[name], err_msg=name)
        last = name.split("/")[-1]
        constant = last in CONSTANT.get(cell, ()) or last in ("initial_state", "bias")
        constant = constant and not (cell == "janet" and name.startswith("layer") and last == "bias")
        assert (np.abs(value - other[name]).max() > 1e-3) == (not constant), name


@pytest.mark.parametrize("seed", [None, 1])
@pytest.mark.parametrize("cell", ["rnn", "ugrnn", "+rnn"])
def test_layers_differ_from_each_other(cell, seed):
    model = sequence_model(cell, 4, 3, input_dim=4, output_dim=4, seed=seed)
    for name in ("kernel", "recurrent_kernel"):
        drawn = [kernel(model, layer, name) for layer in (1, 2, 3)]
        assert min(np.abs(drawn[i] - drawn[j]).max() for i, j in ((0, 1), (0, 2), (1, 2))) > 1e-2
    assert np.abs(kernel(model, 1, "kernel")[:, :4] - weights(model)["readout/kernel"]).max() > 1e-2


@pytest.mark.parametrize("cell", CELLS)
def test_variables_have_the_same_names_in_every_model(cell):
    """TensorFlow keeps a kernel, 35 kB, for each new name of a variable: long sweeps would not stay in memory."""
    one, other = ([w.path for w in sequence_model(cell, 3, 2, input_dim=3, output_dim=1).variables] for _ in range(2))
    assert one == other


def test_without_a_seed_models_differ():
    one, other = (weights(sequence_model("gru", 4, input_dim=3, output_dim=2)) for _ in range(2))
    for name in ("layer_1/kernel", "layer_1/recurrent_kernel", "readout/kernel"):
        assert np.abs(one[name] - other[name]).max() > 1e-3, name


def test_dropout_masks_of_layers_come_from_the_seed():
    x = np.ones((3, 5, 2))
    outputs = []
    for seed in (1, 1):
        model = sequence_model("rnn", 8, 2, input_dim=2, output_dim=1, seed=seed, cell_options={"dropout": 0.5})
        outputs.append(keras.ops.convert_to_numpy(model(x, training=True)))
        assert np.abs(outputs[-1] - keras.ops.convert_to_numpy(model(x))).max() > 1e-4
    np.testing.assert_array_equal(*outputs)


@pytest.mark.parametrize("input_dim", [3, 4])
def test_only_the_first_layer_of_an_intersection_rnn_projects_and_always_does(input_dim):
    model = sequence_model("+rnn", 4, 3, input_dim=input_dim, output_dim=1)
    assert [name for name in weights(model) if name.endswith("projection")] == ["layer_1/projection"]
    assert kernel(model, 1, "projection").shape == (input_dim, 4)


def test_cell_options_reach_every_layer_and_win():
    options = {"forget_bias": 3.5, "input_projection": None, "seed": 3}
    model = sequence_model(IntersectionRNNCell, 4, 2, input_dim=4, output_dim=1, cell_options=options, seed=1)
    cells = [model.get_layer(f"layer_{layer}").cell for layer in (1, 2)]
    assert [(cell.forget_bias, cell.projection, cell.seed) for cell in cells] == [(3.5, None, 3)] * 2
    assert options == {"forget_bias": 3.5, "input_projection": None, "seed": 3}


def test_readout_options_reach_the_readout_and_its_initializer_is_seeded():
    options = {"activation": "sigmoid", "kernel_initializer": "glorot_uniform", "bias_initializer": "random_normal"}
    models = [
        sequence_model("rnn", 4, input_dim=3, output_dim=2, seed=seed, readout_options=options) for seed in (1, 1, 2)
    ]
    readouts = [model.get_layer("readout") for model in models]
    assert readouts[0].activation == keras.activations.sigmoid
    for name in ("kernel", "bias"):
        one, again, other = (keras.ops.convert_to_numpy(getattr(readout, name)) for readout in readouts)
        np.testing.assert_array_equal(one, again)
        assert np.abs(one - other).max() > 1e-3
    assert set(options) == {"activation", "kernel_initializer", "bias_initializer"}
    (bare,) = sequence_model("rnn", 4, input_dim=3, output_dim=2, readout_options={"use_bias": False}).layers[2:]
    assert not bare.use_bias


@pytest.mark.parametrize("cell", [keras.layers.SimpleRNNCell, keras.layers.GRUCell, keras.layers.LSTMCell])
def test_cells_of_keras_work(cell):
    model = sequence_model(cell, 4, 2, input_dim=3, output_dim=2, cell_options={"dropout": 0.1})
    assert model(np.ones((2, 5, 3))).shape == (2, 2)
    assert isinstance(model.get_layer("layer_2").cell, cell)


def test_a_function_of_units_works_as_a_cell():
    model = sequence_model(lambda units: UGRNNCell(2 * units), 4, input_dim=3, output_dim=2)
    assert model.get_layer("layer_1").cell.units == 8


def test_unrolled_equals_not_unrolled():
    x = np.random.default_rng(0).normal(size=(4, 6, 3)).astype("float32")
    model, unrolled = (
        sequence_model("ugrnn", 4, 2, input_dim=3, output_dim=2, seed=1, **more)
        for more in ({}, {"unroll": True, "length": 6})
    )
    assert unrolled.input_shape == (None, 6, 3)
    assert unrolled.get_layer("layer_2").unroll
    np.testing.assert_allclose(model(x), unrolled(x), atol=1e-6)


def test_unknown_options_are_named_with_the_valid_ones():
    with pytest.raises(
        InputError, match=r"unknown option of GRUCell 'forget_bia': did you mean 'forget_bias'\?.*use_bias"
    ):
        sequence_model("gru", 4, input_dim=3, output_dim=2, cell_options={"forget_bia": 1.0})
    with pytest.raises(InputError, match=r"unknown option of LSTMCell 'forget_bias'.*unit_forget_bias"):
        sequence_model(keras.layers.LSTMCell, 4, input_dim=3, output_dim=2, cell_options={"forget_bias": 1.0})


@pytest.mark.parametrize("name", ["units", "depth", "input_dim", "output_dim"])
@pytest.mark.parametrize("value", [0, -1, 1.5, True, "3"])
def test_sizes_must_be_positive_integers(name, value):
    sizes = {"units": 4, "depth": 1, "input_dim": 3, "output_dim": 2, name: value}
    with pytest.raises(InputError, match=f"{name} must be an integer of at least 1"):
        sequence_model("rnn", **sizes)


@pytest.mark.parametrize("options", [{"length": 0}, {"length": 2.5}, {"seed": 1.5}, {"unroll": True}])
def test_lengths_and_seeds_must_be_integers_and_unrolling_needs_a_length(options):
    with pytest.raises(InputError, match=r"length|seed"):
        sequence_model("rnn", 4, input_dim=3, output_dim=2, **options)


def test_an_unknown_cell_is_named_with_the_nearest():
    with pytest.raises(InputError, match=r"unknown cell 'ugrn': did you mean 'ugrnn'\?"):
        sequence_model("ugrn", 4, input_dim=3, output_dim=2)
