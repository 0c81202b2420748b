"""Tasks on numbers: memory capacity, and a random continuous function."""

import functools
from typing import Any

import keras
import numpy as np

from keras_rnncap.datasets.answers import Numbers
from keras_rnncap.datasets.generated import GeneratedTask, split_generator, split_number, spread
from keras_rnncap.datasets.task import WIDEST, Sample, Split, check_sample, check_set
from keras_rnncap.errors import InputError, check_flag, check_integer, check_number, check_seed


class SquaredErrorTask(GeneratedTask):
    """Base of the tasks whose targets are numbers of mean 0 and variance 1, read out at the end."""

    return_sequences = False
    score_direction = "min"
    chance_score = 1.0
    infeasible_above = 2.0

    def loss(self) -> keras.losses.Loss:
        """Returns the squared error, a mean over samples and numbers."""
        return keras.losses.MeanSquaredError()


class MemoryCapacity(SquaredErrorTask):
    """Reconstruction of a random vector some steps after it was seen.

    Source: Collins et al. (2017), section 2.2 and appendix B: 64 inputs, uniform in [-sqrt 3, sqrt 3], of variance 1,
    given at the first step, zeros at the others; "after 12 time steps" the target is their exact reconstruction, with a
    square error.

    The information is in bits per sample, of all numbers together, by `reconstruction_bits`.

    One sample with 2 inputs and 3 steps: inputs `(0.3, -1.2) (0, 0) (0, 0)`, target `(0.3, -1.2)`.

    Args:
        input_dim: Numbers to keep.
        length: Time steps after which they are wanted.

    Example:
    >>> MemoryCapacity().linear_bound(48)
    0.25
    """

    name = "memory"
    usual_params = 9_000
    source = "Collins et al. 2017, section 2.2"
    score_name = "mean_squared_error"
    test_samples = 5_000

    def __init__(self, input_dim: int = 64, length: int = 12) -> None:
        self.length, self.input_dim = check_sample(length, input_dim)
        self.output_dim = self.input_dim
        self.data = f"{self.name} ({self.input_dim} numbers, {self.length} steps)"

    def sample(self, rng: np.random.Generator, size: int, split: Split = "train") -> Sample:
        """Draws vectors; all splits have the same distribution."""
        vectors = split_generator(rng, split).uniform(-np.sqrt(3), np.sqrt(3), (size, self.input_dim)).astype("float32")
        return Sample(spread(vectors, self.length), vectors)

    def answers(self) -> Numbers:
        """Returns the numbers of each sample."""
        return Numbers(self.input_dim)

    def starts(self) -> list[dict[str, Any]]:
        """Returns points at which a cell is nearly linear, and keeps the length of its state."""
        usual = {"optimizer": "adam", "learning_rate_decay": 0.05, "kernel_scale": 0.3, "readout_scale": 0.5}
        usual |= {"activation": "tanh", "recurrent_kind": "orthogonal", "recurrent_scale": 1.0}
        points = ({"learning_rate": 0.01, "forget_bias": 3.0}, {"learning_rate": 0.003, "forget_bias": 1.0})
        less_input = {"learning_rate": 0.003, "kernel_scale": 0.03, "forget_bias": 3.0}
        return [usual | point for point in (*points, less_input)]

    def linear_bound(self, units: int) -> float:
        """Returns the least mean squared error of a linear network of so many units, 1 - units / input_dim."""
        return max(0.0, 1 - units / self.input_dim)

    def worked_example(self, seed: int = 0) -> str:
        """Returns a sample as text."""
        numbers = _text(self.sample(np.random.default_rng(seed), 1).targets[0])
        return f"step 1:  {numbers}\nsteps 2 to {self.length}:  zeros\nwanted after step {self.length}:  {numbers}"


