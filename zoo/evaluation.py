"""Scores on freshly drawn data, with what chance leaves uncertain."""

from __future__ import annotations

from typing import NamedTuple

import keras
import numpy as np
from keras_rnncap.datasets import Task
from keras_rnncap.datasets.generated import GeneratedTask
from scipy import stats

FRESH = 40_000
FRESH_DRAWS = 2015
"""Entropy that sets these draws apart from all others."""
BATCH = 500


class Evaluation(NamedTuple):
    """A score.

    Attributes:
        score: In the unit of the task.
        interval: 95% confidence interval of the mean; `None` where the data are a fixed set and the score is exact.
    """

    score: float
    interval: tuple[float, float] | None


def evaluate(model: keras.Model, task: Task, seed: int = 0, samples: int = FRESH) -> Evaluation:
    """Scores a model: on `samples` fresh samples where a task draws them, else on its test split.

    Samples are drawn from the test split by a generator of this seed, so that no training, and no score of another
    seed, has seen the same draw; and Student's t gives the interval.

    Example:
    >>> from keras_rnncap import sequence_model
    >>> from keras_rnncap.datasets import make_task
    >>> task = make_task("memory:input_dim=4,length=3")
    >>> model = sequence_model("gru", 4, input_dim=4, output_dim=4)
    >>> found = evaluate(model, task, samples=100)
    >>> found.interval[0] < found.score < found.interval[1]
    True
    """
    if not isinstance(task, GeneratedTask):
        return Evaluation(task.score(model, "test"), None)
    rng, found = np.random.default_rng([seed, FRESH_DRAWS]), []
    for first in range(0, samples, BATCH):
        batch = task.sample(rng, min(BATCH, samples - first), "test")
        found.append(
            task.sample_scores(batch.targets, keras.ops.convert_to_numpy(model.predict_on_batch(batch.inputs)))
        )
    scores = np.concatenate(found)
    mean, error = float(scores.mean()), float(stats.sem(scores))
    if not error:
        return Evaluation(mean, (mean, mean))
    low, high = stats.t.interval(0.95, len(scores) - 1, mean, error)
    return Evaluation(mean, (float(low), float(high)))
