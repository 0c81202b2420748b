"""What a search space is."""

import abc
from collections.abc import Mapping
from typing import Any, ClassVar, TypeAlias

import keras_tuner as kt

from keras_rnncap.cells import CellFactory, constructor_options, get_cell
from keras_rnncap.training import TrainingSettings

Values: TypeAlias = Mapping[str, Any]


class Space(abc.ABC):
    """The hyperparameters of a cell, and what their values mean for a model and its training.

    Attributes:
        name: The space's name on the command line.
    """

    name: ClassVar[str]

    def __init__(self, cell: str | CellFactory) -> None:
        self._options = constructor_options(get_cell(cell))

    @classmethod
    def for_search(cls, cell: CellFactory, params: int, scored_steps: int, logits: bool = False) -> "Space":
        """Returns the space for models of at most so many parameters, whose loss is a mean of so many time steps.

        `logits` says whether it is a loss of logits.
        """
        del params, scored_steps, logits
        return cls(cell)

    @abc.abstractmethod
    def hyperparameters(self) -> kt.HyperParameters:
        """Returns the space, with its default values."""

    @abc.abstractmethod
    def cell_options(self, values: Values) -> dict[str, Any]:
        """Returns the arguments of the cell's constructor."""

    @abc.abstractmethod
    def readout_options(self, values: Values) -> dict[str, Any]:
        """Returns the arguments of the readout."""

    @abc.abstractmethod
    def settings(self, values: Values, steps: int) -> TrainingSettings:
        """Returns the hyperparameters of the training."""
