"""The search space against appendix A of Collins et al. (2017), transcribed here a second time."""

import math

import keras
import keras_tuner as kt
import numpy as np
import pytest

from keras_rnncap import sequence_model
from keras_rnncap.cells import CELLS
from keras_rnncap.datasets import PerceptronSearch
from keras_rnncap.tuners.spaces import CollinsSpace

# Equations 1-20: the affine maps of each cell, and which b^fg it has.
MAPS = {"rnn": 1, "irnn": 1, "ugrnn": 2, "gru": 3, "lstm": 4, "+rnn": 4}
FORGET_BIASES = {"rnn": 0, "irnn": 0, "ugrnn": 1, "gru": 1, "lstm": 1, "+rnn": 2}
NONLINEARITIES = {cell: {"relu", "tanh"} for cell in MAPS}
NONLINEARITIES |= {"irnn": {"relu"}, "+rnn": {"tanh"}}  # +RNN: s2, section 1.4
SQUARE = {cell: {"identity", "orthogonal", "normal"} for cell in MAPS}
SQUARE |= {"rnn": {"orthogonal", "normal"}, "irnn": {"identity"}}
LEARNING = {
    "optimizer": {"sgd", "momentum", "rmsprop", "adam"},
    "learning_rate": (1e-4, 1e-1, "log"),
    "learning_rate_decay": (1e-3, 1.0, "log"),
    "momentum_logit": (1.0, 7.0, "linear"),
    "clip_norm": (1.0, 100.0, "log"),
    "l2": (1e-8, 1e-3, "log"),
    "bias_kind": {"constant", "normal"},
    "bias_scale": (-2.0, 2.0, "linear"),
    "readout_scale": (1e-3, 2.0, "log"),
}


def appendix_a(cell):
    """Returns name -> (low, high, sampling) or the set of choices, of all that the paper tunes for a cell."""
    expected = dict(LEARNING)
    if len(NONLINEARITIES[cell]) > 1:
        expected["activation"] = NONLINEARITIES[cell]
    for block in CELLS[cell].blocks:
        expected[f"{block}.kernel_scale"] = (1e-3, 2.0, "log")
        if cell != "irnn":
            expected[f"{block}.recurrent_kind"] = SQUARE[cell]
            expected[f"{block}.recurrent_scale"] = (1e-2, 2.0, "log")
    if cell == "+rnn":
        expected["projection_scale"] = (1e-3, 2.0, "log")
    names = ["forget_bias", "depth_forget_bias"][: FORGET_BIASES[cell]]
    return expected | dict.fromkeys(names, (0.0, 6.0, "linear"))


def described(hp):
    if hasattr(hp, "sampling"):
        return (hp.min_value, hp.max_value, hp.sampling)
    return set(hp.values)


@pytest.mark.parametrize("cell", MAPS)
def test_names_ranges_and_scalings_are_appendix_a(cell):
    space = CollinsSpace(CELLS[cell]).hyperparameters().space
    assert len(CELLS[cell].blocks) == MAPS[cell]
    assert {hp.name: described(hp) for hp in space} == appendix_a(cell)
    assert all(hp.step is None for hp in space if hasattr(hp, "step"))


@pytest.mark.parametrize(
    ("cell", "dimensions"), [("irnn", 10), ("rnn", 13), ("ugrnn", 17), ("gru", 20), ("lstm", 23), ("+rnn", 24)]
)
def test_each_cell_has_between_10_and_27_dimensions(cell, dimensions):
    """Appendix A: "each RNN variant had between 10 and 27 HP dimensions". The task's own two come on top."""
    hp = CollinsSpace(CELLS[cell]).hyperparameters()
    assert len(hp.space) == dimensions
    PerceptronSearch(100).add_hyperparameters(hp)
    assert 10 <= len(hp.space) <= 27


