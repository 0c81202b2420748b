"""Graphs: what is one, which are the same, what mutations make of them, and what recipes say."""

import functools
import itertools
import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_rnncap.errors import InputError
from keras_rnncap.graphs import (
    Graph,
    Node,
    canonical,
    evaluate,
    from_recipe,
    function_hash,
    graph_hash,
    known_graphs,
    mutate,
    same_graph,
)
from keras_rnncap.graphs.graph import COMMUTATIVE, ELEMENTWISE, LINEAR
from keras_rnncap.graphs.mutation import TRANSFORMATIONS, _Draft

slow_examples = functools.partial(settings, deadline=None)
KNOWN = known_graphs()


@st.composite
def graphs(draw, most_nodes=6, most_states=2):
    """Small graphs, mostly with nodes that can change places."""
    states = draw(st.integers(1, most_states))
    nodes = []
    for index in range(states + 1, states + 1 + draw(st.integers(1, most_nodes))):
        op = draw(st.sampled_from(["tanh", "relu", LINEAR, *ELEMENTWISE]))
        inputs = [draw(st.integers(0, index - 1)) for _ in range(2 if op in ELEMENTWISE else 1)]
        nodes.append(Node(op, tuple(inputs), draw(st.sampled_from([0.0, 1.0])) if op == LINEAR else 0.0))
    last = states + len(nodes)
    outputs = [draw(st.integers(max(0, last - 2), last)) for _ in range(states)]
    try:
        return Graph(states, tuple(nodes), tuple(outputs))
    except InputError:  # the input does not reach an output: let the last node use it
        nodes[-1] = Node("add", (states, last - 1))
        return Graph(states, tuple(nodes), tuple(last for _ in range(states)))


def shuffled(graph, rng):
    """The same graph with its nodes, states but the first and operands in another order."""
    order = [0, *(1 + rng.permutation(graph.states - 1)), graph.x]
    waiting = set(graph.indices[graph.x + 1 :])
    while waiting:
        ready = sorted(index for index in waiting if not waiting & {*graph.inputs_of(index)})
        order.append(int(rng.choice(ready)))
        waiting.remove(order[-1])
    place = {int(old): new for new, old in enumerate(order)}
    nodes = []
    for old in order[graph.x + 1 :]:
        node = graph.node(old)
        inputs = [place[source] for source in node.inputs]
        if node.op in COMMUTATIVE and rng.random() < 0.5:
            inputs.reverse()
        nodes.append(Node(node.op, tuple(inputs), node.a))
    return Graph(graph.states, tuple(nodes), tuple(place[graph.outputs[int(old)]] for old in order[: graph.states]))


def isomorphic(one, other):
    """Whether some order of states and nodes makes one graph the other; all are tried."""
    one, other = one.pruned(), other.pruned()
    if (one.states, len(one.nodes)) != (other.states, len(other.nodes)):
        return False
    for states in itertools.permutations(range(1, one.states)):
        for nodes in itertools.permutations(one.indices[one.x + 1 :]):
            place = dict(enumerate((0, *states, one.x, *nodes)))
            outputs = zip(one.outputs, [other.outputs[state] for state in (0, *states)], strict=True)
            if all(place[mine] == theirs for mine, theirs in outputs) and all(
                _same_node(one.node(index), other.node(place[index]), place) for index in one.indices[one.x + 1 :]
            ):
                return True
    return False


def _same_node(node, other, place):
    inputs, others = [place[source] for source in node.inputs], list(other.inputs)
    if node.op in COMMUTATIVE:
        inputs, others = sorted(inputs), sorted(others)
    return (node.op, node.a, inputs) == (other.op, other.a, others)


def drawn_weights(graph, rng, units=3):
    return {index: (rng.normal(size=(units, units)), rng.normal(size=units)) for index in graph.linears()}


def edited(graph, rng):
    """The same graph with another operation or input of one node, if it is a graph then."""
    nodes, place = list(graph.nodes), int(rng.integers(len(graph.nodes)))
    node = nodes[place]
    if node.op in ELEMENTWISE and rng.random() < 0.5:
        nodes[place] = Node(str(rng.choice(ELEMENTWISE)), node.inputs)
    else:
        source = int(rng.integers(graph.x + 1 + place))
        nodes[place] = Node(node.op, (source, *node.inputs[1:]), node.a)
    try:
        return Graph(graph.states, nodes, graph.outputs)
    except InputError:
        return graph


