"""`RecurrentCell`: weights and states from what a cell declares, dropout, and all else that Keras asks of a cell."""

import math
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, ClassVar, Literal, TypeAlias

import keras
from keras import ops

# Keras' RNN layer samples dropout masks before its loop for cells of this class only (not exported, but its type test).
from keras.src.layers.rnn.dropout_rnn_cell import DropoutRNNCell

from keras_rnncap import initializers
from keras_rnncap.cells.algebra import CellWeights, OneModel, State, Weight, places_of_learned
from keras_rnncap.cells.lookup import constructor_options
from keras_rnncap.errors import InputError, check_integer, check_seed

KINDS = ("initializer", "regularizer", "constraint")
Option: TypeAlias = Literal["kernel", "recurrent", "bias"]


class RecurrentCell(keras.layers.Layer, DropoutRNNCell):
    """Base of the cells: a subclass declares weights and states and writes the equation as `step`.

    A cell whose maps are all affine names the `blocks` of three matrices, as far as it has them:

    - `kernel`, shape `(input_dim, kernel_blocks * units)`: W^x of each block, side by side in the order of `blocks`;
    - `recurrent_kernel`, shape `(units, recurrent_blocks * units)`: W^h likewise;
    - `bias`, shape `(blocks * units,)`.

    Any others it declares in `declare_weights` and `declare_states`. All cells can have

    - `initial_state`, shape `(learned states, width)`, or flat where their widths differ: the learned initial state of
      Collins et al. (2017), section 1.4, from which each sequence starts unless the RNN layer is given another.

    Keras' RNN layer sees each state as a vector, matrix states row by row. With `stateful=True` it copies the initial
    state when it is built, without a gradient, and starts from zeros after `reset_state()`: turn the learned one off.
    Outputs before the first unmasked time step mean nothing.

    Args:
        units: Size of the state and of the output, at least 1.
        activation: `s()` of the equations: `"tanh"`, `"relu"` or another Keras activation.
        use_bias: Whether there is a bias.
        kernel_initializer: Initializer of each block of `kernel`, or a mapping with one for each block. The default is
            the paper's normal distribution with standard deviation `1 / sqrt(input_dim)`.
        recurrent_initializer: The same for `recurrent_kernel`.
        bias_initializer: The same for `bias`.
        initial_state_initializer: Initializer of the learned initial state.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: Their regularizers.
        kernel_constraint, recurrent_constraint, bias_constraint: Their constraints.
        learned_initial_state: Whether the initial state is a weight; if not, it is zero.
        dropout: Fraction of the inputs (of a projection's, where there is one) to drop, in [0, 1). The mask is the same
            at all time steps.
        recurrent_dropout: Fraction of the state to drop in `W^h h`, in [0, 1).
        seed: Seed of the dropout masks and of all initializers that bring no seed of their own.
        **kwargs: What every Keras layer takes: `name`, `dtype`, `trainable`.

    Call arguments:
        inputs: Tensor of shape `(batch, input_dim)`.
        states: The states, each a tensor of shape `(batch, size)`.
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
    """Names of the states, in order, where all have the width `units`. The first one is the cell's output."""
    learned_states: ClassVar[tuple[str, ...]] = ("hidden",)
    """The states that start from a row of `initial_state`; the others start from zero."""
    activations: ClassVar[tuple[str, ...]] = ("tanh", "relu")
    """The choices for `activation` in the search space of Collins et al. (2017), appendix A."""
    recurrent_kinds: ClassVar[tuple[initializers.MatrixKind, ...]] = ("identity", "orthogonal", "normal")
    """The choices for the square blocks in the same search space."""
    searched: ClassVar[Mapping[str, tuple[float, float] | None]] = {}
    """Ranges of numbers to search, which members of a population have their own of: arguments of the constructor, kept
    as attributes. Those of base classes are searched too, unless they are `None` here."""
    start: ClassVar[Mapping[str, float]] = {}
    """Values of hyperparameters from which a search in `RowSOAPSpace` starts, where they are not the usual ones."""
    tunes_bias: ClassVar[bool] = True
    """Whether that search space draws the biases; they start as by default if not."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if unknown := set(cls.searched_numbers()) - constructor_options(cls):
            raise TypeError(f"{cls.__name__}: searched must name arguments of its constructor; got {sorted(unknown)}")
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
        self.initial_state: Any = None
        self.supports_masking = True

    # ---- what a cell declares

    @classmethod
    def searched_numbers(cls) -> dict[str, tuple[float, float]]:
        """Returns the `searched` of the class and its bases."""
        declared: dict[str, tuple[float, float] | None] = {}
        for base in reversed(cls.__mro__):
            declared |= vars(base).get("searched", {})
        return {name: limits for name, limits in declared.items() if limits is not None}

    def declare_weights(self, input_dim: int) -> list[Weight]:
        """Returns the cell's weights but its initial state and projection: by default the matrices of its `blocks`."""
        matrices: list[tuple[str, Option, tuple[int, ...], tuple[str, ...], Any]] = [
            ("kernel", "kernel", (input_dim,), self.kernel_blocks, "input"),
            ("recurrent_kernel", "recurrent", (self.units,), self.recurrent_blocks, "state"),
            ("bias", "bias", (), self.blocks if self.use_bias else (), None),
        ]
        return [
            self.weight(name, (*inputs, len(blocks) * self.units), option, blocks, dropout)
            for name, option, inputs, blocks, dropout in matrices
            if blocks
        ]

    def weight(
        self,
        name: str,
        shape: tuple[int, ...],
        option: Option,
        blocks: tuple[str, ...] = (),
        dropout: Literal["input", "state"] | None = None,
    ) -> Weight:
        """Returns a weight that has the initializer, regularizer and constraint of the arguments `OPTION_...`."""
        initializer, regularizer, constraint = (getattr(self, f"{option}_{kind}") for kind in KINDS)
        return Weight(name, shape, initializer, blocks, regularizer, constraint, dropout)

    def declare_states(self) -> list[State]:
        """Returns the cell's states, by default those of `state_names`; the first is the output."""
        return [State(name, (self.units,), name in self.learned_states) for name in self.state_names]

    @property
    def state_size(self) -> int | list[int]:
        """Sizes of the states, as Keras asks for them."""
        sizes = [state.size for state in self.declare_states()]
        return sizes[0] if len(sizes) == 1 else sizes

    @property
    def output_size(self) -> int:
        """Size of the output."""
        return self.declare_states()[0].size

    # ---- weights

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Creates the weights for inputs of shape `(batch, input_dim)`."""
        self._add_initial_state()
        width = self._build_projection(int(input_shape[-1]))  # type: ignore[arg-type]
        declared = self.declare_weights(width)
        if self.recurrent_dropout and all(weight.dropout != "state" for weight in declared):
            raise InputError(
                f"recurrent_dropout must be 0 for {type(self).__name__}, which multiplies no state by a matrix; got "
                f"{self.recurrent_dropout}"
            )
        self.operands = {"initial_state": None, "projection": "input"} | {w.name: w.dropout for w in declared}
        self.kernel = self.recurrent_kernel = self.bias = None
        # Presets were drawn with the matrices' seeds at 0 to 2, those of initial state and projection at 3 and 4.
        places = {"kernel": 0, "recurrent_kernel": 1, "bias": 2}
        for place, weight in enumerate(declared, 5):
            if getattr(self, weight.name, None) is not None:
                raise ValueError(
                    f"{type(self).__name__}.declare_weights names a weight {weight.name!r}, which the cell has as an "
                    "attribute already; choose another name"
                )
            setattr(self, weight.name, self._add(weight, places.get(weight.name, place)))
        self.built = True

    @property
    def weight_names(self) -> list[str]:
        """Names of the weights that a built cell has or may have."""
        return list(self.operands)

    def _build_projection(self, input_dim: int) -> int:
        """Creates `projection` where the cell wants one; returns the width of what `step` gets."""
        return input_dim

    def _add_initial_state(self) -> None:
        # A cell can give its initial state before it is built.
        learned = [state.size for state in self.declare_states() if state.learned]
        if self.initial_state is None and self.learned_initial_state and learned:
            shape = (len(learned), learned[0]) if len(set(learned)) == 1 else (sum(learned),)
            self.initial_state = self._add(Weight("initial_state", shape, self.initial_state_initializer), 3)

    def _add(self, weight: Weight, place: int) -> Any:
        seed = None if self.seed is None else (self.seed, place)
        initializer = initializers.get(weight.initializer, weight.blocks, f"initializer of {weight.name}")
        return self.add_weight(
            name=weight.name,
            shape=weight.shape,
            initializer=lambda shape, dtype=None: initializers.initialize_blocks(
                initializer, weight.blocks or (weight.name,), shape, dtype, seed
            ),
            regularizer=weight.regularizer,
            constraint=weight.constraint,
        )

    def get_initial_state(self, batch_size: Any = None) -> list[Any]:
        """Returns the states before the first time step, each of shape `(batch_size, size)`."""
        self._add_initial_state()
        states = self.declare_states()
        starts = [ops.zeros((batch_size, state.size), dtype=self.compute_dtype) for state in states]
        if self.initial_state is None:
            return starts
        learned = ops.cast(self.initial_state, self.compute_dtype)
        places = places_of_learned(states)
        return [s if place is None else s + learned[place] for s, place in zip(starts, places, strict=True)]

    # ---- computation

    def call(self, inputs: Any, states: Any, training: bool = False) -> tuple[Any, Any]:
        """Runs one time step; returns the output and the new states."""
        nested = isinstance(states, (list, tuple))
        states = tuple(states) if nested else (states,)
        masks: dict[str | None, Any] = {}
        if training and self.dropout:
            masks["input"] = self.get_dropout_mask(inputs)
        if training and self.recurrent_dropout:
            masks["state"] = self.get_recurrent_dropout_mask(states[0])
        projected = self.project(inputs, OneModel(self, masks))
        if projected is not inputs:
            masks.pop("input", None)
        new = self.step(projected, self.shaped(states), OneModel(self, masks))
        flat = [s if len(s.shape) == 2 else ops.reshape(s, (-1, math.prod(s.shape[1:]))) for s in new]
        return flat[0], flat if nested else flat[0]

    def shaped(self, states: Sequence[Any]) -> tuple[Any, ...]:
        """Returns states as `step` gets them, `(batch, *shape)`, of those that Keras holds, `(batch, size)`."""
        declared = zip(states, self.declare_states(), strict=True)
        return tuple(x if len(state.shape) == 1 else ops.reshape(x, (-1, *state.shape)) for x, state in declared)

    def project(self, x: Any, w: CellWeights) -> Any:
        """Returns what `step` gets as the input."""
        return x if self.projection is None else w.matmul("projection", x)

    def step(self, x: Any, states: tuple[Any, ...], w: CellWeights) -> tuple[Any, ...]:
        """The cell's equation: the states at t from the input at t and the states at t - 1.

        Weights, numbers and the activation are taken from `w`, as they may differ between the models of a population.
        """
        raise NotImplementedError(f"{type(self).__name__} must define step(x, states, w)")

    def scan(self, xs: Any, states: tuple[Any, ...], w: CellWeights) -> tuple[Any, ...]:
        """The same for all time steps at once, `(batch, time, ...)`, in cells linear in their state (`ParallelRNN`)."""
        raise NotImplementedError(f"{type(self).__name__} has no parallel form: it does not define scan(xs, states, w)")

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        plain = ("units", "use_bias", "learned_initial_state", "dropout", "recurrent_dropout", "seed")
        named = [f"{matrix}_{kind}" for kind in KINDS for matrix in ("kernel", "recurrent", "bias")]
        named.insert(3, "initial_state_initializer")
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in plain},
            "activation": keras.activations.serialize(self.activation),
            **{name: initializers.serialize(getattr(self, name)) for name in named},
        }
