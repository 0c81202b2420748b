"""Trains and measures trials in populations; requests and answers are plain values and arrays."""

import dataclasses
import math
from collections.abc import Hashable, Mapping
from typing import Any, NamedTuple

import numpy as np

from keras_rnncap.population import AlonePopulation, Population
from keras_rnncap.tuners.jobs import Job, Measured
from keras_rnncap.tuners.scheduling import Key

IDLE = 8
"""Populations without trials that a worker keeps, so that they need not be compiled again."""


class Placed(NamedTuple):
    """A trial in a slot of a population."""

    number: int
    seed: int
    values: Mapping[str, Any]
    done: int  # training steps
    arrays: Mapping[str, np.ndarray]  # what its population restores it from; empty at its start


class Piece(NamedTuple):
    """Work on one population: training, or measuring of trials that end. Any worker can do it, and do it again."""

    key: Key
    alone: bool  # whether its cell trains one model after another
    slots: tuple[Placed | None, ...]
    turn: int  # counts the rounds of a search
    steps: int = 0  # training steps; 0 where trials are measured
    looks: tuple[int, ...] = ()  # slots of the trials whose progress after the training is asked for
    ends: Mapping[int, float] = {}  # last mean losses of the trials to be measured, by slot
    of_steps: int | None = None  # training steps of a whole trial; `None` takes the job's

    @property
    def kind(self) -> tuple[Hashable, ...]:
        """Shape, way and size, which a population must have to be used for it."""
        return self.key[0], self.alone, len(self.slots)


class Trained(NamedTuple):
    """A trial after some training."""

    done: int  # training steps
    over: bool  # whether it has made all its steps, diverged, or was stopped by its schedule
    loss: float  # mean over the steps of the piece
    progress: float  # as `Job.progress` has it, where that was asked for; otherwise NaN
    arrays: dict[str, np.ndarray]


class Ended(NamedTuple):
    """A trial at its end, and the weights of its model."""

    measured: Measured
    weights: list[np.ndarray]


class Worker:
    """Keeps populations, and does pieces of work in them: of one job, its number of steps aside."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._populations: list[HeldPopulation] = []

    def begin(self, piece: Piece) -> "HeldPopulation":
        """Puts a piece's trials into a population: its own, or an idle one of that shape and size, or a new one."""
        if piece.of_steps not in (None, self.job.steps):
            before, self.job = self.job, self.job.with_steps(piece.of_steps)
            if before.compiling != self.job.compiling:
                self._populations = []
        idle = [held for held in self._populations if held.piece.turn < piece.turn - 1]
        same = [held for held in self._populations if held.piece.kind == piece.kind]
        fitting = [held for held in same if held.piece.key == piece.key] + [held for held in same if held in idle]
        held = fitting[0] if fitting else HeldPopulation(self.job, piece)
        self._populations = [each for each in self._populations if each not in (held, *idle[:-IDLE])] + [held]
        held.take(piece, self.job)
        return held


class HeldPopulation:
    """A population, the trials in its slots, and a piece of work; free slots have copies that stop after a step."""

    def __init__(self, job: Job, piece: Piece) -> None:
        self.job, self.piece = job, piece
        first = next(placed for placed in piece.slots if placed)
        member = job.member(first.values, first.seed)
        idle = dataclasses.replace(member, settings=dataclasses.replace(member.settings, steps=1))
        members = [job.member(placed.values, placed.seed) if placed else idle for placed in piece.slots]
        self.population = job.population(first.values, members, AlonePopulation if piece.alone else Population)
        self._in_slots: list[tuple[int, int] | None] = [placed and (placed.number, 0) for placed in piece.slots]

    def take(self, piece: Piece, job: Job) -> None:
        """Takes up a piece."""
        self.piece, self.job = piece, job
        for slot, placed in enumerate(piece.slots):
            now = self._in_slots[slot]
            if placed is None or now == (placed.number, placed.done):
                continue
            self._in_slots[slot] = (placed.number, placed.done)
            if now is None or now[0] != placed.number or not placed.arrays:
                self.population.replace(slot, self.job.member(placed.values, placed.seed))
            if placed.arrays:
                self.population.restore(slot, placed.arrays)

    def run(self) -> None:
        """Trains."""
        if self.piece.steps:
            self._in_slots = [None] * len(self._in_slots)  # all train, and it may be interrupted
            self._losses = self.job.advance(self.population, self.piece.steps)

    def stop(self) -> None:
        """Stops training in another thread."""
        self.population.stop_training = True

    def result(self) -> dict[int, Trained] | dict[int, Ended]:
        """Returns what became of the trials, by slot."""
        return self._trained() if self.piece.steps else self._ended()

    def _trained(self) -> dict[int, Trained]:
        piece, losses, population = self.piece, self._losses, self.population
        alive, steps_done, arrays = population.alive, population.steps_done, population.states()
        progress = self.job.progress(population, losses) if piece.looks else ()
        trained = {}
        for slot, placed in enumerate(piece.slots):
            if placed is not None:
                done = min(placed.done + piece.steps, self.job.steps)
                self._in_slots[slot] = (placed.number, done)
                seen = float(np.nan_to_num(progress[slot], nan=-np.inf)) if slot in piece.looks else math.nan
                stopped = alive[slot] and population.ended[slot] and steps_done[slot] < self.job.steps
                over = bool(stopped or not alive[slot] or done >= self.job.steps)
                done = int(steps_done[slot]) if stopped else done
                trained[slot] = Trained(done, over, float(losses[slot]), seen, arrays[slot])
        return trained

    def _ended(self) -> dict[int, Ended]:
        if not (ends := self.piece.ends):
            return {}
        slots = sorted(ends)
        values = [placed.values for slot in slots if (placed := self.piece.slots[slot])]
        measured = self.job.measure(self.population, slots, values, [ends[slot] for slot in slots])
        return {
            slot: Ended(known, self.population.member(slot).get_weights())
            for slot, known in zip(slots, measured, strict=True)
        }
