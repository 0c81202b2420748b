"""The models of Mehta's study: how they start and how they are trained, all of one shape as one population."""

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_rnncap.cells import CELLS, CellFactory, CellWeights, ProjectingCell, RecurrentCell, Weight
from keras_rnncap.datasets import SentimentSequences
from keras_rnncap.datasets.sentiment import SIZES
from keras_rnncap.errors import InputError
from keras_rnncap.population import Member, MemberBuilder, Population, due, listen
from keras_rnncap.training import Schedule, TrainingSettings

BATCH = 32
"""Sequences in a training step; the paper does not say how many."""
EPOCHS = 150
FEW_EPOCHS = 2
"""Up to so many, XLA takes longer to compile than it saves."""
RATE = 1e-3
LENGTH = 10
"""Words of a sequence."""
WORD_VECTORS = "word_vectors"
"""The weight of trained word vectors."""
SPLIT = SIZES[1]
"""Validation sequences."""


class Outcome(NamedTuple):
    """How good models are on the validation split.

    Attributes:
        accuracy: `(models,)`.
        loss: The cross-entropy in nats, `(models,)`.
    """

    accuracy: np.ndarray
    loss: np.ndarray


@dataclasses.dataclass(frozen=True)
class Trained:
    """What became of some models of one shape.

    Attributes:
        population: The models; `member(index)` is one as a Keras model.
        accuracy: On the validation split, before the first epoch and after each, `(epochs + 1, models)`; NaN from the
            epoch on after which a model was stopped.
        loss: The cross-entropy in nats, likewise.
        weights: All weights, `(epochs + 1, models, parameters)`, if they were to be kept; a stopped model's stay.
    """

    population: Population
    accuracy: np.ndarray
    loss: np.ndarray
    weights: np.ndarray | None = None

    @property
    def best(self) -> np.ndarray:
        """The best accuracy of each model over its epochs."""
        return np.nanmax(self.accuracy, axis=0)

    @property
    def last(self) -> np.ndarray:
        """The accuracy of each model at its end."""
        return self.accuracy[self.epochs, np.arange(len(self.epochs))]

    @property
    def last_loss(self) -> np.ndarray:
        """The loss of each model at its end."""
        return self.loss[self.epochs, np.arange(len(self.epochs))]

    @property
    def epochs(self) -> np.ndarray:
        """The epochs that each model was trained for."""
        return np.isfinite(self.accuracy).sum(axis=0) - 1


def paper_task(rule: str, word_dim: int, seed: int = 0, length: int = LENGTH) -> SentimentSequences:
    """Returns a task as the paper's models have it: fixed word vectors, two logits."""
    return SentimentSequences(rule, length, seed, word_dim=word_dim, classes=2)


@functools.cache
def with_word_vectors(cell: str, word_dim: int) -> type[RecurrentCell]:
    """Returns a cell whose inputs are one-hot words, for each of which it trains a vector of `word_dim` numbers.

    Vectors start from N(0, 1), each model's own: the embedding of PyTorch. The cell sees the vector of a word in its
    place: `h_t = cell(E^T x_t, h_{t-1})`, with E the weight `word_vectors`, `(words, word_dim)`.

    Args:
        cell: Name of the cell.
        word_dim: Numbers of a word vector.

    Raises:
        InputError: If the cell projects its input or runs all steps at once.

    Example:
    >>> layer = keras.layers.RNN(with_word_vectors("two-bias-rnn", 2)(4))
    >>> layer(np.eye(10)[np.newaxis]).shape[1], tuple(layer.cell.word_vectors.shape), tuple(layer.cell.kernel.shape)
    (4, (10, 2), (2, 4))
    """
    base = CELLS[cell]
    if issubclass(base, ProjectingCell) or base.scan is not RecurrentCell.scan:
        raise InputError(f"cell must read its input in its step alone, as rnn and gru do; got {cell!r}")

    # mypy has no classes whose base is a variable.
    class WordVectors(base):  # type: ignore[valid-type, misc]
        def declare_weights(self, input_dim: int) -> list[Weight]:
            normal = keras.initializers.RandomNormal(stddev=1.0)
            return [Weight(WORD_VECTORS, (input_dim, word_dim), normal), *super().declare_weights(word_dim)]

        def step(self, x: Any, states: tuple[Any, ...], w: CellWeights) -> tuple[Any, ...]:
            return super().step(w.matmul(WORD_VECTORS, x), states, w)

    return WordVectors


