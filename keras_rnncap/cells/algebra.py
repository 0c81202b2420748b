"""What a cell declares, and the algebra in which its `step` is written."""

import abc
import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple

from keras import ops


class Weight(NamedTuple):
    """A weight that a cell declares.

    Attributes:
        name: Its name, an argument of the methods of `CellWeights`.
        shape: `()`, `(size,)`, `(inputs, outputs)` of a matrix, or more.
        initializer: A Keras initializer or its name, or a mapping with one for each block.
        blocks: Names of the blocks that stand side by side in the last axis, each drawn on its own.
        regularizer: A Keras regularizer; a cell with one, or with a constraint, trains alone, not in a population.
        constraint: A Keras constraint.
        dropout: `"input"` or `"state"`, where the cell's dropout acts on what a matrix is multiplied by.
    """

    name: str
    shape: tuple[int, ...]
    initializer: Any = "zeros"
    blocks: tuple[str, ...] = ()
    regularizer: Any = None
    constraint: Any = None
    dropout: Literal["input", "state"] | None = None


class State(NamedTuple):
    """A state that a cell declares.

    Attributes:
        name: Its name.
        shape: For one sample: `(size,)`, or `(rows, columns)` of a matrix state.
        learned: Whether it starts from learned values, where the cell has a learned initial state, or from zero.
    """

    name: str
    shape: tuple[int, ...]
    learned: bool = True

    @property
    def size(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)


def places_of_learned(states: Sequence[State]) -> list[int | slice | None]:
    """Returns where each state's start stands in `initial_state`: its row, or its stretch where widths differ."""
    rows = len({state.size for state in states if state.learned}) == 1
    places: list[int | slice | None] = []
    first = 0
    for state in states:
        after = first + (1 if rows else state.size) * state.learned
        places.append((first if rows else slice(first, after)) if state.learned else None)
        first = after
    return places


def linear_scan(kept: Any, added: Any, start: Any) -> Any:
    """Returns all states of `h_t = kept_t h_{t-1} + added_t`, `(batch, time, ...)`; the one before is `start`."""

    def both(first: Any, then: Any) -> Any:
        return then[0] * first[0], then[0] * first[1] + then[1]

    return ops.associative_scan(both, (kept, _with_start(added, kept[:, :1] * start[:, None])), axis=1)[1]


def complex_scan(kept: Sequence[Any], added: Sequence[Any], start: Sequence[Any]) -> tuple[Any, Any]:
    """Returns the same for complex numbers, as real and imaginary parts."""

    def times(a: Sequence[Any], b: Sequence[Any]) -> tuple[Any, Any]:
        return a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]

    def both(first: Any, then: Any) -> Any:
        real, imaginary = times(then[:2], first[2:])
        return *times(then[:2], first[:2]), real + then[2], imaginary + then[3]

    begun = times([part[:, :1] for part in kept], [part[:, None] for part in start])
    added = [_with_start(*parts) for parts in zip(added, begun, strict=True)]
    found: tuple[Any, ...] = ops.associative_scan(both, (*kept, *added), axis=1)
    return found[2], found[3]


def _with_start(added: Any, begun: Any) -> Any:
    """Returns what is added at each time step, at the first with what is left of the state before it."""
    return ops.concatenate([added[:, :1] + begun, added[:, 1:]], axis=1)


