"""What searches find, and what they cost. `python -m benchmarks.search cells|oracles|memory`.

`cells`: for each cell, `rnncap capacity` (the +RNN with two layers), 300 parameters: the best bits per
parameter after each minute, and a picture. `oracles`: the same task with `rnncap sweep`'s oracles, gp and random, at
equal numbers of trials, without starting points and without early stopping: the best bits per parameter for each seed.
`memory`: a sweep of 200 short trials and one of 2,000: the largest memory of the process.

Folders in `--out` keep what is finished; the same command continues.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from keras_rnncap.analysis.style import cell_color, new_figure, plain
from keras_rnncap.tuners import measure_capacity, run_sweep
from keras_rnncap.tuners.capacity import TRIALS

CELLS = {"rnn": 1, "irnn": 1, "ugrnn": 1, "gru": 1, "lstm": 1, "+rnn": 2}
"""Cell: depth."""


def cells(arguments: argparse.Namespace) -> None:
    """Measures every cell."""
    curves, results = {}, []
    for cell, depth in CELLS.items():
        if arguments.cells and cell not in arguments.cells:
            continue
        out = arguments.out / f"capacity-{cell}-{depth}"
        results.append(measure_capacity(cell, depth=depth, trials=arguments.trials, out=out, progress=True))
        rows = pd.read_csv(out / "trials.csv")
        curves[cell] = (rows["elapsed_s"].cumsum() / 60, rows["bits_per_parameter"].cummax().ffill())
    minutes = range(1, int(np.ceil(max(time.iloc[-1] for time, _ in curves.values()))) + 1)
    table = Table(title="Best bits per parameter after minutes, 300 parameters, seed 0")
    for column in ("cell", "depth", "trials", "minutes in all", *map(str, minutes)):
        table.add_column(column, justify="right")
    figure, (axes,) = new_figure(1, width=6.0)
    for result in results:
        time, best = curves[result.cell]
        after = [best[time <= minute].max() for minute in minutes]
        cells_of_row = [f"{one:.2f}" for one in after]
        counts = (str(result.depth), str(result.trials), f"{result.elapsed_s / 60:.1f}")
        table.add_row(result.cell, *counts, *cells_of_row)
        axes.step(
            time, best, where="post", color=cell_color(result.cell), label=plain(f"{result.cell} x {result.depth}")
        )
    axes.set_xlabel("minutes")
    axes.set_ylabel("best bits per parameter")
    axes.set_ylim(0, None)
    axes.legend(frameon=False, fontsize="small", loc="lower right")
    figure.savefig(arguments.out / "capacity.png", dpi=150)
    Console(width=160).print(table)


def oracles(arguments: argparse.Namespace) -> None:
    """Compares oracles at equal numbers of trials."""
    table = Table(title=f"Best bits per parameter, RNN, 300 parameters, {arguments.trials} x {arguments.steps:,} steps")
    table.add_column("oracle")
    for seed in range(arguments.seeds):
        table.add_column(f"seed {seed}", justify="right")
    table.add_column("median", justify="right")
    for oracle in ("gp", "random"):
        found = []
        for seed in range(arguments.seeds):
            result = run_sweep(
                None,
                "rnn",
                trials=arguments.trials,
                steps=arguments.steps,
                batch_size=128,
                oracle=oracle,
                stop_early=False,
                seed=seed,
                out=arguments.out / f"sweep-{oracle}-{seed}",
                progress=True,
            )
            found.append((result.best_score or 0.0) / result.parameters)
        table.add_row(oracle, *(f"{one:.2f}" for one in found), f"{np.median(found):.2f}")
    Console().print(table)


def _sweep_memory(trials: int, out: Path) -> tuple[float, float]:
    """Returns the largest memory of this process after a sweep of short trials, in MB, and seconds."""
    options: dict[str, Any] = {"params": 60, "steps": 100, "stop_early": False, "progress": True}
    result = run_sweep(None, "rnn", trials=trials, out=out / f"memory-{trials}", **options)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, result.elapsed_s


def memory(arguments: argparse.Namespace) -> None:
    """Runs a tenth of the trials, and all of them, each in a process of its own."""
    table = Table(title="A sweep, RNN, 60 parameters, 100 steps a trial, one process")
    for column in ("trials", "largest memory, MB", "seconds"):
        table.add_column(column, justify="right")
    for trials in (arguments.trials // 10, arguments.trials):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            megabytes, seconds = pool.apply(_sweep_memory, (trials, arguments.out))
        table.add_row(f"{trials:,}", f"{megabytes:.0f}", f"{seconds:.0f}")
    Console().print(table)


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["cells", "oracles", "memory"])
    parser.add_argument("--cells", nargs="+", choices=list(CELLS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--trials", type=int, help="200 for cells, 60 for oracles, 2,000 for memory")
    parser.add_argument("--steps", type=int, default=5_000)
    parser.add_argument("--out", type=Path, default=Path("runs/benchmark-search"))
    arguments = parser.parse_args()
    if arguments.trials is None:
        arguments.trials = {"cells": TRIALS, "oracles": 60, "memory": 2000}[arguments.what]
    {"cells": cells, "oracles": oracles, "memory": memory}[arguments.what](arguments)


if __name__ == "__main__":
    main()
