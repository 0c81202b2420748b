"""RowSOAP beside Adam, Muon and SOAP. `python -m benchmarks.optimizers`.

SOAP (Vyas et al. 2024) is that of the library pytorch-optimizer, with its own defaults but for the weight decay, which
is 0. It needs an environment with torch and pytorch-optimizer, and `KERAS_BACKEND=torch`, under which all others are
left out and the time of a step is not compared.

Each optimizer trains the same models by Keras' `fit`, with each of `--rates`, a warm-up over a twentieth of the steps
and a fall of `0.05^f (1 - f)`, and a gradient norm of at most 1. The table has the median over seeds of the score at
the best rate, that rate, and the time of a step as a multiple of Adam's. Tasks: perceptron capacity (bits per
parameter, more is better), memory (mean squared error) and the documentation of Python (bits per character), less is
better for both.

What was measured is a row of `--rows`, and is not measured again; another file has all measured anew.

`--populations` prints what a step of RowSOAP costs in a population, its bases included, beside one of Adam: of models
that store patterns as `rnncap capacity` trains them. On one core (`taskset -c 0`), and with `KERAS_BACKEND=jax`, too.
"""

import argparse
import dataclasses
import math
import time
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import pandas as pd

from benchmarks.common import median, parser, show
from keras_rnncap.budget import units_for_budget
from keras_rnncap.cells import get_cell
from keras_rnncap.datasets import make_task
from keras_rnncap.models import sequence_model
from keras_rnncap.optimizers import Decay, RowSOAP
from keras_rnncap.runs import append_rows, read_rows
from keras_rnncap.training import STEPS_PER_EXECUTION, SaturatedLoss
from keras_rnncap.tuners.capacity import capacity_job, capacity_starts, capacity_task

SOAP = "SOAP"
MEASURED = Path(__file__).parent / "measured" / "optimizers.csv"
RATES = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
OPTIMIZERS: dict[str, Any] = {
    "RowSOAP": RowSOAP,
    "Adam": keras.optimizers.Adam,
    SOAP: None,
    "Muon": lambda rate, **options: keras.optimizers.Muon(rate, weight_decay=0.0, adam_weight_decay=0.0, **options),
}


MEMBERS, PARAMS, TIMED = 8, (300, 1_000, 3_000), 1_000
"""Models of a population, their parameters, and the steps that are timed, in which there are two new bases."""


class Trained(NamedTuple):
    """A task, and the model that is trained on it."""

    task: str
    cell: str
    params: int
    steps: int
    batch_size: int


TASKS = {
    "capacity-rnn": Trained("perceptron:patterns=1500,input_dim=11", "rnn", 300, 10_000, 256),
    "capacity-ugrnn": Trained("perceptron:patterns=1500,input_dim=11", "ugrnn", 300, 10_000, 256),
    "memory-rnn": Trained("memory", "rnn", 5_500, 2_500, 64),
    "memory-gru": Trained("memory", "gru", 5_500, 2_500, 64),
    "text-gru": Trained("python-docs", "gru", 5_000, 1_500, 64),
}


def train(name: str, optimizer: str, rate: float, seed: int) -> dict[str, Any]:
    """Returns the row of a training."""
    trained = TASKS[name]
    task = make_task(trained.task)
    shape: dict[str, Any] = {
        "input_dim": task.input_dim, "output_dim": task.output_dim, "return_sequences": task.return_sequences
    }  # fmt: skip

    def build(units: int) -> keras.Model:
        return sequence_model(trained.cell, units, seed=seed, **shape)

    def row_of(model: keras.Model, step_ms: float) -> dict[str, Any]:
        measured = task.measures(model, "validation", task.validation_limit)
        score = measured[task.score_name] / (budget.parameters if task.patterns else 1)
        row = {"task": name, "optimizer": optimizer, "rate": rate, "seed": seed, "score": score}
        return row | {"step_ms": step_ms}

    budget = units_for_budget(build, trained.params)
    model = build(budget.units)
    schedule = Decay(rate, trained.steps, 0.05, warmup=0.05, linear=True)
    loss = SaturatedLoss(task.loss(), 0.4) if task.patterns else task.loss()
    chunk = min(STEPS_PER_EXECUTION, trained.steps)
    if optimizer == SOAP:
        train_by_torch(model, loss, task.batches(trained.batch_size, seed), trained.steps, schedule)
        return row_of(model, math.nan)
    model.compile(OPTIMIZERS[optimizer](schedule, global_clipnorm=1.0), loss, steps_per_execution=chunk)
    seconds = []
    for start in range(0, trained.steps, chunk):
        data = task.dataset(trained.batch_size, seed, start, start + chunk)
        began = time.perf_counter()
        model.fit(data, epochs=1, steps_per_epoch=chunk, verbose=0)
        seconds.append(time.perf_counter() - began)
    return row_of(model, 1e3 * float(np.median(seconds)) / chunk)


