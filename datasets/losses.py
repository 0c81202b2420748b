"""Losses that Keras lacks, for tensors with any leading axes."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_rnncap")
class SumOfCrossEntropies(keras.losses.Loss):
    """Several classifications at once: the sum of their cross-entropies in nats, a mean over samples.

    Targets are class numbers, `(..., count)`, logits `(..., count * classes)`, those of a classification side by side.

    Args:
        count: Number of classifications.
        classes: Classes of each.
        **kwargs: `name`, as for `keras.losses.Loss`.

    Example:
    >>> loss = SumOfCrossEntropies(count=2, classes=3)
    >>> round(float(loss(np.array([[0, 2]]), np.zeros((1, 6)))), 4)  # 2 log 3
    2.1972
    """

    def __init__(self, count: int, classes: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.count, self.classes = count, classes

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Returns the sum for each sample."""
        logits = ops.reshape(y_pred, (*ops.shape(y_pred)[:-1], self.count, self.classes))
        each = keras.losses.sparse_categorical_crossentropy(y_true, logits, from_logits=True)
        return ops.sum(each, axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "count": self.count, "classes": self.classes}


@keras.saving.register_keras_serializable(package="keras_rnncap")
class SumOfBinaryCrossEntropies(keras.losses.Loss):
    """Several yes-or-no answers at once: the sum over the last axis of their cross-entropies in nats.

    Targets, 0 or 1, and logits have the same shape `(..., answers)`.

    Example:
    >>> loss = SumOfBinaryCrossEntropies()
    >>> round(float(loss(np.array([[0.0, 1.0]]), np.zeros((1, 2)))), 4)  # 2 log 2
    1.3863
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"reduction": "mean_with_sample_weight", **kwargs})

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Returns the sum for each sample, or for each of its time steps."""
        y_true = ops.cast(y_true, y_pred.dtype)
        return ops.sum(ops.softplus(y_pred) - y_true * y_pred, axis=-1)
