"""What searches find, and what they cost. `python -m benchmarks.search cells|oracles|memory`.

`cells`: for each cell, `rnncap capacity` (the +RNN with two layers), 300 parameters: the best bits per
parameter after each minute, and a picture. `oracles`: the same task with `rnncap sweep`'s oracles, gp and random, at
equal numbers of trials, without starting points and without early stopping: the best bits per parameter for each seed.
`memory`: a sweep of 200 short trials and one of 2,000: the largest memory of the process.

Folders in `--out` keep what is finished; the same command continues.
"""

import argparse
import multiprocessing
import resource
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.common import parser, show
from keras_rnncap.analysis.style import cell_color, new_figure, plain
from keras_rnncap.defaults import Capacity
from keras_rnncap.tuners import measure_capacity, run_sweep

CELLS = {"rnn": 1, "irnn": 1, "ugrnn": 1, "gru": 1, "lstm": 1, "+rnn": 2}
"""Cell: depth."""


def cells(options: argparse.Namespace) -> None:
    """Measures every cell."""
    curves = []
    for cell in options.cells:
        out = options.out / f"capacity-{cell}-{CELLS[cell]}"
        result = measure_capacity(cell, depth=CELLS[cell], trials=options.trials, out=out, progress=True)
        trials = pd.read_csv(out / "trials.csv")
        curves.append((result, trials["elapsed_s"].cumsum() / 60, trials["bits_per_parameter"].cummax().ffill()))
    minutes = range(1, int(np.ceil(max(time.iloc[-1] for _, time, _ in curves))) + 1)
    rows = []
    figure, (axes,) = new_figure(1, width=6.0)
    for result, time, best in curves:
        row = {"cell": result.cell, "depth": result.depth, "trials": result.trials}
        row["minutes in all"] = f"{result.elapsed_s / 60:.1f}"
        rows.append(row | {str(minute): f"{best[time <= minute].max():.2f}" for minute in minutes})
        label = plain(f"{result.cell} x {result.depth}")
        axes.step(time, best, where="post", color=cell_color(result.cell), label=label)
    axes.set(xlabel="minutes", ylabel="best bits per parameter", ylim=(0, None))
    axes.legend(frameon=False, fontsize="small", loc="lower right")
    figure.savefig(options.out / "capacity.png", dpi=150)
    show("Best bits per parameter after minutes, 300 parameters, seed 0", rows, width=160)


def oracles(options: argparse.Namespace) -> None:
    """Compares oracles at equal numbers of trials."""
    same = {"trials": options.trials, "steps": options.steps, "batch_size": 128, "stop_early": False, "progress": True}
    rows = []
    for oracle in ("gp", "random"):
        bits = []
        for seed in range(options.seeds):
            out = options.out / f"sweep-{oracle}-{seed}"
            result = run_sweep(None, "rnn", oracle=oracle, seed=seed, out=out, **same)
            bits.append((result.best_score or 0.0) / result.parameters)
        row = {"oracle": oracle} | {f"seed {seed}": f"{value:.2f}" for seed, value in enumerate(bits)}
        rows.append(row | {"median": f"{np.median(bits):.2f}"})
    show(f"Best bits per parameter, RNN, 300 parameters, {options.trials} x {options.steps:,} steps", rows)


def _sweep_memory(trials: int, out: Path) -> tuple[float, float]:
    """Returns the largest memory of this process after a sweep of short trials, in MB, and seconds."""
    out /= f"memory-{trials}"
    result = run_sweep(None, "rnn", params=60, steps=100, trials=trials, stop_early=False, out=out, progress=True)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, result.elapsed_s


def memory(options: argparse.Namespace) -> None:
    """Runs a tenth of the trials, and all of them, each in a process of its own."""
    rows = []
    for trials in (options.trials // 10, options.trials):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            megabytes, seconds = pool.apply(_sweep_memory, (trials, options.out))
        rows.append({"trials": f"{trials:,}", "largest memory, MB": f"{megabytes:.0f}", "seconds": f"{seconds:.0f}"})
    show("A sweep, RNN, 60 parameters, 100 steps a trial, one process", rows, texts=0)


def main() -> None:
    """Prints a table."""
    benchmarks = {"cells": (cells, Capacity.trials), "oracles": (oracles, 60), "memory": (memory, 2000)}
    arguments = parser(__doc__)
    arguments.add_argument("what", choices=benchmarks)
    arguments.add_argument("--cells", nargs="+", choices=list(CELLS), default=list(CELLS))
    arguments.add_argument("--seeds", type=int, default=5)
    arguments.add_argument("--trials", type=int, help="200 for cells, 60 for oracles, 2,000 for memory")
    arguments.add_argument("--steps", type=int, default=5_000)
    arguments.add_argument("--out", type=Path, default=Path("runs/benchmark-search"))
    options = arguments.parse_args()
    benchmark, trials = benchmarks[options.what]
    options.trials = options.trials or trials
    benchmark(options)


if __name__ == "__main__":
    main()
