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

import argparse
import concurrent.futures
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
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy import optimize

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
    failures: str
    trials: int


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
_HARTMANN = {
    3: (
        np.array([[3, 10, 30], [0.1, 10, 35], [3, 10, 30], [0.1, 10, 35]]),
        1e-4 * np.array([[3689, 1170, 2673], [4699, 4387, 7470], [1091, 8732, 5547], [381, 5743, 8828]]),
    ),
    6: (
        np.array(
            [
                [10, 3, 17, 3.5, 1.7, 8],
                [0.05, 10, 17, 0.1, 8, 14],
                [3, 3.5, 1.7, 10, 17, 8],
                [17, 8, 0.05, 10, 0.1, 14],
            ]
        ),
        1e-4
        * np.array(
            [
                [1312, 1696, 5569, 124, 8283, 5886],
                [2329, 4135, 8307, 3736, 1004, 9991],
                [2348, 1451, 3522, 2883, 3047, 6650],
                [4047, 8828, 8732, 5743, 1091, 381],
            ]
        ),
    ),
}


def _hartmann(x: np.ndarray) -> float:
    a, p = _HARTMANN[len(x)]
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


def make_oracle(contender: str, space: kt.HyperParameters, trials: int, seed: int) -> kt.Oracle:
    """Returns a KerasTuner oracle with a folder of its own."""
    kinds = {
        "gp": GPBanditOracle,
        "gp-low": FailuresLow,
        "random": kt.oracles.RandomSearchOracle,
        "bayesian": kt.oracles.BayesianOptimizationOracle,
    }
    oracle = kinds[contender](
        objective=kt.Objective("value", "min"),
        max_trials=trials,
        hyperparameters=space,
        seed=seed + 1,  # KerasTuner takes 0 for none
        max_consecutive_failed_trials=trials + 1,
    )
    BaseTuner(oracle, directory=tempfile.mkdtemp(), overwrite=True)
    oracle.verbose = 0
    return oracle


def end(oracle: kt.Oracle, trial: Any, value: float) -> None:
    """Reports a value; one that is not finite as a failure."""
    if math.isfinite(value):
        oracle.update_trial(trial.trial_id, {"value": value})
        trial.status = "COMPLETED"
    else:
        trial.status = "FAILED"
    oracle.end_trial(trial)


def best_of(job: Job, problem: Problem) -> float:
    """Returns the least value that a contender finds."""
    if job.contender == "optuna":
        return _best_of_optuna(job, problem)
    oracle, found = make_oracle(job.contender, problem.space(), job.trials, job.seed), []
    while len(found) < job.trials:
        asked = range(min(job.batch, job.trials - len(found)))
        trials = [oracle.create_trial(f"asker {len(found)} {index}") for index in asked]
        for trial in trials:
            found.append(problem.value(trial.hyperparameters.values))
            end(oracle, trial, found[-1])
    return float(np.nanmin(found))


def _optuna_values(trial: Any, space: kt.HyperParameters) -> dict[str, Any]:
    """Has Optuna suggest the values of a KerasTuner space."""
    values: dict[str, Any] = {}
    for hp in space.space:
        if not all(condition.is_active(values) for condition in hp.conditions):
            continue
        if hasattr(hp, "ordered"):
            values[hp.name] = trial.suggest_categorical(hp.name, list(hp.values))
        else:
            kind = trial.suggest_int if isinstance(hp.default, int) else trial.suggest_float
            values[hp.name] = kind(hp.name, hp.min_value, hp.max_value, log=hp.sampling == "log")
    return values


def _optuna_study(seed: int) -> Any:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    return optuna.create_study(sampler=optuna.samplers.GPSampler(seed=seed))


def _best_of_optuna(job: Job, problem: Problem) -> float:
    from optuna.trial import TrialState

    study, found = _optuna_study(job.seed), []
    while len(found) < job.trials:
        trials = [study.ask() for _ in range(min(job.batch, job.trials - len(found)))]
        values = [_optuna_values(trial, problem.space()) for trial in trials]
        for trial, one in zip(trials, values, strict=True):
            found.append(problem.value(one))
            if math.isfinite(found[-1]):
                study.tell(trial, found[-1])
            else:
                study.tell(trial, state=TrialState.FAIL)
    return float(np.nanmin(found))


def run(job: Job) -> dict[str, Any]:
    """Returns the row of one run."""
    started, problem = time.perf_counter(), PROBLEMS[job.problem]
    regret = best_of(job, problem.failing(job.failures, job.seed)) - problem.least
    return {**job._asdict(), "regret": regret, "elapsed_s": round(time.perf_counter() - started, 2)}


# ---- seconds for a suggestion


