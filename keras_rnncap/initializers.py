"""How a cell's matrices and biases start, block by block, and seeds derived from others."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias, get_args

import keras
import numpy as np
from keras import ops

MatrixKind: TypeAlias = Literal["identity", "orthogonal", "normal"]
BiasKind: TypeAlias = Literal["constant", "normal"]
Initializer: TypeAlias = Any
"""An initializer, its Keras name, or a mapping from block names to either."""


def matrix_initializer(kind: MatrixKind, scale: float = 1.0, seed: int | None = None) -> keras.initializers.Initializer:
    """Returns a matrix initializer of Collins et al. (2017), appendix A; raises `ValueError` for any other kind.

    Args:
        kind: `"identity"` and `"orthogonal"` are for square blocks; `"normal"` draws from a normal distribution with
            standard deviation `scale / sqrt(n)`, n the number of rows (inputs of the block).
        scale: Factor on the matrix.
        seed: Seed of the draw; `None` lets the cell's seed decide.

    Example:
    >>> matrix_initializer("identity", 0.5)((2, 2)).numpy().tolist()
    [[0.5, 0.0], [0.0, 0.5]]
    """
    if kind == "identity":
        return keras.initializers.Identity(gain=scale)
    if kind == "orthogonal":
        return keras.initializers.Orthogonal(gain=scale, seed=seed)
    if kind == "normal":
        # VarianceScaling's "scale" is on the variance: stddev = sqrt(scale**2 / fan_in).
        return keras.initializers.VarianceScaling(
            scale=scale**2, mode="fan_in", distribution="untruncated_normal", seed=seed
        )
    raise ValueError(f"kind must be one of {', '.join(get_args(MatrixKind))}; got {kind!r}")


def bias_initializer(kind: BiasKind, scale: float, seed: int | None = None) -> keras.initializers.Initializer:
    """Returns a bias initializer of Collins et al. (2017), appendix A; raises `ValueError` for any other kind.

    Args:
        kind: `"constant"` sets all biases to `scale`; `"normal"` multiplies standard normal draws by it.
        scale: See `kind`.
        seed: Seed of the draw; `None` lets the cell's seed decide.

    Example:
    >>> bias_initializer("constant", -1.5)((2,)).numpy().tolist()
    [-1.5, -1.5]
    """
    if kind == "constant":
        return keras.initializers.Constant(scale)
    if kind == "normal":
        return keras.initializers.RandomNormal(mean=0.0, stddev=scale, seed=seed)
    raise ValueError(f"kind must be one of {', '.join(get_args(BiasKind))}; got {kind!r}")


def get(identifier: Initializer, blocks: Sequence[str], argument: str) -> Initializer:
    """Returns the initializer that an argument stands for: one, or a mapping with one for each of a cell's blocks."""
    if isinstance(identifier, Mapping) and "class_name" not in identifier:
        if set(identifier) != set(blocks):
            raise ValueError(
                f"{argument} must have one initializer for each of the blocks {', '.join(blocks)}; "
                f"got {', '.join(map(str, identifier)) or 'none'}"
            )
        return {block: keras.initializers.get(identifier[block]) for block in blocks}
    return keras.initializers.get(identifier)


def serialize(initializer: Initializer) -> dict[str, Any]:
    """Returns the configuration from which `get` makes the same initializer again."""
    if isinstance(initializer, dict):
        return {block: serialize(of_block) for block, of_block in initializer.items()}
    return keras.initializers.serialize(initializer)


def initialize_blocks(
    initializer: Initializer, blocks: Sequence[str], shape: tuple[int, ...], dtype: Any, seed: Sequence[int] | None
) -> Any:
    """Draws a weight of shape `(..., len(blocks) * units)`, each block on its own.

    An orthogonal `(units, 4 * units)` matrix is not four orthogonal blocks, and a Keras initializer called twice
    returns the same values twice, which would start all gates equal.

    Args:
        initializer: An initializer or a mapping from block names to initializers, as `get` returns it.
        blocks: The block names, in order.
        shape: The weight's shape; its last axis holds the blocks side by side.
        dtype: The weight's dtype.
        seed: Entropy for initializers that bring no seed of their own; `None` draws anew.
    """
    block_shape = (*shape[:-1], shape[-1] // len(blocks)) if len(blocks) > 1 else shape
    of_blocks = [initializer[block] if isinstance(initializer, dict) else initializer for block in blocks]
    parts = [reseeded(of_block, seed, index)(block_shape, dtype=dtype) for index, of_block in enumerate(of_blocks)]
    return parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=-1)


def reseeded(initializer: Any, seed: Sequence[int] | None, index: int) -> Any:
    """Returns `initializer` with the seed for draw number `index`.

    An initializer with an integer seed keeps it for draw 0 and derives the others from it; one without takes
    `seed`, or draws anew where that is `None`. Initializers that draw nothing are returned as they are.
    """
    config = initializer.get_config() if hasattr(initializer, "get_config") else {}
    if "seed" not in config or isinstance(config["seed"], dict):  # a SeedGenerator moves on by itself
        return initializer
    if config["seed"] is not None:
        if index == 0:
            return initializer
        seed = (config["seed"],)
    if seed is not None:
        config = {**config, "seed": derived_seed(*seed, index)}
    return type(initializer).from_config(config)


def derived_seed(*entropy: int) -> int:
    """Returns a seed in [0, 2**31) that depends on all of `entropy`, for streams that must not coincide."""
    parts = [len(entropy), *(2 * abs(int(part)) + (part < 0) for part in entropy)]  # NumPy takes no negative numbers
    return int(np.random.SeedSequence(parts).generate_state(1)[0] >> 1)
