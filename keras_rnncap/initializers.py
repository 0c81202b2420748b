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


class _Drawn(keras.initializers.Initializer):
    """An initializer whose values follow each from a number that is uniform in (0, 1)."""

    def __init__(self, seed: int | None = None) -> None:
        self.seed = seed

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Any:
        """Returns a tensor of initial values."""
        uniform = keras.random.uniform(tuple(shape), 1e-6, 1 - 1e-6, dtype="float32", seed=self.seed)
        return ops.cast(self._of(uniform), dtype or keras.config.floatx())

    def _of(self, uniform: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define _of(uniform)")

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}


def _inverse_softplus(a: Any) -> Any:
    return ops.log(ops.expm1(a))


@keras.saving.register_keras_serializable(package="keras_rnncap")
class Chrono(_Drawn):
    """Biases of forget gates at log(u), u uniform in [1, longest - 1]: gates that forget within so many time steps.

    Source: Tallec, Ollivier (2018), section 3.

    Example:
    >>> bool(Chrono(3)((1,))[0] < np.log(2))
    True
    """

    def __init__(self, longest: int, seed: int | None = None) -> None:
        super().__init__(seed)
        self.longest = longest

    def _of(self, uniform: Any) -> Any:
        return ops.log(1 + uniform * (self.longest - 2))


@keras.saving.register_keras_serializable(package="keras_rnncap")
class RingRadius(_Drawn):
    """log(-log r) of numbers that are uniform on a ring of the complex plane, r in [smallest, largest].

    Source: Orvieto et al. (2023), lemma 3.2.
    """

    def __init__(self, smallest: float, largest: float, seed: int | None = None) -> None:
        super().__init__(seed)
        self.smallest, self.largest = smallest, largest

    def _of(self, uniform: Any) -> Any:
        low, high = self.smallest**2, min(self.largest**2, 1 - 1e-6)
        return ops.log(-0.5 * ops.log(low + uniform * (high - low)))


@keras.saving.register_keras_serializable(package="keras_rnncap")
class RingPhase(_Drawn):
    """The logarithm of phases that are uniform in [0, largest] radians."""

    def __init__(self, largest: float, seed: int | None = None) -> None:
        super().__init__(seed)
        self.largest = largest

    def _of(self, uniform: Any) -> Any:
        return ops.log(uniform * self.largest)


@keras.saving.register_keras_serializable(package="keras_rnncap")
class GatedDecay(_Drawn):
    """L of the RG-LRU: exp(-power softplus(L)), what an open gate keeps, is uniform in [0.9, 0.999].

    Source: De et al. (2024), section 2.4.
    """

    def __init__(self, power: float, seed: int | None = None) -> None:
        super().__init__(seed)
        self.power = power

    def _of(self, uniform: Any) -> Any:
        return _inverse_softplus(-ops.log(0.9 + uniform * 0.099) / self.power)


@keras.saving.register_keras_serializable(package="keras_rnncap")
class StepSize(_Drawn):
    """Biases whose softplus, a time step, is log-uniform in [0.001, 0.1]: those of Mamba, Gu and Dao (2023)."""

    def _of(self, uniform: Any) -> Any:
        return _inverse_softplus(0.001 * ops.power(100.0, uniform))


@keras.saving.register_keras_serializable(package="keras_rnncap")
class LogOfUniform(_Drawn):
    """Logarithms of numbers that are uniform in [low, high]."""

    def __init__(self, low: float, high: float, seed: int | None = None) -> None:
        super().__init__(seed)
        self.low, self.high = low, high

    def _of(self, uniform: Any) -> Any:
        return ops.log(self.low + uniform * (self.high - self.low))


@keras.saving.register_keras_serializable(package="keras_rnncap")
class LogOfCounts(keras.initializers.Initializer):
    """Rows of log 1, log 2, ...: the decays of S4D-Real, Gu et al. (2022).

    Example:
    >>> np.exp(LogOfCounts()((2, 3))).round(3).tolist()
    [[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]]
    """

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Any:
        """Returns a matrix."""
        counts = np.arange(1, shape[-1] + 1, dtype="float32")
        return ops.cast(np.broadcast_to(np.log(counts), tuple(shape)), dtype or keras.config.floatx())


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
