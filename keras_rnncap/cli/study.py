"""`rnncap study` and `rnncap report`: figures and tables of the paper, and a page of all."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from keras_rnncap.cli.common import Out, Seed, console, import_keras, interruptible
from keras_rnncap.errors import InputError


def study(
    name: Annotated[str, typer.Argument(help="capacity, memory, scaling, trainability, robustness, quantization, zoo")],
    profile: Annotated[str, typer.Option(help="What is spent: smoke, laptop or paper")] = "laptop",
    cells: Annotated[str | None, typer.Option(help="Names, or module:Class, with commas between")] = None,
    params: Annotated[str | None, typer.Option(help="Budgets of trainable parameters, with commas between")] = None,
    depths: Annotated[str | None, typer.Option(help="Numbers of layers, with commas between")] = None,
    units: Annotated[str | None, typer.Option(help="Units of a layer, for the memory study")] = None,
    seed: Seed = 0,
    plan: Annotated[bool, typer.Option("--plan", help="Only say what would be run, and what it would cost")] = False,
    out: Out = None,
) -> None:
    """Repeat a figure of Collins et al. 2017: run its searches, cheapest first, or those that are missing."""
    wanted: dict[str, Any] = {
        "cells": None if cells is None else [cell.strip() for cell in cells.split(",")],
        "params": _numbers("--params", params),
        "depths": _numbers("--depths", depths),
        "units": _numbers("--units", units),
    }
    import_keras()
    from keras_rnncap.studies import Plan, get_study, in_words, read_study, run_study
    from keras_rnncap.studies.run import default_directory

    directory = out or default_directory(name, profile)
    if plan:
        made = get_study(name)
        done = read_study(directory).ended()
        planned = Plan(made, made.grid(profile, **wanted), profile, seed, done)
        if not planned.missing:
            console.print(f"all {len(planned.pieces)} searches are there: rnncap report {directory}", highlight=False)
            return
        table = Table(title=f"{made.title} {made.source}", title_justify="left")
        for column in ("search", "about"):
            table.add_column(column, justify="right" if column == "about" else "left")
        for piece in planned.missing:
            table.add_row(piece.name, in_words(planned.seconds(piece)))
        console.print(table)
        console.print(
            f"{len(planned.missing)} of {len(planned.pieces)} searches to run, {in_words(planned.seconds_left())}",
            highlight=False,
        )
        return
    interruptible(
        directory,
        lambda: run_study(name, profile=profile, **wanted, seed=seed, out=directory, isolate=True, progress=True),
    )
    console.print(f"In {directory}: pieces.csv, trials.csv.xz", highlight=False, soft_wrap=True)


def _numbers(option: str, text: str | None) -> list[int] | None:
    """Returns the integers of a text with commas between them."""
    if text is None:
        return None
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"{option} takes integers with commas between them, such as 100,300; got {text!r}") from None


def report(
    folders: Annotated[list[Path], typer.Argument(help="Folders of studies, finished or not")],
    out: Annotated[Path, typer.Option(help="Folder to write to")] = Path("report"),
) -> None:
    """Write what studies found as one page, with each figure as SVG and PNG."""
    import_keras()
    from keras_rnncap.report import write_report

    page = write_report(folders, out)
    console.print(f"{page}, README.md and figures/ beside it", highlight=False, soft_wrap=True)
