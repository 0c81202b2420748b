"""What a search for architectures does, and what it spends, by profile."""

import dataclasses
from typing import Any, ClassVar, Literal, TypeAlias, get_args

from keras_rnncap.errors import InputError, check_integer, check_number
from keras_rnncap.evolution.problems import Problem
from keras_rnncap.tuners.profiles import get_profile

Strategy: TypeAlias = Literal["paper", "regularized", "random"]
BASES = ("gru", "tanh-lstm")
"""The architectures that a search starts with, as `known_graphs` has them: the GRU, and the LSTM of the paper."""


@dataclasses.dataclass(frozen=True)
class Rules:
    """The rules of a search, those of Jozefowicz et al. (2015), sections 3.1 and 3.3, with other numbers.

    Attributes:
        problems: On which architectures are compared, in the paper's order.
        memorization: The problem of the filter.
        strategy: `"paper"`; `"regularized"`, the aging evolution of Real et al. (2019), with the same filter, stages
            and settings; or `"random"`, chains of mutations from a base, without selection.
        passes: The filter: this part of the GRU's accuracy with the same setting. The paper's 95% is that of models
            that train for minutes.
        filters: The filter's setting is one with which the GRU has at least this part of its best accuracy.
        enough: Stages: this part of the GRU's best accuracy.
        settings: Of the grid, for each stage.
        base_settings: Of the grid, for each base; the paper has all.
        inherited: The best settings that children have from parents, at most.
        many: Evaluations of a parent from which on most settings are its best.
        listed: Architectures in the list of the best.
        mutants: The probability of a mutant, else fresh settings for a member of the list.
        ahead: A candidate is proposed when this many before it may still be in training. Results depend on it, and not
            on how many train at the same time.
        population: Of the aging evolution.
        tournament: Of the aging evolution: its parents are the best of so many.
        longest_chain: Of the random search: mutations from a base, at most.
    """

    problems: tuple[Problem, ...]
    memorization: Problem
    strategy: Strategy = "paper"
    passes: float = 0.5
    filters: float = 0.5
    enough: float = 0.9
    settings: int = 20
    base_settings: int = 60
    inherited: int = 20
    many: int = 420
    listed: int = 100
    mutants: float = 0.5
    ahead: int = 4
    population: int = 20
    tournament: int = 5
    longest_chain: int = 8

    profiles: ClassVar[dict[str, "Rules"]] = {}

    def __post_init__(self) -> None:
        """Checks all values."""
        if not self.problems:
            raise InputError("tasks must name at least one; got none")
        if self.strategy not in get_args(Strategy):
            raise InputError(f"strategy must be one of {', '.join(get_args(Strategy))}; got {self.strategy!r}")
        for name in ("passes", "filters", "enough", "mutants"):
            check_number(name, getattr(self, name), 0.0, 1.0)
        for name in ("settings", "base_settings", "inherited", "many", "listed", "ahead", "population", "tournament"):
            check_integer(name, getattr(self, name), 1)
        check_integer("longest_chain", self.longest_chain, 1, 100)

    @property
    def stages(self) -> tuple[Problem, ...]:
        """All problems in the order in which a mutant meets them, the filter first."""
        return (self.memorization, *self.problems)


def _laptop() -> Rules:
    short: dict[str, Any] = {"epoch_steps": 100, "epochs": 10}
    return Rules(
        problems=(
            Problem("distractor-arithmetic:digits=3", 5_000, **short),
            Problem("xml", 5_000, **short),
            Problem("frequent-words", 10_000, **short),
        ),
        memorization=Problem("memorization", 5_000, **short),
        mutants=0.75,
    )


def _smoke() -> Rules:
    short: dict[str, Any] = {"epoch_steps": 2, "epochs": 2, "held_out": 700}
    return Rules(
        problems=(Problem("xml", 400, **short), Problem("frequent-words:vocabulary=20", 400, **short)),
        memorization=Problem("memorization:symbols=2", 400, **short),
        settings=3,
        base_settings=4,
        inherited=2,
        many=12,
        listed=5,
        population=3,
        tournament=2,
    )


def _paper() -> Rules:
    return Rules(
        problems=(
            Problem("distractor-arithmetic", 250_000, epoch_steps=1_000, epochs=100),
            Problem("xml", 250_000, epoch_steps=1_000, epochs=100),
            Problem("penn-treebank", 5_000_000, epoch_steps=1_000, epochs=100),
        ),
        memorization=Problem("memorization", 25_000, epoch_steps=1_000, epochs=20),
        passes=0.95,
        base_settings=210,
        inherited=100,
        ahead=64,
    )


Rules.profiles.update(smoke=_smoke(), laptop=_laptop(), paper=_paper())


def get_rules(profile: str) -> Rules:
    """Returns the rules of a profile; raises `InputError` if there is none of this name.

    Example:
    >>> [problem.task for problem in get_rules("laptop").stages][:2]
    ['memorization', 'distractor-arithmetic:digits=3']
    """
    get_profile(profile)
    return Rules.profiles[profile]