# ---- what is a graph

WRONG = {
    "states must be an integer": (0, [Node("tanh", (0,))], [1]),
    "op of node 2 must be one of": (1, [Node("sinus", (1,))], [2]),
    "inputs of node 2, tanh, must be 1 of 0 to 1": (1, [Node("tanh", (2,))], [2]),
    "inputs of node 2, add, must be 2": (1, [Node("add", (1,))], [2]),
    "outputs must be 1 of 0 to 2": (1, [Node("tanh", (1,))], [3]),
    "outputs must depend on the input": (1, [Node("tanh", (0,))], [2]),
    "a of node 2, tanh, must be 0": (1, [Node("tanh", (1,), 0.9)], [2]),
    "a of node 2, linear, must be finite": (1, [Node(LINEAR, (1,), float("nan"))], [2]),
}


@pytest.mark.parametrize("message", WRONG)
def test_what_is_no_graph_is_named(message):
    with pytest.raises(InputError, match=message):
        Graph(*WRONG[message])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"states": 1, "nodes": [{"op": "tanh"}], "outputs": [2]}',
        '{"states": 1.5, "nodes": [], "outputs": [1]}',
        '{"states": 1e999, "nodes": [], "outputs": [1]}',
    ],
)
def test_a_text_that_is_no_graph_is_an_input_error(text):
    with pytest.raises(InputError, match="a graph"):
        Graph.from_json(text)


def test_graphs_of_other_kinds_of_numbers_are_the_same():
    one = Graph(1, [Node(LINEAR, [np.int64(1)], 1)], [np.int64(2)])
    other = Graph(1, (Node(LINEAR, (1,), 1.0),), (2,))
    assert one == other
    assert one.to_json() == other.to_json()
    assert graph_hash(one) == graph_hash(other)


@pytest.mark.parametrize(("nodes", "outputs"), [({9: Node("tanh", (5,))}, (9,)), ({9: Node("tanh", (1,))}, (8,))])
def test_nodes_that_are_not_there_are_named(nodes, outputs):
    with pytest.raises(InputError, match="must be states, the input or nodes"):
        Graph.from_nodes(1, nodes, outputs)
    with pytest.raises(InputError, match="no cycle"):
        Graph.from_nodes(1, {2: Node("tanh", (3,)), 3: Node("tanh", (2,))}, (3,))


@given(graphs())
def test_json_gives_the_same_graph_again(graph):
    assert Graph.from_json(graph.to_json()) == graph
    assert Graph.from_dict(json.loads(graph.to_json())) == graph


def test_states_that_no_output_reads_are_pruned_with_all_that_only_they_need():
    tanh, unread = Node("tanh", (2,)), Node("sigmoid", (1,))
    assert Graph(2, (tanh, unread), (3, 4)).pruned() == Graph(1, (Node("tanh", (1,)),), (2,))
    kept = Graph(2, (Node("add", (1, 2)), Node("tanh", (2,))), (3, 4))
    assert kept.pruned() == kept  # the second state reaches the output one step later
    later = Graph(2, (Node("tanh", (1,)), Node("relu", (2,))), (3, 4))
    assert later.pruned() == later


@given(graphs(), st.integers(0, 2**32))
def test_pruning_leaves_what_the_graph_computes(graph, seed):
    rng = np.random.default_rng(seed)
    pruned = graph.pruned()
    live = sorted(graph.live() | {0, graph.x})
    weights = drawn_weights(graph, rng)
    kept = {new: weights[old] for new, old in enumerate(live) if old in weights}
    states = list(rng.normal(size=(graph.states, 2, 3)))
    of_pruned = [states[index] for index in live if index < graph.states]
    with np.errstate(all="ignore"):  # they may square their states
        for x in rng.normal(size=(3, 2, 3)):
            states = evaluate(graph, states, x, weights)
            of_pruned = evaluate(pruned, of_pruned, x, kept)
            np.testing.assert_array_equal(states[0], of_pruned[0])


