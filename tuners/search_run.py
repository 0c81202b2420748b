"""One search: its folder, its rows, its result and its best model."""

import collections
import dataclasses
import functools
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Generic

import keras
import pandas as pd

from keras_rnncap.cells import CellFactory, one_name
from keras_rnncap.runs import (
    COMPLETED,
    DIVERGED,
    SCORED,
    STOPPED,
    UNTRAINED,
    RunDirectory,
    append_rows,
    temporary_folder,
    write_json,
    write_rows,
)
from keras_rnncap.runs.fingerprint import code_of
from keras_rnncap.runs.rows import value_columns, values_of
from keras_rnncap.saving import save_model, write_weights
from keras_rnncap.terminal.progress import WorkProgress
from keras_rnncap.tuners import journal
from keras_rnncap.tuners.jobs import Job
from keras_rnncap.tuners.oracles.continued import INITIAL_OPTIONS, PastTrial, make_oracle
from keras_rnncap.tuners.population_tuner import EndedTrial, PopulationTuner
from keras_rnncap.tuners.search import Result, SearchOptions
from keras_rnncap.tuners.spaces import as_today
from keras_rnncap.tuners.timing import at_once
from keras_rnncap.versions import versions

INITIAL_TRIALS = 16
"""Trials that are asked for before the Gaussian process is, at most; those after the starts are spread evenly."""


MADE = 2 / 3
"""The part of the trials planned that a search of given time makes at least, as a rule."""


def in_a_word(row: Mapping[str, Any]) -> str:
    """Returns what became of a trial that has no score."""
    return f"stopped early after {row['steps']:,} steps" if row["status"] == STOPPED else "diverged: infeasible"


