"""A training step of cells that are linear in their states, in a loop and at once. `python -m benchmarks.scan`.

Each layer reads sequences of 16 numbers, and a Dense layer its outputs; the model is trained by Keras on random data.
The table has the milliseconds of a step (the median of several, after compiling), by backend, cell and length: of
`keras.layers.RNN(cell)`, of `ParallelRNN(cell)` and, with as many units, of Keras' LSTM and, on this processor, of
torch's LSTM and torchrecurrent's MGU, where they are installed. The last column is how many times as fast as the loop
all steps at once are.

Each backend has a process of its own. JAX compiles a loop of thousands of steps for some seconds, which is not timed.
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
from typing import Any

from benchmarks.common import median, parser, show

CELLS = ("mingru", "minlstm", "lru", "rg-lru", "s6")
WIDTH = 16
TORCH = {"torch's LSTM": ("torch.nn", "LSTM"), "torchrecurrent's MGU": ("torchrecurrent", "MGU")}
"""Layers of other packages: module and class."""


def measured(layer: Any, options: argparse.Namespace, length: int) -> float:
    """Returns the milliseconds of a training step of a model with a recurrent layer."""
    import keras
    import numpy as np

    rng = np.random.default_rng(0)
    x = rng.normal(size=(options.batch, length, WIDTH)).astype("float32")
    y = rng.normal(size=(options.batch, length, 1)).astype("float32")
    model = keras.Sequential([keras.Input((length, WIDTH)), layer, keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(1e-3), "mse")
    for _ in range(3):  # two calls compile
        model.train_on_batch(x, y)
    return 1e3 * median(lambda: model.train_on_batch(x, y), options.repeats)


def rows_of_backend(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Returns the rows of the backend of this process."""
    import keras

    from keras_rnncap import ParallelRNN
    from keras_rnncap.cells import get_cell

    rows = []
    for length in options.lengths:
        lstm = measured(keras.layers.LSTM(options.units, return_sequences=True), options, length)
        for name in options.cells:
            times = {
                kind: measured(layer(get_cell(name)(options.units), return_sequences=True), options, length)
                for kind, layer in (("loop", keras.layers.RNN), ("at once", ParallelRNN))
            }
            row = {"backend": keras.backend.backend(), "cell": name, "length": length} | times
            rows.append(row | {"Keras' LSTM": lstm})
    return rows


def torch_layer(module: str, name: str, options: argparse.Namespace, length: int) -> str:
    """Returns the milliseconds of a training step of a layer of torch or torchrecurrent; `-` where there is none."""
    try:
        import torch

        layer = getattr(importlib.import_module(module), name)(WIDTH, options.units, batch_first=True)
    except ImportError:
        return "-"
    readout = torch.nn.Linear(options.units, 1)
    optimizer = torch.optim.Adam([*layer.parameters(), *readout.parameters()], 1e-3)
    x, y = torch.randn(options.batch, length, WIDTH), torch.randn(options.batch, length, 1)

    def step() -> None:
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(readout(layer(x)[0]), y).backward()
        optimizer.step()

    step()
    return f"{1e3 * median(step, options.repeats):.1f}"


def main() -> None:
    """Prints a table."""
    arguments = parser(__doc__)
    arguments.add_argument("--backends", nargs="+", choices=["tensorflow", "jax"], default=["tensorflow", "jax"])
    arguments.add_argument("--cells", nargs="+", choices=CELLS, default=CELLS)
    arguments.add_argument("--lengths", nargs="+", type=int, default=[64, 256, 1024, 4096])
    arguments.add_argument("--units", type=int, default=64)
    arguments.add_argument("--batch", type=int, default=8)
    arguments.add_argument("--repeats", type=int, default=5)
    arguments.add_argument("--rows", action="store_true", help="print the rows of this process' backend as JSON")
    options: argparse.Namespace = arguments.parse_args()
    if options.rows:
        print("\n" + json.dumps(rows_of_backend(options)))
        return
    rows: list[dict[str, Any]] = []
    for backend in options.backends:
        command = [sys.executable, "-m", "benchmarks.scan", *sys.argv[1:], "--rows"]
        environment = os.environ | {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        rows += json.loads(done.stdout.splitlines()[-1])
    by_length = {
        length: {told: torch_layer(module, name, options, length) for told, (module, name) in TORCH.items()}
        for length in options.lengths
    }
    table = [
        {name: f"{value:.1f}" if isinstance(value, float) else f"{value}" for name, value in row.items()}
        | by_length[row["length"]]
        | {"loop / at once": f"{row['loop'] / row['at once']:.1f}"}
        for row in rows
    ]
    title = f"Milliseconds of a training step, {options.units} units, batches of {options.batch}"
    show(title, table, texts=2, width=120)


if __name__ == "__main__":
    main()
