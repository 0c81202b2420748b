"""Character modelling: predict the next character of text8, or of Python's own documentation."""

import abc
import math
import os
import platform
import pydoc_data.topics
import re
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np

from keras_rnncap.datasets.corpus import ALPHABET, Corpus, decode, encode, in_data_dir, read_bytes, split_corpus
from keras_rnncap.datasets.generated import one_hot
from keras_rnncap.datasets.task import Judged, Sample, Split, Task, predict
from keras_rnncap.errors import InputError

WARM_UP = 13
"""Steps at the start of a sample that are not scored."""
WHOLE = 100_000_000
"""Characters of the whole of text8."""


class CharacterModelling(Task):
    """One-step-ahead prediction of the characters of a text.

    Source: Collins et al. (2017), appendix B, text8: one-hot inputs and outputs, random pointers into the text, T = 50,
    of which the first 13 steps "were used to initialize the RNN into a normal operating mode" and are not scored. The
    score and the information are in bits per character. Windows of held-out text are 37 characters apart, so that each
    character is scored once.

    One sample with T = 5: inputs `the_c`, targets `he_ca`.

    Args:
        corpus: The text.
    """

    source = "Collins et al. 2017, appendix B"
    return_sequences = True
    score_name = "bits_per_character"
    score_direction = "min"
    validation_limit = 512
    length = 50
    input_dim = output_dim = len(ALPHABET)
    mask = (np.arange(length) >= WARM_UP).astype("float32")
    chance_score = math.log2(len(ALPHABET))

    def __init__(self, corpus: Corpus) -> None:
        self.corpus = corpus

    @classmethod
    @abc.abstractmethod
    def load(cls, path: Path | None = None) -> "CharacterModelling":
        """Returns the task, with its text from a file if one is named."""

    def sample(self, rng: np.random.Generator, size: int, split: Split = "train") -> Sample:
        """Draws windows at random places of a split."""
        starts = rng.integers(0, len(self.corpus.split(split)) - self.length, size)
        return self._windows(self.corpus.split(split), starts)

    def _windows(self, ids: np.ndarray, starts: np.ndarray) -> Sample:
        windows = ids[starts[:, np.newaxis] + np.arange(self.length + 1)]
        return Sample(one_hot(windows[:, :-1], self.input_dim), windows[:, 1:].astype("int32"))

    def held_out(self, split: Split, batch_size: int = 256, limit: int | None = None) -> Iterator[Sample]:
        """Yields the windows of a split in order, at most `limit` of them."""
        ids = self.corpus.split(split)
        starts = np.arange(0, len(ids) - self.length, self.length - WARM_UP)[:limit]
        for first in range(0, len(starts), batch_size):
            yield self._windows(ids, starts[first : first + batch_size])

    def judged(self, model: keras.Model, split: Split, limit: int | None) -> Iterator[Judged]:
        """Yields a model's outputs for the scored steps of a split's windows, at most `limit` of them."""
        for inputs, targets in self.held_out(split, limit=limit):
            yield targets[:, WARM_UP:], predict(model, inputs)[:, WARM_UP:], None

    def score_of(self, loss: float) -> float:
        """Returns bits."""
        return loss / math.log(2)

    def loaded(self) -> tuple[np.ndarray, ...]:
        """Returns the text of each split."""
        return self.corpus[1:]

    @property
    def data(self) -> str:
        """The text's name and size."""
        return f"{self.corpus.name} ({sum(map(len, self.corpus[1:])):,} characters)"

    def baselines(self, split: Split = "test") -> dict[str, float]:
        """Returns what models score that know nothing, or how often characters, or pairs of them, come in training."""
        train, size = self.corpus.train.astype(int), len(ALPHABET)
        unigram = np.bincount(train, minlength=size) + 1.0
        bigram = np.bincount(train[:-1] * size + train[1:], minlength=size * size).reshape(size, size) + 1.0
        bits_1 = -np.log2(unigram / unigram.sum())
        bits_2 = -np.log2(bigram / bigram.sum(axis=1, keepdims=True))
        pairs = [
            np.stack([inputs.argmax(axis=2)[:, WARM_UP:].ravel(), targets[:, WARM_UP:].ravel()])
            for inputs, targets in self.held_out(split)
        ]
        before, after = np.concatenate(pairs, axis=1)
        return {
            "uniform": self.chance_score,
            "unigram": float(bits_1[after].mean()),
            "bigram": float(bits_2[before, after].mean()),
        }

    def worked_example(self, seed: int = 0) -> str:
        """Returns a window as text, and below it which characters are predicted."""
        batch = self.sample(np.random.default_rng(seed), 1)
        text = decode(batch.inputs[0].argmax(axis=-1)[:1]) + decode(batch.targets[0])
        return f"{text}\n{' ' * (WARM_UP + 1)}{'^' * (self.length - WARM_UP)}"


