"""What all commands share: their options, how they print, and how they end."""

import logging
import os
import sys
import tempfile
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.table import Table
from rich.text import Text

from keras_rnncap.terminal.texts import PlainConsole, printable

console = PlainConsole()

Cell = Annotated[
    str,
    typer.Argument(
        help="A name from `rnncap cells`, such as ugrnn, module:Class for a cell of your own, or graph:FILE.json"
    ),
]
TaskSpec = Annotated[
    str, typer.Argument(help="A name from `rnncap tasks`, with arguments if wanted: parentheses:length=30,streams=4")
]
Data = Annotated[Path | None, typer.Option(help="File or folder with the data, for tasks that need some")]
Params = Annotated[int, typer.Option(help="Largest number of trainable parameters")]
Depth = Annotated[int, typer.Option(help="Number of layers")]
Steps = Annotated[int, typer.Option(help="Training steps")]
BatchSize = Annotated[int, typer.Option(help="Samples in a step")]
InputDim = Annotated[int, typer.Option(help="Features of the input")]
OutputDim = Annotated[int, typer.Option(help="Outputs of the readout")]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", help="NAME=VALUE fixes a hyperparameter, NAME=LOW..HIGH and NAME=A,B give its range"),
]
Cells = Annotated[str | None, typer.Option(help="Names, module:Class or graph:FILE.json, with commas between")]
Profile = Annotated[str, typer.Option(help="How many trials and steps by default: smoke, laptop or paper")]
Seed = Annotated[int, typer.Option(help="Seed of everything random")]
Engine = Annotated[
    str, typer.Option(help="Where trials train: inline, in this process, or processes, one on each core; processes:4")
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Remove the run that the folder holds, and start over")]
Out = Annotated[Path | None, typer.Option(help="Folder of the run; a new one below runs/ if not given")]


def new_table(
    title: str, *columns: str, left: Collection[int] = (0,), no_wrap: Collection[int] = (), **options: Any
) -> Table:
    """Returns a table; columns at the places `left` are of text, the others of numbers."""
    table = Table(title=title, title_justify="left", **options)
    for place, column in enumerate(columns):
        table.add_column(column, justify="left" if place in left else "right", no_wrap=place in no_wrap)
    return table


def say(line: str) -> None:
    """Prints a line as it is."""
    console.print(line, highlight=False, soft_wrap=True)


def ends(result: Any) -> str:
    """Returns how many trials of a search there are, and what became of those without a good score."""
    counts = {"diverged": result.diverged, "untrained": result.untrained, "stopped early": result.stopped_early}
    return ", ".join([f"{result.trials}", *(f"{count} {how}" for how, count in counts.items() if count)])


def proposals(result: Any) -> str:
    """Returns how many trials of a search each way of proposing gave, and which gave the best."""
    counts = ", ".join(f"{count} by {way}" for way, count in result.proposed_by.items()) or "unknown"
    best = result.best_proposed_by
    return f"{counts}; the best by {best}" if best else counts


def split(text: str | None) -> list[str] | None:
    """Returns the words of a text with commas between them."""
    return None if text is None else [word.strip() for word in text.split(",")]


def interruptible(
    work: Callable[..., Any], *arguments: Any, out: Path, progress: bool | str = True, **options: Any
) -> Any:
    """Returns what a run's work returns; an interrupt ends the program and says how to go on."""
    try:
        return work(*arguments, **options, out=out, progress=progress)
    except KeyboardInterrupt:
        fail(f"stopped. What was finished is in {out}; the same command continues from there", code=130)


def fail_without_feasible_trial() -> NoReturn:
    """Ends a search all of whose trials diverged."""
    fail("no trial was feasible: all diverged. More --trials, or another --seed, may find one that is", code=1)


def fail(message: str, code: int) -> NoReturn:
    """Prints an error and ends the program."""
    print_error(message)
    raise typer.Exit(code)


def print_error(message: str) -> None:
    """Prints an error."""
    line = Text.assemble(("rnncap:", "bold red"), " ", printable(message))
    PlainConsole(stderr=True).print(line, highlight=False, soft_wrap=True)


def open_standard_streams() -> None:
    """Has the standard streams that were closed read and write nothing: libraries expect all three."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", closefd=False))


def import_keras() -> None:
    """Imports Keras and wakes its backend, without the remarks on the machine that TensorFlow prints meanwhile."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as remarks:
        os.dup2(remarks.fileno(), 2)
        try:
            import keras

            keras.ops.zeros(1)
        except BaseException:
            remarks.seek(0)
            os.write(stderr, remarks.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
