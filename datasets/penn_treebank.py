"""The Penn Treebank, word by word."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from keras_rnncap.datasets.corpus import in_data_dir, read_bytes, reading
from keras_rnncap.datasets.stream import SymbolStream
from keras_rnncap.datasets.task import Split
from keras_rnncap.errors import InputError

FILES: dict[Split, str] = {"train": "ptb.train.txt", "validation": "ptb.valid.txt", "test": "ptb.test.txt"}
END = "<eos>"
WORDS = 10_000


class Words(NamedTuple):
    """The vocabulary of a text, that of its training split, sorted, and the ids of each split's words."""

    vocabulary: tuple[str, ...]
    splits: dict[Split, np.ndarray]


class PennTreebank(SymbolStream):
    """Predicts the next word of the Wall Street Journal; the score is the perplexity.

    Source: Jozefowicz et al. (2015), section 3.5, "the precise setup of Mikolov et al. (2010)": lower case, numbers are
    `N`, 10,000 words of which one stands for the rare ones and `<eos>` ends a line; 929,589 words to train on, 73,760
    and 82,430 for validation and test. One-hot inputs, which the first matrix embeds.

    Args:
        path: A folder with `ptb.train.txt`, `ptb.valid.txt` and `ptb.test.txt`, each plain or as `.gz`. `None` looks
            for them in `ptb` in the folder that `RNNCAP_DATA_DIR` names, then has TensorFlow Datasets load them.

    Raises:
        InputError: If none of the three has them, or a file is truncated, is no text, or has words that train lacks.

    Example:
    >>> PennTreebank.described().input_dim
    10000
    """

    name = "penn-treebank"
    usual_params = 1_000_000
    score_name = "perplexity"
    needs_data = True
    perfect_score = 1.0
    input_dim = output_dim = WORDS

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self.words = _load(None if path is None else Path(path))
        self.input_dim = self.output_dim = len(self.words.vocabulary)

    @classmethod
    def load(cls, path: Path | None = None) -> "PennTreebank":
        """Returns the task, with its text from a folder if one is named."""
        return cls(path)

    @property
    def data(self) -> str:
        """Its size."""
        return f"{self.name} ({sum(map(len, self.words.splits.values())):,} words)"

    def loaded(self) -> Iterator[np.ndarray]:
        """Yields the vocabulary and the words of each split."""
        yield np.frombuffer(" ".join(self.words.vocabulary).encode(), np.uint8)
        yield from self.words.splits.values()

    def stream(self, split: Split, seed: int | None, epoch: int) -> tuple[np.ndarray, None]:
        """Returns the words of a split; those of training from another place in each epoch, and round to it."""
        ids = self.words.splits[split]
        if split == "train" and seed is not None:
            ids = np.roll(ids, -int(np.random.default_rng([seed, epoch]).integers(len(ids))))
        return ids, None

    def score_of(self, loss: float) -> float:
        """Returns the perplexity."""
        return float(np.exp(loss))

    def worked_example(self, seed: int = 0) -> str:
        """Returns a window as text."""
        ids = self.words.splits["train"]
        first = int(np.random.default_rng(seed).integers(0, len(ids) - self.length))
        return " ".join(self.words.vocabulary[index] for index in ids[first : first + self.length + 1])


def read_words(folder: Path) -> Words:
    """Returns the text in a folder; raises `InputError` if a file is missing or not what it should be."""
    texts = {}
    for split, name in FILES.items():
        with reading(folder, "it must be a folder"):
            files = [file for file in (folder / name, folder / f"{name}.gz") if file.is_file()]
        if not files:
            named = f"{folder}, which is a file, not a folder" if folder.is_file() else folder
            raise InputError(f"there is no {name} or {name}.gz in {named}")
        texts[split] = str(files[0]), read_bytes(files[0])
    return _words(texts)


def _words(texts: dict[Split, tuple[str, bytes]]) -> Words:
    """Returns the text, given the source of each split's part, and its bytes."""
    words = {split: _split_words(source, text) for split, (source, text) in texts.items()}
    vocabulary = tuple(sorted(set(words["train"])))
    ids = {word: index for index, word in enumerate(vocabulary)}
    for split, (source, _) in texts.items():
        if new := sorted(set(words[split]) - set(ids)):
            raise InputError(
                f"{source} has {len(new):,} words that the training text lacks, such as {new[0]!r}: the three files "
                "must be of one text"
            )
    return Words(vocabulary, {split: np.array([ids[word] for word in words[split]], "int32") for split in words})


def _split_words(source: str, text: bytes) -> list[str]:
    try:
        words = text.decode("ascii").replace("\n", f" {END} ").split()
    except UnicodeDecodeError as error:
        raise InputError(
            f"{source} has the byte {text[error.start]:#04x} at offset {error.start:,}; it must be text in ASCII, a "
            "sentence a line"
        ) from error
    if len(words) < 100:
        raise InputError(f"{source} has {len(words)} words, too few to be the Penn Treebank")
    return words


def _load(path: Path | None) -> Words:
    path = path or in_data_dir("ptb")
    if path is not None:
        return read_words(path)
    from keras_rnncap.datasets.builders.base import load_examples

    examples = load_examples(
        "penn_treebank",
        "set RNNCAP_DATA_DIR to a folder with ptb/ptb.train.txt, ptb/ptb.valid.txt and ptb/ptb.test.txt, each plain or "
        "as .gz; name such a folder with --data (in Python: PennTreebank(folder))",
        "github.com/locuslab/TCN",
    )
    return _words({split: (f"penn_treebank's {split}", examples[split][0]["text"]) for split in FILES})
