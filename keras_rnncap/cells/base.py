"""What all cells share: blocks of weights, initial state, dropout, and everything else that Keras asks of a cell."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any, ClassVar, NamedTuple

import keras
from keras import ops

# Keras' RNN layer samples dropout masks before its loop for cells of this class only (not exported, but its type test).
from keras.src.layers.rnn.dropout_rnn_cell import DropoutRNNCell

from keras_rnncap import initializers
from keras_rnncap.cells.options import constructor_options
from keras_rnncap.errors import InputError, check_integer, check_seed


class Affine(NamedTuple):
    """The affine maps of a cell, `W^x x + b` and `W^h h`, each block by block.

    All matrices may carry leading axes, which broadcast as in `keras.ops.matmul`.
    """

    kernel: Any  # (input_dim, kernel_blocks * units)
    recurrent_kernel: Any  # (units, recurrent_blocks * units)
    bias: Any  # (blocks * units,) or None
    units: int
    bias_only: int = 0  # blocks without W^x, the last ones
    input_mask: Any = None  # (batch, input_dim) or None
    recurrent_mask: Any = None  # (batch, units) or None

    def of_input(self, x: Any) -> list[Any]:
        """Returns `W^x x + b`, a tensor for each block; for those without W^x, `b`, which broadcasts."""
        x = x if self.input_mask is None else x * self.input_mask
        a = ops.matmul(x, self.kernel)
        if not self.bias_only:
            return self._split(a if self.bias is None else a + self.bias)
        if self.bias is None:
            return [*self._split(a), *[0.0] * self.bias_only]
        width = self.kernel.shape[-1]
        return [*self._split(a + self.bias[..., :width]), *self._split(self.bias[..., width:])]

    def of_state(self, h: Any, first: int = 0, last: int | None = None) -> list[Any]:
        """Returns `W^h h`, a tensor for each of the blocks of `recurrent_kernel` from `first` to before `last`."""
        h = h if self.recurrent_mask is None else h * self.recurrent_mask
        kernel = self.recurrent_kernel
        if first or last is not None:
            kernel = kernel[..., first * self.units : None if last is None else last * self.units]
        return self._split(ops.matmul(h, kernel))

    def of_both(self, x: Any, h: Any) -> list[Any]:
        """Returns `W^h h + W^x x + b`, a tensor for each block, where all blocks have both."""
        return [a + r for a, r in zip(self.of_input(x), self.of_state(h), strict=True)]

    def _split(self, a: Any) -> list[Any]:
        count = a.shape[-1] // self.units
        return [a] if count == 1 else ops.split(a, count, axis=-1)


class RecurrentCell(keras.layers.Layer, DropoutRNNCell):
    """Base of the cells: subclasses name their blocks and states and write the equation as `step`.

    The weights are

    - `kernel`, shape `(input_dim, kernel_blocks * units)`: W^x of each block, side by side in the order of `blocks`;
    - `recurrent_kernel`, shape `(units, recurrent_blocks * units)`: W^h likewise;
    - `bias`, shape `(blocks * units,)`;
    - `initial_state`, shape `(len(learned_states), units)`: the learned initial state of Collins et al. (2017), section
      1.4, from which each sequence starts unless the RNN layer is given another.

    Two facts about Keras' RNN layer. With `stateful=True` it copies the initial state once, when it is built, and
    starts from zeros after `reset_state()`: a learned initial state then gets no gradient, so turn it off there. In
    time steps masked before the first unmasked one, whose outputs mean nothing, TensorFlow returns zeros and JAX the
    initial state.

    Args:
        units: Size of the state and of the output, at least 1.
        activation: `s()` of the equations: `"tanh"`, `"relu"` or another Keras activation.
        use_bias: Whether there is a bias.
        kernel_initializer: Initializer of each block of `kernel`, or a mapping with one for each block. The default is
            the paper's normal distribution with standard deviation `1 / sqrt(input_dim)`.
        recurrent_initializer: The same for `recurrent_kernel`.
        bias_initializer: The same for `bias`.
        initial_state_initializer: Initializer of the learned initial state.
        kernel_regularizer: Regularizer of `kernel`.
        recurrent_regularizer: Regularizer of `recurrent_kernel`.
        bias_regularizer: Regularizer of `bias`.
        kernel_constraint: Constraint on `kernel`.
        recurrent_constraint: Constraint on `recurrent_kernel`.
        bias_constraint: Constraint on `bias`.
        learned_initial_state: Whether the initial state is a weight; if not, it is zero.
        dropout: Fraction of the inputs to drop in `W^x x`, in [0, 1); where the input is projected first, of what is
            projected. The mask is the same at all time steps.
        recurrent_dropout: Fraction of the state to drop in `W^h h`, in [0, 1).
        seed: Seed of the dropout masks and of all initializers that bring no seed of their own.
        **kwargs: What every Keras layer takes: `name`, `dtype`, `trainable`.

    Call arguments:
        inputs: Tensor of shape `(batch, input_dim)`.
        states: The states, each a tensor of shape `(batch, units)`.
        training: Whether dropout is on.

    Raises:
        ValueError: If an argument is out of its range; the message names it and what is allowed.
    """

    blocks: ClassVar[tuple[str, ...]] = ()
    """Names of the blocks of `bias`, in order."""
    kernel_blocks: ClassVar[tuple[str, ...]] = ()
    """Names of the blocks that have a W^x, the first ones of `blocks`; all, where a class names its `blocks` only."""
    recurrent_blocks: ClassVar[tuple[str, ...]] = ()
    """Names of the blocks that have a W^h, in the order of `blocks`; all, where a class names its `blocks` only."""
    state_names: ClassVar[tuple[str, ...]] = ("hidden",)
    """Names of the states, in order. The first one is the cell's output."""
    learned_states: ClassVar[tuple[str, ...]] = ("hidden",)
    """The states that start from a row of `initial_state`; the others start from zero."""
    activations: ClassVar[tuple[str, ...]] = ("tanh", "relu")
    """The choices for `activation` in the search space of Collins et al. (2017), appendix A."""
    recurrent_kinds: ClassVar[tuple[initializers.MatrixKind, ...]] = ("identity", "orthogonal", "normal")
    """The choices for the square blocks in the same search space."""
    member_numbers: ClassVar[tuple[str, ...]] = ()
    """Attributes that `step` reads and that may differ, as numbers, between the members of a population."""
    tunes_bias: ClassVar[bool] = True
    """Whether that search space draws the biases; they stay zero if not."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "blocks" in vars(cls):
            cls.kernel_blocks = vars(cls).get("kernel_blocks", cls.blocks)
            cls.recurrent_blocks = vars(cls).get("recurrent_blocks", cls.blocks)
            recurrent = tuple(block for block in cls.blocks if block in cls.recurrent_blocks)
            if cls.blocks[: len(cls.kernel_blocks)] != cls.kernel_blocks or recurrent != cls.recurrent_blocks:
                raise TypeError(
                    f"{cls.__name__}: kernel_blocks must be the first of blocks = {cls.blocks}, and recurrent_blocks "
                    f"some of them in that order; got {cls.kernel_blocks} and {cls.recurrent_blocks}"
                )

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: initializers.Initializer = None,
        recurrent_initializer: initializers.Initializer = "orthogonal",
        bias_initializer: initializers.Initializer = "zeros",
        initial_state_initializer: initializers.Initializer = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        learned_initial_state: bool = True,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        units = check_integer("units", units, 1)
        if seed is not None:
            check_seed(seed)
        for name, rate in (("dropout", dropout), ("recurrent_dropout", recurrent_dropout)):
            if not isinstance(rate, Real) or not 0.0 <= rate < 1.0:
                raise InputError(f"{name} must be in [0, 1); got {rate!r}")
        if unknown := sorted(set(kwargs) - constructor_options(keras.layers.Layer)):
            valid = ", ".join(sorted(constructor_options(type(self))))
            raise TypeError(f"{type(self).__name__} does not take {', '.join(unknown)}; it takes {valid}")
        super().__init__(**kwargs)
        self.units = units
        self.activation = keras.activations.get(activation)
        self.use_bias = use_bias
        if kernel_initializer is None:
            kernel_initializer = initializers.matrix_initializer("normal")
        self.kernel_initializer = initializers.get(kernel_initializer, self.kernel_blocks, "kernel_initializer")
        self.recurrent_initializer = initializers.get(
            recurrent_initializer, self.recurrent_blocks, "recurrent_initializer"
        )
        self.bias_initializer = initializers.get(bias_initializer, self.blocks, "bias_initializer")
        self.initial_state_initializer = keras.initializers.get(initial_state_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.recurrent_regularizer = keras.regularizers.get(recurrent_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.recurrent_constraint = keras.constraints.get(recurrent_constraint)
        self.bias_constraint = keras.constraints.get(bias_constraint)
        self.learned_initial_state = learned_initial_state
        self.dropout = float(dropout)
        self.recurrent_dropout = float(recurrent_dropout)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed, name="seed_generator")
        self.projection: Any = None
        self.supports_masking = True
        self.state_size = units if len(self.state_names) == 1 else [units] * len(self.state_names)
        self.output_size = units
        # Made here, not in build: its shape needs no input, and a cell gives its initial state before it is built.
        self.initial_state = (
            self._add_block_weight(
                "initial_state", (len(self.learned_states), units), ("state",), self.initial_state_initializer, 3
            )
            if learned_initial_state
            else None
        )

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Creates the weights for inputs of shape `(batch, input_dim)`."""
        width = self._build_projection(int(input_shape[-1]))  # type: ignore[arg-type]
        self.kernel = self._add_block_weight(
            "kernel",
            (width, len(self.kernel_blocks) * self.units),
            self.kernel_blocks,
            self.kernel_initializer,
            0,
            self.kernel_regularizer,
            self.kernel_constraint,
        )
        self.recurrent_kernel = self._add_block_weight(
            "recurrent_kernel",
            (self.units, len(self.recurrent_blocks) * self.units),
            self.recurrent_blocks,
            self.recurrent_initializer,
            1,
            self.recurrent_regularizer,
            self.recurrent_constraint,
        )
        self.bias = (
            self._add_block_weight(
                "bias",
                (len(self.blocks) * self.units,),
                self.blocks,
                self.bias_initializer,
                2,
                self.bias_regularizer,
                self.bias_constraint,
            )
            if self.use_bias
            else None
        )
        self.built = True

    def _build_projection(self, input_dim: int) -> int:
        """Creates `projection` where the cell wants one; returns the width of what `step` gets."""
        return input_dim

    def _add_block_weight(
        self,
        name: str,
        shape: tuple[int, ...],
        blocks: Sequence[str],
        initializer: initializers.Initializer,
        position: int,
        regularizer: Any = None,
        constraint: Any = None,
    ) -> Any:
        seed = None if self.seed is None else (self.seed, position)
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=lambda shape, dtype=None: initializers.initialize_blocks(
                initializer, blocks, shape, dtype, seed
            ),
            regularizer=regularizer,
            constraint=constraint,
        )

    def get_initial_state(self, batch_size: Any = None) -> list[Any]:
        """Returns the states before the first time step, each of shape `(batch_size, units)`."""
        zeros = ops.zeros((batch_size, self.units), dtype=self.compute_dtype)
        if self.initial_state is None:
            return [zeros for _ in self.state_names]
        learned = ops.cast(self.initial_state, self.compute_dtype)
        rows = {name: learned[index] for index, name in enumerate(self.learned_states)}
        return [zeros + rows[name] if name in rows else zeros for name in self.state_names]

    def call(self, inputs: Any, states: Any, training: bool = False) -> tuple[Any, Any]:
        """Runs one time step; returns the output and the new states."""
        nested = isinstance(states, (list, tuple))
        states = tuple(states) if nested else (states,)
        input_mask = self.get_dropout_mask(inputs) if training and self.dropout else None
        recurrent_mask = self.get_recurrent_dropout_mask(states[0]) if training and self.recurrent_dropout else None
        if self.projection is not None:
            inputs = ops.matmul(inputs if input_mask is None else inputs * input_mask, self.projection)
            input_mask = None
        bias_only = len(self.blocks) - len(self.kernel_blocks)
        affine = Affine(
            self.kernel, self.recurrent_kernel, self.bias, self.units, bias_only, input_mask, recurrent_mask
        )
        new_states = self.step(inputs, states, affine)
        return new_states[0], list(new_states) if nested else new_states[0]

    def step(self, x: Any, states: tuple[Any, ...], w: Affine) -> tuple[Any, ...]:
        """The cell's equation: the states at t from the input at t and the states at t - 1."""
        raise NotImplementedError(f"{type(self).__name__} must define step(x, states, w)")

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        serialize = {
            "activation": keras.activations.serialize,
            **dict.fromkeys(
                ("kernel_initializer", "recurrent_initializer", "bias_initializer"), initializers.serialize
            ),
            "initial_state_initializer": keras.initializers.serialize,
            **{f"{matrix}_regularizer": keras.regularizers.serialize for matrix in ("kernel", "recurrent", "bias")},
            **{f"{matrix}_constraint": keras.constraints.serialize for matrix in ("kernel", "recurrent", "bias")},
        }
        plain = ("units", "use_bias", "learned_initial_state", "dropout", "recurrent_dropout", "seed")
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in plain},
            **{name: function(getattr(self, name)) for name, function in serialize.items()},
        }