class CellWeights(abc.ABC):
    """The `w` of `step(x, states, w)`: weights, numbers and activation of a cell, and what depends on the layout.

    For one model a vector is `(batch, features)` and a matrix state `(batch, rows, columns)`; for a population
    `(members, features, batch)` and `(members, rows, columns, batch)`.
    """

    features: ClassVar[int]
    """The axis of a vector's features, counted from the last."""

    def __init__(self, cell: Any) -> None:
        self._cell = cell

    @abc.abstractmethod
    def __getitem__(self, name: str) -> Any:
        """Returns a weight that broadcasts with vectors, matrix states or whatever has its shape for each sample."""

    @abc.abstractmethod
    def matmul(self, name: str, x: Any, first: int = 0, last: int | None = None) -> Any:
        """Returns `W x`, W the columns from `first` to before `last` of a weight of shape `(inputs, outputs)`."""

    @abc.abstractmethod
    def number(self, name: str) -> Any:
        """Returns a number of the cell, an attribute of this name, that broadcasts with vectors."""

    @abc.abstractmethod
    def activation(self, a: Any) -> Any:
        """Returns `s(a)`, the cell's activation of `a`."""

    @abc.abstractmethod
    def vector(self, state: Any) -> Any:
        """Returns a matrix state as a vector, row by row, and a vector as it is."""

    # ---- features

    def split(self, a: Any, parts: int) -> list[Any]:
        """Returns a vector in so many equal parts."""
        return [a] if parts == 1 else ops.split(a, parts, axis=self.features)

    def join(self, *parts: Any) -> Any:
        """Returns vectors joined to one."""
        return ops.concatenate(parts, axis=self.features)

    def sum(self, a: Any) -> Any:
        """Returns the sum over a vector's features, a vector of one."""
        return ops.sum(a, axis=self.features, keepdims=True)

    # ---- matrix states

    def rows(self, a: Any) -> Any:
        """Returns a vector or number that multiplies each row of a matrix state by a number of its own."""
        return ops.expand_dims(a, self.features) if getattr(a, "shape", ()) else a

    def columns(self, a: Any) -> Any:
        """Returns a vector or number that multiplies each column of a matrix state by a number of its own."""
        return ops.expand_dims(a, self.features - 1) if getattr(a, "shape", ()) else a

    def outer(self, a: Any, b: Any) -> Any:
        """Returns the matrices `a b^T`."""
        return self.rows(a) * self.columns(b)

    def apply(self, matrix: Any, b: Any) -> Any:
        """Returns the vectors `M b` for matrix states M."""
        return ops.sum(matrix * self.columns(b), axis=self.features)

    def apply_transposed(self, matrix: Any, a: Any) -> Any:
        """Returns the vectors `M^T a` for matrix states M."""
        return ops.sum(matrix * self.rows(a), axis=self.features - 1)

    # ---- the affine maps of cells with `blocks`

    def of_input(self, x: Any) -> list[Any]:
        """Returns `W^x x + b`, a tensor for each of the cell's blocks; for those without W^x, `b`, which broadcasts."""
        cell = self._cell
        count = len(cell.kernel_blocks)
        if cell.use_bias and count == len(cell.blocks):
            return self.split(self.matmul("kernel", x) + self["bias"], count)
        products = self.split(self.matmul("kernel", x), count) if count else []
        if not cell.use_bias:
            return [*products, *[0.0] * (len(cell.blocks) - count)]
        biases = self.split(self["bias"], len(cell.blocks))
        return [*(a + b for a, b in zip(products, biases, strict=False)), *biases[count:]]

    def of_state(self, h: Any, first: int = 0, last: int | None = None) -> list[Any]:
        """Returns `W^h h`, a tensor for each of the blocks of `recurrent_kernel` from `first` to before `last`."""
        units, blocks = self._cell.units, self._cell.recurrent_blocks[first:last]
        whole = len(blocks) == len(self._cell.recurrent_blocks)
        a = self.matmul("recurrent_kernel", h, *(() if whole else (first * units, (first + len(blocks)) * units)))
        return self.split(a, len(blocks))

    def of_both(self, x: Any, h: Any) -> list[Any]:
        """Returns `W^h h + W^x x + b`, a tensor for each block, where all blocks have both."""
        a = self.matmul("recurrent_kernel", h) + self.matmul("kernel", x)
        return self.split(a + self["bias"] if self._cell.use_bias else a, len(self._cell.blocks))


class OneModel(CellWeights):
    """The algebra of one model, features last, with dropout masks by `Weight.dropout`."""

    features = -1

    def __init__(self, cell: Any, masks: Mapping[str | None, Any] | None = None) -> None:
        super().__init__(cell)
        self._masks = masks or {}

    def __getitem__(self, name: str) -> Any:
        """Returns the weight."""
        return ops.convert_to_tensor(getattr(self._cell, name))

    def vector(self, state: Any) -> Any:
        """Returns it as `(batch, features)`."""
        return state if len(state.shape) == 2 else ops.reshape(state, (-1, math.prod(state.shape[1:])))

    def matmul(self, name: str, x: Any, first: int = 0, last: int | None = None) -> Any:
        """Returns `x W`, what is dropped left out."""
        mask = self._masks.get(self._cell.operands[name]) if self._masks else None
        kernel = getattr(self._cell, name)
        kernel = kernel[:, first:last] if first or last is not None else kernel
        return ops.matmul(x if mask is None else x * mask, kernel)

    def number(self, name: str) -> Any:
        """Returns the attribute."""
        return getattr(self._cell, name)

    def activation(self, a: Any) -> Any:
        """Returns `s(a)`."""
        return self._cell.activation(a)
