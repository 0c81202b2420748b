"""A recurrent network in NumPy, as the papers write it: column vectors, and a matrix with a name for each gate.

Nothing here comes from keras_rnncap. The equations stand in the cells' tests.
"""

import itertools

import keras
import numpy as np


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def relu(a):
    return np.maximum(a, 0)


S = {"tanh": np.tanh, "relu": relu, "linear": lambda a: a}
"""The choices for s()."""


class Weights:
    """Random W^kh, W^kx, b^k of all gates k; `weights("k", h, x)` is W^kh h + W^kx x + b^k.

    Not every gate need have all of them: then equations take `weights.h["k"]`, `weights.x["k"]` and `weights.b["k"]`.
    """

    def __init__(self, gates, learned, units, input_dim, width, seed, kernel_gates=None, recurrent_gates=None):
        rng = np.random.default_rng(seed)
        self.gates = gates
        recurrent_gates = gates if recurrent_gates is None else recurrent_gates
        self.h = {k: 0.5 * rng.normal(size=(units, units)) for k in recurrent_gates}
        self.x = {k: 0.7 * rng.normal(size=(units, width)) for k in kernel_gates or gates}
        self.b = {k: 0.8 * rng.normal(size=(units, 1)) for k in gates}
        self.initial = {name: rng.normal(size=(units, 1)) for name in learned}
        self.projection = None if width == input_dim else rng.normal(size=(width, input_dim))

    def __call__(self, k, h, x):
        return self.h[k] @ h + self.x[k] @ x + self.b[k]

    def install(self, cell):
        """Assigns the weights to a built cell, in the layout that its documentation states."""
        cell.kernel.assign(np.hstack([matrix.T for matrix in self.x.values()]))
        if self.h:
            cell.recurrent_kernel.assign(np.hstack([matrix.T for matrix in self.h.values()]))
        if cell.use_bias:
            cell.bias.assign(np.hstack([self.b[k].T for k in self.gates])[0])
        if cell.learned_initial_state:
            cell.initial_state.assign(np.hstack(list(self.initial.values())).T)
        if self.projection is not None:
            cell.projection.assign(self.projection.T)

    def without_bias(self):
        """Returns the same, all biases being 0."""
        copy = object.__new__(Weights)
        vars(copy).update(vars(self) | {"b": {k: np.zeros_like(b) for k, b in self.b.items()}})
        return copy

    def dropping(self, input_factors, state_factors):
        """Returns weights whose columns are multiplied: dropping x_i in W^x x is dropping column i of W^x."""
        copy = object.__new__(Weights)
        vars(copy).update(vars(self))
        copy.h = {k: matrix * state_factors for k, matrix in self.h.items()}
        if self.projection is None:
            copy.x = {k: matrix * input_factors for k, matrix in self.x.items()}
        else:
            copy.projection = self.projection * input_factors
        return copy


class Declared:
    """Random weights by name, `weights["kernel"]`, of cells that are not three matrices; they are (inputs, outputs).

    Args:
        shapes: Their shapes; those whose names are among `inputs` multiply the input, those among `recurrent` the
            state, and `biases` are what `use_bias` is for.
        initial: Sizes of the learned states, by name.
    """

    def __init__(self, shapes, inputs, recurrent, biases, initial, input_dim, width, seed, size):
        rng = np.random.default_rng(seed)
        self.named = {name: size * rng.normal(size=shape) for name, shape in shapes.items()}
        self.inputs, self.recurrent, self.biases = inputs, recurrent, biases
        self.initial = {name: rng.normal(size=(size, 1)) for name, size in initial.items()}
        self.projection = None if width == input_dim else rng.normal(size=(width, input_dim))

    def __getitem__(self, name):
        return self.named[name]

    def times(self, name, x):
        """Returns W x."""
        return self.named[name].T @ x

    def bias(self, name):
        """Returns a vector as a column."""
        return self.named[name].reshape(-1, 1)

    def install(self, cell):
        """Assigns the weights to a built cell."""
        for name, value in self.named.items():
            if cell.use_bias or name not in self.biases:
                getattr(cell, name).assign(value)
        if cell.learned_initial_state:
            starts = [start[:, 0] for start in self.initial.values()]
            same = len({len(start) for start in starts}) == 1
            cell.initial_state.assign(np.stack(starts) if same else np.concatenate(starts))
        if self.projection is not None:
            cell.projection.assign(self.projection.T)

    def without_bias(self):
        """Returns the same, all biases being 0."""
        return self._with(named={k: 0.0 * v if k in self.biases else v for k, v in self.named.items()})

    def dropping(self, input_factors, state_factors):
        """Returns weights as `Weights.dropping` does."""
        factors = dict.fromkeys(self.recurrent, state_factors)
        if self.projection is None:
            factors |= dict.fromkeys(self.inputs, input_factors)
        named = {k: v * factors[k][:, None] if k in factors else v for k, v in self.named.items()}
        return self._with(named=named, projection=None if self.projection is None else self.projection * input_factors)

    def _with(self, **changes):
        copy = object.__new__(Declared)
        vars(copy).update(vars(self) | changes)
        return copy


def run(step, weights, x, states, mask=None, go_backwards=False):
    """Runs `step(x, *states) -> states` over `x` (batch, time, features); returns outputs and last states.

    A masked step leaves the states and repeats the output before it, zeros at the start.
    """
    mask = np.ones(x.shape[:2], bool) if mask is None else mask
    if go_backwards:
        x, mask = x[:, ::-1], mask[:, ::-1]
    states = [np.broadcast_to(state, (len(state), len(x))) for state in states]
    y, outputs = np.zeros_like(states[0]), []
    for t in range(x.shape[1]):
        x_t = x[:, t].T if weights.projection is None else weights.projection @ x[:, t].T
        states = [np.where(mask[:, t], new, old) for new, old in zip(step(x_t, *states), states, strict=True)]
        y = np.where(mask[:, t], states[0], y)
        outputs.append(y.T)
    return np.stack(outputs, axis=1), [state.T for state in states]


def dropout_factors(size, rate):
    """All that a dropout mask of this size can be."""
    return [np.array(kept) / (1 - rate) for kept in itertools.product((0, 1), repeat=size)]


def array(tensor):
    return keras.ops.convert_to_numpy(tensor)


def assert_trains_like(ours, theirs, seed=0):
    """Checks two recurrent layers with kernel, recurrent_kernel and bias of one layout: outputs and all gradients.

    The gradient by the inputs is the one that a layer in front of both gets.
    """
    rng = np.random.default_rng(seed)
    x, target = rng.normal(size=(5, 6, 3)).astype("float32"), rng.normal(size=(5, 6, 4)).astype("float32")
    results = []
    for layer in (ours, theirs):
        front = keras.layers.Dense(3)
        model = keras.Sequential([keras.Input((6, 3)), front, layer])
        draw = np.random.default_rng(seed + 1)
        parts = [layer.cell.kernel, layer.cell.recurrent_kernel, layer.cell.bias, front.kernel, front.bias]
        for weight in parts:
            weight.assign(0.7 * draw.normal(size=weight.shape))
        outputs = array(model(x))
        model.compile(optimizer=keras.optimizers.SGD(1.0), loss="mse", run_eagerly=True)
        before = [array(weight) for weight in parts]
        model.train_on_batch(x, target)
        results.append((outputs, *(array(weight) - old for weight, old in zip(parts, before, strict=True))))
    for mine, other in zip(*results, strict=True):
        assert np.abs(other).max() > 1e-3
        np.testing.assert_allclose(mine, other, atol=1e-5)