# ---- which graphs are the same


@slow_examples()
@given(graphs(most_nodes=12, most_states=3), st.integers(0, 2**32))
def test_hashes_do_not_depend_on_order(graph, seed):
    other = shuffled(graph, np.random.default_rng(seed))
    assert graph_hash(other) == graph_hash(graph)
    assert canonical(other) == canonical(graph)
    assert function_hash(other) == function_hash(graph)


@pytest.mark.parametrize("name", KNOWN)
def test_hashes_of_known_cells_do_not_depend_on_order(name):
    hashes = {graph_hash(shuffled(KNOWN[name], np.random.default_rng(seed))) for seed in range(5)}
    assert hashes == {graph_hash(KNOWN[name])}


@slow_examples(max_examples=300)
@given(graphs(most_nodes=4), st.integers(0, 2**32))
def test_graphs_are_told_apart_where_no_order_makes_one_the_other(one, seed):
    rng = np.random.default_rng(seed)
    other = shuffled(edited(one, rng), rng)
    assert same_graph(one, other) == isomorphic(one, other)


def test_all_small_graphs_are_told_apart_as_by_trying_all_orders():
    nodes = [Node("tanh", (source,)) for source in range(4)] + [Node(LINEAR, (source,)) for source in range(4)]
    nodes += [Node(op, pair) for op in ("add", "subtract") for pair in itertools.product(range(4), repeat=2)]
    found = []
    for pair in itertools.product(nodes, repeat=2):
        try:
            found.append(Graph(1, pair, (3,)).pruned())
        except InputError:
            continue
    classes = {}
    for graph in found:
        classes.setdefault(graph_hash(graph), []).append(graph)
    firsts = [members[0] for members in classes.values()]
    assert all(isomorphic(members[0], other) for members in classes.values() for other in members)
    assert not any(isomorphic(one, other) for one, other in itertools.combinations(firsts, 2))


def test_known_cells_are_all_different():
    assert len({graph_hash(graph) for graph in KNOWN.values()}) == len(KNOWN)
    assert len({function_hash(graph) for graph in KNOWN.values()}) == len(KNOWN)


def test_two_linears_of_one_vector_are_two():
    once = Graph(1, (Node(LINEAR, (1,)), Node("multiply", (2, 2))), (3,))
    twice = Graph(1, (Node(LINEAR, (1,)), Node(LINEAR, (1,)), Node("multiply", (2, 3))), (4,))
    assert not same_graph(once, twice)
    assert function_hash(once) != function_hash(twice)


x, h = Node(LINEAR, (1,)), Node(LINEAR, (0,))
SAME_FUNCTION = {
    "relu of a sigmoid": (
        Graph(1, (x, h, Node("add", (2, 3)), Node("sigmoid", (4,))), (5,)),
        Graph(1, (x, h, Node("add", (2, 3)), Node("sigmoid", (4,)), Node("relu", (5,))), (6,)),
    ),
    "brackets": (
        Graph(1, (x, h, x, Node("subtract", (2, 3)), Node("subtract", (5, 4))), (6,)),
        Graph(1, (x, h, x, Node("add", (3, 4)), Node("subtract", (2, 5))), (6,)),
    ),
    "a relu twice": (
        Graph(1, (x, h, Node("relu", (2,)), Node("add", (3, 4))), (5,)),
        Graph(1, (x, h, Node("relu", (2,)), Node("relu", (4,)), Node("add", (3, 5))), (6,)),
    ),
}


@pytest.mark.parametrize("name", SAME_FUNCTION)
def test_what_differs_in_form_only_has_the_same_function(name):
    one, other = SAME_FUNCTION[name]
    assert not same_graph(one, other)
    assert function_hash(one) == function_hash(other)


def test_graphs_without_weights_have_one_function_hash_where_they_compute_the_same():
    nodes = [Node(op, (source,)) for op in ("relu", "tanh", "sigmoid") for source in range(4)]
    nodes += [Node(op, pair) for op in ELEMENTWISE for pair in itertools.combinations(range(4), 2)]
    state, x = np.random.default_rng(1).normal(size=(2, 500, 2))
    of_hash, hash_of = {}, {}
    for pair in itertools.product(nodes, repeat=2):
        try:
            graph = Graph(1, pair, (3,))
        except InputError:
            continue
        new = np.round(evaluate(graph, [state], x, {})[0], 9).tobytes()
        assert of_hash.setdefault(function_hash(graph), new) == new
        assert hash_of.setdefault(new, function_hash(graph)) == function_hash(graph)
    assert len(of_hash) > 50


