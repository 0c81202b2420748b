"""Cells with weights and states of their own, against NumPy, in Keras' loop, in parallel and in populations."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from toy_cells import TOYS, GatedInputCell, LeakyUGRNNCell

from keras_rnncap import ParallelRNN, RecurrentCell, State, UGRNNCell, Weight, sequence_model, units_for_budget
from keras_rnncap.cells import CELLS, get_cell, searched_numbers
from keras_rnncap.errors import InputError

UNITS, INPUT_DIM, BATCH, LENGTH = 4, 3, 5, 6


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def array(weight):
    return keras.ops.convert_to_numpy(weight).astype("float64")


def diagonal(cell, x, h):
    return (np.tanh(x @ array(cell.kernel) + array(cell.bias) + array(cell.recurrent_vector) * h),)


def gated_input(cell, x, h):
    z, c = np.split(x @ array(cell.kernel) + array(cell.bias), 2, axis=-1)
    return ((1 - sigmoid(z)) * h + sigmoid(z) * c,)


def delta(cell, x, y, S):
    S = S.reshape(len(x), 3, UNITS)
    k, q = np.split(x @ array(cell.keys), 2, axis=-1)
    v = x @ array(cell.values)
    k = k / np.sqrt((k * k).sum(-1, keepdims=True) + 1)
    error = v - np.einsum("bkv,bk->bv", S, k)
    S = S * array(cell.table) + cell.rate * np.einsum("bk,bv->bkv", k, error)
    return np.tanh(np.einsum("bkv,bk->bv", S, q) + array(cell.shift)), S.reshape(len(x), -1)


def leaky(cell, x, h):
    c, g = np.split(x @ array(cell.kernel) + h @ array(cell.recurrent_kernel) + array(cell.bias), 2, axis=-1)
    g = sigmoid(g + cell.forget_bias)
    return (cell.leak * h + (1 - cell.leak) * (g * h + (1 - g) * np.tanh(c)),)


EQUATIONS = dict(zip(TOYS, (diagonal, gated_input, delta, leaky), strict=True))


def made(cell, **options):
    """A cell whose every weight, the initial state among them, is asymmetric."""
    one = cell(UNITS, **options)
    one.build((None, INPUT_DIM))
    rng = np.random.default_rng(7)
    for weight in one.trainable_weights:
        weight.assign(rng.normal(size=weight.shape) * 0.7)
    return one


def inputs(seed=1):
    return np.random.default_rng(seed).normal(size=(BATCH, LENGTH, INPUT_DIM)).astype("float32")


@pytest.mark.parametrize("cell", TOYS)
def test_outputs_and_states_follow_the_equation(cell):
    one, x = made(cell), inputs()
    outputs, *states = keras.layers.RNN(one, return_sequences=True, return_state=True)(x)
    now = [array(state) for state in one.get_initial_state(BATCH)]
    learned = [state.learned for state in one.declare_states()]
    assert [bool(np.abs(state).max()) for state in now] == learned
    for t in range(LENGTH):
        now = EQUATIONS[cell](one, x[:, t].astype("float64"), *now)
        np.testing.assert_allclose(outputs[:, t], now[0], atol=1e-5)
    for state, expected in zip(states, now, strict=True):
        np.testing.assert_allclose(state, expected, atol=1e-5)


@pytest.mark.parametrize("cell", TOYS)
def test_a_model_is_saved_loaded_counted_and_stacked(cell, tmp_path):
    model = sequence_model(cell, (5, 3), input_dim=INPUT_DIM, output_dim=2, seed=1)
    assert [layer.cell.units for layer in model.layers[1:3]] == [5, 3]
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(model(inputs()), again(inputs()))
    found = units_for_budget(
        lambda units: sequence_model(cell, units, input_dim=INPUT_DIM, output_dim=2), 300, widths=(1, 2)
    )
    assert abs(found.units[1] - 2 * found.units[0]) <= 1
    assert found.parameters <= 300


def test_numbers_to_search_are_those_of_the_class_and_its_bases_within_their_ranges():
    assert searched_numbers(LeakyUGRNNCell) == {"forget_bias": (0.0, 6.0, 1.0), "leak": (0.0, 0.9, 0.2)}

    class Plain(LeakyUGRNNCell):
        searched = {"forget_bias": None}  # noqa: RUF012

    assert list(searched_numbers(Plain)) == ["leak"]
    with pytest.raises(TypeError, match=r"searched must name arguments of its constructor; got \['lek'\]"):

        class Wrong(UGRNNCell):
            searched = {"lek": (0.0, 1.0)}  # noqa: RUF012


def test_a_cell_without_recurrent_blocks_has_no_recurrent_kernel():
    assert [weight.name for weight in made(GatedInputCell).trainable_weights] == ["initial_state", "kernel", "bias"]


def test_learned_states_of_different_sizes_share_one_weight():
    class Two(RecurrentCell):
        def declare_states(self):
            return [State("output", (self.units,)), State("more", (2, 3)), State("rest", (1,), learned=False)]

    cell = Two(UNITS)
    states = cell.get_initial_state(2)
    assert cell.state_size == [UNITS, 6, 1]
    cell.initial_state.assign(np.arange(UNITS + 6))
    states = cell.get_initial_state(2)
    np.testing.assert_array_equal(states[1], np.tile(np.arange(UNITS, UNITS + 6), (2, 1)))
    assert not array(states[2]).any()


@pytest.mark.parametrize("name", ["kernel", "units"])
def test_a_weight_cannot_have_the_name_of_another_or_of_an_attribute(name):
    class Twice(RecurrentCell):
        blocks = ("hidden",)

        def declare_weights(self, input_dim):
            return [*super().declare_weights(input_dim), Weight(name, (1,))]

    with pytest.raises(ValueError, match=f"names a weight '{name}'"):
        Twice(3).build((None, 2))


# In parallel.


@pytest.mark.parametrize("backwards", [False, True])
def test_the_parallel_form_has_the_weights_outputs_and_gradients_of_the_loop(backwards):
    x = inputs()
    cell = made(GatedInputCell)
    options = {"return_sequences": True, "return_state": True, "go_backwards": backwards}
    loop, parallel = keras.layers.RNN(cell, **options), ParallelRNN(cell, **options)
    for one, other in zip(loop(x), parallel(x), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    mask = np.array([[True] * LENGTH, [False] * 2 + [True] * (LENGTH - 2)] * 2 + [[True] * LENGTH])
    np.testing.assert_allclose(loop(x, mask=mask)[-1], parallel(x, mask=mask)[-1], atol=1e-6)
    assert not np.allclose(parallel(x, mask=mask)[-1], parallel(x)[-1])


def test_the_parallel_form_trains_as_the_loop_does_and_is_saved(tmp_path):
    weights = []
    for layer in (keras.layers.RNN, ParallelRNN):
        model = keras.Sequential([keras.Input((LENGTH, INPUT_DIM)), layer(made(GatedInputCell))])
        model.compile(keras.optimizers.SGD(0.1), "mse")
        model.fit(inputs(), np.ones((BATCH, UNITS)), epochs=3, verbose=0)
        weights.append(model.get_weights())
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(model.predict(inputs(), verbose=0), again.predict(inputs(), verbose=0))


PARALLEL = ("mingru", "minlstm", "lru", "rg-lru", "s6")


def test_the_cells_that_are_linear_in_their_state_have_a_parallel_form():
    assert [name for name, cell in CELLS.items() if cell.scan is not RecurrentCell.scan] == sorted(
        PARALLEL, key=list(CELLS).index
    )


@pytest.mark.parametrize("name", PARALLEL)
def test_a_thousand_steps_at_once_are_those_of_the_loop_with_gradients_masks_and_initial_states(name):
    rng, length = np.random.default_rng(0), 1_024
    cell = get_cell(name)(4, seed=0)
    x = rng.normal(size=(2, length, 3)).astype("float32")
    layers = keras.layers.RNN(cell, return_sequences=True), ParallelRNN(cell, return_sequences=True)
    layers[0](x)
    start = [rng.normal(size=(2, size)).astype("float32") for size in np.atleast_1d(cell.state_size)]
    target = rng.normal(size=(2, length, 4)).astype("float32")
    found = []
    for layer in layers:
        with tf.GradientTape() as tape:
            outputs = layer(x, initial_state=[tf.constant(part) for part in start])
            loss = tf.reduce_mean((outputs - target) ** 2)
        found.append([outputs, *tape.gradient(loss, [weight.value for weight in cell.trainable_weights])])
    for one, other in zip(*found, strict=True):
        if one is not None:  # the learned initial state is not used
            np.testing.assert_allclose(one, other, atol=1e-4)
    mask = np.arange(length) < np.array([[length - 300], [700]])
    masked = [np.array(layer(x, mask=mask))[:, -1] for layer in layers]
    np.testing.assert_allclose(*masked, atol=1e-4)


@pytest.mark.parametrize("name", PARALLEL)
def test_of_sequences_of_any_length_the_loop_runs(name, tmp_path):
    model = keras.Sequential([keras.Input((None, 3)), ParallelRNN(get_cell(name)(4, seed=0), return_sequences=True)])
    x = np.random.default_rng(0).normal(size=(2, 6, 3)).astype("float32")
    expected = keras.layers.RNN(model.layers[0].cell, return_sequences=True)(x)
    np.testing.assert_allclose(model(x), expected, atol=1e-5)
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, atol=1e-5)
    model.export(tmp_path / "saved", verbose=False)
    saved = tf.saved_model.load(tmp_path / "saved")
    np.testing.assert_allclose(saved.serve(x), expected, atol=1e-5)


def test_a_cell_without_a_parallel_form_is_refused():
    with pytest.raises(InputError, match="UGRNNCell"):
        ParallelRNN(UGRNNCell(3))


# On the command line.


@pytest.mark.parametrize("cell", TOYS)
def test_a_sweep_takes_it_as_module_and_class(cell, tmp_path, monkeypatch):
    from keras_rnncap.cli import main

    monkeypatch.chdir(tmp_path)
    command = ["rnncap", "sweep", "perceptron", f"toy_cells:{cell.__name__}", "--params", "200", "--trials", "2"]
    monkeypatch.setattr("sys.argv", [*command, "--steps", "20", "--profile", "smoke", "--out", "run"])
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code
    result = json.loads((tmp_path / "run" / "sweep.json").read_text())
    assert result["trials"] == 2
    assert set(searched_numbers(cell)) <= set(result["hyperparameters"])


def test_what_keras_keeps_private_is_where_it_was():
    """Keras samples dropout masks before its loop only for cells of this class, which it does not export."""
    from keras.src.layers.rnn.dropout_rnn_cell import DropoutRNNCell

    for cell in (keras.layers.GRUCell, keras.layers.LSTMCell, keras.layers.SimpleRNNCell, RecurrentCell):
        assert issubclass(cell, DropoutRNNCell)


def test_an_output_may_have_a_size_of_its_own():
    class Summed(RecurrentCell):
        blocks = ("hidden",)

        def declare_states(self):
            return [State("output", (1,), learned=False), State("hidden", (self.units,))]

        def step(self, x, states, w):
            (a,) = w.of_both(x, states[1])
            h = w.activation(a)
            return (w.sum(h), h)

    model = sequence_model(Summed, (4, 3), input_dim=INPUT_DIM, output_dim=2, seed=0)
    assert model.layers[2].cell.kernel.shape == (1, 3)
    assert model(inputs()).shape == (BATCH, 2)
