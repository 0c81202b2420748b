"""`rnncap tasks`, `rnncap cells` and `rnncap budget`: what there is, and how large."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from keras_rnncap.cli.common import Cell, Data, Depth, Seed, TaskSpec, console, fill, import_keras
from keras_rnncap.errors import InputError, check_integer, check_seed

tasks_app = typer.Typer(help="List the tasks, or show an example of one.", invoke_without_command=True)


@tasks_app.callback()
def tasks(context: typer.Context) -> None:
    """List the tasks: their sizes, source, and what chance and perfection score."""
    if context.invoked_subcommand is not None:
        return
    import_keras()
    from keras_rnncap.datasets import TASKS

    table = Table(title="Tasks: length x inputs to outputs", title_justify="left")
    for column in ("task", "length", "inputs", "outputs", "score", "chance", "perfect", "source"):
        right = column in ("length", "inputs", "outputs", "chance")
        table.add_column(column, justify="right" if right else "left", no_wrap=column == "task")
    for name, task_class in TASKS.items():
        task = task_class.described()
        sizes = (f"{task.length:,}", f"{task.input_dim:,}", f"{task.output_dim:,}")
        arrow = "more" if task.score_direction == "max" else "less"
        scores = (f"{task.score_name.replace('_', ' ')}, {arrow} is better", f"{task.chance_score:.4g}")
        mark = " (needs data)" if task.needs_data else ""
        table.add_row(name + mark, *sizes, *scores, f"{task.perfect_score:.4g}", task.source)
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
    import_keras()
    from keras_rnncap.analysis.task import plot_sample
    from keras_rnncap.datasets import make_task, task_arguments
    from keras_rnncap.zoo.writing import writing

    check_seed(seed, "--seed")
    if plot is not None and (plot.suffix not in (".png", ".svg", ".pdf") or not plot.absolute().parent.is_dir()):
        raise InputError(f"--plot must be a .png, .svg or .pdf file in a folder that exists; got {plot}")
    task_shown = make_task(task, data)
    console.print(f"{task_shown.data}, {task_shown.source}", highlight=False)
    console.print(task_shown.worked_example(seed), highlight=False, soft_wrap=True)
    for name, score in task_shown.baselines("test").items():
        console.print(f"{name}: {score:.4g} {task_shown.score_name.replace('_', ' ')}", highlight=False)
    if arguments := task_arguments(task_shown.name):
        given = ",".join(f"{key}={'...' if value is None else value}" for key, value in arguments.items())
        console.print(f"takes arguments, here with their defaults: {task_shown.name}:{given}", highlight=False)
    if plot is not None:
        with writing(plot) as new:
            plot_sample(task_shown, seed).savefig(new, dpi=150)
        console.print(f"drawn in {plot}", highlight=False)


def cells(
    params: Annotated[int, typer.Option(help="Budget for which units are given")] = 1000,
    input_dim: Annotated[int, typer.Option(help="Features of the input")] = 16,
    output_dim: Annotated[int, typer.Option(help="Outputs of the readout")] = 1,
) -> None:
    """List the cells, and how large one is that a budget buys."""
    import_keras()
    from keras_rnncap.budget import units_for_budget
    from keras_rnncap.cells import CELLS
    from keras_rnncap.models import sequence_model

    table = Table(title=f"Cells, {input_dim} inputs, {output_dim} outputs, depth 1", title_justify="left")
    for column in ("cell", "class", f"units for {params:,}", "parameters", "what it is"):
        right = "unit" in column or "param" in column
        table.add_column(column, justify="right" if right else "left", no_wrap=column in ("cell", "class"))
    for name, cell in CELLS.items():
        sizes = units_for_budget(
            functools.partial(sequence_model, name, input_dim=input_dim, output_dim=output_dim), params
        )
        described = (cell.__doc__ or "").splitlines()[0].rstrip(".:")
        table.add_row(name, cell.__name__, f"{sizes.units:,}", f"{sizes.parameters:,}", described)
    console.print(table)


def budget(
    cell: Cell,
    params: Annotated[int, typer.Option(help="Largest number of trainable parameters")] = 100_000,
    depth: Depth = 1,
    input_dim: Annotated[int, typer.Option(help="Features of the input")] = 27,
    output_dim: Annotated[int, typer.Option(help="Outputs of the readout")] = 27,
) -> None:
    """Print the units that a parameter budget buys, and where the parameters go."""
    import_keras()
    from keras_rnncap.budget import LARGEST_BUDGET, units_for_budget
    from keras_rnncap.models import sequence_model

    check_integer("--params", params, 1, LARGEST_BUDGET)
    sizes = units_for_budget(
        lambda units: sequence_model(cell, units, depth, input_dim=input_dim, output_dim=output_dim), params
    )
    table = Table(
        title=f"{cell}: {sizes.units:,} units per layer, {sizes.parameters:,} of {params:,} parameters",
        title_justify="left",
    )
    total = sizes.breakdown.sum()
    fill(table, sizes.breakdown)
    table.add_row("total", *(f"{int(value):,}" for value in total), style="bold")
    console.print(table)
