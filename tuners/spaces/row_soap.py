"""A narrow search space around a training that stores much: RowSOAP with a warm-up and a linear fall."""

import math
from typing import Any

import keras_tuner as kt

from keras_rnncap.cells import CellFactory, cell_class, get_cell, starts_of
from keras_rnncap.defaults import Capacity
from keras_rnncap.training import TrainingSettings
from keras_rnncap.tuners.spaces.collins import CollinsSpace
from keras_rnncap.tuners.spaces.edit import edit_space
from keras_rnncap.tuners.spaces.space import Values

RANGES: dict[str, tuple[float, float]] = {
    "kernel_scale": (0.5, 4.0),
    "recurrent_scale": (0.3, 3.0),
    "projection_scale": (0.3, 3.0),
    "readout_scale": (0.5, 4.0),
    "bias_scale": (-1.0, 1.0),
}
"""Of the hyperparameters of a cell and its readout, of each block where a cell has several."""
START = {
    "kernel_scale": 2.0,
    "recurrent_scale": 1.2,
    "projection_scale": 1.0,
    "readout_scale": 1.6,
    "bias_scale": 0.0,
    "patterns_per_parameter": 5.0,
}
"""Where the search starts, unless the cell's `start` says otherwise."""
RATES, LARGEST_START, UNIT_RATE, MANY_UNITS = (3e-3, 1e-1), 0.06, 0.8, 40
"""The range of the learning rate; and where it starts: at `UNIT_RATE` by the units that so many parameters would buy if
all were recurrent, `sqrt(parameters / blocks)`, at most at `LARGEST_START`; above `MANY_UNITS` units, it falls with
their square."""


class RowSOAPSpace(CollinsSpace):
    """The hyperparameters with which `RowSOAP` is trained: rate, weight decay, temperature, and the scales of a cell.

    The optimizer's momentum is 0.9, gradients are clipped at a norm of 1, and the learning rate is
    `rate min(1, 20 f) (1 - f) 0.05^f` at the part f of the steps. Square matrices are orthogonal where the cell allows
    it, biases constant.

    Args:
        cell: The cell; its `start` names values from which the search starts.
        logits: Whether the loss is one of logits; without, there is no temperature.
        params: Parameters of the models, from which the learning rate follows where the search starts.
    """

    name = "row-soap"

    def __init__(self, cell: str | CellFactory, logits: bool = True, params: int = Capacity.params) -> None:
        super().__init__(cell)
        self._logits = logits
        kind, _ = cell_class(get_cell(cell))
        units = math.sqrt(params / max(len(getattr(kind, "blocks", ())), 1))
        self._rate = max(min(UNIT_RATE / units * min(1, MANY_UNITS / units), LARGEST_START), RATES[0])
        self.start: dict[str, float] = START | dict(starts_of(get_cell(cell)))

    @classmethod
    def for_search(cls, cell: CellFactory, params: int, scored_steps: int, logits: bool = False) -> "RowSOAPSpace":
        """Returns the space for a loss of logits, or another, at a number of parameters."""
        del scored_steps
        return cls(cell, logits, params)

    def hyperparameters(self) -> kt.HyperParameters:
        """Returns the space, with its default values."""
        cell = kt.HyperParameters()
        self._add_cell(cell)
        changes: dict[str, Any] = {"bias_kind": "constant"}
        for hp in cell.space:
            last = hp.name.split(".")[-1]
            if last in RANGES:
                changes[hp.name] = RANGES[last]
            elif last == "recurrent_kind" and "orthogonal" in self._kinds:
                changes[hp.name] = "orthogonal"
            elif last == "activation":
                changes[hp.name] = self._activations[0]
        hp = kt.HyperParameters()
        for edited in edit_space(cell, changes).space:
            start = self.start.get(edited.name.split(".")[-1])
            hp.merge([type(edited).from_config(edited.get_config() | {"default": start}) if start else edited])
        for name, (low, high, start) in self._numbers.items():
            hp.Float(name, low, high, default=self.start.get(name, start))
        hp.Float("learning_rate", *RATES, sampling="log", default=self.start.get("learning_rate", self._rate))
        hp.Float("weight_decay", 1e-4, 3e-2, sampling="log", default=self.start.get("weight_decay", 1e-3))
        if self._logits:
            hp.Float("loss_temperature", 0.25, 1.0, sampling="log", default=0.5)
        return hp

    def settings(self, values: Values, steps: int) -> TrainingSettings:
        """Returns the hyperparameters of the training."""
        return TrainingSettings(
            steps=steps,
            optimizer="row-soap",
            learning_rate=values["learning_rate"],
            learning_rate_decay=0.05,
            momentum=0.9,
            clip_norm=1.0,
            weight_decay=values["weight_decay"],
            warmup=0.05,
            linear_decay=True,
            loss_temperature=values.get("loss_temperature", 1.0),
        )
