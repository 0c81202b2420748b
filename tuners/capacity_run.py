"""One capacity measurement: its folder, its rows and its best model."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import keras
import keras_tuner as kt
import numpy as np
from keras_rnncap.datasets import PerceptronCapacity
from keras_rnncap.tuners.kerastuner import COMPLETED, INFEASIBLE, Proposal, StartingPointsOracle
from keras_rnncap.tuners.spaces import CollinsSpace, add_capacity_hyperparameters

from keras_rnncap.analysis.capacity import plot_capacity
from keras_rnncap.budget import Budget
from keras_rnncap.cells import CellFactory
from keras_rnncap.information import bits_per_parameter, mutual_information_bits
from keras_rnncap.initializers import derived_seed
from keras_rnncap.population import Member, MemberBuilder
from keras_rnncap.progress import WorkProgress
from keras_rnncap.runs import RunDirectory, read_rows, replacing, write_json, write_rows
from keras_rnncap.saving import save_model

OBJECTIVE = "mutual_information_bits"
STARTS: tuple[dict[str, float], ...] = (
    {},
    {"patterns_per_parameter": 2.5},
    {"patterns_per_parameter": 3.5, "learning_rate": 0.04},
)
"""Where the search starts: the space's default values, and two variants with fewer and more patterns."""
GP_PROPOSALS = 12
"""Trials, of the last, that KerasTuner's Gaussian process proposes at the cost of seconds each; earlier ones are random
after the starting points."""


