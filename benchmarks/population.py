"""Populations beside one Keras `fit` for each model, stock KerasTuner, and torch. `python -m benchmarks.population`.

First table, UGRNN, T = 5, random patterns: milliseconds of a training step of one member. "population" are N members, a
population on each core, divided by N; "Keras fit" the best stock use of Keras on the same model and batch (one epoch,
`steps_per_execution=100`); "trial" whole trials of 2,000 steps with building and compiling, against KerasTuner's
RandomSearch around that same `fit`. Where torch is installed: batched products (`torch.baddbmm`) and
`torch.func.vmap(grad)`, with one Adam over all members.

Second table: a large model, where a population can only tie.

GFLOP/s counts the matrix products of the equations, 2 batch time (inputs + units) 2 units, three times for forward and
backward; the machine's rate is the best product of two 2048 x 2048 matrices in the same run. Ratios are what counts.

With `KERAS_BACKEND=jax` only populations run, of up to 1,024 members: steps of a member in a second, for a GPU.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import importlib.util
import statistics
import tempfile
import time
from collections.abc import Callable

import keras
import numpy as np
from keras import ops
from rich.console import Console
from rich.table import Table

from keras_rnncap.datasets import PerceptronCapacity
from keras_rnncap.population import Member, MemberBuilder, PatternTable, Population
from keras_rnncap.population.devices import populations_at_once
from keras_rnncap.training import TrainingSettings, compile_model, fit

INPUTS, LENGTH = 16, 5
STEPS = 2000
CONFIGURATIONS = [(6, 512, 32), (16, 1024, 32), (32, 2048, 8)]
"""Units, patterns, members."""
LARGE = {"units": 100, "inputs": 300, "length": 175, "batch": 64, "members": 4}


def seconds(work: Callable[[], object]) -> float:
    """Returns how long a call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def median(work: Callable[[], object], repeats: int) -> float:
    """Returns the median of several times."""
    return statistics.median(seconds(work) for _ in range(repeats))


def matrix_rate(size: int = 2048) -> float:
    """Returns the machine's matrix-product rate in GFLOP/s, the best of ten."""
    a = keras.random.normal((size, size))
    ops.convert_to_numpy(ops.matmul(a, a))
    return 2 * size**3 / min(seconds(lambda: ops.convert_to_numpy(ops.matmul(a, a))) for _ in range(10)) / 1e9


def settings(steps: int = 10**6) -> TrainingSettings:
    """Returns the training that all contenders do."""
    return TrainingSettings(steps, learning_rate=0.01, learning_rate_decay=0.01)


def population_times(units: int, patterns: int, members: int, repeats: int) -> tuple[float, float]:
    """Returns seconds for a step of one member, and for its whole trial with building and compiling."""
    task = PerceptronCapacity(patterns, INPUTS, LENGTH)
    table = PatternTable(task.inputs[:, 0], task.targets, LENGTH, patterns)
    build = MemberBuilder("ugrnn", units, 1, INPUTS, 1)
    chosen = [Member(settings(), seed=seed, patterns=patterns) for seed in range(members)]

    # As the inline engine has them.
    count = min(populations_at_once(), members) if keras.backend.backend() == "tensorflow" else 1
    with concurrent.futures.ThreadPoolExecutor(count) as pool:

        def train(steps: int) -> None:
            list(pool.map(lambda population: population.fit_steps(steps), populations))

        first = time.perf_counter()
        populations = [Population(build, chosen[place::count], table) for place in range(count)]
        for population in populations:
            population.compile_population(task.loss())
        train(100)
        compile_s = time.perf_counter() - first
        step = median(lambda: train(200), repeats) / 200
    return step / members, (compile_s + (STEPS - 100) * step) / members


def keras_step(units: int, patterns: int, repeats: int) -> float:
    """Returns seconds for a step of one model in one stock `fit`."""
    task = PerceptronCapacity(patterns, INPUTS, LENGTH)
    model = MemberBuilder("ugrnn", units, 1, INPUTS, 1)(Member(settings()))
    compile_model(model, task.loss(), settings())
    fit(model, task.full_batches(100))
    return median(lambda: fit(model, task.full_batches(200)), repeats) / 200


def kerastuner_trial(units: int, patterns: int, trials: int = 3) -> float:
    """Returns seconds for a whole trial of stock KerasTuner."""
    import keras_tuner as kt

    task = PerceptronCapacity(patterns, INPUTS, LENGTH)

    def build(hp: kt.HyperParameters) -> keras.Model:
        model = MemberBuilder("ugrnn", units, 1, INPUTS, 1)(Member(settings()))
        rate = hp.Float("learning_rate", 1e-3, 1e-1, sampling="log")
        model.compile(keras.optimizers.Adam(rate), task.loss(), steps_per_execution=100, jit_compile=False)
        return model

    with tempfile.TemporaryDirectory() as folder:
        tuner = kt.RandomSearch(build, kt.Objective("loss", "min"), max_trials=trials, directory=folder, seed=1)
        return seconds(lambda: tuner.search(task.full_batches(STEPS), epochs=1, verbose=0)) / trials


