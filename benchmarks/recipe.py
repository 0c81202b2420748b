"""What moves the bits that a cell stores. `python -m benchmarks.recipe`.

Models are trained with the values from which `rnncap capacity` starts (the space `row-soap`), and with one of them
changed at a time; no search. `everything` draws all numbers at once, each from so large a part of its range to either
side of its start; `order` draws patterns in the same order in each epoch; `average` measures the mean of the weights
over so large a part of all steps, the last ones, in place of those after the last step. The table has the bits per
parameter of each, the median and the range over seeds of the weights, and the difference of the medians from that of
the unchanged values. The patterns are of `--data-seed`; `--floatx float64` trains in double precision.

Rows are kept in `--out`, to which the same command adds what is missing. They do not say from which values they
started: where the code of a start has changed, take another folder.
"""

import argparse
import contextlib
import dataclasses
import multiprocessing
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from keras import ops
from keras_tuner.engine import hyperparameters as kinds

from benchmarks.common import parser, show
from keras_rnncap.cells import get_cell
from keras_rnncap.information import bits_per_parameter
from keras_rnncap.population import Member, Population, model
from keras_rnncap.population.devices import cores
from keras_rnncap.runs import append_rows, read_rows
from keras_rnncap.tuners.capacity import capacity_job, capacity_starts, capacity_task
from keras_rnncap.tuners.jobs import Job

FACTORS: dict[str, tuple[float, ...]] = {
    "learning_rate": (1 / 3, 0.5, 2.0, 3.0, 4.0),
    "weight_decay": (1 / 3, 3.0, 10.0),
    "loss_temperature": (0.5, 0.7, 1.4),
    "loss_saturation": (0.75, 1.25),
    "projection_scale": (0.7, 1.4),
    "forget_bias": (0.3, 2.0, 3.0),
    "depth_forget_bias": (0.3, 2.0, 3.0),
    "patterns_per_parameter": (0.7, 0.8, 0.93, 1.07, 1.14, 1.21),
    "kernel_scale": (0.7, 1.4),
    "recurrent_scale": (0.7, 1.4),
    "readout_scale": (0.7, 1.4),
}
"""What values are multiplied by, one at a time; `*_scale` of all blocks of a cell."""
SETTINGS: dict[str, tuple[float, ...]] = {
    "momentum": (0.5, 2.0),
    "clip_norm": (0.3, 3.0),
    "warmup": (0.4, 3.0),
    "learning_rate_decay": (0.3, 3.0, 10.0),
}
"""The same for what the space fixes; of the momentum, its distance from 1."""
EVERYTHING, ORDER, AVERAGE = "everything", "order", "average"
CHANGES = FACTORS | SETTINGS | {EVERYTHING: (1 / 16, 1 / 8, 1 / 4, 1.0), ORDER: (0.0,), AVERAGE: (0.02, 0.05, 0.2)}
SNAPSHOTS = 200
"""Weights that a training could be averaged over, one after each such part of its steps.

RowSOAP's bases are computed between calls: where a part is no multiple of 100 steps, they are others than without.
"""


class Variant(NamedTuple):
    """Which value is changed, and by what it is multiplied; of `everything`, how far from their starts values are."""

    changed: str = "none"
    factor: float = 1.0

    def of(self, values: dict[str, Any]) -> dict[str, Any]:
        """Returns changed values."""
        return {
            name: value * self.factor if name.split(".")[-1] == self.changed else value
            for name, value in values.items()
        }

    def applied(self, member: Member) -> Member:
        """Returns a member with changed settings."""
        if self.changed not in SETTINGS:
            return member
        value = getattr(member.settings, self.changed) * self.factor
        if self.changed == "momentum":
            value = 1 - (1 - member.settings.momentum) * self.factor
        return dataclasses.replace(member, settings=dataclasses.replace(member.settings, **{self.changed: value}))


def in_order(batches: Any, size: int, patterns: Any) -> Any:
    """Returns places as `shuffled` does, but epoch after epoch from the first pattern to the last."""
    return (ops.cast(batches, "int32") * size + ops.arange(size, dtype="int32")) % ops.cast(patterns, "int32")


