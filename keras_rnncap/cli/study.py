"""`rnncap study` and `rnncap report`: figures and tables of the paper, and a page of all."""

from pathlib import Path
from typing import Annotated, Any

import typer

from keras_rnncap.cli import common
from keras_rnncap.defaults import SEED
from keras_rnncap.errors import InputError


def study(
    name: Annotated[
        str,
        typer.Argument(
            help="capacity, cells, memory, scaling, trainability, robustness, quantization, words, initializations, "
            "landscape, architectures, evolution, zoo"
        ),
    ],
    profile: common.Profile = "laptop",
    cells: common.Cells = None,
    params: Annotated[str | None, typer.Option(help="Budgets of trainable parameters, with commas between")] = None,
    depths: Annotated[str | None, typer.Option(help="Numbers of layers, with commas between")] = None,
    units: Annotated[str | None, typer.Option(help="Units of a layer, for the memory study")] = None,
    seed: common.Seed = SEED,
    plan: Annotated[bool, typer.Option("--plan", help="Only say what would be run, and what it would cost")] = False,
    out: common.Out = None,
) -> None:
    """Repeat figures of a paper, or compare all cells: run the searches of a study, cheapest first."""
    wanted: dict[str, Any] = {
        "cells": common.split(cells),
        "params": _numbers("--params", params),
        "depths": _numbers("--depths", depths),
        "units": _numbers("--units", units),
    }
    common.import_keras()
    from keras_rnncap.studies import Plan, get_study, in_words, read_study, run_study
    from keras_rnncap.studies.run import default_directory

    directory = out or default_directory(name, profile)
    if plan:
        chosen = get_study(name)
        planned = Plan(chosen, chosen.grid(profile, **wanted), profile, seed, read_study(directory).ended())
        if not planned.missing:
            common.say(f"all {len(planned.pieces)} searches are there: rnncap report {directory}")
            return
        table = common.new_table(f"{chosen.title} {chosen.source}", "search", "about")
        for piece in planned.missing:
            table.add_row(piece.name, in_words(planned.seconds(piece)))
        common.console.print(table)
        common.say(
            f"{len(planned.missing)} of {len(planned.pieces)} searches to run, {in_words(planned.seconds_left())}"
        )
        return
    common.interruptible(run_study, name, profile=profile, **wanted, seed=seed, out=directory, isolate=True)
    common.say(f"In {directory}: pieces.csv, trials.csv.xz")


def _numbers(option: str, text: str | None) -> list[int] | None:
    try:
        return None if text is None else [int(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"{option} takes integers with commas between them, such as 100,300; got {text!r}") from None


def report(
    folders: Annotated[list[Path], typer.Argument(help="Folders of studies, finished or not")],
    out: Annotated[Path, typer.Option(help="Folder to write to")] = Path("report"),
) -> None:
    """Write what studies found as one page, with each figure as SVG and PNG."""
    common.import_keras()
    from keras_rnncap.report import write_report

    common.say(f"{write_report(folders, out)}, README.md and figures/ beside it")
