"""`run_evolution`: the search for architectures, whose rows can be continued at any time."""

import dataclasses
import functools
import math
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from keras_rnncap.defaults import SEED, run_folder
from keras_rnncap.engines import Engine, make_engine
from keras_rnncap.errors import InputError, check_integer, check_number, check_seed
from keras_rnncap.evolution.history import Candidate, Evaluation, History, Setting, settings_text
from keras_rnncap.evolution.problems import Problem, check_problem
from keras_rnncap.evolution.proposals import Proposal, Proposer, Stage, all_settings, passes
from keras_rnncap.evolution.rows import (
    CANDIDATES,
    EVALUATIONS,
    Ended,
    candidate_row,
    evaluation_rows,
    read_ended,
    read_stages,
)
from keras_rnncap.evolution.rules import BASES, Rules, Strategy, get_rules
from keras_rnncap.evolution.view import View
from keras_rnncap.evolution.worker import GraphWorker, Piece, Trained, graph_factory
from keras_rnncap.graphs import known_graphs
from keras_rnncap.initializers import derived_seed
from keras_rnncap.runs import RunDirectory, append_rows, write_rows

RENEWED_AFTER = 24
"""Pieces after which a process is replaced: TensorFlow keeps the memory of compiled models until a process ends."""
GRAPHS = 300
"""New architectures, where neither their number nor a time is given."""


def run_evolution(
    *,
    profile: str = "laptop",
    strategy: Strategy = "paper",
    tasks: Sequence[str] | None = None,
    graphs: int | None = None,
    minutes: float | None = None,
    cost: float | None = None,
    seed: int = SEED,
    engine: str | Engine = "processes",
    out: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    progress: bool = False,
) -> History:
    """Searches for recurrent cells that do well on several problems: Jozefowicz et al. (2015), section 3.

    In `out` are `candidates.csv`, a row for each architecture, or each round of fresh settings for one, that ended; and
    `evaluations.csv`, a row for each training of one with a setting. The same call continues, also after a kill, and
    more `graphs` or `minutes` add to what is there.

    Args:
        profile: `"smoke"` (a minute), `"laptop"` (hours on two cores) or `"paper"`.
        strategy: `"paper"`, `"regularized"` or `"random"`; see `Rules`.
        tasks: What architectures are compared on, in order, as `make_task` takes them, with the sizes and times of the
            profile's own; `None` takes these.
        graphs: New architectures in all; `None` makes 300, or as many as there is time for.
        minutes: After so many, no candidate begins; those in training end their stages, which are kept.
        cost: Seconds of training of all candidates together; when those that ended have so many, no other begins.
        seed: Seed of proposals, weights and batches.
        engine: Where architectures train, as `make_engine` takes it. In processes, memory is given back.
        out: The folder; `None` takes `runs/evolve-PROFILE-STRATEGY-seedSEED`.
        overwrite: Whether to start anew.
        progress: Whether to show progress.

    Returns:
        What is known at the end.

    Raises:
        InputError: If an argument is out of its range, data are missing, or the folder cannot be used.
        WorkError: If a worker died again and again, or no new architecture was found.

    Example:
    >>> found = run_evolution(profile="smoke", graphs=1, engine="inline", out=tmp_path / "found")
    >>> len(found.scored) >= 2, found.score(found.best()[0]) >= 1
    (True, True)
    """
    rules = dataclasses.replace(get_rules(profile), strategy=strategy)
    if tasks is not None:
        rules = dataclasses.replace(rules, problems=problems_of(rules, tasks))
    if graphs is not None:
        check_integer("graphs", graphs, 1)
    if minutes is not None:
        check_number("minutes", minutes, 1e-3)
    if cost is not None:
        check_number("cost", cost, 1e-3)
    check_seed(seed)
    for problem in rules.stages:
        _check_bases(problem)
    made = make_engine(engine, GraphWorker, RENEWED_AFTER) if isinstance(engine, str) else engine
    with RunDirectory(out or default_directory(profile, strategy, seed), identity(rules, seed), overwrite) as directory:
        search = _Search(directory, rules, seed, made, View(rules, progress))
        limit = graphs or (GRAPHS if minutes is None and cost is None else math.inf)
        return search.run(limit, math.inf if minutes is None else time.monotonic() + 60 * minutes, cost or math.inf)


