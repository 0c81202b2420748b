"""A KerasTuner oracle: Bayesian optimization by a Gaussian process, for any number of trials at the same time."""

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from keras_tuner.engine.trial import Trial, TrialStatus
from scipy import special, stats
from threadpoolctl import ThreadpoolController

from keras_rnncap.errors import check_integer, check_seed
from keras_rnncap.tuners.oracles.durable import DurableOracle
from keras_rnncap.tuners.oracles.encoding import SpaceEncoding
from keras_rnncap.tuners.oracles.gaussian_process import OTHERS, GaussianProcess
from keras_rnncap.tuners.oracles.warping import NEAR_BEST, ROBUST, WARPINGS, is_telling, robust_scores

FANTASIES = 8
CANDIDATES = 2000
"""Points drawn from the whole space for each proposal; as many are drawn near the best trials, in rounds."""
MOST_TRIALS = 1000
"""Trials that the process sees: of more, the newest, half of this number, and the best of the others."""
FIT_ALWAYS = 100
"""Trials up to which the process is fitted for each proposal; afterwards, when there are a tenth more than before."""
LEAST_APART = 2e-3
"""Points that are no farther from one in training, in any feature, are not proposed, unless the space is listed."""
EVIDENCE = 3.0
"""By how much larger the log likelihood must be of scores warped near the best, for that to be done."""
FEASIBLE = "feasible"
INITIAL, PROCESS = "initial", "process"
"""What proposed a trial: a sequence that fills the space, before the process is asked, or the process."""
FAILURE_NOISE = (0.0, 1.0)
"""Mean and deviation of the prior of the logarithm of the share of failures that no place explains."""


@functools.cache
def _libraries() -> ThreadpoolController:
    """Returns the libraries of this process that compute with threads of their own."""
    return ThreadpoolController()


