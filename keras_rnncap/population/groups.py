"""Groups of members, computed one after another where all at once need too much memory."""

from typing import Any

from keras import ops


class Groups:
    """The group of members that a training step computes and moves, shared by a population and its optimizer.

    Args:
        members: Number of members.

    Attributes:
        size: Members of a group; the last group may overlap the one before it.
        index: The current group.
    """

    def __init__(self, members: int) -> None:
        self.members = self.size = members
        self.index: Any = 0

    @property
    def count(self) -> int:
        """Number of groups."""
        return -(-self.members // self.size)

    def _start(self, tensor: Any) -> list[Any]:
        start = ops.cast(ops.minimum(self.index * self.size, self.members - self.size), "int32")
        return [start, *[0] * (len(tensor.shape) - 1)]

    def part(self, tensor: Any) -> Any:
        """Returns the group's rows of a tensor."""
        tensor = ops.convert_to_tensor(tensor)
        if self.count == 1:
            return tensor
        return ops.slice(tensor, self._start(tensor), (self.size, *tensor.shape[1:]))

    def moves(self) -> Any:
        """Returns which members the step moves, `(members, 1)`; each moves with one group."""
        return ops.arange(self.members, dtype="int32")[:, None] // self.size == self.index

    def set(self, variable: Any, value: Any) -> None:
        """Sets the group's rows of a variable."""
        if self.count > 1:
            old = ops.convert_to_tensor(variable)
            value = ops.slice_update(old, self._start(old), ops.cast(value, old.dtype))
            value = ops.where(ops.reshape(self.moves(), (-1, *[1] * (len(old.shape) - 1))), value, old)
        variable.assign(value)

    def add(self, variable: Any, value: Any) -> None:
        """Adds to the group's rows of a variable."""
        self.set(variable, self.part(variable) + ops.cast(value, variable.dtype))
