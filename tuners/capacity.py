"""The main job: how many bits does a cell store for each parameter?"""

import dataclasses
import json
import math
import os
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from keras_rnncap.analysis.capacity import plot_capacity
from keras_rnncap.cells import CellFactory, get_cell, one_name, starts_of
from keras_rnncap.datasets import PerceptronSearch
from keras_rnncap.datasets.perceptron import PER_PARAMETER
from keras_rnncap.defaults import ENGINE, SEED, Capacity, run_folder
from keras_rnncap.errors import InputError
from keras_rnncap.runs import IDENTITY, SCORED, replacing
from keras_rnncap.training import takes_logits
from keras_rnncap.tuners.jobs import Job
from keras_rnncap.tuners.population_tuner import SLOTS
from keras_rnncap.tuners.rounds import closing_workers
from keras_rnncap.tuners.search import SearchOptions, SearchResult, check_search
from keras_rnncap.tuners.search_run import SearchRun, in_a_word
from keras_rnncap.tuners.spaces import SPACES, RowSOAPSpace, around, in_words
from keras_rnncap.tuners.stopping import QuantileRule
from keras_rnncap.tuners.timing import Spent, make_plan, say_that_pace_is_measured, spent_in

OF_TASK: dict[str, Any] = {
    "patterns_per_parameter": (3.0, float(PER_PARAMETER)),
    "every_step": False,
    "loss_saturation": 0.4,
}
"""What the space `row-soap` has of the task's own hyperparameters; a cell's `start` may have another `every_step`."""
NEARBY = 1 / 8
"""How far from its start a measurement in the space `row-soap` searches each number, as a part of its range."""
SPACES_HERE = ("row-soap", "collins")
"""The spaces of a measurement."""
NEAR = (1.0, 0.93, 1.07)
"""Where a measurement in the space `row-soap` starts: parts of the cell's usual number of patterns."""
MORE_PATTERNS = 0.15
"""The power of the number of parameters with which the usual number of patterns for each of them grows, unless the
cell's `start` has another `patterns_power`."""
KERNEL_SCALE = 2.0
"""Where one in the space `collins` starts, unless the cell's `start` says otherwise."""
STEPS_PER_PARAMETER = 300
"""Training steps with which a trial does well."""
FEWEST_PER_PARAMETER = 100
"""Those with which many trials at once may be better than few."""
SEARCH_PER_PARAMETER = 200
"""Those with which a search is worth more than a few longer trials."""
FEWEST_TRIALS, MOST_TRIALS = 12, 200
"""The fewest trials of a search, and the most that a measurement of a small model divides its time by."""
FEWER_TRIALS = 1.75
"""The power of the number of parameters with which that most falls: more steps help large models more than trials."""


@dataclasses.dataclass(frozen=True)
class CapacityResult(SearchResult):
    """What a capacity measurement found, besides what `SearchResult` names; `capacity.json` holds the same.

    Attributes:
        space: Name of the search space.
        input_dim: Width n_in of the patterns.
        centered: Whether the patterns are of -1/2 and 1/2; else they are of 0 and 1.
        length: Time steps.
        patterns: Number of patterns b in the best trial, `None` where no trial was feasible; so for the next three.
        accuracy: Fraction of them classified correctly.
        mutual_information_bits: Stored information, eq. 22.
        bits_per_parameter: The same for each parameter: the answer.
    """

    space: str
    input_dim: int
    centered: bool
    length: int
    patterns: int | None
    accuracy: float | None
    mutual_information_bits: float | None
    bits_per_parameter: float | None


class _CapacityRun(SearchRun[CapacityResult]):
    result_class = CapacityResult

    def describe(self, row: Mapping[str, Any]) -> str:
        if row["status"] not in SCORED:
            return in_a_word(row)
        best = self.best() or row
        return (
            f"{row['patterns']:>6,} patterns  accuracy {row['accuracy']:.3f}  {row['bits_per_parameter']:5.2f} "
            f"bits/parameter  best {best['bits_per_parameter']:.2f}"
        )

    def write_files(self, result: CapacityResult) -> None:
        with replacing(self.directory / "capacity.png") as new:
            plot_capacity(self.rows, result.parameters, result.cell).savefig(new, dpi=150)