def train_by_torch(model: keras.Model, loss: keras.losses.Loss, batches: Any, steps: int, schedule: Decay) -> None:
    """Trains a model of Keras' torch backend by the library's SOAP."""
    import pytorch_optimizer
    import torch

    weights = [weight.value for weight in model.trainable_variables]
    optimizer = pytorch_optimizer.SOAP(weights, lr=schedule.rate, weight_decay=0.0)
    for step, batch in zip(range(steps), batches, strict=False):
        x, y, weight = keras.utils.unpack_x_y_sample_weight(batch)
        optimizer.zero_grad()
        loss(y, model(x, training=True), weight).backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        for group in optimizer.param_groups:
            group["lr"] = float(schedule(step))
        optimizer.step()


def population_row(cell: str, params: int) -> dict[str, str]:
    """Returns the milliseconds of a step of a member of a population, with each optimizer."""
    factory = get_cell(cell)
    job = capacity_job(factory, capacity_task(factory, params), params, 1, 10**6)
    start = job.hyperparameters.values | capacity_starts(job)[0]
    seconds = []
    for optimizer in ("adam", "row-soap"):
        members = [job.member(start, seed) for seed in range(MEMBERS)]
        members = [
            dataclasses.replace(member, settings=dataclasses.replace(member.settings, optimizer=optimizer))
            for member in members
        ]
        population = job.population(start, members)
        job.advance(population, TIMED)  # with all early bases
        seconds.append(median(lambda population=population: job.advance(population, TIMED), 5) / TIMED / MEMBERS)
    adam, soap = seconds
    row = {"cell": cell, "parameters": f"{job.budget(start).parameters:,}", "Adam, ms": f"{1e3 * adam:.3f}"}
    return row | {"RowSOAP, ms": f"{1e3 * soap:.3f}", "ratio": f"{soap / adam:.2f}"}


def table_of(rows: pd.DataFrame, name: str) -> list[dict[str, str]]:
    """Returns the rows of a task's table."""
    more = make_task(TASKS[name].task).score_direction == "max"
    table = []
    of_task = rows[rows["task"] == name]
    for optimizer in (each for each in OPTIMIZERS if each in set(of_task["optimizer"])):
        runs = of_task[of_task["optimizer"] == optimizer]
        medians = runs.groupby("rate")["score"].median()
        best = medians.idxmax() if more else medians.idxmin()
        scores = runs[runs["rate"] == best]["score"]
        adam = of_task[of_task["optimizer"] == "Adam"]["step_ms"].median()
        table.append(
            {"task": name, "optimizer": optimizer, "best rate": f"{best:g}", "score": f"{medians[best]:.4g}"}
            | {"range": f"{scores.min():.4g} to {scores.max():.4g}"}
            | {"time of a step / Adam's": f"{runs['step_ms'].median() / adam:.2f}".replace("nan", "-")}
        )
    return table


def main() -> None:
    """Trains what is missing, and prints the tables."""
    arguments = parser(__doc__)
    arguments.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS))
    arguments.add_argument("--rates", nargs="+", type=float, default=RATES)
    arguments.add_argument("--seeds", type=int, default=3)
    arguments.add_argument("--rows", type=Path, default=MEASURED, help="what was measured")
    arguments.add_argument("--populations", action="store_true", help="print the cost in populations alone")
    options: argparse.Namespace = arguments.parse_args()
    if options.populations:
        rows = [population_row(cell, params) for cell in ("rnn", "gru") for params in PARAMS]
        show(f"A step of one of {MEMBERS} members, batches of 256, {keras.backend.backend()}", rows)
        return
    by_torch = keras.backend.backend() == "torch"
    tried = [optimizer for optimizer in OPTIMIZERS if (optimizer == SOAP) == by_torch]
    options.rows.parent.mkdir(parents=True, exist_ok=True)
    for name in options.tasks:
        for seed in range(options.seeds):
            for rate in options.rates:
                for optimizer in tried:
                    key = (name, optimizer, rate, seed)
                    there = [
                        tuple(row[part] for part in ("task", "optimizer", "rate", "seed"))
                        for row in read_rows(options.rows)
                    ]
                    if key not in there:
                        append_rows(options.rows, [train(*key)])
        rows = pd.read_csv(options.rows)
        show("Scores at the best rate", table_of(rows[rows["rate"].isin(options.rates)], name), texts=2, width=120)


if __name__ == "__main__":
    main()
