"""`rnncap tasks`, `rnncap cells` and `rnncap budget`: what there is, and how large."""

import functools
from pathlib import Path
from typing import Annotated

import typer

from keras_rnncap.cli import common
from keras_rnncap.defaults import SEED
from keras_rnncap.errors import InputError, check_integer, check_seed

tasks_app = typer.Typer(help="List the tasks, or show an example of one.", invoke_without_command=True)


@tasks_app.callback()
def tasks(context: typer.Context) -> None:
    """List the tasks: their sizes, source, and what chance and perfection score."""
    if context.invoked_subcommand is not None:
        return
    common.import_keras()
    from keras_rnncap.datasets import TASKS

    columns = ("task", "length", "inputs", "outputs", "score", "chance", "perfect", "source")
    table = common.new_table("Tasks: length x inputs to outputs", *columns, left=(0, 4, 6, 7), no_wrap=(0,))
    for name, task_class in TASKS.items():
        task = task_class.described()
        sizes = (f"{task.length:,}", f"{task.input_dim:,}", f"{task.output_dim:,}")
        arrow = "more" if task.score_direction == "max" else "less"
        scores = (f"{task.score_name.replace('_', ' ')}, {arrow} is better", f"{task.chance_score:.4g}")
        mark = " (needs data)" if task.needs_data else ""
        table.add_row(name + mark, *sizes, *scores, f"{task.perfect_score:.4g}", task.source)
    common.console.print(table)
    common.say("rnncap tasks show TASK prints an example")


@tasks_app.command("show")
def tasks_show(
    task: common.TaskSpec,
    seed: common.Seed = SEED,
    data: common.Data = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the inputs and targets of a sample into this file")] = None,
) -> None:
    """Print an example of a task as its paper would."""
    common.import_keras()
    from keras_rnncap.analysis.task import plot_sample
    from keras_rnncap.datasets import make_task, task_arguments
    from keras_rnncap.zoo.writing import writing

    check_seed(seed, "--seed")
    if plot is not None and (plot.suffix not in (".png", ".svg", ".pdf") or not plot.absolute().parent.is_dir()):
        raise InputError(f"--plot must be a .png, .svg or .pdf file in a folder that exists; got {plot}")
    task_shown = make_task(task, data)
    common.say(f"{task_shown.data}, {task_shown.source}")
    common.say(task_shown.worked_example(seed))
    for name, score in task_shown.baselines("test").items():
        common.say(f"{name}: {score:.4g} {task_shown.score_name.replace('_', ' ')}")
    if arguments := task_arguments(task_shown.name):
        given = ",".join(f"{key}={'...' if value is None else value}" for key, value in arguments.items())
        common.say(f"takes arguments, here with their defaults: {task_shown.name}:{given}")
    if plot is not None:
        with writing(plot) as new:
            plot_sample(task_shown, seed).savefig(new, dpi=150)
        common.say(f"drawn in {plot}")


def cells(
    params: Annotated[int, typer.Option(help="Budget for which units are given")] = 1000,
    input_dim: common.InputDim = 16,
    output_dim: common.OutputDim = 1,
) -> None:
    """List the cells, and how large one is that a budget buys."""
    common.import_keras()
    from keras_rnncap.budget import units_for_budget
    from keras_rnncap.cells import CELLS
    from keras_rnncap.models import sequence_model

    columns = ("cell", "class", f"units for {params:,}", "parameters", "what it is")
    title = f"Cells, {input_dim} inputs, {output_dim} outputs, depth 1"
    table = common.new_table(title, *columns, left=(0, 1, 4), no_wrap=(0, 1))
    for name, cell in CELLS.items():
        build = functools.partial(sequence_model, name, input_dim=input_dim, output_dim=output_dim)
        sizes = units_for_budget(build, params)
        described = (cell.__doc__ or "").splitlines()[0].rstrip(".:")
        table.add_row(name, cell.__name__, f"{sizes.units:,}", f"{sizes.parameters:,}", described)
    common.console.print(table)


def budget(
    cell: common.Cell,
    params: common.Params = 100_000,
    depth: common.Depth = 1,
    input_dim: common.InputDim = 27,
    output_dim: common.OutputDim = 27,
) -> None:
    """Print the units that a parameter budget buys, and where the parameters go."""
    common.import_keras()
    from keras_rnncap.budget import LARGEST_BUDGET, units_for_budget
    from keras_rnncap.models import sequence_model

    check_integer("--params", params, 1, LARGEST_BUDGET)
    sizes = units_for_budget(
        lambda units: sequence_model(cell, units, depth, input_dim=input_dim, output_dim=output_dim), params
    )
    title = f"{cell}: {sizes.units:,} units per layer, {sizes.parameters:,} of {params:,} parameters"
    table = common.new_table(title, str(sizes.breakdown.index.name or ""), *map(str, sizes.breakdown))
    for name, row in sizes.breakdown.iterrows():
        table.add_row(str(name), *(f"{value:,}" for value in row))
    table.add_row("total", *(f"{int(value):,}" for value in sizes.breakdown.sum()), style="bold")
    common.console.print(table)
