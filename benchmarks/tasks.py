"""Whether data ever hold training back. `python -m benchmarks.tasks`.

For each task: samples per second of its `tf.data` pipeline on one core, samples per second that training a UGRNN of
100,000 parameters takes on one core, and the ratio; batches of 64, of 20 where the task carries its state. The two are
measured one after the other, each on a core of its own. Tasks that need data take part where `RNNCAP_DATA_DIR` has
them. Below: the memory that the full-size random continuous function takes.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import resource
import statistics
import time

from rich.console import Console
from rich.table import Table

PARAMETERS = 100_000


def _batch_size(task) -> int:  # type: ignore[no-untyped-def]
    return 20 if task.carries_state else 64


def produced(name: str, seconds: float) -> float:
    """Returns the samples per second of a task's batches, the median of five runs."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    from keras_rnncap.datasets import make_task

    task = make_task(name)
    size, rates = _batch_size(task), []
    batches = iter(task.dataset(size, 0, 0, 10**9))
    next(batches)
    for _ in range(5):
        count, started = 0, time.perf_counter()
        while time.perf_counter() - started < seconds / 5:
            next(batches)
            count += size
        rates.append(count / (time.perf_counter() - started))
    return statistics.median(rates)


def consumed(name: str, seconds: float) -> float:
    """Returns the samples per second that training takes, from batches that are there already."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    from keras_rnncap.budget import units_for_budget
    from keras_rnncap.datasets import make_task
    from keras_rnncap.models import sequence_model
    from keras_rnncap.training import TrainingSettings, compile_model

    task = make_task(name)
    size = _batch_size(task)

    def build(units: int):  # type: ignore[no-untyped-def]
        sizes = {"input_dim": task.input_dim, "output_dim": task.output_dim}
        return sequence_model("ugrnn", units, **sizes, return_sequences=task.return_sequences)

    model = build(units_for_budget(build, PARAMETERS).units)
    compile_model(model, task.loss(), TrainingSettings(steps=10))
    kept = list(itertools.islice(task.batches(size, seed=0), 10))
    data = tf.data.Dataset.from_tensor_slices(tuple(map(list, zip(*kept, strict=True)))).cache()
    rates = []
    model.fit(data, verbose=0)
    started = time.perf_counter()
    while len(rates) < 5 or time.perf_counter() - started < seconds:
        before = time.perf_counter()
        model.fit(data, verbose=0)
        rates.append(10 * size / (time.perf_counter() - before))
    return statistics.median(rates)


def memory(name: str, seconds: float) -> float:
    """Returns the megabytes that a task takes."""
    del seconds
    from keras_rnncap.datasets import make_task

    task = make_task("memory")
    next(task.batches(64, seed=0))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    task = make_task(name)
    next(task.batches(64, seed=0))
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def _alone(core: int, function, name: str, seconds: float) -> float:  # type: ignore[no-untyped-def]
    """Runs a function in a process of its own on one core."""
    with multiprocessing.get_context("spawn").Pool(1, _settle, (core,)) as pool:
        return pool.apply(function, (name, seconds))


def _settle(core: int) -> None:
    os.environ |= {"OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[core % len(cores)]})


def main() -> None:
    """Prints the table."""
    from keras_rnncap.datasets import TASKS

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", default=list(TASKS))
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    arguments = parser.parse_args()
    table = Table(title=f"Samples per second, one core each; the training of a UGRNN of {PARAMETERS:,} parameters")
    for column in ("task", "made", "trained on", "ratio"):
        table.add_column(column, justify="left" if column == "task" else "right")
    for name in arguments.tasks:
        if TASKS[name].needs_data and not os.environ.get("RNNCAP_DATA_DIR"):
            table.add_row(name, "-", "-", "no data")
            continue
        made, used = (_alone(core, one, name, arguments.seconds) for core, one in enumerate((produced, consumed)))
        table.add_row(name, f"{made:,.0f}", f"{used:,.0f}", f"{made / used:.1f}")
    Console().print(table)
    megabytes = _alone(0, memory, "random-function", 0.0)
    Console().print(f"the random continuous function of 1,000,000 samples takes {megabytes:.0f} MB", highlight=False)


if __name__ == "__main__":
    main()