class SearchRun(Generic[Result]):
    """One search: so many trials of a job, in a folder. The rows are the truth; all else follows from them."""

    result_class: type[Result]

    def __init__(self, directory: RunDirectory, job: Job, trials: int) -> None:
        self.directory, self.job, self.trials = directory, job, trials
        self._most = trials
        self._since = time.monotonic()
        self._bar = WorkProgress(1, enabled=False)
        self.rows = journal.read_trials(directory / "trials.csv", job.hyperparameters, job.objective)
        journal.read_history(directory / journal.HISTORY_FILE, self.rows)  # an error now if there is one
        self.journal = journal.Journal(directory)
        journal.check_values(
            directory / journal.ASKED, [trial.values for trial in self.journal.asked.values()], job.hyperparameters
        )
        self.rows = [self._as_today(row) for row in self.rows]
        best = self.best()
        for weights in directory.path.glob("best-trial-*.weights.h5"):  # of trials that never got their row
            if best is None or weights != self._weights_file(best):
                weights.unlink()

    @classmethod
    def run(
        cls,
        job: Job,
        cell: str | CellFactory,
        trials: int,
        options: SearchOptions,
        out: str | os.PathLike[str],
        overwrite: bool,
        identity: Mapping[str, Any],
        **facts: Any,
    ) -> Result:
        """Runs a search in a folder, or what is missing of it, and returns its result.

        The job has been checked. `identity` has the command, and what tells the search from others besides its cell and
        sizes; `facts` are what the result says besides what follows from the rows and the identity.
        """
        with cls.folder(job, cell, out, overwrite, identity) as directory:
            search_run = cls(directory, job, trials)
            try:
                search_run.search(options)
            finally:  # also when interrupted: what is finished is kept, and shown
                result = search_run.result(facts)
                if search_run.rows:
                    search_run.write_files(result)
                    if best := search_run.best():
                        save_model(search_run._best_model(best), directory / "best")
                    write_json(directory / f"{identity['command']}.json", dataclasses.asdict(result))
        return result

    @staticmethod
    def folder(
        job: Job, cell: str | CellFactory, out: str | os.PathLike[str], overwrite: bool, identity: Mapping[str, Any]
    ) -> RunDirectory:
        """Returns the folder of a search; the arguments are those of `run`."""
        sizes = {name: getattr(job, name) for name in ("params", "depth", "steps", "batch_size", "seed")}
        identity = {**identity, "cell": one_name(cell), **sizes, **code_of(job.cell, type(job.task))}
        return RunDirectory(out, identity, overwrite, functools.partial(as_today, cell))

    def _as_today(self, row: dict[str, Any]) -> dict[str, Any]:
        """Returns a row; in earlier versions one that was stopped early had the score that it had reached."""
        stopped = row["status"] in SCORED and row.get("steps", self.job.steps) < self.job.steps
        if "proposed_by" in row or not stopped or self.job.space.settings(self.values_of(row), 1).schedule:
            return row
        return row | {"status": STOPPED, "told": row[self.job.objective]}

    def values_of(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the hyperparameter values of a row."""
        return values_of(row, [hp.name for hp in self.job.hyperparameters.space])

    def best(self) -> dict[str, Any] | None:
        """Returns the best row so far."""
        feasible = [row for row in self.rows if row["status"] in SCORED]
        sign = 1 if self.job.direction == "max" else -1
        return max(feasible, key=lambda row: sign * row[self.job.objective], default=None)

    def result(self, facts: Mapping[str, Any]) -> Result:
        """Returns the result: each field from the rows, from what was asked for, or from `facts`."""
        best, identity = self.best() or {}, self.directory.identity
        values = self.values_of(best)
        budget = self.job.budget(values)
        known = {
            **best,
            **identity,
            **facts,
            "depth": values.get("depth", identity["depth"]),
            "parameters": budget.parameters,
            "units": budget.units,
            "trials": len(self.rows),
            **{status: sum(row["status"] == status for row in self.rows) for status in (DIVERGED, UNTRAINED)},
            "proposed_by": dict(collections.Counter(row["proposed_by"] for row in self.rows if row.get("proposed_by"))),
            "best_proposed_by": best.get("proposed_by"),
            "stopped_early": sum(row["status"] == STOPPED for row in self.rows),
            "elapsed_s": round(sum(row["elapsed_s"] for row in self.rows), 1),
            "hyperparameters": values,
            "versions": versions(),
            "best_score": best.get(self.job.objective),
        }
        fields: dict[str, Any] = {field.name: known.get(field.name) for field in dataclasses.fields(self.result_class)}
        return self.result_class(**fields)

    def describe(self, row: Mapping[str, Any]) -> str:
        """Returns what to tell of a trial that ended."""
        best, name = self.best(), self.job.objective
        scored = row["status"] in SCORED
        outcome = f"{row[name]:.4g} {name.replace('_', ' ')}" if scored else in_a_word(row)
        return f"{outcome}  best {best[name]:.4g}" if best else outcome

    def write_files(self, result: Result) -> None:
        """Writes the files that follow from the rows, besides the result and the best model."""

    def search(self, options: SearchOptions) -> None:
        """Runs the trials that are missing."""
        steps = self.job.steps
        done = len(self.rows) * steps
        self._most = max(options.most or 0, self.trials)
        with WorkProgress(self._most * steps, done, options.progress, options.deadline) as self._bar:
            self._drop_best_without_model()
            going_on = sum(number in self.journal.asked for number in self._missing())
            bound = "about " if self._most > self.trials else "at most "
            about = bound if options.deadline else ""
            start = f"{about}{self.trials:,} trials of {steps:,} steps, {self._slots(options)} at a time"
            start = f"{start}, in {self.directory.path}"
            if self.rows or going_on:
                trials = f"{len(self.rows)} trials are there, {going_on} were in training"
                start = f"continuing in {self.directory.path}: {trials}"
            self._bar.say(start)
            ended = -1
            while self._missing() and len(self.rows) > ended:  # a space may have fewer points
                ended = len(self.rows)
                self._run(options)
                self._drop_best_without_model()
                if options.deadline:
                    break

    def _slots(self, options: SearchOptions) -> int:
        """Returns how many trials train at the same time."""
        return at_once(options.slots, self.trials) if options.oracle in INITIAL_OPTIONS else options.slots

    def _missing(self) -> list[int]:
        return sorted({*range(self._most)} - {row["trial"] for row in self.rows})

    def _past(self) -> list[PastTrial]:
        """Returns the trials below the number asked for that were asked for before, ended or not."""
        rows = {row["trial"]: row for row in self.rows}
        values = {number: self.values_of(row) for number, row in rows.items()}
        values |= {number: trial.values for number, trial in self.journal.asked.items()}
        return [PastTrial(number, values[number], rows.get(number)) for number in range(self._most) if number in values]

    def _run(self, options: SearchOptions) -> None:
        """Runs what is missing, and keeps what is in training now and then, and at the end of it."""
        seed, past, job = self.directory.identity["seed"], self._past(), self.job
        last = self.journal.asked.get(len(past) - 1)
        initial = at_once(INITIAL_TRIALS, int(MADE * self.trials) if options.deadline else self.trials)
        oracle = make_oracle(
            options.oracle,
            job.kt_objective,
            job.hyperparameters,
            self._most,
            seed,
            past,
            options.starts[:initial],
            initial,
            last.oracle if last else None,
        )
        scratch = temporary_folder(self.directory.path)  # for KerasTuner's files, which nobody reads
        tuner = PopulationTuner(
            oracle,
            job,
            slots=self._slots(options),
            rule=options.rule,
            seed=seed,
            on_end=self.record,
            on_ask=lambda number, seed, values: self.journal.note(
                number, seed, values, oracle.proposal_state(), oracle.last_proposed_by
            ),
            on_round=lambda: self._keep(tuner) if self.journal.is_due() else None,
            bar=self._bar,
            engine=options.engine,
            deadline=options.deadline,
            directory=scratch,
        )
        tuner.ended = len(self.rows)
        tuner.diverged = sum(row["status"] == DIVERGED for row in self.rows)
        tuner.scored = sum(row["status"] in SCORED for row in self.rows)
        tuner.seeds_taken = {row["seed"] for row in self.rows}
        looks, rows = self._mended_looks(), {row["trial"]: row for row in self.rows}
        for number, row in rows.items():
            ended = row["status"] in (COMPLETED, UNTRAINED)
            tuner.remember(looks.get(number, []), row[job.objective] if ended else None)
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

    def _mended_looks(self) -> dict[int, list[float]]:
        """Takes trials without rows out of the history; returns what the rule saw of the others, by trial."""
        file = self.directory / journal.HISTORY_FILE
        if kept := journal.read_history(file, self.rows):
            write_rows(file, kept)
        else:
            file.unlink(missing_ok=True)
        looks = pd.DataFrame(kept, columns=list(journal.HISTORY)).dropna(subset="progress")
        seen: dict[int, list[float]] = {}
        for trial, progress in zip(looks["trial"], looks["progress"], strict=True):
            seen.setdefault(int(trial), []).append(float(progress))
        return seen

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
                self.journal.note(number, best["seed"], self.values_of(best), {}, best.get("proposed_by"))
            self.rows.remove(best)
            self._most = max(self._most, number + 1)

    def record(self, ended: EndedTrial) -> None:
        """Writes the row of a trial that ended, and its model if it is the best; an interrupt waits for both."""
        with self._bar.held():
            row: dict[str, Any] = {
                "trial": ended.number,
                "status": ended.status,
                "proposed_by": self.journal.asked[ended.number].proposed_by,
                **self.job.facts(ended.member),
                **(ended.measured or {}),
                **({} if ended.told is None else {"told": ended.told}),
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
                history = [dict(zip(journal.HISTORY, (row["trial"], *entry), strict=True)) for entry in ended.history]
                append_rows(self.directory / journal.HISTORY_FILE, history)
                write_rows(self.directory / "trials.csv", self.rows)
            except BaseException:
                self.rows.remove(row)
                raise
            if improved and before is not None:
                self._weights_file(before).unlink(missing_ok=True)
            of_all = f"/{self._most}" if self._most == self.trials else ""
            progress = f"trial {len(self.rows):>3}{of_all}  {self.describe(row)}"
            self._bar.say(f"{progress}  {self._bar.time_left()} left", detail=True)

    def _weights_file(self, row: Mapping[str, Any]) -> Path:
        return self.directory / f"best-trial-{row['trial']}.weights.h5"

    def _best_model(self, best: Mapping[str, Any]) -> keras.Model:
        values = self.values_of(best)
        model = self.job.builder(values)(self.job.member(values, best["seed"]))
        model.load_weights(self._weights_file(best))
        return model
