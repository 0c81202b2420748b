"""The edit distance of graphs, against all matchings of small ones."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_rnncap.graphs import Graph, Node, edit_distance, known_graphs, mutate, nearest_known
from keras_rnncap.graphs.graph import ACTIVATIONS, ELEMENTWISE


def brute_force(one, other):
    """The least edits over all matchings of nodes and of states but the first."""
    best = 10**9
    inner = [[i for i in graph.indices if i not in (0, graph.x)] for graph in (one, other)]
    size = len(inner[0]) + len(inner[1])
    padded = inner[1] + [f"extra {place}" for place in range(size - len(inner[1]))]
    for chosen in set(itertools.permutations(padded, len(inner[0]))):
        place = {0: 0, one.x: other.x} | dict(zip(inner[0], chosen, strict=True))
        best = min(best, edits(one, other, place))
    return best


def edits(one, other, place):
    count = 0
    for index in one.indices:
        node, target = one.node(index), place[index]
        if isinstance(target, str):
            count += 1
        elif index not in (0, one.x):
            there = other.node(target)
            if (node is None) != (there is None):
                return 10**9
            count += node is not None and (node.op, node.a) != (there.op, there.a)
    count += len({*other.indices} - {*place.values()})
    mine, theirs = edges(one, place), edges(other, {index: index for index in other.indices})
    for edge in {*mine, *theirs}:
        count += abs(mine.count(edge) - theirs.count(edge))
    return count


def edges(graph, place):
    found = []
    for index in graph.indices:
        node = graph.node(index)
        for order, source in enumerate(node.inputs if node else ()):
            found.append((str(place[source]), str(place[index]), order if node.op == "subtract" else 0))
    found += [(str(place[output]), f"new {place[state]}", 0) for state, output in enumerate(graph.outputs)]
    return found


@st.composite
def small_graphs(draw, most=3):
    nodes = [Node(draw(st.sampled_from(ACTIVATIONS)), (1,))]
    for index in range(3, 2 + draw(st.integers(1, most))):
        op = draw(st.sampled_from((*ACTIVATIONS, *ELEMENTWISE)))
        count = 2 if op in ELEMENTWISE else 1
        nodes.append(Node(op, [draw(st.integers(0, index - 1)) for _ in range(count)]))
    last = 1 + len(nodes)
    nodes.append(Node("add", (last, 2)))
    return Graph(1, nodes, [last + 1]).pruned()


@settings(max_examples=60, deadline=None)
@given(small_graphs(), small_graphs())
def test_it_is_never_less_than_the_least_over_all_matchings_and_the_same_both_ways(one, other):
    least = min(brute_force(one, other), brute_force(other, one))
    assert edit_distance(one, other) >= least
    assert edit_distance(one, other) == edit_distance(other, one)


def random_graph(rng):
    nodes = [Node(str(rng.choice(ACTIVATIONS)), (int(rng.integers(2)),))]
    for index in range(3, 5):
        op = str(rng.choice([*ACTIVATIONS, *ELEMENTWISE]))
        nodes.append(Node(op, rng.integers(index, size=2 if op in ELEMENTWISE else 1).tolist()))
    nodes.append(Node("add", (len(nodes) + 1, 1)))
    return Graph(1, nodes, [len(nodes) + 1]).pruned()


def test_it_is_nearly_always_the_least_for_small_graphs():
    rng = np.random.default_rng(0)
    pairs = [(random_graph(rng), random_graph(rng)) for _ in range(60)]
    exact = [edit_distance(*pair) == min(brute_force(*pair), brute_force(*pair[::-1])) for pair in pairs]
    assert np.mean(exact) >= 0.9


def test_of_known_cells():
    graphs = known_graphs()
    assert edit_distance(graphs["lstm"], graphs["tanh-lstm"]) == 1
    assert nearest_known(graphs["mut2"]) == ("mut2", 0)
    assert edit_distance(graphs["rnn"], graphs["lstm"]) > edit_distance(graphs["rnn"], graphs["ugrnn"]) > 0


def test_a_small_change_is_a_small_distance():
    gru = known_graphs()["gru"]
    changed = [
        Graph(1, [Node("relu", n.inputs) if place == target else n for place, n in enumerate(gru.nodes)], gru.outputs)
        for target, node in enumerate(gru.nodes)
        if node.op in ("tanh", "sigmoid")
    ]  # fmt: skip
    assert [edit_distance(gru, graph) for graph in changed] == [1, 1, 1]
    mutant = mutate(gru, np.random.default_rng(3))
    assert 0 < edit_distance(gru, mutant) < 40