def large_times(repeats: int, steps: int = 2) -> tuple[float, float]:
    """Returns seconds for a step of one member of a population of large models, and of one such model in `fit`."""
    import tensorflow as tf

    rng = np.random.default_rng(0)
    x = rng.normal(size=(LARGE["batch"], LARGE["length"], LARGE["inputs"])).astype("float32")
    y = rng.integers(0, 10, LARGE["batch"])
    data = tf.data.Dataset.from_tensors((x, y)).cache().repeat(steps)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    build = MemberBuilder("ugrnn", LARGE["units"], 1, LARGE["inputs"], 10)
    population = Population(build, [Member(settings(), seed=seed) for seed in range(LARGE["members"])])
    population.compile_population(loss, steps_per_execution=steps)
    model = build(Member(settings()))
    compile_model(model, loss, settings())
    times = []
    for contender in (population, model):
        contender.fit(data, verbose=0, shuffle=False)
        times.append(median(lambda fit=contender.fit: fit(data, verbose=0, shuffle=False), repeats) / steps)
    return times[0] / LARGE["members"], times[1]


def milliseconds(value: float | None) -> str:
    """Returns a time as text."""
    return "-" if value is None else f"{value * 1e3:.3f}"


def flops(units: int, inputs: int, length: int, batch: int) -> float:
    """Returns the operations of the matrix products of one training step."""
    return 3 * 2 * batch * length * (inputs + units) * 2 * units


def small_table(repeats: int, rate: float) -> Table:
    """Measures small models."""
    torch = importlib.util.find_spec("torch") is not None
    table = Table(
        title=f"UGRNN, T = {LENGTH}, ms for a step of one member; products at {rate:.0f} GFLOP/s", title_justify="left"
    )
    heads = ("units x patterns x members", "population", "Keras fit", "ratio")
    heads += ("torch batched", "ratio", "torch vmap", "ratio") if torch else ()
    heads += ("KerasTuner trial, s", "population trial, s", "ratio", "GFLOP/s", "of the machine's")
    for column in heads:
        table.add_column(column, justify="right")
    for units, patterns, members in CONFIGURATIONS:
        ours, our_trial = population_times(units, patterns, members, repeats)
        stock = keras_step(units, patterns, repeats)
        cells = [f"{units} x {patterns:,} x {members}", milliseconds(ours), milliseconds(stock), f"{stock / ours:.1f}"]
        if torch:
            from benchmarks.population_torch import batched_step, vmap_step

            for contender in (batched_step, vmap_step):
                theirs = contender(units, patterns, members, INPUTS, LENGTH, repeats)
                cells += [milliseconds(theirs), f"{theirs / ours:.1f}"]
        tuner = kerastuner_trial(units, patterns)
        done = flops(units, INPUTS, LENGTH, patterns) / ours / 1e9
        cells += [f"{tuner:.2f}", f"{our_trial:.2f}", f"{tuner / our_trial:.1f}", f"{done:.1f}", f"{done / rate:.0%}"]
        table.add_row(*cells)
    return table


def large_table(repeats: int, rate: float) -> Table:
    """Measures a large model."""
    title = "UGRNN, {units} units, {inputs} inputs, T = {length}, batch {batch}, {members} members".format(**LARGE)
    table = Table(title=title, title_justify="left")
    for column in ("population, ms", "Keras fit, ms", "ratio", "GFLOP/s", "of the machine's"):
        table.add_column(column, justify="right")
    ours, stock = large_times(repeats)
    done = flops(LARGE["units"], LARGE["inputs"], LARGE["length"], LARGE["batch"]) / ours / 1e9
    table.add_row(milliseconds(ours), milliseconds(stock), f"{stock / ours:.2f}", f"{done:.1f}", f"{done / rate:.0%}")
    return table


def jax_table(repeats: int, rate: float) -> Table:
    """Measures populations alone, up to many members."""
    table = Table(title=f"UGRNN, T = {LENGTH}, JAX; products at {rate:.0f} GFLOP/s", title_justify="left")
    for column in ("units x patterns x members", "steps of a member per second", "GFLOP/s", "of the machine's"):
        table.add_column(column, justify="right")
    for units, patterns, members in CONFIGURATIONS:
        for count in (members, 1024):
            step, _ = population_times(units, patterns, count, repeats)
            done = flops(units, INPUTS, LENGTH, patterns) / step / 1e9
            table.add_row(
                f"{units} x {patterns:,} x {count:,}", f"{1 / step:,.0f}", f"{done:.1f}", f"{done / rate:.0%}"
            )
    return table


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5, help="runs of which the median is taken")
    repeats = parser.parse_args().repeats
    console = Console(width=int(np.clip(Console().width, 170, 200)))
    rate = matrix_rate()
    if keras.backend.backend() != "tensorflow":
        console.print(jax_table(repeats, rate))
        return
    console.print(large_table(repeats, rate))
    console.print(small_table(repeats, rate))


if __name__ == "__main__":
    main()
