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

import concurrent.futures
import importlib.util
import statistics
import tempfile
import time

import keras
import numpy as np
from keras import ops
from rich.console import Console

from benchmarks.common import median, parser, show, times
from keras_rnncap.datasets import PerceptronCapacity
from keras_rnncap.datasets.task import untuned
from keras_rnncap.population import Member, MemberBuilder, PatternTable, Population
from keras_rnncap.population.devices import populations_at_once
from keras_rnncap.training import TrainingSettings, compile_model, fit

INPUTS, LENGTH = 16, 5
STEPS = 2000
CONFIGURATIONS = [(6, 512, 32), (16, 1024, 32), (32, 2048, 8)]
"""Units, patterns, members."""
SETTINGS = TrainingSettings(10**6, learning_rate=0.01, learning_rate_decay=0.01)
LARGE = {"units": 100, "inputs": 300, "length": 175, "batch": 64, "members": 4}


def matrix_rate(size: int = 2048) -> float:
    """Returns the machine's matrix-product rate in GFLOP/s, the best of ten."""
    a = keras.random.normal((size, size))
    return 2 * size**3 / min(times(lambda: ops.convert_to_numpy(ops.matmul(a, a)), 11)) / 1e9


def population_times(units: int, patterns: int, members: int, repeats: int) -> tuple[float, float]:
    """Returns seconds for a step of one member, and for its whole trial with building and compiling."""
    task = PerceptronCapacity(patterns, INPUTS, LENGTH)
    table = PatternTable(task.inputs[:, 0], task.targets, LENGTH, patterns)
    build = MemberBuilder("ugrnn", units, 1, INPUTS, 1)
    chosen = [Member(SETTINGS, seed=seed, patterns=patterns) for seed in range(members)]

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
    model = MemberBuilder("ugrnn", units, 1, INPUTS, 1)(Member(SETTINGS))
    compile_model(model, task.loss(), SETTINGS)
    fit(model, task.full_batches(100))
    return median(lambda: fit(model, task.full_batches(200)), repeats) / 200


def kerastuner_trial(units: int, patterns: int, trials: int = 3) -> float:
    """Returns seconds for a whole trial of stock KerasTuner."""
    import keras_tuner as kt

    task = PerceptronCapacity(patterns, INPUTS, LENGTH)

    def build(hp: kt.HyperParameters) -> keras.Model:
        model = MemberBuilder("ugrnn", units, 1, INPUTS, 1)(Member(SETTINGS))
        rate = hp.Float("learning_rate", 1e-3, 1e-1, sampling="log")
        model.compile(keras.optimizers.Adam(rate), task.loss(), steps_per_execution=100, jit_compile=False)
        return model

    with tempfile.TemporaryDirectory() as folder:
        tuner = kt.RandomSearch(build, kt.Objective("loss", "min"), max_trials=trials, directory=folder, seed=1)
        return median(lambda: tuner.search(task.full_batches(STEPS), epochs=1, verbose=0), 1) / trials


def large_times(repeats: int, steps: int = 2) -> tuple[float, float]:
    """Returns seconds for a step of one member of a population of large models, and of one such model in `fit`."""
    import tensorflow as tf

    rng = np.random.default_rng(0)
    x = rng.normal(size=(LARGE["batch"], LARGE["length"], LARGE["inputs"])).astype("float32")
    y = rng.integers(0, 10, LARGE["batch"])
    data = tf.data.Dataset.from_tensors((x, y)).cache().repeat(steps).with_options(untuned())
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    build = MemberBuilder("ugrnn", LARGE["units"], 1, LARGE["inputs"], 10)
    population = Population(build, [Member(SETTINGS, seed=seed) for seed in range(LARGE["members"])])
    population.compile_population(loss, steps_per_execution=steps)
    model = build(Member(SETTINGS))
    compile_model(model, loss, SETTINGS)
    together, alone = (
        times(lambda fit=contender.fit: fit(data, verbose=0, shuffle=False), repeats + 1)[1:]  # the first compiles
        for contender in (population, model)
    )
    return statistics.median(together) / steps / LARGE["members"], statistics.median(alone) / steps


