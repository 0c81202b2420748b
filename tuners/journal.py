"""What a search has asked its oracle for, and the trials that are in training: what an interrupt must not lose."""

from __future__ import annotations

import dataclasses
import json
import time
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_rnncap.errors import InputError
from keras_rnncap.runs import RunDirectory, drop_half_row, replacing

ASKED, RUNNING = "asked.jsonl", "running.npz"
SHARE_OF_TIME = 0.02
"""The part of a search's time that keeping the trials in training may take, about."""
LEAST_S = 3.0
"""Seconds between two times that they are kept, at least."""


@dataclasses.dataclass(frozen=True)
class AskedTrial:
    """A trial that an oracle proposed.

    Attributes:
        trial: Its number; the first is 0.
        seed: The seed of its weights and batches.
        values: Values of its active hyperparameters.
        oracle: What the oracle needs to go on as if it had not been interrupted.
    """

    trial: int
    seed: int
    values: dict[str, Any]
    oracle: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class TrialState:
    """A trial in training, between two rounds.

    Attributes:
        done: Training steps that it has made.
        history: `(step, mean loss since the entry before, progress where the stopping rule looked or NaN)`.
        slot: Its place in its population.
        arrays: What its population restores it from.
    """

    done: int
    history: list[tuple[int, float, float]]
    slot: int
    arrays: dict[str, np.ndarray]


class Journal:
    """Two files in a run's folder: `asked.jsonl`, a line for each trial asked for, and `running.npz`.

    A line is written before its trial starts, so that no trial is thrown away because a process ended: trials that end
    early, as those that diverge do, would be counted more often than others.

    Args:
        directory: The folder.

    Raises:
        InputError: If a file is damaged.
    """

    def __init__(self, directory: RunDirectory) -> None:
        self._asked, self._running = directory / ASKED, directory / RUNNING
        self._kept_at, self._took = time.monotonic(), 0.0
        drop_half_row(self._asked)
        self.asked: dict[int, AskedTrial] = {}
        lines = self._asked.read_bytes().splitlines() if self._asked.exists() else []
        for number, line in enumerate(lines, 1):
            try:
                asked = AskedTrial(**json.loads(line))
            except (ValueError, TypeError) as error:
                raise InputError(
                    f"{self._asked}, line {number}, is damaged ({error}); restore it, or delete {directory.path} to "
                    "start over"
                ) from error
            self.asked[asked.trial] = asked

    def note(self, asked: AskedTrial) -> None:
        """Keeps a trial that was asked for."""
        self.asked[asked.trial] = asked
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
        facts = {
            str(number): {"done": state.done, "history": state.history, "slot": state.slot}
            for number, state in states.items()
        }
        arrays: dict[str, Any] = {"facts": np.array(json.dumps(facts)), "spent_s": np.array(spent_s)}
        for number, state in states.items():
            arrays |= {f"{number}/{name}": array for name, array in state.arrays.items()}
        with replacing(self._running) as new, new.open("wb") as stream:
            np.savez(stream, **arrays)
        self._kept_at = time.monotonic()
        self._took = self._kept_at - started

    def kept(self) -> tuple[dict[int, TrialState], float]:
        """Returns the trials that were in training, by number, and the seconds spent since the last row."""
        if not self._running.exists():
            return {}, 0.0
        try:
            with self._running.open("rb") as stream, np.load(stream, allow_pickle=False) as content:
                facts, spent_s = json.loads(str(content["facts"])), float(content["spent_s"])
                states = {int(number): TrialState(**known, arrays={}) for number, known in facts.items()}
                for key in content.files:
                    number, slash, name = key.partition("/")
                    if slash:
                        states[int(number)].arrays[name] = content[key]
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise InputError(
                f"{self._running} is damaged ({error}); delete it, and the trials that were in training start over"
            ) from error
        return states, spent_s
