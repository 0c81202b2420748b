"""Gaussian-process regression with a Matern 5/2 kernel and automatic relevance determination."""

import math

import numpy as np
from scipy import linalg, optimize

JITTER = 1e-8
BOUNDS = {"amplitude": (-3.0, 3.0), "noise": (-14.0, 2.0), "bowl": (-8.0, 4.0), "length": (-4.0, 8.0)}
"""Of the logarithms."""
SHARED = 2.7
"""What the logarithms of all lengths share of their prior variance, 3."""
OTHERS = 3
"""Parameters that are not lengths: they come first."""
SUBSET = 200
"""Points to which a process of more than twice as many is fitted first."""


class GaussianProcess:
    """Regression with the kernel of Snoek et al. (2012) and a bowl, fitted to the maximum of the posterior.

        k(x, x') = s^2 (1 + a + a^2 / 3) exp(-a) + t^2 b(x) b(x')^T + [x = x'] v,   a = sqrt(5) |(x - x') / l|
        b(x) = (sqrt(12) u_1, ..., sqrt(12) u_d, sqrt(5) sum_i (6 u_i^2 - 1/2)) / sqrt(2 d),   u = x - 1/2

    with an amplitude s^2, noise v and a length l_i for each dimension. The bowl is a plane and one curvature that all
    dimensions share: the trend across the whole space, which few points tell sooner than what is near each of them.
    Over the cube its mean is 0, and its prior variance t^2. Priors: log s^2 and log t^2 ~ N(0, 1); log v ~ N(-8, 3^2);
    log l_i ~ N(sqrt 2 + log(d) / 2 - 3, 3), of which a variance of 2.7 is shared by all i, so that lengths differ only
    where points say so: each is the log-normal prior of Hvarfner et al. (2024), as its density over l_i itself has it.

    Args:
        x: Points, `(n, d)`, each coordinate in about [0, 1].
        y: Values, `(n,)`, of mean about 0 and deviation about 1; `(n, fantasies)` where there is nothing to fit.
        log_parameters: Logarithms of s^2, v, t^2 and all l_i, where the fit starts; `None` starts at the priors' modes.
        fit: Whether to fit; if not, `log_parameters` are taken as they are.
        log_noise: Mean and deviation of the prior of log v.
        in_bowl: Which dimensions are in the bowl, `(d,)` of booleans; `None` takes all, and without any t^2 is 0.

    Example:
    >>> x = np.linspace(0, 1, 20)[:, None]
    >>> mean, deviation = GaussianProcess(x, np.sin(6 * x[:, 0])).predict(np.array([[0.52]]))
    >>> bool(abs(mean[0] - np.sin(6 * 0.52)) < 0.05)
    True
    """

    def __init__(
        self,
        x: np.ndarray,
        y: np.ndarray,
        log_parameters: np.ndarray | None = None,
        fit: bool = True,
        log_noise: tuple[float, float] = (-8.0, 3.0),
        in_bowl: np.ndarray | None = None,
    ) -> None:
        self.x, self.y = np.asarray(x, float), np.asarray(y, float)
        dimensions = self.x.shape[1]
        of_lengths = [math.sqrt(2) + math.log(dimensions) / 2 - 3] * dimensions
        self._prior_mean = np.array([0.0, log_noise[0], 0.0, *of_lengths])
        covariance = np.diag([1.0, log_noise[1] ** 2, 1.0, *[3.0 - SHARED] * dimensions])
        covariance[OTHERS:, OTHERS:] += SHARED
        self._prior_precision = np.linalg.inv(covariance)
        if log_parameters is None and fit and len(self.y) > 2 * SUBSET:
            few = slice(None, None, len(self.y) // SUBSET)  # a fit to few points is cheap, and a good start
            first = GaussianProcess(self.x[few], self.y[few], log_noise=log_noise, in_bowl=in_bowl)
            log_parameters = first.log_parameters
        start = self._prior_mean if log_parameters is None else np.asarray(log_parameters, float)
        self._in_bowl = np.ones(dimensions, bool) if in_bowl is None else np.asarray(in_bowl, bool)
        self._bowl = self._bowl_of(self.x)
        self.log_parameters: np.ndarray = self._fitted(start) if fit else start
        covariance = self._with_noise(self._kernel(self.x, self.x))
        self._factor = linalg.cholesky(covariance, lower=True, overwrite_a=True, check_finite=False)
        self._weights = linalg.cho_solve((self._factor, True), self.y)

    def _bowl_of(self, x: np.ndarray) -> np.ndarray:
        """Returns b(x), `(n, d + 1)`, of the d dimensions that are in the bowl."""
        u = x[:, self._in_bowl] - 0.5
        curvature = math.sqrt(5) * np.sum(6 * u**2 - 0.5, axis=1, keepdims=True)
        return np.concatenate([math.sqrt(12) * u, curvature], axis=1) / math.sqrt(2 * max(u.shape[1], 1))

    @staticmethod
    def _scaled_distance(x: np.ndarray, other: np.ndarray, log_parameters: np.ndarray) -> np.ndarray:
        """Returns a = sqrt(5) |(x - x') / l|."""
        length = np.exp(log_parameters[OTHERS:])
        x, other = x / length, other / length
        square = np.sum(x**2, 1)[:, None] + np.sum(other**2, 1) - 2 * x @ other.T
        return np.sqrt(5 * np.maximum(square, 0.0))

    def _kernel(self, x: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Returns k without the noise, `(n, m)`."""
        a = self._scaled_distance(x, other, self.log_parameters)
        bowl = math.exp(self.log_parameters[2]) * self._bowl_of(x) @ self._bowl_of(other).T
        return math.exp(self.log_parameters[0]) * (1 + a + a**2 / 3) * np.exp(-a) + bowl

    def _with_noise(self, covariance: np.ndarray) -> np.ndarray:
        covariance[np.diag_indices_from(covariance)] += math.exp(self.log_parameters[1]) + JITTER
        return covariance

    def _fitted(self, start: np.ndarray) -> np.ndarray:
        bounds = [BOUNDS["amplitude"], BOUNDS["noise"], BOUNDS["bowl"], *[BOUNDS["length"]] * self.x.shape[1]]
        options = {"maxiter": 40 if len(self.y) <= 2 * SUBSET else 25, "ftol": 1e-6}
        start = np.clip(start, *np.array(bounds).T)
        return optimize.minimize(self.loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x

    def loss(self, log_parameters: np.ndarray) -> tuple[float, np.ndarray]:
        """Returns the negative log posterior of the parameters, up to a constant, and its gradient."""
        from_mean = log_parameters - self._prior_mean
        prior_gradient = self._prior_precision @ from_mean
        prior = 0.5 * from_mean @ prior_gradient
        a = self._scaled_distance(self.x, self.x, log_parameters)
        amplitude, noise, bowl = np.exp(log_parameters[:OTHERS])
        decay = amplitude * np.exp(-a)
        signal = (1 + a + a**2 / 3) * decay
        covariance = signal + bowl * self._bowl @ self._bowl.T
        covariance[np.diag_indices_from(covariance)] += noise + JITTER
        try:
            factor = linalg.cholesky(covariance, lower=True, overwrite_a=True, check_finite=False)
        except linalg.LinAlgError:
            return 1e10, np.zeros_like(log_parameters)
        weights = linalg.cho_solve((factor, True), self.y, check_finite=False)
        likelihood = 0.5 * self.y @ weights + np.log(np.diag(factor)).sum()
        # Twice the slope of the loss by the covariance: its inverse, of which LAPACK gives a half, - weights weights^T.
        slope, _ = linalg.lapack.dpotri(factor, lower=True, overwrite_c=True)
        slope = np.tril(slope)
        slope += np.tril(slope, -1).T
        slope -= np.outer(weights, weights)
        gradient = np.empty_like(log_parameters)
        gradient[0] = 0.5 * np.vdot(slope, signal)
        gradient[1] = 0.5 * np.trace(slope) * noise
        gradient[2] = 0.5 * np.vdot(slope @ self._bowl, self._bowl) * bowl
        # d k / d log l_i = 5/3 (1 + a) s^2 exp(-a) (x_i - x'_i)^2 / l_i^2, summed without an (n, n, d) array
        slope *= decay
        a += 1
        slope *= a
        x = self.x / np.exp(log_parameters[OTHERS:])
        gradient[OTHERS:] = 5 / 3 * (slope.sum(1) @ x**2 - np.sum(x * (slope @ x), 0))
        return likelihood + prior, gradient + prior_gradient

    def predict(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns mean and standard deviation of the function, without noise, at points `(m, d)`.

        Where there are several values for each point, the means are `(m, fantasies)` and the deviations `(m, 1)`.
        """
        cross = self._kernel(points, self.x)
        half = linalg.solve_triangular(self._factor, cross.T, lower=True, check_finite=False)
        amplitude, _, bowl = np.exp(self.log_parameters[:OTHERS])
        variance = amplitude + bowl * np.sum(self._bowl_of(points) ** 2, 1) - np.einsum("ij,ij->j", half, half)
        deviation = np.sqrt(np.maximum(variance, 1e-12))
        return cross @ self._weights, deviation if self.y.ndim == 1 else deviation[:, None]

    def left_out_means(self) -> np.ndarray:
        """Returns what the other values say of each, `(n,)` (Rasmussen and Williams 2006, eq. 5.12)."""
        inverse = linalg.cho_solve((self._factor, True), np.eye(len(self.y)))
        return self.y - self._weights / np.diag(inverse)

    def fantasies(self, pending: np.ndarray, count: int, rng: np.random.Generator) -> "GaussianProcess":
        """Returns what the process would be if pending points had got values drawn from it (Snoek et al., 2012)."""
        cross = self._kernel(pending, self.x)
        half = linalg.solve_triangular(self._factor, cross.T, lower=True)
        values, vectors = linalg.eigh(self._with_noise(self._kernel(pending, pending) - half.T @ half))
        draws = rng.normal(size=(len(pending), count))
        drawn = (cross @ self._weights)[:, None] + vectors @ (np.sqrt(np.maximum(values, 0))[:, None] * draws)
        points, y = np.concatenate([self.x, pending]), np.concatenate([np.tile(self.y[:, None], count), drawn])
        return GaussianProcess(points, y, self.log_parameters, fit=False, in_bowl=self._in_bowl)
