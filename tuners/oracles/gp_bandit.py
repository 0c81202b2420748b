"""A KerasTuner oracle: Bayesian optimization by a Gaussian process, for any number of trials at the same time."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable, Mapping
from typing import Any

import keras_tuner as kt
import numpy as np
from keras_tuner.engine.trial import Trial, TrialStatus
from scipy import special, stats

from keras_rnncap.errors import InputError, check_integer, check_seed
from keras_rnncap.tuners.oracles.encoding import SpaceEncoding
from keras_rnncap.tuners.oracles.gaussian_process import GaussianProcess
from keras_rnncap.tuners.oracles.warping import NEAR_BEST, ROBUST, WARPINGS, is_telling, robust_scores

FANTASIES = 8
CANDIDATES = 2000
"""Points drawn from the whole space for each proposal; as many are drawn near the best trials, in rounds."""
MOST_TRIALS = 1000
"""Trials that the process sees: of more, the newest, half of this number, and the best of the others."""
FIT_ALWAYS = 100
"""Trials up to which the process is fitted for each proposal; afterwards, when there are a tenth more than before."""
EVIDENCE = 2.0
"""By how much larger the log likelihood must be of scores warped near the best, for that to be done."""
FEASIBLE = "feasible"
FAILURE_NOISE = (-2.0, 2.0)
"""Mean and deviation of the prior of the logarithm of the share of failures that no place explains."""
CAUTION = 3
"""Power of the feasibility that weighs the improvement: with more, fewer trials fail where some place fails, and chance
failures cost more."""
ENDED = (TrialStatus.COMPLETED, TrialStatus.FAILED)
"""An invalid trial is run again; KerasTuner calls it failed once it has no retries left."""


def synchronized(method: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a method under the lock of `kt.synchronized`, given back also where the method raises.

    KerasTuner keeps it then, and every later call of another thread waits forever; so nothing is raised under it.
    """

    @kt.synchronized
    def outcome(*args: Any, **options: Any) -> tuple[Any, BaseException | None]:
        try:
            return method(*args, **options), None
        except BaseException as error:  # also an interrupt; raised again below
            return None, error

    @functools.wraps(method)
    def method_under_lock(*args: Any, **options: Any) -> Any:
        result, error = outcome(*args, **options)
        if error is not None:
            raise error
        return result

    return method_under_lock


class _NamedObjective(kt.Objective):
    """An objective that ends the search, and says which metrics there are, where its own is missing."""

    def get_value(self, logs: Mapping[str, float]) -> float:
        if self.name not in logs:
            there = ", ".join(logs)
            raise kt.errors.FatalValueError(f"the objective {self.name!r} is not among the metrics: they are {there}")
        return float(logs[self.name])


