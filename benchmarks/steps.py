"""What a step of an exported model costs, and how large its files are. `python -m benchmarks.steps`.

For each cell a model of at most `--params` parameters, 27 inputs and outputs: the sizes of the LiteRT models, the
median time of a step of a batch of one in the LiteRT interpreter (one thread), and the same in TensorFlow as a multiple
of that. LiteRT's interpreter is the package ai-edge-litert.
"""

from __future__ import annotations

import argparse
import functools
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from rich.console import Console
from rich.table import Table

from keras_rnncap.budget import units_for_budget
from keras_rnncap.cells import CELLS
from keras_rnncap.models import sequence_model
from keras_rnncap.zoo import Stepper, export

WIDTH = 27


def microseconds(step: Callable[[], Any], steps: int) -> float:
    """Returns the median time of a step."""
    times = []
    for _ in range(steps):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return 1e6 * statistics.median(times[steps // 10 :])


def litert_step(file: Path, states: dict[str, np.ndarray]) -> Callable[[], Any]:
    """Returns what runs one step in the LiteRT interpreter."""
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(str(file), num_threads=1).get_signature_runner("step")
    x = np.eye(1, WIDTH, dtype="float32")
    return lambda: runner(x=x, **states)


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", type=int, default=20_000)
    parser.add_argument("--steps", type=int, default=2_000)
    parser.add_argument("--cells", nargs="+", choices=list(CELLS), default=list(CELLS))
    arguments = parser.parse_args()
    table = Table(title=f"One step, at most {arguments.params:,} parameters, {WIDTH} inputs and outputs, depth 1")
    for column in ("cell", "units", "float32, kB", "int8, kB", "float32, us", "int8, us", "TensorFlow / float32"):
        table.add_column(column, justify="left" if column == "cell" else "right")
    for cell in arguments.cells:
        build = functools.partial(
            sequence_model, cell, input_dim=WIDTH, output_dim=WIDTH, return_sequences=True, seed=0
        )
        units = units_for_budget(build, arguments.params).units
        model = build(units)
        with tempfile.TemporaryDirectory() as folder:
            files = export(model, folder, ["saved_model", "litert", "litert-int8"])
            known = Stepper(model).states
            states = {f"state_{index}": state.initial[None] for index, state in enumerate(known)}
            sizes = [files[name].stat().st_size / 1000 for name in ("litert", "litert-int8")]
            times = [
                microseconds(litert_step(files[name], states), arguments.steps) for name in ("litert", "litert-int8")
            ]
            loaded = tf.saved_model.load(str(files["saved_model"]))
            inputs = [tf.constant(np.eye(1, WIDTH, dtype="float32")), *map(tf.constant, states.values())]
            whole = microseconds(functools.partial(loaded.step, *inputs), arguments.steps)
        numbers = [*(f"{size:.1f}" for size in sizes), *(f"{one:.1f}" for one in times), f"{whole / times[0]:.0f}"]
        table.add_row(cell, str(units), *numbers)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