class Text8(CharacterModelling):
    """Character modelling of text8 (Mahoney, 2011), the first 100 million characters of cleaned Wikipedia.

    The whole file is split 90M / 5M / 5M as in the literature. Of a prefix the last 500,000 characters are the test
    text and the 500,000 before them the validation text; its results cannot be compared with published ones.

    Args:
        path: A plain, gzip or zip file with text8 or a prefix. `None` looks into the folder that `RNNCAP_DATA_DIR`
            names, for `text8/text8`, `text8/text8.zip` or `text8/text8*.gz`; then has TensorFlow Datasets load it.

    Raises:
        InputError: If none of the three has it, or the file is truncated, damaged or has other characters.

    Example:
    >>> Text8.described().length
    50
    """

    name = "text8"
    needs_data = True

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        super().__init__(_load(None if path is None else Path(path)))

    @classmethod
    def load(cls, path: Path | None = None) -> "Text8":
        """Returns the task, with its text from a file if one is named."""
        return cls(path)

    @staticmethod
    def at_hand() -> bool:
        """Whether `RNNCAP_DATA_DIR` has it."""
        return _find() is not None


class PythonDocs(CharacterModelling):
    """Character modelling of Python's own documentation, as `help("topics")` shows it.

    The texts of `pydoc_data.topics`, in the order of their titles, in lower case, with runs of anything but letters as
    one space: about 0.38 million characters, a little different in each Python version. The last 5% are the test text,
    the 5% before them the validation text.

    Example:
    >>> PythonDocs().input_dim
    27
    """

    name = "python-docs"

    def __init__(self) -> None:
        topics = pydoc_data.topics.topics
        text = re.sub(r"[^a-z]+", " ", " ".join(topics[title] for title in sorted(topics)).lower()).strip()
        ids = encode(text.encode("ascii"), "pydoc_data.topics")
        super().__init__(split_corpus(f"Python {platform.python_version()} documentation", ids, len(ids) // 20))

    @classmethod
    def load(cls, path: Path | None = None) -> "PythonDocs":
        """Returns the task; there is no file to name."""
        if path is not None:
            raise InputError(f"python-docs takes its text from Python itself, not from a file; got {path}")
        return cls()


def _load(path: Path | None) -> Corpus:
    path = path or _find()
    text = read_bytes(path) if path else _from_tensorflow_datasets()
    ids = encode(text, str(path or "text8"))
    whole = len(ids) == WHOLE
    name = "text8" if whole else f"text8 prefix, {len(ids) / 1e6:.1f} MB"
    return split_corpus(name, ids, 5_000_000 if whole else min(500_000, len(ids) // 20))


def _find() -> Path | None:
    folder = in_data_dir("text8")
    if folder is None:
        return None
    files = [folder / name for name in ("text8", "text8.zip", "text8.gz")]
    return next((file for file in [*files, *sorted(folder.glob("text8*.gz"))] if file.is_file()), None)


def _from_tensorflow_datasets() -> bytes:
    from keras_rnncap.datasets.builders.base import load_examples

    examples = load_examples(
        "text8",
        "set RNNCAP_DATA_DIR to a folder with text8/text8.zip, text8/text8 or a prefix text8/text8*.gz; name such a "
        "file with --data (in Python: Text8(path)); take the task python-docs, which needs no data",
        "http://mattmahoney.net/dc/textdata.html",
    )
    return b"".join(examples[split][0]["text"] for split in examples)
