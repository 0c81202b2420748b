"""What a training step of each cell costs. `python -m benchmarks.cells`.

For each cell and each of `--params` a model that reads sequences of 27 one-hot characters and predicts the next one,
trained by Keras' `fit` in batches of 32 x 35: the milliseconds of a step (the median of several calls of 10 steps), and
as a multiple of that of Keras' own LSTM, GRU or SimpleRNN of as many parameters, whichever is nearest to the cell. Then
the time of the cell's members in populations, where it can share: of each of four that train together. Where torch is
installed, the last columns have the closest torch layer of as many units, its own or that of torchrecurrent, and by how
much the step alone and the one of a member differ from it.

What a step of an exported model costs prints `python -m benchmarks.steps`.
"""

import argparse
import functools
import importlib
import importlib.util
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from benchmarks.common import median, parser, show
from keras_rnncap.budget import units_for_budget
from keras_rnncap.cells import CELLS
from keras_rnncap.datasets.task import untuned
from keras_rnncap.models import sequence_model
from keras_rnncap.population import CannotShareError, Member, MemberBuilder, Population
from keras_rnncap.training import TrainingSettings, compile_model

WIDTH, LENGTH, BATCH, STEPS, MEMBERS = 27, 35, 32, 10, 4
PEERS = {"SimpleRNN": keras.layers.SimpleRNNCell, "GRU": keras.layers.GRUCell, "LSTM": keras.layers.LSTMCell}
NEAREST = {1: "SimpleRNN", 2: "GRU", 3: "GRU", 4: "LSTM"}
"""By the blocks of a cell."""
TORCH = dict.fromkeys(("rnn", "irnn", "two-bias-rnn"), "torch.nn.RNN")
TORCH |= dict.fromkeys(("gru", "reset-after-gru"), "torch.nn.GRU")
TORCH |= dict.fromkeys(("lstm", "tanh-lstm", "lstm-b", "lstm-i", "lstm-o", "lstm-f", "slstm"), "torch.nn.LSTM")
TORCH |= {name: f"torchrecurrent.{name.upper()}" for name in ("ugrnn", "mut1", "mut2", "mut3", "mgu", "janet", "lem")}
TORCH |= {"fastgrnn": "torchrecurrent.FastGRNN", "indrnn": "torchrecurrent.IndRNN"}
"""The closest layers of torch and torchrecurrent."""
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def data() -> tuple[np.ndarray, np.ndarray]:
    """Returns random batches of one call."""
    letters = np.random.default_rng(0).integers(0, WIDTH, (BATCH * STEPS, LENGTH + 1))
    return np.eye(WIDTH, dtype="float32")[letters[:, :-1]], letters[:, 1:]


def fitting(model: keras.Model) -> Callable[[], object]:
    """Returns a function that makes `STEPS` steps of Keras' `fit`, after two such calls.

    Keras makes tuned data sets of arrays, whose end waits for a multiple of 0.05 seconds or more: this is not timed.
    """
    x, y = data()
    batches: dict[str, Any] = {"x": x, "y": y, "batch_size": BATCH}
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        batches = {
            "x": tf.data.Dataset.from_tensor_slices((x, y)).batch(BATCH, drop_remainder=True).with_options(untuned())
        }
    fit = functools.partial(model.fit, **batches, verbose=0, shuffle=False)
    fit()
    fit()
    return fit


def sized(cell: Any, params: int) -> tuple[Any, int]:
    """Returns what builds a model of a cell, and its units for a budget."""
    build = functools.partial(sequence_model, cell, input_dim=WIDTH, output_dim=WIDTH, return_sequences=True, seed=0)
    return build, units_for_budget(build, params).units


def alone(cell: Any, params: int, repeats: int) -> float:
    """Returns the milliseconds of a step of Keras' `fit`."""
    build, units = sized(cell, params)
    model = build(units)
    compile_model(model, LOSS, TrainingSettings(10**6, "adam", 1e-3))
    return 1e3 * median(fitting(model), repeats) / STEPS


def together(cell: str, params: int, repeats: int) -> float | None:
    """Returns the milliseconds of a step of a member of a population; `None` where the cell cannot share."""
    _, units = sized(cell, params)
    build = MemberBuilder(cell, units, 1, WIDTH, WIDTH, return_sequences=True)
    members = [Member(TrainingSettings(10**6, "adam", 1e-3), seed=seed) for seed in range(MEMBERS)]
    try:
        population = Population(build, members)
    except CannotShareError:
        return None
    population.compile_population(LOSS, steps_per_execution=STEPS)
    return 1e3 * median(fitting(population), repeats) / STEPS / MEMBERS


def in_torch(cell: str, params: int, repeats: int) -> float | None:
    """Returns the milliseconds of a step of the closest torch layer; `None` where there is none, or no torch."""
    module, _, name = TORCH.get(cell, "").rpartition(".")
    if not module or importlib.util.find_spec(module.partition(".")[0]) is None:
        return None
    import torch

    torch.manual_seed(0)
    layer = getattr(importlib.import_module(module), name)(WIDTH, sized(cell, params)[1])
    readout = torch.nn.Linear(sized(cell, params)[1], WIDTH)
    optimizer = torch.optim.Adam([*layer.parameters(), *readout.parameters()], 1e-3)
    x, y = (torch.from_numpy(part) for part in data())

    def fit() -> None:
        for inputs, targets in zip(x.split(BATCH), y.split(BATCH), strict=True):
            optimizer.zero_grad()
            logits = readout(layer(inputs.transpose(0, 1))[0])
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.transpose(0, 1).flatten())
            loss.backward()
            optimizer.step()

    fit()
    return 1e3 * median(fit, repeats) / STEPS


def beside_torch(torch_ms: float | None, step_ms: float, shared_ms: float | None) -> dict[str, str]:
    """Returns the columns about torch."""
    if torch_ms is None:
        return {"torch, ms": "-", "ratio of both": "-"}
    ratios = [f"{time / torch_ms:.2f}" for time in (step_ms, shared_ms) if time is not None]
    return {"torch, ms": f"{torch_ms:.2f}", "ratio of both": ", ".join(ratios)}


def main() -> None:
    """Prints a table."""
    arguments = parser(__doc__)
    arguments.add_argument("--cells", nargs="+", choices=list(CELLS), default=list(CELLS))
    arguments.add_argument("--params", nargs="+", type=int, default=[5_000, 50_000])
    arguments.add_argument("--repeats", type=int, default=5)
    options: argparse.Namespace = arguments.parse_args()
    table = []
    for params in options.params:
        peers = {name: alone(cell, params, options.repeats) for name, cell in PEERS.items()}
        for name in options.cells:
            blocks = len(getattr(CELLS[name], "blocks", ())) or 4
            peer = NEAREST[min(blocks, 4)]
            step_ms, shared_ms = alone(name, params, options.repeats), together(name, params, options.repeats)
            table.append(
                {"cell": name, "parameters": f"{params:,}", "step, ms": f"{step_ms:.2f}"}
                | {"beside": f"{peer}, {peers[peer]:.2f}", "ratio": f"{step_ms / peers[peer]:.2f}"}
                | {"of a member, ms": "-" if shared_ms is None else f"{shared_ms:.2f}"}
                | beside_torch(in_torch(name, params, options.repeats), step_ms, shared_ms)
            )
    show(f"A training step, {BATCH} x {LENGTH} characters", table, width=110)


if __name__ == "__main__":
    main()
