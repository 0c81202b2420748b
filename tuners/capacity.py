"""The main job: how many bits does a cell store for each parameter?"""

import dataclasses
import json
import os
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from keras_rnncap.analysis.capacity import plot_capacity
from keras_rnncap.cells import CellFactory, get_cell, one_name
from keras_rnncap.datasets import PerceptronSearch
from keras_rnncap.defaults import ENGINE, SEED, Capacity, run_folder
from keras_rnncap.runs import IDENTITY, INFEASIBLE, replacing
from keras_rnncap.tuners.jobs import Job
from keras_rnncap.tuners.population_tuner import SLOTS
from keras_rnncap.tuners.search import SearchOptions, SearchResult, check_search
from keras_rnncap.tuners.search_run import SearchRun
from keras_rnncap.tuners.spaces import in_words
from keras_rnncap.tuners.stopping import QuantileRule

STOP_BELOW = {0.1: 0.5, 0.25: 0.6, 0.5: 0.75}
"""After these parts of its steps a trial is stopped that stores less than these quantiles of trials did there."""
START = {"learning_rate_decay": 0.014, "clip_norm": 2.5, "kernel_scale": 2.0}
START_PATTERNS = (5.0, 4.0, 4.5, 5.5, 6.0, 6.5)
"""Where a measurement starts: these values, with each of these numbers of patterns per parameter."""
CROSS_ENTROPY_PATTERNS = (3.0, 2.5, 3.25, 3.5, 3.75, 4.0)
"""The same where the loss is held to the cross-entropy."""


@dataclasses.dataclass(frozen=True)
class CapacityResult(SearchResult):
    """What a capacity measurement found, besides what `SearchResult` names; `capacity.json` holds the same.

    Attributes:
        input_dim: Width n_in of the patterns.
        length: Time steps.
        patterns: Number of patterns b in the best trial, `None` where no trial was feasible; so for the next three.
        accuracy: Fraction of them classified correctly.
        mutual_information_bits: Stored information, eq. 22.
        bits_per_parameter: The same for each parameter: the answer.
    """

    input_dim: int
    length: int
    patterns: int | None
    accuracy: float | None
    mutual_information_bits: float | None
    bits_per_parameter: float | None


class _CapacityRun(SearchRun[CapacityResult]):
    result_class = CapacityResult

    def describe(self, row: Mapping[str, Any]) -> str:
        if row["status"] == INFEASIBLE:
            return "infeasible: training diverged"
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
    trials: int = Capacity.trials,
    steps: int = Capacity.steps,
    batch_size: int = Capacity.batch_size,
    seed: int = SEED,
    input_dim: int | None = None,
    length: int = Capacity.length,
    changes: Mapping[str, Any] | None = None,
    slots: int = SLOTS,
    engine: str = ENGINE,
    out: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    progress: bool | Literal["bar"] = False,
) -> CapacityResult:
    """Measures how many bits a cell stores for each parameter, as Collins et al. (2017), section 2.1, do.

    Models of at most `params` parameters learn b random patterns by heart. A `GPBanditOracle` chooses b and the paper's
    hyperparameters (appendix A) for the largest mutual information, from the starting points `START` on, and trials
    that store less than most others are stopped early. The best trial's bits are a lower bound on what the cell can
    store, and rise with `trials` and `steps`.

    In `out` is `trials.csv` (a row for each trial), and at the end `capacity.json`, `capacity.png`, `best/model.keras`
    and `best/saved_model/`. The same call again continues where the last one stopped; one with more trials adds to it.

    Args:
        cell: A name such as `"ugrnn"`, `"module:Class"`, or a cell class.
        params: Largest number of trainable parameters.
        depth: Number of layers.
        trials: Number of trials; where `changes` fix all hyperparameters, they differ in their weights alone.
        steps: Training steps of a trial.
        batch_size: Patterns in a step; all trials cycle through their own in the same order.
        seed: Seed of patterns, weights and proposals.
        input_dim: Width of the patterns; `None` takes 16, or what 10 distinct patterns for each parameter need.
        length: Time steps; the paper has 5.
        changes: Changes of the search space, as `edit_space` takes them.
        slots: Trials that train at the same time.
        engine: Where they train: `"inline"`, in this process, or `"processes"`, a process on each core; `"processes:4"`
            takes so many. Rows do not depend on it.
        out: The folder; `None` takes `runs/capacity-CELL-PARAMSxDEPTH-seedSEED`, with other settings in its name.
        overwrite: Whether to start anew where the folder holds a run, which is removed.
        progress: Whether to show progress; `"bar"` shows the bar without a line for each trial.

    Raises:
        InputError: If the cell is unknown, a number is out of range, or the folder cannot be used.

    Example:
    >>> result = measure_capacity("rnn", params=60, trials=1, steps=20, out=tmp_path / "rnn-60")
    >>> result.units, result.parameters, result.trials
    (2, 43, 1)
    """
    counts = {"params": params, "depth": depth, "trials": trials, "steps": steps, "length": length}
    check_search(seed, **counts, batch_size=batch_size, slots=slots)
    task, factory = PerceptronSearch(params, input_dim, length, seed), get_cell(cell)
    sizes: dict[str, Any] = {"params": params, "depth": depth, "steps": steps, "batch_size": batch_size, "seed": seed}
    job = Job(task, factory, changes=changes, **sizes)
    if out is None:
        out = default_directory(cell, **sizes, length=length, input_dim=input_dim, changes=changes)
    identity = {"command": "capacity", "input_dim": task.input_dim, "length": length}
    if changes:
        identity["set"] = {key: in_words(value) for key, value in changes.items()}
    # Where all hyperparameters are fixed, trials differ in their weights alone.
    proposals = {"oracle": "repeat"} if job.all_fixed else {"starts": _starts(job)}
    options = SearchOptions(**proposals, rule=QuantileRule(STOP_BELOW), slots=slots, engine=engine, progress=progress)
    return _CapacityRun.run(job, cell, trials, options, out, overwrite, identity)


def _starts(job: Job) -> list[dict[str, float]]:
    """Returns the starting points: where they differ from the default values of the space."""
    values = job.hyperparameters.values
    start = {name: START[name.split(".")[-1]] for name in values if name.split(".")[-1] in START}
    saturates = job.nearest("loss_saturation", 1.0) > 0
    patterns = START_PATTERNS if saturates else CROSS_ENTROPY_PATTERNS
    points = [start | {"patterns_per_parameter": density} for density in patterns]
    return [{name: job.nearest(name, value) for name, value in point.items()} for point in points]


def default_directory(cell: str | CellFactory, params: int, depth: int, seed: int, **settings: Any) -> Path:
    """Returns the folder of a measurement that was given none; what is not as by default is in its name."""
    changes = settings.pop("changes", None)
    unusual = [f"{key}{value}" for key, value in settings.items() if value and value != getattr(Capacity, key, None)]

    def folder(words: Callable[[Any], str]) -> Path:
        text = json.dumps({key: words(changes[key]) for key in sorted(changes)}) if changes else ""
        marked = [*unusual, f"set{zlib.crc32(text.encode()):08x}"] if text else unusual
        return run_folder("capacity", one_name(cell), f"{params}x{depth}", *marked, f"seed{seed}")

    before = folder(str)
    return before if (before / IDENTITY).exists() else folder(in_words)