def measure_capacity(
    cell: str | CellFactory,
    *,
    params: int = Capacity.params,
    depth: int = Capacity.depth,
    minutes: float | None = None,
    trials: int | None = None,
    steps: int | None = None,
    batch_size: int | None = None,
    seed: int = SEED,
    space: str = Capacity.space,
    input_dim: int | None = None,
    length: int = Capacity.length,
    changes: Mapping[str, Any] | None = None,
    slots: int = SLOTS,
    engine: str = ENGINE,
    out: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    progress: bool | Literal["bar", "summary"] = False,
) -> CapacityResult:
    """Measures how many bits a cell stores for each parameter, as Collins et al. (2017), section 2.1, do.

    Models of at most `params` parameters learn b random patterns by heart. A `GPBanditOracle` chooses b and
    hyperparameters for the largest mutual information, from starting points on, and trials that store less than most
    others are stopped early. The best trial's bits are a lower bound on what the cell can store, and rise with
    `minutes`, or `trials` and `steps`.

    In `out` is `trials.csv` (a row for each trial), and at the end `capacity.json`, `capacity.png`, `best/model.keras`
    and `best/saved_model/`. The same call again continues where the last one stopped; one with more trials or minutes
    adds to it.

    Args:
        cell: A name such as `"ugrnn"`, `"module:Class"` or `"graph:FILE.json"`, or a cell class.
        params: Largest number of trainable parameters.
        depth: Number of layers.
        minutes: Time for all trials, after which those in training are left for the next call. `None` takes 3 minutes,
            or as long as `trials` take where these are given.
        trials: Number of trials; where `changes` fix all hyperparameters, they differ in their weights alone. `None`
            takes as many as there is time for.
        steps: Training steps of a trial. `None` takes those of the run in the folder, 100,000, or what suits the time.
        batch_size: Patterns in a step; each epoch has them in a new order. `None` takes 256, or 128
            in the space `collins`.
        seed: Seed of patterns, weights and proposals.
        space: `"row-soap"`: the optimizer `RowSOAP`, and a narrow search around what stores much; `"collins"`: the
            paper's own space (appendix A), and patterns of 0 and 1.
        input_dim: Width of the patterns; `None` takes what 10 distinct patterns for each parameter need, in the
            space `collins` at least 16.
        length: Time steps; the paper has 5.
        changes: Changes of the search space, as `edit_space` takes them.
        slots: Trials that train at the same time.
        engine: Where they train: `"inline"`, in this process, or `"processes"`, a process on each core; `"processes:4"`
            takes so many. Rows do not depend on it.
        out: The folder; `None` takes `runs/capacity-CELL-PARAMSxDEPTH-seedSEED`, with other settings in its name.
        overwrite: Whether to start anew where the folder holds a run, which is removed.
        progress: Whether to show progress, as `WorkProgress` takes it.

    Raises:
        InputError: If the cell is unknown, a number is out of range, or the folder cannot be used.

    Example:
    >>> result = measure_capacity("rnn", params=60, trials=1, steps=20, out=tmp_path / "rnn-60")
    >>> result.units, result.parameters, result.trials
    (3, 49, 1)
    """
    counts = {"params": params, "depth": depth, "length": length}
    given = {"trials": trials, "steps": steps, "batch_size": batch_size}
    check_search(seed, **counts, slots=slots, **{name: count for name, count in given.items() if count is not None})
    if space not in SPACES_HERE:
        raise InputError(f"space must be one of {', '.join(SPACES_HERE)}; got {space!r}")
    factory = get_cell(cell)
    if minutes is None and trials is None:
        minutes = Capacity.minutes
    if out is None:
        sizes: dict[str, Any] = {"steps": steps, "batch_size": batch_size, "length": length, "input_dim": input_dim}
        out = default_directory(cell, params, depth, seed, space=space, changes=changes, **sizes)
    task = capacity_task(factory, params, input_dim, length, seed, space)

    spent = Spent() if overwrite else spent_in(out)
    usual_steps = spent.steps or Capacity.steps
    job = capacity_job(factory, task, params, depth, steps or usual_steps, batch_size, seed, space, changes)
    job.check()
    identity = {"command": "capacity", "input_dim": task.input_dim, "length": length}
    if space != "collins":
        identity |= {"space": space, "centered": task.centered}
    if changes:
        identity["set"] = {key: in_words(value) for key, value in changes.items()}
    # Where all hyperparameters are fixed, trials differ in their weights alone.
    proposals: dict[str, Any] = {"oracle": "repeat"} if job.all_fixed else {"starts": capacity_starts(job)}
    facts = {"space": space, "centered": task.centered}
    with closing_workers(job, engine) as workers:
        if minutes is not None:
            _CapacityRun.folder(job, cell, out, overwrite, identity).check(["steps"])
            say_that_pace_is_measured(progress)
            usual = (STEPS_PER_PARAMETER * params, FEWEST_PER_PARAMETER * params, trials_for(params))
            search = SEARCH_PER_PARAMETER * params if space == "row-soap" else None
            plan = make_plan(job, minutes, slots, workers, steps, *usual, spent, search).limited(trials)
            trials, job = plan.trials, job.with_steps(plan.steps)
            proposals |= {"deadline": plan.deadline, "most": plan.most}
        assert trials
        options = SearchOptions(**proposals, rule=QuantileRule(), slots=slots, engine=workers, progress=progress)
        return _CapacityRun.run(job, cell, trials, options, out, overwrite, identity, **facts)


