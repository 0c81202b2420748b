"""Any task, any cell: a search for the best hyperparameters, its rows and its pictures."""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from keras_rnncap.analysis.sweep import plot_importance, plot_parallel_coordinates, plot_slices
from keras_rnncap.cells import CellFactory, get_cell, one_name
from keras_rnncap.datasets import BITS, PerceptronCapacity, Task
from keras_rnncap.defaults import ENGINE, SEED, Sweep, params_for, run_folder, task_words
from keras_rnncap.errors import InputError, check_integer
from keras_rnncap.runs import SCORED, replacing, write_json
from keras_rnncap.training import takes_logits
from keras_rnncap.tuners.dashboards import SPACE_FILE, write_hparams
from keras_rnncap.tuners.importance import compute_importance
from keras_rnncap.tuners.jobs import Job
from keras_rnncap.tuners.oracles.continued import check_oracle
from keras_rnncap.tuners.oracles.encoding import SpaceEncoding
from keras_rnncap.tuners.population_tuner import SLOTS
from keras_rnncap.tuners.profiles import get_profile
from keras_rnncap.tuners.rounds import closing_workers
from keras_rnncap.tuners.search import SearchOptions, SearchResult, check_search
from keras_rnncap.tuners.search_run import SearchRun
from keras_rnncap.tuners.spaces import SPACES, in_words
from keras_rnncap.tuners.stopping import QuantileRule
from keras_rnncap.tuners.timing import Spent, make_plan, say_that_pace_is_measured, spent_in

TRIALS = (12, 100)
"""The fewest and the most trials that a sweep of given time divides it by, where it may choose their steps."""


@dataclasses.dataclass(frozen=True)
class SweepResult(SearchResult):
    """What a sweep found, besides what `SearchResult` names; `sweep.json` holds the same.

    Attributes:
        task: The task's name.
        data: What the data are.
        oracle: What proposed the trials.
        space: Name of the search space.
        profile: Name of the profile.
        objective: Name and unit of the score.
        direction: Whether more (`"max"`) or less (`"min"`) is better.
        best_score: The best trial's score; `None` where no trial was feasible.
        chance_score: What a model has that knows nothing of the input.
    """

    task: str
    data: str
    oracle: str
    space: str
    profile: str
    objective: str
    direction: str
    best_score: float | None
    chance_score: float


class _SweepRun(SearchRun[SweepResult]):
    result_class = SweepResult

    def write_files(self, result: SweepResult) -> None:
        folder, space = self.directory, self.job.hyperparameters
        write_json(folder / SPACE_FILE, space.get_config())
        encoding = SpaceEncoding(space)
        values = [self.values_of(row) for row in self.rows]
        known = [row.get(result.objective) if row["status"] in SCORED else None for row in self.rows]
        scores = pd.Series(known, dtype=float, name=result.objective)
        places, ticks = encoding.places(values), encoding.ticks()
        figures = {
            "parallel_coordinates.png": plot_parallel_coordinates(places, ticks, scores, result.direction),
            "slices.png": plot_slices(places, ticks, scores),
        }
        importance = compute_importance(space, values, scores.to_numpy(), result.direction, result.seed)
        if importance is not None:
            figures["importance.png"] = plot_importance(importance)
        for name, figure in figures.items():
            with replacing(folder / name) as new:
                figure.savefig(new, dpi=120)
        write_hparams(folder / "hparams", self.rows, values, result.objective)


