"""The base of the tasks, and limits on their sizes."""

import abc
import functools
import hashlib
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, TypeAlias

import keras
import numpy as np

from keras_rnncap.datasets.answers import BITS, Answers, Symbols
from keras_rnncap.errors import InputError, check_integer

LONGEST, WIDEST = 100_000, 100_000
"""Most time steps and most features of a sample."""
LARGEST_SAMPLE = 4_000_000
"""Most numbers of a sample, time steps times features: 16 MB, and a batch has hundreds of samples."""
LARGEST_SET = 4_000_000_000
"""Most numbers of a set of samples that is made as a whole: 16 GB."""
PREFETCHED = 2
"""Batches that are prepared while another is trained on."""
Split: TypeAlias = Literal["train", "validation", "test"]
Direction: TypeAlias = Literal["min", "max"]
Judged: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray | None]
"""Targets of a batch, a model's outputs, and the weight of each sample or time step, `None` where all count."""
Batch: TypeAlias = tuple[Any, ...]
"""Inputs, targets and, where not all time steps count alike, weights."""


class Sample(NamedTuple):
    """A batch: inputs `(batch, time, input_dim)`, float32; targets `(batch, output_dim)` or `(batch, time, ...)`."""

    inputs: np.ndarray
    targets: np.ndarray


