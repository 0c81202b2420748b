"""How many edits lie between two cells, and which known cell is nearest to one."""

import collections
import itertools
from collections.abc import Mapping

import numpy as np
from scipy.optimize import linear_sum_assignment

from keras_rnncap.graphs.graph import COMMUTATIVE, Graph
from keras_rnncap.graphs.identity import canonical
from keras_rnncap.graphs.known import known_graphs

ROUNDS = 50
"""Improvements of a matching, at most."""
DEPTHS = 5
"""Matchings that are improved: of pairs that are alike, whose neighbours are alike, and so on; the best of these."""
NEVER = 1_000
"""What it costs to make a state of a node."""


def edit_distance(one: Graph, other: Graph) -> int:
    """Returns about how many edits make one graph the other: at least as many as are needed, 0 for the same graph.

    An edit adds or removes a state, a node or an edge, or changes the operation of a node. Nodes are matched by the
    operations beside them (Riesen, Bunke 2009), then by the changes of two pairs that save most edits.

    Example:
    >>> from keras_rnncap.graphs import known_graphs
    >>> graphs = known_graphs()
    >>> edit_distance(graphs["gru"], graphs["gru"]), edit_distance(graphs["lstm"], graphs["tanh-lstm"])
    (0, 1)
    """
    one, other = canonical(one), canonical(other)
    if one == other:
        return 0
    return min(_distance(one, other), _distance(other, one))


def nearest_known(graph: Graph) -> tuple[str, int]:
    """Returns the name of the nearest of `known_graphs`, and its `edit_distance`; the first of equally near ones.

    Example:
    >>> from keras_rnncap.graphs import known_graphs
    >>> nearest_known(known_graphs()["mut3"])
    ('mut3', 0)
    """
    distances = {name: edit_distance(graph, known) for name, known in known_graphs().items()}
    return min(distances.items(), key=lambda item: item[1])


def _label(graph: Graph, index: int) -> tuple[str, float]:
    node = graph.node(index)
    if node:
        return node.op, node.a
    return ("x" if index == graph.x else "output" if index == 0 else "state"), 0.0


Edges = collections.Counter[tuple[int, int, int]]


def _edges(graph: Graph, place: Mapping[int, int] | None = None) -> Edges:
    """Returns all edges, from, to and in which order; those to new states go to -1 - state."""
    named = place or {index: index for index in graph.indices}
    found: Edges = collections.Counter()
    for index in graph.indices:
        node = graph.node(index)
        for order, source in enumerate(node.inputs if node else ()):
            found[named[source], named[index], 0 if node and node.op in COMMUTATIVE else order] += 1
    for state, output in enumerate(graph.outputs):
        found[named[output], -1 - named[state], 0] += 1
    return found


def _beside(graph: Graph) -> list[list[list[int]]]:
    """Returns for each index its inputs, its users, the states that it becomes, and what it becomes as a state."""
    return [
        [
            [*graph.inputs_of(index)],
            [user for user in graph.indices if index in graph.inputs_of(user)],
            [state for state in range(graph.states) if graph.outputs[state] == index],
            [graph.outputs[index]] if index < graph.states else [],
        ]
        for index in graph.indices
    ]


def _distance(one: Graph, other: Graph) -> int:
    """Returns the edits of a matching of the one's indices with the other's; inputs, outputs and x stay what they are.

    Those that are matched with nothing have indices from the larger number on.
    """
    size = len(one.indices) + len(other.indices)
    kinds = {index: _label(one, index) for index in one.indices}
    others = {index: _label(other, index) for index in other.indices}
    edges = _edges(other)

    def edits(matched: list[int]) -> int:
        changed = 0
        for i, j in enumerate(matched):
            if i in kinds and j in others:
                changed += _substitution(kinds[i], others[j])
            elif i in kinds or j in others:
                changed += 1
        mine = _edges(one, dict(enumerate(matched)))
        return int(changed + (mine - edges).total() + (edges - mine).total())

    matched = min((_matching(one, other, rounds) for rounds in range(DEPTHS)), key=edits)
    best = edits(matched)
    for _ in range(ROUNDS):
        found = best
        for i, j in itertools.combinations(range(size), 2):
            if matched[i] in others or matched[j] in others or i in kinds or j in kinds:
                swapped = list(matched)
                swapped[i], swapped[j] = matched[j], matched[i]
                if (count := edits(swapped)) < found:
                    found, chosen = count, swapped
        if found == best:
            return best
        best, matched = found, chosen
    return best


def _matching(one: Graph, other: Graph, rounds: int) -> list[int]:
    """Returns a matching whose pairs are alike, and so are those beside them, in so many rounds."""
    size = len(one.indices) + len(other.indices)
    here, there = _beside(one), _beside(other)
    costs = np.ones((size, size))
    costs[len(one.indices) :, len(other.indices) :] = 0
    alike = np.array([[_substitution(_label(one, i), _label(other, j)) for j in other.indices] for i in one.indices])
    for kind in ("x", "output"):  # both have these
        fixed_here = [_label(one, i)[0] == kind for i in one.indices] + [False] * len(other.indices)
        fixed_there = [_label(other, j)[0] == kind for j in other.indices] + [False] * len(one.indices)
        costs[np.ix_(fixed_here, range(size))] = costs[np.ix_(range(size), fixed_there)] = NEVER
    pairs = alike.astype(float)
    for _ in range(rounds):
        around = [[_apart(here[i], there[j], pairs) for j in other.indices] for i in one.indices]
        pairs = alike + np.array(around)
    costs[: len(one.indices), : len(other.indices)] = np.minimum(pairs, NEVER)
    return [int(place) for place in linear_sum_assignment(costs)[1]]


def _apart(mine: list[list[int]], theirs: list[list[int]], pairs: np.ndarray) -> float:
    """Returns how much those beside two indices differ: the mean of the best matchings, in each direction."""
    total = 0.0
    for here, there in zip(mine, theirs, strict=True):
        if here and there:
            costs = pairs[np.ix_(here, there)]
            total += float(np.minimum(costs, 1.0)[linear_sum_assignment(costs)].sum())
        total += abs(len(here) - len(there))
    return total / max(1, sum(map(len, mine)) + sum(map(len, theirs)))


def _substitution(one: tuple[str, float], other: tuple[str, float]) -> int:
    """Returns the edits that make a node another: none, one, or too many where one of them is a state or x."""
    fixed = ("x", "output", "state")
    if one == other:
        return 0
    return NEVER if one[0] in fixed or other[0] in fixed else 1
