"""What settings of a small model's weights answer without any training, for millions of settings."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from keras_rnncap.cells import CellWeights, RecurrentCell
from keras_rnncap.cells.base import places_of_learned
from keras_rnncap.errors import InputError
from keras_rnncap.population.slots import CannotShareError, layers_of, slots_of

SETTINGS = 64
"""Settings that are computed together: as many as fit beside each other in a core's cache."""


class Level(NamedTuple):
    """The distinct prefixes of one length.

    Attributes:
        parents: Index of each one's prefix without the last word, among those of the level before.
        words: Its last word.
    """

    parents: np.ndarray
    words: np.ndarray


def prefix_levels(words: np.ndarray) -> tuple[list[Level], np.ndarray]:
    """Returns the distinct prefixes of sequences by length, and which prefix of the last level each sequence is.

    Args:
        words: Word numbers, from 0, `(sequences, length)`.

    Example:
    >>> levels, leaves = prefix_levels(np.array([[1, 0], [1, 2], [1, 0]]))
    >>> [level.words.tolist() for level in levels], leaves.tolist()
    ([[1], [0, 2]], [0, 1, 0])
    """
    base, place, levels = int(words.max()) + 1, np.zeros(len(words), int), []
    for column in words.T:
        pairs, place = np.unique(place * base + column, return_inverse=True)
        levels.append(Level(pairs // base, pairs % base))
    return levels, place


class UntrainedModels(keras.Model):
    """The accuracies of models of one shape, each with a setting of all weights, on the same sequences of words.

    Sequences with a common prefix share its states, and all settings are computed with one expression whose last axis
    is the setting: matrices of a few units are too small for matrix products.

    Args:
        model: One layer `keras.layers.RNN` with a cell whose states are vectors, and a readout of two logits.
        vectors: The vector of each word, `(words, input_dim)`.
        words: Word numbers of the sequences, `(sequences, length)`.
        labels: The right answer to each sequence, 0 or 1, `(sequences,)`.

    Raises:
        CannotShareError: If the model is not of that kind.

    Example:
    >>> from keras_rnncap.models import sequence_model
    >>> model = sequence_model("gru", 2, input_dim=3, output_dim=2)
    >>> untrained = UntrainedModels(model, np.eye(3), np.array([[0, 1], [2, 1]]), np.array([0, 1]))
    >>> untrained.accuracies(np.zeros((64, model.count_params()))).tolist()[:2]
    [0.5, 0.5]
    """

    def __init__(self, model: keras.Model, vectors: np.ndarray, words: np.ndarray, labels: np.ndarray) -> None:
        super().__init__(name="untrained_models")
        self._slots, layers = slots_of(model), layers_of(model)
        if len(layers) != 2 or layers[1].units != 2:
            raise CannotShareError("settings without training are of models with one recurrent layer and two logits")
        self._cell: RecurrentCell = layers[0].cell
        if any(len(state.shape) > 1 for state in self._cell.declare_states()):
            raise CannotShareError(f"the states of {type(self._cell).__name__} must be vectors")
        self._levels, leaves = prefix_levels(words)
        self._vectors = np.asarray(vectors, "float32").T[:, :, None]
        counts = np.bincount(leaves, minlength=len(self._levels[-1].words))
        ones = np.bincount(leaves, np.asarray(labels, float), minlength=len(counts))
        # The fraction of all sequences that end at each last prefix and have the label 0, and 1.
        self._right = tuple(np.asarray(right, "float32")[:, None] / len(words) for right in (counts - ones, ones))
        self.compile(jit_compile=True)

    def accuracies(self, settings: np.ndarray) -> np.ndarray:
        """Returns the fraction of sequences that each setting answers rightly, undecided ones half, `(settings,)`.

        Args:
            settings: The trainable weights of the model in order, each raveled; `(settings, parameters)`, of which the
                first is a multiple of 64.
        """
        if len(settings) % SETTINGS or settings.shape[1] != (size := sum(slot.size for slot in self._slots)):
            raise InputError(f"settings must be (a multiple of {SETTINGS}, {size}); got {settings.shape}")
        blocks = settings.astype("float32").reshape(-1, SETTINGS, settings.shape[1])
        return np.ravel(self.predict_on_batch(blocks.transpose(0, 2, 1)))

    def call(self, blocks: Any) -> Any:
        """Returns the accuracies of settings `(blocks, parameters, 64)` as `(blocks, 64)`."""
        return ops.map(self._of_block, blocks)

    def _of_block(self, block: Any) -> Any:
        cuts = np.cumsum([slot.size for slot in self._slots])[:-1].tolist()
        weights = [
            (slot.layer, slot.name, ops.reshape(part, (*slot.shape, SETTINGS)))
            for slot, part in zip(self._slots, ops.split(block, cuts, axis=0), strict=True)
        ]
        cell, readout = ({name: weight for at, name, weight in weights if at == layer} for layer in (0, 1))
        w = ManySettings(self._cell, cell)
        x = self._cell.project(self._vectors, w)
        products: dict[str, Any] = {}
        states = w.initial_states()
        w.run(x, states, products)  # once for each word: what is a product with x is kept
        for level in self._levels:
            here = {name: ops.take(product, level.words, axis=1) for name, product in products.items()}
            before = tuple(ops.take(state, level.parents, axis=1) for state in states)
            states = w.run(ops.take(x, level.words, axis=1), before, here)
        logits = affine(readout["kernel"], states[0])
        if "bias" in readout:
            logits = logits + readout["bias"][:, None]
        difference, (zeros, ones) = logits[1] - logits[0], self._right
        undecided = (zeros + ones) / 2
        right = ops.where(difference > 0, ones, ops.where(difference < 0, zeros, undecided))
        return ops.sum(right, axis=0)


class ManySettings(CellWeights):
    """The algebra of a cell for many settings of its weights; vectors are `(features, prefixes, settings)`.

    Args:
        cell: The cell.
        weights: Its weights by name, `(*shape, settings)` each.
    """

    features = -3

    def __init__(self, cell: RecurrentCell, weights: Mapping[str, Any]) -> None:
        super().__init__(cell)
        self._weights = weights
        self._x: Any = None
        self._products: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        """Returns a weight, `(*shape, 1, settings)`."""
        return ops.expand_dims(self._weights[name], -2)

    def matmul(self, name: str, x: Any, first: int = 0, last: int | None = None) -> Any:
        """Returns `W x`."""
        if first or last is not None:
            return affine(self._weights[name][:, first:last], x)
        if x is not self._x:
            return affine(self._weights[name], x)
        if name not in self._products:
            self._products[name] = affine(self._weights[name], x)
        return self._products[name]

    def number(self, name: str) -> Any:
        """Returns the attribute of the cell."""
        return getattr(self._cell, name)

    def activation(self, a: Any) -> Any:
        """Returns `s(a)`."""
        return self._cell.activation(a)

    def initial_states(self) -> tuple[Any, ...]:
        """Returns the states before the first word, of one prefix: the empty one."""
        states, learned = self._cell.declare_states(), self._weights.get("initial_state")
        starts = []
        for state, place in zip(states, places_of_learned(states), strict=True):
            start = ops.zeros((*state.shape, 1, SETTINGS))
            if learned is not None and place is not None:
                start = start + ops.reshape(learned[place], (*state.shape, 1, SETTINGS))
            starts.append(start)
        return tuple(starts)

    def run(self, x: Any, states: tuple[Any, ...], products: dict[str, Any]) -> tuple[Any, ...]:
        """Returns the states after a word; products of weights with x are taken from `products`, or added to it."""
        self._x, self._products = x, products
        return tuple(self._cell.step(x, states, self))


def affine(kernel: Any, x: Any) -> Any:
    """Returns `W x` of matrices `(inputs, outputs, settings)` and vectors `(inputs, prefixes, settings)`."""
    return sum(kernel[place][:, None] * x[place][None] for place in range(kernel.shape[0]))


def uniform_settings(seed: int, chunk: int, count: int, model: keras.Model, limit: float) -> np.ndarray:
    """Returns settings of all weights drawn uniformly from [-limit, limit], `(count, parameters)`."""
    size = sum(slot.size for slot in slots_of(model))
    return np.random.default_rng([seed, chunk]).uniform(-limit, limit, (count, size)).astype("float32")
