"""`GPBanditOracle` beside KerasTuner's oracles and Optuna's GP sampler. `python -m benchmarks.oracle`.

First table: the median over seeds of the regret (how far the best of 40 trials is from the optimum) on test functions,
asked one by one and in batches of 8. `mixed` has a categorical, a conditional, an integer and a logarithmic
hyperparameter, and a quarter of its space is infeasible. Second table: seconds for a suggestion after 100, 500 and
1,000 trials of 20 hyperparameters, on one thread: the first one, which fits the model, and the median of the next 3.

`--failures random` has a fifth of the trials fail by chance, `region` those in the last fifth of the first
hyperparameter's range, where no function has its only optimum. The contender `gp-low` is our
oracle with another rule: failed trials score half a unit below the worst.

Runs are kept as rows in `--out`, to which the same command with more `--seeds` adds. KerasTuner's Bayesian oracle takes
most of the time. Optuna's GP sampler takes part where `optuna` and `torch` are installed.
"""

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
from pathlib import Path
from typing import Any, NamedTuple

import keras_tuner as kt
import numpy as np
import pandas as pd
from keras_tuner.engine.base_tuner import BaseTuner
from rich.progress import track

from benchmarks.common import parser, show, times
from benchmarks.problems import PROBLEMS, Problem, box
from keras_rnncap.runs import read_rows, write_rows
from keras_rnncap.tuners import GPBanditOracle

TRIALS = 40
BATCHES = (1, 8)
COUNTS = (100, 500, 1000)
DIMENSIONS = 20
CONTENDERS = ("gp", "random", "bayesian", "optuna")
FAILURES = {"none": "", "random": ", a fifth fail by chance", "region": ", a fifth of the space fails"}
NAMES = {
    "gp": "GPBanditOracle",
    "gp-low": "failures low",
    "random": "KerasTuner random",
    "bayesian": "KerasTuner Bayesian",
    "optuna": "Optuna GP",
}


class Job(NamedTuple):
    """A run: who searches what, and how."""

    contender: str
    problem: str
    batch: int
    seed: int
    failures: str = "none"
    trials: int = TRIALS


class FailuresLow(GPBanditOracle):
    """The oracle with another rule: failed trials score half a unit below the worst."""

    def _feasibility(self, features: np.ndarray, feasible: np.ndarray, fit: bool) -> Any:
        del features, fit
        return (lambda _: 1.0), ~feasible


class _KerasTuner:
    """A search with one of KerasTuner's oracles, or ours; a value that is not finite is a failure."""

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
        return self.oracle.create_trial(f"asker {len(self.oracle.trials)}")

    def values(self, trial: Any) -> dict[str, Any]:
        return trial.hyperparameters.values

    def tell(self, trial: Any, value: float) -> None:
        if math.isfinite(value):
            self.oracle.update_trial(trial.trial_id, {"value": value})
        trial.status = "COMPLETED" if math.isfinite(value) else "FAILED"
        self.oracle.end_trial(trial)

    def enter(self, values: dict[str, float], value: float) -> None:
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


class _Optuna:
    """A search of a KerasTuner space with Optuna's Gaussian process."""

    def __init__(self, space: kt.HyperParameters, seed: int) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.simplefilter("ignore")
        self.space, self.optuna = space, optuna
        self.study = optuna.create_study(sampler=optuna.samplers.GPSampler(seed=seed))

    def ask(self) -> Any:
        return self.study.ask()

    def values(self, trial: Any) -> dict[str, Any]:
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
        failure = {"state": self.optuna.trial.TrialState.FAIL}
        self.study.tell(trial, **({"values": value} if math.isfinite(value) else failure))

    def enter(self, values: dict[str, float], value: float) -> None:
        kinds = dict.fromkeys(values, self.optuna.distributions.FloatDistribution(0.0, 1.0))
        self.study.add_trial(self.optuna.trial.create_trial(params=values, distributions=kinds, value=value))


def searcher(contender: str, problem: Problem, trials: int, seed: int) -> _KerasTuner | _Optuna:
    """Returns a contender that searches the space of a problem."""
    space = problem.space()
    return _Optuna(space, seed) if contender == "optuna" else _KerasTuner(contender, space, trials, seed)


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
    problem = box([0.0] * DIMENSIONS, [1.0] * DIMENSIONS, lambda x: float(np.sum((x[:5] - 0.3) ** 2)), 0.0)
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
    arguments.add_argument("--contenders", nargs="+", choices=NAMES)
    arguments.add_argument("--problems", nargs="+", choices=list(PROBLEMS), default=list(PROBLEMS))
    arguments.add_argument("--batches", nargs="+", type=int, default=list(BATCHES))
    arguments.add_argument("--failures", nargs="+", choices=FAILURES, default=["none"])
    arguments.add_argument("--trials", type=int, default=TRIALS)
    arguments.add_argument("--workers", type=int, default=1, help="runs at the same time; times need 1")
    arguments.add_argument("--times", action="store_true", help="print the second table too")
    arguments.add_argument("--out", type=Path, default=Path("runs/benchmark-oracle"))
    options = arguments.parse_args()
    contenders = options.contenders or list(CONTENDERS)
    if not (importlib.util.find_spec("optuna") and importlib.util.find_spec("torch")):
        if "optuna" in (options.contenders or ()):
            arguments.error("--contenders optuna needs the packages optuna and torch")
        contenders = [contender for contender in contenders if contender != "optuna"]
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    runs = itertools.product(seeds, contenders, options.batches, options.failures, options.problems)
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
            for name in options.problems
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