class GatedCell(RecurrentCell):
    """A cell with a forget or update gate, to whose pre-activation b^fg is added whenever the cell runs.

    `forget_bias` is not part of the stored bias: a bias of zero and a forget bias of 1 open the gate to sigmoid(1).

    Args:
        units: As for `RecurrentCell`.
        forget_bias: b^fg; Collins et al. (2017), appendix A, draw it uniformly from [0, 6].
        **kwargs: As for `RecurrentCell`.
    """

    member_numbers: ClassVar[tuple[str, ...]] = ("forget_bias",)

    def __init__(self, units: int, forget_bias: float = 1.0, **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        self.forget_bias = float(forget_bias)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "forget_bias": self.forget_bias}


class ProjectingCell(RecurrentCell):
    """A cell whose equation adds the input to something of width `units`, so that `step` needs an input that wide.

    Where the input has another width it is first multiplied by a learned `projection`, shape `(input_dim, units)`,
    without a bias. It counts among the cell's parameters.

    Args:
        units: As for `RecurrentCell`.
        input_projection: `None` projects where the input is not `units` wide, `True` always, `False` never.
        projection_initializer: Initializer of `projection`; the default is the one of `kernel` in `RecurrentCell`.
        projection_regularizer: Regularizer of `projection`.
        projection_constraint: Constraint on `projection`.
        **kwargs: As for `RecurrentCell`.

    Raises:
        ValueError: When built without the projection that its input needs.
    """

    def __init__(
        self,
        units: int,
        input_projection: bool | None = None,
        projection_initializer: initializers.Initializer = None,
        projection_regularizer: Any = None,
        projection_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(units, **kwargs)
        self.input_projection = input_projection
        if projection_initializer is None:
            projection_initializer = initializers.matrix_initializer("normal")
        self.projection_initializer = keras.initializers.get(projection_initializer)
        self.projection_regularizer = keras.regularizers.get(projection_regularizer)
        self.projection_constraint = keras.constraints.get(projection_constraint)

    def _build_projection(self, input_dim: int) -> int:
        wanted = input_dim != self.units if self.input_projection is None else self.input_projection
        if wanted:
            self.projection = self._add_block_weight(
                "projection",
                (input_dim, self.units),
                ("projection",),
                self.projection_initializer,
                4,
                self.projection_regularizer,
                self.projection_constraint,
            )
        elif input_dim != self.units:
            raise ValueError(
                f"{type(self).__name__} with input_projection=False needs inputs of width units = {self.units}; "
                f"got {input_dim}. Leave input_projection at None, or use units={input_dim}"
            )
        return self.units

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "input_projection": self.input_projection,
            "projection_initializer": initializers.serialize(self.projection_initializer),
            "projection_regularizer": keras.regularizers.serialize(self.projection_regularizer),
            "projection_constraint": keras.constraints.serialize(self.projection_constraint),
        }
