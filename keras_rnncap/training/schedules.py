"""Learning rates that follow validation scores, as a state machine of plain numbers."""

import dataclasses
import math
from typing import Literal, NamedTuple, TypeAlias, get_args

from keras_rnncap.errors import InputError, check_integer, check_number

Rule: TypeAlias = Literal["always", "plateau", "after_plateau", "worse", "never"]


class ScheduleState(NamedTuple):
    """The state of a schedule, as numbers: `ScheduleState(*numpy.array(state))` returns it.

    Attributes:
        rate: Learning rate of the next epoch.
        epochs: Epochs so far.
        best: Best score so far; more is better.
        last: Score of the last epoch.
        idle: Epochs since the last gain.
        waited: Epochs since the last gain or lowering.
        lowered: Times that the rate was lowered.
        stopped: Whether training has ended.
    """

    rate: float
    epochs: float = 0
    best: float = -math.inf
    last: float = -math.inf
    idle: float = 0
    waited: float = 0
    lowered: float = 0
    stopped: float = False


@dataclasses.dataclass(frozen=True)
class Schedule:
    """Lowers the learning rate and stops training by the validation scores of epochs.

    A gain is a score better than all before it, and not NaN. The rules, and their sources:

        "always"         lowers after each epoch, once there were `constant_epochs`: Zaremba et al. (2014)
        "plateau"        after `patience` epochs without gain, then counts anew: Jozefowicz et al. (2015), music
        "after_plateau"  after `patience` epochs without gain, and from then on after each: their search
        "worse"          after each epoch whose score is worse than that of the one before: Mehta
        "never"          does not lower

    Attributes:
        rule: When the rate is lowered.
        epoch_steps: Training steps in an epoch.
        factor: Factor of the rate, in (0, 1].
        patience: Epochs without gain that make a plateau.
        constant_epochs: Epochs before the rate is first lowered, at least.
        lowerings: How often it is lowered before training stops; `None` for no limit.
        lowest_rate: Training stops below this rate.
        stop_patience: Epochs without gain after which training stops; `None` for no limit.

    Raises:
        InputError: If a value is out of its range.

    Example:
    >>> search = Schedule("after_plateau", epoch_steps=100, factor=0.5, patience=3, lowerings=4)
    >>> state, rates = search.start(1.0), []
    >>> for score in [0.2, 0.3, 0.3, 0.1, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]:
    ...     rates.append(state.rate)
    ...     state = search.after_epoch(state, score)
    >>> rates, bool(state.stopped)
    ([1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.25, 0.125, 0.0625, 0.0625], True)
    """

    rule: Rule
    epoch_steps: int
    factor: float = 0.5
    patience: int = 1
    constant_epochs: int = 0
    lowerings: int | None = None
    lowest_rate: float = 0.0
    stop_patience: int | None = None

    def __post_init__(self) -> None:
        """Checks all values."""
        if self.rule not in get_args(Rule):
            raise InputError(f"rule must be one of {', '.join(get_args(Rule))}; got {self.rule!r}")
        check_number("factor", self.factor, 1e-12, 1.0)
        check_number("lowest_rate", self.lowest_rate, 0.0)
        for name, least in {"epoch_steps": 1, "patience": 1, "constant_epochs": 0}.items():
            check_integer(name, getattr(self, name), least)
        for name, least in {"lowerings": 0, "stop_patience": 1}.items():
            if getattr(self, name) is not None:
                check_integer(name, getattr(self, name), least)

    def start(self, learning_rate: float) -> ScheduleState:
        """Returns the state before the first epoch."""
        return ScheduleState(learning_rate)

    def after_epoch(
        self, state: ScheduleState, score: float, direction: Literal["min", "max"] = "max"
    ) -> ScheduleState:
        """Returns the state after an epoch with this validation score, of which more or less is better."""
        if state.stopped:
            return state
        score = -math.inf if math.isnan(score) else score if direction == "max" else -score
        gain = score > state.best
        seen = state._replace(
            epochs=state.epochs + 1,
            best=max(score, state.best),
            idle=0 if gain else state.idle + 1,
            waited=0 if gain else state.waited + 1,
        )
        lowers = seen.epochs >= self.constant_epochs and self._lowers(seen, score)
        seen = seen._replace(last=score)
        if lowers and state.lowered == self.lowerings:
            return seen._replace(stopped=True)
        if lowers:
            seen = seen._replace(rate=state.rate * self.factor, lowered=state.lowered + 1, waited=0)
        tired = self.stop_patience is not None and seen.idle >= self.stop_patience
        return seen._replace(stopped=tired or seen.rate < self.lowest_rate)

    def _lowers(self, seen: ScheduleState, score: float) -> bool:
        """Returns whether the rule lowers the rate after a score; `seen.last` is the one before it."""
        plateau = seen.waited >= self.patience
        return {
            "always": True,
            "plateau": plateau,
            "after_plateau": plateau or seen.lowered > 0,
            "worse": score < seen.last,
            "never": False,
        }[self.rule]
