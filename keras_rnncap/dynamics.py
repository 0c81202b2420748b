"""What a trained cell does with its state: its paths, how long it remembers, and its fixed points."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_rnncap.errors import InputError

SLOW = 1e-6
"""The speed below which a state counts as a fixed point."""
SAME = 1e-2
"""Fixed points at a smaller distance are one."""
STEP = 1e-3
"""Of the central differences from which linearizations come."""


class FixedPoints(NamedTuple):
    """States that an input leaves as they are, about.

    Attributes:
        points: `(points, size)`: all states of the cell, joined in the order of `declare_states`.
        speeds: `|F(h) - h|^2 / 2` of each, `(points,)`.
        eigenvalues: Those of the linearization of F at each, largest first, `(points, size)`, complex.
    """

    points: np.ndarray
    speeds: np.ndarray
    eigenvalues: np.ndarray

    @property
    def stable(self) -> np.ndarray:
        """Whether all eigenvalues of each are within the unit circle, `(points,)`."""
        return np.abs(self.eigenvalues[:, 0]) < 1 if len(self.points) else np.zeros(0, bool)


def cell_of(model: keras.Model) -> Any:
    """Returns the cell of a model with one recurrent layer; raises `InputError` where it has several or none."""
    cells = [layer.cell for layer in model.layers if hasattr(layer, "cell")]
    if len(cells) != 1:
        raise InputError(f"the model must have one recurrent layer with a cell; got {len(cells)}")
    return cells[0]


def next_states(cell: Any, inputs: np.ndarray, states: np.ndarray) -> np.ndarray:
    """Returns the states of a cell after one step, joined, `(batch, size)`."""
    sizes = cell.state_size if isinstance(cell.state_size, list | tuple) else [cell.state_size]
    parts = np.split(states.astype("float32"), np.cumsum(sizes)[:-1], axis=1)
    new = cell(np.broadcast_to(inputs, (len(states), inputs.shape[-1])).astype("float32"), parts)[1]
    new = list(new) if isinstance(new, list | tuple) else [new]
    return np.concatenate([keras.ops.convert_to_numpy(part) for part in new], axis=1).astype(float)


def state_paths(model: keras.Model, inputs: np.ndarray) -> np.ndarray:
    """Returns the states before the first step and after each, `(batch, time + 1, size)`.

    Args:
        model: A model with one recurrent layer.
        inputs: `(batch, time, input_dim)`.

    Example:
    >>> from keras_rnncap.models import sequence_model
    >>> state_paths(sequence_model("lstm", 3, input_dim=2, output_dim=1), np.zeros((4, 5, 2))).shape
    (4, 6, 6)
    """
    cell = cell_of(model)
    start = cell.get_initial_state(batch_size=len(inputs))
    start = list(start) if isinstance(start, list | tuple) else [start]
    paths = [np.concatenate([keras.ops.convert_to_numpy(part) for part in start], axis=1).astype(float)]
    for at_t in np.moveaxis(inputs, 1, 0):
        paths.append(next_states(cell, at_t, paths[-1]))
    return np.stack(paths, axis=1)


def linearization(cell: Any, inputs: np.ndarray, states: np.ndarray) -> np.ndarray:
    """Returns the derivatives of a cell's step by its state, `(batch, size, size)`, by central differences."""
    batch, size = states.shape
    shifts = STEP * np.concatenate([np.eye(size), -np.eye(size)])
    shifted = (states[:, None] + shifts).reshape(-1, size)
    after = next_states(cell, inputs, shifted).reshape(batch, 2, size, size)
    return ((after[:, 0] - after[:, 1]) / (2 * STEP)).swapaxes(1, 2)


