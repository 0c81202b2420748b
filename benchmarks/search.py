"""What searches find, and what they cost. `python -m benchmarks.search cells|oracles|memory`.

`cells`: for each cell (the +RNN with two layers) and seed, what `rnncap capacity CELL --minutes 3` finds: the best bits
per parameter, their median and range, and a picture. `oracles`: the same task with the oracles gp and random, at
equal numbers of trials, without starting points and without early stopping: the best bits per parameter for each seed.
`memory`: a sweep of 200 short trials and one of 2,000: the largest memory of the process.

Folders in `--out` keep what is finished; the same command continues.
"""

import argparse
import multiprocessing
import resource
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.common import parser, show
from keras_rnncap.analysis.style import cell_color, new_figure, plain
from keras_rnncap.defaults import Capacity
from keras_rnncap.runs import append_rows, read_rows
from keras_rnncap.tuners import measure_capacity, run_sweep
from keras_rnncap.tuners.capacity import SPACES_HERE

CELLS = {"rnn": 1, "irnn": 1, "ugrnn": 1, "gru": 1, "lstm": 1, "+rnn": 2}
"""Cell: depth."""
KEY = ("cell", "space", "minutes", "params", "seed")
FACTS = ("parameters", "bits_per_parameter", "patterns", "accuracy", "trials", "steps", "best_proposed_by")
FACTS += ("stopped_early", "elapsed_s")
WAYS = ("start", "initial", "process")
"""What can have proposed a trial."""
MEASURED = Path(__file__).parent / "measured" / "cells.csv"


def _measure(cell: str, space: str, minutes: float, params: int, seed: int, out: Path) -> dict[str, Any]:
    """Returns the row of a measurement."""
    depth = CELLS[cell]
    out /= f"capacity-{cell}-{space}-{params}x{depth}-{minutes:g}min-seed{seed}"
    same: dict[str, Any] = {"minutes": minutes, "params": params, "seed": seed}
    result = measure_capacity(cell, space=space, depth=depth, **same, out=out, progress="summary")
    ways = {way: result.proposed_by.get(way, 0) for way in WAYS}
    return {"cell": cell, "space": space, **same, **{name: getattr(result, name) for name in FACTS}, **ways}


def cells(options: argparse.Namespace) -> None:
    """Measures every cell with every seed, each in a process of its own."""
    options.rows.parent.mkdir(parents=True, exist_ok=True)
    for seed in range(options.seeds):
        for cell in options.cells:
            task = (cell, options.space, options.minutes, options.params, seed)
            there = {tuple(row[name] for name in KEY) for row in read_rows(options.rows)}
            if task not in there:
                with multiprocessing.get_context("spawn").Pool(1) as pool:
                    append_rows(options.rows, [pool.apply(_measure, (*task, options.out))])
    rows = pd.DataFrame(read_rows(options.rows))
    for name in ("space", "minutes", "params"):
        rows = rows[rows[name] == getattr(options, name)]
    rows = rows[rows["cell"].isin(options.cells) & (rows["seed"] < options.seeds)]
    table = []
    for cell in options.cells:
        found = rows[rows["cell"] == cell].sort_values("seed")
        bits, best = found["bits_per_parameter"], list(found["best_proposed_by"])
        row = {"cell": cell, "depth": CELLS[cell], "parameters": found["parameters"].iloc[0]}
        row |= {"median": f"{bits.median():.2f}", "range": f"{bits.min():.2f} to {bits.max():.2f}"}
        row |= {name: f"{found[name].median():,.0f}" for name in ("trials", "steps")}
        table.append(row | {"best by": ", ".join(f"{best.count(way)} {way}" for way in dict.fromkeys(best))})
    title = f"Best bits per parameter after {options.minutes:g} minutes, at most {options.params:,} parameters"
    title += f", space {options.space}"
    show(title, table, width=200)
    figure, (axes,) = new_figure(1, width=6.0)
    for place, cell in enumerate(options.cells):
        bits = rows[rows["cell"] == cell]["bits_per_parameter"]
        axes.plot([place] * len(bits), bits, "o", color=cell_color(cell))
    axes.set_xticks(range(len(options.cells)), [plain(f"{cell} x {CELLS[cell]}") for cell in options.cells])
    axes.set(xlabel="cell, layers", ylabel="best bits per parameter, a point a seed", ylim=(0, None))
    options.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(options.out / "capacity.png", dpi=150)


def oracles(options: argparse.Namespace) -> None:
    """Compares oracles at equal numbers of trials."""
    steps = options.steps or 5_000
    same = {"trials": options.trials, "steps": steps, "batch_size": 128, "stop_early": False, "progress": True}
    rows = []
    for oracle in ("gp", "random"):
        bits = []
        for seed in range(options.seeds):
            out = options.out / f"sweep-{oracle}-{seed}"
            result = run_sweep(None, "rnn", oracle=oracle, seed=seed, out=out, **same)
            bits.append((result.best_score or 0.0) / result.parameters)
        row = {"oracle": oracle} | {f"seed {seed}": f"{value:.2f}" for seed, value in enumerate(bits)}
        rows.append(row | {"median": f"{np.median(bits):.2f}"})
    show(f"Best bits per parameter, RNN, 300 parameters, {options.trials} x {steps:,} steps", rows)


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
    benchmarks = {"cells": (cells, 0), "oracles": (oracles, 60), "memory": (memory, 2000)}
    arguments = parser(__doc__)
    arguments.add_argument("what", choices=benchmarks)
    arguments.add_argument("--cells", nargs="+", choices=list(CELLS), default=list(CELLS))
    arguments.add_argument("--seeds", type=int, default=5)
    arguments.add_argument("--trials", type=int, help="60 for oracles, 2,000 for memory")
    arguments.add_argument("--minutes", type=float, default=3.0, help="of a measurement, for cells")
    arguments.add_argument("--params", type=int, default=300, help="of a model, for cells")
    arguments.add_argument("--space", choices=SPACES_HERE, default=Capacity.space, help="of the search, for cells")
    arguments.add_argument("--steps", type=int, help="of a trial, 5,000 if not given; for oracles")
    arguments.add_argument("--rows", type=Path, default=MEASURED, help="what was measured, for cells")
    arguments.add_argument("--out", type=Path, default=Path("runs/benchmark-search"))
    options = arguments.parse_args()
    if options.steps and options.what != "oracles":
        arguments.error(f"--steps is for oracles; the time of {options.what} says how many steps there are")
    benchmark, trials = benchmarks[options.what]
    options.trials = options.trials or trials
    benchmark(options)


if __name__ == "__main__":
    main()