@functools.cache
def _check_bases(problem: Problem) -> None:
    for base in BASES:
        check_problem(problem, graph_factory(known_graphs()[base]))


def default_directory(profile: str, strategy: str, seed: int) -> Path:
    """Returns the folder of a search that was given none."""
    return run_folder("evolve", profile, strategy, f"seed{seed}")


def problems_of(rules: Rules, tasks: Sequence[str]) -> tuple[Problem, ...]:
    """Returns problems on tasks: those of the rules, or others of the size of the largest of these."""
    own = {problem.task: problem for problem in rules.problems}
    largest = max(rules.problems, key=lambda problem: problem.params)
    if len({*tasks}) < len(tasks):
        raise InputError(f"tasks must differ; got {', '.join(tasks)}")
    return tuple(own.get(task) or dataclasses.replace(largest, task=task) for task in tasks)


def identity(rules: Rules, seed: int) -> dict[str, Any]:
    """Returns what tells a search from others."""
    data = {problem.task: problem.made().identity for problem in rules.stages}
    return {"command": "evolve", "seed": seed, "rules": dataclasses.asdict(rules), "data": data}


class _Running:
    """A candidate in training: its stages that ended, and what is there of the next."""

    def __init__(self, proposal: Proposal) -> None:
        self.proposal = proposal
        self.stages: list[list[Evaluation]] = []
        self.parts: dict[int, Trained] = {}

    @property
    def stage(self) -> Stage:
        """The stage that it is in."""
        return self.proposal.stages[len(self.stages)]