def fixed_points(
    model: keras.Model, inputs: np.ndarray, starts: np.ndarray, iterations: int = 200, slow: float = SLOW
) -> FixedPoints:
    """Finds states that an input leaves as they are, from states that were visited.

    The speed `|F(h) - h|^2 / 2` (Sussillo and Barak 2013) is made small by the method of Levenberg and Marquardt from
    each start; ends below `slow` are fixed points, and of those closer together than 0.01 one is kept.

    Args:
        model: A model with one recurrent layer, whose states are joined as vectors.
        inputs: The input, `(input_dim,)`.
        starts: States, joined, `(starts, size)`.
        iterations: Steps of the method at most.
        slow: The largest speed of a fixed point.

    Example:
    >>> from keras_rnncap.models import sequence_model
    >>> model = sequence_model("rnn", 2, input_dim=1, output_dim=1, cell_options={"recurrent_initializer": "zeros"})
    >>> found = fixed_points(model, np.zeros(1), np.random.default_rng(0).normal(size=(5, 2)))
    >>> np.abs(found.points).round(3).tolist(), found.stable.tolist()
    ([[0.0, 0.0]], [True])
    """
    cell, h = cell_of(model), np.array(starts, float)
    damping = np.full(len(h), 1e-2)
    gap = next_states(cell, inputs, h) - h
    for _ in range(iterations):
        matrix = linearization(cell, inputs, h) - np.eye(h.shape[1])
        normal = np.einsum("bij,bik->bjk", matrix, matrix) + damping[:, None, None] * np.eye(h.shape[1])
        step = np.linalg.solve(normal, -np.einsum("bij,bi->bj", matrix, gap)[..., None])[..., 0]
        tried = next_states(cell, inputs, h + step) - (h + step)
        better = (tried**2).sum(axis=1) < (gap**2).sum(axis=1)
        h, gap = np.where(better[:, None], h + step, h), np.where(better[:, None], tried, gap)
        damping = np.clip(np.where(better, damping / 3, damping * 4), 1e-9, 1e9)
        if (damping >= 1e9).all():
            break
    speeds = (gap**2).sum(axis=1) / 2
    kept: list[int] = []
    for place in np.argsort(speeds, kind="stable"):
        if speeds[place] < slow and all(np.linalg.norm(h[place] - h[other]) > SAME for other in kept):
            kept.append(int(place))
    points = h[kept]
    values = np.linalg.eigvals(linearization(cell, inputs, points)) if kept else np.zeros((0, h.shape[1]), complex)
    order = np.argsort(-np.abs(values), axis=1, kind="stable")
    return FixedPoints(points, speeds[kept], np.take_along_axis(values, order, axis=1))


def steps_until_wrong(right: np.ndarray) -> np.ndarray:
    """Returns after how many further steps an answer is wrong for the first time; NaN where it never is.

    Args:
        right: Whether the answer is right at each time step, `(..., time)`.

    Example:
    >>> steps_until_wrong(np.array([[True, True, False, True], [True, True, True, True]])).tolist()
    [2.0, nan]
    """
    return np.where(right.all(axis=-1), np.nan, right.argmin(axis=-1))


def cosines(weights: np.ndarray) -> np.ndarray:
    """Returns the cosine of each update with the whole one, `(..., updates)`: Mehta, eq. 7.

    0 where an update, or the whole, is zero.

    Args:
        weights: Parameter vectors before the first update and after each, `(..., updates + 1, parameters)`.

    Example:
    >>> cosines(np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])).round(3).tolist()
    [0.707, 0.707]
    """
    updates = np.diff(weights.astype(float), axis=-2)
    whole = (weights[..., -1:, :] - weights[..., :1, :]).astype(float)
    product = np.linalg.norm(updates, axis=-1) * np.linalg.norm(whole, axis=-1)
    dots = (updates * whole).sum(axis=-1)
    return np.divide(dots, product, out=np.zeros_like(dots), where=product > 0)


def roughness(curve: Sequence[float] | np.ndarray) -> float:
    """Returns by how much a curve bends: the mean absolute change of its slope; 0 for a straight line, however steep.

    Example:
    >>> roughness([0.0, 1.0, 2.0]), roughness([0.0, 1.0, 0.0])
    (0.0, 2.0)
    """
    return float(np.abs(np.diff(curve, 2)).mean()) if len(curve) > 2 else 0.0
