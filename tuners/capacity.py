"""The main job: how many bits does a cell store for each parameter?"""

from __future__ import annotations

import dataclasses
import math
import os
import time
from pathlib import Path
from typing import Any

import keras
import keras_tuner as kt
from keras_rnncap.datasets import PerceptronCapacity, capacity_input_dim
from keras_rnncap.tuners.kerastuner import COMPLETED, INFEASIBLE, StartingPointsOracle, search
from keras_rnncap.tuners.spaces import CollinsSpace, add_capacity_hyperparameters

from keras_rnncap.analysis.capacity import plot_capacity
from keras_rnncap.budget import Budget, units_for_budget
from keras_rnncap.cells import CellFactory, cell_name, get_cell
from keras_rnncap.errors import InputError, check_integer
from keras_rnncap.information import bits_per_parameter, mutual_information_bits
from keras_rnncap.initializers import derived_seed
from keras_rnncap.models import sequence_model
from keras_rnncap.progress import StepCallback, WorkProgress
from keras_rnncap.runs import RunDirectory, read_rows, replacing, write_json, write_rows
from keras_rnncap.saving import save_model
from keras_rnncap.training import compile_model, fit
from keras_rnncap.versions import versions

OBJECTIVE = "mutual_information_bits"
STARTS: tuple[dict[str, float], ...] = (
    {},
    {"patterns_per_parameter": 2.5},
    {"patterns_per_parameter": 3.5, "learning_rate": 0.04},
)
"""Where the search starts: the space's default values, and two variants with fewer and more patterns."""


@dataclasses.dataclass(frozen=True)
class CapacityResult:
    """What a capacity measurement found; `capacity.json` holds the same.

    Attributes:
        cell: The cell's name.
        depth: Number of layers.
        parameters: Trainable parameters of the model, at most the budget.
        units: Units of each layer.
        input_dim: Width n_in of the patterns.
        length: Time steps.
        patterns: Number of patterns b in the best trial, `None` where no trial was feasible; so for the next three.
        accuracy: Fraction of them classified correctly.
        mutual_information_bits: Stored information, eq. 22.
        bits_per_parameter: The same for each parameter: the answer.
        trials: Trials that ended, infeasible ones included.
        infeasible: Trials that diverged.
        steps: Training steps of a trial.
        seed: Seed of patterns, weights and proposals.
        elapsed_s: Time that all trials took, their proposals included, in seconds.
        hyperparameters: Those of the best trial.
        versions: Of Python and the packages that matter.
    """

    cell: str
    depth: int
    parameters: int
    units: int
    input_dim: int
    length: int
    patterns: int | None
    accuracy: float | None
    mutual_information_bits: float | None
    bits_per_parameter: float | None
    trials: int
    infeasible: int
    steps: int
    seed: int
    elapsed_s: float
    hyperparameters: dict[str, Any]
    versions: dict[str, str]


def measure_capacity(
    cell: str | CellFactory,
    *,
    params: int = 300,
    depth: int = 1,
    trials: int = 12,
    steps: int = 5000,
    seed: int = 0,
    input_dim: int | None = None,
    length: int = 5,
    out: str | os.PathLike[str] | None = None,
    progress: bool = False,
) -> CapacityResult:
    """Measures how many bits a cell stores for each parameter, as Collins et al. (2017), section 2.1, do.

    Models of at most `params` parameters learn b random patterns by heart. KerasTuner's Bayesian optimization chooses b
    and the paper's hyperparameters (appendix A) for the largest mutual information; the first three trials take the
    starting points in `STARTS`. The best trial's bits are a lower bound on what the cell can store, and rise with
    `trials` and `steps`.

    Everything is kept in `out` as soon as it exists: `trials.csv` (a row for each trial), and at the end
    `capacity.json`, `capacity.png`, `best/model.keras` and `best/saved_model/`. The same call again continues where the
    last one stopped; one with more trials adds to them.

    Args:
        cell: A name such as `"ugrnn"`, `"module:Class"`, or a cell class.
        params: Largest number of trainable parameters.
        depth: Number of layers.
        trials: Number of trials.
        steps: Training steps of a trial.
        seed: Seed of patterns, weights and proposals.
        input_dim: Width of the patterns; `None` takes 16, or what 10 distinct patterns for each parameter need.
        length: Time steps; the paper has 5.
        out: The folder; `None` takes `runs/capacity-CELL-PARAMSxDEPTH-seedSEED`.
        progress: Whether to show progress.

    Returns:
        The result; its `bits_per_parameter` is `None` if no trial was feasible.

    Raises:
        InputError: If the cell is unknown, a number is out of range, or the folder cannot be used.

    Example:
    >>> result = measure_capacity("rnn", params=60, trials=1, steps=20, out=tmp_path / "rnn-60")
    >>> result.units, result.parameters, result.trials
    (2, 43, 1)
    """
    factory = get_cell(cell)
    for name, value in {"params": params, "depth": depth, "trials": trials, "steps": steps, "length": length}.items():
        check_integer(name, value, 1)
    check_integer("seed", seed, 0)
    width = capacity_input_dim(params) if input_dim is None else check_integer("input_dim", input_dim, 1)
    if 2.0**width < 10 * params:
        raise InputError(
            f"input_dim={width} allows {2**width} distinct patterns; up to 10 for each of {params} parameters are "
            f"tried: it must be at least {math.ceil(math.log2(10 * params))}"
        )
    name = cell_name(cell)
    identity = {
        "command": "capacity",
        "cell": name,
        "params": params,
        "depth": depth,
        "steps": steps,
        "seed": seed,
        "input_dim": width,
        "length": length,
    }
    budget = units_for_budget(
        lambda units: sequence_model(factory, units, depth, input_dim=width, output_dim=1), params
    )
    with RunDirectory(out or default_directory(name, params, depth, seed), identity) as directory:
        run = _CapacityRun(directory, factory, budget, trials)
        with WorkProgress(trials * steps, len(run.rows) * steps, enabled=progress) as bar:
            try:
                run.search(bar)
            finally:  # also when interrupted: what is finished is kept, and shown
                result = run.finish()
    return result


