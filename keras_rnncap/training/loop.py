"""One model, compiled and trained with Keras' own `fit`."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_rnncap.training.losses import AddedL2
from keras_rnncap.training.settings import TrainingSettings

STEPS_PER_EXECUTION = 100
"""Training steps in one call of the compiled graph; calls cost more than the steps of small models."""


@keras.saving.register_keras_serializable("keras_rnncap")
class DataLoss(keras.metrics.Mean):
    """The mean over steps of a loss, without the penalties that Keras adds to it."""

    def __init__(self, loss: keras.losses.Loss, name: str = "data_loss", dtype: Any = None) -> None:
        super().__init__(name, dtype)
        self._loss = keras.losses.get(loss)

    def get_config(self) -> dict[str, Any]:
        """Returns the loss."""
        return super().get_config() | {"loss": keras.losses.serialize(self._loss)}

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Adds the loss of a step."""
        return super().update_state(self._loss(y_true, y_pred, sample_weight))


def compile_model(model: keras.Model, loss: keras.losses.Loss, settings: TrainingSettings) -> None:
    """Compiles a model to be trained with these settings."""
    loss = settings.minimized(loss)
    if settings.l2:
        for weight in model.trainable_variables:
            weight.regularizer = AddedL2(settings.l2, weight.regularizer)
    optimizer = settings.make_optimizer()
    if settings.weight_decay:
        cells = {
            id(v) for layer in model.layers if isinstance(layer, keras.layers.RNN) for v in layer.trainable_variables
        }
        optimizer.exclude_from_weight_decay(
            [v for v in model.trainable_variables if id(v) not in cells or v.name == "initial_state"]
        )
    if model.built:
        optimizer.build(model.trainable_variables)  # TensorFlow traces anew what makes variables
    penalized = model.losses or any(getattr(layer, "activity_regularizer", None) for layer in model.layers)
    model.compile(
        optimizer,
        loss,
        weighted_metrics=[DataLoss(loss)] if penalized else [],
        steps_per_execution=min(STEPS_PER_EXECUTION, settings.steps),
        # In TensorFlow XLA is no faster on CPUs for a single model, and takes seconds; JAX without it runs op by op.
        jit_compile=keras.backend.backend() == "jax",
    )


class StopWhenDiverged(keras.callbacks.Callback):
    """Ends training when the loss is NaN or infinite; Keras' `TerminateOnNaN`, but silent."""

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Called by Keras after each call of the compiled graph."""
        del batch
        if not math.isfinite((logs or {}).get("loss", 0.0)):
            self.model.stop_training = True


def fit(model: keras.Model, data: Any, callbacks: Sequence[keras.callbacks.Callback] = ()) -> float:
    """Trains a compiled model once on each batch of a data set, in one epoch: short epochs cost more than their steps.

    Args:
        model: The model.
        data: A finite data set of batches.
        callbacks: Keras callbacks.

    Returns:
        The mean loss over the steps, without penalties; NaN, and training ends early, if that, the minimized loss or
        a weight becomes NaN or infinite.
    """
    history = model.fit(data, verbose=0, shuffle=False, callbacks=[StopWhenDiverged(), *callbacks]).history
    means = history["loss"][-1], history.get("data_loss", history["loss"])[-1]
    weights = (keras.ops.convert_to_numpy(weight) for weight in model.trainable_variables)
    return means[1] if np.isfinite(means).all() and all(np.isfinite(weight).all() for weight in weights) else math.nan
