"""The command line, `rnncap`. Keras is imported by the commands that need it, so that help comes at once."""

import sys
from typing import Annotated

import typer

from keras_rnncap.cli.common import console, open_standard_streams, print_error
from keras_rnncap.cli.evolve import evolve_app
from keras_rnncap.cli.lists import budget, cells, tasks_app
from keras_rnncap.cli.measure import calibrate, capacity
from keras_rnncap.cli.recommend import recommend
from keras_rnncap.cli.study import report, study
from keras_rnncap.cli.training import sweep, train
from keras_rnncap.cli.zoo import zoo_app
from keras_rnncap.errors import InputError, WorkError
from keras_rnncap.version import __version__

app = typer.Typer(
    help="Which recurrent cell, at this size, for this task, and what can it hold?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (capacity, recommend, train, sweep, study, report, cells, budget, calibrate):
    app.command()(command)
app.add_typer(tasks_app, name="tasks")
app.add_typer(zoo_app, name="zoo")
app.add_typer(evolve_app, name="evolve")


def _print_version(wanted: bool) -> None:
    if wanted:
        console.print(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit")
    ] = False,
) -> None:
    del version


def main() -> None:
    """Runs the command line.

    Bad input prints one message and exits with 2, work that could not go on with 1, an interrupt with 130.
    """
    open_standard_streams()
    try:
        app()
    except (InputError, WorkError) as error:
        print_error(str(error))
        sys.exit(2 if isinstance(error, InputError) else 1)
