"""The Gaussian process beside scikit-learn's, and its own derivatives beside differences."""

import numpy as np
import pytest
from scipy import stats
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Kernel, Matern, WhiteKernel

from keras_rnncap.tuners.oracles.gaussian_process import JITTER, GaussianProcess

RNG = np.random.default_rng(0)
X, POINTS = RNG.random((40, 3)), RNG.random((25, 3))
Y = np.sin(6 * X[:, 0]) + X[:, 1] ** 2 + 0.1 * RNG.normal(size=40)
PARAMETERS = np.array([0.3, -3.0, 0.7, -1.0, 0.2, 1.5])


class Bowl(Kernel):
    """A plane and a curvature that three dimensions share, whose prior variance over the cube is 1."""

    def __init__(self):  # scikit-learn reads the names of its arguments
        super().__init__()

    def __call__(self, x, y=None, eval_gradient=False):
        other = x if y is None else y
        plane = 12 * (x - 0.5) @ (other - 0.5).T
        curved, other_curved = (np.sum(6 * points * (points - 1) + 1, axis=1) for points in (x, other))
        covariance = (plane + 5 * np.outer(curved, other_curved)) / 6
        return (covariance, np.empty((*covariance.shape, 0))) if eval_gradient else covariance

    def diag(self, x):
        return np.diag(self(x))

    def is_stationary(self):
        return False


@pytest.fixture
def theirs():
    amplitude, noise, bowl, *lengths = np.exp(PARAMETERS)
    kernel = ConstantKernel(amplitude) * Matern(lengths, nu=2.5) + WhiteKernel(noise + JITTER)
    kernel += ConstantKernel(bowl) * Bowl()
    return GaussianProcessRegressor(kernel, alpha=0.0, optimizer=None).fit(X, Y)


@pytest.mark.parametrize("log_noise", [(-8.0, 3.0), (-2.0, 2.0)])
def test_mean_deviation_and_likelihood_are_those_of_scikit_learn(theirs, log_noise):
    ours = GaussianProcess(X, Y, PARAMETERS, fit=False, log_noise=log_noise)
    mean, deviation = ours.predict(POINTS)
    expected, with_noise = theirs.predict(POINTS, return_std=True)
    np.testing.assert_allclose(mean, expected, atol=1e-8)
    np.testing.assert_allclose(deviation**2, with_noise**2 - np.exp(PARAMETERS[1]) - JITTER, atol=1e-8)
    lengths = stats.multivariate_normal([np.sqrt(2) + np.log(3) / 2 - 3] * 3, 0.3 * np.eye(3) + 2.7)
    others = stats.norm([0, log_noise[0], 0], [1, log_noise[1], 1])
    prior = -lengths.logpdf(PARAMETERS[3:]) - others.logpdf(PARAMETERS[:3]).sum()
    at_mode = -lengths.logpdf(lengths.mean) - others.logpdf([0, log_noise[0], 0]).sum()
    likelihood = ours.loss(PARAMETERS)[0] - (prior - at_mode)
    assert -likelihood - 0.5 * 40 * np.log(2 * np.pi) == pytest.approx(theirs.log_marginal_likelihood_value_)


def test_the_gradient_is_that_of_differences():
    process = GaussianProcess(X, Y, PARAMETERS, fit=False)
    for parameters in np.random.default_rng(1).normal(size=(5, 6)):
        gradient = process.loss(parameters)[1]
        differences = [process.loss(parameters + e)[0] - process.loss(parameters - e)[0] for e in 1e-6 * np.eye(6)]
        np.testing.assert_allclose(gradient, np.array(differences) / 2e-6, rtol=1e-5, atol=1e-5)


def test_the_fit_finds_what_matters_and_predicts_better_than_the_mean():
    process = GaussianProcess(X, (Y - Y.mean()) / Y.std())
    assert process.loss(process.log_parameters)[0] < process.loss(process._prior_mean)[0]
    assert process.log_parameters[5] > process.log_parameters[3] + 1  # the third coordinate does nothing
    truth = (np.sin(6 * POINTS[:, 0]) + POINTS[:, 1] ** 2 - Y.mean()) / Y.std()
    assert np.mean((process.predict(POINTS)[0] - truth) ** 2) < 0.05 * truth.var()


def test_lengths_differ_where_points_say_so_and_not_by_chance():
    rng = np.random.default_rng(2)

    def lengths(count, function):
        x = rng.random((count, 6))
        y = function(x)
        return GaussianProcess(x, (y - y.mean()) / y.std()).log_parameters[3:]

    of_chance = [lengths(15, lambda x: rng.normal(size=len(x))) for _ in range(20)]
    assert np.mean([one.std() for one in of_chance]) < 0.2
    one_matters = lengths(30, lambda x: np.sin(5 * x[:, 0]))
    assert one_matters[1:].min() > one_matters[0] + 2


def test_fantasies_are_draws_of_the_process_and_leave_little_uncertainty_where_they_are():
    process = GaussianProcess(X, Y, PARAMETERS, fit=False)
    pending = POINTS[:2]
    mean, deviation = process.predict(pending)
    fantasies = process.fantasies(pending, 4000, np.random.default_rng(0))
    drawn = fantasies.predict(fantasies.x)[0][-2:]  # shrunk towards the mean by the noise, as all observed values are
    np.testing.assert_allclose(drawn.mean(axis=1), mean, atol=5 * deviation.max() / np.sqrt(4000))
    assert (fantasies.predict(pending)[1][:, 0] < deviation).all()
    assert (fantasies.predict(pending)[1][:, 0] < np.exp(PARAMETERS[1] / 2)).all()
    again = process.fantasies(pending, 4000, np.random.default_rng(0))
    np.testing.assert_array_equal(again.predict(again.x)[0], fantasies.predict(fantasies.x)[0])


def test_far_from_all_points_a_bowl_is_seen_that_the_lengths_do_not_reach():
    rng = np.random.default_rng(3)

    def function(x):  # a bowl whose bottom is beside the middle, under bumps
        return -np.sum((x - 0.6) ** 2, axis=1) + 0.05 * np.sum(np.sin(40 * x), axis=1)

    x, points = rng.random((25, 6)), rng.random((500, 6))
    y = function(x)
    process = GaussianProcess(x, (y - y.mean()) / y.std())
    error = process.predict(points)[0] - (function(points) - y.mean()) / y.std()
    assert np.mean(error**2) < 0.4


def test_the_bowl_varies_over_the_cube_by_its_parameter_around_zero():
    only_bowl = np.array([-30.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    cube = np.random.default_rng(4).random((4000, 3))
    process = GaussianProcess(cube[:1], np.zeros(1), only_bowl, fit=False)
    assert np.mean(np.diag(process._kernel(cube, cube))) == pytest.approx(1.0, abs=0.05)
    assert abs(process._kernel(cube, POINTS).mean(axis=0)).max() < 0.1