def test_a_relu_that_few_inputs_feel_is_another_function():
    seen = (Node(LINEAR, (0,)), Node(LINEAR, (1,)), Node(LINEAR, (3,)), Node("add", (2, 4)))
    without = Graph(1, (*seen, Node("subtract", (5, 1))), (6,))
    with_relu = Graph(1, (*seen, Node("relu", (4,)), Node("add", (2, 6)), Node("subtract", (7, 1))), (8,))
    assert function_hash(without) != function_hash(with_relu)


def test_hashes_of_graphs_with_more_orders_than_are_tried_do_not_depend_on_order():
    nodes, total = [Node(LINEAR, (1,)) for _ in range(11)], 2
    for index in range(3, 13):
        nodes.append(Node("add", (total, index)))
        total = 1 + len(nodes)
    graph = Graph(1, (*nodes, Node("tanh", (total,))), (total + 1,))
    shuffles = [shuffled(graph, np.random.default_rng(seed)) for seed in range(3)]
    assert {function_hash(other) for other in shuffles} == {function_hash(graph)}


def test_hashes_neither_warn_nor_depend_on_how_numbers_are_printed():
    squared = [Node("add", (0, 1))] + [Node("multiply", (index, index)) for index in range(2, 13)]
    assert function_hash(Graph(1, squared, (13,))) == function_hash(Graph(1, squared, (13,)))
    before = function_hash(KNOWN["rnn"])
    with np.printoptions(precision=2):
        assert function_hash(KNOWN["rnn"]) == before


# ---- mutations


@slow_examples(max_examples=150)
@given(st.sampled_from(sorted(KNOWN)), st.integers(0, 2**32))
def test_mutants_are_valid_new_and_in_order(name, seed):
    other = shuffled(KNOWN[name], np.random.default_rng(0))
    assert mutate(other, np.random.default_rng(seed)) == mutate(KNOWN[name], np.random.default_rng(seed))
    mutant = mutate(KNOWN[name], np.random.default_rng(seed))
    assert mutant is not None  # a graph that is none could not be made
    assert mutant == canonical(mutant)
    assert graph_hash(mutant) != graph_hash(KNOWN[name])
    assert mutant.x in mutant.live()
    assert mutate(KNOWN[name], np.random.default_rng(seed)) == mutant
    again = mutate(KNOWN[name], np.random.default_rng(seed), known={graph_hash(mutant)})
    assert graph_hash(again) != graph_hash(mutant)


def test_mutants_of_mutants_stay_within_their_size():
    rng, graph = np.random.default_rng(0), KNOWN["gru"]
    for _ in range(50):
        graph = mutate(graph, rng, most_nodes=25) or KNOWN["gru"]
        assert len(graph.nodes) <= 25
    assert mutate(KNOWN["lstm"], rng, most_nodes=0) is None


