"""Which graphs are the same cell: the same graph in another order, or the same function in another form."""

import dataclasses
import hashlib
import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np

from keras_rnncap.graphs.evaluation import apply
from keras_rnncap.graphs.graph import COMMUTATIVE, LINEAR, Graph

MOST_ORDERS = 1_000
"""Orders of what cannot be told apart that are tried; a graph with more may have more than one hash."""
WIDTH, SAMPLES = 2, 32
"""Of the vectors on which functions are compared."""
DECIMALS, DIGITS = 9, 7
"""Decimals and digits of numbers that are compared, the fewer of both: other forms of a function round differently."""


def canonical(graph: Graph) -> Graph:
    """Returns the graph in an order that does not depend on that of its nodes, states and operands.

    What no output depends on is left out. The order of the first state and of the operands of `"subtract"` means
    something and stays. Two applications of `"linear"` to one vector are two, as their weights differ.

    Example:
    >>> from keras_rnncap.graphs import Node
    >>> canonical(Graph(1, [Node("tanh", (0,)), Node("relu", (1,)), Node("add", (2, 3))], [4])) == canonical(
    ...     Graph(1, [Node("relu", (1,)), Node("tanh", (0,)), Node("add", (2, 3))], [4]))
    True
    """
    graph = graph.pruned()
    labelings = itertools.islice(_labelings(graph, _refined(graph, _ranked(_kinds(graph)))), MOST_ORDERS)
    return min(_in_order(graph, labels) for labels in labelings)


def graph_hash(graph: Graph) -> str:
    """Returns a hash of a graph, the same for those that differ in order alone (16 hexadecimal digits).

    Example:
    >>> from keras_rnncap.graphs import known_graphs
    >>> graph_hash(known_graphs()["gru"])
    '42d10021b3bc0806'
    """
    return _digest(canonical(graph).to_json())


def same_graph(one: Graph, other: Graph) -> bool:
    """Returns whether two graphs differ at most in the order of nodes, states but the first, and operands."""
    return canonical(one) == canonical(other)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _kinds(graph: Graph) -> list[tuple[str, float]]:
    """Returns what each index is: the first state, another state, the input, or an operation."""
    inputs = [("output", 0.0)] + [("state", 0.0)] * (graph.states - 1) + [("x", 0.0)]
    return inputs + [(node.op, node.a) for node in graph.nodes]


def _ranked(keys: Sequence[object]) -> list[int]:
    """Returns the place of each key among all different ones."""
    place = {key: rank for rank, key in enumerate(sorted({*keys}))}  # type: ignore[type-var]  # tuples of one kind
    return [place[key] for key in keys]


def _refined(graph: Graph, colors: list[int]) -> list[int]:
    """Returns colors told apart by those of inputs, of users and of states, until no more are (Weisfeiler, Leman)."""
    users: dict[int, list[tuple[int, int]]] = {index: [] for index in graph.indices}
    for index in graph.indices:
        node = graph.node(index)
        for place, source in enumerate(node.inputs if node else ()):
            users[source].append((index, 0 if node and node.op in COMMUTATIVE else place))
    while True:
        keys = []
        for index in graph.indices:
            node = graph.node(index)
            inputs = [colors[source] for source in graph.inputs_of(index)]
            used = sorted((colors[user], place) for user, place in users[index])
            new = [colors[graph.outputs[index]]] if index < graph.states else []
            is_new = sorted(colors[state] for state in range(graph.states) if graph.outputs[state] == index)
            in_order = sorted(inputs) if node and node.op in COMMUTATIVE else inputs
            keys.append((colors[index], tuple(in_order), tuple(used), tuple(new), tuple(is_new)))
        refined = _ranked(keys)
        if max(refined) == max(colors):
            return refined
        colors = refined


def _labelings(graph: Graph, colors: list[int]) -> Iterator[list[int]]:
    """Yields colors that are all different, in each way in which what cannot be told apart can be ordered."""
    tied = next((color for color in sorted(colors) if colors.count(color) > 1), None)
    if tied is None:
        yield colors
        return
    for first in (index for index in graph.indices if colors[index] == tied):
        apart = [2 * color + (color == tied and index != first) for index, color in enumerate(colors)]
        yield from _labelings(graph, _refined(graph, _ranked(apart)))


