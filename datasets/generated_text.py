"""Streams of generated texts: sums with distractors between the digits, and synthetic XML."""

import abc
import itertools
import string
from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from keras_rnncap.datasets.generated import EVALUATION, split_number, split_of, symbol_ids
from keras_rnncap.datasets.stream import SymbolStream
from keras_rnncap.datasets.task import Split
from keras_rnncap.errors import check_integer

DIGITS = 8
"""Most digits of a number in the paper's arithmetic."""
ITERATIONS = 50
"""Iterations after which `XMLModelling` opens no tag."""


class GeneratedText(SymbolStream):
    """Base of the streams of generated texts, which follow each other in one stream, another one in each epoch."""

    symbols: ClassVar[str]
    """The symbols, in the order of their ids."""
    characters = 1_000_000
    """Length of a training stream, which may end within a text; the others have a fifth."""

    @abc.abstractmethod
    def draw(self, rng: np.random.Generator, characters: int, split: Split) -> tuple[str, np.ndarray | None]:
        """Returns at least so many characters, and the weight of predicting each, `None` where all count."""

    def stream(self, split: Split, seed: int | None, epoch: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Returns texts of a split."""
        rng = np.random.default_rng([EVALUATION if seed is None else seed, split_number(split), epoch])
        length = self.characters if split == "train" else self.characters // 5
        text, weights = self.draw(rng, length, split)
        ids = symbol_ids(text[:length].encode(), self.symbols).astype("int32")
        return ids, None if weights is None else weights[:length]

    def worked_example(self, seed: int = 0) -> str:
        """Returns the start of a stream as text, and below it which symbols are predicted, where not all are."""
        entries, weights = self._stream("train", seed, 0)
        text = "".join(self.symbols[entry] for entry in entries[:105]).replace("\n", "⏎")
        if weights is None:
            return text
        return f"{text}\n{''.join('^' if weight else ' ' for weight in weights[:105])}"


class DistractorArithmetic(GeneratedText):
    """Answers sums and differences, digit by digit, whose digits come with letters between them.

    Source: Jozefowicz et al. (2015), section 3.5: such as `3e36d9-h1h39f94eeh43keg3c=-13991064.`, that is
    3369 - 13994433 = -13991064: numbers of up to 8 digits, a random number of letters between successive characters, 40
    symbols, next-step prediction in which the network sees the right digits of the answer so far; `.` ends it.

    Here a number has 1 to 8 digits, equally likely, and the first digit of more than one is not 0; half of the first
    numbers and of the operations are negative; after each character of the problem comes on average one letter, more
    with probability 1/2 each. What is scored are the answer's characters and the `.`, in bits each. Problems are
    divided among the splits, 8 : 1 : 1, by a hash of the two numbers.

    Args:
        digits: Most digits of a number, 1 to 8. With fewer than the paper's, small models learn in minutes.

    Raises:
        InputError: If `digits` is out of its range.

    Example:
    >>> task = DistractorArithmetic()
    >>> task.input_dim, round(task.chance_score, 2)
    (40, 5.32)
    """

    name = "distractor-arithmetic"
    score_name = "bits_per_answer_character"
    symbols = string.ascii_lowercase + string.digits + "+-=."
    weighted = True
    input_dim = output_dim = len(symbols)

    def __init__(self, digits: int = DIGITS) -> None:
        self.digits = check_integer("digits", digits, 1, DIGITS)

    @property
    def data(self) -> str:
        """Its name, and how many digits a number has at most if those are not the paper's."""
        return self.name if self.digits == DIGITS else f"{self.name} ({self.digits} digits)"

    def draw(self, rng: np.random.Generator, characters: int, split: Split) -> tuple[str, np.ndarray]:
        """Returns problems of a split and their answers."""
        text, weights = "", np.zeros(0, "float32")
        while len(text) < characters:
            more, more_weights = self.text(rng, 100 + (characters - len(text)) // 30, split)
            text, weights = text + more, np.concatenate([weights, more_weights])
        return text, weights

    def text(self, rng: np.random.Generator, count: int, split: Split) -> tuple[str, np.ndarray]:
        """Returns so many problems with their answers as text, and 1 for each character that is scored."""
        numbers = self.numbers(rng, count, split)
        signs = rng.integers(0, 2, (count, 2)) == 1
        gaps = rng.geometric(0.5, 24 * count) - 1
        letters = iter([string.ascii_lowercase[place] for place in rng.integers(0, 26, gaps.sum() + 1).tolist()])
        sizes = iter(gaps.tolist())
        parts, scored = [], []
        for (first, second), (negative, minus) in zip(numbers.tolist(), signs.tolist(), strict=True):
            problem = f"{'-' if negative else ''}{first}{'-' if minus else '+'}{second}"
            distracted = "".join(c + "".join(itertools.islice(letters, next(sizes))) for c in problem)
            answer = (-first if negative else first) + (-second if minus else second)
            parts.append(f"{distracted}={answer}.")
            scored.append(np.arange(len(parts[-1])) > len(distracted))
        return "".join(parts), np.concatenate(scored).astype("float32")

    def numbers(self, rng: np.random.Generator, count: int, split: Split) -> np.ndarray:
        """Draws pairs of numbers without their signs, `(count, 2)`."""
        pairs = np.zeros((0, 2), np.int64)
        while len(pairs) < count:
            high = 10 ** rng.integers(1, self.digits + 1, (10 * count if split != "train" else 2 * count, 2))
            more = rng.integers(np.where(high > 10, high // 10, 0), high)
            keys = more[:, 0] * 10**DIGITS + more[:, 1]
            pairs = np.concatenate([pairs, more[split_of(keys) == split_number(split)]])
        return pairs[:count]


class XMLModelling(GeneratedText):
    """Predicts the next character of random XML: what can be known is which tag has to be closed.

    Source: Jozefowicz et al. (2015), section 3.5: tags of 2 to 10 random lower-case letters; "with 50% probability or
    after 50 iterations, we either close the most recently opened tag, or stop if no open tags remain; otherwise, open a
    new random tag". Tags are separated by a space, and a text is ended by a new line; the score is in bits per
    character. Texts are divided among the splits, 8 : 1 : 1, by a hash of their first tag.

    One text: `<etdmp> <pegshmnaj> <zbhbmj> </zbhbmj> </pegshmnaj> <autmh> </autmh> </etdmp>`.

    Example:
    >>> task = XMLModelling()
    >>> task.input_dim, round(task.chance_score, 2)
    (31, 4.95)
    """

    name = "xml"
    score_name = "bits_per_character"
    symbols = string.ascii_lowercase + "</> \n"
    input_dim = output_dim = len(symbols)

    def draw(self, rng: np.random.Generator, characters: int, split: Split) -> tuple[str, None]:
        """Returns texts of a split."""
        return self.text(rng, characters, split), None

    def text(self, rng: np.random.Generator, characters: int, split: Split) -> str:
        """Returns whole texts with so many characters, or a few more, in all."""
        parts: list[str] = []
        coins, names, length = _coins(rng), _names(rng), 0
        while length < characters:
            name = next(name for name in names if _split_of(name) == split_number(split))
            # The first iteration of a text that is not empty opens a tag.
            open_tags, words = [name], [f"<{name}>"]
            for iteration in itertools.count(1):
                if iteration >= ITERATIONS or next(coins):
                    if not open_tags:
                        break
                    words.append(f"</{open_tags.pop()}>")
                else:
                    open_tags.append(next(names))
                    words.append(f"<{open_tags[-1]}>")
            parts.append(" ".join(words))
            length += len(parts[-1]) + 1
        return "\n".join([*parts, ""])


def _coins(rng: np.random.Generator) -> Iterator[int]:
    while True:
        yield from reversed(rng.integers(0, 2, 10_000).tolist())


def _names(rng: np.random.Generator) -> Iterator[str]:
    while True:
        letters = "".join(string.ascii_lowercase[place] for place in rng.integers(0, 26, 100_000).tolist())
        ends = np.cumsum(rng.integers(2, 11, 10_000)).tolist()
        yield from reversed([letters[first:last] for first, last in itertools.pairwise([0, *ends])])


def _split_of(name: str) -> int:
    key = int.from_bytes(name[:7].encode(), "big")
    return int(split_of(np.array([key], np.uint64))[0])