def test_the_same_seed_gives_the_same_mutants_in_another_process():
    code = (
        "import numpy as np; from keras_rnncap.graphs import known_graphs, mutate, graph_hash\n"
        "for n in range(5): print(graph_hash(mutate(known_graphs()['gru'], np.random.default_rng(n))))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    here = [graph_hash(mutate(KNOWN["gru"], np.random.default_rng(seed))) for seed in range(5)]
    assert told.stdout.split() == here


def only(transformation, index, seed=0):
    """What one transformation makes of `CELL`."""
    draft = _Draft(CELL, np.random.default_rng(seed))
    transformation(draft, index)
    return draft.graph()


CELL = Graph(
    1,
    (Node(LINEAR, (0,)), Node(LINEAR, (1,)), Node("add", (2, 3)), Node("tanh", (4,)), Node("multiply", (1, 5))),
    (6,),
)
"""Its output depends on the input whatever becomes of its first four nodes, 2 to 5."""


def test_each_transformation_does_what_the_paper_says():
    activation, elementwise, insert, remove, ancestor, combine = TRANSFORMATIONS
    changed = {only(activation, 5, seed).nodes[3] for seed in range(100)}
    linears = {Node(LINEAR, (4,), a) for a in (0.0, 1.0, 0.9, 1.1)}
    assert changed == {Node(op, (4,)) for op in ("tanh", "sigmoid", "relu")} | linears
    assert only(activation, 4) == CELL
    assert {only(elementwise, 4, seed).nodes[2].op for seed in range(20)} == {"multiply", "subtract"}
    assert only(elementwise, 5) == CELL
    for seed in range(20):
        inserted = only(insert, 5, seed)
        assert len(inserted.nodes) == 6
        between = inserted.node(inserted.inputs_of(inserted.inputs_of(inserted.outputs[0])[1])[0])
        assert (between.op, between.a) in {(node.op, node.a) for node in changed}
        assert between.inputs == (4,)
    assert only(remove, 5) == Graph(1, (*CELL.nodes[:3], Node("multiply", (1, 4))), (5,))
    assert only(remove, 4) == CELL  # it has two inputs
    for transformation in (ancestor, combine):
        made = [only(transformation, 5, seed) for seed in range(100)]
        now = [graph.inputs_of(graph.outputs[0])[1] for graph in made]
        if transformation is ancestor:
            assert {*now} == {0, 1, 2, 3, 4}  # three nodes, the state and the input
        else:
            # The tanh stays where the other ancestor would depend on it.
            assert {graph.node(index).op for graph, index in zip(made, now, strict=True)} == {*ELEMENTWISE, "tanh"}


def test_a_node_that_is_used_more_than_once_is_not_removed():
    *_, remove, _, _ = TRANSFORMATIONS
    twice = _Draft(Graph(1, (Node("tanh", (1,)), Node("add", (2, 2))), (3,)), np.random.default_rng(0))
    remove(twice, 2)
    assert sorted(twice.nodes) == [2, 3]


def test_a_combination_never_closes_a_cycle():
    *_, combine = TRANSFORMATIONS
    for seed, index in itertools.product(range(100), (2, 3, 4, 5)):
        only(combine, index, seed)  # `Graph.from_nodes` raises where there is one


# ---- recipes


def test_recipes_of_other_ops_or_without_an_output_are_named():
    with pytest.raises(InputError, match="h_new_0"):
        from_recipe({"a": {"op": "linear", "input": ["x"]}})
    with pytest.raises(InputError, match="op of h_new_0 must be one of"):
        from_recipe({"h_new_0": {"op": "softmax", "input": ["x"]}})
    with pytest.raises(InputError, match="must have the op and the input of every name"):
        from_recipe({"h_new_0": {"op": "linear", "input": ["b"]}})
    with pytest.raises(InputError, match="must not be those of states and input; got x"):
        from_recipe({"h_new_0": {"op": "linear", "input": ["x"]}, "x": {"op": "linear", "input": ["h_prev_0"]}})
    with pytest.raises(InputError, match="must be 3 names"):
        from_recipe({"h_new_0": {"op": "blend", "input": ["x", "x"]}})
    with pytest.raises(InputError, match="no cycle"):
        from_recipe({"h_new_0": {"op": "linear", "input": ["b"]}, "b": {"op": "linear", "input": ["h_new_0"]}})


def test_a_recipe_computes_what_it_says():
    recipe = {
        "z": {"op": "activation_sigm", "input": ["x"]},
        "c": {"op": "activation_leaky_relu", "input": ["h_prev_1"]},
        "h_new_0": {"op": "blend", "input": ["z", "h_prev_0", "c"]},
        "h_new_1": {"op": "elementwise_sum", "input": ["x", "h_prev_0"]},
    }
    x, h, g = np.random.default_rng(0).normal(size=(3, 5, 2))
    z = 1 / (1 + np.exp(-x))
    new = evaluate(from_recipe(recipe), [h, g], x, {})
    np.testing.assert_allclose(new[0], z * h + (1 - z) * np.where(g > 0, g, 0.01 * g))
    np.testing.assert_allclose(new[1], x + h)
