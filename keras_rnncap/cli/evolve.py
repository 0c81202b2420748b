"""`rnncap evolve`: the search for recurrent cells, and what it found."""

from pathlib import Path
from typing import Annotated

import typer

from keras_rnncap.cli import common
from keras_rnncap.defaults import SEED
from keras_rnncap.errors import InputError

evolve_app = typer.Typer(invoke_without_command=True, help="Search for recurrent cells (Jozefowicz et al. 2015).")
BEST = 10


@evolve_app.callback()
def evolve(
    context: typer.Context,
    graphs: Annotated[
        int | None, typer.Option(help="New architectures in all; 300, or as many as there is time for, if not given")
    ] = None,
    minutes: Annotated[float | None, typer.Option(help="Time after which none begins; more add to it")] = None,
    tasks: Annotated[
        str | None, typer.Option(help="Tasks, in order, with semicolons between: xml;frequent-words:vocabulary=100")
    ] = None,
    strategy: Annotated[
        str, typer.Option(help="paper, regularized (aging evolution) or random (no selection)")
    ] = "paper",
    profile: common.Profile = "laptop",
    seed: common.Seed = SEED,
    engine: common.Engine = "processes",
    out: common.Out = None,
    fresh: common.Fresh = False,
) -> None:
    """Search for recurrent cells that do well on several tasks (Jozefowicz et al. 2015, section 3)."""
    if context.invoked_subcommand:
        return
    common.import_keras()
    from keras_rnncap.evolution import run_evolution
    from keras_rnncap.evolution.search import default_directory

    directory = out or default_directory(profile, strategy, seed)
    named = None if tasks is None else [task.strip() for task in tasks.split(";")]
    common.interruptible(
        run_evolution, profile=profile, strategy=strategy, tasks=named, graphs=graphs, minutes=minutes, seed=seed,
        engine=engine, overwrite=fresh, out=directory,
    )  # fmt: skip
    common.say(f"In {directory}: candidates.csv, evaluations.csv. Look at the best: rnncap evolve show {directory}")


@evolve_app.command()
def show(
    folder: Annotated[Path, typer.Argument(help="Folder of a search, finished or not")],
    best: Annotated[int, typer.Option(help="So many architectures")] = BEST,
) -> None:
    """Say what the best architectures are, and draw them."""
    if best < 1:
        raise InputError(f"--best must be at least 1; got {best}")
    common.import_keras()
    from keras_rnncap.evolution.show import show_best

    shown = show_best(folder, best)
    title = f"The best of {shown.architectures} architectures; the GRU has 1"
    columns = ("architecture", "score", *shown.tasks, "nodes", "trainings", "nearest known cell", "family")
    table = common.new_table(title, *columns, left=(0, len(columns) - 2, len(columns) - 1), no_wrap=(0,))
    for row in shown.rows:
        table.add_row(*row)
    common.console.print(table)
    common.say(f"In {shown.folder}: each as NAME.json and NAME.svg, and family.svg")
    common.say(f"A cell of one: --cells graph:{shown.first}, or keras_rnncap.get_cell('graph:{shown.first}')")
