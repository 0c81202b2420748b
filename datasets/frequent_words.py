"""The next word of a text, among its most frequent words, for models too small for all words."""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np

from keras_rnncap.datasets.characters import PythonDocs
from keras_rnncap.datasets.corpus import decode
from keras_rnncap.datasets.penn_treebank import WORDS, PennTreebank, Words
from keras_rnncap.datasets.stream import SymbolStream
from keras_rnncap.datasets.task import Split
from keras_rnncap.errors import InputError, check_integer, unknown

OTHER = "<other>"
"""What stands for all words that are not among the most frequent."""
TEXTS = ("python-docs", "penn-treebank")


class FrequentWords(SymbolStream):
    """Predicts the next word of a text where it is one of the most frequent; the score is the perplexity.

    The task of Jozefowicz et al. (2015), section 3.5, at a size for models of some thousand parameters: their 10,000
    words take 20,000 parameters for each unit. Words that are not among the most frequent of the training split are
    read as `<other>`, and are not predicted: they have the weight 0. One-hot inputs.

    Args:
        text: `"python-docs"`, the words of Python's documentation as `PythonDocs` has it, or `"penn-treebank"`.
        vocabulary: Number of symbols, `<other>` included.

    Raises:
        InputError: If the text is unknown or cannot be had, or `vocabulary` is not in 3 to 10,000.

    Example:
    >>> task = FrequentWords(vocabulary=200)
    >>> task.input_dim, round(task.chance_score)
    (200, 200)
    """

    name = "frequent-words"
    usual_params = 10_000
    score_name = "perplexity"
    weighted: ClassVar[bool] = True
    perfect_score = 1.0

    def __init__(self, text: str = TEXTS[0], vocabulary: int = 200) -> None:
        if text not in TEXTS:
            raise unknown("text", text, TEXTS)
        self.text, self.vocabulary = text, check_integer("vocabulary", vocabulary, 3, WORDS)
        self.input_dim = self.output_dim = self.vocabulary
        self.words = most_frequent(_documentation() if text == TEXTS[0] else PennTreebank().words, self.vocabulary)

    @classmethod
    def load(cls, path: Path | None = None) -> "FrequentWords":
        """Returns the task; there is no file to name."""
        if path is not None:
            raise InputError(f"{cls.name} takes the text that text= names, not one from a file; got {path}")
        return cls()

    @property
    def data(self) -> str:
        """The text, its size, and how many words are told apart."""
        words = sum(map(len, self.words.splits.values()))
        return f"{self.text} ({words:,} words, {self.vocabulary} different)"

    def loaded(self) -> Iterator[np.ndarray]:
        """Yields the vocabulary and the words of each split."""
        yield np.frombuffer(" ".join(self.words.vocabulary).encode(), np.uint8)
        yield from self.words.splits.values()

    def stream(self, split: Split, seed: int | None, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns the words of a split; those of training from another place in each epoch, and round to it."""
        ids = self.words.splits[split]
        if split == "train" and seed is not None:
            ids = np.roll(ids, -int(np.random.default_rng([seed, epoch]).integers(len(ids))))
        return ids, (ids > 0).astype("float32")

    def score_of(self, loss: float) -> float:
        """Returns the perplexity."""
        return float(np.exp(loss))

    def worked_example(self, seed: int = 0) -> str:
        """Returns a window as text."""
        ids = self.words.splits["train"]
        first = int(np.random.default_rng(seed).integers(0, len(ids) - self.length))
        return " ".join(self.words.vocabulary[index] for index in ids[first : first + self.length + 1])


def most_frequent(words: Words, count: int) -> Words:
    """Returns a text of `count` symbols: `<other>`, with the id 0, and the most frequent words, those first.

    Of words that are equally frequent in the training split, the first in the alphabet count as more frequent.

    Raises:
        InputError: If the text has fewer words.
    """
    if len(words.vocabulary) < count - 1:
        raise InputError(f"vocabulary={count} is too large: the text has {len(words.vocabulary):,} different words")
    times = np.bincount(words.splits["train"], minlength=len(words.vocabulary))
    kept = np.argsort(-times, kind="stable")[: count - 1]
    place = np.zeros(len(words.vocabulary), "int32")
    place[kept] = np.arange(1, count)
    vocabulary = (OTHER, *(words.vocabulary[index] for index in kept))
    return Words(vocabulary, {split: place[ids] for split, ids in words.splits.items()})


def _documentation() -> Words:
    """Returns the words of Python's documentation."""
    corpus = PythonDocs().corpus
    splits: dict[Split, list[str]] = {
        split: decode(corpus.split(split)).split() for split in ("train", "validation", "test")
    }
    vocabulary = tuple(sorted({word for words in splits.values() for word in words}))
    place = {word: index for index, word in enumerate(vocabulary)}
    return Words(vocabulary, {split: np.array([place[w] for w in words], "int32") for split, words in splits.items()})
