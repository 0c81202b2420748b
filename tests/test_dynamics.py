"""Paths, memory and fixed points of trained cells, against NumPy in double precision and SciPy."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize

from keras_rnncap.dynamics import (
    cosines,
    fixed_points,
    linearization,
    next_states,
    roughness,
    state_paths,
    steps_until_wrong,
)
from keras_rnncap.errors import InputError
from keras_rnncap.models import sequence_model


def rnn(recurrent, kernel, bias):
    """An RNN with these matrices, `h = tanh(recurrent h + kernel x + bias)`, in NumPy and as a model."""
    model = sequence_model("rnn", len(bias), input_dim=kernel.shape[1], output_dim=1)
    cell = model.layers[1].cell
    for weight, value in ((cell.kernel, kernel.T), (cell.recurrent_kernel, recurrent.T), (cell.bias, bias)):
        weight.assign(value)
    return model, lambda h, x: np.tanh(recurrent @ h + kernel @ x + bias)


def test_the_three_fixed_points_of_a_unit_that_feeds_itself_twice_over():
    model, _ = rnn(np.array([[2.0]]), np.zeros((1, 1)), np.zeros(1))
    found = fixed_points(model, np.zeros(1), np.linspace(-1, 1, 9)[:, None])
    far = optimize.brentq(lambda h: np.tanh(2 * h) - h, 0.5, 1)
    order = np.argsort(found.points[:, 0])
    np.testing.assert_allclose(found.points[order, 0], [-far, 0, far], atol=1e-3)
    expected = [2 * (1 - far**2), 2.0, 2 * (1 - far**2)]
    np.testing.assert_allclose(found.eigenvalues[order, 0].real, expected, atol=2e-3)
    assert found.stable[order].tolist() == [True, False, True]
    assert (found.speeds < 1e-6).all()


@pytest.mark.parametrize("seed", range(3))
def test_fixed_points_of_larger_cells_are_those_that_scipy_finds(seed):
    rng = np.random.default_rng(seed)
    size = 4
    recurrent, kernel, bias = 1.6 * rng.normal(size=(size, size)) / 2, rng.normal(size=(size, 2)), rng.normal(size=size)
    model, step = rnn(recurrent, kernel, bias)
    x, starts = rng.normal(size=2), rng.uniform(-1, 1, (30, size))
    found = fixed_points(model, x, starts)
    assert len(found.points)
    for point, values in zip(found.points, found.eigenvalues, strict=True):
        solution = optimize.root(lambda h: step(h, x) - h, point, tol=1e-12)
        assert solution.success
        np.testing.assert_allclose(point, solution.x, atol=5e-3)
        exact = np.linalg.eigvals((1 - solution.x**2)[:, None] * recurrent)
        np.testing.assert_allclose(np.sort(np.abs(values)), np.sort(np.abs(exact)), atol=2e-2)
    solutions = [optimize.root(lambda h: step(h, x) - h, start, tol=1e-12) for start in starts]
    for solution in solutions:
        if solution.success:
            assert np.linalg.norm(found.points - solution.x, axis=1).min() < 2e-2


def test_fixed_points_of_a_gru_are_those_that_scipy_finds():
    rng = np.random.default_rng(4)
    model = sequence_model("reset-after-gru", 3, input_dim=2, output_dim=1)
    cell = model.layers[1].cell
    for weight in cell.trainable_weights:
        weight.assign(rng.normal(size=weight.shape))
    kernel, recurrent, bias = (np.array(weight, float) for weight in (cell.kernel, cell.recurrent_kernel, cell.bias))
    x, starts = rng.normal(size=2), rng.uniform(-1, 1, (20, 3))

    def step(h):  # Mehta, eq. 3 to 6
        of_input, of_state = x @ kernel + bias[:9], h @ recurrent + bias[9:]
        z, r = (1 / (1 + np.exp(-of_input[part] - of_state[part])) for part in (slice(0, 3), slice(3, 6)))
        return (1 - z) * np.tanh(of_input[6:] + r * of_state[6:]) + z * h

    found = fixed_points(model, x, starts)
    assert len(found.points)
    for point, values in zip(found.points, found.eigenvalues, strict=True):
        assert (np.abs(point) < 1).all()
        solution = optimize.root(lambda h: step(h) - h, point, tol=1e-12)
        np.testing.assert_allclose(point, solution.x, atol=5e-3)
        exact = np.linalg.eigvals(optimize.approx_fprime(solution.x, step, 1e-7))
        np.testing.assert_allclose(np.sort(np.abs(values)), np.sort(np.abs(exact)), atol=2e-2)


def test_states_of_several_parts_are_joined():
    model = sequence_model("lstm", 3, input_dim=2, output_dim=1, seed=0, cell_options={"bias_initializer": "normal"})
    inputs = np.random.default_rng(0).normal(size=(4, 6, 2)).astype("float32")
    paths = state_paths(model, inputs)
    outputs = keras.layers.RNN(model.layers[1].cell, return_sequences=True)(inputs)
    np.testing.assert_allclose(paths[:, 1:, :3], keras.ops.convert_to_numpy(outputs), atol=1e-6)
    h = paths[:, 3]
    np.testing.assert_allclose(next_states(model.layers[1].cell, inputs[:, 3], h), paths[:, 4], atol=1e-6)
    jacobian = linearization(model.layers[1].cell, inputs[0, 3], h[:1])
    along = np.random.default_rng(1).normal(size=6)
    moved = next_states(model.layers[1].cell, inputs[0, 3], h[:1] + 1e-2 * along) - paths[:1, 4]
    np.testing.assert_allclose(moved[0], 1e-2 * jacobian[0] @ along, atol=5e-4)


def test_only_models_of_one_layer():
    with pytest.raises(InputError, match="one recurrent layer"):
        state_paths(sequence_model("rnn", 2, 2, input_dim=1, output_dim=1), np.zeros((1, 1, 1)))


def test_answers_that_are_wrong_after_some_steps():
    right = np.array([[[1, 1, 0, 1], [0, 1, 1, 1]], [[1, 1, 1, 1], [1, 1, 1, 0]]], bool)
    np.testing.assert_array_equal(steps_until_wrong(right), [[2, 0], [np.nan, 3]])


@given(st.integers(1, 6), st.integers(1, 5), st.integers(0, 1000))
def test_cosines_are_those_of_a_loop_and_of_a_straight_path_one(updates, size, seed):
    weights = np.random.default_rng(seed).normal(size=(updates + 1, size))
    whole = weights[-1] - weights[0]
    for place, found in enumerate(cosines(weights)):
        update = weights[place + 1] - weights[place]
        assert found == pytest.approx(update @ whole / np.linalg.norm(update) / np.linalg.norm(whole))
    straight = np.linspace(0, 1, updates + 1)[:, None] * (1 + np.abs(weights[0]))
    np.testing.assert_allclose(cosines(straight), 1.0)
    assert cosines(np.zeros((updates + 1, size))).tolist() == [0.0] * updates
    assert roughness(cosines(straight)) == pytest.approx(0.0, abs=1e-12)


def test_roughness_is_the_mean_change_of_the_slope():
    assert roughness([0.5, 0.5, 1.0, 0.0]) == pytest.approx((0.5 + 1.5) / 2)
    assert roughness(np.linspace(0.1, 0.9, 7)) == pytest.approx(0.0, abs=1e-12)
    assert roughness([0.3, 0.5]) == 0.0
