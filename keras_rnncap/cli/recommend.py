"""`rnncap recommend`: which cell to take."""

import math
from pathlib import Path
from typing import Annotated, Any

import typer

from keras_rnncap.cli import common
from keras_rnncap.errors import InputError


def recommend(
    task: Annotated[str, typer.Option(help="A name from `rnncap tasks`, with arguments if wanted")],
    params: Annotated[int, typer.Option(help="Number of trainable parameters")],
    depth: common.Depth = 1,
    results: Annotated[
        list[Path] | None, typer.Option(help="Folder of a study; those that come with the package if not given")
    ] = None,
    probe: Annotated[bool, typer.Option("--probe", help="Train each cell a little, here, on this task")] = False,
    cells: common.Cells = None,
    trials: Annotated[int | None, typer.Option(help="Random settings of each in a probe; 12 if not given")] = None,
    steps: Annotated[int | None, typer.Option(help="Training steps of each setting; 500 if not given")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of a probe; 0 if not given")] = None,
    data: common.Data = None,
    out: Annotated[Path | None, typer.Option(help="Folder of a probe; a new one below runs/ if not given")] = None,
) -> None:
    """Say which cell to take for a task at a size, from the rows of studies or from a short probe."""
    given: dict[str, Any] = {"trials": trials, "steps": steps, "seed": seed, "out": out, "cells": common.split(cells)}
    options = {name: value for name, value in given.items() if value is not None}
    if not probe and (idle := [*options, *(["data"] if data else [])]):
        raise InputError(f"--{idle[0]} is of a probe: give --probe as well")
    if probe and results:
        raise InputError("--results and --probe are two ways to an answer: give one of them")
    common.import_keras()
    import keras_rnncap.recommend as answers
    from keras_rnncap.datasets import make_task

    if probe:
        probed = make_task(task, data)
        options["out"] = out or answers.default_directory(probed, params, depth, seed or 0)
        answer = common.interruptible(answers.probe, probed, params, depth=depth, **options)
    else:
        named = make_task(task) if ":" in task else task
        answer = answers.recommend(named, params, depth=depth, results=results)
    unit = answer.objective.replace("_", " ")
    columns = ("cell", "expected", "95% interval", "settings that train", "median setting", "ms per step")
    table = common.new_table(f"Cells for {task} with {params:,} parameters, {unit}", *columns, no_wrap=(0,))
    for row in answer.candidates.to_dict(orient="records"):
        table.add_row(
            row["cell"],
            _number(row["expected"]),
            f"{_number(row['low'])} to {_number(row['high'])}" if math.isfinite(row["low"]) else "-",
            f"{row['feasible']:.0%} ({row['feasible_low']:.0%} to {row['feasible_high']:.0%})"
            if math.isfinite(row["feasible"])
            else "-",
            _number(row["median"]),
            _number(row["ms_per_step"]),
        )
    common.console.print(table)
    better = "more" if answer.direction == "max" else "less"
    same = f"; {', '.join(answer.as_good)} may be as good" if answer.as_good else ""
    lines = [
        f"If you search hyperparameters: {answer.best}{same}."
        if answer.best
        else "No setting of any cell trained: give more --trials or --steps.",
        *([f"If you do not: {answer.easiest}, which random settings suit best."] if answer.easiest else []),
        f"From {answer.basis}; {better} is better.",
        *(f"Note: {remark}." for remark in answer.remarks),
    ]
    for line in lines:
        common.say(line)


def _number(value: float) -> str:
    return f"{value:.3g}" if math.isfinite(value) else "-"
