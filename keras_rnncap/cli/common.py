"""What all commands share: the application, its options, and how it reports errors."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.table import Table
from rich.text import Text

from keras_rnncap.terminal.texts import PlainConsole, printable

if TYPE_CHECKING:
    import pandas as pd

console = PlainConsole()

Cell = Annotated[
    str, typer.Argument(help="A name from `rnncap cells`, such as ugrnn, or module:Class for a cell of your own")
]
TaskSpec = Annotated[
    str, typer.Argument(help="A name from `rnncap tasks`, with arguments if wanted: parentheses:length=30,streams=4")
]
Data = Annotated[Path | None, typer.Option(help="File or folder with the data, for tasks that need some")]
Depth = Annotated[int, typer.Option(help="Number of layers")]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", help="NAME=VALUE fixes a hyperparameter, NAME=LOW..HIGH and NAME=A,B give its range"),
]
Seed = Annotated[int, typer.Option(help="Seed of everything random")]
Engine = Annotated[
    str, typer.Option(help="Where trials train: inline, in this process, or processes, one on each core; processes:4")
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Start anew where the folder holds a run, which is removed")]
Out = Annotated[Path | None, typer.Option(help="Folder of the run; a new one below runs/ if not given")]


def fill(table: Table, frame: pd.DataFrame) -> None:
    """Fills a table from a frame of numbers, its index first."""
    table.add_column(str(frame.index.name or ""))
    for column in frame.columns:
        table.add_column(str(column), justify="right")
    for name, row in frame.iterrows():
        table.add_row(str(name), *(f"{value:,}" for value in row))


def interruptible(directory: Path, work: Callable[[], Any]) -> Any:
    """Does a run's work; an interrupt ends the program with word of how to go on."""
    try:
        return work()
    except KeyboardInterrupt:
        fail(f"stopped. What was finished is in {directory}; the same command continues from there", code=130)


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
