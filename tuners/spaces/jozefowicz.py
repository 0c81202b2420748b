"""The search space of Jozefowicz et al. (2015), section 3.7, and how they lower the learning rate."""

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias, get_args

import keras
import keras_tuner as kt

from keras_rnncap.cells import CellFactory
from keras_rnncap.errors import InputError, check_integer
from keras_rnncap.training import Schedule, TrainingSettings
from keras_rnncap.tuners.spaces.space import Space, Values

LAST_RATE = 1 / 16
"""What the learning rate is multiplied by at the end: the paper halves it four times."""
Procedure: TypeAlias = Literal["decay", "search", "music", "words"]


def paper_schedule(procedure: Procedure, epoch_steps: int, values: Values, scored_steps: int = 1) -> Schedule | None:
    """Returns how the paper lowers the learning rate (section 3.6); `None` for `"decay"`, which is not the paper's.

        "search"  after three epochs without gain, halved after each of four more epochs
        "music"   times 0.8 after ten epochs without gain, then counted anew, down to 0.001
        "words"   constant for `max_epoch` epochs, then times `decay` after each

    Example:
    >>> paper_schedule("words", 100, {"max_epoch": 4, "decay": 0.5}).constant_epochs
    4
    """
    if procedure == "search":
        return Schedule("after_plateau", epoch_steps, factor=0.5, patience=3, lowerings=4)
    if procedure == "music":
        return Schedule("plateau", epoch_steps, factor=0.8, patience=10, lowest_rate=1e-3 * scored_steps)
    if procedure == "words":
        return Schedule("always", epoch_steps, factor=values["decay"], constant_epochs=values["max_epoch"])
    return None


class JozefowiczSpace(Space):
    """The grid of Jozefowicz et al. (2015), section 3.7, for any cell: 3,360 points with two numbers of parameters.

    All matrices start uniform in [-x, x], x = `init_scale` / sqrt(units); in Keras' own cells, which draw the input
    matrices of all gates as one, x is smaller there by the root of their number. Biases start at zero, but for a
    `forget_bias` that the cell has. Training is SGD. The paper's learning rate acts on a loss summed over the time
    steps, and is multiplied by their number here, where losses are means. The paper lowers the rate when the validation
    error stops improving, as `paper_schedule` says; with the procedure `"decay"`, it falls exponentially to a
    sixteenth, the same four halvings, over the training steps.

    Args:
        cell: The cell.
        params: Numbers of parameters to choose from. The paper: 250,000 or 1,000,000 for arithmetic and XML, 100,000
            or 1,000,000 for music, 5,000,000 for Penn Treebank.
        scored_steps: Time steps that the loss is a mean of.
        procedure: How the learning rate falls; `"words"` also searches `max_epoch`, `decay` and the dropout.
        epoch_steps: Training steps after which schedules hear of validation scores.
        dropouts: Rates of dropout to choose from; none for no dropout.

    Raises:
        InputError: If a number is out of range, or there is no such procedure.

    Example:
    >>> space = JozefowiczSpace("gru", params=(250_000, 1_000_000), scored_steps=35).hyperparameters()
    >>> [hp.name for hp in space.space]
    ['init_scale', 'learning_rate', 'clip_norm', 'depth', 'params']
    """

    name = "jozefowicz"

    def __init__(
        self,
        cell: str | CellFactory,
        params: tuple[int, ...],
        scored_steps: int = 1,
        *,
        procedure: Procedure = "decay",
        epoch_steps: int = 100,
        dropouts: Sequence[float] = (),
    ) -> None:
        super().__init__(cell)
        if procedure not in get_args(Procedure):
            raise InputError(f"procedure must be one of {', '.join(get_args(Procedure))}; got {procedure!r}")
        self._procedure, self._epoch_steps = procedure, check_integer("epoch_steps", epoch_steps, 1)
        self._dropouts = list(dropouts) or ([0.0, 0.1, 0.3, 0.5] if procedure == "words" else [])
        self._params = tuple(check_integer("params", number, 1) for number in params)
        self._scored_steps = check_integer("scored_steps", scored_steps, 1)

    @classmethod
    def for_search(cls, cell: CellFactory, params: int, scored_steps: int, logits: bool = False) -> "JozefowiczSpace":
        """Returns the space with one number of parameters."""
        del logits
        return cls(cell, (params,), scored_steps)

    def hyperparameters(self) -> kt.HyperParameters:
        """Returns the space."""
        hp = kt.HyperParameters()
        hp.Choice("init_scale", [0.3, 0.7, 1.0, 1.4, 2.0, 2.8], default=1.0)
        hp.Choice("learning_rate", [0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0], default=0.5)
        hp.Choice("clip_norm", [1.0, 2.5, 5.0, 10.0, 20.0], default=5.0)
        hp.Choice("depth", [1, 2, 3, 4])
        if len(self._params) > 1:
            hp.Choice("params", list(self._params))
        if self._procedure == "words":
            hp.Choice("max_epoch", [4, 7, 11])
            hp.Choice("decay", [0.5, 0.65, 0.8])
        if self._dropouts:
            hp.Choice("dropout", self._dropouts)
        return hp

    def cell_options(self, values: Values) -> dict[str, Any]:
        """Returns the arguments of the cell's constructor."""
        drawn = {
            "kernel_initializer": self._uniform(values, "fan_out"),  # a block has as many outputs as there are units
            "recurrent_initializer": self._uniform(values, "fan_in"),
            "projection_initializer": self._uniform(values, "fan_out"),
        }
        return {name: value for name, value in drawn.items() if name in self._options}

    def readout_options(self, values: Values) -> dict[str, Any]:
        """Returns the arguments of the readout."""
        return {"kernel_initializer": self._uniform(values, "fan_in")}

    @staticmethod
    def _uniform(values: Values, mode: str) -> keras.initializers.Initializer:
        # VarianceScaling's limit is sqrt(3 scale / n).
        scale = values["init_scale"] ** 2 / 3
        return keras.initializers.VarianceScaling(scale=scale, mode=mode, distribution="uniform")

    def settings(self, values: Values, steps: int) -> TrainingSettings:
        """Returns the hyperparameters of the training."""
        rate = values["learning_rate"] * self._scored_steps
        settings = TrainingSettings(
            steps,
            "sgd",
            learning_rate=rate,
            learning_rate_decay=LAST_RATE,
            momentum=0.0,
            clip_norm=values["clip_norm"] / self._scored_steps,
            dropout=values.get("dropout", 0.0),
        )
        schedule = paper_schedule(self._procedure, self._epoch_steps, values, self._scored_steps)
        return dataclasses.replace(settings, schedule=schedule, learning_rate_decay=1.0) if schedule else settings
