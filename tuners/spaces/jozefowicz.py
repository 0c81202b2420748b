"""The search space of Jozefowicz et al. (2015), section 3.7."""

from typing import Any

import keras
import keras_tuner as kt

from keras_rnncap.cells import CellFactory
from keras_rnncap.errors import check_integer
from keras_rnncap.training import TrainingSettings
from keras_rnncap.tuners.spaces.space import Space, Values

LAST_RATE = 1 / 16
"""What the learning rate is multiplied by at the end: the paper halves it four times."""


class JozefowiczSpace(Space):
    """The grid of Jozefowicz et al. (2015), section 3.7, for any cell: 3,360 points with two numbers of parameters.

    All matrices start uniform in [-x, x], x = `init_scale` / sqrt(units); in Keras' own cells, which draw the input
    matrices of all gates as one, x is smaller there by the root of their number. Biases start at zero, but for a
    `forget_bias` that the cell has. Training is SGD. The paper's learning rate acts on a loss summed over the time
    steps, and is multiplied by their number here, where losses are means. The paper lowers the rate when the validation
    error stops improving; here it falls exponentially to a sixteenth, the same four halvings, over the training steps.

    Args:
        cell: The cell.
        params: Numbers of parameters to choose from. The paper: 250,000 or 1,000,000 for arithmetic and XML, 100,000
            or 1,000,000 for music, 5,000,000 for Penn Treebank.
        scored_steps: Time steps that the loss is a mean of.

    Raises:
        InputError: If a number is out of range.

    Example:
    >>> space = JozefowiczSpace("gru", params=(250_000, 1_000_000), scored_steps=35).hyperparameters()
    >>> [hp.name for hp in space.space]
    ['init_scale', 'learning_rate', 'clip_norm', 'depth', 'params']
    """

    name = "jozefowicz"

    def __init__(self, cell: str | CellFactory, params: tuple[int, ...], scored_steps: int = 1) -> None:
        super().__init__(cell)
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
        return TrainingSettings(
            steps,
            "sgd",
            learning_rate=rate,
            learning_rate_decay=LAST_RATE,
            momentum=0.0,
            clip_norm=values["clip_norm"] / self._scored_steps,
        )