class GPBanditOracle(DurableOracle):
    """Proposes where a Gaussian process expects the largest improvement (Snoek et al., 2012; Desautels et al., 2014).

    The process has a Matern 5/2 kernel with a length for each feature, and a bowl that spans the space. Running trials
    are pending: the improvement is averaged over values that the process expects of them. A second process learns where
    trials fail, or score absurdly: failures that their place explains count as bad scores, others not at all, and the
    improvement is weighed with the probability of success. Scores below the median are compressed; or, where that is
    likelier, all are taken by the logarithm of their distance from the best. Of more than 1,000 trials it sees the
    newest 500 and the best 500 of the others. No point is proposed twice; where none is left, the search stops. The
    same seed gives the same proposals, also after `reload` in another process.

    Args:
        objective: As for `keras_tuner.Oracle`, which takes all further arguments too.
        max_trials: Number of trials.
        initial_trials: Trials that are asked for before the process is, or more until two have scores; their points are
            Sobol's. `None` takes one more than there are hyperparameters, at least 6 and at most 40.
        seed: Seed of all proposals; 0 is a seed. `None` draws one.
        **options: Further arguments of `keras_tuner.Oracle`: after `max_consecutive_failed_trials`, 3 failures in a
            row, the search ends with an error. Where failures are results, say `10**9`.

    Raises:
        FatalValueError: From a KerasTuner tuner's `search`, if its models have no metric of the objective's name.

    Example:
    >>> import keras_tuner as kt
    >>> hp = kt.HyperParameters()
    >>> rate = hp.Float("rate", 1e-4, 1e-1, sampling="log")
    >>> tuner = kt.Tuner(  # doctest: +SKIP
    ...     GPBanditOracle(kt.Objective("val_loss", "min"), max_trials=20, hyperparameters=hp, seed=0), build_model
    ... )
    """

    name = "gp"

    def __init__(
        self,
        objective: Any = None,
        max_trials: int = 10,
        initial_trials: int | None = None,
        seed: int | None = None,
        **options: Any,
    ) -> None:
        check_integer("max_trials", max_trials, 1)
        if initial_trials is not None:
            check_integer("initial_trials", initial_trials, 1)
        super().__init__(objective, max_trials=max_trials, seed=seed, **options)
        if seed is not None:
            self.seed = check_seed(seed)  # KerasTuner takes 0 for none
        self.initial_trials = initial_trials
        self.proposed_by = INITIAL
        self._log_parameters: dict[str, np.ndarray] = {}
        self._warping = ROBUST
        self._fitted_to = 0

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Returns the values of the next trial, or that there is none."""
        del trial_id
        with _libraries().limit(limits=1, user_api="blas"):  # matrices are small; threads wait for those that train
            return self._proposal()

    def _proposal(self) -> dict[str, Any]:
        encoding = SpaceEncoding(self.get_space())
        if not encoding.dimensions:
            return {"status": TrialStatus.STOPPED} if self.trials else {"status": TrialStatus.RUNNING, "values": {}}
        self.proposed_by = INITIAL if self._is_initial(encoding) else PROCESS
        rng = np.random.default_rng([self.seed, len(self.trials)])
        listed = encoding.all_points()
        for _ in range(5 if listed is None else 1):
            points = self._candidates(encoding, rng) if listed is None else listed
            points = self._ranked(encoding, points, listed is not None, rng)
            for point in points if listed is not None else self._apart(encoding, points):
                values = encoding.values(point)
                if self._compute_values_hash(values) not in self._tried_so_far:
                    return {"status": TrialStatus.RUNNING, "values": values}
        return {"status": TrialStatus.STOPPED}

    def _trials(self, ended: bool) -> list[Trial]:
        """Returns the trials that have ended, or those that have not; one that its tuner is about to end has not."""
        end_order = set(self.end_order)
        return [trial for name, trial in self.trials.items() if (name in end_order) == ended]

    def _is_initial(self, encoding: SpaceEncoding) -> bool:
        count = self.initial_trials or min(max(encoding.dimensions + 1, 6), 40)
        return len(self.trials) < count or sum(trial.score is not None for trial in self._trials(ended=True)) < 2

    def _apart(self, encoding: SpaceEncoding, points: np.ndarray) -> np.ndarray:
        """Returns points without those beside one that is in training."""
        if not (running := self._running_points(encoding)).size:
            return points
        features, there = encoding.features(points), encoding.features(running)
        apart = np.ones(len(points), bool)
        for place in there:
            apart &= np.abs(features - place).max(axis=1) > LEAST_APART
        return points[apart]

    def _running_points(self, encoding: SpaceEncoding) -> np.ndarray:
        running = [encoding.point(trial.hyperparameters.values) for trial in self._trials(ended=False)]
        return np.array(running).reshape(-1, encoding.dimensions)

    def _candidates(self, encoding: SpaceEncoding, rng: np.random.Generator) -> np.ndarray:
        """Returns points of the cube, those to be tried first first where there is no process yet."""
        if self._is_initial(encoding):
            sequence = stats.qmc.Sobol(encoding.dimensions, rng=np.random.default_rng([self.seed, 2**31]))
            return sequence.random_base2((len(self.trials) + 64).bit_length())[len(self.trials) :]
        return rng.random((CANDIDATES, encoding.dimensions))

    def _ranked(
        self, encoding: SpaceEncoding, points: np.ndarray, listed: bool, rng: np.random.Generator
    ) -> np.ndarray:
        """Returns points, the best first: those given and, unless the space is listed, others near the best."""
        if self._is_initial(encoding):
            return rng.permutation(points) if listed else points
        improvement, best_trials = self._improvement(encoding, rng)
        scores = improvement(points)
        for scale in () if listed else (0.2, 0.05, 0.0125):
            top = np.concatenate([best_trials, points[np.argsort(-scores)[:5]]])
            near = self._near(top, scale, rng)
            points, scores = np.concatenate([points, near]), np.concatenate([scores, improvement(near)])
        return points[np.argsort(-scores, kind="stable")]

    def _near(self, centers: np.ndarray, scale: float, rng: np.random.Generator) -> np.ndarray:
        """Returns points near others: some coordinates moved, a few drawn anew."""
        points = centers[rng.integers(len(centers), size=CANDIDATES // 3)]
        moved = rng.random(points.shape) < rng.uniform(1 / points.shape[1], 1, (len(points), 1))
        points = np.where(moved, points + scale * rng.normal(size=points.shape), points)
        points = np.where((points < 0) | (points > 1), np.clip(points, 0, 1), points)
        anew = rng.random(points.shape) < 1 / points.shape[1] * (scale > 0.1)
        return np.where(anew, rng.random(points.shape), points)

    def _improvement(self, encoding: SpaceEncoding, rng: np.random.Generator) -> tuple[Any, np.ndarray]:
        """Returns the expected improvement as a function of points, and the points of the best trials."""
        places, goodness, ended = self._seen(encoding)
        features, known = encoding.features(places), is_telling(goodness)
        fit = self._is_fit_due(features.shape[1], ended)
        feasible, explained = self._feasibility(features, known, fit)
        # Failures that their place explains are bad scores, or the border of such a region would be tried forever;
        # those by chance say nothing of the objective.
        taught = known | explained
        taught_goodness = np.where(known, goodness, math.nan)[taught]
        process = self._process(features[taught], taught_goodness, encoding.ordered_features(), ended, fit)
        if (pending := self._running_points(encoding)).size:
            process = process.fantasies(encoding.features(pending), FANTASIES, rng)
        best = process.predict(process.x)[0].max(axis=0)

        def improvement(points: np.ndarray) -> np.ndarray:
            features = encoding.features(points)
            expected = expected_improvement(*process.predict(features), best).reshape(len(points), -1).mean(axis=1)
            return expected * feasible(features)

        return improvement, places[known][np.argsort(-goodness[known])[:5]]

    def _seen(self, encoding: SpaceEncoding) -> tuple[np.ndarray, np.ndarray, int]:
        """Returns points and scores, more being better, of the trials that the processes see, and how many ended."""
        ended = self._trials(ended=True)
        places = np.stack([encoding.point(trial.hyperparameters.values) for trial in ended])
        scores = np.array([math.nan if trial.score is None else trial.score for trial in ended], float)
        goodness = scores if self.objective.direction == "max" else -scores
        if len(ended) > MOST_TRIALS:
            older, newest = np.split(np.arange(len(ended)), [len(ended) - MOST_TRIALS // 2])
            best = np.argsort(-robust_scores(goodness)[older], kind="stable")[: MOST_TRIALS - len(newest)]
            kept = np.concatenate([np.sort(best), newest])
            places, goodness = places[kept], goodness[kept]
        return places, goodness, len(ended)

    def _is_fit_due(self, features: int, ended: int) -> bool:
        if any(len(known) != OTHERS + features for known in self._log_parameters.values()):
            self._log_parameters, self._fitted_to = {}, 0
        if due := ended <= FIT_ALWAYS or ended >= 1.1 * self._fitted_to:
            self._fitted_to = ended
        return due

    def _fitted(self, name: str, features: np.ndarray, y: np.ndarray, fit: bool, **options: Any) -> GaussianProcess:
        start = self._log_parameters.get(name)
        process = GaussianProcess(features, y, start, fit or start is None, **options)
        self._log_parameters[name] = process.log_parameters
        return process

    def _process(
        self, features: np.ndarray, goodness: np.ndarray, in_bowl: np.ndarray, ended: int, fit: bool
    ) -> GaussianProcess:
        """Returns the process of the likelier warping; NaN, a failure, is half a unit worse than the worst."""
        choose, processes, losses = ended <= FIT_ALWAYS, {}, {}
        known = np.isfinite(goodness)
        for name in WARPINGS if choose else (self._warping,):
            warped = WARPINGS[name](goodness[known])
            scores = np.full(len(goodness), warped.scores.min() - 0.5)
            scores[known] = warped.scores
            process = processes[name] = self._fitted(name, features, scores, fit, in_bowl=in_bowl)
            if choose:
                losses[name] = process.loss(process.log_parameters)[0] - warped.log_slope
        if choose:
            self._warping = NEAR_BEST if losses[NEAR_BEST] < losses[ROBUST] - EVIDENCE else ROBUST
        return processes[self._warping]

    def _feasibility(
        self, features: np.ndarray, feasible: np.ndarray, fit: bool
    ) -> tuple[Callable[[np.ndarray], Any], np.ndarray]:
        """Returns the probability of success as a function of features, and failures that all other trials explain."""
        share, spread = feasible.mean(), feasible.std()
        if not spread:
            return (lambda _: 1.0), ~feasible
        flat = np.zeros(features.shape[1], bool)
        options: dict[str, Any] = {"log_noise": FAILURE_NOISE, "in_bowl": flat}
        process = self._fitted(FEASIBLE, features, (feasible - share) / spread, fit, **options)

        def probability(features: np.ndarray) -> np.ndarray:
            mean, deviation = process.predict(features)
            return special.ndtr(((share - 0.5) / spread + mean) / deviation)

        return probability, ~feasible & ((share - 0.5) / spread + process.left_out_means() < 0)

    def get_state(self) -> dict[str, Any]:
        """Returns what `reload` needs."""
        fitted = {name: logarithms.tolist() for name, logarithms in self._log_parameters.items()}
        fit = {"log_parameters": fitted, "fitted_to": self._fitted_to, "warping": self._warping}
        return {**super().get_state(), **fit}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restores what `get_state` gave."""
        super().set_state(state)
        self._log_parameters = {name: np.array(each, float) for name, each in state["log_parameters"].items()}
        self._fitted_to, self._warping = int(state["fitted_to"]), state["warping"]
        if self._warping not in WARPINGS:
            raise ValueError(f"warping must be one of {', '.join(WARPINGS)}; got {self._warping!r}")


def expected_improvement(mean: np.ndarray, deviation: np.ndarray, best: Any) -> np.ndarray:
    """Returns E[max(f - best, 0)] for f ~ N(mean, deviation^2)."""
    z = (mean - best) / deviation
    density = np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
    return deviation * (z * special.ndtr(z) + density)
