"""What is known of architectures: every evaluation, the list of the best, and who came from whom."""

import dataclasses
import functools
import json
import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

from keras_rnncap.evolution.rules import BASES, Rules
from keras_rnncap.graphs import Graph, canonical, function_hash, graph_hash, known_graphs

Setting: TypeAlias = tuple[tuple[str, Any], ...]
"""Values of the grid, in the grid's order."""


class Evaluation(NamedTuple):
    """A training of an architecture with a setting.

    Attributes:
        setting: The setting.
        accuracy: On the validation split, of the best epoch; 0 if it diverged before one ended.
        loss: Likewise, in nats; NaN if it diverged.
        probability: The mean probability of the right symbol, likewise.
        epochs: Epochs that it trained for.
        diverged: Whether its loss became infinite or NaN.
        seed: Of its weights.
        seconds: That it took; those of a population, divided by its members.
    """

    setting: Setting
    accuracy: float
    loss: float
    probability: float
    epochs: int
    diverged: bool
    seed: int
    seconds: float


@dataclasses.dataclass(frozen=True)
class Candidate:
    """What a search has evaluated: an architecture, or fresh settings for one.

    Attributes:
        number: Candidates are numbered in the order in which they are proposed.
        kind: `"base"`, `"mutant"`, `"random"` or `"settings"`.
        graph: The architecture, in canonical order.
        parent: The name of what it came from; empty for a base.
    """

    number: int
    kind: str
    graph: Graph
    parent: str = ""

    @functools.cached_property
    def name(self) -> str:
        """The `graph_hash` after a g, so that tables do not take it for a number."""
        return named(self.graph)

    @functools.cached_property
    def function(self) -> str:
        """The `function_hash`, likewise after an f."""
        return f"f{_function(self.graph)}"


class Known:
    """An architecture that was evaluated.

    Attributes:
        first: The candidate that it was first.
        by_task: All evaluations, by task.
    """

    def __init__(self, first: Candidate) -> None:
        self.first = first
        self.by_task: dict[str, list[Evaluation]] = {}
        self.passed = False

    @property
    def evaluations(self) -> int:
        """How many there are, without those of the filter."""
        return sum(len(found) for found in self.by_task.values())

    def best(self, task: str) -> float:
        """Returns the best accuracy on a task; minus infinity without an evaluation."""
        return max((each.accuracy for each in self.by_task.get(task, ())), default=-math.inf)

    def best_settings(self, task: str, count: int) -> list[Setting]:
        """Returns the settings with the best accuracies on a task, the best first."""
        ordered = sorted(self.by_task.get(task, ()), key=lambda each: -each.accuracy)
        return [each.setting for each in ordered[:count] if not each.diverged]


class History:
    """All candidates that ended, in the order of their numbers, and what follows from them.

    Args:
        rules: The rules of the search.
    """

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.known: dict[str, Known] = {}
        self.functions: dict[str, str] = {}
        self.filtered: dict[str, list[Evaluation]] = {}
        self.scored: list[str] = []
        self.tasks = [problem.task for problem in rules.problems]

    def add(self, candidate: Candidate, stages: Sequence[Sequence[Evaluation]], filtered: bool) -> None:
        """Adds a candidate that ended, and its evaluations by stage; the first is that of the filter if `filtered`."""
        name = candidate.name
        known = self.known.setdefault(name, Known(candidate))
        self.functions.setdefault(candidate.function, name)
        if filtered:
            self.filtered.setdefault(name, []).extend(stages[0])
            stages = stages[1:]
        known.passed = known.passed or bool(stages)
        for task, evaluations in zip(self.tasks, stages, strict=False):
            known.by_task.setdefault(task, []).extend(evaluations)
        if all(task in known.by_task for task in self.tasks):
            self.scored = [*(other for other in self.scored if other != name), name]

    def base(self, name: str = BASES[0]) -> Known:
        """Returns a base."""
        return self.known[base_hash(name)]

    def ratio(self, name: str, task: str) -> float:
        """Returns the best accuracy of an architecture on a task, as a part of the GRU's with its first settings."""
        first = self.base().by_task[task][: self.rules.base_settings]
        return self.known[name].best(task) / max(max(each.accuracy for each in first), 1e-9)

    def score(self, name: str) -> float:
        """Returns equation 1 of the paper: the least `ratio` over the tasks."""
        return min(self.ratio(name, task) for task in self.tasks)

    def best(self) -> list[str]:
        """Returns the list of the best, the best first; of equal ones, those that came first."""
        order = {name: place for place, name in enumerate(self.known)}
        return sorted(self.scored, key=lambda name: (-self.score(name), order[name]))[: self.rules.listed]

    def seen(self, name: str, task: str) -> set[Setting]:
        """Returns the settings that an architecture had on a task, or in the filter."""
        known = self.known.get(name)
        evaluations = (
            self.filtered.get(name, []) if task not in self.tasks else known.by_task.get(task, []) if known else []
        )
        return {each.setting for each in evaluations}

    def family(self, name: str) -> list[str]:
        """Returns an architecture, its parent, and so on to a base."""
        found = [name]
        while (parent := self.known[found[-1]].first.parent) and parent not in found:
            found.append(parent)
        return found


@functools.cache
def base_hash(name: str) -> str:
    """Returns the name of a base."""
    return named(known_graphs()[name])


@functools.cache
def _function(graph: Graph) -> str:
    return function_hash(graph)


@functools.cache
def named(graph: Graph) -> str:
    """Returns the name of an architecture.

    Example:
    >>> named(known_graphs()["gru"])
    'g42d10021b3bc0806'
    """
    return f"g{graph_hash(graph)}"


def base_candidates() -> list[Candidate]:
    """Returns the bases as candidates."""
    graphs = known_graphs()
    return [Candidate(number, "base", canonical(graphs[name])) for number, name in enumerate(BASES)]


def settings_text(settings: Iterable[Setting]) -> str:
    """Returns settings as one text, the same for the same settings."""
    return json.dumps([dict(setting) for setting in settings])
