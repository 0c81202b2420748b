"""Known cells as graphs, and a short way to write others."""

from keras_rnncap.graphs.graph import LINEAR, Graph, Node


class Sketch:
    """Nodes that are written one after another; each method returns the index of its result.

    Args:
        states: How many states the graph has: indices 0 to before `states`; the input is `x`.

    Example:
    >>> sketch = Sketch(1)
    >>> sketch.graph(sketch.apply("tanh", sketch.affine(0, sketch.x))).outputs
    (5,)
    """

    def __init__(self, states: int) -> None:
        self.x = states
        self._nodes: list[Node] = []

    def apply(self, op: str, *inputs: int, a: float = 0.0) -> int:
        """Adds a node."""
        self._nodes.append(Node(op, inputs, a))
        return self.x + len(self._nodes)

    def affine(self, *inputs: int) -> int:
        """Adds the sum of a `"linear"` of each."""
        total = self.apply(LINEAR, inputs[0])
        for index in inputs[1:]:
            total = self.apply("add", total, self.apply(LINEAR, index))
        return total

    def blend(self, gate: int, kept: int, new: int) -> int:
        """Adds `gate * kept + (1 - gate) * new`."""
        return self.apply("add", new, self.apply("multiply", gate, self.apply("subtract", kept, new)))

    def graph(self, *outputs: int) -> Graph:
        """Returns the graph with these new states."""
        return Graph(self.x, tuple(self._nodes), outputs)


def _rnn() -> Graph:
    sketch = Sketch(1)
    return sketch.graph(sketch.apply("tanh", sketch.affine(0, sketch.x)))


def _ugrnn() -> Graph:
    sketch = Sketch(1)
    c = sketch.apply("tanh", sketch.affine(0, sketch.x))
    return sketch.graph(sketch.blend(sketch.apply("sigmoid", sketch.affine(0, sketch.x)), 0, c))


def _gru() -> Graph:
    sketch = Sketch(1)
    u, r = (sketch.apply("sigmoid", sketch.affine(0, sketch.x)) for _ in range(2))
    c = sketch.apply("tanh", sketch.affine(sketch.apply("multiply", r, 0), sketch.x))
    return sketch.graph(sketch.blend(u, 0, c))


def _lstm(output: str, gates: str = "ifo") -> Graph:
    """Returns an LSTM whose output gate is a sigmoid or a tanh, with all gates or without one."""
    sketch = Sketch(2)
    c_in = sketch.apply("tanh", sketch.affine(0, sketch.x))
    ops = {"i": "sigmoid", "f": "sigmoid", "o": output}
    i, f, o = (sketch.apply(ops[gate], sketch.affine(0, sketch.x)) if gate in gates else None for gate in "ifo")
    added = c_in if i is None else sketch.apply("multiply", i, c_in)
    kept = 1 if f is None else sketch.apply("multiply", f, 1)
    c = sketch.apply("add", kept, added)
    h = sketch.apply("tanh", c)
    return sketch.graph(h if o is None else sketch.apply("multiply", o, h), c)


def _mut1() -> Graph:
    sketch = Sketch(1)
    z = sketch.apply("sigmoid", sketch.affine(sketch.x))
    r = sketch.apply("sigmoid", sketch.affine(sketch.x, 0))
    seen = sketch.apply("tanh", sketch.x)
    c = sketch.apply("tanh", sketch.apply("add", sketch.affine(sketch.apply("multiply", r, 0)), seen))
    return sketch.graph(sketch.blend(z, c, 0))


def _mut2() -> Graph:
    sketch = Sketch(1)
    z = sketch.apply("sigmoid", sketch.affine(sketch.x, 0))
    r = sketch.apply("sigmoid", sketch.apply("add", sketch.x, sketch.affine(0)))
    c = sketch.apply("tanh", sketch.affine(sketch.apply("multiply", r, 0), sketch.x))
    return sketch.graph(sketch.blend(z, c, 0))


def _mut3() -> Graph:
    sketch = Sketch(1)
    z = sketch.apply("sigmoid", sketch.affine(sketch.x, sketch.apply("tanh", 0)))
    r = sketch.apply("sigmoid", sketch.affine(sketch.x, 0))
    c = sketch.apply("tanh", sketch.affine(sketch.apply("multiply", r, 0), sketch.x))
    return sketch.graph(sketch.blend(z, c, 0))


def known_graphs() -> dict[str, Graph]:
    """Returns the graphs of cells of this package, by their names; forget biases are 0.

    A graph adds up a `"linear"` of each vector, each with a bias, where the cell has one bias for the sum.

    Example:
    >>> len(known_graphs()["gru"].linears())
    6
    """
    return {
        "rnn": _rnn(),
        "ugrnn": _ugrnn(),
        "gru": _gru(),
        "lstm": _lstm("sigmoid"),
        "tanh-lstm": _lstm("tanh"),
        "lstm-i": _lstm("tanh", "fo"),
        "lstm-o": _lstm("tanh", "if"),
        "lstm-f": _lstm("tanh", "io"),
        "mut1": _mut1(),
        "mut2": _mut2(),
        "mut3": _mut3(),
    }
