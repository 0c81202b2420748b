"""Hyperparameters of a training run, as in Collins et al. (2017), appendix A."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, get_args

import keras

from keras_rnncap.dropout import HIGHEST_RATE
from keras_rnncap.errors import InputError, check_flag, check_integer, check_number
from keras_rnncap.optimizers import Decay, RowSOAP
from keras_rnncap.training.losses import SaturatedLoss, TemperedLoss, saturate
from keras_rnncap.training.schedules import Schedule, ScheduleState

LATER = ("schedule", "dropout", "weight_decay", "warmup", "linear_decay", "loss_temperature")
"""Settings that older runs and presets lack."""
OptimizerName: TypeAlias = Literal["sgd", "momentum", "rmsprop", "adam", "row-soap"]


@dataclasses.dataclass(frozen=True)
class TrainingSettings:
    """The hyperparameters of a training run; in brackets, how the paper draws them.

    Attributes:
        steps: Number of training steps N; with a schedule, the largest.
        optimizer: `"sgd"`, `"momentum"` (SGD with momentum), `"rmsprop"`, `"adam"` or `"row-soap"` (`RowSOAP`).
        learning_rate: lr_0; at step t the learning rate is `lr_0 * decay^(t/N)` (log-uniform in [1e-4, 1e-1]).
        learning_rate_decay: `decay`, in (0, 1]; not used with a schedule (log-uniform in [1e-3, 1]).
        momentum: The momentum of SGD and RMSProp, Adam's beta_1, in [0, 1) (`sigmoid(u)`, u uniform in [1, 7]).
        clip_norm: Largest global norm of the gradient (log-uniform in [1, 100]).
        l2: Factor on the sum of squares of all weights, added to the loss (log-uniform in [1e-8, 1e-3]).
        loss_saturation: q, in [0, 1]; see `SaturatedLoss` (0).
        schedule: How the learning rate follows validation scores: a `Schedule`, or its fields; `None` for the decay.
        dropout: Fraction of the inputs of each layer and of the readout to drop, in [0, 0.99]; not on the recurrence.
            Models must be built with the same: `sequence_model(dropout=...)`.
        weight_decay: Decoupled weight decay: each step takes this times the learning rate off the weights of cells,
            but not off initial states and the readout.
        warmup: Part of the steps, in [0, 1], in which the learning rate rises linearly to what it is without.
        linear_decay: Whether the learning rate is multiplied by `1 - t/N` as well; both not used with a schedule.
        loss_temperature: In training, the logits are divided by this; for losses of logits only.

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
    weight_decay: float = 0.0
    warmup: float = 0.0
    linear_decay: bool = False
    loss_temperature: float = 1.0

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
        check_number("weight_decay", self.weight_decay, 0.0)
        check_number("warmup", self.warmup, 0.0, 1.0)
        check_flag("linear_decay", self.linear_decay)
        check_number("loss_temperature", self.loss_temperature, 1e-6)
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
        """Returns the loss that training minimizes for a task's loss; `InputError` for a temperature without logits."""
        if self.loss_temperature != 1.0:
            loss = TemperedLoss(loss, self.loss_temperature)
        return SaturatedLoss(loss, self.loss_saturation) if self.loss_saturation else loss

    def saturated(self, loss: float) -> float:
        """Returns the saturated value of a loss."""
        return float(saturate(loss, self.loss_saturation))

    def make_optimizer(self) -> keras.optimizers.Optimizer:
        """Returns the Keras optimizer with this decay and clipping; the rate of a schedule is for the caller to set."""
        decay = Decay(self.learning_rate, self.steps, self.learning_rate_decay, self.warmup, self.linear_decay)
        kinds: dict[str, tuple[Any, dict[str, Any]]] = {
            "sgd": (keras.optimizers.SGD, {}),
            "momentum": (keras.optimizers.SGD, {"momentum": self.momentum}),
            "rmsprop": (keras.optimizers.RMSprop, {"momentum": self.momentum}),
            "adam": (keras.optimizers.Adam, {"beta_1": self.momentum}),
            "row-soap": (RowSOAP, {"beta_1": self.momentum}),
        }
        kind, options = kinds[self.optimizer]
        options |= {"global_clipnorm": self.clip_norm, "weight_decay": self.weight_decay or None}
        optimizer: keras.optimizers.Optimizer = kind(self.learning_rate if self.schedule else decay, **options)
        return optimizer
