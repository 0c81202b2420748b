"""What a search evaluates next: section 3.1 and 3.3 of Jozefowicz et al. (2015), and two other strategies."""

import dataclasses
import functools
import itertools
import math
from collections.abc import Iterable, Sequence

import numpy as np

from keras_rnncap.errors import WorkError
from keras_rnncap.evolution.history import Candidate, History, Setting, base_candidates, base_hash
from keras_rnncap.evolution.problems import Problem
from keras_rnncap.evolution.rules import BASES, Rules
from keras_rnncap.graphs import Graph, mutate

PARENTS = 100
"""So many parents are tried for a mutant that is new."""
FORMS = 20
"""So many mutants of one parent are tried, if they are other forms of what is known."""


@dataclasses.dataclass(frozen=True)
class Stage:
    """A problem, and the settings with which a candidate is evaluated on it."""

    problem: Problem
    settings: tuple[Setting, ...]


@dataclasses.dataclass(frozen=True)
class Proposal:
    """A candidate and all stages that it may come to; the first is the filter if `filtered`."""

    candidate: Candidate
    stages: tuple[Stage, ...]
    filtered: bool


@functools.cache
def all_settings(problem: Problem) -> tuple[Setting, ...]:
    """Returns the whole grid of a problem, in order.

    Example:
    >>> len(all_settings(Problem("memorization", 1_000)))
    210
    """
    grid = problem.grid()
    return tuple(tuple(zip(grid, values, strict=True)) for values in itertools.product(*grid.values()))


