"""A stack of recurrent layers with a linear readout."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_rnncap import initializers
from keras_rnncap.cells import CellFactory, constructor_options, get_cell, make_cell
from keras_rnncap.dropout import StepDropout
from keras_rnncap.errors import InputError, check_integer, check_seed

MOST_LAYERS = 100
"""Keras builds some hundred layers in a row, slowly, and more not at all."""
LARGEST_SIZE = 10**9
"""The product of two sizes up to this fits into 64 bits."""


def sequence_model(
    cell: str | CellFactory,
    units: int | Sequence[int],
    depth: int = 1,
    *,
    input_dim: int,
    output_dim: int,
    return_sequences: bool = False,
    cell_options: Mapping[str, Any] | None = None,
    readout_options: Mapping[str, Any] | None = None,
    unroll: bool = False,
    length: int | None = None,
    stateful_batch: int | None = None,
    dropout: float = 0.0,
    seed: int | None = None,
    name: str | None = None,
) -> keras.Model:
    """Builds `depth` recurrent layers of so many units and a linear readout.

    The layers are `keras.layers.RNN(cell(units, ...))`, named `layer_1`, `layer_2`, ...; the readout is a
    `keras.layers.Dense` named `readout`. A cell that can project its input (`input_projection`) does so in the first
    layer.

    Args:
        cell: A name, as `get_cell` takes it, or a cell class; any Keras recurrent cell will do.
        units: Units of each layer: a number, or one for each layer.
        depth: Number of layers, at most 100; it may be left out where `units` has a number for each.
        input_dim: Features of the input.
        output_dim: Outputs of the readout; logits where the loss wants those.
        return_sequences: Whether to read out at every time step, or only at the last.
        cell_options: Further arguments of every cell.
        readout_options: Further arguments of the readout.
        unroll: Whether to unroll the time loop; needs `length`.
        length: Number of time steps, `None` for any.
        stateful_batch: Batch size of a model that keeps its state from batch to batch, and starts from zero, without a
            learned initial state; `None` for one that does not.
        dropout: Fraction of the inputs of each layer and of the readout to drop in training; see `StepDropout`.
        seed: Seed of all weights that a cell's `..._initializer` draws, and of dropout masks; `None` draws anew.
        name: Name of the model.

    Returns:
        A built model from `(batch, time, input_dim)` to `(batch, output_dim)` or `(batch, time, output_dim)`.

    Raises:
        InputError: If the cell is unknown, an option is not one of the cell's, or a number is out of range.

    Example:
    >>> model = sequence_model("ugrnn", 8, depth=2, input_dim=27, output_dim=27, return_sequences=True)
    >>> model.output_shape
    (None, None, 27)
    """
    factory = get_cell(cell)
    widths = layer_units(units, depth)
    depth = len(widths)
    _check_sizes(input_dim, output_dim, length, stateful_batch, unroll, seed)
    accepted = constructor_options(factory)
    x = inputs = keras.Input((length, input_dim), batch_size=stateful_batch, name="inputs")
    for layer, width in enumerate(widths):
        # The same names in every model: TensorFlow keeps 35 kB for each new one.
        options: dict[str, Any] = {"name": f"cell_{layer + 1}"}
        if seed is not None:
            options["seed"] = initializers.derived_seed(seed, layer)
        if stateful_batch is not None:
            options["learned_initial_state"] = False
        if layer == 0:
            options["input_projection"] = True
        options = {key: value for key, value in options.items() if key in accepted} | dict(cell_options or {})
        x = _dropped(x, dropout, seed, layer)
        instance = make_cell(factory, width, **options)
        if seed is not None:
            _seed_initializers(instance, (seed, layer))
        x = keras.layers.RNN(
            instance,
            return_sequences=return_sequences or layer < depth - 1,
            unroll=unroll,
            stateful=stateful_batch is not None,
            name=f"layer_{layer + 1}",
        )(x)
    x = _dropped(x, dropout, seed, depth)
    readout: dict[str, Any] = {
        "kernel_initializer": initializers.matrix_initializer("normal"),
        "bias_initializer": "zeros",
        **(readout_options or {}),
    }
    for argument, entropy in (("kernel_initializer", (depth,)), ("bias_initializer", (depth, 1))):
        initializer = keras.initializers.get(readout[argument])
        readout[argument] = initializers.reseeded(initializer, None if seed is None else (seed, *entropy), 0)
    return keras.Model(inputs, keras.layers.Dense(output_dim, name="readout", **readout)(x), name=name)


def _dropped(x: Any, rate: float, seed: int | None, place: int) -> Any:
    return StepDropout(rate, seed or 0, place, name=f"dropout_{place}")(x) if rate else x


def layer_units(units: int | Sequence[int], depth: int = 1) -> tuple[int, ...]:
    """Returns the units of each layer; `depth` and `units` are those of `sequence_model`, which it checks.

    Example:
    >>> layer_units(8, depth=2), layer_units((8, 4))
    ((8, 8), (8, 4))
    """
    check_integer("depth", depth, 1, MOST_LAYERS)
    each = tuple(units) if isinstance(units, Sequence | np.ndarray) and not isinstance(units, str) else (units,) * depth
    if not 1 <= len(each) <= MOST_LAYERS or depth not in (1, len(each)):
        raise InputError(f"units must be a number, or one for each of depth={depth} layers; got {units!r}")
    return tuple(check_integer("units", width, 1, LARGEST_SIZE) for width in each)


def _check_sizes(
    input_dim: int, output_dim: int, length: int | None, stateful_batch: int | None, unroll: bool, seed: int | None
) -> None:
    check_integer("input_dim", input_dim, 1, LARGEST_SIZE)
    check_integer("output_dim", output_dim, 1, LARGEST_SIZE)
    for name, value in (("length", length), ("stateful_batch", stateful_batch)):
        if value is not None:
            check_integer(name, value, 1, LARGEST_SIZE)
    if stateful_batch is not None and keras.backend.backend() != "tensorflow":
        raise InputError("stateful_batch needs the TensorFlow backend: Keras keeps no state between batches on others")
    if unroll and length is None:
        raise InputError("unroll=True needs a length")
    if seed is not None:
        check_seed(seed)


def _seed_initializers(cell: keras.layers.Layer, entropy: tuple[int, ...]) -> None:
    """Gives a seed to every initializer of a cell that has none; the `seed` of Keras' own cells is of dropout alone."""
    names = sorted(name for name in vars(cell) if name.endswith("_initializer"))
    for position, name in enumerate(names):
        initializer = getattr(cell, name)
        if not isinstance(initializer, dict):
            setattr(cell, name, initializers.reseeded(initializer, (*entropy, position), 0))
