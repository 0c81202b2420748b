"""A picture of a cell that is a graph."""

import numpy as np
from matplotlib.figure import Figure

from keras_rnncap.analysis.style import new_figure, plain
from keras_rnncap.graphs import Graph
from keras_rnncap.graphs.graph import LINEAR

SIGNS = {"multiply": "\N{MULTIPLICATION SIGN}", "add": "+", "subtract": "\N{MINUS SIGN}", "leaky_relu": "leaky relu"}
SWEEPS = 8
"""Over the layers, each of which is ordered by the places of those beside it."""


def compute_layout(graph: Graph) -> dict[int, tuple[float, float]]:
    """Returns the place of each index: height is the longest way from a state or the input; few lines cross."""
    heights = graph.depths()
    users: dict[int, list[int]] = {index: [] for index in graph.indices}
    for index in graph.indices:
        for source in graph.inputs_of(index):
            users[source].append(index)
    layers = [[i for i in graph.indices if heights[i] == height] for height in range(max(heights) + 1)]
    across = {index: place - (len(layer) - 1) / 2 for layer in layers for place, index in enumerate(layer)}
    for sweep in range(SWEEPS):
        for layer in layers[:: 1 if sweep % 2 else -1]:
            beside = graph.inputs_of if sweep % 2 else users.__getitem__
            wanted = {i: float(np.mean([across[j] for j in beside(i)])) if beside(i) else across[i] for i in layer}
            layer.sort(key=lambda index: (wanted[index], index))
            across |= {index: place - (len(layer) - 1) / 2 for place, index in enumerate(layer)}
    return {index: (across[index], float(heights[index])) for index in graph.indices}


def label_of(graph: Graph, index: int) -> str:
    """Returns how an index is shown: `h`, `s1` and so on, `x`, an operation, or `linear, a = 0.9`.

    Example:
    >>> from keras_rnncap.graphs import known_graphs
    >>> [label_of(known_graphs()["rnn"], index) for index in range(6)]
    ['h', 'x', 'linear', 'linear', '+', 'tanh']
    """
    node = graph.node(index)
    if node is None:
        return "x" if index == graph.x else "h" if index == 0 else f"s{index}"
    if node.op == LINEAR and node.a:
        return f"linear, a = {node.a:g}"
    return SIGNS.get(node.op, node.op)


def plot_graph(graph: Graph, title: str = "") -> Figure:
    """Draws a cell from its states and the input, below, to its new states, with a prime.

    Of a difference, the line of what is subtracted is dashed. Look for: gates, products of a sigmoid with something
    that comes from a state; paths from a state to its new value that pass no matrix.
    """
    places = compute_layout(graph)
    across = [place[0] for place in places.values()]
    height = max(place[1] for place in places.values())
    figure, (axes,) = new_figure(1, 2 + 1.1 * (max(across) - min(across) + 1), 1.2 + 0.75 * height)
    for index in graph.indices:
        node = graph.node(index)
        for order, source in enumerate(node.inputs if node else ()):
            style = "--" if node and node.op == "subtract" and order else "-"
            arrow = {"arrowstyle": "-|>", "color": "0.4", "shrinkA": 12, "shrinkB": 12, "linestyle": style}
            if node and node.inputs.count(source) == 2:
                arrow["connectionstyle"] = f"arc3,rad={0.3 if order else -0.3}"
            axes.annotate("", places[index], places[source], arrowprops=arrow)
        color = {LINEAR: "#88CCEE"}.get(node.op, "#DDDDDD") if node else "#FFFFFF"
        box = {"boxstyle": "round", "facecolor": color, "edgecolor": "0.3"}
        axes.text(*places[index], label_of(graph, index), ha="center", va="center", fontsize="small", bbox=box)
    for state, output in enumerate(graph.outputs):
        x, y = places[output]
        offset = 0.42 + 0.3 * graph.outputs[:state].count(output)
        axes.text(x, y + offset, f"{label_of(graph, state)}'", ha="center", va="center", fontweight="bold")
    axes.set(xlim=(min(across) - 0.8, max(across) + 0.8), ylim=(-0.6, height + 0.9), title=plain(title))
    axes.set_axis_off()
    return figure
