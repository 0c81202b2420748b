"""What a graph computes, in NumPy."""

from collections.abc import Mapping, Sequence

import numpy as np

from keras_rnncap.graphs.graph import LEAK, LINEAR, Graph


def apply(op: str, inputs: Sequence[np.ndarray]) -> np.ndarray:
    """Returns an operation other than `"linear"` of its inputs.

    Example:
    >>> apply("subtract", [np.array([3.0]), np.array([1.0])])
    array([2.])
    """
    a = inputs[0]
    if op == "tanh":
        return np.tanh(a)
    if op == "sigmoid":
        return 0.5 * (1 + np.tanh(0.5 * a))
    if op == "relu":
        return np.maximum(a, 0.0)
    if op == "leaky_relu":
        return np.maximum(a, LEAK * a)
    b = inputs[1]
    return {"multiply": np.multiply, "add": np.add, "subtract": np.subtract}[op](a, b)


def evaluate(
    graph: Graph, states: Sequence[np.ndarray], x: np.ndarray, weights: Mapping[int, tuple[np.ndarray, np.ndarray]]
) -> list[np.ndarray]:
    """Returns the new states of one time step.

    Args:
        graph: The graph.
        states: The states of the step before, each `(samples, units)`.
        x: The input, as wide.
        weights: W, `(units, units)` of inputs and outputs, and b of each `"linear"` by its index; a is added here.
    """
    values = [*states, x]
    for index in graph.indices[graph.x + 1 :]:
        node = graph.nodes[index - graph.x - 1]
        inputs = [values[source] for source in node.inputs]
        if node.op == LINEAR:
            matrix, bias = weights[index]
            values.append(inputs[0] @ matrix + node.a * inputs[0] + bias)
        else:
            values.append(apply(node.op, inputs))
    return [values[place] for place in graph.outputs]