class Proposer:
    """Proposes candidates; the same numbers and histories give the same.

    Args:
        rules: The rules.
        seed: The seed of all draws.
    """

    def __init__(self, rules: Rules, seed: int) -> None:
        self.rules, self._seed = rules, seed

    def propose(self, number: int, history: History, waiting: Sequence[Candidate]) -> Proposal:
        """Returns the candidate of a number.

        Args:
            number: The number.
            history: What may be known of those before it.
            waiting: Those before it that are not part of the history yet.

        Raises:
            WorkError: If no new architecture was found.
        """
        rng = np.random.default_rng([self._seed, 1, number])
        if number < len(BASES):
            return self._base(number)
        if self.rules.strategy == "paper" and rng.random() >= self.rules.mutants:
            busy = {candidate.name for candidate in waiting}
            members = [name for name in history.best() if name not in busy and self._fresh(name, history)]
            if members:
                return self._settings_for(number, members[int(rng.integers(len(members)))], history, rng)
        for _ in range(PARENTS):
            parent = self._parent(history, rng)
            child = self._child(parent, history, waiting, rng)
            if child is not None:
                kind = "random" if self.rules.strategy == "random" else "mutant"
                return self._mutant(Candidate(number, kind, child, parent), history, rng)
        raise WorkError(f"no new architecture was found among the mutants of {PARENTS} parents; take another --seed")

    # ---- architectures

    def _parent(self, history: History, rng: np.random.Generator) -> str:
        """Returns the hash of a parent: one of the best, of a tournament, or a base."""
        rules = self.rules
        if rules.strategy == "random":
            return base_hash(BASES[int(rng.integers(len(BASES)))])
        if rules.strategy == "regularized":
            alive = history.scored[-rules.population :]
            chosen = rng.choice(len(alive), min(rules.tournament, len(alive)), replace=False)
            return max((alive[place] for place in sorted(chosen.tolist())), key=history.score)
        best = history.best()
        return best[int(rng.integers(len(best)))]

    def _child(
        self, parent: str, history: History, waiting: Sequence[Candidate], rng: np.random.Generator
    ) -> Graph | None:
        """Returns a mutant that is not known or, with the paper's strategy, was discarded; `None` if there is none."""
        taken = {candidate.name for candidate in waiting}
        taken |= {*history.known} if self.rules.strategy != "paper" else {*history.best()}
        functions = history.functions | {candidate.function: candidate.name for candidate in waiting}
        graph = history.known[parent].first.graph
        chain = int(rng.integers(1, self.rules.longest_chain + 1)) if self.rules.strategy == "random" else 1
        for _ in range(FORMS):
            child: Graph | None = graph
            for link in range(chain):
                child = mutate(child, rng, taken if link == chain - 1 else ()) if child else None
            if child is None:
                return None
            known = Candidate(0, "", child)
            if functions.get(known.function, known.name) == known.name and self._may_enter(known.name, history):
                return child
        return None

    def _may_enter(self, name: str, history: History) -> bool:
        """Whether an architecture has settings left: those of the filter, or of the problems if it passed that."""
        known = history.known.get(name)
        return self._fresh(name, history) if known and known.passed else bool(self._filters(name, history))

    def _fresh(self, name: str, history: History) -> bool:
        """Whether an architecture has settings left for every problem."""
        return all(
            len(history.seen(name, problem.task)) < len(all_settings(problem)) for problem in self.rules.problems
        )

    # ---- settings

    def _base(self, number: int) -> Proposal:
        """Returns a base, with a sample of the grid that is the same for all bases."""
        stages = []
        for place, problem in enumerate(self.rules.stages):
            rng = np.random.default_rng([self._seed, 2, place])
            stages.append(Stage(problem, _drawn(all_settings(problem), self.rules.base_settings, rng)))
        return Proposal(base_candidates()[number], tuple(stages), filtered=True)

    def _settings_for(self, number: int, name: str, history: History, rng: np.random.Generator) -> Proposal:
        """Returns fresh settings for an architecture, drawn for each task apart."""
        stages = tuple(
            Stage(problem, self._random(name, problem, history, self.rules.settings, rng))
            for problem in self.rules.problems
        )
        known = history.known[name].first
        return Proposal(Candidate(number, "settings", known.graph, known.parent), stages, filtered=False)

    def _mutant(self, candidate: Candidate, history: History, rng: np.random.Generator) -> Proposal:
        """Returns a mutant, with one setting for the filter if it did not pass that, and some for each task."""
        known = history.known.get(candidate.name)
        filtered = known is None or not known.passed
        stages = []
        if filtered:
            choice = self._filters(candidate.name, history)
            stages.append(Stage(self.rules.memorization, (choice[int(rng.integers(len(choice)))],)))
        stages += [Stage(problem, self._of_child(candidate, problem, history, rng)) for problem in self.rules.problems]
        return Proposal(candidate, tuple(stages), filtered)

    def _filters(self, name: str, history: History) -> list[Setting]:
        """Returns the settings with which an architecture may meet the filter."""
        gru = history.filtered[base_hash(BASES[0])]
        least = self.rules.filters * max(each.accuracy for each in gru)
        seen = history.seen(name, self.rules.memorization.task)
        return [each.setting for each in gru if each.accuracy >= least and each.setting not in seen]

    def _of_child(
        self, candidate: Candidate, problem: Problem, history: History, rng: np.random.Generator
    ) -> tuple[Setting, ...]:
        """Returns the settings of a child, by the rules of section 3.3."""
        rules, parent, task = self.rules, history.known[candidate.parent], problem.task
        if parent.evaluations > rules.many:
            shares = [(0.8, parent.best_settings(task, rules.inherited))]
        else:
            of_bases = [
                setting for base in BASES for setting in history.base(base).best_settings(task, rules.inherited)
            ]
            shares = [(1 / 3, of_bases), (1 / 3, parent.best_settings(task, len(all_settings(problem))))]
        seen = history.seen(candidate.name, task)
        chosen: list[Setting] = []
        for share, pool in shares:
            left = [setting for setting in dict.fromkeys(pool) if setting not in seen and setting not in chosen]
            chosen += _drawn(left, round(share * rules.settings), rng)
        return (*chosen, *self._random(candidate.name, problem, history, rules.settings - len(chosen), rng, chosen))

    def _random(
        self,
        name: str,
        problem: Problem,
        history: History,
        count: int,
        rng: np.random.Generator,
        besides: Iterable[Setting] = (),
    ) -> tuple[Setting, ...]:
        """Returns settings that an architecture did not have."""
        seen = history.seen(name, problem.task) | {*besides}
        return _drawn([setting for setting in all_settings(problem) if setting not in seen], count, rng)


def _drawn(settings: Sequence[Setting], count: int, rng: np.random.Generator) -> tuple[Setting, ...]:
    """Returns so many of some settings, or all of them, in random order."""
    places = rng.permutation(len(settings))[: max(0, count)]
    return tuple(settings[place] for place in places.tolist())


def passes(history: History, proposal: Proposal, stage: int, best: float, setting: Setting) -> bool:
    """Returns whether a mutant goes on after a stage.

    Args:
        history: What was known when it was proposed.
        proposal: The mutant.
        stage: The stage that ended.
        best: Its best accuracy in this stage.
        setting: In the filter, its setting.
    """
    rules = history.rules
    if proposal.candidate.kind in ("base", "settings"):
        return True
    if proposal.filtered and stage == 0:
        gru = history.filtered[base_hash(BASES[0])]
        return best >= rules.passes * next(each.accuracy for each in gru if each.setting == setting)
    task = proposal.stages[stage].problem.task
    known = history.known.get(proposal.candidate.name)
    before = known.best(task) if known else -math.inf
    first = history.base().by_task[task][: rules.base_settings]
    return max(best, before) >= rules.enough * max(each.accuracy for each in first)
