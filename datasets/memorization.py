"""Five symbols, to be repeated."""

import string

import numpy as np

from keras_rnncap.datasets.generated import GeneratedTask, draw_of_split, one_hot
from keras_rnncap.datasets.task import LONGEST, Sample, Split
from keras_rnncap.errors import check_integer

LETTERS = string.ascii_lowercase


class Memorization(GeneratedTask):
    """Reads some symbols and says them again in the same order.

    Source: Jozefowicz et al. (2015), section 3.1: 5 symbols of 26, read and then reproduced, with teacher forcing: each
    symbol is predicted with the ones before it given. The inputs are one-hot, 26 letters and a mark between the two
    parts; steps before the mark are not scored. Sequences are divided among the splits, 8 : 1 : 1, by a hash. The
    information is in bits per symbol.

    One sample: inputs `abcde=abcd`, targets at the last five steps `abcde`.

    Args:
        symbols: Number of symbols.

    Example:
    >>> task = Memorization()
    >>> task.length, task.mask.tolist()
    (10, [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    """

    name = "memorization"
    source = "Jozefowicz et al. 2015, section 3.1"
    return_sequences = True
    score_name = "accuracy"
    score_direction = "max"
    input_dim, output_dim = len(LETTERS) + 1, len(LETTERS)
    chance_score = 1 / len(LETTERS)

    def __init__(self, symbols: int = 5) -> None:
        self.symbols = check_integer("symbols", symbols, 2, LONGEST // 2)
        self.length = 2 * self.symbols
        self.mask = (np.arange(self.length) >= self.symbols).astype("float32")
        self.data = f"{self.name} ({self.symbols} symbols)"

    def sample(self, rng: np.random.Generator, size: int, split: Split = "train") -> Sample:
        """Draws sequences of a split."""
        powers = np.array([pow(len(LETTERS), place, 2**64) for place in range(self.symbols)], np.uint64)
        letters = draw_of_split(
            size,
            split,
            lambda count: rng.integers(0, len(LETTERS), (count, self.symbols)),
            lambda rows: (rows.astype(np.uint64) * powers).sum(axis=1, dtype=np.uint64),
        )
        mark = np.full((size, 1), len(LETTERS))
        inputs = np.concatenate([letters, mark, letters[:, :-1]], axis=1)
        targets = np.concatenate([np.zeros_like(letters), letters], axis=1)
        return Sample(one_hot(inputs, self.input_dim), targets.astype("int32"))

    def sample_scores(self, targets: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        """Returns the fraction of each sample's symbols that are said right."""
        return (outputs.argmax(axis=-1) == targets)[:, self.symbols :].mean(axis=1)

    def worked_example(self, seed: int = 0) -> str:
        """Returns a sample as text."""
        batch = self.sample(np.random.default_rng(seed), 1)
        read = "".join((LETTERS + "=")[index] for index in batch.inputs[0].argmax(axis=-1))
        said = "".join(LETTERS[index] for index in batch.targets[0, self.symbols :])
        return f"read  {read}\nsay   {' ' * self.symbols}{said}"