def suggestion_times(contender: str, count: int) -> tuple[float, float]:
    """Returns seconds for the first suggestion after `count` random trials, and the median of the next three."""
    rng = np.random.default_rng(0)
    problem = _box([0.0] * DIMENSIONS, [1.0] * DIMENSIONS, lambda x: float(np.sum((x[:5] - 0.3) ** 2)), 0.0)
    points = [{f"x{i}": float(value) for i, value in enumerate(row)} for row in rng.random((count, DIMENSIONS))]
    if contender == "optuna":
        import optuna

        study = _optuna_study(0)
        kinds = {name: optuna.distributions.FloatDistribution(0.0, 1.0) for name in points[0]}
        for point in points:
            value = problem.value(point)
            study.add_trial(optuna.trial.create_trial(params=point, distributions=kinds, value=value))

        def ask() -> None:
            trial = study.ask()
            study.tell(trial, problem.value(_optuna_values(trial, problem.space())))
    else:
        oracle = make_oracle(contender, problem.space(), count + 10, 0)
        for number, point in enumerate(points):
            _enter(oracle, number, point, problem.value(point))

        def ask() -> None:
            trial = oracle.create_trial(f"asker {len(oracle.trials)}")
            end(oracle, trial, problem.value(trial.hyperparameters.values))

    times = []
    for _ in range(4):
        started = time.perf_counter()
        ask()
        times.append(time.perf_counter() - started)
    return times[0], statistics.median(times[1:])


def _enter(oracle: kt.Oracle, number: int, values: dict[str, float], value: float) -> None:
    """Enters a finished trial without asking for it."""
    space = oracle.get_space()
    space.values = values
    trial = kt.engine.trial.Trial(space, trial_id=str(number), status="COMPLETED")
    trial.metrics.register("value", "min")
    trial.metrics.update("value", value)
    oracle.score_trial(trial)
    oracle.trials[trial.trial_id] = trial
    for order in (oracle.start_order, oracle.end_order):
        order.append(trial.trial_id)


def run_missing(jobs: list[Job], file: Path, workers: int) -> pd.DataFrame:
    """Runs the jobs that have no row in a file yet, and returns the rows of all."""
    rows = read_rows(file)
    for row in rows:  # older rows do not say
        row |= {"failures": row.get("failures", "none"), "trials": row.get("trials", TRIALS)}
    there = {Job(*(row[field] for field in Job._fields)) for row in rows}
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(workers, mp_context=context) as pool:
        futures = [pool.submit(run, job) for job in jobs if job not in there]
        for future in track(concurrent.futures.as_completed(futures), "runs", total=len(futures)):
            try:
                rows.append(future.result())
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
            write_rows(file, rows)
    wanted = set(jobs)
    return pd.DataFrame([row for row in rows if Job(*(row[field] for field in Job._fields)) in wanted])


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--contenders", nargs="+", choices=NAMES, default=list(CONTENDERS))
    parser.add_argument("--batches", nargs="+", type=int, default=list(BATCHES))
    parser.add_argument("--failures", nargs="+", choices=FAILURES, default=["none"])
    parser.add_argument("--trials", type=int, default=TRIALS)
    parser.add_argument("--workers", type=int, default=1, help="runs at the same time; times need 1")
    parser.add_argument("--times", action="store_true", help="print the second table too")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmark-oracle"))
    arguments = parser.parse_args()
    contenders = arguments.contenders
    if not (importlib.util.find_spec("optuna") and importlib.util.find_spec("torch")):
        contenders = [one for one in contenders if one != "optuna"]
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    jobs = [
        Job(contender, name, batch, seed, failures, arguments.trials)
        for seed in seeds
        for contender in contenders
        for batch in arguments.batches
        for failures in arguments.failures
        for name in PROBLEMS
    ]
    arguments.out.mkdir(parents=True, exist_ok=True)
    frame = run_missing(jobs, arguments.out / "rows.csv", arguments.workers)
    console = Console()
    for failures, batch in itertools.product(arguments.failures, arguments.batches):
        how = f"{FAILURES[failures]}, asked for {batch} at a time (seeds)"
        table = Table(title=f"Median regret after {arguments.trials} trials{how}")
        table.add_column("")
        for contender in contenders:
            table.add_column(NAMES[contender], justify="right")
        for name in PROBLEMS:
            mine = frame.query("problem == @name and batch == @batch and failures == @failures")
            found = {
                one: f"{regret.median():.3g} ({len(regret)})" for one, regret in mine.groupby("contender")["regret"]
            }
            table.add_row(name, *(found.get(contender, "-") for contender in contenders))
        console.print(table)
    if not arguments.times:
        return
    table = Table(title=f"Seconds for a suggestion, {DIMENSIONS} hyperparameters, one thread: first, next")
    table.add_column("trials")
    timed = [one for one in contenders if one != "random"]
    for contender in timed:
        table.add_column(NAMES[contender], justify="right")
    for count in COUNTS:
        table.add_row(str(count), *("{:.2f}, {:.2f}".format(*suggestion_times(one, count)) for one in timed))
        console.print(table)


if __name__ == "__main__":
    main()
