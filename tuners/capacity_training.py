"""The trials of a capacity measurement: together as populations, or one by one where the cell is not made for that."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from keras_rnncap.datasets import PerceptronCapacity
from keras_rnncap.tuners.capacity_run import CapacityRun
from keras_rnncap.tuners.kerastuner import Proposal, Proposals

from keras_rnncap.population import CannotShareError, Member, ParallelPopulation, PatternTable
from keras_rnncap.progress import StepCallback, WorkProgress
from keras_rnncap.training import STEPS_PER_EXECUTION, compile_model, fit

SLOTS = 32
"""Trials that train at the same time."""
CALLS = 5
"""Calls of the compiled graph after which ended trials are looked for."""


def train_trials(run: CapacityRun, bar: WorkProgress) -> None:
    """Runs the trials that are missing."""
    if run.rows:
        bar.say(f"continuing in {run.directory.path}: {len(run.rows)} trials are there")
    if len(run.rows) >= run.trials:
        return
    with Proposals(run.make_oracle(), run.rows, run.values_of) as proposals:
        waiting: list[Proposal] = []
        try:
            _Together(run, proposals, waiting, bar).train()
        except CannotShareError as error:
            bar.say(f"training one model after another: {error}")
            _train_alone(run, proposals, waiting, bar)


class _Together:
    """Trials in the slots of a population; a trial that ends or diverges gives its slot to the next."""

    def __init__(self, run: CapacityRun, proposals: Proposals, waiting: list[Proposal], bar: WorkProgress) -> None:
        self._run, self._proposals, self._waiting, self._bar = run, proposals, waiting, bar
        self._steps = run.identity["steps"]

    def train(self) -> None:
        run, running = self._run, self._waiting
        for _ in range(min(SLOTS, run.trials - len(run.rows))):
            if proposal := self._proposals.ask():
                running.append(proposal)
        slots: list[Proposal | None] = list(running)
        members = [run.member(proposal) for proposal in running]
        population = self._population(members)
        while any(slots):
            population.fit_steps(self._next_steps(population.steps_done, slots))
            ended = [slot for slot, done in enumerate(population.ended) if done and slots[slot]]
            outputs = population.outputs_on_table() if ended else None
            alive = population.alive
            for slot in ended:
                proposal, member = slots[slot], members[slot]
                assert proposal is not None
                assert outputs is not None
                logits = outputs[slot, : member.patterns] if alive[slot] else None
                row = run.record(proposal, member, logits, lambda slot=slot: population.member(slot))
                self._proposals.tell(proposal, row)
                running.remove(proposal)
                slots[slot] = None
                run.say(row, self._bar)
                self._show(population.steps_done, slots)
            for slot in ended:
                if following := self._proposals.ask():
                    running.append(following)
                    members[slot] = run.member(following)
                    population.replace(slot, members[slot])
                    slots[slot] = following
                self._show(population.steps_done, slots)
            self._show(population.steps_done, slots)

    def _population(self, members: list[Member]) -> ParallelPopulation:
        run, identity = self._run, self._run.identity
        most = max(math.ceil(10 * run.budget.parameters), *(member.patterns for member in members), 1)
        task = PerceptronCapacity(most, identity["input_dim"], identity["length"], seed=identity["seed"])
        table = PatternTable(task.inputs[:, 0], task.targets, task.length, identity["batch_size"])
        population = ParallelPopulation(run.model, members, table)
        population.compile_population(task.loss(), min(STEPS_PER_EXECUTION, self._steps))
        return population

    def _next_steps(self, done: np.ndarray, slots: list[Proposal | None]) -> int:
        left = self._steps - max(steps for steps, slot in zip(done, slots, strict=True) if slot)
        return int(min(left, CALLS * STEPS_PER_EXECUTION))

    def _show(self, done: np.ndarray, slots: list[Proposal | None]) -> None:
        """Moves the bar; raises `KeyboardInterrupt` if there was one."""
        running = sum(int(steps) for steps, slot in zip(done, slots, strict=True) if slot)
        best = self._run.best()
        describe = "" if best is None else f"best {best['bits_per_parameter']:.2f} bits/parameter"
        self._bar.to(len(self._run.rows) * self._steps + running, describe)


def _train_alone(run: CapacityRun, proposals: Proposals, waiting: list[Proposal], bar: WorkProgress) -> None:
    """Runs one trial after another, those that wait first."""
    steps, size = run.identity["steps"], run.identity["batch_size"]
    while proposal := waiting.pop(0) if waiting else proposals.ask():
        member = run.member(proposal)
        task = run.task(member)
        model: Any = run.model(member)
        best = run.best()
        describe = "" if best is None else f"best {best['bits_per_parameter']:.2f} bits/parameter"
        compile_model(model, task.loss(), member.settings)
        callback = StepCallback(bar, len(run.rows) * steps, describe)
        diverged = math.isnan(fit(model, task.cycled_batches(steps, size), (callback,)))
        logits = None if diverged else task.logits(model)
        row = run.record(proposal, member, logits, lambda model=model: model)
        proposals.tell(proposal, row)
        bar.to(len(run.rows) * steps)
        run.say(row, bar)
