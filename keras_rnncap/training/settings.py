"""Hyperparameters of a training run, as in Collins et al. (2017), appendix A."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, get_args

import keras

from keras_rnncap.dropout import HIGHEST_RATE
from keras_rnncap.errors import InputError, check_integer, check_number
from keras_rnncap.training.losses import SaturatedLoss, saturate
from keras_rnncap.training.schedules import Schedule, ScheduleState

LATER = ("schedule", "dropout")
"""Settings that older runs and presets lack."""
OptimizerName: TypeAlias = Literal["sgd", "momentum", "rmsprop", "adam"]


@dataclasses.dataclass(frozen=True)
class TrainingSettings:
    """The hyperparameters of a training run; in brackets, how the paper draws them.

    Attributes:
        steps: Number of training steps N; with a schedule, the largest.
        optimizer: `"sgd"`, `"momentum"` (SGD with momentum), `"rmsprop"` or `"adam"`.
        learning_rate: lr_0; at step t the learning rate is `lr_0 * decay^(t/N)` (log-uniform in [1e-4, 1e-1]).
        learning_rate_decay: `decay`, in (0, 1]; not used with a schedule (log-uniform in [1e-3, 1]).
        momentum: The momentum of SGD and RMSProp, Adam's beta_1, in [0, 1) (`sigmoid(u)`, u uniform in [1, 7]).
        clip_norm: Largest global norm of the gradient (log-uniform in [1, 100]).
        l2: Factor on the sum of squares of all weights, added to the loss (log-uniform in [1e-8, 1e-3]).
        loss_saturation: q, in [0, 1]; see `SaturatedLoss` (0).
        schedule: How the learning rate follows validation scores: a `Schedule`, or its fields; `None` for the decay.
        dropout: Fraction of the inputs of each layer and of the readout to drop, in [0, 0.99]; not on the recurrence.
            Models must be built with the same: `sequence_model(dropout=...)`.

    Raises:
        InputError: If a value is out of its range.
    """

    steps: int
    optimizer: OptimizerName = "adam"
    learning_rate: float = 1e-2
    learning_rate_decay: float = 1e-2
    momentum: float = 0.9
    clip_norm: float = 10.0
    l2: float = 0.0
    loss_saturation: float = 0.0
    schedule: Schedule | None = None
    dropout: float = 0.0

    def __post_init__(self) -> None:
        """Checks all values."""
        check_integer("steps", self.steps, 1)
        if self.optimizer not in get_args(OptimizerName):
            raise InputError(f"optimizer must be one of {', '.join(get_args(OptimizerName))}; got {self.optimizer!r}")
        check_number("learning_rate", self.learning_rate, 0.0)
        check_number("learning_rate_decay", self.learning_rate_decay, 1e-12, 1.0)
        check_number("momentum", self.momentum, 0.0, 1.0 - 1e-9)
        check_number("clip_norm", self.clip_norm, 1e-12)
        check_number("l2", self.l2, 0.0)
        check_number("loss_saturation", self.loss_saturation, 0.0, 1.0)
        check_number("dropout", self.dropout, 0.0, HIGHEST_RATE)
        if isinstance(self.schedule, Mapping):
            object.__setattr__(self, "schedule", Schedule(**self.schedule))

    @property
    def identity(self) -> dict[str, Any]:
        """The settings as JSON values, without those of `LATER` that are at their defaults."""
        # A default is also the attribute of the class.
        values = dataclasses.asdict(self).items()
        return {name: value for name, value in values if name not in LATER or value != getattr(type(self), name)}

    @property
    def schedule_start(self) -> ScheduleState | None:
        """The state of the schedule before the first step; `None` without one."""
        return self.schedule.start(self.learning_rate) if self.schedule else None

    def minimized(self, loss: keras.losses.Loss) -> keras.losses.Loss:
        """Returns the loss that training minimizes for a task's loss."""
        return SaturatedLoss(loss, self.loss_saturation) if self.loss_saturation else loss

    def saturated(self, loss: float) -> float:
        """Returns the saturated value of a loss."""
        return float(saturate(loss, self.loss_saturation))

    def make_optimizer(self) -> keras.optimizers.Optimizer:
        """Returns the Keras optimizer with this decay and clipping; the rate of a schedule is for the caller to set."""
        decay = keras.optimizers.schedules.ExponentialDecay(self.learning_rate, self.steps, self.learning_rate_decay)
        kind, options = {
            "sgd": (keras.optimizers.SGD, {}),
            "momentum": (keras.optimizers.SGD, {"momentum": self.momentum}),
            "rmsprop": (keras.optimizers.RMSprop, {"momentum": self.momentum}),
            "adam": (keras.optimizers.Adam, {"beta_1": self.momentum}),
        }[self.optimizer]
        return kind(self.learning_rate if self.schedule else decay, global_clipnorm=self.clip_norm, **options)
