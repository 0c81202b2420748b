"""Sequences of good, bad and stop words, and a rule that says what they mean."""

import functools
import math
from collections.abc import Iterator

import keras
import numpy as np

from keras_rnncap.datasets.answers import Symbols, YesOrNo
from keras_rnncap.datasets.generated import GeneratedTask, split_number
from keras_rnncap.datasets.task import Sample, Split
from keras_rnncap.errors import InputError, check_integer, check_seed, unknown

STOP, POSITIVE, NEGATIVE = 6, 2, 2
"""Numbers of words: ids 0 to 5 are stop words, 6 and 7 positive, 8 and 9 negative."""
WORDS = STOP + POSITIVE + NEGATIVE
SIZES = (8_000, 2_000, 3_000)
LONGEST = WIDEST = 1_000
RULES = ("count", "first", "xor")


class SentimentSequences(GeneratedTask):
    """Whether a sequence of words is positive, by one of three rules.

    Source: Mehta, section III A: ten words, of which 6 are stop words, 2 positive and 2 negative, in sequences of
    length 10; 8,000, 2,000 and 3,000 for training, validation and test. `count`: there are more positive than negative
    words; `first`: the first word that is no stop word is positive; `xor`: the first two such words differ. Words are
    drawn uniformly; sequences of which the rule says nothing are drawn anew, and all are distinct. The information is
    in bits per answer.

    Words are one-hot inputs, which the first matrix embeds, and the answer is one logit. The paper's models have word
    vectors of `word_dim` numbers, here fixed draws from N(0, 1), and `classes=2` logits for a softmax.

    One sample, with stop words as dots: `. + . - . . - . . .` is negative by `count`, positive by `first` and `xor`.

    Args:
        rule: `"count"`, `"first"` or `"xor"`.
        length: Words of a sequence, at most 1,000; longer ones test whether a model generalizes.
        seed: Seed of the sequences and of word vectors.
        word_dim: Numbers of a word vector, at most 1,000; 0 for one-hot inputs.
        classes: 1, for one logit, or 2.

    Example:
    >>> task = SentimentSequences("xor")
    >>> [len(task.words(split)) for split in ("train", "validation", "test")]
    [8000, 2000, 3000]
    """

    name = "sentiment"
    source = "Mehta, section III A"
    return_sequences = False
    score_name = "accuracy"
    score_direction = "max"
    input_dim, output_dim = WORDS, 1
    chance_score = 0.5
    infeasible_above = 2 * math.log(2)

    def __init__(
        self, rule: str = "count", length: int = 10, seed: int = 0, word_dim: int = 0, classes: int = 1
    ) -> None:
        if rule not in RULES:
            raise unknown("rule", rule, RULES)
        self.rule = rule
        self.length = check_integer("length", length, 1, LONGEST)
        self.seed = check_seed(seed)
        if WORDS**length < 10 * sum(SIZES):
            raise InputError(f"length must be at least 6, for {sum(SIZES):,} distinct sequences; got {length}")
        self.classes = self.output_dim = check_integer("classes", classes, 1, 2)
        self.word_dim = check_integer("word_dim", word_dim, 0, WIDEST)
        self.vectors = np.eye(WORDS, dtype="float32")
        words = ""
        if self.word_dim:
            self.input_dim = self.word_dim
            drawn = np.random.default_rng([self.seed, 1, self.input_dim]).normal(size=(WORDS, self.input_dim))
            self.vectors, words = drawn.astype("float32"), f", words of {word_dim}"
        answers = ", two logits" if self.output_dim == 2 else ""
        self.data = f"{self.name} ({self.rule}, length {self.length}{words}{answers}, seed {self.seed})"

    @functools.cached_property
    def _words_and_labels(self) -> tuple[np.ndarray, np.ndarray]:
        rng, words = np.random.default_rng([self.seed, 0]), np.zeros((0, self.length), np.int64)
        while len(words) < sum(SIZES):
            more = rng.integers(0, WORDS, (2 * sum(SIZES), self.length))
            words = np.concatenate([words, more[self.labels(more) != 0]])
            words = words[np.sort(np.unique(words, axis=0, return_index=True)[1])]
        words = words[: sum(SIZES)]
        return words, self.labels(words)

    def labels(self, words: np.ndarray) -> np.ndarray:
        """Returns +1 or -1 for each row of word ids, 0 where the rule says nothing."""
        signs = (words >= STOP).astype(int) - 2 * (words >= STOP + POSITIVE)
        if self.rule == "count":
            return np.sign(signs.sum(axis=1))
        number = np.cumsum(signs != 0, axis=1) * (signs != 0)
        first, second = (signs * (number == 1)).sum(axis=1), (signs * (number == 2)).sum(axis=1)
        return first if self.rule == "first" else -first * second

    def words(self, split: Split) -> np.ndarray:
        """Returns the word ids of a split, `(samples, length)`."""
        return self._of(split)[0]

    def _of(self, split: Split) -> tuple[np.ndarray, np.ndarray]:
        number = split_number(split)
        rows = slice(sum(SIZES[:number]), sum(SIZES[: number + 1]))
        words, labels = self._words_and_labels
        return words[rows], labels[rows]

    def sample(self, rng: np.random.Generator, size: int, split: Split = "train") -> Sample:
        """Draws sequences of a split with replacement."""
        return self._rows(split, rng.integers(0, SIZES[split_number(split)], size))

    def _rows(self, split: Split, rows: np.ndarray) -> Sample:
        words, labels = self._of(split)
        targets = (labels[rows, np.newaxis] > 0).astype("int32" if self.output_dim == 2 else "float32")
        return Sample(self.vectors[words[rows]], targets)

    def held_out(self, split: Split, samples: int | None = None) -> Iterator[Sample]:
        """Yields the sequences of a split in order, at most so many."""
        total = min(samples or SIZES[split_number(split)], SIZES[split_number(split)])
        for first in range(0, total, 500):
            yield self._rows(split, np.arange(first, min(first + 500, total)))

    def fresh(self, seed: int, samples: int) -> Iterator[Sample]:
        """Yields the test split, which is all there is."""
        del seed, samples
        return self.held_out("test")

    def loss(self) -> keras.losses.Loss:
        """Returns the cross-entropy of the logits."""
        if self.output_dim == 2:
            return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        return keras.losses.BinaryCrossentropy(from_logits=True)

    def answers(self) -> Symbols:
        """Returns the labels."""
        return Symbols(2) if self.output_dim == 2 else YesOrNo()

    def sample_scores(self, targets: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        """Returns for each sample whether the answer is right; a logit of 0, or two equal ones, are half right."""
        if self.output_dim == 2:
            logits = outputs.reshape(-1, 2)
            outputs = logits[:, 1:] - logits[:, :1]
        right = (outputs > 0) == (targets > 0.5)
        return np.where(outputs == 0, 0.5, right & np.isfinite(outputs))[:, 0].astype(float)

    def worked_example(self, seed: int = 0) -> str:
        """Returns a few samples as text."""
        rows = np.random.default_rng(seed).integers(0, SIZES[0], 6)
        words, labels = self._of("train")
        text = np.array(["."] * STOP + ["+"] * POSITIVE + ["-"] * NEGATIVE)
        answers = {1: "positive", -1: "negative"}
        return "\n".join(f"{' '.join(text[words[row]])}   {answers[int(labels[row])]}" for row in rows)
