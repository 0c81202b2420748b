"""Tasks on long streams, read in windows of which each begins where the one before it ended."""

import abc
import functools
import itertools
import math
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from keras_rnncap.datasets.generated import one_hot, split_number
from keras_rnncap.datasets.task import Batch, Judged, Sample, Split, Task, predict
from keras_rnncap.errors import InputError

LENGTH = 35
ROWS = 20
"""Rows in which a held-out stream is read."""


class StreamTask(Task):
    """Base of the tasks on streams.

    Source: Jozefowicz et al. (2015), section 3.5: "we used a minibatch of size 20, and unrolled the RNNs for 35
    timesteps", each minibatch continuing where the one before it ended, with the state that it left.

    A stream is cut into as many rows as a batch has, of equal length; batch number i holds the i-th window of each. A
    stateful model carries its state from batch to batch; any other starts each window from its initial state. Scores
    read a held-out stream in the same way, every step once, in 20 rows, or in as many as a stateful model has. The
    information is in bits per scored step.
    """

    source = "Jozefowicz et al. 2015, section 3.5"
    length = LENGTH
    return_sequences = True
    carries_state = True
    score_direction = "min"
    validation_limit = 20_000

    @abc.abstractmethod
    def stream(self, split: Split, seed: int | None, epoch: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Returns a split's stream, one entry a step, and the weight of predicting each entry, `None` where all count.

        All epochs have the same number of steps. Scores are measured on the stream without a seed, of epoch 0.
        """

    @abc.abstractmethod
    def vectors(self, entries: np.ndarray) -> np.ndarray:
        """Returns a stretch of the stream as inputs, `(..., input_dim)`, float32."""

    @property
    def scored_steps(self) -> int:
        """How many steps of a window are scored, on average."""
        _, weights = self._stream("train", 0, 0)
        return self.length if weights is None else max(1, round(self.length * float(weights.mean())))

    # ---- windows

    @functools.lru_cache(maxsize=32)  # noqa: B019  a task lives as long as its process; models of a sweep have one each
    def _stream(self, split: Split, seed: int | None, epoch: int) -> tuple[np.ndarray, np.ndarray | None]:
        split_number(split)  # an error if there is none
        return self.stream(split, seed, epoch)

    def windows_per_epoch(self, batch_size: int, split: Split = "train") -> int:
        """Returns the number of batches in which a split is read once."""
        entries, _ = self._stream(split, 0, 0)
        if len(entries) <= batch_size * self.length:
            raise InputError(
                f"batch_size={batch_size} is too large: the {split} split of {self.data} has {len(entries):,} steps, "
                f"of which each row of a batch takes {self.length}"
            )
        return (len(entries) - 1) // batch_size // self.length

    def _window(self, stream: tuple[np.ndarray, np.ndarray | None], rows: int, number: int, width: int) -> Any:
        entries, weights = stream
        places = np.arange(rows)[:, np.newaxis] * width + number * self.length + np.arange(self.length + 1)
        window = entries[places]
        batch = (np.ascontiguousarray(window[:, :-1]), np.ascontiguousarray(window[:, 1:]))
        return batch if weights is None else (*batch, weights[places[:, 1:]])

    def batches(self, batch_size: int, seed: int, start: int = 0, split: Split = "train") -> Iterator[Batch]:
        """Yields windows without end, in order; batch number `i` depends on `seed` and `i` alone."""
        for entries, *others in self.packed_batches(batch_size, seed, start, split):
            yield (self.vectors(entries), *others)

    def packed_batches(self, batch_size: int, seed: int, start: int = 0, split: Split = "train") -> Iterator[Batch]:
        """Yields the same windows with entries of the stream as inputs."""
        per_epoch = self.windows_per_epoch(batch_size, split)
        for step in itertools.count(start):
            epoch, number = divmod(step, per_epoch)
            yield self._window(self._stream(split, seed, epoch), batch_size, number, per_epoch * self.length)

    def sample(self, rng: np.random.Generator, size: int, split: Split = "train") -> Sample:
        """Draws windows at random places of a split's first stream."""
        entries, _ = self._stream(split, 0, 0)
        places = rng.integers(0, len(entries) - self.length, size)[:, np.newaxis] + np.arange(self.length + 1)
        window = entries[places]
        return Sample(self.vectors(window[:, :-1]), np.ascontiguousarray(window[:, 1:]))

    # ---- scores

    def judged(self, model: keras.Model, split: Split, limit: int | None) -> Iterator[Judged]:
        """Yields a model's outputs for the windows of a split, or of its first `limit` steps."""
        entries, weights = self._stream(split, None, 0)
        total = min(limit or len(entries), len(entries) - 1)
        rows = model.input_shape[0] or min(ROWS, total)  # a stateful model has a batch size of its own
        width = math.ceil(math.ceil(total / rows) / self.length) * self.length
        # Padded to whole windows; what is padded does not count.
        steps = np.arange(rows * width + 1)
        places = np.minimum(steps, total)
        counts = np.where(steps <= total, 1.0, 0.0)
        stream = entries[places], counts if weights is None else counts * weights[places]
        _reset(model)
        for number in range(width // self.length):
            inputs, targets, weight = self._window(stream, rows, number, width)
            yield targets, predict(model, self.vectors(inputs)), weight
        _reset(model)


class SymbolStream(StreamTask):
    """Base of the streams of symbols: one-hot inputs, and the next symbol as the target; the score is in bits."""

    def score_of(self, loss: float) -> float:
        """Returns bits."""
        return loss / math.log(2)

    def vectors(self, entries: np.ndarray) -> np.ndarray:
        """Returns one-hot vectors."""
        return one_hot(entries, self.input_dim)

    def unpack(self, packed: Any) -> Any:
        """Returns symbols as one-hot vectors."""
        import tensorflow as tf

        return tf.one_hot(packed, self.input_dim)

    def baselines(self, split: Split = "test") -> dict[str, float]:
        """Returns what models score that know nothing, or the frequencies (one added to each count) in training."""
        train, scored = self._stream("train", 0, 0)
        predicted = train[1:] if scored is None else train[1:][scored[1:] > 0]
        counts = np.bincount(predicted, minlength=self.output_dim) + 1.0
        entries, weights = self._stream(split, None, 0)
        nats = -np.log(counts / counts.sum())[entries[1:]]
        mean = np.average(nats, weights=None if weights is None else weights[1:])
        return {"uniform": self.chance_score, "unigram": self.score_of(float(mean))}


def _reset(model: keras.Model) -> None:
    for layer in model.layers:
        if getattr(layer, "stateful", False):
            layer.reset_state()
