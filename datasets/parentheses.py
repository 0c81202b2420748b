"""Parentheses counting: ten streams of brackets and noise, and how many are open at the end."""

import itertools
import math
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from keras_rnncap.datasets.answers import Symbols
from keras_rnncap.datasets.generated import GeneratedTask, one_hot, split_generator
from keras_rnncap.datasets.losses import SumOfCrossEntropies
from keras_rnncap.datasets.task import Batch, Sample, Split, check_sample
from keras_rnncap.errors import InputError, check_integer

NOISE = "abcdefghij"
PAIRS = ("()", "[]", "{}", "<>", "«»", "⟪⟫", "⟨⟩", "⟦⟧", "⌈⌉", "⌊⌋")
"""Ten kinds of brackets; the paper names the first, second and fourth."""
SYMBOLS = NOISE + "".join(PAIRS)
COUNTS = 10


class ParenthesesCounting(GeneratedTask):
    """Counts, in each of ten independent streams, the brackets of one kind that are open.

    Source: Collins et al. (2017), appendix B: 10 streams, one for each kind of bracket, of 20 brackets and 10 noise
    characters, one-hot, 300 inputs in all; at each step a noise character or a bracket, 50% each. Brackets of other
    kinds are noise to a stream. The count of its own goes up when one opens, stays at 9, and down when one closes, not
    below 0. After T = 175 steps the network answers with ten counts; the loss is the sum of ten cross-entropies, and
    the score the same, in nats. The information is in bits per answer, of all streams, which are independent.

    One stream of kind `<>`: `(a<a<bcb>[[[]]`, count 1.

    Args:
        length: T.
        streams: Number of streams, 1 to 10.

    Example:
    >>> task = ParenthesesCounting()
    >>> task.input_dim, task.output_dim, round(task.chance_score, 2)
    (300, 100, 23.03)
    """

    name = "parentheses"
    usual_params = 5_000
    source = "Collins et al. 2017, appendix B"
    return_sequences = False
    score_name = "cross_entropy_nats"
    score_direction = "min"
    test_samples = 5_000

    def __init__(self, length: int = 175, streams: int = 10) -> None:
        self.streams = check_integer("streams", streams, 1)
        if streams > len(PAIRS):
            raise InputError(f"streams must be at most {len(PAIRS)}, one for each kind of bracket; got {streams}")
        self.length, self.input_dim = check_sample(length, self.streams * len(SYMBOLS))
        self.output_dim = self.streams * COUNTS
        self.data = f"{self.name} ({self.streams} streams of {self.length})"

    def draw(self, rng: np.random.Generator, size: int) -> np.ndarray:
        """Draws symbols, places in `SYMBOLS`, `(size, length, streams)`."""
        shape = (size, self.length, self.streams)
        noise, brackets = len(NOISE), len(SYMBOLS) - len(NOISE)
        drawn = rng.integers(0, 2 * noise * brackets, shape, dtype=np.uint16)  # 50% noise, 50% brackets
        return np.where(drawn % 2 == 0, drawn // 2 % noise, noise + drawn // 2 % brackets).astype(np.int64)

    def count(self, symbols: np.ndarray) -> np.ndarray:
        """Returns the open brackets of each stream's own kind, `(size, streams)`."""
        opens = len(NOISE) + 2 * np.arange(self.streams)
        change = (symbols == opens).astype(np.int8) - (symbols == opens + 1)
        counts = np.zeros((len(symbols), self.streams), np.int8)
        for step in range(symbols.shape[1]):
            counts += change[:, step]
            np.maximum(np.minimum(counts, COUNTS - 1, out=counts), 0, out=counts)  # np.clip takes four times as long
        return counts.astype("int32")

    def sample(self, rng: np.random.Generator, size: int, split: Split = "train") -> Sample:
        """Draws streams; all splits have the same distribution."""
        symbols = self.draw(split_generator(rng, split), size)
        hot = one_hot(symbols, len(SYMBOLS)).reshape(size, self.length, self.input_dim)
        return Sample(hot, self.count(symbols))

    def packed_batches(self, batch_size: int, seed: int, start: int = 0, split: Split = "train") -> Iterator[Batch]:
        """Yields the same batches with places in `SYMBOLS` as inputs."""
        for step in itertools.count(start):
            symbols = self.draw(split_generator(np.random.default_rng([seed, step]), split), batch_size)
            yield symbols, self.count(symbols)

    def unpack(self, packed: Any) -> Any:
        """Returns symbols as one-hot vectors, all streams side by side."""
        import tensorflow as tf

        return tf.reshape(tf.one_hot(packed, len(SYMBOLS)), (*packed.shape[:-1], self.input_dim))

    def loss(self) -> keras.losses.Loss:
        """Returns the sum of the streams' cross-entropies in nats, a mean over samples."""
        return SumOfCrossEntropies(self.streams, COUNTS)

    def answers(self) -> Symbols:
        """Returns the counts of each stream."""
        return Symbols(COUNTS, self.streams)

    def sample_scores(self, targets: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        """Returns the sum of the streams' cross-entropies for each sample, in nats."""
        return self.answers().losses(targets, outputs).sum(axis=1)

    def baselines(self, split: Split = "test") -> dict[str, float]:
        """Returns what models score that find all counts equally likely, or know their `frequencies`."""
        return {"uniform": self.chance_score, "frequencies": sum(self.target_entropies(split))}

    def worked_example(self, seed: int = 0) -> str:
        """Returns a sample as text: the streams one below the other, and the count of each."""
        symbols = self.draw(np.random.default_rng(seed), 1)
        counts = self.count(symbols)[0]
        lines = [f"kind  {f'stream, the last of {self.length} steps':60s}  count"]
        for stream in range(self.streams):
            text = "".join(SYMBOLS[symbol] for symbol in symbols[0, :, stream])[-60:]
            lines.append(f"{PAIRS[stream]}    {text:60s}  {counts[stream]}")
        return "\n".join(lines)

    @property
    def chance_score(self) -> float:
        """All counts equally likely."""
        return self.streams * math.log(COUNTS)

    @property
    def infeasible_above(self) -> float:
        """For each stream, 1 nat above the loss of the uniform distribution."""
        return self.streams * (math.log(COUNTS) + 1)
