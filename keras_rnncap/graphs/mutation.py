"""The six transformations of Jozefowicz et al. (2015), section 3.2, and mutants made by them."""

import dataclasses
from collections.abc import Callable, Container

import numpy as np

from keras_rnncap.errors import InputError
from keras_rnncap.graphs.graph import ACTIVATIONS, DIAGONALS, ELEMENTWISE, LINEAR, Graph, Node
from keras_rnncap.graphs.identity import canonical, graph_hash

MUTATED_ACTIVATIONS = tuple((op, 0.0) for op in ("tanh", "sigmoid", "relu")) + tuple((LINEAR, a) for a in DIAGONALS)
"""The permissible nonlinearities of the paper, each with its a."""
MOST_ROUNDS = 3
"""1 to 3 transformations are applied, each to every node with a probability of its own."""
TRIES = 100
MOST_NODES = 60


class _Draft:
    """A graph that is being changed."""

    def __init__(self, graph: Graph, rng: np.random.Generator) -> None:
        self.states, self.rng = graph.states, rng
        self.nodes = {index: graph.nodes[index - graph.x - 1] for index in graph.indices[graph.x + 1 :]}
        self.outputs = list(graph.outputs)
        self._next = len(graph.indices)

    def graph(self) -> Graph:
        """Returns what has become of it; `InputError` if no output depends on the input any more."""
        return Graph.from_nodes(self.states, self.nodes, self.outputs)

    def one_of(self, choices: list[int]) -> int:
        return choices[int(self.rng.integers(len(choices)))]

    def activation(self) -> tuple[str, float]:
        return MUTATED_ACTIVATIONS[int(self.rng.integers(len(MUTATED_ACTIVATIONS)))]

    def ancestors(self, index: int) -> list[int]:
        """Returns all on which a node depends, in order."""
        found: set[int] = set()
        waiting = list(self.nodes[index].inputs)
        while waiting:
            if (source := waiting.pop()) not in found:
                found.add(source)
                waiting += self.nodes[source].inputs if source in self.nodes else ()
        return sorted(found)

    def replace(self, index: int, other: int) -> None:
        """Has all that used a node use another, and removes it."""
        del self.nodes[index]
        self.outputs = [other if output == index else output for output in self.outputs]
        for user, node in self.nodes.items():
            inputs = tuple(other if source == index else source for source in node.inputs)
            self.nodes[user] = dataclasses.replace(node, inputs=inputs)

    def uses(self, index: int) -> int:
        """Returns how often a node is used, by nodes and as an output."""
        return sum(node.inputs.count(index) for node in self.nodes.values()) + self.outputs.count(index)

    # ---- the transformations, in the paper's order; each returns at once where it does not apply

    def change_activation(self, index: int) -> None:
        """1: another activation, drawn from all of them, in the place of an activation."""
        if self.nodes[index].op in (*ACTIVATIONS, LINEAR):
            op, a = self.activation()
            self.nodes[index] = Node(op, self.nodes[index].inputs, a)

    def change_elementwise(self, index: int) -> None:
        """2: another elementwise operation in the place of one."""
        if (node := self.nodes[index]).op in ELEMENTWISE:
            others = [op for op in ELEMENTWISE if op != node.op]
            self.nodes[index] = dataclasses.replace(node, op=others[int(self.rng.integers(len(others)))])

    def insert_activation(self, index: int) -> None:
        """3: an activation between a node and one of its parents."""
        inputs = list(self.nodes[index].inputs)
        place = int(self.rng.integers(len(inputs)))
        op, a = self.activation()
        self.nodes[self._next] = Node(op, (inputs[place],), a)
        inputs[place] = self._next
        self._next += 1
        self.nodes[index] = dataclasses.replace(self.nodes[index], inputs=tuple(inputs))

    def remove(self, index: int) -> None:
        """4: nothing in the place of a node with one input that is used once."""
        if len(self.nodes[index].inputs) == 1 and self.uses(index) == 1:
            self.replace(index, self.nodes[index].inputs[0])

    def replace_by_ancestor(self, index: int) -> None:
        """5: an ancestor in the place of a node."""
        self.replace(index, self.one_of(self.ancestors(index)))

    def combine_ancestors(self, index: int) -> None:
        """6: the sum, product or difference of an ancestor of a node and one of another in its place.

        Not where the latter depends on the node, which would be a cycle.
        """
        mine = self.one_of(self.ancestors(index))
        theirs = self.one_of(self.ancestors(self.one_of(list(self.nodes))))
        if theirs != index and (theirs not in self.nodes or index not in self.ancestors(theirs)):
            self.nodes[index] = Node(ELEMENTWISE[int(self.rng.integers(len(ELEMENTWISE)))], (mine, theirs))


TRANSFORMATIONS: tuple[Callable[[_Draft, int], None], ...] = (
    _Draft.change_activation,
    _Draft.change_elementwise,
    _Draft.insert_activation,
    _Draft.remove,
    _Draft.replace_by_ancestor,
    _Draft.combine_ancestors,
)


def mutate(
    graph: Graph,
    rng: np.random.Generator,
    known: Container[str] = (),
    most_nodes: int = MOST_NODES,
    tries: int = TRIES,
) -> Graph | None:
    """Returns a mutant of a graph.

    In one to three rounds, each with a probability p of its own that is uniform in [0, 1], each node is changed with
    this probability, by one of the six transformations.

    Args:
        graph: The parent; the order of its nodes does not count.
        rng: The generator of all draws.
        known: Hashes (`graph_hash`) that a mutant must not have; the parent's is one of them anyway.
        most_nodes: Larger mutants are rejected.
        tries: So many draws are made.

    Returns:
        The mutant in canonical order, or `None` if each of the draws was rejected.

    Raises:
        InputError: If the parent has no node.

    Example:
    >>> from keras_rnncap.graphs import known_graphs
    >>> gru = known_graphs()["gru"]
    >>> one, other = (mutate(gru, np.random.default_rng(0)) for _ in range(2))
    >>> one == other, graph_hash(one) == graph_hash(gru)
    (True, False)
    """
    if not graph.nodes:
        raise InputError(f"graph must have nodes to be mutated; got {graph}")
    graph = canonical(graph)
    parent = graph_hash(graph)
    for _ in range(tries):
        draft = _Draft(graph, rng)
        for _ in range(1 + int(rng.integers(MOST_ROUNDS))):
            p = rng.random()
            for index in list(draft.nodes):
                if index in draft.nodes and rng.random() < p:
                    TRANSFORMATIONS[int(rng.integers(len(TRANSFORMATIONS)))](draft, index)
        try:
            mutant = canonical(draft.graph())
        except InputError:  # no output depends on the input
            continue
        name = graph_hash(mutant)
        if 0 < len(mutant.nodes) <= most_nodes and name != parent and name not in known:
            return mutant
    return None