def advance_averaging(job: Job, population: Population, steps: int, shares: Sequence[float]) -> Any:
    """Trains, leaves each member with the mean of its weights over its share of the steps, and returns the losses."""
    first = [round(SNAPSHOTS * (1 - share)) for share in shares]
    total = np.zeros(population.rows.shape)
    for snapshot in range(SNAPSHOTS):
        losses = job.advance(population, steps * (snapshot + 1) // SNAPSHOTS - steps * snapshot // SNAPSHOTS)
        within = np.array([snapshot >= start for start in first])[:, None]
        total += np.where(within, ops.convert_to_numpy(population.rows), 0.0)
    population.rows.assign(total / (SNAPSHOTS - np.array(first))[:, None])
    return losses


def prepare(floatx: str) -> None:
    """Has TensorFlow use one core in this process, and Keras make models of a type."""
    tf.config.threading.set_intra_op_parallelism_threads(1)
    keras.config.set_floatx(floatx)


def identity_of(options: argparse.Namespace) -> dict[str, Any]:
    """Returns what rows must have in common to be compared."""
    return {name: getattr(options, name) for name in ("params", "depth", "steps", "data_seed", "floatx")}


def train(cell: str, options: argparse.Namespace, runs: list[tuple[Variant, int]]) -> list[dict[str, Any]]:
    """Returns the rows of some variants with weights of some seeds, trained as one population in one way."""
    factory = get_cell(cell)
    task = capacity_task(factory, options.params, seed=options.data_seed)

    def job_of(nearby: float) -> Job:
        sizes = (options.params, options.depth, options.steps)
        return capacity_job(factory, task, *sizes, seed=options.data_seed, nearby=nearby)

    job = job_of(1.0)  # whose table has the most patterns
    start = job.hyperparameters.values | capacity_starts(job)[0]

    def values_of(variant: Variant, seed: int) -> dict[str, Any]:
        if variant.changed != EVERYTHING:
            return variant.of(start)
        numbers = [hp for hp in job_of(variant.factor).hyperparameters.space if isinstance(hp, kinds.Float)]
        places = np.random.default_rng([options.data_seed, seed]).random(len(numbers))
        return start | {hp.name: float(hp.prob_to_value(place)) for hp, place in zip(numbers, places, strict=True)}

    values = [values_of(*run) for run in runs]
    members = [variant.applied(job.member(each, seed)) for each, (variant, seed) in zip(values, runs, strict=True)]
    population = job.population(start, members)
    assert population.rows.dtype == options.floatx
    kind = runs[0][0].changed
    with mock.patch.object(model, "shuffled", in_order) if kind == ORDER else contextlib.nullcontext():
        if kind == AVERAGE:
            losses = advance_averaging(job, population, options.steps, [variant.factor for variant, _ in runs])
        else:
            losses = job.advance(population, options.steps)
    measured = job.measure(population, range(len(runs)), values, losses)
    parameters = job.budget(start).parameters
    rows = []
    for (variant, seed), result, member in zip(runs, measured, members, strict=True):
        bits = bits_per_parameter(result["mutual_information_bits"], parameters) if result else 0.0
        row = {"cell": cell, **identity_of(options)} | variant._asdict() | {"seed": seed, "patterns": member.patterns}
        rows.append(row | {"accuracy": result["accuracy"] if result else np.nan, "bits_per_parameter": bits})
    return rows


def table_of(rows: pd.DataFrame) -> list[dict[str, str]]:
    """Returns the rows of the table of a cell."""
    groups = rows.groupby(["changed", "factor"])["bits_per_parameter"]
    base = groups.get_group(("none", 1.0)).median()
    table = [
        {"changed": f"{changed}", "times": f"{factor:.3g}", "bits per parameter": f"{bits.median():.2f}"}
        | {"range": f"{bits.min():.2f} to {bits.max():.2f}", "difference": f"{bits.median() - base:+.2f}"}
        for (changed, factor), bits in groups
    ]
    return sorted(table, key=lambda row: -float(row["difference"]))


def main() -> None:
    """Trains what is missing, and prints a table for each cell."""
    arguments = parser(__doc__)
    arguments.add_argument("--cells", nargs="+", default=["rnn", "ugrnn"])
    arguments.add_argument("--params", type=int, default=1000)
    arguments.add_argument("--depth", type=int, default=1)
    arguments.add_argument("--steps", type=int, default=100_000)
    arguments.add_argument("--changed", nargs="+", choices=list(CHANGES), default=list(FACTORS))
    arguments.add_argument("--times", type=float, nargs="+", help="factors in place of the usual ones")
    arguments.add_argument("--seeds", type=int, default=2)
    arguments.add_argument("--data-seed", type=int, default=0)
    arguments.add_argument("--floatx", choices=["float32", "float64"], default="float32")
    arguments.add_argument("--at-once", type=int, default=4, help="models that train as one population")
    arguments.add_argument("--out", type=Path, default=Path("runs/benchmark-recipe"))
    options: argparse.Namespace = arguments.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / "rows.csv"
    identity = identity_of(options)
    variants = [
        Variant(),
        *(Variant(name, factor) for name in options.changed for factor in options.times or CHANGES[name]),
    ]
    for cell in options.cells:
        there = {
            (row["changed"], row["factor"], row["seed"])
            for row in read_rows(file)
            if row["cell"] == cell and all(row.get(name) == value for name, value in identity.items())
        }
        missing = [
            (variant, seed) for seed in range(options.seeds) for variant in variants if (*variant, seed) not in there
        ]
        # The order of patterns is that of a whole population, and so is whether weights are averaged.
        ways = {run: run[0].changed if run[0].changed in (ORDER, AVERAGE) else "" for run in missing}
        alike = [[run for run in missing if ways[run] == way] for way in dict.fromkeys(ways.values())]
        groups = [runs[i : i + options.at_once] for runs in alike for i in range(0, len(runs), options.at_once)]
        with multiprocessing.get_context("spawn").Pool(cores(), prepare, (options.floatx,)) as pool:
            for rows in [pool.apply_async(train, (cell, options, runs)) for runs in groups]:
                append_rows(file, rows.get())
        rows = pd.read_csv(file)
        for name, value in {"cell": cell, **identity}.items():
            rows = rows[rows[name] == value]
        title = f"{cell} x {options.depth}, {options.params:,} parameters, {options.steps:,} steps"
        show(f"{title}, data seed {options.data_seed}", table_of(rows), width=100)


if __name__ == "__main__":
    main()
