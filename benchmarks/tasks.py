"""Whether data ever hold training back. `python -m benchmarks.tasks`.

For each task: samples per second of its `tf.data` pipeline on one core, samples per second that training a UGRNN of
100,000 parameters takes on one core, and the ratio; batches of 64, of 20 where the task carries its state. The two are
measured one after the other, each on a core of its own. Tasks that need data take part where `RNNCAP_DATA_DIR` has
them. Below: the memory that the full-size random continuous function takes.
"""

import itertools
import multiprocessing
import os
import resource
from collections.abc import Callable
from typing import Any

from benchmarks.common import mean, parser, show

PARAMETERS = 100_000


def _task(name: str) -> tuple[Any, int]:
    """Returns a task and its batch size; TensorFlow, which is imported first, takes one thread."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    from keras_rnncap.datasets import make_task

    task = make_task(name)
    return task, 20 if task.carries_state else 64


def produced(name: str, seconds: float) -> float:
    """Returns the samples per second of a task's batches."""
    task, size = _task(name)
    batches = iter(task.dataset(size, 0, 0, 10**9))
    return 100 * size / mean(lambda: list(itertools.islice(batches, 100)), seconds)


def consumed(name: str, seconds: float) -> float:
    """Returns the samples per second that training takes, from batches that are there already."""
    task, size = _task(name)
    import tensorflow as tf

    from keras_rnncap.budget import units_for_budget
    from keras_rnncap.models import sequence_model
    from keras_rnncap.training import TrainingSettings, compile_model

    def build(units: int) -> Any:
        sizes = {"input_dim": task.input_dim, "output_dim": task.output_dim}
        return sequence_model("ugrnn", units, **sizes, return_sequences=task.return_sequences)

    model = build(units_for_budget(build, PARAMETERS).units)
    compile_model(model, task.loss(), TrainingSettings(steps=10))
    kept = list(itertools.islice(task.batches(size, seed=0), 10))
    data = tf.data.Dataset.from_tensor_slices(tuple(map(list, zip(*kept, strict=True)))).cache()
    return 10 * size / mean(lambda: model.fit(data, verbose=0), seconds)


def memory(name: str, seconds: float) -> float:
    """Returns the megabytes that a task takes."""
    del seconds
    peaks = []
    for each in ("memory", name):
        next(_task(each)[0].batches(64, seed=0))
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    return peaks[1] - peaks[0]


def _alone(core: int, function: Callable[[str, float], float], name: str, seconds: float) -> float:
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

    arguments = parser(__doc__)
    arguments.add_argument("--tasks", nargs="+", default=list(TASKS))
    arguments.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    options = arguments.parse_args()
    rows = []
    for name in options.tasks:
        row = {"task": name, "made": "-", "trained on": "-", "ratio": "no data"}
        if not TASKS[name].needs_data or os.environ.get("RNNCAP_DATA_DIR"):
            made, used = (_alone(core, work, name, options.seconds) for core, work in enumerate((produced, consumed)))
            row |= {"made": f"{made:,.0f}", "trained on": f"{used:,.0f}", "ratio": f"{made / used:.1f}"}
        rows.append(row)
    show(f"Samples per second, one core each; the training of a UGRNN of {PARAMETERS:,} parameters", rows)
    megabytes = _alone(0, memory, "random-function", 0.0)
    print(f"the random continuous function of 1,000,000 samples takes {megabytes:.0f} MB")


if __name__ == "__main__":
    main()
