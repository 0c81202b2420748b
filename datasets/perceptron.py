"""Perceptron capacity: random patterns with random labels, to be stored."""

import functools
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_rnncap.datasets.answers import StoredLabels
from keras_rnncap.datasets.generated import split_number, spread
from keras_rnncap.datasets.task import Judged, Sample, Split, Task, check_sample, check_set, untuned
from keras_rnncap.errors import InputError, check_flag, check_integer, check_seed

PER_PARAMETER = 10
"""Most patterns for each parameter that a search tries."""


class PerceptronCapacity(Task):
    """A fixed set of b random binary inputs, each with a random binary label read out after the last time step.

    Source: Collins et al. (2017), section 2.1.1 and appendix B, with five time steps. The inputs are in {0, 1}, given
    at the first time step only (zeros follow) or at every one. One logit, cross-entropy; the score is the mutual
    information of eq. 22, on the patterns that were trained on. The inputs are distinct, drawn uniformly from all such
    sets; those of fewer patterns are the first of more with the same seed.

    One sample with 4 inputs, at the first time step only: inputs `1001 0000 0000 0000 0000`, target `1`.

    Args:
        patterns: b, at least 1.
        input_dim: n_in; the 2^n_in possible inputs must be at least b.
        length: Time steps before the answer, at least 1.
        every_step: Whether the input is given at every time step.
        seed: Seed of the patterns and labels.
        centered: Whether inputs are -1/2 and 1/2; else they are 0 and 1, as in the paper.

    Example:
    >>> task = PerceptronCapacity(patterns=100, input_dim=16)
    >>> task.inputs.shape, task.targets.shape, task.perfect_score
    ((100, 5, 16), (100, 1), 100.0)
    """

    name = "perceptron"
    source = "Collins et al. 2017, section 2.1.1"
    return_sequences = False
    score_name = "mutual_information_bits"
    score_direction = "max"
    output_dim = 1
    chance_score = 0.0
    guessed_score = 10.83 / (2 * math.log(2))
    """7.8 bits: of b guesses, the bits times 2 ln 2 are chi-squared of one degree, above 10.83 once in a thousand."""
    infeasible_above = 2 * math.log(2)
    sized = True
    """Whether its number of patterns was chosen, rather than that of `load`."""

    def __init__(
        self,
        patterns: int,
        input_dim: int,
        length: int = 5,
        every_step: bool = False,
        seed: int = 0,
        centered: bool = False,
    ) -> None:
        self.patterns = check_integer("patterns", patterns, 1)
        self.length, self.input_dim = check_sample(length, input_dim)
        if self.input_dim < 63 and 2**self.input_dim < patterns:
            raise InputError(
                f"input_dim={input_dim} allows {2**input_dim} distinct inputs, fewer than patterns={patterns}; "
                f"it must be at least {math.ceil(math.log2(patterns))}"
            )
        check_set("patterns", self.patterns, self.length * self.input_dim)
        self.every_step = check_flag("every_step", every_step)
        self.seed, self.centered = check_seed(seed), check_flag("centered", centered)
        sizes = f"{self.patterns:,} patterns of {self.input_dim}, {self.length} steps"
        unusual = f"{', at every step' if every_step else ''}{', centered' if centered else ''}"
        self.data = f"{self.name} ({sizes}{unusual}, seed {self.seed})"

    @functools.cached_property
    def vectors(self) -> np.ndarray:
        """The patterns, `(patterns, input_dim)`, float32."""
        bits = _distinct_bits(np.random.default_rng([self.seed, 0]), self.patterns, self.input_dim).astype("float32")
        return bits - np.float32(0.5) if self.centered else bits

    @functools.cached_property
    def inputs(self) -> np.ndarray:
        """The same as inputs, `(patterns, time, input_dim)`."""
        return spread(self.vectors, self.length, self.every_step)

    @functools.cached_property
    def targets(self) -> np.ndarray:
        """The labels, `(patterns, 1)`, 0 or 1, float32."""
        return np.random.default_rng([self.seed, 1]).integers(0, 2, (self.patterns, 1)).astype("float32")

    def table(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns all patterns and labels."""
        return self.vectors, self.targets

    def for_budget(self, params: int, seed: int) -> "PerceptronCapacity":
        """Returns a task whose number of patterns is a hyperparameter, unless this one's was chosen."""
        return self if self.sized else PerceptronSearch(params, seed=seed)

    def sample(self, rng: np.random.Generator, size: int, split: Split = "train") -> Sample:
        """Draws patterns with replacement. All splits are the same set: what was stored is measured on itself."""
        split_number(split)
        rows = rng.integers(0, self.patterns, size)
        return Sample(self.inputs[rows], self.targets[rows])

    def loss(self) -> keras.losses.Loss:
        """Returns the cross-entropy of one logit."""
        return keras.losses.BinaryCrossentropy(from_logits=True)

    def answers(self) -> StoredLabels:
        """Returns the labels."""
        return StoredLabels()

    def judged(self, model: keras.Model, split: Split = "test", limit: int | None = None) -> Iterator[Judged]:
        """Yields a model's outputs for all patterns, whatever the split."""
        del limit
        split_number(split)
        # Not model.predict, which compiles anew for each of a sweep's models: slower, and TensorFlow warns.
        yield self.targets, keras.ops.convert_to_numpy(model(self.inputs, training=False)), None

    def accuracy(self, model: keras.Model) -> float:
        """Returns the fraction p of patterns whose logit has the right sign; an undefined logit is wrong."""
        return self.measures(model)["accuracy"]

    @classmethod
    def load(cls, path: Path | None = None) -> "PerceptronCapacity":
        """Returns a task of 1,000 patterns of 16 inputs: its numbers depend on what is to be measured."""
        if path is not None:
            raise InputError(f"{cls.name} takes no data from files; got {path}")
        task = PerceptronCapacity(patterns=1000, input_dim=16)
        task.sized = False
        return task

    def worked_example(self, seed: int = 0) -> str:
        """Returns a few patterns as text."""
        rows = np.random.default_rng(seed).integers(0, self.patterns, 4)
        return "\n".join(
            f"{' '.join(''.join(str(int(bit)) for bit in step) for step in self.inputs[row])}  label {int(target[0])}"
            for row, target in zip(rows, self.targets[rows], strict=True)
        )

    @property
    def perfect_score(self) -> float:
        """One bit for each pattern."""
        return float(self.patterns)

    def full_batches(self, steps: int) -> Any:
        """Returns a `tf.data.Dataset` of `steps` batches, each the whole set."""
        import tensorflow as tf

        data = tf.data.Dataset.from_tensors((self.inputs, self.targets)).cache().repeat(steps)
        return data.with_options(untuned())


class PerceptronSearch(PerceptronCapacity):
    """Perceptron capacity whose number of patterns is a hyperparameter: a trial's are the first of one set.

    Args:
        params: Largest number of parameters of a model; up to 10 patterns for each are tried.
        input_dim: As for `PerceptronCapacity`; `None` takes `capacity_input_dim(params)`.
        length, seed, centered: As for `PerceptronCapacity`.

    Example:
    >>> task = PerceptronSearch(params=60)
    >>> task.with_values({"patterns_per_parameter": 2.0, "every_step": True}, parameters=50).data
    'perceptron (100 patterns of 16, 5 steps, at every step, seed 0)'
    """

    def __init__(
        self,
        params: int,
        input_dim: int | None = None,
        length: int = 5,
        seed: int = 0,
        centered: bool = False,
    ) -> None:
        most = PER_PARAMETER * check_integer("params", params, 1)
        width = capacity_input_dim(params) if input_dim is None else check_integer("input_dim", input_dim, 1)
        if width < (needed := (most - 1).bit_length()):
            raise InputError(
                f"input_dim={width} allows {2**width} distinct patterns; up to {PER_PARAMETER} for each of {params} "
                f"parameters are tried: it must be at least {needed}"
            )
        length, width = check_sample(length, width)
        check_set(f"patterns ({PER_PARAMETER} for each of params={params:,})", most, length * width)
        super().__init__(most, width, length, seed=seed, centered=centered)
        self.data = self.name  # trials have sizes of their own

    def add_hyperparameters(self, hp: Any) -> None:
        """Adds b per parameter, whether the input is given at every step, and a loss saturation (not the paper's)."""
        hp.Float("patterns_per_parameter", 0.1, float(PER_PARAMETER), default=5.0)
        hp.Boolean("every_step", default=False)
        hp.Float("loss_saturation", 0.0, 1.0, default=0.4)

    @staticmethod
    def usual_points(saturates: bool) -> list[dict[str, float]]:
        """Returns where a search in the space of Collins et al. (2017) starts: what suits the task, whatever the cell.

        `saturates` says whether the loss is saturated; more patterns are stored then.
        """
        patterns = (5.0, 4.0, 4.5, 5.5, 6.0, 6.5) if saturates else (3.0, 2.5, 3.25, 3.5, 3.75, 4.0)
        usual = {"learning_rate_decay": 0.014, "clip_norm": 2.5}
        return [usual | {"patterns_per_parameter": density} for density in patterns]

    def with_values(self, values: Mapping[str, Any], parameters: int) -> "PerceptronCapacity":
        """Returns the task of a trial."""
        patterns = max(1, round(values["patterns_per_parameter"] * parameters))
        every_step = bool(values["every_step"])
        return PerceptronCapacity(patterns, self.input_dim, self.length, every_step, self.seed, self.centered)


def capacity_input_dim(parameters: int) -> int:
    """Returns an input width at which 10 patterns for each parameter are distinct, with room to spare."""
    return max(16, math.ceil(math.log2(40 * parameters)))


def _distinct_bits(rng: np.random.Generator, count: int, width: int) -> np.ndarray:
    """Returns `count` distinct rows of random bits; those for a smaller count are the first of a larger one's."""
    if width <= 20:
        return (rng.permutation(2**width)[:count, np.newaxis] >> np.arange(width)) & 1
    rows = rng.integers(0, 2, (count, width))
    while len(firsts := np.unique(rows, axis=0, return_index=True)[1]) < count:  # rare at these widths
        rows = np.concatenate([rows, rng.integers(0, 2, (count - len(firsts), width))])
    return rows[np.sort(firsts)]
