"""Synthetic XML, to be predicted character by character."""

from __future__ import annotations

import itertools
import string

import numpy as np

from keras_rnncap.datasets.generated import split_number, split_of
from keras_rnncap.datasets.stream import GeneratedText
from keras_rnncap.datasets.task import Split

SYMBOLS = string.ascii_lowercase + "</> \n"
ITERATIONS = 50


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
    symbols = SYMBOLS
    input_dim = output_dim = len(SYMBOLS)

    def draw(self, rng: np.random.Generator, characters: int, split: Split) -> tuple[str, None]:
        """Returns texts of a split."""
        return self.text(rng, characters, split), None

    def text(self, rng: np.random.Generator, characters: int, split: Split) -> str:
        """Returns whole texts with so many characters, or a few more, in all."""
        parts: list[str] = []
        pool, length = _Pool(rng), 0
        while length < characters:
            name = pool.name()
            while _split_of(name) != split_number(split):
                name = pool.name()
            # The first iteration of a text that is not empty opens a tag.
            open_tags, words = [name], [f"<{name}>"]
            for iteration in itertools.count(1):
                if iteration >= ITERATIONS or pool.coin():
                    if not open_tags:
                        break
                    words.append(f"</{open_tags.pop()}>")
                else:
                    open_tags.append(pool.name())
                    words.append(f"<{open_tags[-1]}>")
            parts.append(" ".join(words))
            length += len(parts[-1]) + 1
        return "\n".join([*parts, ""])


class _Pool:
    """Coins and tag names, drawn many at a time."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._coins: list[bool] = []
        self._names: list[str] = []

    def coin(self) -> bool:
        if not self._coins:
            self._coins = self._rng.integers(0, 2, 10_000).astype(bool).tolist()
        return self._coins.pop()

    def name(self) -> str:
        if not self._names:
            letters = "".join(string.ascii_lowercase[place] for place in self._rng.integers(0, 26, 100_000).tolist())
            ends = np.cumsum(self._rng.integers(2, 11, 10_000)).tolist()
            self._names = [letters[first:last] for first, last in zip([0, *ends], ends, strict=False)]
        return self._names.pop()


def _split_of(name: str) -> int:
    key = int.from_bytes(name[:7].encode(), "big")
    return int(split_of(np.array([key], np.uint64))[0])
