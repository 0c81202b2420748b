"""RowSOAP against NumPy written from the text, with every backend at hand, saved and loaded."""

import math

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import eigh

from keras_rnncap.cells import GRUCell
from keras_rnncap.errors import InputError
from keras_rnncap.optimizers import Decay, RowSOAP, is_refreshed, last_refresh, unit_blocks


class Reference:
    """One row in float64, as the text has it."""

    def __init__(self, length, beta_1=0.9, every=500):
        self.m, self.v = np.zeros(length), np.zeros(length)
        self.S, self.Q = np.zeros((length, length)), np.eye(length)
        self.beta_1, self.every, self.t = beta_1, every, 0

    def direction(self, g):
        self.t += 1
        self.S = 0.999 * self.S + 0.001 * np.outer(g, g)
        self.m = self.beta_1 * self.m + (1 - self.beta_1) * g
        self.v = 0.999 * self.v + 0.001 * (self.Q.T @ g) ** 2
        m, v = self.m / (1 - self.beta_1**self.t), self.v / (1 - 0.999**self.t)
        step = self.Q @ (self.Q.T @ m / (np.sqrt(v) + 1e-7))
        if self.t in (20, 40, 80, 160, 320, 640) or self.t % self.every == 0:
            self.v, self.Q = eigh(self.S)
        return step


def make_model(seed=0):
    keras.utils.set_random_seed(seed)
    return keras.Sequential([keras.Input((4, 2)), keras.layers.RNN(GRUCell(3)), keras.layers.Dense(2)])


def gradients_of(model, step):
    rng = np.random.default_rng(step)
    return [
        (rng.normal(size=variable.shape) * (1 + np.arange(variable.shape[-1]))).astype("float32")
        for variable in model.trainable_variables
    ]


def rows_of(model):
    """Which entries of which weights are a row: (weight, index of the last axis), or a whole initial state."""
    cell, _ = model.layers
    names = [variable.name for variable in cell.trainable_variables]
    shared = [place for place, name in enumerate(names) if name != "initial_state"]
    width = cell.trainable_variables[shared[0]].shape[-1]
    rows = [[(place, j) for place in shared] for j in range(width)]
    rows += [[(place, None)] for place, name in enumerate(names) if name == "initial_state"]
    return rows + [[(len(names), j), (len(names) + 1, j)] for j in range(2)]


def take(arrays, row):
    return np.concatenate([(arrays[p] if j is None else arrays[p][..., j]).ravel() for p, j in row])


def test_rows_move_as_in_numpy_from_the_text():
    model = make_model()
    optimizer = RowSOAP(0.01, beta_1=0.8, refresh_every=50)
    optimizer.build(model.trainable_variables)
    rows = rows_of(model)
    references = [Reference(len(take(gradients_of(model, 0), row)), 0.8, 50) for row in rows]
    expected = [take([np.array(v, "float64") for v in model.get_weights()], row) for row in rows]
    for step in range(110):
        gradients = gradients_of(model, step)
        optimizer.apply([keras.ops.convert_to_tensor(g) for g in gradients])
        for place, row in enumerate(rows):
            expected[place] = expected[place] - 0.01 * references[place].direction(
                take(gradients, row).astype("float64")
            )
        weights = model.get_weights()
    for place, row in enumerate(rows):
        np.testing.assert_allclose(take(weights, row), expected[place], rtol=2e-3, atol=2e-4)


def test_weights_that_are_not_given_stay_and_the_others_move_as_without_them():
    model, other = make_model(), make_model()
    place = len(model.layers[0].trainable_variables)
    part, alone = RowSOAP(0.01, refresh_every=7), RowSOAP(0.01, refresh_every=7)
    part.build(model.trainable_variables)
    alone.build(other.trainable_variables[place:])
    before = model.get_weights()
    for step in range(25):
        gradients = [keras.ops.convert_to_tensor(gradient) for gradient in gradients_of(model, step)[place:]]
        part.apply(gradients, model.trainable_variables[place:])
        alone.apply(gradients)
    for mine, first, theirs in zip(model.get_weights(), before, other.get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5)
        assert (mine == first).all() == (theirs == first).all()
    assert (model.get_weights()[-1] != before[-1]).all()
    part.apply([keras.ops.convert_to_tensor(gradient) for gradient in gradients_of(model, 0)])
    assert all((mine != first).any() for mine, first in zip(model.get_weights(), before, strict=True))


def test_of_a_row_a_part_can_move():
    model = make_model()
    kernel, *others = model.layers[0].trainable_variables
    optimizer = RowSOAP(0.01)
    optimizer.build(model.trainable_variables)
    before = [np.array(variable) for variable in (kernel, *others)]
    optimizer.apply([keras.ops.convert_to_tensor(gradients_of(model, 0)[0])], [kernel])
    assert (np.array(kernel) != before[0]).all()
    assert all((np.array(variable) == first).all() for variable, first in zip(others, before[1:], strict=True))


@given(st.lists(st.tuples(st.sampled_from("ab"), st.lists(st.integers(1, 4), max_size=3)), min_size=1, max_size=6))
def test_every_parameter_is_in_one_block(weights):
    shapes = [(f"layer_{layer}/weight_{place}", tuple(shape)) for place, (layer, shape) in enumerate(weights)]
    places = np.concatenate([block.ravel() for block in unit_blocks(shapes, largest=5)])
    assert sorted(places) == list(range(sum(math.prod(shape) for _, shape in shapes)))