def default_directory(cell: str, params: int, depth: int, seed: int) -> Path:
    """Returns the folder of a measurement that was given none."""
    return Path("runs") / f"capacity-{cell_name(cell).replace(':', '.')}-{params}x{depth}-seed{seed}"


class _CapacityRun:
    """One measurement: its folder, rows and best model. The rows are the truth; all else follows from them."""

    def __init__(self, directory: RunDirectory, cell: CellFactory, budget: Budget, trials: int) -> None:
        self.directory = directory
        self.identity = directory.identity
        self.cell = cell
        self.budget = budget
        self.trials = trials
        self.space = CollinsSpace(cell)
        self._since = time.monotonic()
        self.rows = read_rows(directory / "trials.csv")
        best = self.best()
        for weights in directory.path.glob("best-trial-*.weights.h5"):  # of trials that never got their row
            if best is None or weights != self._weights_file(best):
                weights.unlink()

    def search(self, bar: WorkProgress) -> None:
        """Runs the trials that are missing."""
        if self.rows:
            bar.say(f"continuing in {self.directory.path}: {len(self.rows)} trials are there")
        if len(self.rows) >= self.trials:
            return
        names = {hp.name for hp in self.hyperparameters().space}
        self._since = time.monotonic()  # a trial's time includes that of its proposal
        search(
            lambda number, values: self.run_trial(number, values, bar),
            self._make_oracle(),
            self.rows,
            lambda row: {name: row[name] for name in names if name in row},
        )

    def hyperparameters(self) -> kt.HyperParameters:
        """Returns the search space: the paper's, and the task's own."""
        hp = self.space.hyperparameters()
        add_capacity_hyperparameters(hp)
        return hp

    def _make_oracle(self) -> kt.Oracle:
        return StartingPointsOracle(
            STARTS,
            objective=kt.Objective(OBJECTIVE, "max"),
            max_trials=self.trials,
            num_initial_points=max(6, self.trials // 2),
            hyperparameters=self.hyperparameters(),
            # KerasTuner takes 0 for "no seed"; a run that goes on must not repeat its random proposals.
            seed=1 + derived_seed(self.identity["seed"], len(self.rows)) % 2**30,
            max_consecutive_failed_trials=self.trials + 1,  # infeasible trials are results, not failures
        )

    def run_trial(self, number: int, values: dict[str, Any], bar: WorkProgress) -> dict[str, Any]:
        """Trains one model and returns its row, after it was written; the model too, if it is the best."""
        identity = self.identity
        parameters = self.budget.parameters
        task = PerceptronCapacity(
            patterns=max(1, round(values["patterns_per_parameter"] * parameters)),
            input_dim=identity["input_dim"],
            length=identity["length"],
            every_step=bool(values["every_step"]),
            seed=identity["seed"],
        )
        # The same loop, unrolled: a third faster at these sizes. Saved is the one that takes any length.
        model = self.build(values, number, unroll=True)
        best = self.best()
        describe = "" if best is None else f"best {best['bits_per_parameter']:.2f} bits/parameter"
        callback = StepCallback(bar, number * identity["steps"], describe)
        compile_model(model, task.loss(), self.space.settings(values, identity["steps"]))
        diverged = math.isnan(fit(model, task.full_batches(identity["steps"]), (callback,)))
        loss = math.nan if diverged else task.mean_loss(model)
        feasible = loss <= task.infeasible_above
        accuracy = task.accuracy(model) if feasible else None
        row: dict[str, Any] = {
            "trial": number,
            "status": COMPLETED if feasible else INFEASIBLE,
            "patterns": task.patterns,
        }
        if feasible:
            bits = mutual_information_bits(task.patterns, accuracy)
            row |= {
                "accuracy": accuracy,
                OBJECTIVE: bits,
                "bits_per_parameter": bits_per_parameter(bits, parameters),
                "loss": loss,
            }
        row |= values | {"elapsed_s": round(time.monotonic() - self._since, 3)}
        self._since = time.monotonic()
        self._keep(row, model)
        bar.to((number + 1) * identity["steps"])
        bar.say(self._describe(row, bar))
        return row

    def build(self, values: dict[str, Any], number: int, unroll: bool) -> keras.Model:
        """Returns a trial's model as it starts."""
        seed = derived_seed(self.identity["seed"], number)
        keras.utils.set_random_seed(seed)  # for cells of users that take no seed
        return sequence_model(
            self.cell,
            self.budget.units,
            self.identity["depth"],
            input_dim=self.identity["input_dim"],
            output_dim=1,
            cell_options=self.space.cell_options(values),
            readout_options=self.space.readout_options(values),
            unroll=unroll,
            length=self.identity["length"] if unroll else None,
            seed=seed,
        )

    def best(self) -> dict[str, Any] | None:
        """Returns the best row so far."""
        feasible = [row for row in self.rows if row["status"] == COMPLETED]
        return max(feasible, key=lambda row: row[OBJECTIVE], default=None)

    def _keep(self, row: dict[str, Any], model: keras.Model) -> None:
        """Writes the weights first and the row after them: a row that is there has all it needs."""
        before = self.best()
        rows = [*self.rows, row]
        improved = row["status"] == COMPLETED and (before is None or row[OBJECTIVE] > before[OBJECTIVE])
        if improved:
            with replacing(self._weights_file(row)) as new:
                model.save_weights(new)
        write_rows(self.directory / "trials.csv", rows)
        self.rows = rows
        if improved and before is not None:
            self._weights_file(before).unlink(missing_ok=True)

    def _weights_file(self, row: dict[str, Any]) -> Path:
        return self.directory / f"best-trial-{row['trial']}.weights.h5"

    def _describe(self, row: dict[str, Any], bar: WorkProgress) -> str:
        head = f"trial {row['trial'] + 1:>3}/{self.trials}  {row['patterns']:>6,} patterns"
        best = self.best()
        tail = "" if best is None else f"best {best['bits_per_parameter']:.2f}  {bar.time_left()} left"
        if row["status"] == INFEASIBLE:
            return f"{head}  infeasible: training diverged            {tail}"
        return f"{head}  accuracy {row['accuracy']:.3f}  {row['bits_per_parameter']:5.2f} bits/parameter  {tail}"

    def finish(self) -> CapacityResult:
        """Writes all files that follow from the rows, and returns the result."""
        best = self.best() or {}
        hp_names = [hp.name for hp in self.hyperparameters().space]
        result = CapacityResult(
            cell=self.identity["cell"],
            depth=self.identity["depth"],
            parameters=self.budget.parameters,
            units=self.budget.units,
            input_dim=self.identity["input_dim"],
            length=self.identity["length"],
            patterns=best.get("patterns"),
            accuracy=best.get("accuracy"),
            mutual_information_bits=best.get(OBJECTIVE),
            bits_per_parameter=best.get("bits_per_parameter"),
            trials=len(self.rows),
            infeasible=sum(row["status"] == INFEASIBLE for row in self.rows),
            steps=self.identity["steps"],
            seed=self.identity["seed"],
            elapsed_s=round(sum(row["elapsed_s"] for row in self.rows), 1),
            hyperparameters={name: best[name] for name in hp_names if name in best},
            versions=versions(),
        )
        if not self.rows:
            return result
        if best:
            model = self.build(best, best["trial"], unroll=False)
            model.load_weights(self._weights_file(best))
            save_model(model, self.directory / "best")
        with replacing(self.directory / "capacity.png") as new:
            plot_capacity(self.rows, self.budget.parameters, self.identity["cell"]).savefig(new, dpi=150)
        write_json(self.directory / "capacity.json", dataclasses.asdict(result))
        return result
