"""`rnncap capacity` and `rnncap calibrate`: what a cell stores, and a check of the measurement on a known model."""

from typing import Annotated, Any

import typer

from keras_rnncap.cli import common
from keras_rnncap.defaults import ENGINE, SEED, Capacity


def capacity(
    cell: common.Cell,
    params: common.Params = Capacity.params,
    depth: common.Depth = Capacity.depth,
    minutes: Annotated[
        float | None, typer.Option(help="Time for all trials; 3 if no number of --trials is given; more add to it")
    ] = None,
    trials: Annotated[int | None, typer.Option(help="Number of trials; more continue a finished run")] = None,
    steps: Annotated[
        int | None, typer.Option(help="Training steps of a trial; 100,000, or what suits the --minutes, if not given")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Patterns in a step; 256, or 128 in the space collins")] = None,
    seed: common.Seed = SEED,
    space: Annotated[
        str, typer.Option(help="Search space: row-soap, around what stores much, or collins, the paper's own")
    ] = Capacity.space,
    input_dim: Annotated[int | None, typer.Option(help="Width of the patterns; what they need if not given")] = None,
    length: Annotated[int, typer.Option(help="Time steps")] = Capacity.length,
    changes: common.Changes = None,
    engine: common.Engine = ENGINE,
    out: common.Out = None,
    fresh: common.Fresh = False,
) -> None:
    """Measure how many bits per parameter a cell stores (Collins et al. 2017, section 2.1)."""
    common.import_keras()
    from keras_rnncap.analysis.capacity import PAPER_ESTIMATE, PAPER_RANGE
    from keras_rnncap.tuners.capacity import default_directory, measure_capacity
    from keras_rnncap.tuners.spaces import parse_changes

    settings: dict[str, Any] = {"params": params, "depth": depth, "seed": seed, "steps": steps, "space": space}
    settings |= {"batch_size": batch_size, "length": length, "input_dim": input_dim}
    settings["changes"] = parse_changes(changes or [])
    directory = out or default_directory(cell, **settings)
    search = {"minutes": minutes, "trials": trials, "engine": engine, "overwrite": fresh}
    result = common.interruptible(measure_capacity, cell, **settings, **search, out=directory, progress="summary")
    table = common.new_table(f"What the {result.cell} stores", "", "here", "Collins et al. 2017", left=(0, 2))
    low, high = PAPER_RANGE
    bits, feasible = result.bits_per_parameter, result.bits_per_parameter is not None
    rows = [
        ("bits per parameter", f"{bits:.2f}" if feasible else "-", f"{low:g} to {high:g}, about {PAPER_ESTIMATE:g}"),
        ("bits stored", f"{result.mutual_information_bits:,.0f}" if feasible else "-", ""),
        ("patterns", f"{result.patterns:,}" if feasible else "-", ""),
        ("of them right", f"{result.accuracy:.1%}" if feasible else "-", ""),
        ("parameters", f"{result.parameters:,} (budget {params:,})", "several orders of magnitude"),
        ("units x depth", f"{result.units} x {result.depth}", ""),
        ("trials", common.ends(result), "over 1,000"),
        ("proposed by", common.proposals(result), ""),
        ("training steps", f"{result.steps:,} of {result.batch_size:,} patterns", "50,000 to 20 million"),
        ("time", f"{result.elapsed_s:,.0f} s", "CPU-millennia for all figures"),
    ]
    for row in rows:
        table.add_row(*row)
    common.console.print(table)
    common.say(f"In {directory}: capacity.json, capacity.png, trials.csv, best/model.keras, best/saved_model")
    if not feasible:
        common.fail_without_feasible_trial()


def calibrate(
    inputs: Annotated[int, typer.Option(help="Inputs of the threshold unit")] = 100,
    steps: common.Steps = 10_000,
    seed: common.Seed = SEED,
) -> None:
    """Check the measurement: a linear threshold unit stores about 2 bits per weight (Cover 1965)."""
    common.import_keras()
    from keras_rnncap.calibration import calibrate_meter

    rows = calibrate_meter(inputs=inputs, steps=steps, seed=seed)
    title = f"A linear threshold unit of {inputs + 1} weights"
    table = common.new_table(title, "patterns per weight", "accuracy", "bits per weight", left=())
    for row in rows:
        table.add_row(f"{row.patterns_per_weight:g}", f"{row.accuracy:.3f}", f"{row.bits_per_weight:.2f}")
    common.console.print(table)
    common.say("Cover's limit for random patterns, all of them right: 2 bits per weight")
