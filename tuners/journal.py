"""The files of a search: its trials and their histories, what its oracle proposed, and the trials in training."""

import contextlib
import dataclasses
import json
import math
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras_tuner as kt
import numpy as np
from keras_tuner.engine.hyperparameters import Float, Int

from keras_rnncap.errors import InputError
from keras_rnncap.runs import SCORED, STOPPED, RunDirectory, columns, read_rows, replacing
from keras_rnncap.runs.columns import Column, checked_rows
from keras_rnncap.runs.rows import HYPERPARAMETER, Row, damaged

HISTORY_FILE = "history.csv"
HISTORY = ("trial", "step", "loss", "progress")
"""The file of learning curves, and its columns."""
ASKED, RUNNING = "asked.jsonl", "running.npz"
COLUMNS = {
    "trial": columns.COUNT,
    "seed": columns.SEED,
    "values": columns.OBJECT,
    "oracle": columns.optional(columns.OBJECT),
    "proposed_by": columns.optional(columns.TEXT),
}
START = b'{"trial": '
"""What a line of `asked.jsonl` holds, and how it begins."""
SHARE_OF_TIME = 0.02
"""The part of a search's time that keeping the trials in training may take, about."""
LEAST_S = 3.0
"""Least time between two times that they are kept, in seconds."""


def read_trials(path: Path, space: kt.HyperParameters, objective: str) -> list[Row]:
    """Returns the rows of `trials.csv`; raises `InputError` if a value is wrong, or two rows are of one trial."""
    rows = read_rows(path)
    if path.exists() and not rows:
        raise damaged(path, "it has no rows")
    if not any(name.startswith(HYPERPARAMETER) for row in rows for name in row):  # a table of an earlier version
        names = {hp.name: HYPERPARAMETER + hp.name for hp in space.space}
        rows = [{names.get(name, name): value for name, value in row.items()} for row in rows]
    known = {
        "trial": columns.COUNT,
        "status": columns.STATUS,
        "seed": columns.SEED,
        "steps": columns.optional(columns.COUNT),
        "elapsed_s": columns.NUMBER,
        objective: columns.NUMBER._replace(needed=lambda row: row.get("status") in SCORED),
        "told": columns.NUMBER._replace(needed=lambda row: row.get("status") == STOPPED),
        "proposed_by": columns.optional(columns.TEXT),
        **_value_columns(rows, space, HYPERPARAMETER),
    }
    return checked_rows(path, rows, known, unique="trial")


def check_values(path: Path, values: Sequence[Row], space: kt.HyperParameters) -> None:
    """Raises `InputError` if the values of trials, each in a line of a file, are not of a space."""
    checked_rows(path, values, _value_columns(values, space, ""), first_line=1)


def _value_columns(rows: Sequence[Row], space: kt.HyperParameters, prefix: str) -> dict[str, Column]:
    """Returns the columns of hyperparameters that any row has."""
    names = dict.fromkeys(name for row in rows for name in row if name.startswith(prefix))
    return {name: _value_column([hp for hp in space.space if prefix + hp.name == name]) for name in names}


def _value_column(hyperparameters: Sequence[Any]) -> Column:
    """Returns the column of all hyperparameters of a name; one active in every trial has a value in every row."""
    always = any(not any(hasattr(condition, "values") for condition in hp.conditions) for hp in hyperparameters)
    choices = [_column(hp) for hp in hyperparameters]

    def read(value: Any) -> Any:
        for column in choices:
            with contextlib.suppress(ValueError, TypeError, OverflowError):
                return column.read(value)
        raise ValueError

    allowed = " or ".join(column.allowed for column in choices) or "a hyperparameter of the space"
    return Column(allowed, read, lambda _: always)


def _column(hp: Any) -> Column:
    if isinstance(hp, Int):
        return Column("an integer", columns.read_integer)
    if isinstance(hp, Float):
        return columns.NUMBER
    values = list(hp.values)
    return Column("one of " + ", ".join(map(str, values)), lambda value: values[values.index(value)])


def read_history(path: Path, rows: Sequence[Row]) -> list[Row]:
    """Returns the rows of `history.csv` that are of trials, NaN where there is no value, or raises `InputError`."""
    header = path.read_bytes().partition(b"\n")[0].decode(errors="replace").rstrip("\r") if path.exists() else ""
    if not ",".join(HISTORY).startswith(header):  # earlier versions lack the last column
        raise damaged(path, f"its first line is {header!r:.80}, not {','.join(HISTORY)}")
    number = columns.optional(columns.ANY_NUMBER)
    known = {"trial": columns.COUNT, "step": columns.COUNT, "loss": number, "progress": number}
    history = checked_rows(path, read_rows(path, growing=True), known)
    ends = {row["trial"]: row["step"] for row in history}
    steps = {row["trial"]: row.get("steps", ends.get(row["trial"])) for row in rows}
    for trial in {*ends} & {*steps}:
        if ends[trial] != steps[trial]:
            raise damaged(path, f"trial {trial} ends at step {ends[trial]}, and at {steps[trial]} in trials.csv")
    return [{name: row.get(name, math.nan) for name in HISTORY} for row in history if row["trial"] in steps]


