"""A cell whose equation is a graph of operations."""

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from keras_rnncap.cells.algebra import CellWeights, State, Weight
from keras_rnncap.cells.families import ProjectingCell
from keras_rnncap.errors import InputError
from keras_rnncap.graphs import Graph
from keras_rnncap.graphs.graph import LEAK, LINEAR

OPERATIONS: Mapping[str, Any] = {
    "tanh": ops.tanh,
    "sigmoid": ops.sigmoid,
    "relu": ops.relu,
    "leaky_relu": lambda a: ops.leaky_relu(a, negative_slope=LEAK),
    "multiply": ops.multiply,
    "add": ops.add,
    "subtract": ops.subtract,
}


@keras.saving.register_keras_serializable(package="keras_rnncap")
class GraphCell(ProjectingCell):
    """A cell that computes what a graph says: from its states and the input the new states, the first the output.

        Linear(a, v) = W v + a v + b    with a square matrix W and a bias b of its own

    Source: Jozefowicz, Zaremba, Sutskever (2015), section 3.2. Their a is on the diagonal of W when training starts;
    here it is added when the cell runs, and is no part of the stored W. Parts of the graph on which the output never
    depends are left out. Inputs of another width than `units` are projected.

    Weights: `kernel` `(units, k * units)`, the matrices of the k nodes that are applied to the input, side by side;
    `recurrent_kernel` likewise of those that are applied to states and to other nodes; `bias` of all; each in the order
    of `Graph.linears`; `initial_state`, a row for each state that is read; perhaps `projection` `(input_dim, units)`.
    Matrices start as those of other cells here; in the paper they start uniform and small, as `JozefowiczSpace` has it.

    Args:
        units: Size of each state.
        graph: A `keras_rnncap.graphs.Graph`, its `to_dict()`, or its `to_json()`.
        activation: Must be left out: activations are part of the graph.
        **kwargs: As for `ProjectingCell`.

    Example:
    >>> from keras_rnncap.graphs import known_graphs
    >>> tuple(keras.layers.RNN(GraphCell(4, known_graphs()["gru"]))(np.ones((32, 10, 8))).shape)
    (32, 4)
    """

    activations = ("linear",)
    recurrent_kinds = ("orthogonal", "normal")

    def __init__(
        self, units: int, graph: Graph | Mapping[str, Any] | str, activation: Any = "linear", **kwargs: Any
    ) -> None:
        super().__init__(units, activation=activation, **kwargs)
        if self.activation is not keras.activations.linear:
            raise InputError(f"activation must be left out, as the graph has its own; got {activation!r}")
        if isinstance(graph, str):
            graph = Graph.from_json(graph)
        self.graph = (graph if isinstance(graph, Graph) else Graph.from_dict(graph)).pruned()

    def _places(self) -> dict[str, list[int]]:
        """Returns the `"linear"` nodes of each weight."""
        graph = self.graph
        of_input = [index for index in graph.linears() if graph.inputs_of(index) == (graph.x,)]
        others = [index for index in graph.linears() if index not in of_input]
        return {"kernel": of_input, "recurrent_kernel": others, "bias": graph.linears() if self.use_bias else []}

    def declare_states(self) -> list[State]:
        """Returns the states of the graph; those that are not read start from zero."""
        graph = self.graph
        read = {source for index in graph.indices for source in graph.inputs_of(index)} | {*graph.outputs}
        names = ["hidden", *(f"state_{place}" for place in range(1, graph.states))]
        return [State(name, (self.units,), place in read) for place, name in enumerate(names)]

    def declare_weights(self, input_dim: int) -> list[Weight]:
        """Returns the matrices of the nodes that are applied to the input, those of the others, and a bias."""
        blocks = {name: tuple(map(str, places)) for name, places in self._places().items()}
        widths = {name: len(own) * self.units for name, own in blocks.items()}
        declared = [
            self.weight("kernel", (input_dim, widths["kernel"]), "kernel", blocks["kernel"], "input"),
            self.weight(name := "recurrent_kernel", (self.units, widths[name]), "recurrent", blocks[name], "state"),
            self.weight("bias", (widths["bias"],), "bias", blocks["bias"]),
        ]
        return [weight for weight in declared if weight.blocks]

    def step(self, x: Any, states: tuple[Any, ...], w: CellWeights) -> tuple[Any, ...]:
        """The graph."""
        values: list[Any] = [*states, x]
        linear: dict[int, Any] = {}
        for node in self.graph.nodes:
            inputs = [values[source] for source in node.inputs]
            if node.op != LINEAR:
                values.append(OPERATIONS[node.op](*inputs))
                continue
            if len(values) not in linear:
                linear |= self._linear_of(node.inputs[0], inputs[0], w)
            values.append(linear[len(values)] + node.a * inputs[0] if node.a else linear[len(values)])
        return tuple(values[place] for place in self.graph.outputs)

    def _linear_of(self, source: int, value: Any, w: CellWeights) -> dict[int, Any]:
        """Returns `W v + b` for all nodes that are applied to a vector, by their indices."""
        places, units = self._places(), self.units
        own = [index for index in self.graph.linears() if self.graph.inputs_of(index) == (source,)]
        name = "kernel" if source == self.graph.x else "recurrent_kernel"
        first, count = places[name].index(own[0]) * units, len(own) * units
        whole = len(own) == len(places[name])
        products = w.split(w.matmul(name, value, *(() if whole else (first, first + count))), len(own))
        if self.use_bias:
            biases = w.split(w["bias"], len(places["bias"]))
            products = [a + biases[places["bias"].index(index)] for index, a in zip(own, products, strict=True)]
        return dict(zip(own, products, strict=True))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "graph": self.graph.to_dict()}
