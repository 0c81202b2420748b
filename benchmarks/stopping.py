"""Rules for early stopping, replayed on recorded learning curves. `python -m benchmarks.stopping`.

`record` trains the trials of `POOLS`, points of a search space, to their end, and keeps them in `benchmarks/curves/`: a
table for each pool, with a line for each trial, in which are the values of its hyperparameters, its progress after each
sixteenth of its steps, and its final score (none if it diverged). The same command continues where it stopped.

`replay` searches the pools: a Gaussian process proposes points of a pool, and a trial costs the steps that a rule lets
it train. It prints the median over seeds of the regret: how far the best completed trial is from the best of the pool,
as a part of the range from the pool's median to its best, after as many steps as 8, 16, 24 and 32 whole trials take;
and how many trials have begun by then. Where that is most of the pool, the process has little left to choose.

Rules are chosen on the pools `perceptron-*-collins` with seeds 0 to 19. What is reported of them is of other pools and
seeds: `--first-seed 20 --pools perceptron-ugrnn-row-soap perceptron-rnn-row-soap memory-rnn-collins`.
"""

import os

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "2"}
os.environ |= {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}

import argparse
import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.progress import track
from scipy import stats

from benchmarks.common import parser, show

CURVES = Path(__file__).parent / "curves"
POINTS = 16
"""Equally spaced points of a learning curve."""
MEMBERS = 32
"""Trials recorded together."""
SEED = 0
BUDGETS = (8, 16, 24, 32)
"""Steps of a search, in those of whole trials."""
SLOTS = 4
"""Trials that train at the same time."""
RANDOM = 10
"""Trials of a search, the first ones, that are random: a third of the largest budget."""
TOLD_PARTS = (4, 8, 16)
"""Points of a curve that the process learns from if it is told of parts."""


class Pool(NamedTuple):
    """Trials that are recorded."""

    task: str
    cell: str
    space: str
    params: int
    steps: int
    batch_size: int
    trials: int

    @property
    def name(self) -> str:
        """The pool's name, and its file's."""
        return f"{self.task.partition(':')[0]}-{self.cell}-{self.space}"

    @property
    def file(self) -> Path:
        """Where its curves are."""
        return CURVES / f"{self.name}.csv"

    def job(self) -> Any:
        """Returns the job of its trials."""
        from keras_rnncap.cells import get_cell
        from keras_rnncap.datasets import make_task
        from keras_rnncap.training import takes_logits
        from keras_rnncap.tuners import Job
        from keras_rnncap.tuners.spaces import SPACES

        task, cell = make_task(self.task).for_budget(self.params, SEED), get_cell(self.cell)
        space = SPACES[self.space].for_search(cell, self.params, task.scored_steps, takes_logits(task.loss()))
        sizes = {"params": self.params, "depth": 1, "steps": self.steps, "batch_size": self.batch_size, "seed": SEED}
        return Job(task, cell, space=space, **sizes)


POOLS = [
    *(Pool("perceptron", cell, "row-soap", 200, 4000, 128, 128) for cell in ("ugrnn", "rnn")),
    *(Pool("perceptron", cell, "collins", 200, 4000, 128, 128) for cell in ("ugrnn", "rnn")),
    Pool("memory:input_dim=8,length=6", "rnn", "collins", 1200, 2400, 32, 96),
    *(Pool("perceptron", cell, "collins", 200, 4000, 128, 128) for cell in ("gru", "lstm")),
    *(Pool("python-docs", cell, "collins", 2500, 1600, 16, 128) for cell in ("gru", "rnn")),
    Pool("memory:input_dim=8,length=6", "gru", "collins", 1200, 2400, 32, 96),
    *(Pool("perceptron", cell, "row-soap", 200, 4000, 128, 128) for cell in ("gru", "lstm")),
]


