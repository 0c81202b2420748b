"""Losses, accuracy and information of a model's outputs, added up over batches, for each kind of target."""

import abc

import numpy as np

from keras_rnncap.information import mutual_information_bits, prediction_bits, reconstruction_bits

BITS = "mutual_information_bits"
"""Name of the information in rows, and as an objective."""


class Answers(abc.ABC):
    """Base of the kinds of targets. A task makes one for each time that a model is measured.

    Args:
        columns: Targets of a sample, or of each of its time steps. Their bits are added: they bound the information on
            all together where these are independent.
    """

    def __init__(self, columns: int = 1) -> None:
        self.columns = columns
        self.weight = 0.0
        self._losses = np.zeros(columns)
        self._right: np.ndarray | None = None

    def add(self, targets: np.ndarray, outputs: np.ndarray, weights: np.ndarray | None = None) -> None:
        """Adds targets `(..., columns)`, or `(...)` of one column, a model's outputs, and weights `(...)`."""
        rows = targets.reshape(-1, self.columns)
        each = np.ones(len(rows)) if weights is None else np.ravel(weights).astype(float)
        with np.errstate(invalid="ignore", over="ignore"):  # a model that diverged has any outputs
            losses, right = self.losses(targets, outputs), self.right(targets, outputs)
        self.weight += float(each.sum())
        self._losses += each @ losses.reshape(rows.shape)
        if right is not None:
            self._right = each @ right.reshape(rows.shape) + (0.0 if self._right is None else self._right)
        self._count(rows, each)

    @abc.abstractmethod
    def losses(self, targets: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        """Returns the loss of each target, in the targets' shape."""

    def right(self, targets: np.ndarray, outputs: np.ndarray) -> np.ndarray | None:
        """Returns whether each target is what the model finds most likely; `None` where that says little."""
        del targets, outputs
        return None

    @abc.abstractmethod
    def _count(self, targets: np.ndarray, weights: np.ndarray) -> None:
        """Adds up what the distribution of the targets, `(rows, columns)`, follows from."""

    @property
    def loss(self) -> np.ndarray:
        """The mean loss of each column, in nats or squares, `(columns,)`."""
        return self._losses / self.weight

    @property
    def accuracy(self) -> float | None:
        """The fraction of targets that are right."""
        return None if self._right is None else float(self._right.mean() / self.weight)

    @property
    @abc.abstractmethod
    def bits(self) -> float:
        """The information captured, at least, in bits."""

    def measures(self) -> dict[str, float]:
        """Returns the `accuracy`, if there is one, and the information."""
        accuracy = {} if self.accuracy is None else {"accuracy": self.accuracy}
        return {**accuracy, BITS: self.bits}


class Symbols(Answers):
    """Targets that are class numbers, with logits `(..., columns * classes)`.

    Example:
    >>> answers = Symbols(classes=2)
    >>> answers.add(np.array([0, 1, 1, 0]), 20.0 * np.array([[1, 0], [0, 1], [0, 1], [1, 0]]))
    >>> {name: round(value, 6) for name, value in answers.measures().items()}
    {'accuracy': 1.0, 'mutual_information_bits': 1.0}
    """

    def __init__(self, classes: int, columns: int = 1) -> None:
        super().__init__(columns)
        self.classes = classes
        self._counts = np.zeros(columns * classes)

    def losses(self, targets: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        """Returns the cross-entropies in nats."""
        # Not in float64 throughout, which for 10,000 words takes longer than the model.
        logits = outputs.reshape(*targets.shape, self.classes)
        logits = logits - logits.max(axis=-1, keepdims=True)
        chosen = np.take_along_axis(logits, targets[..., np.newaxis], axis=-1)[..., 0].astype("float64")
        return np.log(np.exp(logits).sum(axis=-1, dtype="float64")) - chosen

    def right(self, targets: np.ndarray, outputs: np.ndarray) -> np.ndarray | None:
        """Returns whether the symbol has the largest logit."""
        return outputs.reshape(*targets.shape, self.classes).argmax(axis=-1) == targets

    def _count(self, targets: np.ndarray, weights: np.ndarray) -> None:
        places = targets.astype(int) + np.arange(self.columns) * self.classes
        self._counts += np.bincount(places.ravel(), np.repeat(weights, self.columns), self._counts.size)

    @property
    def bits(self) -> float:
        """The sum of the columns' `prediction_bits`."""
        return float(prediction_bits(self._counts.reshape(self.columns, self.classes), self.loss).sum())


class YesOrNo(Symbols):
    """Targets that are 0 or 1, and a logit for each."""

    def __init__(self, columns: int = 1) -> None:
        super().__init__(2, columns)

    def losses(self, targets: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        """Returns the cross-entropies in nats."""
        logits = outputs.astype("float64")
        return np.logaddexp(0, logits) - targets * logits

    def right(self, targets: np.ndarray, outputs: np.ndarray) -> np.ndarray | None:
        """Returns `None`: where few are 1, always 0 would be right most of the time."""
        del targets, outputs
        return None


class StoredLabels(YesOrNo):
    """Random labels, 0 or 1, that a model was trained on: how many has it stored?"""

    def right(self, targets: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        """Returns whether the logit is finite and has the right sign."""
        return ((outputs > 0) == (targets > 0.5)) & np.isfinite(outputs)

    @property
    def bits(self) -> float:
        """The `mutual_information_bits` of all labels."""
        return mutual_information_bits(self.weight, self.accuracy)


class Numbers(Answers):
    """Targets that are numbers, and an output for each.

    Example:
    >>> answers, numbers = Numbers(columns=2), np.random.default_rng(0).normal(size=(1000, 2))
    >>> answers.add(numbers, np.stack([numbers[:, 0], 0 * numbers[:, 1]], axis=1))
    >>> round(answers.bits, 6)  # all that float32 can hold of the first, nothing of the second
    23.0
    """

    def __init__(self, columns: int = 1) -> None:
        super().__init__(columns)
        self._moments = np.zeros((2, columns))

    def losses(self, targets: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        """Returns the squared errors."""
        return (outputs.astype("float64") - targets) ** 2

    def _count(self, targets: np.ndarray, weights: np.ndarray) -> None:
        numbers = targets.astype("float64")
        self._moments += weights @ numbers, weights @ numbers**2

    @property
    def bits(self) -> float:
        """The sum of the columns' `reconstruction_bits`."""
        mean, square = self._moments / self.weight
        return float(reconstruction_bits(np.maximum(square - mean**2, 0), self.loss).sum())
