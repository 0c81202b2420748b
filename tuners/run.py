"""One search: its folder, its rows and its best model."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from keras_rnncap.tuners.jobs import Job
from keras_rnncap.tuners.kerastuner import COMPLETED, INFEASIBLE, make_oracle
from keras_rnncap.tuners.population_tuner import SLOTS, EndedTrial, PopulationTuner, QuantileRule
from keras_tuner.engine.hyperparameters import Float, Int

from keras_rnncap.progress import WorkProgress
from keras_rnncap.runs import RunDirectory, append_rows, drop_half_row, read_rows, replacing, write_rows
from keras_rnncap.saving import save_model

INITIAL_TRIALS = 16
"""Trials that end before the Gaussian process is asked; those after the starting points are spread evenly."""


class SearchRun:
    """One search. The rows are the truth; all else follows from them.

    Args:
        directory: Its folder; the identity says all that is asked for.
        job: What is trained.
        trials: Number of trials.
        describe: Returns what to tell of a row.
    """

    def __init__(
        self,
        directory: RunDirectory,
        job: Job,
        trials: int,
        describe: Callable[[SearchRun, dict[str, Any]], str] | None = None,
    ) -> None:
        self.directory = directory
        self.job = job
        self.trials = trials
        self._describe = describe or _describe
        self._since = time.monotonic()
        self._bar = WorkProgress(1, enabled=False)
        self.rows = read_rows(directory / "trials.csv")
        best = self.best()
        for weights in directory.path.glob("best-trial-*.weights.h5"):  # of trials that never got their row
            if best is None or weights != self._weights_file(best):
                weights.unlink()

    def values_of(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the hyperparameter values of a row."""
        return {hp.name: _typed(hp, row[hp.name]) for hp in self.job.hyperparameters.space if hp.name in row}

    def best(self) -> dict[str, Any] | None:
        """Returns the best row so far."""
        feasible = [row for row in self.rows if row["status"] == COMPLETED]
        sign = 1 if self.job.direction == "max" else -1
        return max(feasible, key=lambda row: sign * row[self.job.objective], default=None)

    @property
    def stopped_early(self) -> int:
        """Trials that were stopped before their last step without having diverged."""
        return sum(
            row["status"] == COMPLETED and row.get("steps", self.job.steps) < self.job.steps for row in self.rows
        )

    def search(
        self,
        oracle: str = "gp",
        starts: Sequence[Mapping[str, Any]] = (),
        rule: QuantileRule | None = None,
        slots: int = SLOTS,
        progress: bool | Literal["bar"] = False,
    ) -> None:
        """Runs the trials that are missing.

        Args:
            oracle: Name of the oracle.
            starts: For each of the first trials, what differs from the default values of the space.
            rule: When to stop a trial early.
            slots: Trials that train at the same time.
            progress: Whether to show progress; `"bar"` shows the bar without a line for each trial.
        """
        job, steps = self.job, self.job.steps
        with WorkProgress(self.trials * steps, len(self.rows) * steps, enabled=progress) as self._bar:
            if self.rows:
                self._bar.say(f"continuing in {self.directory.path}: {len(self.rows)} trials are there")
            else:
                self._bar.say(f"{self.trials:,} trials of {steps:,} steps, {slots} at a time, in {self.directory.path}")
            if len(self.rows) >= self.trials:
                return
            self._mend_history()
            seed = self.directory.identity["seed"]
            self._since = time.monotonic()
            rows = [(row, self.values_of(row)) for row in self.rows]
            proposing = make_oracle(
                oracle, job.kt_objective, job.hyperparameters, self.trials, seed, rows, starts, INITIAL_TRIALS
            )
            with tempfile.TemporaryDirectory() as scratch:  # for KerasTuner's files, which nobody reads
                tuner = PopulationTuner(
                    proposing,
                    job,
                    slots=slots,
                    rule=rule,
                    seed=seed,
                    on_end=self.record,
                    bar=self._bar,
                    directory=scratch,
                )
                tuner.ended = len(self.rows)
                tuner.infeasible = sum(row["status"] == INFEASIBLE for row in self.rows)
                tuner.search()

    def _mend_history(self) -> None:
        """Takes away what belongs to a trial whose own row was never written."""
        file = self.directory / "history.csv"
        drop_half_row(file)
        if file.exists() and not file.stat().st_size:
            file.unlink()
        history = read_rows(file)
        kept = [row for row in history if row["trial"] < len(self.rows)]
        if not kept:
            file.unlink(missing_ok=True)
        elif len(kept) < len(history):
            write_rows(file, kept)

    def record(self, ended: EndedTrial) -> None:
        """Writes the row of a trial that ended, and its model if it is the best; an interrupt waits for both."""
        with self._bar.held():
            self._record(ended)

    def _record(self, ended: EndedTrial) -> None:
        row: dict[str, Any] = {
            "trial": len(self.rows),
            "status": INFEASIBLE if ended.measured is None else COMPLETED,
            **self.job.facts(ended.member),
            **(ended.measured or {}),
            **ended.values,
            "steps": ended.steps,
            "seed": ended.member.seed,
            "elapsed_s": round(time.monotonic() - self._since, 3),
        }
        self._since = time.monotonic()
        # The weights and the history first and the row after them: a row that is there has all it needs.
        before = self.best()
        self.rows.append(row)
        improved = self.best() is row
        try:
            if improved:
                with replacing(self._weights_file(row)) as new:
                    ended.model().save_weights(new)
            append_rows(
                self.directory / "history.csv",
                [{"trial": row["trial"], "step": step, "loss": loss} for step, loss in ended.history],
            )
            write_rows(self.directory / "trials.csv", self.rows)
        except BaseException:
            self.rows.pop()
            raise
        if improved and before is not None:
            self._weights_file(before).unlink(missing_ok=True)
        self._bar.say(
            f"trial {len(self.rows):>3}/{self.trials}  {self._describe(self, row)}  {self._bar.time_left()} left"
        )

    def _weights_file(self, row: Mapping[str, Any]) -> Path:
        return self.directory / f"best-trial-{row['trial']}.weights.h5"

    def save_best(self) -> None:
        """Writes the best trial's model to `best/`, if there is one."""
        if best := self.best():
            values = self.values_of(best)
            model = self.job.builder(values)(self.job.member(values, best["seed"]))
            model.load_weights(self._weights_file(best))
            save_model(model, self.directory / "best")


def _typed(hp: Any, value: Any) -> Any:
    """Returns a value as the hyperparameter has it: a table knows no integers in a column with gaps."""
    if isinstance(hp, Int):
        return int(value)
    return value if isinstance(hp, Float) else next((one for one in hp.values if one == value), value)


def _describe(run: SearchRun, row: dict[str, Any]) -> str:
    best, name = run.best(), run.job.objective
    found = "infeasible: diverged" if row["status"] == INFEASIBLE else f"{row[name]:.4g} {name.replace('_', ' ')}"
    return f"{found}  best {best[name]:.4g}" if best else found
