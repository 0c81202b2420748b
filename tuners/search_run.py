"""One search: its folder, its rows and its best model."""

from __future__ import annotations

import dataclasses
import math
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import keras

from keras_rnncap.defaults import ENGINE
from keras_rnncap.runs import COMPLETED, INFEASIBLE, RunDirectory, append_rows, temporary_folder, write_rows
from keras_rnncap.runs.rows import value_columns, values_of
from keras_rnncap.saving import save_model, write_weights
from keras_rnncap.terminal.progress import WorkProgress
from keras_rnncap.tuners.jobs import Job
from keras_rnncap.tuners.journal import ASKED, AskedTrial, Journal
from keras_rnncap.tuners.oracles.kerastuner import PastTrial, make_oracle
from keras_rnncap.tuners.population_tuner import SLOTS, EndedTrial, PopulationTuner, QuantileRule
from keras_rnncap.tuners.trial_table import HISTORY, HISTORY_FILE, check_values, read_history, read_trials
from keras_rnncap.versions import versions

INITIAL_TRIALS = 16
"""Trials that end before the Gaussian process is asked; those after the starting points are spread evenly."""


@dataclasses.dataclass(frozen=True)
class SearchResult:
    """What all searches end with.

    Attributes:
        cell: The cell's name.
        depth: Number of layers of the best trial.
        parameters: Its trainable parameters.
        units: Units of each of its layers.
        trials: Trials that ended, infeasible ones included.
        infeasible: Trials that diverged.
        stopped_early: Trials that were stopped because others did better.
        steps: Training steps of a whole trial.
        batch_size: Samples in a step.
        seed: Seed of data, weights and proposals.
        elapsed_s: Time that all trials took, their proposals included, in seconds.
        hyperparameters: Those of the best trial.
        versions: Of Python and the packages that matter.
    """

    cell: str
    depth: int
    parameters: int
    units: int
    trials: int
    infeasible: int
    stopped_early: int
    steps: int
    batch_size: int
    seed: int
    elapsed_s: float
    hyperparameters: dict[str, Any]
    versions: dict[str, str]


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
        space = job.hyperparameters
        self.rows = read_trials(directory / "trials.csv", space, job.objective)
        read_history(directory / HISTORY_FILE, self.rows)  # an error now if there is one
        self.journal = Journal(directory)
        check_values(directory / ASKED, (asked.values for asked in self.journal.asked.values()), space)
        best = self.best()
        for weights in directory.path.glob("best-trial-*.weights.h5"):  # of trials that never got their row
            if best is None or weights != self._weights_file(best):
                weights.unlink()

    def values_of(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the hyperparameter values of a row."""
        return values_of(row, [hp.name for hp in self.job.hyperparameters.space])

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

    def facts(self) -> dict[str, Any]:
        """Returns the fields of a `SearchResult`."""
        identity, values = self.directory.identity, self.values_of(self.best() or {})
        budget = self.job.budget(values)
        return {
            **{key: identity[key] for key in ("cell", "steps", "batch_size", "seed")},
            "depth": values.get("depth", identity["depth"]),
            "parameters": budget.parameters,
            "units": budget.units,
            "trials": len(self.rows),
            "infeasible": sum(row["status"] == INFEASIBLE for row in self.rows),
            "stopped_early": self.stopped_early,
            "elapsed_s": round(sum(row["elapsed_s"] for row in self.rows), 1),
            "hyperparameters": values,
            "versions": versions(),
        }

    def search(
        self,
        oracle: str = "gp",
        starts: Sequence[Mapping[str, Any]] = (),
        rule: QuantileRule | None = None,
        slots: int = SLOTS,
        progress: bool | Literal["bar"] = False,
        engine: str = ENGINE,
    ) -> None:
        """Runs the trials that are missing.

        Args:
            oracle: Name of the oracle.
            starts: For each of the first trials, what differs from the default values of the space.
            rule: When to stop a trial early.
            slots: Trials that train at the same time.
            progress: Whether to show progress; `"bar"` shows the bar without a line for each trial.
            engine: Where they train, as `make_engine` takes it.
        """
        steps = self.job.steps
        with WorkProgress(self.trials * steps, len(self.rows) * steps, enabled=progress) as self._bar:
            self._drop_best_without_model()
            missing = [number for number in range(self.trials) if number not in self._numbers()]
            going_on = sum(number in self.journal.asked for number in missing)
            if self.rows or going_on:
                there = f"{len(self.rows)} trials are there, {going_on} were in training"
                self._bar.say(f"continuing in {self.directory.path}: {there}")
            else:
                self._bar.say(f"{self.trials:,} trials of {steps:,} steps, {slots} at a time, in {self.directory.path}")
            ended = -1
            while missing and len(self.rows) > ended:  # a space may have fewer points
                ended = len(self.rows)
                self._run(oracle, starts, rule, slots, engine)
                self._drop_best_without_model()
                missing = [number for number in range(self.trials) if number not in self._numbers()]

    def _numbers(self) -> set[int]:
        return {row["trial"] for row in self.rows}

    def _past(self) -> list[PastTrial]:
        """Returns the trials below the number asked for that were asked for before, ended or not."""
        rows = {row["trial"]: row for row in self.rows}
        asked = {trial.trial: trial.values for trial in self.journal.asked.values()}
        return [
            PastTrial(number, asked[number] if number in asked else self.values_of(rows[number]), rows.get(number))
            for number in range(self.trials)
            if number in asked or number in rows
        ]

    def _run(
        self, oracle_name: str, starts: Sequence[Mapping[str, Any]], rule: QuantileRule | None, slots: int, engine: str
    ) -> None:
        """Runs what is missing, and keeps what is in training now and then, and at the end of it."""
        seed, past = self.directory.identity["seed"], self._past()
        last = self.journal.asked.get(len(past) - 1)
        oracle = make_oracle(
            oracle_name,
            self.job.kt_objective,
            self.job.hyperparameters,
            self.trials,
            seed,
            past,
            starts,
            INITIAL_TRIALS,
            last.oracle if last else None,
        )

        def asked(number: int, seed: int, values: dict[str, Any]) -> None:
            self.journal.note(AskedTrial(number, seed, values, oracle.proposal_state()))

        def keep_now_and_then() -> None:
            if self.journal.is_due():
                self._keep(tuner)

        scratch = temporary_folder(self.directory.path)  # for KerasTuner's files, which nobody reads
        tuner = PopulationTuner(
            oracle,
            self.job,
            slots=slots,
            rule=rule,
            seed=seed,
            on_end=self.record,
            on_ask=asked,
            on_round=keep_now_and_then,
            bar=self._bar,
            engine=engine,
            directory=scratch,
        )
        tuner.ended = len(self.rows)
        tuner.infeasible = sum(row["status"] == INFEASIBLE for row in self.rows)
        tuner.seeds_taken = {row["seed"] for row in self.rows}
        for checkpoint, progress in self._mended_looks():
            tuner.remember(checkpoint, progress)
        states, spent_s = self.journal.kept()
        self._since = time.monotonic() - spent_s
        for trial in list(oracle.ongoing_trials.values()):
            number = int(trial.trial_id)
            tuner.resume(trial, self.journal.asked[number].seed, states.get(number))
        try:
            tuner.search()
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
            self._keep(tuner)

    def _keep(self, tuner: PopulationTuner) -> None:
        with self._bar.held():
            self.journal.keep(tuner.states, time.monotonic() - self._since)

    def _mended_looks(self) -> list[tuple[int, float]]:
        """Takes out of the history what belongs to trials without rows; returns what the stopping rule saw of others.

        Each is the number of a checkpoint, and the progress there.
        """
        file = self.directory / HISTORY_FILE
        if kept := read_history(file, self.rows):
            write_rows(file, kept)
        else:
            file.unlink(missing_ok=True)
        looks: dict[int, list[float]] = {}
        for row in kept:
            if not math.isnan(row["progress"]):
                looks.setdefault(row["trial"], []).append(row["progress"])
        return [look for seen in looks.values() for look in enumerate(seen)]

    def _drop_best_without_model(self) -> None:
        """Has the best trial trained again if its weights are missing or damaged; the same seed gives the same."""
        if (best := self.best()) is None:
            return
        try:
            self._best_model(best)
        except Exception as error:  # a damaged archive raises whatever its first damaged part raises
            file, number = self._weights_file(best), best["trial"]
            wrong = f"damaged ({error})" if file.exists() else "missing"
            self._bar.say(f"{file}, the model of the best trial, is {wrong}: trial {number} is trained again")
            file.unlink(missing_ok=True)
            if number not in self.journal.asked:
                self.journal.note(AskedTrial(number, best["seed"], self.values_of(best)))
            self.rows.remove(best)
            self.trials = max(self.trials, number + 1)

    def record(self, ended: EndedTrial) -> None:
        """Writes the row of a trial that ended, and its model if it is the best; an interrupt waits for both."""
        with self._bar.held():
            self._record(ended)

    def _record(self, ended: EndedTrial) -> None:
        row: dict[str, Any] = {
            "trial": ended.number,
            "status": INFEASIBLE if ended.measured is None else COMPLETED,
            **self.job.facts(ended.member),
            **(ended.measured or {}),
            **value_columns(ended.values),
            "steps": ended.steps,
            "seed": ended.member.seed,
            "elapsed_s": round(time.monotonic() - self._since, 3),
        }
        self._since = time.monotonic()
        # The weights and the history first and the row after them: a row that is there has all it needs.
        before = self.best()
        self.rows = sorted([*self.rows, row], key=lambda row: row["trial"])
        improved = self.best() is row
        try:
            if improved:
                write_weights(ended.model(), self._weights_file(row))
            append_rows(
                self.directory / HISTORY_FILE,
                [dict(zip(HISTORY, (row["trial"], *entry), strict=True)) for entry in ended.history],
            )
            write_rows(self.directory / "trials.csv", self.rows)
        except BaseException:
            self.rows.remove(row)
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
            save_model(self._best_model(best), self.directory / "best")

    def _best_model(self, best: Mapping[str, Any]) -> keras.Model:
        values = self.values_of(best)
        model = self.job.builder(values)(self.job.member(values, best["seed"]))
        model.load_weights(self._weights_file(best))
        return model


def _describe(run: SearchRun, row: dict[str, Any]) -> str:
    best, name = run.best(), run.job.objective
    outcome = "infeasible: diverged" if row["status"] == INFEASIBLE else f"{row[name]:.4g} {name.replace('_', ' ')}"
    return f"{outcome}  best {best[name]:.4g}" if best else outcome
