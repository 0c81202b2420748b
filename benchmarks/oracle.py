"""`GPBanditOracle` beside KerasTuner's oracles and Optuna's GP sampler. `python -m benchmarks.oracle`.

First table: the median over seeds of the regret (how far the best of 40 trials is from the optimum) on test functions,
asked one by one and in batches of 8. `mixed` has a categorical, a conditional, an integer and a logarithmic
hyperparameter, and a quarter of its space is infeasible. Second table: seconds for a suggestion after 100, 500 and
1,000 trials of 20 hyperparameters, on one thread: the first one, which fits the model, and the median of the next
three.

`--failures random` has a fifth of the trials fail by chance, `region` those in the last fifth of the first
hyperparameter's range, where no function has its only optimum. The contender `gp-low` is our oracle as it was: failed
trials score half a unit below the worst.

Runs are kept as rows in `--out`; the same command continues, so that more `--seeds` add to what is there. KerasTuner's
Bayesian oracle takes most of the time. Optuna's GP sampler takes part where `optuna` and
`torch` are installed.
"""

from __future__ import annotations

import os

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "2"}

import importlib.util
import itertools
import math
import multiprocessing
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import keras_tuner as kt
import numpy as np
import pandas as pd
from keras_tuner.engine.base_tuner import BaseTuner
from rich.progress import track
from scipy import optimize

from benchmarks.common import parser, show, times
from keras_rnncap.runs import read_rows, write_rows
from keras_rnncap.tuners import GPBanditOracle

TRIALS = 40
BATCHES = (1, 8)
COUNTS = (100, 500, 1000)
DIMENSIONS = 20
CONTENDERS = ("gp", "random", "bayesian", "optuna")
FAILED = 0.2
FAILURES = {"none": "", "random": ", a fifth fail by chance", "region": ", a fifth of the space fails"}
NAMES = {
    "gp": "GPBanditOracle",
    "gp-low": "failures low",
    "random": "KerasTuner random",
    "bayesian": "KerasTuner Bayesian",
    "optuna": "Optuna GP",
}


class Problem(NamedTuple):
    """A function to minimize, its space, and its least value."""

    space: Callable[[], kt.HyperParameters]
    value: Callable[[Mapping[str, Any]], float]
    least: float

    def failing(self, failures: str, seed: int) -> Problem:
        """Returns the problem with a fifth of its trials, or of its space, failing; `least` must not be there."""
        rng, first = np.random.default_rng([seed, len(FAILURES)]), self.space().space[0]

        def value(values: Mapping[str, Any]) -> float:
            by_chance = failures == "random" and rng.random() < FAILED
            by_place = failures == "region" and first.value_to_prob(values[first.name]) > 1 - FAILED
            return math.nan if by_chance or by_place else self.value(values)

        return self._replace(value=value)


class Job(NamedTuple):
    """A run: who searches what, and how."""

    contender: str
    problem: str
    batch: int
    seed: int
    failures: str = "none"
    trials: int = TRIALS


class FailuresLow(GPBanditOracle):
    """The oracle as it was: failed trials score half a unit below the worst."""

    def _feasibility(self, features: np.ndarray, feasible: np.ndarray, fit: bool) -> Any:
        del features, fit
        return (lambda _: 1.0), ~feasible


def _box(low: list[float], high: list[float], function: Callable[[np.ndarray], float], least: float) -> Problem:
    def space() -> kt.HyperParameters:
        hp = kt.HyperParameters()
        for index, (a, b) in enumerate(zip(low, high, strict=True)):
            hp.Float(f"x{index}", a, b)
        return hp

    return Problem(space, lambda values: float(function(np.array([values[f"x{i}"] for i in range(len(low))]))), least)


def _branin(x: np.ndarray) -> float:
    b, c, t = 5.1 / (4 * math.pi**2), 5 / math.pi, 1 / (8 * math.pi)
    return float((x[1] - b * x[0] ** 2 + c * x[0] - 6) ** 2 + 10 * (1 - t) * math.cos(x[0]) + 10)


_ALPHA = np.array([1.0, 1.2, 3.0, 3.2])
_HARTMANN_A = {
    3: [[3, 10, 30], [0.1, 10, 35], [3, 10, 30], [0.1, 10, 35]],
    6: [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]],
}
_HARTMANN_P = {
    3: [[3689, 1170, 2673], [4699, 4387, 7470], [1091, 8732, 5547], [381, 5743, 8828]],
    6: [
        *([1312, 1696, 5569, 124, 8283, 5886], [2329, 4135, 8307, 3736, 1004, 9991]),
        *([2348, 1451, 3522, 2883, 3047, 6650], [4047, 8828, 8732, 5743, 1091, 381]),
    ],
}


def _hartmann(x: np.ndarray) -> float:
    a, p = np.array(_HARTMANN_A[len(x)]), 1e-4 * np.array(_HARTMANN_P[len(x)])
    return float(-_ALPHA @ np.exp(-np.sum(a * (x - p) ** 2, axis=1)))


