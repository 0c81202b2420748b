"""A population beside one Keras `fit` for each model, and beside stock KerasTuner. `python -m benchmarks.population`.

Per training step of one member: a population of N, divided by N, against the best stock use of Keras on the same model
and batch (`fit`, one epoch, `steps_per_execution=100`); and per whole trial of 2,000 steps against KerasTuner's
RandomSearch around that same `fit`. All members learn random patterns with the UGRNN. Medians of several runs.

GFLOP/s counts the matrix products of the equations, 2 batch time (inputs + units) 2 units, three times for forward and
backward; the machine's rate is the best product of two 2048 x 2048 matrices in the same run.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable

import keras
import keras_tuner as kt
import numpy as np
import tensorflow as tf
from keras_rnncap.datasets import PerceptronCapacity
from rich.console import Console
from rich.table import Table

from keras_rnncap.population import Member, MemberBuilder, PatternTable, Population
from keras_rnncap.training import TrainingSettings, compile_model, fit

INPUTS, LENGTH = 16, 5
STEPS = 2000
CONFIGURATIONS = [(6, 512, 32), (16, 1024, 32), (32, 2048, 8)]
"""Units, patterns, members."""


def seconds(work: Callable[[], object]) -> float:
    """Returns how long a call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def matrix_rate(size: int = 2048) -> float:
    """Returns the machine's matrix-product rate in GFLOP/s, the best of ten."""
    a = tf.random.normal((size, size))
    tf.matmul(a, a)
    return 2 * size**3 / min(seconds(lambda: tf.matmul(a, a).numpy()) for _ in range(10)) / 1e9


def settings(steps: int = STEPS) -> TrainingSettings:
    """Returns the training that all contenders do."""
    return TrainingSettings(steps, learning_rate=0.01, learning_rate_decay=0.01)


def population_times(units: int, patterns: int, members: int, repeats: int) -> tuple[float, float]:
    """Returns seconds for a step of one member, and for its whole trial with building and compiling."""
    task = PerceptronCapacity(patterns, INPUTS, LENGTH)
    table = PatternTable(task.inputs[:, 0], task.targets, LENGTH, patterns)
    build = MemberBuilder("ugrnn", units, 1, INPUTS, 1)
    chosen = [Member(settings(10**6), seed=seed, patterns=patterns) for seed in range(members)]

    def start() -> Population:
        population = Population(build, chosen, table)
        population.compile_population(task.loss())
        population.fit_steps(100)
        return population

    first = time.perf_counter()
    population = start()
    compile_s = time.perf_counter() - first
    step = statistics.median(seconds(lambda: population.fit_steps(200)) / 200 for _ in range(repeats))
    return step / members, (compile_s + (STEPS - 100) * step) / members


def keras_step(units: int, patterns: int, repeats: int) -> float:
    """Returns seconds for a step of one model in one stock `fit`."""
    task = PerceptronCapacity(patterns, INPUTS, LENGTH)
    model = MemberBuilder("ugrnn", units, 1, INPUTS, 1)(Member(settings()))
    compile_model(model, task.loss(), settings(10**6))
    fit(model, task.full_batches(100))
    return statistics.median(seconds(lambda: fit(model, task.full_batches(200))) / 200 for _ in range(repeats))


def kerastuner_trial(units: int, patterns: int, trials: int = 3) -> float:
    """Returns seconds for a whole trial of stock KerasTuner."""
    task = PerceptronCapacity(patterns, INPUTS, LENGTH)

    def build(hp: kt.HyperParameters) -> keras.Model:
        model = MemberBuilder("ugrnn", units, 1, INPUTS, 1)(Member(settings()))
        rate = hp.Float("learning_rate", 1e-3, 1e-1, sampling="log")
        model.compile(keras.optimizers.Adam(rate), task.loss(), steps_per_execution=100, jit_compile=False)
        return model

    with tempfile.TemporaryDirectory() as folder:
        tuner = kt.RandomSearch(build, kt.Objective("loss", "min"), max_trials=trials, directory=folder, seed=1)
        return seconds(lambda: tuner.search(task.full_batches(STEPS), epochs=1, verbose=0)) / trials


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5, help="runs of which the median is taken")
    repeats = parser.parse_args().repeats
    rate = matrix_rate()
    table = Table(title=f"UGRNN, T = {LENGTH}; matrix products at {rate:.0f} GFLOP/s", title_justify="left")
    for column in (
        "units x patterns x members",
        "population, ms",
        "Keras fit, ms",
        "ratio",
        "KerasTuner trial, s",
        "population trial, s",
        "ratio",
        "GFLOP/s",
        "of the machine's",
    ):
        table.add_column(column, justify="right")
    for units, patterns, members in CONFIGURATIONS:
        ours, our_trial = population_times(units, patterns, members, repeats)
        stock = keras_step(units, patterns, repeats)
        tuner = kerastuner_trial(units, patterns)
        flops = 3 * 2 * patterns * LENGTH * (INPUTS + units) * 2 * units
        table.add_row(
            f"{units} x {patterns:,} x {members}",
            f"{ours * 1e3:.3f}",
            f"{stock * 1e3:.3f}",
            f"{stock / ours:.1f}",
            f"{tuner:.2f}",
            f"{our_trial:.2f}",
            f"{tuner / our_trial:.1f}",
            f"{flops / ours / 1e9:.1f}",
            f"{flops / ours / 1e9 / rate:.0%}",
        )
    Console(width=np.clip(Console().width, 140, 200)).print(table)


if __name__ == "__main__":
    main()
