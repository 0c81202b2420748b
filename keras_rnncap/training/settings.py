"""How a model is trained: optimizer, learning rate, clipping and weight decay of Collins et al. (2017), appendix A."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, get_args

import keras

from keras_rnncap.dropout import HIGHEST_RATE
from keras_rnncap.errors import InputError, check_integer, check_number
from keras_rnncap.training.losses import SaturatedLoss, saturate
from keras_rnncap.training.schedules import Schedule

LATER = ("schedule", "dropout")
"""Settings that came after runs and presets had been made, which lack them."""
OptimizerName: TypeAlias = Literal["sgd", "momentum", "rmsprop", "adam"]


@dataclasses.dataclass(frozen=True)
class TrainingSettings:
    """The hyperparameters of a training run.

    Attributes:
        steps: Number of training steps N; with a schedule, the most that there are.
        optimizer: `"sgd"`, `"momentum"` (SGD with momentum), `"rmsprop"` or `"adam"`.
        learning_rate: lr_0; at step t the learning rate is `lr_0 * decay^(t/N)`. The paper: log-uniform in [1e-4,
            1e-1].
        learning_rate_decay: `decay`, in (0, 1]; with a schedule it is not used. The paper: log-uniform in [1e-3, 1].
        momentum: The "momentum-like parameter", in [0, 1): the momentum of SGD and of RMSProp, Adam's beta_1. The
            paper: `sigmoid(u)` with u uniform in [1, 7]. Second-order decay rates and epsilons stay at Keras' defaults.
        clip_norm: Largest global norm of the gradient. The paper: log-uniform in [1, 100].
        l2: Factor on the sum of squares of all weights, added to the loss. The paper: log-uniform in [1e-8, 1e-3].
        loss_saturation: q, in [0, 1]; see `SaturatedLoss`. The paper: 0, the loss as it is.
        schedule: How the learning rate follows validation scores: a `Schedule`, or its fields. `None` for the decay
            above.
        dropout: Fraction of the inputs of each layer and of the readout to drop, in [0, 0.99]; not on the recurrence.
            It is in the model: `sequence_model(dropout=...)`, as `MemberBuilder` and `train_model` build it.

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
        defaults = {field.name: field.default for field in dataclasses.fields(self) if field.name in LATER}
        known = dataclasses.asdict(self)
        return {name: value for name, value in known.items() if name not in LATER or value != defaults[name]}

    def minimized(self, loss: keras.losses.Loss) -> keras.losses.Loss:
        """Returns what is minimized for a task's loss: the same, saturated if it is to be."""
        return SaturatedLoss(loss, self.loss_saturation) if self.loss_saturation else loss

    def saturated(self, loss: float) -> float:
        """Returns a sample's loss as it counts in training."""
        return float(saturate(loss, self.loss_saturation))

    def make_optimizer(self) -> keras.optimizers.Optimizer:
        """Returns the Keras optimizer with this decay and clipping; with a schedule, whoever trains sets its rate."""
        decayed = keras.optimizers.schedules.ExponentialDecay(
            self.learning_rate, decay_steps=self.steps, decay_rate=self.learning_rate_decay
        )
        rate = self.learning_rate if self.schedule else decayed
        if self.optimizer == "sgd":
            return keras.optimizers.SGD(rate, global_clipnorm=self.clip_norm)
        if self.optimizer == "momentum":
            return keras.optimizers.SGD(rate, momentum=self.momentum, global_clipnorm=self.clip_norm)
        if self.optimizer == "rmsprop":
            return keras.optimizers.RMSprop(rate, momentum=self.momentum, global_clipnorm=self.clip_norm)
        return keras.optimizers.Adam(rate, beta_1=self.momentum, global_clipnorm=self.clip_norm)