def record(pool: Pool) -> None:
    """Trains what is missing of a pool."""
    from keras_rnncap.initializers import derived_seed
    from keras_rnncap.runs import append_rows, read_rows
    from keras_rnncap.runs.rows import value_columns
    from keras_rnncap.tuners.oracles.encoding import SpaceEncoding

    job, there = pool.job(), len(read_rows(pool.file))
    encoding = SpaceEncoding(job.hyperparameters)
    sobol = stats.qmc.Sobol(encoding.dimensions, rng=np.random.default_rng(SEED)).random(pool.trials)
    values = [dict(job.hyperparameters.values), *(encoding.values(point) for point in sobol)][: pool.trials]
    population = None
    while there < pool.trials:
        numbers = range(there, min(there + MEMBERS, pool.trials))
        trials = [values[number] for number in numbers]
        members = [job.member(one, derived_seed(SEED, number)) for one, number in zip(trials, numbers, strict=True)]
        if population is None:
            population = job.population(trials[0], members)
        else:
            for slot, member in enumerate(members):
                population.replace(slot, member)
        curves = []
        for _ in range(POINTS):
            losses = job.advance(population, pool.steps // POINTS)
            curves.append(np.where(population.alive, job.progress(population, losses), np.nan))
        measured = job.measure(population, range(len(trials)), trials, losses)
        rows = []
        for slot, (number, one) in enumerate(zip(numbers, trials, strict=True)):
            short = {name: float(f"{value:.5g}") if isinstance(value, float) else value for name, value in one.items()}
            columns = {name: short.get(name) for name in dict.fromkeys(hp.name for hp in encoding.hyperparameters)}
            curve = {f"at {point + 1}": f"{float(values[slot]):.5g}" for point, values in enumerate(curves)}
            score = f"{measured[slot][job.objective]:.6g}" if measured[slot] else ""
            rows.append({"trial": number, **value_columns(columns), **curve, "score": score})
        append_rows(pool.file, rows)
        there += len(rows)
        print(pool.name, there, flush=True)


class Rule(NamedTuple):
    """When trials stop, and what the process is told of those that did.

    `quantiles` are those of `QuantileRule`, which wants `least` trials at a look; besides, nothing stops before
    `completed` trials have completed. With `keeps`, trials pause at `rungs` instead, points of their curves, and go on
    when they are among the best such share of all that came so far (Li et al., 2020).

    `tells` is `progress`: that at the stop, as if it were the score; `rank`: the score whose rank among the completed
    trials' scores is that of the progress among the completed trials' progress at the look, no worse than the worst
    completed; `gap`: the same, but a trial that did worse than all completed ones is worse than the worst by as much as
    it was at the look; `parts`: the part of the steps is a feature, and all progress at `TOLD_PARTS` is a value;
    `nothing`: all trials are random. `rule` is what searches do (`InUse`).
    """

    quantiles: Mapping[float, float] = {}
    tells: str = "rank"
    least: int = 1
    completed: int = 4
    keeps: float = 0.0
    rungs: Sequence[int] = ()


TELLS = ("progress", "rank", "gap", "parts", "nothing")
STOPS = {
    "today": Rule({0.1: 0.5, 0.25: 0.6, 0.5: 0.75}, least=8, completed=0),
    "33": Rule({0.25: 0.33}),
    "50-50": Rule({0.25: 0.5, 0.5: 0.5}),
    "60-75": Rule({0.25: 0.6, 0.5: 0.75}),
    "75-75": Rule({0.25: 0.75, 0.5: 0.75}),
    "half": Rule(keeps=1 / 2, rungs=(4, 8)),
    "third": Rule(keeps=1 / 3, rungs=(4, 8)),
    "early-third": Rule(keeps=1 / 3, rungs=(2, 4, 8)),
}
RULES = {f"{name}-{tells}": rule._replace(tells=tells) for name, rule in STOPS.items() for tells in TELLS}
RULES |= {"none": Rule(), "random": Rule(tells="nothing"), "in-use": Rule(tells="rule")}
COMPARED = ["none", "random", "in-use", "today-progress", "33-rank", "50-50-rank", "60-75-rank"]
COMPARED += [f"{name}-{tells}" for name in ("75-75", "third") for tells in TELLS] + ["half-gap", "early-third-gap"]


class Curves(NamedTuple):
    """A recorded pool."""

    features: np.ndarray  # (trials, features)
    in_bowl: np.ndarray
    progress: np.ndarray  # (trials, POINTS), NaN from where a trial diverged
    goodness: np.ndarray  # (trials,) of scores, more being better

    @classmethod
    def of(cls, pool: Pool) -> "Curves":
        """Reads a pool."""
        from keras_rnncap.runs import read_rows
        from keras_rnncap.tuners.oracles.encoding import SpaceEncoding

        job, rows = pool.job(), read_rows(pool.file)
        encoding = SpaceEncoding(job.hyperparameters)
        values = [{name.removeprefix("hp."): value for name, value in row.items()} for row in rows]
        features = encoding.features(np.stack([encoding.point(one) for one in values]))
        progress = np.array([[row.get(f"at {point + 1}", math.nan) for point in range(POINTS)] for row in rows], float)
        scores = np.array([row.get("score", math.nan) for row in rows], float)
        return cls(features, encoding.ordered_features(), progress, scores if job.direction == "max" else -scores)


class Search:
    """A search of a pool."""

    def __init__(self, curves: Curves, rule: Rule, seed: int) -> None:
        import keras_tuner as kt

        from keras_rnncap.tuners import GPBanditOracle, QuantileRule

        self.curves, self.rule, self.rng = curves, rule, np.random.default_rng(seed)
        self.order = list(self.rng.permutation(len(curves.goodness)))
        self.oracle = GPBanditOracle(kt.Objective("goodness", "max"), seed=seed)  # for its process alone
        self.quantiles = QuantileRule(rule.quantiles, rule.least)
        self.looks = [math.ceil(part * POINTS) for part in self.quantiles.parts]
        self.trained: dict[int, int] = {}  # points of its curve, by trial
        self.running: list[int] = []
        self.paused: list[int] = []
        self.completed: list[int] = []
        self.process: Any = None

    def run(self) -> list[float]:
        """Returns the regret after each of the budgets."""
        goodness, spent = self.curves.goodness, 0
        bests = [(0, -math.inf)]  # of the completed trials, with the steps until then
        while spent < POINTS * BUDGETS[-1]:
            self.start()
            if not self.running:
                break
            for trial in self.running:
                self.trained[trial] += 1
            spent += len(self.running)
            self.end()
            bests.append((spent, max(goodness[self.completed], default=-math.inf)))
        found = [max(best for spent, best in bests if spent <= POINTS * budget) for budget in BUDGETS]
        top = np.nanmax(goodness)
        return [float((top - best) / (top - np.nanmedian(goodness))) for best in found]

    def start(self) -> None:
        """Fills the slots: with paused trials that are to go on, then with new ones."""
        ended = len(self.trained) - len(self.running)
        self.process = None
        while len(self.running) < SLOTS:
            if (trial := self.resumed()) is not None:
                self.paused.remove(trial)
            elif not (untried := [trial for trial in self.order if trial not in self.trained]):
                break
            elif self.rule.tells == "nothing" or len(self.trained) < RANDOM or ended < 2:
                trial = untried[0]
            else:
                trial = self.proposed(untried)
            self.trained.setdefault(trial, 0)
            self.running.append(trial)

    def end(self) -> None:
        """Stops or pauses trials, and finds which have completed or diverged."""
        points = {trial: self.trained[trial] for trial in self.running}
        reached = {trial: self.curves.progress[trial, point - 1] for trial, point in points.items()}
        over = {trial for trial in self.running if math.isnan(reached[trial]) or points[trial] == POINTS}
        for checkpoint, look in enumerate(self.looks):
            if here := [trial for trial in self.running if points[trial] == look and trial not in over]:
                hopeless = self.quantiles.hopeless(checkpoint, [reached[trial] for trial in here])
                if len(self.completed) >= self.rule.completed:
                    over |= set(itertools.compress(here, hopeless))
        paused = [trial for trial in self.running if points[trial] in self.rule.rungs and trial not in over]
        self.paused += paused
        over |= set(paused)
        scored = np.isfinite(self.curves.goodness)
        self.completed += [trial for trial in self.running if points[trial] == POINTS and scored[trial]]
        self.running = [trial for trial in self.running if trial not in over]

    def resumed(self) -> int | None:
        """Returns a paused trial that is among the best of its rung."""
        for rung in reversed(self.rule.rungs):
            progress = self.curves.progress[:, rung - 1]
            here = [trial for trial, point in self.trained.items() if point >= rung and math.isfinite(progress[trial])]
            here.sort(key=lambda trial: -progress[trial])
            for trial in here[: int(len(here) * self.rule.keeps)]:
                if trial in self.paused and self.trained[trial] == rung:
                    return trial
        return None

    def told(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns what the process learns from: features and values, more being better."""
        curves = self.curves
        if self.rule.tells == "parts":
            all_trials, points = (np.array(each) for each in zip(*self.trained.items(), strict=True))
            diverged = (points > 0) & np.isnan(curves.progress[all_trials, points - 1])
            points[diverged] = POINTS  # it has no progress at the other parts either
            which, column = np.nonzero(points[:, None] >= np.array(TOLD_PARTS))
            trials, parts = all_trials[which], np.array(TOLD_PARTS)[column]
            values = np.where(parts == POINTS, curves.goodness[trials], curves.progress[trials, parts - 1])
            return self.placed(trials, parts), values
        trials = np.array([trial for trial in self.trained if trial not in self.running])
        done = np.array(self.completed, int)
        values = []
        for trial in trials:
            point = self.trained[trial]
            value = curves.goodness[trial] if point == POINTS else curves.progress[trial, point - 1]
            if point < POINTS and self.rule.tells != "progress" and len(done) > 1:
                there, scores = np.sort(curves.progress[done, point - 1]), np.sort(curves.goodness[done])
                gap = min(value - there[0], 0) if self.rule.tells == "gap" else 0.0
                value = np.interp(value, there, scores) + gap if math.isfinite(value) else value
            values.append(value)
        return self.placed(trials), np.array(values)

    def placed(self, trials: Sequence[int] | np.ndarray, parts: Any = POINTS) -> np.ndarray:
        """Returns what the process sees of trials, after parts of their steps if it sees those."""
        features = self.curves.features[np.asarray(trials, int)]
        if self.rule.tells == "parts":
            features = np.column_stack([features, np.broadcast_to(np.asarray(parts) / POINTS, len(features))])
        return features

    def proposed(self, untried: list[int]) -> int:
        """Returns the untried trial whose expected improvement is the largest."""
        from keras_rnncap.tuners.oracles.gp_bandit import FANTASIES, expected_improvement

        if self.process is None:
            x, y = self.told()
            in_bowl = np.append(self.curves.in_bowl, [True] * (x.shape[1] - len(self.curves.in_bowl)))
            self.process = self.oracle._process(x, y, in_bowl, ended=0, fit=True)
        process = self.process
        if self.running:
            process = process.fantasies(self.placed(self.running), FANTASIES, self.rng)
        best = process.predict(self.placed(list(self.trained)))[0].max(axis=0)
        expected = expected_improvement(*process.predict(self.placed(untried)), best)
        return untried[int(np.argmax(expected.reshape(len(untried), -1).mean(axis=1)))]


class InUse(Search):
    """A search with the `QuantileRule` of the package: it says who waits, who goes on, and what the process is told."""

    def __init__(self, curves: Curves, rule: Rule, seed: int) -> None:
        from keras_rnncap.tuners import QuantileRule

        super().__init__(curves, rule, seed)
        self.quantiles = QuantileRule()
        self.looks = [math.ceil(part * POINTS) for part in self.quantiles.parts]

    def end(self) -> None:
        """Has trials wait, and finds which have completed or diverged."""
        progress, points = self.curves.progress, self.trained
        over = {trial for trial in self.running if math.isnan(progress[trial, points[trial] - 1])}
        over |= {trial for trial in self.running if points[trial] == POINTS}
        for checkpoint, look in enumerate(self.looks):
            if not (here := [trial for trial in self.running if points[trial] == look and trial not in over]):
                continue
            hopeless = self.quantiles.hopeless(checkpoint, [progress[trial, look - 1] for trial in here])
            waits = list(itertools.compress(here, hopeless))
            self.paused += waits
            over |= {*waits}
        for trial in self.running:
            if points[trial] == POINTS and math.isfinite(self.curves.goodness[trial]):
                self.completed.append(trial)
                seen = [progress[trial, look - 1] for look in self.looks]
                self.quantiles.complete(seen, float(self.curves.goodness[trial]))
        self.running = [trial for trial in self.running if trial not in over]

    def resumed(self) -> int | None:
        """Returns the best waiting trial that is not hopeless any more."""

        def seen(trial: int) -> tuple[int, float]:
            return self.looks.index(self.trained[trial]), float(self.curves.progress[trial, self.trained[trial] - 1])

        for trial in sorted(self.paused, key=seen, reverse=True):
            if not self.quantiles.is_hopeless(*seen(trial)):
                return trial
        return None

    def told(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the scores of trials that completed, and what the rule tells of those that wait."""
        trials = [trial for trial in self.trained if trial not in self.running]
        values = [self.curves.goodness[trial] for trial in trials]
        for place, trial in enumerate(trials):
            if trial in self.paused:
                look = self.trained[trial]
                values[place] = self.quantiles.told(self.looks.index(look), self.curves.progress[trial, look - 1])
        return self.placed(trials), np.array(values)


def replay(options: argparse.Namespace) -> None:
    """Prints regrets, for each pool and their means."""
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    pools = [pool for pool in POOLS if pool.file.exists() and pool.name in (options.pools or [pool.name])]
    tables: dict[str, dict[str, np.ndarray]] = {pool.name: {} for pool in pools}
    curves = {pool.name: Curves.of(pool) for pool in pools}
    for pool, rule in track(list(itertools.product(pools, options.rules)), "searches"):
        kind = InUse if RULES[rule].tells == "rule" else Search
        searches = [kind(curves[pool.name], RULES[rule], seed) for seed in seeds]
        tables[pool.name][rule] = np.median([[*search.run(), len(search.trained)] for search in searches], axis=0)
    means = {rule: np.mean([table[rule] for table in tables.values()], axis=0) for rule in options.rules}
    tables["mean over pools"] = means
    for name, table in tables.items():
        rows = []
        for rule, (*regrets, trials) in table.items():
            after = {str(budget): f"{regret:.3f}" for budget, regret in zip(BUDGETS, regrets, strict=True)}
            rows.append({"rule": rule} | after | {"trials": f"{trials:.0f}"})
        show(f"Median regret after the steps of whole trials, {name}, {options.seeds} seeds", rows, width=100)


def main() -> None:
    """Records or replays."""
    arguments = parser(__doc__)
    arguments.add_argument("what", choices=["record", "replay"], nargs="?", default="replay")
    arguments.add_argument("--seeds", type=int, default=20)
    arguments.add_argument("--first-seed", type=int, default=0)
    arguments.add_argument("--pools", nargs="+", choices=[pool.name for pool in POOLS], help="all that are recorded")
    arguments.add_argument("--rules", nargs="+", choices=RULES, default=COMPARED)
    options = arguments.parse_args()
    if options.what == "replay":
        replay(options)
    else:
        CURVES.mkdir(exist_ok=True)
        for pool in POOLS:
            record(pool)


if __name__ == "__main__":
    main()
