"""What a step of an exported model costs, and how large its files are. `python -m benchmarks.steps`.

For each cell a model of at most `--params` parameters, 27 inputs and outputs: the sizes of the LiteRT models, the
median time of a step of a batch of one in the LiteRT interpreter (one thread), and the same in TensorFlow. LiteRT's
interpreter is the package ai-edge-litert. Where tf2onnx and onnxruntime are installed, ONNX Runtime does the same step
(one thread).
"""

import functools
import importlib.util
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.common import parser, show, times
from keras_rnncap.budget import units_for_budget
from keras_rnncap.cells import CELLS
from keras_rnncap.models import sequence_model
from keras_rnncap.zoo import Stepper, export

WIDTH = 27
FORMATS = {"float32": "litert", "int8": "litert-int8"}


def microseconds(step: Callable[[], Any], steps: int) -> float:
    """Returns the median time of a step, without the first tenth."""
    return 1e6 * statistics.median(times(step, steps)[steps // 10 :])


def litert_step(file: Path, states: dict[str, np.ndarray]) -> Callable[[], Any]:
    """Returns a function that runs one step in the LiteRT interpreter."""
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(str(file), num_threads=1).get_signature_runner("step")
    return functools.partial(runner, x=np.eye(1, WIDTH, dtype="float32"), **states)


def onnx_step(file: Path, states: dict[str, np.ndarray]) -> Callable[[], Any]:
    """Returns a function that runs one step in ONNX Runtime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(file), options)
    return functools.partial(session.run, None, {"x": np.eye(1, WIDTH, dtype="float32"), **states})


def row_of(cell: str, params: int, steps: int) -> dict[str, str]:
    """Measures a cell."""
    build = functools.partial(sequence_model, cell, input_dim=WIDTH, output_dim=WIDTH, return_sequences=True, seed=0)
    units = units_for_budget(build, params).units
    model = build(units)
    states = {f"state_{index}": state.initial[None] for index, state in enumerate(Stepper(model).states)}
    with tempfile.TemporaryDirectory() as folder:
        others = ["onnx-step"] if importlib.util.find_spec("onnxruntime") else []
        files = export(model, folder, ["saved_model", *FORMATS.values(), *others])
        litert = {name: microseconds(litert_step(files[kind], states), steps) for name, kind in FORMATS.items()}
        onnx = {f"{kind}, us": f"{microseconds(onnx_step(files[kind], states), steps):.1f}" for kind in others}
        inputs = [tf.constant(np.eye(1, WIDTH, dtype="float32")), *map(tf.constant, states.values())]
        loaded = tf.saved_model.load(str(files["saved_model"]))
        tensorflow_us = microseconds(functools.partial(loaded.step, *inputs), steps)
        sizes = {f"{name}, kB": f"{files[kind].stat().st_size / 1000:.1f}" for name, kind in FORMATS.items()}
    speeds = {f"{name}, us": f"{time:.1f}" for name, time in litert.items()}
    tensorflow = {"TensorFlow, us": f"{tensorflow_us:.0f}"}
    return {"cell": cell, "units": str(units)} | sizes | speeds | onnx | tensorflow


def main() -> None:
    """Prints a table."""
    arguments = parser(__doc__)
    arguments.add_argument("--params", type=int, default=20_000)
    arguments.add_argument("--steps", type=int, default=2_000)
    arguments.add_argument("--cells", nargs="+", choices=list(CELLS), default=list(CELLS))
    options = arguments.parse_args()
    title = f"One step, at most {options.params:,} parameters, {WIDTH} inputs and outputs, depth 1"
    show(title, [row_of(cell, options.params, options.steps) for cell in options.cells], width=120)


if __name__ == "__main__":
    main()
