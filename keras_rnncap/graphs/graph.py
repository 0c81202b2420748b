"""Cells as directed acyclic graphs of the operations of Jozefowicz et al. (2015), without any framework."""

import dataclasses
import graphlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from keras_rnncap.errors import InputError

ACTIVATIONS = ("tanh", "sigmoid", "relu", "leaky_relu")
LINEAR = "linear"
ELEMENTWISE = ("multiply", "add", "subtract")
COMMUTATIVE = ("multiply", "add")
OPERATIONS = (*ACTIVATIONS, LINEAR, *ELEMENTWISE)
DIAGONALS = (0.0, 1.0, 0.9, 1.1)
"""The values of a in Linear(a, x) in the paper."""
LEAK = 0.01
"""The slope of the leaky ReLU where its input is negative."""


@dataclasses.dataclass(frozen=True, order=True)
class Node:
    """An operation on vectors of equal width.

    Attributes:
        op: One of `OPERATIONS`; `"linear"` is the paper's Linear(a, x) = W x + b, with a square matrix W and a bias of
            its own.
        inputs: Indices of what it is applied to: two for `ELEMENTWISE`, one for the others.
        a: What the diagonal of W starts with beside random numbers; 0 for other operations.
    """

    op: str
    inputs: tuple[int, ...]
    a: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", tuple(int(index) for index in self.inputs))
        object.__setattr__(self, "a", float(self.a))


