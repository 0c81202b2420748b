"""Memory capacity: give back an input some time later."""

from __future__ import annotations

import numpy as np

from keras_rnncap.datasets.answers import Numbers
from keras_rnncap.datasets.generated import SquaredErrorTask, split_generator, spread
from keras_rnncap.datasets.sizes import check_sample
from keras_rnncap.datasets.task import Sample, Split


class MemoryCapacity(SquaredErrorTask):
    """Reconstruction of a random vector some steps after it was seen.

    Source: Collins et al. (2017), section 2.2 and appendix B: 64 inputs, uniform in [-sqrt 3, sqrt 3], of variance 1,
    given at the first step, zeros at the others; "after 12 time steps" the target is their exact reconstruction, with a
    square error.

    A linear network that passes on n_h < 64 numbers has a mean squared error of at least 1 - n_h / 64 (`linear_bound`).
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

    def linear_bound(self, units: int) -> float:
        """Returns the least mean squared error of a linear network whose state has so many units."""
        return max(0.0, 1 - units / self.input_dim)

    def worked_example(self, seed: int = 0) -> str:
        """Returns a sample as text."""
        numbers = " ".join(f"{number:+.2f}" for number in self.sample(np.random.default_rng(seed), 1).targets[0][:6])
        more = " ..." if self.input_dim > 6 else ""
        return (
            f"step 1:  {numbers}{more}\nsteps 2 to {self.length}:  zeros\n"
            f"wanted after step {self.length}:  {numbers}{more}"
        )