def rates(seconds: float, units: int, inputs: int, length: int, batch: int, rate: float) -> dict[str, str]:
    """Returns columns: the GFLOP/s of the matrix products of a training step, and the share of the machine's."""
    gflops = 3 * 2 * batch * length * (inputs + units) * 2 * units / seconds / 1e9
    return {"GFLOP/s": f"{gflops:.1f}", "of the machine's": f"{gflops / rate:.0%}"}


def compared(name: str, theirs: float, ours: float) -> dict[str, str]:
    """Returns columns: milliseconds, and how many times as long as ours that is."""
    return {f"{name}, ms": f"{theirs * 1e3:.3f}", f"{name}, ratio": f"{theirs / ours:.2f}"}


def small_row(units: int, patterns: int, members: int, repeats: int, rate: float) -> dict[str, str]:
    """Measures small models."""
    ours, our_trial = population_times(units, patterns, members, repeats)
    row = {"units x patterns x members": f"{units} x {patterns:,} x {members}", "population, ms": f"{ours * 1e3:.3f}"}
    row |= compared("Keras fit", keras_step(units, patterns, repeats), ours)
    if importlib.util.find_spec("torch"):
        from benchmarks.population_torch import batched_step, vmap_step

        for name, step in {"torch batched": batched_step, "torch vmap": vmap_step}.items():
            row |= compared(name, step(units, patterns, members, INPUTS, LENGTH, repeats), ours)
    tuner = kerastuner_trial(units, patterns)
    row |= {"KerasTuner trial, s": f"{tuner:.2f}", "population trial, s": f"{our_trial:.2f}"}
    row["trials, ratio"] = f"{tuner / our_trial:.1f}"
    return row | rates(ours, units, INPUTS, LENGTH, patterns, rate)


def large_row(repeats: int, rate: float) -> dict[str, str]:
    """Measures a large model."""
    ours, stock = large_times(repeats)
    sizes = (LARGE[size] for size in ("units", "inputs", "length", "batch"))
    return {"population, ms": f"{ours * 1e3:.3f}"} | compared("Keras fit", stock, ours) | rates(ours, *sizes, rate)


def jax_row(units: int, patterns: int, members: int, repeats: int, rate: float) -> dict[str, str]:
    """Measures populations alone."""
    step, _ = population_times(units, patterns, members, repeats)
    row = {"units x patterns x members": f"{units} x {patterns:,} x {members:,}"}
    row["steps of a member per second"] = f"{1 / step:,.0f}"
    return row | rates(step, units, INPUTS, LENGTH, patterns, rate)


def main() -> None:
    """Prints the tables."""
    arguments = parser(__doc__)
    arguments.add_argument("--repeats", type=int, default=5, help="runs of which the median is taken")
    repeats, rate = arguments.parse_args().repeats, matrix_rate()
    width = int(np.clip(Console().width, 170, 200))
    title = f"UGRNN, T = {LENGTH}, {{}}; products at {rate:.0f} GFLOP/s"
    if keras.backend.backend() != "tensorflow":
        sizes = [(units, patterns, count) for units, patterns, members in CONFIGURATIONS for count in (members, 1024)]
        show(title.format("JAX"), [jax_row(*size, repeats, rate) for size in sizes], 0, width)
        return
    large = "UGRNN, {units} units, {inputs} inputs, T = {length}, batch {batch}, {members} members".format(**LARGE)
    show(large, [large_row(repeats, rate)], 0, width)
    rows = [small_row(*size, repeats, rate) for size in CONFIGURATIONS]
    show(title.format("ms for a step of one member"), rows, 0, width)


if __name__ == "__main__":
    main()