class _Search:
    """The driver of a search: it proposes candidates, and keeps what workers found.

    Candidate k is proposed when all up to k - `ahead` have ended, and from what these showed alone; so rows depend
    neither on how many train at the same time nor on which ends first.
    """

    def __init__(self, directory: RunDirectory, rules: Rules, seed: int, engine: Engine, view: View) -> None:
        self._directory, self._rules, self._seed = directory, rules, seed
        self._engine, self._view = engine, view
        self._proposer, self._history = Proposer(rules, seed), History(rules)
        self._kept = read_stages(directory.path, rules)
        self._ended = read_ended(directory.path, rules, self._kept)
        self._earlier = {*self._ended}
        self._whole()  # without unfinished lines and stages
        self._applied = self._next = self._graphs = self._at_work = 0
        self._deadline = self._cost = math.inf
        self._spent = 0.0
        self._running: dict[int, _Running] = {}

    def run(self, graphs: float, deadline: float, cost: float) -> History:
        """Goes on until there are so many new architectures, so many seconds of training, or a `time.monotonic()`."""
        self._deadline, self._cost = deadline, cost
        try:
            with self._view:
                self._propose(graphs)
                while self._at_work:
                    self._receive(*self._engine.completed())
                    self._propose(graphs)
        finally:
            self._engine.cancel()
        self._whole()
        self._apply(self._next)
        self._view.finish(self._history)
        return self._history

    # ---- candidates

    def _propose(self, graphs: float) -> None:
        """Has as many candidates in training as may be."""
        while self._graphs < graphs and time.monotonic() < self._deadline and self._spent < self._cost:
            number = self._next
            if number >= len(BASES) and not self._apply(max(len(BASES), number - self._rules.ahead + 1)):
                return
            known = self._ended.get(number)
            if known is None:
                waiting = [self._candidate(other) for other in range(self._applied, number)]
                proposal = self._proposer.propose(number, self._history, waiting)
                self._running[number] = _Running(proposal)
                self._enter_stage(number)
            self._next += 1
            self._graphs += self._candidate(number).kind in ("mutant", "random")

    def _candidate(self, number: int) -> Candidate:
        """Returns a candidate that ended or is in training."""
        ended = self._ended.get(number)
        return ended.candidate if ended else self._running[number].proposal.candidate

    def _apply(self, stop: int) -> bool:
        """Adds all candidates before a number to the history; returns whether all of them have ended."""
        while self._applied < stop and self._applied in self._ended:
            ended = self._ended[self._applied]
            self._history.add(ended.candidate, ended.stages, ended.filtered)
            self._spent += sum(each.seconds for stage in ended.stages for each in stage)
            self._view.ended(self._history, ended, self._applied in self._earlier)
            self._applied += 1
        return self._applied >= stop

    # ---- stages

    def _enter_stage(self, number: int) -> None:
        """Sends what is missing of a candidate's next stage to workers; takes what an earlier process kept."""
        running = self._running[number]
        stage, proposal = running.stage, running.proposal
        kept = self._kept.get((number, stage.problem.task))
        if kept and settings_text(each.setting for each in kept) == settings_text(stage.settings):
            self._end_stage(number, kept)
            return
        if time.monotonic() >= self._deadline:
            return
        seeds = self._seeds(proposal.candidate, stage)
        for part in range(0, len(stage.settings), self._rules.settings):
            chunk = slice(part, part + self._rules.settings)
            self._at_work += 1
            self._engine.submit(
                Piece(
                    f"{number} {len(running.stages)} {part}",
                    proposal.candidate.graph.to_json(),
                    stage.problem,
                    tuple(dict(setting) for setting in stage.settings[chunk]),
                    seeds[chunk],
                    derived_seed(self._seed, 3, self._rules.stages.index(stage.problem)),
                )
            )

    def _seeds(self, candidate: Candidate, stage: Stage) -> tuple[int, ...]:
        """Returns the seeds of weights, which follow from the architecture, the task and the setting."""
        name, task = int(candidate.name[1:], 16), int.from_bytes(stage.problem.task.encode(), "big")
        grid = {setting: place for place, setting in enumerate(all_settings(stage.problem))}
        return tuple(derived_seed(self._seed, 4, name, task, grid[setting]) for setting in stage.settings)

    def _receive(self, piece: Piece, trained: Trained) -> None:
        """Takes what came of a piece."""
        self._at_work -= 1
        number, _, part = map(int, piece.key.split())
        running = self._running[number]
        running.parts[part] = trained
        stage = running.stage
        if len(running.parts) * self._rules.settings < len(stage.settings):
            return
        found = _evaluations(stage.settings, self._seeds(running.proposal.candidate, stage), running.parts)
        running.parts = {}
        rows = evaluation_rows(number, stage.problem, found)
        append_rows(self._directory / EVALUATIONS, rows)
        self._kept[number, stage.problem.task] = found
        self._end_stage(number, found)

    def _end_stage(self, number: int, found: list[Evaluation]) -> None:
        """Has a candidate go on to its next stage, or end."""
        running = self._running[number]
        proposal, place = running.proposal, len(running.stages)
        running.stages.append(found)
        best = max(each.accuracy for each in found)
        goes_on = passes(self._history, proposal, place, best, found[0].setting)
        if goes_on and len(running.stages) < len(proposal.stages):
            self._enter_stage(number)
            return
        ended = Ended(proposal.candidate, tuple(running.stages), proposal.filtered)
        append_rows(self._directory / CANDIDATES, [candidate_row(ended, self._rules)])
        self._ended[number] = ended
        del self._running[number]

    def _whole(self) -> None:
        """Writes all rows that are known, in order."""
        if self._ended:
            rows = [candidate_row(self._ended[number], self._rules) for number in sorted(self._ended)]
            write_rows(self._directory / CANDIDATES, rows)
        if self._kept:
            write_rows(self._directory / EVALUATIONS, self._evaluation_rows())

    def _evaluation_rows(self) -> list[dict[str, Any]]:
        """Returns the rows of all stages that are kept, by candidate and stage."""
        problems = {problem.task: (place, problem) for place, problem in enumerate(self._rules.stages)}
        rows = []
        for number, task in sorted(self._kept, key=lambda key: (key[0], problems[key[1]][0])):
            rows += evaluation_rows(number, problems[task][1], self._kept[number, task])
        return rows


def _evaluations(settings: Sequence[Setting], seeds: Sequence[int], parts: Mapping[int, Trained]) -> list[Evaluation]:
    """Returns the evaluations of a stage, given what came of its parts."""
    found: list[Evaluation] = []
    for _, trained in sorted(parts.items()):
        count = len(trained.accuracy)
        for place in range(count):
            found.append(
                Evaluation(
                    settings[len(found)],
                    float(trained.accuracy[place]),
                    float(trained.loss[place]),
                    float(trained.probability[place]),
                    int(trained.epochs[place]),
                    bool(trained.diverged[place]),
                    seeds[len(found)],
                    round(trained.seconds / count, 4),
                )
            )
    return found
