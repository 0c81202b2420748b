"""The search space of Collins et al. (2017), appendix A."""

import math
from typing import Any

import keras_tuner as kt

from keras_rnncap.cells import CellFactory, cell_class, get_cell, searched_numbers
from keras_rnncap.initializers import bias_initializer, matrix_initializer
from keras_rnncap.training import TrainingSettings
from keras_rnncap.tuners.spaces.space import Space, Values

OPTIMIZERS = ("sgd", "momentum", "rmsprop", "adam")


def _draws(cell: CellFactory, matrix: str) -> bool:
    """Returns whether weights of a cell without blocks start by its `kernel_initializer` or `recurrent_initializer`."""
    one = cell(1)
    initializer = getattr(one, f"{matrix}_initializer")
    return any(weight.initializer is initializer for weight in one.declare_weights(1))


class CollinsSpace(Space):
    """The hyperparameters of one cell, and what they mean for a model and its training.

    Ranges are the paper's; it gives no default values. "Exponentially distributed in [a, b]" is log-uniform; the
    momentum is the sigmoid of `momentum_logit`. Each of a cell's `blocks` has an initialization of its own; cells of
    Keras, and those that name no blocks, have one for all kernels. The numbers that a cell declares as `searched` have
    its ranges.

    Args:
        cell: The cell.
    """

    name = "collins"

    def __init__(self, cell: str | CellFactory) -> None:
        super().__init__(cell)
        factory = get_cell(cell)
        kind, _ = cell_class(factory)
        self._blocks: dict[str, tuple[str, ...] | None] = {
            matrix: getattr(kind, f"{matrix}_blocks", None) for matrix in ("kernel", "recurrent")
        }
        if self._blocks["kernel"] == () and _draws(factory, "kernel"):
            self._blocks["kernel"] = None
        if getattr(kind, "blocks", None) == () and _draws(factory, "recurrent"):
            self._blocks["recurrent"] = None
        self._kinds: tuple[str, ...] = getattr(kind, "recurrent_kinds", ("orthogonal", "normal"))
        self._activations: tuple[str, ...] = getattr(kind, "activations", ("tanh", "relu"))
        self._numbers = searched_numbers(factory)
        self._tunes_bias: bool = getattr(kind, "tunes_bias", True)

    def hyperparameters(self) -> kt.HyperParameters:
        """Returns the space, with its default values."""
        hp = kt.HyperParameters()
        self._add_cell(hp)
        for name, (low, high, start) in self._numbers.items():
            hp.Float(name, low, high, default=start)
        hp.Choice("optimizer", list(OPTIMIZERS), default="adam", ordered=False)
        hp.Float("learning_rate", 1e-4, 1e-1, sampling="log", default=0.03)
        hp.Float("learning_rate_decay", 1e-3, 1.0, sampling="log", default=0.01)
        with hp.conditional_scope("optimizer", ["momentum", "rmsprop", "adam"]):
            hp.Float("momentum_logit", 1.0, 7.0, default=2.2)
        hp.Float("clip_norm", 1.0, 100.0, sampling="log", default=10.0)
        hp.Float("l2", 1e-8, 1e-3, sampling="log", default=1e-8)
        return hp

    def _add_cell(self, hp: kt.HyperParameters) -> None:
        if "activation" in self._options and len(self._activations) > 1:
            hp.Choice("activation", list(self._activations), default=self._activations[0], ordered=False)
        kernel = self._prefixes("kernel") if "kernel_initializer" in self._options else []
        recurrent = self._prefixes("recurrent") if "recurrent_initializer" in self._options else []
        for prefix in dict.fromkeys([*kernel, *recurrent]):
            if prefix in kernel:
                hp.Float(f"{prefix}kernel_scale", 1e-3, 2.0, sampling="log", default=1.0)
            if prefix in recurrent and len(self._kinds) > 1:
                kind = f"{prefix}recurrent_kind"
                hp.Choice(kind, list(self._kinds), default="orthogonal", ordered=False)
                with hp.conditional_scope(kind, [drawn for drawn in self._kinds if drawn != "identity"]):
                    hp.Float(f"{prefix}recurrent_scale", 1e-2, 2.0, sampling="log", default=1.0)
        if "projection_initializer" in self._options:
            hp.Float("projection_scale", 1e-3, 2.0, sampling="log", default=1.0)
        hp.Float("readout_scale", 1e-3, 2.0, sampling="log", default=1.0)
        hp.Choice("bias_kind", ["constant", "normal"], default="constant", ordered=False)
        hp.Float("bias_scale", -2.0, 2.0, default=0.0)

    def _prefixes(self, matrix: str) -> list[str]:
        blocks = self._blocks[matrix]
        return [""] if blocks is None else [f"{block}." for block in blocks]

    def cell_options(self, values: Values) -> dict[str, Any]:
        """Returns the arguments of the cell's constructor."""
        options: dict[str, Any] = {name: values[name] for name in ("activation", *self._numbers) if name in values}
        drawn = {
            "kernel_initializer": self._drawn("kernel", "normal", values),
            "recurrent_initializer": self._drawn("recurrent", self._kinds[0], values),
            "bias_initializer": self._bias(values) if self._tunes_bias else {},
            "projection_initializer": matrix_initializer("normal", values.get("projection_scale", 1.0)),
        }
        return options | {name: value for name, value in drawn.items() if name in self._options and value != {}}

    def _drawn(self, matrix: str, usual: str, values: Values) -> Any:
        drawn = {
            prefix.removesuffix("."): matrix_initializer(
                values.get(f"{prefix}{matrix}_kind", usual), values.get(f"{prefix}{matrix}_scale", 1.0)
            )
            for prefix in self._prefixes(matrix)
        }
        return drawn.get("", drawn)

    def readout_options(self, values: Values) -> dict[str, Any]:
        """Returns the arguments of the readout."""
        return {
            "kernel_initializer": matrix_initializer("normal", values["readout_scale"]),
            "bias_initializer": self._bias(values),
        }

    def _bias(self, values: Values) -> Any:
        return bias_initializer(values["bias_kind"], values["bias_scale"])

    def settings(self, values: Values, steps: int) -> TrainingSettings:
        """Returns the hyperparameters of the training."""
        return TrainingSettings(
            steps=steps,
            optimizer=values["optimizer"],
            learning_rate=values["learning_rate"],
            learning_rate_decay=values["learning_rate_decay"],
            momentum=1 / (1 + math.exp(-values.get("momentum_logit", 0.0))),
            clip_norm=values["clip_norm"],
            l2=values["l2"],
        )