def run_sweep(
    task: Task | None,
    cell: str | CellFactory,
    *,
    params: int | None = None,
    depth: int = Sweep.depth,
    minutes: float | None = None,
    trials: int | None = None,
    steps: int | None = None,
    batch_size: int = Sweep.batch_size,
    oracle: str = Sweep.oracle,
    space: str = Sweep.space,
    changes: Mapping[str, Any] | None = None,
    objective: str | None = None,
    profile: str = Sweep.profile,
    stop_early: bool | None = None,
    slots: int = SLOTS,
    engine: str = ENGINE,
    seed: int = SEED,
    out: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    progress: bool | Literal["bar", "summary"] = False,
) -> SweepResult:
    """Searches the hyperparameters with which a cell does best on a task.

    In `out` are `trials.csv` (a row for each trial) and `history.csv` (its training loss), and at the end `sweep.json`,
    `parallel_coordinates.png`, `slices.png`, `importance.png`, `hparams/` (for TensorBoard), `best/model.keras` and
    `best/saved_model/`. The same call again continues where the last one stopped; one with more trials adds to it.

    Args:
        task: The task; `None` is perceptron capacity, whose number of patterns the search chooses.
        cell: A name such as `"ugrnn"`, `"module:Class"` or `"graph:FILE.json"`, or a cell class.
        params: Largest number of trainable parameters; `None` takes 300, or more where the task says so.
        depth: Number of layers.
        minutes: Time for all trials, after which those in training are left for the next call; `None` sets no limit.
        trials: Number of trials; `None` takes the profile's, or as many as there is time for.
        steps: Training steps of a trial; `None` takes the profile's, or what suits the time.
        batch_size: Samples in a step.
        oracle: What proposes trials: `"gp"`, `"random"`, `"bayesian"` (KerasTuner's own), or `"repeat"`, always the
            default values of the space, so that only weights and batches differ.
        space: `"collins"`, `"jozefowicz"` or another of `keras_rnncap.tuners.spaces.SPACES`.
        changes: Changes of the space, as `edit_space` takes them.
        objective: What to search for: `"mutual_information_bits"`, or `None` for the task's score.
        profile: `"smoke"`, `"laptop"` or `"paper"`.
        stop_early: Whether to stop trials that are not in the best third; `None` takes the profile's.
        slots: Trials that train at the same time.
        engine: Where they train: `"inline"`, in this process, or `"processes"`, a process on each core; `"processes:4"`
            takes so many. Rows do not depend on it.
        seed: Seed of data, weights and proposals.
        out: The folder; `None` takes `runs/sweep-TASK-CELL-PARAMSxDEPTH-ORACLE-seedSEED`, with any other objective.
        overwrite: Whether to start anew where the folder holds a run, which is removed.
        progress: Whether to show progress, as `WorkProgress` takes it.

    Raises:
        InputError: If a name is unknown, a number is out of range, or the folder cannot be used.

    Example:
    >>> result = run_sweep(None, "rnn", params=60, trials=2, steps=20, profile="smoke", out=tmp_path / "sweep")
    >>> result.objective, result.trials
    ('mutual_information_bits', 2)
    """
    task = task or PerceptronCapacity.load()
    params, spent, factory = params_for(task, params, Sweep.params), get_profile(profile), get_cell(cell)
    if minutes is None:
        trials = spent.trials if trials is None else trials
        steps = spent.steps if steps is None else steps
    for name, count in (("trials", trials), ("steps", steps)):
        if count is not None:
            check_integer(name, count, 1)
    stop_early = spent.stop_early if stop_early is None else stop_early
    check_search(seed, params=params, depth=depth, batch_size=batch_size, slots=slots)
    check_oracle(oracle)
    if space not in SPACES:
        raise InputError(f"space must be one of {', '.join(SPACES)}; got {space!r}")
    task = task.for_budget(params, seed)
    sizes = {"params": params, "depth": depth, "batch_size": batch_size, "seed": seed}
    chosen = SPACES[space].for_search(factory, params, task.scored_steps, takes_logits(task.loss()))
    out = out or default_directory(task, cell, params, depth, oracle, seed, objective)

    job_steps = spent.steps if steps is None else steps
    job = Job(task, factory, space=chosen, changes=changes, objective=objective, steps=job_steps, **sizes)
    job.check()
    identity = {
        "command": "sweep",
        **task.identity,
        "oracle": oracle,
        "space": space,
        "set": {key: in_words(value) for key, value in (changes or {}).items()},
        "stop_early": stop_early,
        **({"objective": job.objective} if job.objective != task.score_name else {}),
    }
    chance_score = 0.0 if job.objective == BITS else task.chance_score
    facts = {"profile": profile, "objective": job.objective, "direction": job.direction, "chance_score": chance_score}
    rule = QuantileRule() if stop_early else None
    proposals: dict[str, Any] = {"oracle": oracle}
    if oracle == "gp":
        proposals["starts"] = [job.point(start) for start in job.task.starts()]
    with closing_workers(job, engine) as workers:
        if minutes is not None:
            _SweepRun.folder(job, cell, out, overwrite, identity).check(["steps"])
            say_that_pace_is_measured(progress)
            done = Spent() if overwrite else spent_in(out)
            usual = (spent.steps, spent.steps, TRIALS)
            plan = make_plan(job, minutes, slots, workers, steps, *usual, done).limited(trials)
            trials, job = plan.trials, job.with_steps(plan.steps)
            proposals |= {"deadline": plan.deadline, "most": plan.most}
        assert trials
        options = SearchOptions(**proposals, rule=rule, slots=slots, engine=workers, progress=progress)
        return _SweepRun.run(job, cell, trials, options, out, overwrite, identity, **facts)


def default_directory(
    task: Task, cell: str | CellFactory, params: int, depth: int, oracle: str, seed: int, objective: str | None = None
) -> Path:
    """Returns the folder of a sweep that was given none."""
    more = [objective] if objective and objective != task.score_name else []
    return run_folder("sweep", task_words(task), one_name(cell), f"{params}x{depth}", oracle, *more, f"seed{seed}")