def _in_order(graph: Graph, labels: Sequence[int]) -> Graph:
    """Returns the graph with its nodes, states and operands in the order of labels that are all different."""
    depths = graph.depths()
    states = [0, *sorted(range(1, graph.states), key=lambda index: labels[index])]
    nodes = sorted(graph.indices[graph.x + 1 :], key=lambda index: (depths[index], labels[index]))
    place = {index: new for new, index in enumerate([*states, graph.x, *nodes])}
    placed = []
    for index in nodes:
        node = graph.node(index)
        assert node is not None
        inputs = [place[source] for source in node.inputs]
        placed.append(dataclasses.replace(node, inputs=tuple(sorted(inputs) if node.op in COMMUTATIVE else inputs)))
    return Graph(graph.states, tuple(placed), tuple(place[graph.outputs[state]] for state in states))


def function_hash(graph: Graph) -> str:
    """Returns a hash of the new states on fixed vectors, the same for graphs that differ in form alone.

    For example, `relu(sigmoid(a))` is `sigmoid(a)`, and `a - (b - c)` is `(a - b) + c`. The weights of each `"linear"`
    follow from a, from the values that it is applied to, and from its place among those that are applied to the same
    values; of all orders of these, the smallest outputs count. Where there are more than `MOST_ORDERS`, they have the
    order of `canonical`; two forms of such a function may then have two hashes.
    """
    graph = canonical(graph)
    with np.errstate(all="ignore"):  # mutants may square their states again and again
        return _digest(min(_outputs(graph, (0, *rest)) for rest in itertools.permutations(range(1, graph.states))))


def _outputs(graph: Graph, order: Sequence[int]) -> str:
    """Returns the smallest text of the new states over all orders of weights; `order` is that of the states."""
    drawn = np.random.default_rng(0).normal(size=(graph.states + 1, SAMPLES, WIDTH))
    values = {state: drawn[1 + place] for place, state in enumerate(order)} | {graph.x: drawn[0]}
    new = [graph.outputs[state] for state in order]
    return min(" ".join(_text(each[index]) for index in new) for each in _values(graph, values, MOST_ORDERS))


def _text(values: np.ndarray) -> str:
    """Returns numbers as they are compared."""
    return " ".join(f"{number + 0.0:.{DIGITS}g}" for number in np.round(values, DECIMALS).ravel().tolist())


def _values(graph: Graph, values: dict[int, np.ndarray], most: int) -> Iterator[dict[int, np.ndarray]]:
    """Yields the values of all indices for each order of the weights of what is applied to the same values.

    Where there would be more than `most`, there is one.
    """
    values = dict(values)
    same: dict[tuple[float, str], list[int]] = {}
    for index in graph.indices:
        node = graph.node(index)
        if index in values or node is None or any(source not in values for source in node.inputs):
            continue
        if node.op == LINEAR:
            same.setdefault((node.a, _text(values[node.inputs[0]])), []).append(index)
        else:
            values[index] = apply(node.op, [values[source] for source in node.inputs])
    if not same:
        yield values
        return
    count = math.prod(math.factorial(len(group)) for group in same.values())
    choices = [
        itertools.permutations(range(len(group))) if count <= most else [range(len(group))] for group in same.values()
    ]
    for orders in itertools.product(*choices):
        more = dict(values)
        for ((a, text), group), order in zip(same.items(), orders, strict=True):
            for index, place in zip(group, order, strict=True):
                seed = int(_digest(f"{a} {text} {place}"), 16)
                weights = np.random.default_rng(seed).normal(size=(WIDTH + 1, WIDTH)) / math.sqrt(WIDTH)
                source = graph.inputs_of(index)[0]
                more[index] = more[source] @ (weights[1:] + a * np.eye(WIDTH)) + weights[0]
        yield from _values(graph, more, most // count)
