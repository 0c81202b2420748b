"""Tasks whose samples are drawn anew whenever they are needed, and how samples are divided among the splits."""

from collections.abc import Callable, Iterable, Iterator

import keras
import numpy as np

from keras_rnncap.datasets.task import Judged, Sample, Split, Task, predict
from keras_rnncap.errors import InputError

SPLITS: tuple[Split, ...] = ("train", "validation", "test")
EVALUATION = 2017
"""Entropy of the generators of samples that scores are measured on, so that these are always the same."""
BATCH = 250


class GeneratedTask(Task):
    """Base of the tasks whose samples come from a generator: a score is a mean over a fixed set of fresh samples."""

    test_samples = 10_000
    """Samples that a score on a whole split is measured on."""
    validation_limit = 1_000

    def sample_scores(self, targets: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        """Returns the score of each sample, given a model's outputs for them: unless said otherwise, its mean loss."""
        return self.answers().losses(targets, outputs).mean(axis=-1)

    def held_out(self, split: Split, samples: int | None = None) -> Iterator[Sample]:
        """Yields the samples that scores are measured on, in batches."""
        return self._drawn(split, samples or self.test_samples, split_number(split))

    def fresh(self, seed: int, samples: int) -> Iterator[Sample]:
        """Yields test samples of a seed's own, in batches; a task whose test split is a fixed set yields that."""
        return self._drawn("test", samples, len(SPLITS), seed)

    def _drawn(self, split: Split, samples: int, *entropy: int) -> Iterator[Sample]:
        for number, first in enumerate(range(0, samples, BATCH)):
            rng = np.random.default_rng([EVALUATION, *entropy, number])
            yield self.sample(rng, min(BATCH, samples - first), split)

    def judged(self, model: keras.Model, split: Split, limit: int | None) -> Iterator[Judged]:
        """Yields a model's outputs for samples of a split; for so many, or for `test_samples`."""
        for inputs, targets in self.held_out(split, limit):
            weights = None if self.mask is None else np.broadcast_to(self.mask, targets.shape)
            yield targets, predict(model, inputs), weights

    def measures_of(self, judged: Iterable[Judged]) -> dict[str, float]:
        """Returns all that outputs show; the score is the mean of `sample_scores`."""
        answers, scores = self.answers(), []
        for targets, outputs, weights in judged:
            answers.add(targets, outputs, weights)
            scores.append(self.sample_scores(targets, outputs))
        return answers.measures() | {self.score_name: float(np.mean(np.concatenate(scores)))}

    def target_entropies(self, split: Split) -> list[float]:
        """Returns the loss in nats of each column of targets where only the classes' frequencies are known."""
        targets = np.concatenate([batch.targets for batch in self.held_out(split)])
        frequencies = [np.bincount(column) / len(targets) for column in targets.T]
        return [float(-(p[p > 0] * np.log(p[p > 0])).sum()) for p in frequencies]


def split_number(split: Split) -> int:
    """Returns the place of a split in train, validation, test; raises `InputError` if there is no such split."""
    if split not in SPLITS:
        raise InputError(f"split must be train, validation or test; got {split!r}")
    return SPLITS.index(split)


def split_generator(rng: np.random.Generator, split: Split) -> np.random.Generator:
    """Returns a generator seeded from another one and the split, so that no two splits draw the same."""
    return np.random.default_rng([split_number(split) + 1, *rng.integers(2**63, size=2).tolist()])


def split_of(keys: np.ndarray) -> np.ndarray:
    """Returns the number of the split of each sample, given an integer key of each: 0 in 8 of 10.

    The keys are mixed (SplitMix64), so that neighbours belong to different splits.

    Example:
    >>> np.bincount(split_of(np.arange(100_000))).tolist()
    [79946, 10080, 9974]
    """
    z = keys.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    tenth = (z ^ (z >> np.uint64(31))) % np.uint64(10)
    return np.where(tenth == 8, 1, np.where(tenth == 9, 2, 0))


def draw_of_split(
    size: int, split: Split, draw: Callable[[int], np.ndarray], key: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Returns `size` rows of `draw(size)` whose `key` belongs to a split, drawn until there are enough."""
    number, rows = split_number(split), draw(0)
    while len(rows) < size:
        more = draw(max(16, 2 * (size - len(rows)) * (1 if number == 0 else 8)))
        rows = np.concatenate([rows, more[split_of(key(more)) == number]])
    return rows[:size]


def one_hot(ids: np.ndarray, classes: int) -> np.ndarray:
    """Returns ids as one-hot vectors along a new last axis, float32."""
    hot = np.zeros((ids.size, classes), "float32")
    hot[np.arange(ids.size), ids.ravel()] = 1.0
    return hot.reshape(*ids.shape, classes)


def symbol_ids(text: bytes, symbols: str) -> np.ndarray:
    """Returns the place of each character of a text among some symbols, uint8."""
    return np.frombuffer(text.translate(bytes.maketrans(symbols.encode(), bytes(range(len(symbols))))), np.uint8)


def spread(vectors: np.ndarray, length: int, every_step: bool = False) -> np.ndarray:
    """Returns vectors as inputs, `(batch, length, input_dim)`: at the first of some time steps, or at every one."""
    inputs = np.zeros((len(vectors), length, vectors.shape[1]), "float32")
    inputs[:, : length if every_step else 1] = vectors[:, np.newaxis]
    return inputs