def word_members(hidden: int, seeds: Sequence[int], epochs: int = EPOCHS) -> list[Member]:
    """Returns models of so many hidden units as the paper starts and trains them.

    All weights and biases are uniform within `1 / sqrt(hidden)`, the initial state is zero. Adam's rate of 0.001 halves
    after each epoch whose validation accuracy is worse than that of the one before; training stops after four epochs
    without gain, or at a rate below 1e-6.
    """
    steps = math.ceil(SIZES[0] / BATCH)
    schedule = Schedule("worse", steps, factor=0.5, lowest_rate=1e-6, stop_patience=4)
    settings = TrainingSettings(epochs * steps, "adam", RATE, clip_norm=1e9, schedule=schedule)
    limit = 1 / math.sqrt(hidden)
    uniform = keras.initializers.RandomUniform(-limit, limit)
    readout = {"kernel_initializer": uniform, "bias_initializer": uniform}
    cell = {**readout, "recurrent_initializer": uniform, "learned_initial_state": False}
    return [Member(settings, cell, readout, seed) for seed in seeds]


def word_settings(hidden: int) -> dict[str, Any]:
    """Returns the hyperparameters of such models as a card states them.

    Example:
    >>> word_settings(4)["uniform_limit"]
    0.5
    """
    return {
        "optimizer": "adam",
        "learning_rate": RATE,
        "batch_size": BATCH,
        "epochs": EPOCHS,
        "uniform_limit": 1 / math.sqrt(hidden),
    }


def train_word_models(
    cell: str | CellFactory,
    hidden: int,
    task: SentimentSequences,
    seeds: Sequence[int],
    *,
    epochs: int = EPOCHS,
    starts: np.ndarray | None = None,
    keep: bool = False,
    stops: bool = True,
    on_epoch: Callable[[int, Outcome], None] = lambda *_: None,
) -> Trained:
    """Trains models of one shape, which all see the same sequences in the same order, new in each epoch.

    Args:
        cell: The cell.
        hidden: Its units.
        task: The task.
        seeds: The seed of each model's weights.
        epochs: Epochs at most.
        starts: The weights from which models start, as rows of a population, in place of those of `seeds`.
        keep: Whether to keep all weights after each epoch.
        stops: Whether models stop as the paper's do; if not, they make all epochs at a constant rate.
        on_epoch: Hears of each epoch that ended, from 0, the start.

    Example:
    >>> trained = train_word_models("rnn", 2, paper_task("first", 2), seeds=range(3), epochs=1)
    >>> trained.accuracy.shape, trained.epochs.tolist()
    ((2, 3), [1, 1, 1])
    """
    members = word_members(hidden, seeds, epochs)
    if not stops:
        constant = dataclasses.replace(members[0].settings, schedule=None, learning_rate_decay=1.0)
        members = [dataclasses.replace(member, settings=constant) for member in members]
    population = Population(MemberBuilder(cell, hidden, 1, task.input_dim, 2), members)
    jit = epochs > FEW_EPOCHS or keras.backend.backend() != "tensorflow"
    population.compile_population(task.loss(), steps_per_execution=50, jit=jit)
    if starts is not None:
        population.rows.assign(starts)
    words, inputs, targets = task.words("train"), task.vectors, task.labels(task.words("train"))
    weights, outcomes = [np.array(population.rows)], [outcome(population, task)]
    on_epoch(0, outcomes[0])
    for epoch in range(epochs):
        order = np.random.default_rng([task.seed, 2, epoch]).permutation(len(words))
        batch = (inputs[words[order]], (targets[order, None] > 0).astype("int32"))
        running = ~population.ended
        population.fit(*batch, batch_size=BATCH, shuffle=False, verbose=0)
        after = outcome(population, task)
        listen(population, {slot: after.accuracy[slot] for slot in due(population)}, "max")
        outcomes.append(Outcome(*(np.where(running, values, np.nan) for values in after)))
        on_epoch(epoch + 1, after)
        if keep:
            weights.append(np.array(population.rows))
        if population.ended.all():
            break
    accuracy, loss = (np.array(values) for values in zip(*outcomes, strict=True))
    return Trained(population, accuracy, loss, np.array(weights) if keep else None)


def outcome(population: Population, task: SentimentSequences) -> Outcome:
    """Returns how good a population's models are on the validation split."""
    words = task.words("validation")[:SPLIT]
    outputs = population.outputs(task.vectors[words])[0].astype("float64")
    difference, labels = outputs[..., 1] - outputs[..., 0], task.labels(words)
    right = np.where(difference == 0, 0.5, np.sign(difference) == labels)
    return Outcome(right.mean(axis=1), np.logaddexp(0, -labels * difference).mean(axis=1))
