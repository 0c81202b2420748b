"""The command line, `rnncap`. Keras is imported by the commands that need it, so that help comes at once."""

from __future__ import annotations

import functools
import logging
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from keras_rnncap.errors import InputError
from keras_rnncap.version import __version__

if TYPE_CHECKING:
    import pandas as pd

app = typer.Typer(
    help="Which recurrent cell, at this size, for this task, and what can it hold?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
console = Console()

Cell = Annotated[
    str, typer.Argument(help="A name from `rnncap cells`, such as ugrnn, or module:Class for a cell of your own")
]
TaskSpec = Annotated[
    str, typer.Argument(help="A name from `rnncap tasks`, with arguments if wanted: parentheses:length=30,streams=4")
]
Data = Annotated[Path | None, typer.Option(help="File or folder with the data, for tasks that need some")]
Depth = Annotated[int, typer.Option(help="Number of layers")]
Seed = Annotated[int, typer.Option(help="Seed of everything random")]
Out = Annotated[Path | None, typer.Option(help="Folder of the run; a new one below runs/ if not given")]


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


@app.command()
def capacity(
    cell: Cell,
    params: Annotated[int, typer.Option(help="Largest number of trainable parameters")] = 300,
    depth: Depth = 1,
    trials: Annotated[int, typer.Option(help="Number of trials; more continue a finished run")] = 120,
    steps: Annotated[int, typer.Option(help="Training steps of a trial")] = 100_000,
    batch_size: Annotated[int, typer.Option(help="Patterns in a step")] = 128,
    seed: Seed = 0,
    input_dim: Annotated[int | None, typer.Option(help="Width of the patterns; 16 or more if not given")] = None,
    out: Out = None,
) -> None:
    """Measure how many bits per parameter a cell stores (Collins et al. 2017, section 2.1)."""
    _import_keras()
    from keras_rnncap.analysis.capacity import PAPER_ESTIMATE, PAPER_RANGE
    from keras_rnncap.tuners.capacity import default_directory, measure_capacity

    directory = out or default_directory(cell, params, depth, seed)
    result = _interruptible(
        directory,
        lambda: measure_capacity(
            cell,
            params=params,
            depth=depth,
            trials=trials,
            steps=steps,
            batch_size=batch_size,
            seed=seed,
            input_dim=input_dim,
            out=directory,
            progress=True,
        ),
    )
    table = Table(title=f"What the {result.cell} stores", title_justify="left")
    table.add_column("")
    table.add_column("here", justify="right")
    table.add_column("Collins et al. 2017", justify="right")
    low, high = PAPER_RANGE
    found = result.bits_per_parameter
    rows = [
        (
            "bits per parameter",
            f"{found:.2f}" if found is not None else "-",
            f"{low:g} to {high:g}, about {PAPER_ESTIMATE:g}",
        ),
        ("bits stored", f"{result.mutual_information_bits:,.0f}" if found is not None else "-", ""),
        ("patterns", f"{result.patterns:,}" if found is not None else "-", ""),
        ("of them right", f"{result.accuracy:.1%}" if found is not None else "-", ""),
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
        markup=False,
        soft_wrap=True,
    )
    if found is None:
        _fail("no trial was feasible: all diverged. More --trials, or another --seed, may find one that is", code=1)


@app.command()
def train(
    task: TaskSpec,
    cell: Cell,
    params: Annotated[int, typer.Option(help="Largest number of trainable parameters")] = 20_000,
    depth: Depth = 1,
    steps: Annotated[int, typer.Option(help="Training steps")] = 10_000,
    batch_size: Annotated[int, typer.Option(help="Samples in a step")] = 64,
    optimizer: Annotated[str, typer.Option(help="sgd, momentum, rmsprop or adam")] = "adam",
    learning_rate: Annotated[float, typer.Option(help="At the first step")] = 5e-3,
    learning_rate_decay: Annotated[float, typer.Option(help="What it is multiplied by until the last")] = 1e-2,
    momentum: Annotated[float, typer.Option(help="Momentum; beta_1 of Adam")] = 0.9,
    clip_norm: Annotated[float, typer.Option(help="Largest norm of the gradient")] = 1.0,
    l2: Annotated[float, typer.Option(help="Factor on the squares of all weights in the loss")] = 0.0,
    seed: Seed = 0,
    data: Data = None,
    out: Out = None,
) -> None:
    """Train a model on a task and score it on held-out data beside simple baselines."""
    _import_keras()
    from keras_rnncap.datasets import make_task
    from keras_rnncap.train import default_directory, train_model
    from keras_rnncap.training import TrainingSettings

    settings = TrainingSettings(steps, optimizer, learning_rate, learning_rate_decay, momentum, clip_norm, l2)  # type: ignore[arg-type]
    directory = out or default_directory(task, cell, params, depth, seed)
    made = make_task(task, data)
    result = _interruptible(
        directory,
        lambda: train_model(
            made,
            cell,
            params=params,
            depth=depth,
            settings=settings,
            batch_size=batch_size,
            seed=seed,
            out=directory,
            progress=True,
        ),
    )
    unit = result.score_name.replace("_", " ")
    table = Table(title=f"{unit} on held-out data: {result.data}", title_justify="left")
    table.add_column("model")
    table.add_column(unit, justify="right")
    for name, score in result.baselines.items():
        table.add_row(name, f"{score:.3f}")
    own = f"{result.cell}, {result.units} x {result.depth} units, {result.parameters:,} parameters"
    table.add_row(own, "diverged" if result.test_score is None else f"{result.test_score:.3f}", style="bold")
    console.print(table)
    if result.test_score is None:
        _fail("training diverged; try a smaller --learning-rate or --clip-norm in a new --out", code=1)
    console.print(
        f"{result.steps:,} steps in {result.elapsed_s:,.0f} s. "
        f"In {directory}: train.json, train.png, history.csv, model.keras, saved_model",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


@app.command()
def sweep(
    task: TaskSpec,
    cell: Cell,
    params: Annotated[int, typer.Option(help="Largest number of trainable parameters")] = 300,
    depth: Depth = 1,
    trials: Annotated[int | None, typer.Option(help="Number of trials; more continue a finished sweep")] = None,
    steps: Annotated[int | None, typer.Option(help="Training steps of a trial")] = None,
    batch_size: Annotated[int, typer.Option(help="Samples in a step")] = 64,
    oracle: Annotated[str, typer.Option(help="What proposes trials: gp, random or bayesian (KerasTuner's own)")] = "gp",
    space: Annotated[str, typer.Option(help="Search space: collins or jozefowicz")] = "collins",
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="NAME=VALUE fixes a hyperparameter, NAME=LOW..HIGH and NAME=A,B give its range"),
    ] = None,
    profile: Annotated[str, typer.Option(help="What is spent unless said: smoke, laptop or paper")] = "laptop",
    stop_early: Annotated[
        bool | None, typer.Option(help="Stop trials that do worse than the median; the profile says if not given")
    ] = None,
    seed: Seed = 0,
    data: Data = None,
    out: Out = None,
    resume: Annotated[bool, typer.Option("--resume", help="Fail unless there is a sweep to continue")] = False,
) -> None:
    """Search the hyperparameters with which a cell does best on a task (Collins et al. 2017, appendix A)."""
    _import_keras()
    from keras_rnncap.datasets import PerceptronCapacity, make_task
    from keras_rnncap.runs import IDENTITY
    from keras_rnncap.tuners.spaces import parse_changes
    from keras_rnncap.tuners.sweep import default_directory, run_sweep

    directory = out or default_directory(task, cell, params, depth, oracle, seed)
    if resume and not (directory / IDENTITY).exists():
        raise InputError(f"there is nothing to resume in {directory}; leave --resume out to start there")
    made = None if task == PerceptronCapacity.name and data is None else make_task(task, data)
    result = _interruptible(
        directory,
        lambda: run_sweep(
            made,
            cell,
            params=params,
            depth=depth,
            trials=trials,
            steps=steps,
            batch_size=batch_size,
            oracle=oracle,
            space=space,
            changes=parse_changes(changes or []),
            profile=profile,
            stop_early=stop_early,
            seed=seed,
            out=directory,
            progress=True,
        ),
    )
    table = Table(title=f"The best of {result.trials} {result.cell} trials on {result.data}", title_justify="left")
    table.add_column("")
    table.add_column("", justify="right")
    score = "-" if result.best_score is None else f"{result.best_score:.4g}"
    for row in (
        (result.objective.replace("_", " "), score),
        ("that of chance", f"{result.chance_score:.4g}"),
        ("parameters", f"{result.parameters:,} (budget {params:,})"),
        ("units x depth", f"{result.units} x {result.depth}"),
        ("trials", f"{result.trials}, {result.infeasible} infeasible, {result.stopped_early} stopped early"),
        ("training steps", f"{result.steps:,} of {result.batch_size:,} samples"),
        ("time", f"{result.elapsed_s:,.0f} s"),
    ):
        table.add_row(*row)
    table.add_section()
    for name, value in result.hyperparameters.items():
        table.add_row(name, f"{value:.4g}" if isinstance(value, float) else str(value))
    console.print(table)
    console.print(
        f"In {directory}: sweep.json, trials.csv, history.csv, parallel_coordinates.png, slices.png, importance.png, "
        "hparams, best/model.keras, best/saved_model",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    if result.best_score is None:
        _fail("no trial was feasible: all diverged. More --trials, or another --seed, may find one that is", code=1)


tasks_app = typer.Typer(help="List the tasks, or show an example of one.", invoke_without_command=True)
app.add_typer(tasks_app, name="tasks")


@tasks_app.callback()
def tasks(context: typer.Context) -> None:
    """List the tasks: their sizes, source, and what chance and perfection score."""
    if context.invoked_subcommand is not None:
        return
    _import_keras()
    from keras_rnncap.datasets import TASKS

    table = Table(title="Tasks: length x inputs to outputs", title_justify="left")
    for column in ("task", "length", "inputs", "outputs", "score", "chance", "perfect", "source"):
        table.add_column(column, justify="right" if column in ("length", "inputs", "outputs", "chance") else "left")
    for name, task_class in TASKS.items():
        made = task_class.described()
        sizes = (f"{made.length:,}", f"{made.input_dim:,}", f"{made.output_dim:,}")
        arrow = "more" if made.score_direction == "max" else "less"
        scores = (f"{made.score_name.replace('_', ' ')}, {arrow} is better", f"{made.chance_score:.4g}")
        mark = " (needs data)" if made.needs_data else ""
        table.add_row(name + mark, *sizes, *scores, f"{made.perfect_score:.4g}", made.source)
    console.print(table)
    console.print("rnncap tasks show TASK prints an example", highlight=False)


@tasks_app.command("show")
def tasks_show(
    task: TaskSpec,
    seed: Seed = 0,
    data: Data = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the inputs and targets of a sample into this file")] = None,
) -> None:
    """Print an example of a task as its paper would."""
    _import_keras()
    from keras_rnncap.analysis.task import plot_sample
    from keras_rnncap.datasets import make_task
    from keras_rnncap.errors import check_integer
    from keras_rnncap.runs import replacing

    check_integer("--seed", seed, 0)
    made = make_task(task, data)
    console.print(f"{made.data}, {made.source}", markup=False, highlight=False)
    console.print(made.worked_example(seed), markup=False, highlight=False, soft_wrap=True)
    for name, score in made.baselines("test").items():
        console.print(f"{name}: {score:.4g} {made.score_name.replace('_', ' ')}", markup=False, highlight=False)
    if plot is not None:
        if plot.suffix not in (".png", ".svg", ".pdf") or not plot.absolute().parent.is_dir():
            raise InputError(f"--plot must be a .png, .svg or .pdf file in a folder that exists; got {plot}")
        with replacing(plot) as new:
            plot_sample(made, seed).savefig(new, dpi=150)
        console.print(f"drawn in {plot}", markup=False, highlight=False)


@app.command()
def cells(
    params: Annotated[int, typer.Option(help="Budget for which units are given")] = 1000,
    input_dim: Annotated[int, typer.Option(help="Features of the input")] = 16,
    output_dim: Annotated[int, typer.Option(help="Outputs of the readout")] = 1,
) -> None:
    """List the cells, and how large one is that a budget buys."""
    _import_keras()
    from keras_rnncap.budget import units_for_budget
    from keras_rnncap.cells import CELLS
    from keras_rnncap.models import sequence_model

    table = Table(title=f"Cells, {input_dim} inputs, {output_dim} outputs, depth 1", title_justify="left")
    for column in ("cell", "class", f"units for {params:,}", "parameters", "what it is"):
        table.add_column(column, justify="right" if "unit" in column or "param" in column else "left")
    for name, cell in CELLS.items():
        found = units_for_budget(
            functools.partial(sequence_model, name, input_dim=input_dim, output_dim=output_dim), params
        )
        described = (cell.__doc__ or "").splitlines()[0].rstrip(".:")
        table.add_row(name, cell.__name__, f"{found.units:,}", f"{found.parameters:,}", described)
    console.print(table)


@app.command()
def budget(
    cell: Cell,
    params: Annotated[int, typer.Option(help="Largest number of trainable parameters")] = 100_000,
    depth: Depth = 1,
    input_dim: Annotated[int, typer.Option(help="Features of the input")] = 27,
    output_dim: Annotated[int, typer.Option(help="Outputs of the readout")] = 27,
) -> None:
    """Print the units that a parameter budget buys, and where the parameters go."""
    _import_keras()
    from keras_rnncap.budget import units_for_budget
    from keras_rnncap.errors import check_integer
    from keras_rnncap.models import sequence_model

    check_integer("--params", params, 1)
    found = units_for_budget(
        lambda units: sequence_model(cell, units, depth, input_dim=input_dim, output_dim=output_dim), params
    )
    table = Table(
        title=f"{cell}: {found.units:,} units per layer, {found.parameters:,} of {params:,} parameters",
        title_justify="left",
    )
    total = found.breakdown.sum()
    _fill(table, found.breakdown)
    table.add_row("total", *(f"{int(value):,}" for value in total), style="bold")
    console.print(table)


@app.command()
def calibrate(
    inputs: Annotated[int, typer.Option(help="Inputs of the threshold unit")] = 100,
    steps: Annotated[int, typer.Option(help="Training steps")] = 10_000,
    seed: Seed = 0,
) -> None:
    """Check the meter: a linear threshold unit stores about 2 bits per weight (Cover 1965)."""
    _import_keras()
    from keras_rnncap.calibration import calibrate_meter

    rows = calibrate_meter(inputs=inputs, steps=steps, seed=seed)
    table = Table(title=f"A linear threshold unit of {inputs + 1} weights", title_justify="left")
    for column in ("patterns per weight", "accuracy", "bits per weight"):
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(f"{row.patterns_per_weight:g}", f"{row.accuracy:.3f}", f"{row.bits_per_weight:.2f}")
    console.print(table)
    console.print("Cover's limit for random patterns, all of them right: 2 bits per weight", highlight=False)


def _fill(table: Table, frame: pd.DataFrame) -> None:
    table.add_column(str(frame.index.name or ""))
    for column in frame.columns:
        table.add_column(str(column), justify="right")
    for name, row in frame.iterrows():
        table.add_row(str(name), *(f"{value:,}" for value in row))


def _interruptible(directory: Path, work: Callable[[], Any]) -> Any:
    try:
        return work()
    except KeyboardInterrupt:
        _fail(f"stopped. What was finished is in {directory}; the same command continues from there", code=130)


def _fail(message: str, code: int) -> NoReturn:
    _print_error(message)
    raise typer.Exit(code)


def _print_error(message: str) -> None:
    # Escaped: what people typed may have brackets, which are rich's markup.
    Console(stderr=True).print(f"[bold red]rnncap:[/] {escape(message)}", highlight=False, soft_wrap=True)


def _import_keras() -> None:
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


def main() -> None:
    """Runs the command line. Bad input prints one message and exits with 2, an interrupt with 130."""
    try:
        app()
    except InputError as error:
        _print_error(str(error))
        sys.exit(2)
