"""Members in groups, computed one after another where all at once need too much memory."""

from __future__ import annotations

from typing import Any

from keras import ops


class Groups:
    """Which members a training step computes and moves: all of them, or the group whose turn it is.

    A plain object that a population and its optimizer share while a training step is traced.

    Args:
        members: How many there are.

    Attributes:
        size: Members of a group; the last group overlaps the one before it where they do not divide evenly.
        index: The group whose turn it is.
    """

    def __init__(self, members: int) -> None:
        self.members = self.size = members
        self.index: Any = 0

    @property
    def count(self) -> int:
        """How many groups there are."""
        return -(-self.members // self.size)

    def part(self, tensor: Any) -> Any:
        """Returns what belongs to the group, of a tensor with a leading member axis."""
        tensor = ops.convert_to_tensor(tensor)
        if self.count == 1:
            return tensor
        start = ops.cast(ops.minimum(self.index * self.size, self.members - self.size), "int32")
        return ops.slice(tensor, [start, *[0] * (len(tensor.shape) - 1)], (self.size, *tensor.shape[1:]))

    def moves(self) -> Any:
        """Returns which members the step moves, `(members, 1)`: each is in one group only."""
        return ops.arange(self.members, dtype="int32")[:, None] // self.size == self.index

    def set(self, variable: Any, value: Any) -> None:
        """Gives the group's rows of a variable, `(members, ...)`, new values, `(size, ...)`."""
        if self.count > 1:
            old = ops.convert_to_tensor(variable)
            start = ops.cast(ops.minimum(self.index * self.size, self.members - self.size), "int32")
            value = ops.slice_update(old, [start, *[0] * (len(old.shape) - 1)], ops.cast(value, old.dtype))
            value = ops.where(ops.reshape(self.moves(), (-1, *[1] * (len(old.shape) - 1))), value, old)
        variable.assign(value)

    def add(self, variable: Any, value: Any) -> None:
        """Adds to the group's rows of a variable."""
        self.set(variable, self.part(variable) + ops.cast(value, variable.dtype))
