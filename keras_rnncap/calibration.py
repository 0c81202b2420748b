"""Measures a model whose capacity is known with the code that measures cells."""

from typing import NamedTuple

import keras

from keras_rnncap.datasets import PerceptronCapacity
from keras_rnncap.errors import check_integer, check_seed
from keras_rnncap.information import bits_per_parameter
from keras_rnncap.initializers import matrix_initializer
from keras_rnncap.training import TrainingSettings, compile_model, fit


class Calibration(NamedTuple):
    """Patterns over weights (the threshold included), the fraction classified correctly, and the bits stored."""

    patterns_per_weight: float
    accuracy: float
    bits_per_weight: float


def calibrate_meter(
    inputs: int = 100,
    patterns_per_weight: tuple[float, ...] = (1.0, 1.5, 1.7, 1.8, 1.9, 2.0, 2.2, 2.5),
    steps: int = 10_000,
    seed: int = 0,
) -> list[Calibration]:
    """Measures how many random patterns a linear threshold unit stores.

    Cover (1965): N weights separate b random patterns in general position, labelled at random, almost surely if b < 2 N
    and almost never if b > 2 N, for large N: 2 bits for each weight. Beyond, the information in the most patterns that
    can be right rises slowly (Gardner and Derrida, 1988), and gradient descent finds less of it.

    Args:
        inputs: Width of the patterns; the unit has one weight more.
        patterns_per_weight: Where to measure.
        steps: Full-batch training steps.
        seed: Seed of patterns and weights.

    Example:
    >>> calibrate_meter(inputs=20, patterns_per_weight=(0.5,), steps=300)[0].bits_per_weight >= 0.47
    True
    """
    check_integer("inputs", inputs, 1)
    check_seed(seed)
    settings = TrainingSettings(steps=steps, learning_rate=0.3, learning_rate_decay=0.1, clip_norm=1e6)
    weights = inputs + 1
    rows = []
    for ratio in patterns_per_weight:
        task = PerceptronCapacity(round(ratio * weights), inputs, length=1, seed=seed)
        unit = keras.layers.Dense(1, kernel_initializer=matrix_initializer("normal", seed=seed))
        model = keras.Sequential([keras.Input((task.length, task.input_dim)), keras.layers.Flatten(), unit])
        compile_model(model, task.loss(), settings)
        fit(model, task.full_batches(settings.steps))
        rows.append(Calibration(ratio, task.accuracy(model), bits_per_parameter(task.score(model), weights)))
    return rows
