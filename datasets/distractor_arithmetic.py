"""Sums and differences with distractors between the digits."""

from __future__ import annotations

import itertools
import string

import numpy as np

from keras_rnncap.datasets.generated import split_number, split_of
from keras_rnncap.datasets.stream import GeneratedText
from keras_rnncap.datasets.task import Split

DIGITS = 8
SYMBOLS = string.ascii_lowercase + string.digits + "+-=."


class DistractorArithmetic(GeneratedText):
    """Answers sums and differences, digit by digit, whose digits come with letters between them.

    Source: Jozefowicz et al. (2015), section 3.5: such as `3e36d9-h1h39f94eeh43keg3c=-13991064.`, that is
    3369 - 13994433 = -13991064: numbers of up to 8 digits, a random number of letters between successive characters, 40
    symbols, next-step prediction in which the network sees the right digits of the answer so far; `.` ends it.

    Here a number has 1 to 8 digits, equally likely, and the first digit of more than one is not 0; half of the first
    numbers and of the operations are negative; after each character of the problem comes on average one letter, more
    with probability 1/2 each. What is scored are the answer's characters and the `.`, in bits each. Problems are
    divided among the splits, 8 : 1 : 1, by a hash of the two numbers.

    Example:
    >>> task = DistractorArithmetic()
    >>> task.input_dim, round(task.chance_score, 2)
    (40, 5.32)
    """

    name = "distractor-arithmetic"
    score_name = "bits_per_answer_character"
    symbols = SYMBOLS
    weighted = True
    input_dim = output_dim = len(SYMBOLS)

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

    @staticmethod
    def numbers(rng: np.random.Generator, count: int, split: Split) -> np.ndarray:
        """Draws pairs of numbers without their signs, `(count, 2)`."""
        pairs = np.zeros((0, 2), np.int64)
        while len(pairs) < count:
            high = 10 ** rng.integers(1, DIGITS + 1, (10 * count if split != "train" else 2 * count, 2))
            more = rng.integers(np.where(high > 10, high // 10, 0), high)
            keys = more[:, 0] * 10**DIGITS + more[:, 1]
            pairs = np.concatenate([pairs, more[split_of(keys) == split_number(split)]])
        return pairs[:count]