@dataclasses.dataclass(frozen=True, order=True)
class Graph:
    """A recurrent cell: from M states and an input to M new states, of which the first is the output.

    Source: Jozefowicz, Zaremba, Sutskever (2015), section 3.2. Indices 0 to M - 1 are the states of the step before, M
    is the input x, and the nodes follow. Each node has only indices below its own as inputs, so that there is no cycle.

    Args:
        states: M, at least 1.
        nodes: The operations.
        outputs: The indices of the M new states.

    Raises:
        InputError: If it is no such graph, or the output does not depend on x, now or later.

    Example:
    >>> rnn = Graph(1, [Node("linear", (0,)), Node("linear", (1,)), Node("add", (2, 3)), Node("tanh", (4,))], [5])
    >>> Graph.from_json(rnn.to_json()) == rnn
    True
    """

    states: int
    nodes: tuple[Node, ...]
    outputs: tuple[int, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "nodes", tuple(self.nodes))
        object.__setattr__(self, "outputs", tuple(int(index) for index in self.outputs))
        if not isinstance(self.states, int) or isinstance(self.states, bool) or self.states < 1:
            raise InputError(f"states must be an integer of at least 1; got {self.states!r}")
        for index, node in enumerate(self.nodes, self.x + 1):
            _check(node, index)
        last = self.x + len(self.nodes)
        if len(self.outputs) != self.states or not all(0 <= place <= last for place in self.outputs):
            raise InputError(f"outputs must be {self.states} of 0 to {last}, one for each state; got {self.outputs}")
        if self.x not in self.live():
            raise InputError(f"outputs must depend on the input, index {self.x}; got {self.outputs}")

    @property
    def x(self) -> int:
        """The index of the input."""
        return self.states

    @property
    def indices(self) -> range:
        """The indices of states, input and nodes."""
        return range(self.x + 1 + len(self.nodes))

    def node(self, index: int) -> Node | None:
        """Returns the node of an index, `None` for a state or the input."""
        return self.nodes[index - self.x - 1] if index > self.x else None

    def inputs_of(self, index: int) -> tuple[int, ...]:
        """Returns what a node is applied to; nothing for a state or the input."""
        node = self.node(index)
        return node.inputs if node else ()

    def depths(self) -> list[int]:
        """Returns for each index the length of the longest way to it from a state or the input."""
        found: list[int] = []
        for index in self.indices:
            found.append(1 + max((found[source] for source in self.inputs_of(index)), default=-1))
        return found

    def ancestors(self, *indices: int) -> set[int]:
        """Returns all on which these depend within a time step, without themselves unless others of them do."""
        found: set[int] = set()
        waiting = [source for index in indices for source in self.inputs_of(index)]
        while waiting:
            if (index := waiting.pop()) not in found:
                found.add(index)
                waiting += self.inputs_of(index)
        return found

    def live(self) -> set[int]:
        """Returns the indices on which the output depends, at the same time step or through the states at a later one.

        The first state is among them if anything depends on it.
        """
        found: set[int] = set()
        waiting = [0]
        asked: set[int] = set()
        while waiting:
            if (state := waiting.pop()) not in asked:
                asked.add(state)
                new = {self.outputs[state]} | self.ancestors(self.outputs[state])
                waiting += [index for index in new if index < self.states]
                found |= new
        return found

    def pruned(self) -> "Graph":
        """Returns it without nodes and states on which the output never depends; the first state stays."""
        live = self.live() | {0, self.x}
        kept = [index for index in self.indices if index in live]
        place = {index: new for new, index in enumerate(kept)}
        nodes = [
            dataclasses.replace(node, inputs=tuple(place[source] for source in node.inputs))
            for index in kept
            if (node := self.node(index))
        ]
        states = [index for index in kept if index < self.states]
        return Graph(len(states), tuple(nodes), tuple(place[self.outputs[state]] for state in states))

    def linears(self) -> list[int]:
        """Returns the indices of the `"linear"` nodes, those of one vector side by side: the order of their weights."""
        found = [index for index in self.indices if (node := self.node(index)) and node.op == LINEAR]
        return sorted(found, key=lambda index: (self.inputs_of(index), index))

    def to_dict(self) -> dict[str, Any]:
        """Returns its states, its nodes (`op`, `inputs` and, if not 0, `a`) and its outputs, as JSON has them."""
        nodes = [
            {"op": node.op, "inputs": list(node.inputs)} | ({"a": node.a} if node.a else {}) for node in self.nodes
        ]
        return {"states": self.states, "nodes": nodes, "outputs": list(self.outputs)}

    def to_json(self) -> str:
        """Returns `to_dict` as JSON."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_dict(cls, known: Mapping[str, Any]) -> "Graph":
        """Returns the graph of what `to_dict` returned; raises `InputError` if it is something else."""
        try:
            nodes = [
                Node(str(each["op"]), tuple(map(_whole, each["inputs"])), float(each.get("a", 0.0)))
                for each in known["nodes"]
            ]
            states, outputs = _whole(known["states"]), tuple(map(_whole, known["outputs"]))
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            raise InputError(
                "a graph is an object of states, nodes (each of op, inputs and perhaps a) and outputs; got "
                f"{str(known)[:100]} ({type(error).__name__}: {error})"
            ) from error
        return cls(states, tuple(nodes), outputs)

    @classmethod
    def from_json(cls, text: str) -> "Graph":
        """Returns the graph of such a text; raises `InputError` if it is something else."""
        try:
            known = json.loads(text)
        except ValueError as error:
            raise InputError(f"a graph must be JSON; got {text[:80]!r} ({error})") from error
        return cls.from_dict(known)

    @classmethod
    def from_nodes(cls, states: int, nodes: Mapping[int, Node], outputs: Sequence[int]) -> "Graph":
        """Returns the graph of nodes that are not in order and may have gaps between their indices.

        Raises:
            InputError: If they are no graph, for example because of a cycle.
        """
        needs = {index: [source for source in node.inputs if source > states] for index, node in nodes.items()}
        try:
            order = list(graphlib.TopologicalSorter(needs).static_order())
        except graphlib.CycleError as error:
            raise InputError(f"nodes must have no cycle; got {error.args[1]}") from error
        place = {index: index for index in range(states + 1)}
        place |= {index: new for new, index in enumerate(order, states + 1)}
        used = {source for node in nodes.values() for source in node.inputs} | {*outputs}
        if missing := sorted(used - {*place} | {*order} - {*nodes}):
            raise InputError(f"inputs of nodes, and outputs, must be states, the input or nodes; got {missing}")
        in_order = [dataclasses.replace(nodes[old], inputs=tuple(place[i] for i in nodes[old].inputs)) for old in order]
        return cls(states, tuple(in_order), tuple(place[index] for index in outputs))


def _check(node: Node, index: int) -> None:
    """Raises `InputError` unless a node of this index is one."""
    if node.op not in OPERATIONS:
        raise InputError(f"op of node {index} must be one of {', '.join(OPERATIONS)}; got {node.op!r}")
    count = 2 if node.op in ELEMENTWISE else 1
    if len(node.inputs) != count or not all(0 <= place < index for place in node.inputs):
        raise InputError(f"inputs of node {index}, {node.op}, must be {count} of 0 to {index - 1}; got {node.inputs}")
    if not math.isfinite(node.a) or (node.a and node.op != LINEAR):
        allowed = "finite" if node.op == LINEAR else "0: only linear has one"
        raise InputError(f"a of node {index}, {node.op}, must be {allowed}; got {node.a}")


def _whole(number: Any) -> int:
    """Returns an integer that may have come as a float of the same value."""
    if isinstance(number, bool) or int(number) != number:
        raise ValueError(f"{number!r} is not an integer")
    return int(number)
