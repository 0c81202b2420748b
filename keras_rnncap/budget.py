"""How many units a parameter budget buys, and where the parameters go."""

import bisect
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import keras
import pandas as pd

from keras_rnncap.errors import InputError, check_integer, check_number

PARTS = {
    "kernel": "input",
    "recurrent_kernel": "recurrent",
    "bias": "bias",
    "initial_state": "initial state",
    "projection": "projection",
}
"""Columns of the breakdown, by the names of the weights of a recurrent layer."""
LARGEST_BUDGET = 10**15
"""Sizes of weights of more parameters may not fit into 64 bits."""


class Budget(NamedTuple):
    """Units of all layers, or of each where `widths` were given; trainable parameters; table of `count_parameters`."""

    units: Any
    parameters: int
    breakdown: pd.DataFrame


def count_parameters(model: keras.Model) -> pd.DataFrame:
    """Itemizes the trainable parameters of a built model.

    Returns:
        A table with a row for each layer that has parameters. Columns of layers with a `cell`: `input`, `recurrent`,
        `bias`, `initial state`, `projection`, `other`; of all other layers `readout`; without those that are zero
        everywhere; and `total`.
    """
    columns = [*PARTS.values(), "other", "readout"]
    rows: dict[str, dict[str, int]] = {}
    for layer in model.layers:
        for weight in layer.trainable_weights:
            part = PARTS.get(weight.name, "other") if hasattr(layer, "cell") else "readout"
            rows.setdefault(layer.name, dict.fromkeys(columns, 0))[part] += math.prod(weight.shape)
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns).astype(int)
    table = table.loc[:, (table != 0).any(axis=0)]
    table["total"] = table.sum(axis=1)
    return table.rename_axis("layer")


def trainable_parameters(model: keras.Model) -> int:
    """Returns the number of trainable parameters of a built model."""
    return sum(math.prod(weight.shape) for weight in model.trainable_weights)


def outline(build: Callable[[], keras.Model]) -> keras.Model:
    """Returns the model that `build` returns, its weights without values: to be counted, whatever its size.

    Where `build` needs values, such as to compile the model, the weights have some.

    Example:
    >>> from keras_rnncap import sequence_model
    >>> trainable_parameters(outline(lambda: sequence_model("lstm", 10_000, input_dim=16, output_dim=1)))
    400710001
    """

    def build_without_values() -> keras.Model:
        with keras.StatelessScope(initialize_variables=False):
            return build()

    try:
        # Keras would give the thread's variables values after a later scope: so this thread ends here.
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(build_without_values).result()
    except InputError:
        raise
    except Exception:  # a user's code may need values for anything; what is wrong with it shows again
        return build()


def units_for_budget(build: Callable[[Any], keras.Model], budget: int, widths: Sequence[float] | None = None) -> Budget:
    """Finds the most units whose model has at most `budget` trainable parameters.

    Source: Collins et al. (2017), section 1.2. Models are built and counted, without values for their weights (see
    `outline`), so any will do whose size grows with its units.

    Args:
        build: From a number of units, at least 1, to a built model: a new one in each call.
        budget: The allowed maximum, at most 10^15; where one unit needs more, that is an `InputError`.
        widths: How wide each layer is beside the others; `build` then gets a tuple with the units of each. `None` makes
            all layers alike, and `build` gets a number.

    Example:
    >>> from keras_rnncap import sequence_model
    >>> found = units_for_budget(lambda units: sequence_model("rnn", units, input_dim=16, output_dim=1), 300)
    >>> found.units, found.parameters
    (10, 291)
    >>> units_for_budget(lambda units: sequence_model("rnn", units, input_dim=16, output_dim=1), 300, (2, 1)).units
    (8, 4)
    """
    check_integer("budget", budget, 1, LARGEST_BUDGET)
    for width in widths or ():
        check_number("widths", width, 1e-9)

    def each(units: int) -> Any:
        return units if widths is None else tuple(max(1, round(units * width / max(widths))) for width in widths)

    def parameters(units: int) -> int:
        model = outline(lambda: build(each(units)))
        if not model.built:
            raise InputError("build(units) must return a built model: give it an Input, or call model.build(shape)")
        return trainable_parameters(model)

    smallest = parameters(1)
    if smallest > budget:
        raise InputError(f"a budget of {budget} parameters is too small: one unit needs {smallest}")
    too_many = 2
    while parameters(too_many) <= budget:
        too_many *= 2
        if too_many > budget:  # more units than parameters: the model does not grow
            raise InputError("build(units) must return larger models for more units; it does not")
    units = bisect.bisect_right(range(too_many), budget, too_many // 2, key=parameters) - 1
    model = outline(lambda: build(each(units)))
    return Budget(each(units), trainable_parameters(model), count_parameters(model))