class CapacityRun:
    """One measurement. The rows are the truth; all else follows from them.

    Args:
        directory: Its folder; the identity says all that is asked for.
        cell: The cell.
        budget: Its size.
        trials: Number of trials.
    """

    def __init__(self, directory: RunDirectory, cell: CellFactory, budget: Budget, trials: int) -> None:
        self.directory = directory
        self.identity = directory.identity
        self.budget = budget
        self.trials = trials
        self.space = CollinsSpace(cell)
        self.build = MemberBuilder(cell, budget.units, self.identity["depth"], self.identity["input_dim"], 1)
        self._names = {hp.name for hp in self._hyperparameters().space}
        self._since = time.monotonic()
        self.rows = read_rows(directory / "trials.csv")
        best = self.best()
        for weights in directory.path.glob("best-trial-*.weights.h5"):  # of trials that never got their row
            if best is None or weights != self._weights_file(best):
                weights.unlink()

    # ---- proposals

    def _hyperparameters(self) -> kt.HyperParameters:
        hp = self.space.hyperparameters()
        add_capacity_hyperparameters(hp)
        return hp

    def values_of(self, row: dict[str, Any]) -> dict[str, Any]:
        """Returns the hyperparameter values of a row."""
        return {name: row[name] for name in self._names if name in row}

    def make_oracle(self) -> kt.Oracle:
        """Returns the oracle that proposes the trials."""
        self._since = time.monotonic()  # a trial's time includes that of its proposal
        return StartingPointsOracle(
            STARTS,
            objective=kt.Objective(OBJECTIVE, "max"),
            max_trials=self.trials,
            num_initial_points=max(6, self.trials // 2, self.trials - GP_PROPOSALS),
            hyperparameters=self._hyperparameters(),
            # KerasTuner takes 0 for "no seed"; a run that goes on must not repeat its random proposals.
            seed=1 + derived_seed(self.identity["seed"], len(self.rows)) % 2**30,
            max_consecutive_failed_trials=self.trials + 1,  # infeasible trials are results, not failures
        )

    def member(self, proposal: Proposal) -> Member:
        """Returns what a proposal asks for."""
        return self._member(proposal.values, derived_seed(self.identity["seed"], proposal.number))

    def _member(self, values: dict[str, Any], seed: int) -> Member:
        return Member(
            self.space.settings(values, self.identity["steps"]),
            self.space.cell_options(values),
            self.space.readout_options(values),
            seed=seed,
            every_step=bool(values["every_step"]),
            patterns=max(1, round(values["patterns_per_parameter"] * self.budget.parameters)),
        )

    def task(self, member: Member) -> PerceptronCapacity:
        """Returns the task of a member: the first of the patterns that all share."""
        identity = self.identity
        return PerceptronCapacity(
            member.patterns, identity["input_dim"], identity["length"], member.every_step, identity["seed"]
        )

    # ---- rows

    def best(self) -> dict[str, Any] | None:
        """Returns the best row so far."""
        feasible = [row for row in self.rows if row["status"] == COMPLETED]
        return max(feasible, key=lambda row: row[OBJECTIVE], default=None)

    def record(self, proposal: Proposal, member: Member, logits: np.ndarray | None, model: Any) -> dict[str, Any]:
        """Writes the row of a trial that ended, and its model if it is the best; returns the row.

        Args:
            proposal: What was proposed.
            member: What that came to.
            logits: Its outputs for all its patterns; `None` if it diverged.
            model: Returns the trained model.
        """
        task = self.task(member)
        loss = np.nan if logits is None else task.mean_loss_of(logits)
        feasible = loss <= task.infeasible_above
        row: dict[str, Any] = {
            "trial": len(self.rows),
            "status": COMPLETED if feasible else INFEASIBLE,
            "patterns": task.patterns,
        }
        if feasible and logits is not None:
            accuracy = task.accuracy_of(logits)
            bits = mutual_information_bits(task.patterns, accuracy)
            row |= {
                "accuracy": accuracy,
                OBJECTIVE: bits,
                "bits_per_parameter": bits_per_parameter(bits, self.budget.parameters),
                "loss": loss,
            }
        row |= proposal.values | {"seed": member.seed, "elapsed_s": round(time.monotonic() - self._since, 3)}
        self._since = time.monotonic()
        self._keep(row, model)
        return row

    def _keep(self, row: dict[str, Any], model: Any) -> None:
        """Writes the weights first and the row after them: a row that is there has all it needs."""
        before = self.best()
        rows = [*self.rows, row]
        improved = row["status"] == COMPLETED and (before is None or row[OBJECTIVE] > before[OBJECTIVE])
        if improved:
            with replacing(self._weights_file(row)) as new:
                model().save_weights(new)
        write_rows(self.directory / "trials.csv", rows)
        self.rows = rows
        if improved and before is not None:
            self._weights_file(before).unlink(missing_ok=True)

    def _weights_file(self, row: dict[str, Any]) -> Path:
        return self.directory / f"best-trial-{row['trial']}.weights.h5"

    def say(self, row: dict[str, Any], bar: WorkProgress) -> None:
        """Tells how a trial ended."""
        head = f"trial {row['trial'] + 1:>3}/{self.trials}  {row['patterns']:>6,} patterns"
        best = self.best()
        tail = "" if best is None else f"best {best['bits_per_parameter']:.2f}  {bar.time_left()} left"
        if row["status"] == INFEASIBLE:
            bar.say(f"{head}  infeasible: training diverged            {tail}")
        else:
            bar.say(f"{head}  accuracy {row['accuracy']:.3f}  {row['bits_per_parameter']:5.2f} bits/parameter  {tail}")

    def finish(self, result: dict[str, Any]) -> None:
        """Writes all files that follow from the rows: the best model, the picture, and the result."""
        if not self.rows:
            return
        if best := self.best():
            model = self.model(self._member(self.values_of(best), best["seed"]))
            model.load_weights(self._weights_file(best))
            save_model(model, self.directory / "best")
        with replacing(self.directory / "capacity.png") as new:
            plot_capacity(self.rows, self.budget.parameters, self.identity["cell"]).savefig(new, dpi=150)
        write_json(self.directory / "capacity.json", result)

    def model(self, member: Member) -> keras.Model:
        """Returns a member's model as it starts."""
        keras.utils.set_random_seed(member.seed)  # for cells of users that take no seed
        return self.build(member)
