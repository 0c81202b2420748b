"""One model, compiled and trained with Keras' own `fit`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_rnncap.training.losses import AddedL2
from keras_rnncap.training.settings import TrainingSettings

STEPS_PER_EXECUTION = 100
"""Training steps in one call of the compiled graph: at a few hundred parameters, calls cost more than steps."""


def compile_model(
    model: keras.Model,
    loss: keras.losses.Loss,
    settings: TrainingSettings,
    weighted_metrics: Sequence[keras.metrics.Metric] = (),
) -> None:
    """Compiles a model to be trained with these settings."""
    if settings.l2:
        for weight in model.trainable_variables:
            weight.regularizer = AddedL2(settings.l2, weight.regularizer)
    model.compile(
        settings.make_optimizer(),
        settings.minimized(loss),
        weighted_metrics=list(weighted_metrics),
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


def fit(model: keras.Model, data: Any, callbacks: Sequence[keras.callbacks.Callback] = (), loss: str = "loss") -> float:
    """Trains a compiled model once on each batch of a data set, which may be thousands of repetitions of one batch.

    One epoch, however long: epochs of a step or a few cost more than the steps.

    Args:
        model: The model.
        data: A finite data set of batches.
        callbacks: Keras callbacks.
        loss: What of Keras' history is returned: the name of a metric, or all that is minimized.

    Returns:
        Its mean over the steps; NaN if it, or a weight, became NaN or infinite, where training ends early.
    """
    history = model.fit(data, verbose=0, shuffle=False, callbacks=[StopWhenDiverged(), *callbacks])
    mean = history.history[loss][-1]
    weights = (keras.ops.convert_to_numpy(weight) for weight in model.trainable_variables)
    return mean if math.isfinite(mean) and all(np.isfinite(weight).all() for weight in weights) else math.nan
