"""`rnncap capacity` and `rnncap calibrate`: what a cell stores, and a check of the measurement on a known model."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Table

from keras_rnncap.cli.common import (
    Cell,
    Changes,
    Depth,
    Engine,
    Fresh,
    Out,
    Seed,
    console,
    fail,
    import_keras,
    interruptible,
)
from keras_rnncap.defaults import ENGINE, SEED, Capacity


def capacity(
    cell: Cell,
    params: Annotated[int, typer.Option(help="Largest number of trainable parameters")] = Capacity.params,
    depth: Depth = Capacity.depth,
    trials: Annotated[int, typer.Option(help="Number of trials; more continue a finished run")] = Capacity.trials,
    steps: Annotated[int, typer.Option(help="Training steps of a trial")] = Capacity.steps,
    batch_size: Annotated[int, typer.Option(help="Patterns in a step")] = Capacity.batch_size,
    seed: Seed = SEED,
    input_dim: Annotated[int | None, typer.Option(help="Width of the patterns; 16 or more if not given")] = None,
    length: Annotated[int, typer.Option(help="Time steps")] = Capacity.length,
    changes: Changes = None,
    engine: Engine = ENGINE,
    out: Out = None,
    fresh: Fresh = False,
) -> None:
    """Measure how many bits per parameter a cell stores (Collins et al. 2017, section 2.1)."""
    import_keras()
    from keras_rnncap.analysis.capacity import PAPER_ESTIMATE, PAPER_RANGE
    from keras_rnncap.tuners.capacity import default_directory, measure_capacity
    from keras_rnncap.tuners.spaces import parse_changes

    sizes: dict[str, Any] = {"params": params, "depth": depth, "seed": seed}
    settings: dict[str, Any] = {"steps": steps, "batch_size": batch_size, "length": length, "input_dim": input_dim}
    parsed = parse_changes(changes or [])
    directory = out or default_directory(cell, **sizes, **settings, changes=parsed)
    result = interruptible(
        directory,
        lambda: measure_capacity(
            cell,
            **sizes,
            **settings,
            trials=trials,
            changes=parsed,
            engine=engine,
            out=directory,
            overwrite=fresh,
            progress=True,
        ),
    )
    table = Table(title=f"What the {result.cell} stores", title_justify="left")
    table.add_column("")
    table.add_column("here", justify="right")
    table.add_column("Collins et al. 2017", justify="right")
    low, high = PAPER_RANGE
    stored = result.bits_per_parameter
    rows = [
        (
            "bits per parameter",
            f"{stored:.2f}" if stored is not None else "-",
            f"{low:g} to {high:g}, about {PAPER_ESTIMATE:g}",
        ),
        ("bits stored", f"{result.mutual_information_bits:,.0f}" if stored is not None else "-", ""),
        ("patterns", f"{result.patterns:,}" if stored is not None else "-", ""),
        ("of them right", f"{result.accuracy:.1%}" if stored is not None else "-", ""),
        ("parameters", f"{result.parameters:,} (budget {params:,})", "several orders of magnitude"),
        ("units x depth", f"{result.units} x {result.depth}", ""),
        ("trials", f"{result.trials}, {result.infeasible} infeasible", "over 1,000"),
        ("stopped early", f"{result.stopped_early}", ""),
        ("training steps", f"{result.steps:,} of {result.batch_size:,} patterns", "50,000 to 20 million"),
        ("time", f"{result.elapsed_s:,.0f} s", "CPU-millennia for all figures"),
    ]
    for row in rows:
        table.add_row(*row)
    console.print(table)
    console.print(
        f"In {directory}: capacity.json, capacity.png, trials.csv, best/model.keras, best/saved_model",
        highlight=False,
        soft_wrap=True,
    )
    if stored is None:
        fail("no trial was feasible: all diverged. More --trials, or another --seed, may find one that is", code=1)


def calibrate(
    inputs: Annotated[int, typer.Option(help="Inputs of the threshold unit")] = 100,
    steps: Annotated[int, typer.Option(help="Training steps")] = 10_000,
    seed: Seed = 0,
) -> None:
    """Check the measurement: a linear threshold unit stores about 2 bits per weight (Cover 1965)."""
    import_keras()
    from keras_rnncap.calibration import calibrate_meter

    rows = calibrate_meter(inputs=inputs, steps=steps, seed=seed)
    table = Table(title=f"A linear threshold unit of {inputs + 1} weights", title_justify="left")
    for column in ("patterns per weight", "accuracy", "bits per weight"):
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(f"{row.patterns_per_weight:g}", f"{row.accuracy:.3f}", f"{row.bits_per_weight:.2f}")
    console.print(table)
    console.print("Cover's limit for random patterns, all of them right: 2 bits per weight", highlight=False)
