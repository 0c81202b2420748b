"""What a search is asked, and what it answers."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeVar

from keras_rnncap.defaults import ENGINE
from keras_rnncap.engines import Engine
from keras_rnncap.errors import check_integer, check_seed
from keras_rnncap.tuners.population_tuner import SLOTS
from keras_rnncap.tuners.stopping import QuantileRule


@dataclasses.dataclass(frozen=True)
class SearchResult:
    """What all searches end with.

    Attributes:
        cell: The cell's name.
        depth: Number of layers of the best trial.
        parameters: Its trainable parameters.
        units: Units of each of its layers.
        trials: All trials that ended.
        diverged: Those whose loss became infinite or NaN: they are infeasible.
        untrained: Those that ended no better than by guessing.
        stopped_early: Those that were stopped because others did better: they have no score.
        proposed_by: How many trials were starting points (`"start"`), spread over the space (`"initial"`), or proposed
            by a model of the objective (`"process"`) or by chance (`"random"`).
        best_proposed_by: Which of these the best trial is.
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
    diverged: int
    untrained: int
    stopped_early: int
    proposed_by: dict[str, int]
    best_proposed_by: str | None
    steps: int
    batch_size: int
    seed: int
    elapsed_s: float
    hyperparameters: dict[str, Any]
    versions: dict[str, str]


Result = TypeVar("Result", bound=SearchResult)


@dataclasses.dataclass(frozen=True)
class SearchOptions:
    """How a search proposes, runs and stops its trials."""

    oracle: str = "gp"
    starts: Sequence[Mapping[str, Any]] = ()  # for each of the first trials, what differs from the default values
    rule: QuantileRule | None = None  # when to stop a trial early
    slots: int = SLOTS  # trials that train at the same time
    engine: str | Engine = ENGINE  # as `make_workers` takes it
    progress: bool | Literal["bar", "summary"] = False  # as `WorkProgress` takes it
    deadline: float | None = None  # when it ends, as `time.monotonic()` has it
    most: int | None = None  # trials to make if there is time for more than planned; `None` makes as many as planned


def check_search(seed: int, **counts: int) -> None:
    """Raises `InputError` unless the seed is valid and all counts are integers of at least 1."""
    for name, value in counts.items():
        check_integer(name, value, 1)
    check_seed(seed)