def test_the_perceptron_task_adds_the_number_of_patterns_when_they_are_shown_and_what_hopeless_ones_count():
    hp = CollinsSpace(CELLS["irnn"]).hyperparameters()
    before = {one.name for one in hp.space}
    PerceptronSearch(100).add_hyperparameters(hp)
    own = {one.name: one for one in hp.space if one.name not in before}
    assert set(own) == {"patterns_per_parameter", "every_step", "loss_saturation"}
    assert described(own["loss_saturation"]) == (0.0, 1.0, "linear")
    assert described(own["patterns_per_parameter"]) == (0.1, 10.0, "linear")
    assert isinstance(own["every_step"], kt.engine.hyperparameters.Boolean)


def test_the_identity_has_no_scale_and_sgd_no_momentum():
    hp = CollinsSpace(CELLS["ugrnn"]).hyperparameters()
    for values, inactive in [
        ({"candidate.recurrent_kind": "identity"}, "candidate.recurrent_scale"),
        ({"optimizer": "sgd"}, "momentum_logit"),
    ]:
        hp.values = {**hp.values, **values}
        (one,) = (one for one in hp.space if one.name == inactive)
        assert not hp.is_active(one)
        assert all(hp.is_active(other) for other in hp.space if other.name == "gate.recurrent_scale")


def build(cell, values, units=64, depth=1, seed=3, inactive=()):
    """Builds the model of the default values and these, without those that KerasTuner would leave out."""
    space = CollinsSpace(CELLS[cell])
    values = {**space.hyperparameters().values, **values}
    values = {name: value for name, value in values.items() if name not in inactive}
    return sequence_model(
        cell,
        units,
        depth,
        input_dim=400,
        output_dim=300,
        cell_options=space.cell_options(values),
        readout_options=space.readout_options(values),
        seed=seed,
    )


def blocks_of(model, name, layer="layer_1"):
    cell = model.get_layer(layer).cell
    return dict(zip(cell.blocks, np.split(getattr(cell, name).numpy(), len(cell.blocks), axis=-1), strict=True))


@pytest.mark.parametrize("cell", [cell for cell in MAPS if cell != "irnn"])
def test_scales_reach_each_block_of_the_built_model(cell):
    names = CELLS[cell].blocks
    kernel_scales = dict(zip(names, (0.02, 0.3, 1.0, 2.0), strict=False))
    recurrent_scales = dict(zip(names, (0.5, 0.1, 2.0, 1.5), strict=False))
    values = {f"{name}.kernel_scale": scale for name, scale in kernel_scales.items()}
    values |= {f"{name}.recurrent_scale": scale for name, scale in recurrent_scales.items()}
    values |= {f"{name}.recurrent_kind": "orthogonal" for name in names}
    model = build(cell, values)
    for name, block in blocks_of(model, "recurrent_kernel").items():
        np.testing.assert_allclose(block.T @ block, recurrent_scales[name] ** 2 * np.eye(64), atol=1e-4)
    for name, block in blocks_of(model, "kernel").items():
        assert block.std() * math.sqrt(len(block)) == pytest.approx(kernel_scales[name], rel=0.06)


@pytest.mark.parametrize("cell", ["rnn", "gru"])
def test_square_matrices_may_be_normal_or_the_unscaled_identity(cell):
    first, *others = CELLS[cell].blocks
    values = {f"{first}.recurrent_kind": "normal", f"{first}.recurrent_scale": 0.4}
    values |= {f"{name}.recurrent_kind": "identity" for name in others}
    blocks = blocks_of(build(cell, values, inactive={f"{name}.recurrent_scale" for name in others}), "recurrent_kernel")
    assert blocks[first].std() * math.sqrt(64) == pytest.approx(0.4, rel=0.06)
    for name in others:
        scale = blocks[name][0, 0]
        np.testing.assert_array_equal(blocks[name], scale * np.eye(64, dtype="float32"))
        assert scale == 1.0


