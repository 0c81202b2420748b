"""What settings of a small model's weights answer without any training, for millions of settings."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_rnncap.errors import InputError
from keras_rnncap.population.forward import Level, Template
from keras_rnncap.population.slots import CannotShareError

SETTINGS = 4
"""Settings that are computed together: as many as fit beside each other in a core's cache."""


def prefix_levels(words: np.ndarray) -> list[Level]:
    """Returns the prefixes of sequences by length, each once while they are fewer than half of the sequences.

    From then on, and in the last level at the latest, the prefixes are those of all sequences, one by one.

    Args:
        words: Word numbers, from 0, `(sequences, length)`.

    Example:
    >>> levels = prefix_levels(np.array([[1, 0], [1, 2], [1, 0]]))
    >>> [(level.parents.tolist(), level.words.tolist()) for level in levels]
    [([0], [1]), ([0, 0, 0], [0, 2, 0])]
    """
    base, place = int(words.max()) + 1, np.zeros(len(words), int)
    levels: list[Level] = []
    for step, column in enumerate(words.T, 1):
        if levels and levels[-1].words.size == len(words):
            levels.append(Level(None, column))
            continue
        pairs, shared = np.unique(place * base + column, return_inverse=True)
        if step < words.shape[1] and 2 * len(pairs) < len(words):
            levels.append(Level(pairs // base, pairs % base))
            place = shared
        else:
            levels.append(Level(place, column))
    return levels


class UntrainedModels(keras.Model):
    """The accuracies of models of one shape, each with a setting of all weights, on the same sequences of words.

    Settings are the members of a population, and sequences with a short common prefix share its states.

    Args:
        model: A model as populations take it, with a readout of two logits after the last word.
        vectors: The vector of each word, `(words, input_dim)`.
        words: Word numbers of the sequences, `(sequences, length)`.
        labels: The right answer to each sequence, 0 or 1, `(sequences,)`.

    Raises:
        CannotShareError: If the model is not of that kind.

    Example:
    >>> from keras_rnncap.models import sequence_model
    >>> model = sequence_model("gru", 2, input_dim=3, output_dim=2)
    >>> untrained = UntrainedModels(model, np.eye(3), np.array([[0, 1], [2, 1]]), np.array([0, 1]))
    >>> untrained.accuracies(np.zeros((16, model.count_params()))).tolist()[:2]
    [0.5, 0.5]
    """

    def __init__(self, model: keras.Model, vectors: np.ndarray, words: np.ndarray, labels: np.ndarray) -> None:
        super().__init__(name="untrained_models")
        if model.output_shape != (None, 2):
            raise CannotShareError(f"the model must have two logits after the last word; got {model.output_shape}")
        self._template = Template(model)
        self._numbers = np.repeat(self._template.numbers(model, False, 1)[None], SETTINGS, axis=0)
        self._vectors, self._levels = np.asarray(vectors, "float32"), prefix_levels(np.asarray(words))
        self._labels = np.where(np.asarray(labels) > 0, 1.0, -1.0).astype("float32")
        self.compile(jit_compile=True)

    def rows_of(self, settings: np.ndarray) -> np.ndarray:
        """Returns settings, all weights raveled one after the other, as rows of a population."""
        slots = self._template.slots
        stretches = np.split(np.arange(sum(slot.size for slot in slots)), np.cumsum([slot.size for slot in slots])[:-1])
        order = [slot.to_row(each.reshape(slot.shape)) for slot, each in zip(slots, stretches, strict=True)]
        return settings[:, np.concatenate(order)]

    def accuracies(self, settings: np.ndarray) -> np.ndarray:
        """Returns the fraction of sequences that each setting answers rightly, undecided ones half, `(settings,)`.

        Args:
            settings: The trainable weights of the model in order, each raveled; `(settings, parameters)`, of which the
                first is a multiple of 4.
        """
        if len(settings) % SETTINGS or settings.shape[1] != (size := sum(slot.size for slot in self._template.slots)):
            raise InputError(f"settings must be (a multiple of {SETTINGS}, {size}); got {settings.shape}")
        rows = self.rows_of(settings).astype("float32")
        return np.ravel(self.predict_on_batch(rows.reshape(-1, SETTINGS, size)))

    def call(self, blocks: Any) -> Any:
        """Returns the accuracies of settings `(blocks, 4, parameters)` as `(blocks, 4)`."""
        return ops.map(self._of_block, blocks)

    def _of_block(self, rows: Any) -> Any:
        logits = self._template.prefixes(rows, ops.convert_to_tensor(self._numbers), self._vectors, self._levels)
        return ops.mean(0.5 + 0.5 * ops.sign(logits[..., 1] - logits[..., 0]) * self._labels, axis=1)


def uniform_settings(seed: int, chunk: int, count: int, model: keras.Model, limit: float) -> np.ndarray:
    """Returns settings of all weights drawn uniformly from [-limit, limit], `(count, parameters)`."""
    return np.random.default_rng([seed, chunk]).uniform(-limit, limit, (count, model.count_params())).astype("float32")