def _ackley(x: np.ndarray) -> float:
    waves = np.exp(np.mean(np.cos(2 * math.pi * x)))
    return float(-20 * math.exp(-0.2 * math.sqrt(np.mean(x**2))) - waves + 20 + math.e)


def _mixed_space() -> kt.HyperParameters:
    hp = kt.HyperParameters()
    hp.Float("rate", 1e-5, 1e-1, sampling="log")
    hp.Choice("kind", ["a", "b", "c", "d"], ordered=False)
    with hp.conditional_scope("kind", ["b", "c"]):
        hp.Float("momentum", 0.0, 1.0)
    hp.Int("layers", 1, 8)
    hp.Float("clip", 0.0, 1.0)
    return hp


def _mixed(values: Mapping[str, Any]) -> float:
    """Least, 0, at kind c, momentum 0.8, rate 1e-3, 3 layers, clip 0.5; infeasible where rate > 0.01."""
    rate = math.log10(values["rate"])
    if rate > -2:
        return math.nan
    kind = {"a": 1.0, "b": 0.5, "c": 0.0, "d": 2.0}[values["kind"]]
    momentum = (values.get("momentum", 0.8) - 0.8) ** 2
    return kind + (rate + 3) ** 2 / 4 + 2 * momentum + (values["layers"] - 3) ** 2 / 20 + (values["clip"] - 0.5) ** 2


PROBLEMS = {
    "Branin": _box([-5, 0], [10, 15], _branin, 0.397887),
    "Hartmann 3": _box([0] * 3, [1] * 3, _hartmann, -3.86278),
    "Hartmann 6": _box([0] * 6, [1] * 6, _hartmann, -3.32237),
    "Rosenbrock 5": _box([-2.0] * 5, [2.0] * 5, lambda x: float(optimize.rosen(x)), 0.0),
    "Ackley 10": _box([-10.0] * 10, [15.0] * 10, _ackley, 0.0),
    "mixed": Problem(_mixed_space, _mixed, 0.0),
}


class KerasTuner:
    """Asks one of KerasTuner's oracles, or ours, in a folder of its own."""

    def __init__(self, contender: str, space: kt.HyperParameters, trials: int, seed: int) -> None:
        kinds = {
            "gp": GPBanditOracle,
            "gp-low": FailuresLow,
            "random": kt.oracles.RandomSearchOracle,
            "bayesian": kt.oracles.BayesianOptimizationOracle,
        }
        self.oracle = kinds[contender](
            objective=kt.Objective("value", "min"),
            max_trials=trials,
            hyperparameters=space,
            seed=seed + 1,  # KerasTuner takes 0 for none
            max_consecutive_failed_trials=trials + 1,
        )
        BaseTuner(self.oracle, directory=tempfile.mkdtemp(), overwrite=True)
        self.oracle.verbose = 0

    def ask(self) -> Any:
        """Returns a new trial."""
        return self.oracle.create_trial(f"asker {len(self.oracle.trials)}")

    def values(self, trial: Any) -> dict[str, Any]:
        """Returns the values of a trial."""
        return trial.hyperparameters.values

    def tell(self, trial: Any, value: float) -> None:
        """Reports a value; one that is not finite as a failure."""
        if math.isfinite(value):
            self.oracle.update_trial(trial.trial_id, {"value": value})
        trial.status = "COMPLETED" if math.isfinite(value) else "FAILED"
        self.oracle.end_trial(trial)

    def enter(self, values: dict[str, float], value: float) -> None:
        """Enters a finished trial without asking for it."""
        oracle = self.oracle
        space = oracle.get_space()
        space.values = values
        trial = kt.engine.trial.Trial(space, trial_id=str(len(oracle.trials)), status="COMPLETED")
        trial.metrics.register("value", "min")
        trial.metrics.update("value", value)
        oracle.score_trial(trial)
        oracle.trials[trial.trial_id] = trial
        oracle.start_order.append(trial.trial_id)
        oracle.end_order.append(trial.trial_id)


class Optuna:
    """Asks Optuna's Gaussian process for values of a KerasTuner space."""

    def __init__(self, space: kt.HyperParameters, seed: int) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.simplefilter("ignore")
        self.space, self.study = space, optuna.create_study(sampler=optuna.samplers.GPSampler(seed=seed))

    def ask(self) -> Any:
        """Returns a new trial."""
        return self.study.ask()

    def values(self, trial: Any) -> dict[str, Any]:
        """Returns the values of a trial."""
        values: dict[str, Any] = {}
        for hp in self.space.space:
            if not all(condition.is_active(values) for condition in hp.conditions):
                continue
            if hasattr(hp, "ordered"):
                values[hp.name] = trial.suggest_categorical(hp.name, list(hp.values))
            else:
                suggest = trial.suggest_int if isinstance(hp.default, int) else trial.suggest_float
                values[hp.name] = suggest(hp.name, hp.min_value, hp.max_value, log=hp.sampling == "log")
        return values

    def tell(self, trial: Any, value: float) -> None:
        """Reports a value; one that is not finite as a failure."""
        from optuna.trial import TrialState

        if math.isfinite(value):
            self.study.tell(trial, value)
        else:
            self.study.tell(trial, state=TrialState.FAIL)

    def enter(self, values: dict[str, float], value: float) -> None:
        """Enters a finished trial without asking for it; all values are in [0, 1]."""
        import optuna

        kinds = dict.fromkeys(values, optuna.distributions.FloatDistribution(0.0, 1.0))
        self.study.add_trial(optuna.trial.create_trial(params=values, distributions=kinds, value=value))