def trials_for(params: int) -> tuple[int, int]:
    """Returns the fewest and the most trials that a measurement of given time is divided into, where it may choose.

    Example:
    >>> trials_for(300), trials_for(1_000), trials_for(3_000)
    ((12, 200), (12, 24), (12, 12))
    """
    most = int(MOST_TRIALS * min(Capacity.params / params, 1.0) ** FEWER_TRIALS)
    return FEWEST_TRIALS, max(FEWEST_TRIALS, most)


def capacity_task(
    cell: CellFactory,
    params: int,
    input_dim: int | None = None,
    length: int = Capacity.length,
    seed: int = SEED,
    space: str = Capacity.space,
) -> PerceptronSearch:
    """Returns the task of a measurement; the arguments are those of `measure_capacity`."""
    if space == "collins":
        return PerceptronSearch(params, input_dim, length, seed)
    width = math.ceil(math.log2(PER_PARAMETER * params)) if input_dim is None else input_dim
    centered = bool(starts_of(cell).get("centered", False))
    return PerceptronSearch(params, width, length, seed, centered)


def capacity_job(
    cell: CellFactory,
    task: PerceptronSearch,
    params: int,
    depth: int,
    steps: int,
    batch_size: int | None = None,
    seed: int = SEED,
    space: str = Capacity.space,
    changes: Mapping[str, Any] | None = None,
    nearby: float = NEARBY,
) -> Job:
    """Returns what a measurement trains; the arguments are those of `measure_capacity`, and `NEARBY` to try others."""
    chosen = SPACES[space].for_search(cell, params, task.scored_steps, takes_logits(task.loss()))
    sizes: dict[str, Any] = {"params": params, "depth": depth, "steps": steps, "seed": seed}
    sizes["batch_size"] = Capacity.batch_size[space] if batch_size is None else batch_size
    changes = dict(changes or {})
    if space == "row-soap":
        of_cell = starts_of(cell)
        of_task = OF_TASK | {"every_step": bool(of_cell.get("every_step", OF_TASK["every_step"]))}
        whole = Job(task, cell, space=chosen, changes=of_task, **sizes)
        start = whole.hyperparameters.values | capacity_starts(whole)[0]
        changes = of_task | around(whole.hyperparameters, start, nearby) | changes
    return Job(task, cell, space=chosen, changes=changes, **sizes)


def capacity_starts(job: Job) -> list[dict[str, float]]:
    """Returns the starting points: where they differ from the default values of the space."""
    values = job.hyperparameters.values
    of_cell = starts_of(job.cell)
    if isinstance(job.space, RowSOAPSpace):
        power = of_cell.get("patterns_power", MORE_PATTERNS)
        usual = job.space.start["patterns_per_parameter"] * (job.params / Capacity.params) ** power
        points = [{"patterns_per_parameter": usual * part} for part in NEAR]
    else:
        saturates = job.nearest("loss_saturation", 1.0) > 0
        scales = {name: of_cell.get("kernel_scale", KERNEL_SCALE) for name in values if name.endswith("kernel_scale")}
        points = [start | scales for start in PerceptronSearch.usual_points(saturates)]
    known = [{name: value for name, value in point.items() if name in values} for point in points]
    return [{name: job.nearest(name, value) for name, value in point.items()} for point in known]


def default_directory(
    cell: str | CellFactory, params: int, depth: int, seed: int, *, space: str = Capacity.space, **settings: Any
) -> Path:
    """Returns the folder of a measurement that was given none; what is not as by default is in its name."""
    changes, kind = settings.pop("changes", None), [] if space == "collins" else [space]
    usual = {"steps": Capacity.steps, "batch_size": Capacity.batch_size[space], "length": Capacity.length}
    named = {key: settings.get(key) for key in ("steps", "batch_size", "length", "input_dim")}
    unusual = kind + [f"{key}{value}" for key, value in named.items() if value and value != usual.get(key)]

    def folder(words: Callable[[Any], str]) -> Path:
        text = json.dumps({key: words(changes[key]) for key in sorted(changes)}) if changes else ""
        marked = [*unusual, f"set{zlib.crc32(text.encode()):08x}"] if text else unusual
        return run_folder("capacity", one_name(cell), f"{params}x{depth}", *marked, f"seed{seed}")

    before = folder(str)
    return before if (before / IDENTITY).exists() else folder(in_words)