class GPBanditOracle(kt.Oracle):
    """Proposes where a Gaussian process expects the largest improvement (Snoek et al., 2012; Desautels et al., 2014).

    The process has a Matern 5/2 kernel with a length for each feature. Trials that run are pending: proposals are the
    best on average over values that the process would expect of them, so that many asked for at once are many different
    points. A second process learns where trials fail, or score absurdly, and how much is chance: failures that their
    place explains count as bad scores, others not at all, and the improvement is weighed with it. Scores below the
    median are compressed, so that a few terrible ones do not decide what the process looks like; or, where the process
    finds that likelier, all scores are taken by the logarithm of their distance from the best. Of more than 1,000
    trials it sees the newest 500 and the best 500 of the others. No point is proposed twice; where none is left, the
    search stops. The same seed gives the same proposals, also after `reload` in another process.

    Args:
        objective: As for `keras_tuner.Oracle`, which takes all further arguments too.
        max_trials: Number of trials.
        initial_trials: Trials that end before the process is asked; until then points are spread evenly (Sobol). `None`
            takes one more than there are hyperparameters, at least 6 and at most 40.
        seed: Seed of all proposals; 0 is a seed. `None` draws one.
        **options: Further arguments of `keras_tuner.Oracle`, with KerasTuner's defaults: after three failures in a row,
            `max_consecutive_failed_trials`, the search ends with an error. Where failures are results, say `10**9`.

    Raises:
        FatalValueError: From a KerasTuner tuner's `search`, if its models have no metric of the objective's name.

    Example:
    >>> hp = kt.HyperParameters()
    >>> rate = hp.Float("rate", 1e-4, 1e-1, sampling="log")
    >>> tuner = kt.Tuner(  # doctest: +SKIP
    ...     GPBanditOracle(kt.Objective("val_loss", "min"), max_trials=20, hyperparameters=hp, seed=0), build_model
    ... )
    """

    objective: Any

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
        if seed is not None:
            check_seed(seed)
        super().__init__(objective, max_trials, seed=seed, **options)
        if type(self.objective) is kt.Objective:
            self.objective = _NamedObjective(self.objective.name, self.objective.direction)
        if seed is not None:
            self.seed = seed  # KerasTuner takes 0 for none
        self.initial_trials = initial_trials
        self._log_parameters: dict[str, np.ndarray] = {}
        self._warping = ROBUST
        self._fitted_to = 0

    # ---- proposals

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Returns the values of the next trial, or that there is none."""
        del trial_id
        encoding = SpaceEncoding(self.get_space())
        if not encoding.dimensions:
            return self._answer({} if not self.trials else None)
        rng = np.random.default_rng([self.seed, len(self.trials)])
        everything = encoding.all_points()
        if everything is not None:
            return self._answer(self._first_untried(encoding, self._ranked(encoding, everything, rng)))
        for _ in range(5):
            candidates = self._candidates(encoding, rng)
            if values := self._first_untried(encoding, self._ranked(encoding, candidates, rng)):
                return self._answer(values)
        return self._answer(None)

    def _answer(self, values: dict[str, Any] | None) -> dict[str, Any]:
        if values is None:
            return {"status": TrialStatus.STOPPED}
        return {"status": TrialStatus.RUNNING, "values": values}

    def _first_untried(self, encoding: SpaceEncoding, points: Any) -> dict[str, Any] | None:
        for point in points:
            values = encoding.values(point)
            if self._compute_values_hash(values) not in self._tried_so_far:
                return values
        return None

    def _ended(self) -> list[Trial]:
        """Returns the trials that will not run again; one that its tuner is about to end still runs."""
        ended = set(self.end_order)
        return [trial for trial in self.trials.values() if trial.trial_id in ended]

    def _running(self) -> list[Trial]:
        ended = set(self.end_order)
        return [trial for trial in self.trials.values() if trial.trial_id not in ended]

    def _is_initial(self, encoding: SpaceEncoding) -> bool:
        count = self.initial_trials or min(max(encoding.dimensions + 1, 6), 40)
        completed = [trial for trial in self._ended() if trial.score is not None]
        return len(self._ended()) < count or len(completed) < 2

    def _candidates(self, encoding: SpaceEncoding, rng: np.random.Generator) -> np.ndarray:
        """Returns points of the cube, those to be tried first first where there is no process yet."""
        if self._is_initial(encoding):
            sequence = stats.qmc.Sobol(encoding.dimensions, rng=np.random.default_rng([self.seed, 2**31]))
            return sequence.random_base2((len(self.trials) + 64).bit_length())[len(self.trials) :]
        return rng.random((CANDIDATES, encoding.dimensions))

    def _ranked(self, encoding: SpaceEncoding, points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Returns points, the best first: those given, and others near the best."""
        if self._is_initial(encoding):
            return points if encoding.all_points() is None else rng.permutation(points)
        improvement, best_trials = self._improvement(encoding, rng)
        listed = encoding.all_points() is not None
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
        process = self._process(features[taught], np.where(known, goodness, math.nan)[taught], ended, fit)
        running = self._running()
        if running:
            pending = np.stack([encoding.point(trial.hyperparameters.values) for trial in running])
            fantasies = process.fantasies(encoding.features(pending), FANTASIES, rng)
            predict, best = fantasies.predict, fantasies.means().max(axis=0)
        else:
            predict, best = process.predict, process.predict(process.x)[0].max()

        def improvement(points: np.ndarray) -> np.ndarray:
            there = encoding.features(points)
            mean, deviation = predict(there)
            expected = np.asarray(expected_improvement(mean, deviation, best)).reshape(len(points), -1).mean(axis=1)
            return expected * feasible(there) ** CAUTION

        return improvement, places[known][np.argsort(-goodness[known])[:5]]

    def _seen(self, encoding: SpaceEncoding) -> tuple[np.ndarray, np.ndarray, int]:
        """Returns points and scores, more being better, of the trials that the processes see, and how many ended."""
        ended = self._ended()
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
        if any(len(known) != 2 + features for known in self._log_parameters.values()):
            self._log_parameters, self._fitted_to = {}, 0
        if due := ended <= FIT_ALWAYS or ended >= 1.1 * self._fitted_to:
            self._fitted_to = ended
        return due

    def _fitted(self, name: str, features: np.ndarray, y: np.ndarray, fit: bool, **options: Any) -> GaussianProcess:
        start = self._log_parameters.get(name)
        process = GaussianProcess(features, y, start, fit or start is None, **options)
        self._log_parameters[name] = process.log_parameters
        return process

    def _process(self, features: np.ndarray, goodness: np.ndarray, ended: int, fit: bool) -> GaussianProcess:
        """Returns the process of scores, of the likelier warping; its parameters fitted anew where that is due.

        NaN, a failure, counts as half a unit worse than the worst.
        """
        choose = ended <= FIT_ALWAYS
        processes, losses = {}, {}
        known = np.isfinite(goodness)
        for name in WARPINGS if choose else (self._warping,):
            warped = WARPINGS[name](goodness[known])
            scores = np.full(len(goodness), warped.scores.min() - 0.5)
            scores[known] = warped.scores
            process = processes[name] = self._fitted(name, features, scores, fit)
            if choose:
                losses[name] = process.loss(process.log_parameters)[0] - warped.log_slope
        if choose:
            self._warping = NEAR_BEST if losses[NEAR_BEST] < losses[ROBUST] - EVIDENCE else ROBUST
        return processes[self._warping]

    def _feasibility(
        self, features: np.ndarray, feasible: np.ndarray, fit: bool
    ) -> tuple[Callable[[np.ndarray], Any], np.ndarray]:
        """Returns where more trials succeed than fail, and which failures their places explain.

        The first is a probability, as a function of features; a failure is explained if most trials fail there, going
        by all others. A process of its own is fitted to what failed. Failures that no place explains are its noise, so
        that they count little; where trials fail again and again, the probability goes to 0.
        """
        share, spread = feasible.mean(), feasible.std()
        if not spread:
            return (lambda _: 1.0), ~feasible
        process = self._fitted(FEASIBLE, features, (feasible - share) / spread, fit, log_noise=FAILURE_NOISE)

        def probability(there: np.ndarray) -> np.ndarray:
            mean, deviation = process.predict(there)
            return special.ndtr(((share - 0.5) / spread + mean) / deviation)

        return probability, ~feasible & ((share - 0.5) / spread + process.left_out_means() < 0)

    def get_best_trials(self, num_trials: int = 1) -> list[Trial]:
        """Returns the best completed trials; KerasTuner's own adds failed ones where there are too few."""
        return [trial for trial in super().get_best_trials(num_trials) if trial.status == TrialStatus.COMPLETED]

    # ---- state

    @synchronized
    def create_trial(self, tuner_id: str) -> Trial:
        """Returns the next trial to run.

        Trials of an earlier process in this folder are taken up, also where it was killed before its tuner wrote a file
        of its own, without which KerasTuner would start anew.
        """
        if not self.trials and os.path.exists(self._get_oracle_fname()):
            self.reload()
        return super().create_trial(tuner_id)

    @synchronized
    def update_trial(self, trial_id: str, metrics: Mapping[str, float], step: int = 0) -> Trial:
        """Enters metrics of a trial."""
        self._known(trial_id)
        return super().update_trial(trial_id, metrics, step)

    @synchronized
    def end_trial(
        self, trial: Trial | str | None = None, status: str | None = None, *, trial_id: str | None = None
    ) -> None:
        """Ends a trial, as what `update_trial` was told of it; what is on disk says afterwards that it ended.

        A trial whose score is not finite is invalid, like one that crashed: it is run again where
        `max_retries_per_trial` allows, or has failed. Ended once more, a trial is what the last call says.

        Args:
            trial: The trial, also as the copy that another process has; or its id, as in older scripts.
            status: `"COMPLETED"`, `"INVALID"` or `"FAILED"`. `None` takes that of `trial`; of an id, that it completed.
            trial_id: The id, by the name that older scripts use.

        Raises:
            InputError: If there is no such trial or status, or if a completed trial has no value of the objective.
        """
        told = trial if isinstance(trial, Trial) else None
        known = self._known(trial_id if trial is None else told.trial_id if told else trial)
        status = status or (told.status if told else TrialStatus.COMPLETED)
        if status not in (*ENDED, TrialStatus.INVALID):
            raise InputError(f"status of a trial that ends must be COMPLETED, INVALID or FAILED; got {status!r}")
        if told:
            known.hyperparameters, known.message = told.hyperparameters, told.message
        known.status, known.score = status, None
        if status == TrialStatus.COMPLETED:
            self._score(known)
        if known.trial_id in self.end_order:
            self.end_order.remove(known.trial_id)
        try:
            super().end_trial(known)
        finally:
            if known.trial_id in self.end_order or known.trial_id in self._retry_queue:
                self._let_go(known)

    def _known(self, trial_id: Any) -> Trial:
        if trial_id not in self.trials:
            raise InputError(f"trial_id must be that of a trial which create_trial gave; got {trial_id!r}")
        return self.trials[trial_id]

    def _score(self, trial: Trial) -> None:
        trial.status = TrialStatus.RUNNING  # where the score cannot be had
        self.score_trial(trial)
        if trial.score is None:
            raise InputError(
                f"a completed trial must have a value of {self.objective.name!r}, and trial {trial.trial_id} has none: "
                "report it with update_trial first, or end the trial as FAILED"
            )
        trial.status = TrialStatus.COMPLETED
        if not math.isfinite(trial.score):
            trial.score, trial.status = None, TrialStatus.INVALID

    def _let_go(self, trial: Trial) -> None:
        """Writes that nobody runs a trial: KerasTuner writes before that, and not at all if too many failed."""
        for asker in [asker for asker, running in self.ongoing_trials.items() if running is trial]:
            del self.ongoing_trials[asker]
        if trial.trial_id in self._retry_queue:
            trial.metrics = type(trial.metrics)()  # KerasTuner's tuner reports none where there are some
        self._save_trial(trial)
        self.save()

    def get_state(self) -> dict[str, Any]:
        """Returns what `reload` needs."""
        fitted = {name: [float(number) for number in known] for name, known in self._log_parameters.items()}
        fit = {"log_parameters": fitted, "fitted_to": self._fitted_to, "warping": self._warping}
        return {**super().get_state(), **fit}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restores what `get_state` gave."""
        super().set_state(state)
        self._log_parameters = {name: np.array(known, float) for name, known in state["log_parameters"].items()}
        self._fitted_to, self._warping = int(state["fitted_to"]), state["warping"]
        if self._warping not in WARPINGS:
            raise ValueError(f"warping must be one of {', '.join(WARPINGS)}; got {self._warping!r}")

    def save(self) -> None:
        """Writes the state in one step."""
        name = self._get_oracle_fname()
        super(kt.Oracle, self).save(f"{name}.new")
        os.replace(f"{name}.new", name)

    def _save_trial(self, trial: Trial) -> None:
        name = os.path.join(self._get_trial_dir(trial.trial_id), "trial.json")
        trial.save(f"{name}.new")
        os.replace(f"{name}.new", name)

    def reload(self) -> None:
        """Restores the state of an earlier process; trials that it left running are run again, none that ended."""
        super().reload()
        # A process killed between KerasTuner's two files leaves a trial that only one of them knows, or knows to have
        # ended.
        self._retry_queue = []
        for name, trial in sorted(self.trials.items(), reverse=True):  # taken from the end
            if name not in self.start_order:
                self.start_order.append(name)
                self._record_values(trial)
            if trial.status not in ENDED:
                self._retry_queue.append(name)
            elif name not in self.end_order:
                self.end_order.append(name)


def expected_improvement(mean: np.ndarray, deviation: np.ndarray, best: Any) -> np.ndarray:
    """Returns E[max(f - best, 0)] for f ~ N(mean, deviation^2)."""
    z = (mean - best) / deviation
    density = np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
    return deviation * (z * special.ndtr(z) + density)