def searcher(contender: str, problem: Problem, trials: int, seed: int) -> KerasTuner | Optuna:
    """Returns a contender that searches the space of a problem."""
    space = problem.space()
    return Optuna(space, seed) if contender == "optuna" else KerasTuner(contender, space, trials, seed)


def run(job: Job) -> dict[str, Any]:
    """Returns the row of one run."""
    started, problem = time.perf_counter(), PROBLEMS[job.problem].failing(job.failures, job.seed)
    search, values = searcher(job.contender, problem, job.trials, job.seed), []
    while len(values) < job.trials:
        asked = [search.ask() for _ in range(min(job.batch, job.trials - len(values)))]
        points = [search.values(trial) for trial in asked]
        for trial, point in zip(asked, points, strict=True):
            values.append(problem.value(point))
            search.tell(trial, values[-1])
    regret = float(np.nanmin(values)) - problem.least
    return {**job._asdict(), "regret": regret, "elapsed_s": round(time.perf_counter() - started, 2)}


def suggestion_times(contender: str, count: int) -> tuple[float, float]:
    """Returns seconds for the first suggestion after `count` random trials, and the median of the next three."""
    problem = _box([0.0] * DIMENSIONS, [1.0] * DIMENSIONS, lambda x: float(np.sum((x[:5] - 0.3) ** 2)), 0.0)
    search = searcher(contender, problem, count + 10, 0)
    for point in np.random.default_rng(0).random((count, DIMENSIONS)):
        values = {f"x{index}": float(value) for index, value in enumerate(point)}
        search.enter(values, problem.value(values))

    def suggest() -> None:
        trial = search.ask()
        search.tell(trial, problem.value(search.values(trial)))

    first, *following = times(suggest, 4)
    return first, statistics.median(following)


def run_missing(jobs: list[Job], file: Path, workers: int) -> pd.DataFrame:
    """Runs the jobs that have no row in a file yet, and returns the rows of all."""
    rows = read_rows(file)
    finished = {Job(**{field: row[field] for field in Job._fields if field in row}): row for row in rows}
    missing = [job for job in jobs if job not in finished]
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        for row in track(pool.imap_unordered(run, missing), "runs", total=len(missing)):
            rows.append(row)
            write_rows(file, rows)
            finished[Job(*(row[field] for field in Job._fields))] = row
    return pd.DataFrame([{**finished[job], **job._asdict()} for job in jobs])


def main() -> None:
    """Prints the tables."""
    arguments = parser(__doc__)
    arguments.add_argument("--seeds", type=int, default=10)
    arguments.add_argument("--first-seed", type=int, default=0)
    arguments.add_argument("--contenders", nargs="+", choices=NAMES, default=list(CONTENDERS))
    arguments.add_argument("--batches", nargs="+", type=int, default=list(BATCHES))
    arguments.add_argument("--failures", nargs="+", choices=FAILURES, default=["none"])
    arguments.add_argument("--trials", type=int, default=TRIALS)
    arguments.add_argument("--workers", type=int, default=1, help="runs at the same time; times need 1")
    arguments.add_argument("--times", action="store_true", help="print the second table too")
    arguments.add_argument("--out", type=Path, default=Path("runs/benchmark-oracle"))
    options = arguments.parse_args()
    contenders = options.contenders
    if not (importlib.util.find_spec("optuna") and importlib.util.find_spec("torch")):
        contenders = [contender for contender in contenders if contender != "optuna"]
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    runs = itertools.product(seeds, contenders, options.batches, options.failures, PROBLEMS)
    jobs = [Job(contender, name, batch, seed, fails, options.trials) for seed, contender, batch, fails, name in runs]
    options.out.mkdir(parents=True, exist_ok=True)
    frame = run_missing(jobs, options.out / "rows.csv", options.workers)
    texts = frame.groupby(["failures", "batch", "problem", "contender"])["regret"].agg(
        lambda regret: f"{regret.median():.3g} ({len(regret)})"
    )
    for fails, batch in itertools.product(options.failures, options.batches):
        title = f"Median regret after {options.trials} trials{FAILURES[fails]}, asked for {batch} at a time (seeds)"
        rows = [
            {"": name} | {NAMES[contender]: texts[fails, batch, name, contender] for contender in contenders}
            for name in PROBLEMS
        ]
        show(title, rows)
    if options.times:
        timed = [contender for contender in contenders if contender != "random"]
        rows = [
            {"trials": count}
            | {NAMES[contender]: "{:.2f}, {:.2f}".format(*suggestion_times(contender, count)) for contender in timed}
            for count in COUNTS
        ]
        show(f"Seconds for a suggestion, {DIMENSIONS} hyperparameters, one thread: first, next", rows)


if __name__ == "__main__":
    main()