def test_the_irnn_starts_at_the_identity_with_zero_biases_whatever_the_values():
    model = build("irnn", {"bias_kind": "constant", "bias_scale": 1.5})
    cell = model.get_layer("layer_1").cell
    np.testing.assert_array_equal(cell.recurrent_kernel.numpy(), np.eye(64))
    np.testing.assert_array_equal(cell.bias.numpy(), np.zeros(64))
    assert cell.activation is keras.activations.relu


@pytest.mark.parametrize("scale", [-1.5, 0.0, 0.7])
def test_biases_are_a_constant_or_normal_times_the_scale(scale):
    cell_bias = build("lstm", {"bias_kind": "constant", "bias_scale": scale}).get_layer("layer_1").cell.bias.numpy()
    np.testing.assert_allclose(cell_bias, scale)
    model = build("lstm", {"bias_kind": "normal", "bias_scale": scale})
    for bias in (model.get_layer("layer_1").cell.bias.numpy(), model.get_layer("readout").bias.numpy()):
        assert bias.std() == pytest.approx(abs(scale), rel=0.15)
        assert abs(bias.mean()) <= 0.3 * abs(scale)


def test_readout_and_projection_scales_reach_the_built_model():
    model = build("+rnn", {"readout_scale": 0.05, "projection_scale": 0.01})
    readout, projection = model.get_layer("readout").kernel.numpy(), model.get_layer("layer_1").cell.projection.numpy()
    assert readout.std() * math.sqrt(64) == pytest.approx(0.05, rel=0.05)
    assert projection.std() * math.sqrt(400) == pytest.approx(0.01, rel=0.05)


def test_nonlinearity_and_forget_biases_reach_every_layer():
    model = build("+rnn", {"forget_bias": 2.5, "depth_forget_bias": 5.5}, depth=2)
    for layer in ("layer_1", "layer_2"):
        cell = model.get_layer(layer).cell
        assert (cell.forget_bias, cell.depth_forget_bias) == (2.5, 5.5)
    assert build("gru", {"activation": "relu"}).get_layer("layer_1").cell.activation is keras.activations.relu
    assert build("lstm", {"forget_bias": 4.0}).get_layer("layer_1").cell.forget_bias == 4.0


def test_settings_are_what_was_drawn_and_the_momentum_is_the_sigmoid_of_its_logit():
    values = {
        "optimizer": "rmsprop",
        "learning_rate": 3e-3,
        "learning_rate_decay": 0.05,
        "momentum_logit": 2.0,
        "clip_norm": 7.0,
        "l2": 1e-5,
    }
    settings = CollinsSpace(CELLS["rnn"]).settings(values, steps=123)
    assert settings.momentum == pytest.approx(0.8807970779778823)
    assert (settings.steps, settings.optimizer) == (123, "rmsprop")
    assert (settings.learning_rate, settings.learning_rate_decay) == (3e-3, 0.05)
    assert (settings.clip_norm, settings.l2) == (7.0, 1e-5)
    del values["momentum_logit"]
    assert CollinsSpace(CELLS["rnn"]).settings({**values, "optimizer": "sgd"}, steps=1).optimizer == "sgd"


def test_a_stock_keras_cell_gets_one_scale_for_each_whole_matrix():
    space = CollinsSpace(keras.layers.LSTMCell)
    found = {hp.name: described(hp) for hp in space.hyperparameters().space}
    expected = {**LEARNING, "activation": {"relu", "tanh"}, "kernel_scale": (1e-3, 2.0, "log")}
    expected |= {"recurrent_kind": {"orthogonal", "normal"}, "recurrent_scale": (1e-2, 2.0, "log")}
    assert found == expected
    values = {**space.hyperparameters().values, "kernel_scale": 0.1, "activation": "relu"}
    cell = keras.layers.LSTMCell(50, **space.cell_options(values))
    cell.build((None, 400))
    assert cell.kernel.numpy().std() * 20 == pytest.approx(0.1, rel=0.05)
    assert cell.activation is keras.activations.relu
