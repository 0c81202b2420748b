"""Graphs of the recipes of NAS-Bench-NLP, Klyuchnikov et al. (2020)."""

import graphlib
from collections.abc import Mapping
from typing import Any

from keras_rnncap.errors import InputError
from keras_rnncap.graphs.graph import Graph
from keras_rnncap.graphs.known import Sketch

OPS = {
    "activation_tanh": "tanh",
    "activation_sigm": "sigmoid",
    "activation_leaky_relu": "leaky_relu",
    "elementwise_sum": "add",
    "elementwise_prod": "multiply",
}
COUNTS = {"blend": 3, "elementwise_sum": 2, "elementwise_prod": 2}
"""Inputs of operations that do not have one; `linear` has any number."""


def from_recipe(recipe: Mapping[str, Mapping[str, Any]]) -> Graph:
    """Returns the graph of a recipe.

    `linear` of several vectors is the sum of one `"linear"` of each, and `blend` of z, a and b is z a + (1 - z) b.

    Args:
        recipe: For each name `op` and `input`, a list of names, of `"x"` and of `"h_prev_K"`; `h_new_K` are the new
            states.

    Raises:
        InputError: If it is no such recipe.

    Example:
    >>> from keras_rnncap.graphs import known_graphs, same_graph
    >>> affine = {"op": "linear", "input": ["x", "h_prev_0"]}
    >>> recipe = {"a": affine, "h_new_0": {"op": "activation_tanh", "input": ["a"]}}
    >>> same_graph(from_recipe(recipe), known_graphs()["rnn"])
    True
    """
    count = 0
    while f"h_new_{count}" in recipe:
        count += 1
    if not count:
        raise InputError(f"recipe must have h_new_0; got {', '.join(recipe) or 'nothing'}")
    sketch = Sketch(count)
    index = {"x": sketch.x} | {f"h_prev_{state}": state for state in range(count)}
    if taken := sorted({*index} & {*recipe}):
        raise InputError(f"names of steps must not be those of states and input; got {', '.join(taken)}")
    try:
        order = graphlib.TopologicalSorter({name: step["input"] for name, step in recipe.items()}).static_order()
        for name in order:
            if name not in index:
                inputs = [index[each] for each in recipe[name]["input"]]
                index[name] = _add(sketch, name, str(recipe[name]["op"]), inputs)
    except (KeyError, TypeError) as error:
        raise InputError(f"recipe must have the op and the input of every name that is used; got {error!r}") from error
    except graphlib.CycleError as error:
        raise InputError(f"recipe must have no cycle; got {error.args[1]}") from error
    return sketch.graph(*(index[f"h_new_{state}"] for state in range(count)))


def _add(sketch: Sketch, name: str, op: str, inputs: list[int]) -> int:
    """Adds a step of a recipe; returns the index of its result."""
    if op not in (*OPS, "linear", "blend"):
        raise InputError(f"op of {name} must be one of {', '.join((*OPS, 'linear', 'blend'))}; got {op!r}")
    if op == "linear" and inputs:
        return sketch.affine(*inputs)
    if len(inputs) != (count := COUNTS.get(op, 1)):
        raise InputError(f"input of {name}, {op}, must be {count} names; got {len(inputs)}")
    return sketch.blend(*inputs) if op == "blend" else sketch.apply(OPS[op], *inputs)