@dataclasses.dataclass(frozen=True)
class AskedTrial:
    """A trial that an oracle proposed."""

    trial: int  # its number
    seed: int  # of its weights and batches
    values: dict[str, Any]  # of its active hyperparameters
    oracle: dict[str, Any] = dataclasses.field(default_factory=dict)  # what later proposals depend on
    proposed_by: str | None = None  # as `ContinuedOracle` has it; unknown in earlier versions


@dataclasses.dataclass
class TrialState:
    """A trial in training, between two rounds."""

    done: int  # training steps
    history: list[tuple[int, float, float]]  # as `EndedTrial` has it
    slot: int  # among all trials of its shape
    arrays: dict[str, np.ndarray]  # what its population restores it from
    size: int = 0  # slots of its population; 0 where that was not kept
    told: float | None = None  # of a trial that was stopped: what the oracle was told of it


class Journal:
    """Two files in a run's folder: `asked.jsonl`, a line for each trial asked for, and `running.npz`.

    A line is written before its trial starts: were trials thrown away because a process ended, those that diverge, and
    so end early, would be counted more often than others. Damaged files raise `InputError`.
    """

    def __init__(self, directory: RunDirectory) -> None:
        self._asked, self._running = directory / ASKED, directory / RUNNING
        self._kept_at, self._took = time.monotonic(), 0.0
        content = self._asked.read_bytes() if self._asked.exists() else b""
        whole = content[: content.rfind(b"\n") + 1]
        lines = [self._read(number, line) for number, line in enumerate(whole.splitlines(), 1)]
        asked = checked_rows(self._asked, lines, COLUMNS, unique="trial", first_line=1)
        self.asked = {row["trial"]: AskedTrial(**row) for row in asked}
        if not (half := content.removeprefix(whole)).startswith(START[: len(half)]):
            raise damaged(self._asked, f"line {len(lines) + 1} begins with {half[:20]!r}")
        if half:  # a process was killed while it wrote: its trial has not begun
            os.truncate(self._asked, len(whole))

    def _read(self, number: int, line: bytes) -> dict[str, Any]:
        try:
            row = json.loads(line)
            if not isinstance(row, dict) or not {*row} <= {*COLUMNS}:
                raise ValueError(f"it must be an object of {', '.join(COLUMNS)}")
        except (ValueError, RecursionError) as error:
            raise damaged(self._asked, f"line {number}: {error}") from error
        return row

    def note(
        self, trial: int, seed: int, values: dict[str, Any], oracle: dict[str, Any], proposed_by: str | None = None
    ) -> None:
        """Keeps a trial that was asked for."""
        self.asked[trial] = asked = AskedTrial(trial, seed, values, oracle, proposed_by)
        with self._asked.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(dataclasses.asdict(asked)) + "\n")

    def is_due(self) -> bool:
        """Whether it is time to `keep` the trials in training again."""
        return time.monotonic() - self._kept_at > max(LEAST_S, self._took / SHARE_OF_TIME)

    def keep(self, states: Mapping[int, TrialState], spent_s: float) -> None:
        """Keeps the trials in training, by number, and the seconds since the last row; what was kept is forgotten."""
        started = time.monotonic()
        if not states:
            self._running.unlink(missing_ok=True)
            return
        facts: dict[int, Any] = {}
        arrays: dict[str, Any] = {"spent_s": np.array(spent_s)}
        for number, state in states.items():
            facts[number] = {name: value for name, value in vars(state).items() if name != "arrays"}
            arrays |= {f"{number}/{name}": array for name, array in state.arrays.items()}
        arrays["facts"] = np.array(json.dumps(facts))
        with replacing(self._running) as new:
            np.savez(new, **arrays)
        self._kept_at = time.monotonic()
        self._took = self._kept_at - started

    def kept(self) -> tuple[dict[int, TrialState], float]:
        """Returns the trials that were in training, by number, and the seconds spent since the last row."""
        if not self._running.exists():
            return {}, 0.0
        try:
            with self._running.open("rb") as stream, np.load(stream, allow_pickle=False) as content:
                facts, spent_s = json.loads(str(content["facts"])), float(content["spent_s"])
                states = {int(number): _state(**known) for number, known in facts.items()}
                for key in content.files:
                    number, slash, name = key.partition("/")
                    if slash:
                        states[int(number)].arrays[name] = content[key]
        except Exception as error:  # a damaged archive raises whatever its first damaged part raises
            raise InputError(
                f"{self._running} is damaged ({error}); delete it, and the trials that were in training start over"
            ) from error
        return states, spent_s


def _state(done: Any, history: Any, slot: Any, size: Any = 0, told: Any = None) -> TrialState:
    entries = [(int(step), float(loss), float(progress)) for step, loss, progress in history]
    return TrialState(int(done), entries, int(slot), {}, int(size), None if told is None else float(told))