class Task(abc.ABC):
    """Base of the tasks. Code that trains or measures asks a task for everything below and never which task it is.

    Attributes:
        name: The task's name on the command line and in tables.
        source: Paper and section that define it.
        input_dim: Features of an input.
        output_dim: Size of the model's output, logits where the loss takes those.
        length: Time steps of a training sample.
        return_sequences: Whether there is a target at every time step, or one at the end.
        score_name: Name of the score, with its unit.
        score_direction: Whether more (`"max"`) or less (`"min"`) is better.
        mask: Weight of each time step in loss and score, shape `(length,)`, or `None` where all count.
        carries_state: Whether a batch continues where the one before it ended, so that a model may keep its state.
        weighted: Whether batches carry weights of their own, one for each sample and time step.
        needs_data: Whether `load` needs files.
        usual_params: The least budget where none is given: with so wide inputs or outputs, smaller models have few
            units or none.
        validation_limit: Samples, windows or steps that a quick score is measured on; `None` takes all.
        patterns: Size of the set that is trained on in order, again and again; 0 where batches are drawn.
        every_step: Whether the input of a pattern is given at every time step, or at the first one only.
    """

    name: ClassVar[str]
    source: ClassVar[str]
    return_sequences: ClassVar[bool]
    score_name: ClassVar[str]
    score_direction: ClassVar[Direction]
    mask: np.ndarray | None = None
    carries_state: ClassVar[bool] = False
    weighted: ClassVar[bool] = False
    needs_data: ClassVar[bool] = False
    usual_params: ClassVar[int] = 1
    validation_limit: ClassVar[int | None] = None
    patterns: int = 0
    every_step: bool = False
    input_dim: int
    output_dim: int
    length: int

    @classmethod
    def load(cls, path: Path | None = None) -> "Task":
        """Returns the task at its paper's size, with its data from a file or folder if one is named."""
        if path is not None:
            raise InputError(f"{cls.name} takes no data from files; got {path}")
        return cls()

    @classmethod
    def described(cls) -> "Task":
        """Returns an instance that knows its sizes and scores, and has no data where it needs them."""
        return object.__new__(cls) if cls.needs_data else cls.load()

    @abc.abstractmethod
    def worked_example(self, seed: int = 0) -> str:
        """Returns a sample or a few as text, as a paper would print them."""

    @abc.abstractmethod
    def sample(self, rng: np.random.Generator, size: int, split: Split = "train") -> Sample:
        """Draws `size` samples of a split from a generator: the same state of `rng`, the same samples."""

    def loss(self) -> keras.losses.Loss:
        """Returns the training loss, a mean over samples and scored steps: by default the cross-entropy in nats."""
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="mean_with_sample_weight")

    # ---- hyperparameters

    def for_budget(self, params: int, seed: int) -> "Task":
        """Returns the task for models of so many parameters, where its sizes follow from that; else itself."""
        del params, seed
        return self

    def add_hyperparameters(self, hp: Any) -> None:
        """Adds the task's own hyperparameters, if it has any, to a `keras_tuner.HyperParameters`."""
        del hp

    def starts(self) -> list[dict[str, Any]]:
        """Returns where a search starts: values of hyperparameters by the last parts of their names.

        A space need not have them all, and what a point does not name is as usual in the space.
        """
        return []

    def with_values(self, values: Mapping[str, Any], parameters: int) -> "Task":
        """Returns the task as a trial has it, given the values of hyperparameters and the model's size."""
        del values, parameters
        return self

    def table(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns all `patterns`: inputs `(patterns, input_dim)` and targets."""
        raise NotImplementedError(f"{self.name} has no fixed set of patterns")

    # ---- measures

    def answers(self) -> Answers:
        """Returns what adds up how well a model answers; its bits are the task's information."""
        return Symbols(self.output_dim)

    @abc.abstractmethod
    def judged(self, model: keras.Model, split: Split, limit: int | None) -> Iterator[Judged]:
        """Yields a model's outputs for a split, or for its first `limit` samples, windows or steps."""

    def measures_of(self, judged: Iterable[Judged]) -> dict[str, float]:
        """Returns all that outputs show; see `measures`."""
        answers = self.answers()
        for batch in judged:
            answers.add(*batch)
        measures = answers.measures()
        measures.setdefault(self.score_name, self.score_of(float(answers.loss.sum())))
        return measures

    def score_of(self, loss: float) -> float:
        """Returns the score that belongs to a mean loss."""
        return loss

    def measures(self, model: keras.Model, split: Split = "test", limit: int | None = None) -> dict[str, float]:
        """Returns what is measured of a model, in one pass over a split, or over its first `limit` samples.

        The score, by its `score_name`; `mutual_information_bits`, what the model has captured at least; and `accuracy`,
        the fraction of scored answers that are right, where they are symbols or labels.
        """
        return self.measures_of(self.judged(model, split, limit))

    def score(self, model: keras.Model, split: Split = "test", limit: int | None = None) -> float:
        """Returns the score of a model on a split."""
        return self.measures(model, split, limit)[self.score_name]

    def validation_score(self, model: keras.Model) -> float:
        """Returns a quick score on the validation split, to watch while a model trains."""
        return self.score(model, "validation", self.validation_limit)

    @property
    def objectives(self) -> dict[str, Direction]:
        """What a search can go for, the task's score first: names in `measures`, and which direction is better."""
        return {self.score_name: self.score_direction, BITS: "max"}

    @functools.cached_property
    def data(self) -> str:
        """What the data are, for tables and to tell runs apart."""
        return self.name

    def loaded(self) -> Iterable[np.ndarray]:
        """Returns the data that came from files, whole, for `digest`; nothing where they follow from the arguments."""
        return ()

    @functools.cached_property
    def digest(self) -> str:
        """The first 16 hexadecimal digits of the SHA-256 of what was `loaded`; empty where that is nothing."""
        digest, arrays = hashlib.sha256(), list(self.loaded())
        for array in arrays:
            digest.update(f"{array.dtype.str} {array.shape} ".encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()[:16] if arrays else ""

    @property
    def identity(self) -> dict[str, str]:
        """What tells runs on this task from runs on others: `task`, `data` and, where data were loaded, `digest`."""
        known = {"task": self.name, "data": self.data, "digest": self.digest}
        return {key: value for key, value in known.items() if value}

    @property
    def chance_score(self) -> float:
        """The score of a model that knows nothing of the input: by default, all classes equally likely."""
        return self.score_of(math.log(self.output_dim))

    @property
    def guessed_score(self) -> float:
        """The score up to which a model may have guessed: by default, that of chance."""
        return self.chance_score

    @property
    def perfect_score(self) -> float:
        """The best score that a model could have, or a bound on it: by default no error, or all answers right."""
        return 0.0 if self.score_direction == "min" else 1.0

    @property
    def infeasible_above(self) -> float:
        """The loss above which `rnncap train` counts a training as diverged: by default 1 nat above that of chance."""
        return math.log(self.output_dim) + 1

    def baselines(self, split: Split = "test") -> dict[str, float]:
        """Returns scores to beat on a split, by name, in increasing order of difficulty."""
        del split
        return {"chance": self.chance_score}

    @property
    def scored_steps(self) -> int:
        """How many time steps of a sample the loss is a mean of; where that differs among samples, the mean of all."""
        if not self.return_sequences:
            return 1
        return self.length if self.mask is None else int(self.mask.sum())

    def batches(self, batch_size: int, seed: int, start: int = 0, split: Split = "train") -> Iterator[Batch]:
        """Yields batches without end, in NumPy; batch number `i` depends on `seed` and `i` alone."""
        weights = None if self.mask is None else np.broadcast_to(self.mask.astype("float32"), (batch_size, self.length))
        for step in itertools.count(start):
            batch = self.sample(np.random.default_rng([seed, step]), batch_size, split)
            yield tuple(batch) if weights is None else (*batch, weights)

    def packed_batches(self, batch_size: int, seed: int, start: int = 0, split: Split = "train") -> Iterator[Batch]:
        """Yields the same batches with inputs quick to hand over, such as symbols; `unpack` makes inputs of them."""
        return self.batches(batch_size, seed, start, split)

    def unpack(self, packed: Any) -> Any:
        """Returns packed inputs as inputs, in TensorFlow."""
        return packed

    def member_batch(self, batch_size: int, seeds: Sequence[int], steps: Sequence[int], packed: bool = False) -> Batch:
        """Returns batch number `steps[m]` of `seeds[m]` for each model m, each part with a leading axis for models."""
        batches = self.packed_batches if packed else self.batches
        pairs = list(zip(seeds, steps, strict=True))
        drawn = {pair: next(batches(batch_size, *pair)) for pair in dict.fromkeys(pairs)}
        return tuple(np.stack(parts) for parts in zip(*(drawn[pair] for pair in pairs), strict=True))

    def member_dataset(self, batch_size: int, seeds: Sequence[int], starts: Sequence[int], steps: int) -> Any:
        """Returns `steps` batches of several models, each from its own start, as a `tf.data.Dataset`."""

        def batch(step: Any) -> Batch:
            return self.member_batch(batch_size, seeds, [start + int(step) for start in starts], packed=True)

        return self._mapped(batch, range(steps))

    def dataset(self, batch_size: int, seed: int, start: int, stop: int, split: Split = "train") -> Any:
        """Returns batches `start` to before `stop` as a `tf.data.Dataset`, prepared while others are trained on."""

        def batch(step: Any) -> Batch:
            return next(self.packed_batches(batch_size, seed, int(step), split))

        return self._mapped(batch, range(start, stop))

    def _mapped(self, batch: Callable[[Any], Batch], steps: range) -> Any:
        """Returns the batches of some steps, all of the first one's shapes, as a `tf.data.Dataset`."""
        import tensorflow as tf

        first = batch(steps.start)

        def mapped(step: Any) -> tuple[Any, ...]:
            # Not a generator: TensorFlow's has malloc give memory back at once, which makes large batches slow.
            parts = tf.numpy_function(lambda step: list(batch(step)), [step], [part.dtype for part in first], False)
            for part, known in zip(parts, first, strict=True):
                part.set_shape(known.shape)
            return self.unpack(parts[0]), *parts[1:]

        return tf.data.Dataset.range(steps.start, steps.stop).map(mapped).prefetch(PREFETCHED).with_options(untuned())


def untuned() -> Any:
    """Returns options of a short `tf.data.Dataset`: without tuning, which delays its end by up to five seconds."""
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    return options


def predict(model: keras.Model, inputs: np.ndarray) -> np.ndarray:
    """Returns a model's outputs for a batch."""
    return keras.ops.convert_to_numpy(model.predict_on_batch(inputs))


def check_sample(length: object, input_dim: object) -> tuple[int, int]:
    """Returns the sizes of a sample as integers; raises `InputError` where one is out of range, or their product."""
    steps, features = check_integer("length", length, 1, LONGEST), check_integer("input_dim", input_dim, 1, WIDEST)
    if steps * features > LARGEST_SAMPLE:
        raise InputError(
            f"{steps:,} time steps of {features:,} inputs are {steps * features:,} numbers a sample, more than "
            f"{LARGEST_SAMPLE:,}; take fewer of either"
        )
    return steps, features


def check_set(name: str, count: int, numbers: int) -> None:
    """Raises `InputError` where a set of so many samples, made as a whole, would be too large."""
    if count * numbers > LARGEST_SET:
        raise InputError(
            f"{count:,} {name} of {numbers:,} numbers are {count * numbers:,} in all, more than {LARGEST_SET:,}; take "
            f"fewer {name}, or shorter or narrower ones"
        )