def test_a_block_is_what_an_output_unit_is_made_of():
    shapes = [("rnn/cell/kernel", (2, 6)), ("rnn/cell/recurrent_kernel", (3, 6)), ("rnn/cell/bias", (6,))]
    (blocks,) = unit_blocks([*shapes, ("rnn/cell/initial_state", (1, 3))])[:1]
    flat = np.concatenate([np.arange(12), 100 + np.arange(18), 200 + np.arange(6)])
    assert flat[blocks[4]].tolist() == [4, 10, 104, 110, 116, 204]
    assert unit_blocks([("rnn/cell/initial_state", (1, 3))])[0].shape == (1, 3)


def test_blocks_that_are_too_long_are_trained_by_adam():
    layers = [keras.Input((6,)), keras.layers.Dense(3, kernel_initializer="zeros")]
    models = [keras.Sequential(layers), keras.Sequential(layers)]
    for model, optimizer in zip(models, (RowSOAP(0.1, largest_block=6), keras.optimizers.Adam(0.1)), strict=True):
        model.set_weights([np.zeros((6, 3)), np.zeros(3)])
        optimizer.build(model.trainable_variables)
        for step in range(30):
            optimizer.apply([keras.ops.convert_to_tensor(gradient) for gradient in gradients_of(model, step)])
        model.result = np.concatenate([weight.ravel() for weight in model.get_weights()])
    np.testing.assert_allclose(models[0].result, models[1].result, rtol=1e-3, atol=1e-5)


def test_bases_are_refreshed_as_often_as_the_text_says():
    due = [step for step in range(1, 2001) if is_refreshed(step)]
    assert due == [20, 40, 80, 160, 320, 500, 640, 1000, 1500, 2000]
    assert last_refresh(np.array([0, 19, 20, 79, 499, 640, 999, 1250])).tolist() == [0, 0, 20, 40, 320, 640, 640, 1000]


def test_fit_learns_with_a_rotated_problem_faster_than_adam():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(256, 20)) @ np.diag(np.logspace(0, -2, 20)) @ np.linalg.qr(rng.normal(size=(20, 20)))[0]
    y = x @ rng.normal(size=(20, 4))
    losses = []
    for optimizer in (RowSOAP(Decay(0.05, 400)), keras.optimizers.Adam(Decay(0.05, 400))):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((20,)), keras.layers.Dense(4)])
        model.compile(optimizer, "mse", steps_per_execution=10)
        # One epoch of 400 times the same batch: epochs cost more than their step.
        model.fit(np.tile(x, (400, 1)), np.tile(y, (400, 1)), batch_size=256, verbose=0, shuffle=False)
        losses.append(model.evaluate(x, y, batch_size=256, verbose=0))
    assert losses[0] < losses[1] / 2


def test_a_saved_model_goes_on_as_if_it_had_not_been_saved(tmp_path):
    x, y = np.random.default_rng(0).normal(size=(2, 32, 4, 2)).astype("float32")
    y = y[:, 0]
    model = make_model()
    schedule = Decay(0.01, steps=60, decay=0.1, warmup=0.1, linear=True)
    model.compile(RowSOAP(schedule, refresh_every=15, weight_decay=0.1, global_clipnorm=1.0), "mse")
    before = model.get_weights()
    model.fit(x, y, epochs=25, batch_size=32, verbose=0, shuffle=False)
    assert not any(np.array_equal(*pair) for pair in zip(before, model.get_weights(), strict=True))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.optimizer.get_config() == model.optimizer.get_config()
    for each in (model, loaded):
        each.fit(x, y, epochs=25, batch_size=32, verbose=0, shuffle=False)
    for expected, weight in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_allclose(weight, expected, rtol=1e-4, atol=1e-5)


def test_a_weight_without_a_gradient_stays():
    model = make_model()
    optimizer = RowSOAP(0.1)
    optimizer.build(model.trainable_variables)
    gradients = [None, *map(keras.ops.convert_to_tensor, gradients_of(model, 0)[1:])]
    before = model.get_weights()
    optimizer.apply(gradients)
    after = model.get_weights()
    np.testing.assert_array_equal(after[0], before[0])
    assert not np.allclose(after[1], before[1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beta_1": 1.0}, "beta_1 must be"),
        ({"refresh_every": 0}, "refresh_every must be an integer of at least 1"),
        ({"largest_block": 0}, "largest_block must be"),
    ],
)
def test_bad_arguments_are_named(options, message):
    with pytest.raises(InputError, match=message):
        RowSOAP(**options)


def test_the_decay_alone_is_that_of_keras():
    keras_own = keras.optimizers.schedules.ExponentialDecay(0.3, decay_steps=50, decay_rate=0.01)
    for step in (0, 1, 25, 49, 50):
        assert float(Decay(0.3, 50, 0.01)(step)) == pytest.approx(float(keras_own(step)), rel=1e-5)


@pytest.mark.parametrize("options", [{"steps": 0}, {"decay": 0.0}, {"warmup": 2.0}, {"linear": 1}])
def test_bad_decays_are_refused(options):
    with pytest.raises(InputError, match=next(iter(options))):
        Decay(**{"rate": 0.1, "steps": 10} | options)
