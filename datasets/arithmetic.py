"""Addition of two integers that are written out."""

import keras
import numpy as np

from keras_rnncap.datasets.answers import Symbols
from keras_rnncap.datasets.generated import GeneratedTask, draw_of_split, one_hot, symbol_ids
from keras_rnncap.datasets.task import Sample, Split
from keras_rnncap.errors import check_integer

SYMBOLS = " 0123456789+-="
LARGEST = 10**7
LENGTH = 36


class Arithmetic(GeneratedTask):
    """Adds two integers, read and answered character by character.

    Source: Collins et al. (2017), appendix B: a one-hot problem such as `-343243+93851=`, both integers uniform in
    [-10^7, 10^7], and the one-hot answer, `-249392`; 1 to 6 compute steps between the `=` and the answer, a
    hyperparameter; 36 steps. Here the problem starts at the first step, inputs and targets are spaces wherever there is
    no problem or answer, and all 36 steps count in the cross-entropy. A negative second integer reads `5+-3=`. Problems
    are divided among the splits, 8 : 1 : 1, by a hash of the two integers.

    The information is in bits per answer, added up over the 36 characters. As these depend on each other, it may be
    more than that on the whole answer.

    Args:
        compute_steps: Steps between the `=` and the answer, 1 to 6.

    Example:
    >>> inputs, targets = Arithmetic(compute_steps=2).texts(-343243, 93851)
    >>> print(inputs + "|", targets + "|", sep=chr(10))
    -343243+93851=                      |
                    -249392             |
    """

    name = "arithmetic"
    source = "Collins et al. 2017, appendix B"
    return_sequences = True
    score_name = "cross_entropy_nats_per_character"
    score_direction = "min"
    test_samples = 5_000
    length = LENGTH
    input_dim = output_dim = len(SYMBOLS)

    def __init__(self, compute_steps: int = 3) -> None:
        self.compute_steps = check_integer("compute_steps", compute_steps, 1, 6)
        self.data = f"{self.name} ({self.compute_steps} compute steps)"

    def texts(self, first: int, second: int) -> tuple[str, str]:
        """Returns the input and the target of a problem, 36 characters each."""
        problem, answer = f"{first}+{second}=", str(first + second)
        return problem.ljust(LENGTH), (" " * (len(problem) + self.compute_steps) + answer).ljust(LENGTH)

    def sample(self, rng: np.random.Generator, size: int, split: Split = "train") -> Sample:
        """Draws problems of a split."""
        pairs = draw_of_split(
            size,
            split,
            lambda count: rng.integers(-LARGEST, LARGEST + 1, (count, 2)),
            lambda rows: (rows[:, 0] + LARGEST) * (2 * LARGEST + 1) + rows[:, 1] + LARGEST,
        )
        text = "".join("".join(self.texts(first, second)) for first, second in pairs.tolist())
        ids = symbol_ids(text.encode(), SYMBOLS).reshape(size, 2, LENGTH)
        return Sample(one_hot(ids[:, 0], len(SYMBOLS)), ids[:, 1].astype("int32"))

    def loss(self) -> keras.losses.Loss:
        """Returns the cross-entropy in nats, a mean over samples and characters."""
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def answers(self) -> Symbols:
        """Returns the characters of each step."""
        return Symbols(len(SYMBOLS), LENGTH)

    def baselines(self, split: Split = "test") -> dict[str, float]:
        """Returns what models score that find all characters equally likely, or know each step's `frequencies`."""
        return {"uniform": self.chance_score, "frequencies": float(np.mean(self.target_entropies(split)))}

    def worked_example(self, seed: int = 0) -> str:
        """Returns three samples as text, spaces as dots."""
        batch = self.sample(np.random.default_rng(seed), 3)
        lines = []
        for hot, target in zip(batch.inputs, batch.targets, strict=True):
            for label, ids in (("input ", hot.argmax(axis=-1)), ("target", target)):
                lines.append(f"{label}  {''.join(SYMBOLS[index] for index in ids)}".replace(" ", "·"))
        return "\n".join(lines)