class SpreadMemory(MemoryCapacity):
    """Reconstruction of random numbers that were seen a few at a time, each time with its number.

    Beyond the papers: what is written at once fills a matrix state by one product of two vectors only, and a cell's
    states may have to be told apart by when they were written. Each of the first `writes` steps shows equally many of
    the numbers, drawn as for `MemoryCapacity`, beside the number of the step as one-hot inputs; the others show zeros.
    All numbers are wanted at the end. The information is in bits per sample, by `reconstruction_bits`.

    One sample with 2 numbers, 2 writes and 3 steps: inputs `(0.3, 1, 0) (-1.2, 0, 1) (0, 0, 0)`, target `(0.3, -1.2)`.

    Args:
        numbers: Numbers to keep.
        writes: Steps that show them; their number is a multiple of it.
        length: Time steps after which they are wanted.

    Example:
    >>> task = SpreadMemory(numbers=6, writes=3, length=4)
    >>> task.input_dim, task.output_dim
    (5, 6)
    """

    name = "spread-memory"
    source = "beyond the papers"

    def __init__(self, numbers: int = 64, writes: int = 8, length: int = 12) -> None:
        self.numbers = check_integer("numbers", numbers, 1, WIDEST)
        self.writes = check_integer("writes", writes, 1, self.numbers)
        if self.numbers % self.writes:
            raise InputError(f"numbers must be a multiple of writes={writes}; got {numbers}")
        super().__init__(self.numbers // self.writes + self.writes, length)
        check_integer("length", length, self.writes)
        self.output_dim = self.numbers
        self.data = f"{self.name} ({self.numbers} numbers, {self.writes} writes, {self.length} steps)"

    def sample(self, rng: np.random.Generator, size: int, split: Split = "train") -> Sample:
        """Draws numbers; all splits have the same distribution."""
        rng, each = split_generator(rng, split), self.numbers // self.writes
        vectors = rng.uniform(-np.sqrt(3), np.sqrt(3), (size, self.numbers)).astype("float32")
        inputs = np.zeros((size, self.length, self.input_dim), "float32")
        inputs[:, : self.writes, :each] = vectors.reshape(size, self.writes, each)
        inputs[:, : self.writes, each:] = np.eye(self.writes)
        return Sample(inputs, vectors)

    def answers(self) -> Numbers:
        """Returns the numbers of each sample."""
        return Numbers(self.numbers)

    def linear_bound(self, units: int) -> float:
        """Returns the least mean squared error of a linear network of so many units, 1 - units / numbers."""
        return max(0.0, 1 - units / self.numbers)

    def worked_example(self, seed: int = 0) -> str:
        """Returns a sample as text."""
        numbers, each = self.sample(np.random.default_rng(seed), 1).targets[0], self.numbers // self.writes
        steps = [f"step {place + 1}:  {_text(part)}" for place, part in enumerate(np.split(numbers, self.writes))]
        shown = "\n".join(steps if self.writes <= 4 else [*steps[:2], "..."])
        return f"{shown}\n{each} at a step, with its number; wanted after step {self.length}:  {_text(numbers)}"


class RandomContinuousFunction(SquaredErrorTask):
    """Random numbers, one for each of a fixed set of random vectors, to be stored.

    Source: Collins et al. (2017), section 2.3 and appendix B: N = 10^6 Gaussian vectors of d = 50 numbers and a
    Gaussian target for each, all of variance 1 ("unit norm Gaussian"); the loss is the squared error after 50 steps, in
    which sample i has the weight beta_i = 1 / ((i + tau) Z), tau = 5000. Here samples are drawn with probability beta_i
    and count alike: the same loss on average, at less variance. All splits are the same set. The information is in bits
    per sample as they are drawn, by `reconstruction_bits`.

    One sample with d = 2: inputs `(0.3, -1.2) (0, 0) ...`, target `0.7`.

    Args:
        samples: N.
        input_dim: d.
        length: Time steps.
        tau: The larger, the more samples matter.
        every_step: Whether the vector is given at every time step, or at the first only.
        seed: Seed of vectors and targets.

    Example:
    >>> task = RandomContinuousFunction(samples=1000)
    >>> task.vectors.shape, task.values.shape
    ((1000, 50), (1000, 1))
    """

    name = "random-function"
    source = "Collins et al. 2017, section 2.3"
    score_name = "weighted_squared_error"
    output_dim = 1

    def __init__(
        self,
        samples: int = 1_000_000,
        input_dim: int = 50,
        length: int = 50,
        tau: float = 5000.0,
        every_step: bool = False,
        seed: int = 0,
    ) -> None:
        self.samples = check_integer("samples", samples, 1, 10**8)
        self.length, self.input_dim = check_sample(length, input_dim)
        check_set("samples", self.samples, self.input_dim)
        self.tau = check_number("tau", tau, 1e-9, 1e12)
        self.seed = check_seed(seed)
        self.every_step = check_flag("every_step", every_step)
        sizes = f"{self.samples:,} samples of {self.input_dim}, {self.length} steps, tau {self.tau:g}"
        self.data = f"{self.name} ({sizes}{', at every step' if every_step else ''}, seed {self.seed})"

    @functools.cached_property
    def vectors(self) -> np.ndarray:
        """The vectors, `(samples, input_dim)`, float32: 200 MB at the paper's size, drawn when first asked for."""
        return np.random.default_rng([self.seed, 0]).standard_normal((self.samples, self.input_dim), "float32")

    @functools.cached_property
    def values(self) -> np.ndarray:
        """The targets, `(samples, 1)`, float32."""
        return np.random.default_rng([self.seed, 1]).standard_normal((self.samples, 1), "float32")

    @functools.cached_property
    def _cumulative(self) -> np.ndarray:
        total = np.cumsum(1 / (np.arange(1, self.samples + 1) + self.tau))
        return total / total[-1]

    @property
    def weights(self) -> np.ndarray:
        """beta_i, `(samples,)`."""
        return np.diff(self._cumulative, prepend=0.0)

    def sample(self, rng: np.random.Generator, size: int, split: Split = "train") -> Sample:
        """Draws samples with probability beta_i."""
        split_number(split)
        rows = np.searchsorted(self._cumulative, rng.random(size), side="right")
        rows = np.minimum(rows, self.samples - 1)
        return Sample(spread(self.vectors[rows], self.length, self.every_step), self.values[rows])

    def answers(self) -> Numbers:
        """Returns the samples' values."""
        return Numbers()

    def worked_example(self, seed: int = 0) -> str:
        """Returns a sample as text."""
        inputs, targets = self.sample(np.random.default_rng(seed), 1)
        steps = f"steps 1 to {self.length}" if self.every_step else "step 1"
        return f"{steps}:  {_text(inputs[0, 0])}\nwanted after step {self.length}:  {targets[0, 0]:+.2f}"


def _text(vector: np.ndarray) -> str:
    return " ".join(f"{number:+.2f}" for number in vector[:6]) + (" ..." if len(vector) > 6 else "")
