"""The algebra of the weights of all members at once."""

import contextlib
import math
from collections.abc import Iterator, Mapping
from typing import Any

import keras
from keras import ops

from keras_rnncap.cells import CellWeights, RecurrentCell
from keras_rnncap.cells.base import places_of_learned


class MemberWeights(CellWeights):
    """The algebra of all members at once; vectors are `(members, features, batch)`, which CPUs are fastest with.

    Args:
        cell: The cell of any member.
        weights: Its weights by name, `(members, *stored)` each.
        numbers: Its numbers by name, `(members, 1, 1)` each, and `activation`, an index into the cell's `activations`.
    """

    features = -2

    def __init__(self, cell: RecurrentCell, weights: Mapping[str, Any], numbers: Mapping[str, Any]) -> None:
        super().__init__(cell)
        self._weights, self._numbers = weights, numbers
        self._functions = [keras.activations.get(name) for name in cell.activations]
        self._x: Any = None
        self._products: Mapping[str, Any] = {}
        self.times_input: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        """Returns the members' weights, `(members, *shape, 1)`."""
        weight = self._weights[name]
        matrix = len(getattr(self._cell, name).shape) == 2
        return ops.swapaxes(weight, 1, 2)[..., None] if matrix else weight

    def matmul(self, name: str, x: Any, first: int = 0, last: int | None = None) -> Any:
        """Returns `W x`; x may be shared by all members, `(input_dim, batch)`."""
        kernel = self._weights[name]
        if first or last is not None:
            kernel = kernel[:, first:last]
        elif x is self._x:
            self.times_input.add(name)
            if name in self._products:
                return self._products[name]
        if len(x.shape) == 3:
            return ops.matmul(kernel, x)
        members, outputs, width = kernel.shape
        # One large product is faster than one for each member.
        return ops.reshape(ops.matmul(ops.reshape(kernel, (-1, width)), x), (members, outputs, -1))

    def number(self, name: str) -> Any:
        """Returns the members' numbers, or the number that they share."""
        return self._numbers[name] if name in self._numbers else getattr(self._cell, name)

    def vector(self, state: Any) -> Any:
        """Returns it as `(members, features, batch)`."""
        if len(state.shape) == 3:
            return state
        return ops.reshape(state, (state.shape[0], math.prod(state.shape[1:-1]), -1))

    def activation(self, a: Any) -> Any:
        """Returns each member's activation of a."""
        index = ops.reshape(self._numbers["activation"], (-1, *[1] * (len(a.shape) - 1)))
        chosen = self._functions[0](a)
        for place, function in enumerate(self._functions[1:], 1):
            chosen = ops.where(index == place, function(a), chosen)
        return chosen

    def initial_states(self, batch: Any) -> tuple[Any, ...]:
        """Returns the members' states before the first time step, `(members, *shape, batch)`."""
        states, learned = self._cell.declare_states(), self._weights.get("initial_state")
        weight = next(iter(self._weights.values()))
        members, starts = weight.shape[0], []
        for state, place in zip(states, places_of_learned(states), strict=True):
            start = ops.zeros((members, *state.shape, batch), dtype=weight.dtype)
            if learned is not None and place is not None:
                start = start + ops.reshape(learned[:, place], (members, *state.shape, 1))
            starts.append(start)
        return tuple(starts)

    def run(self, x: Any, states: tuple[Any, ...], products: Mapping[str, Any] | None = None) -> tuple[Any, ...]:
        """Returns the states after a time step, given those before and known products of weights and the input."""
        self._x, self._products = x, products or {}
        with self._as_attributes_of_the_cell():
            return self._cell.step(x, states, self)

    @contextlib.contextmanager
    def _as_attributes_of_the_cell(self) -> Iterator[None]:
        """Gives the cell the members' numbers and activations, for a `step` that reads them there."""
        attributes, members = vars(self._cell), {**self._numbers, "activation": self.activation}
        before = {name: attributes[name] for name in members if name in attributes}
        attributes.update(members)
        try:
            yield
        finally:
            for name in members:
                del attributes[name]
            attributes.update(before)
