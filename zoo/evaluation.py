"""Scores on freshly drawn data, with what chance leaves uncertain."""

from typing import NamedTuple

import keras
import numpy as np
from scipy import stats

from keras_rnncap.datasets import Task
from keras_rnncap.datasets.generated import GeneratedTask
from keras_rnncap.errors import InputError, check_integer, check_seed

FRESH = 40_000
LEVEL = 0.95


class Evaluation(NamedTuple):
    """A score.

    Attributes:
        score: In the unit of the task.
        interval: 95% confidence interval of the mean over samples; `None` where the score is of a data set as a whole.
    """

    score: float
    interval: tuple[float, float] | None


def evaluate(model: keras.Model, task: Task, seed: int = 0, samples: int = FRESH) -> Evaluation:
    """Scores a model: on `samples` fresh samples where a task draws them, else on its test split.

    The same seed draws the same samples, which no training and no other seed has. Student's t gives the interval, the
    rule of three (3 in as many samples) where all score 0 or 1.

    Raises:
        InputError: If a number is out of range, or the model's sizes are not the task's.

    Example:
    >>> from keras_rnncap import sequence_model
    >>> from keras_rnncap.datasets import make_task
    >>> task = make_task("memory:input_dim=4,length=3")
    >>> model = sequence_model("gru", 4, input_dim=4, output_dim=4)
    >>> found = evaluate(model, task, samples=100)
    >>> found.interval[0] < found.score < found.interval[1]
    True
    """
    check_seed(seed)
    check_integer("samples", samples, 2)
    sizes = (model.input_shape[-1], model.output_shape[-1])
    if sizes != (task.input_dim, task.output_dim):
        raise InputError(
            f"the model has {sizes[0]} inputs and {sizes[1]} outputs; {task.data} has {task.input_dim} and "
            f"{task.output_dim}"
        )
    if not isinstance(task, GeneratedTask):
        return Evaluation(task.score(model, "test"), None)
    batches = task.fresh(seed, samples)
    scores = np.concatenate([task.sample_scores(part.targets, model.predict_on_batch(part.inputs)) for part in batches])
    mean, error = float(scores.mean()), float(stats.sem(scores))
    if not error:
        left = -np.log(1 - LEVEL) / len(scores) if mean in (0.0, 1.0) else 0.0
        return Evaluation(mean, (mean - left * mean, mean + left * (1 - mean)))
    low, high = stats.t.interval(LEVEL, len(scores) - 1, mean, error)
    return Evaluation(mean, (float(low), float(high)))
