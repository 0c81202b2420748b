"""`rnncap train` and `rnncap sweep`: one model, and the search for its best hyperparameters."""

from typing import Annotated, Any

import typer

from keras_rnncap.cli import common
from keras_rnncap.defaults import ENGINE, SEED, Sweep, Train, params_for
from keras_rnncap.errors import InputError


def train(
    task: common.TaskSpec,
    cell: common.Cell,
    params: Annotated[
        int | None, typer.Option(help="Largest number of trainable parameters; default 20,000 or what the task needs")
    ] = None,
    depth: common.Depth = Train.depth,
    steps: common.Steps = Train.steps,
    batch_size: common.BatchSize = Train.batch_size,
    optimizer: Annotated[str, typer.Option(help="sgd, momentum, rmsprop or adam")] = Train.optimizer,
    learning_rate: Annotated[float, typer.Option(help="At the first step")] = Train.learning_rate,
    learning_rate_decay: Annotated[
        float, typer.Option(help="What it is multiplied by until the last")
    ] = Train.learning_rate_decay,
    momentum: Annotated[float, typer.Option(help="Momentum; beta_1 of Adam")] = Train.momentum,
    clip_norm: Annotated[float, typer.Option(help="Largest norm of the gradient")] = Train.clip_norm,
    l2: Annotated[float, typer.Option(help="Factor on the squares of all weights in the loss")] = Train.l2,
    loss_saturation: Annotated[
        float, typer.Option(help="q: a sample's loss L counts as (1 - exp(-q L)) / q")
    ] = Train.loss_saturation,
    seed: common.Seed = SEED,
    data: common.Data = None,
    out: common.Out = None,
    fresh: common.Fresh = False,
) -> None:
    """Train a model on a task and score it on held-out data beside simple baselines."""
    common.import_keras()
    from keras_rnncap.datasets import make_task
    from keras_rnncap.training import TrainingSettings
    from keras_rnncap.training.train import default_directory, train_model

    numbers = (learning_rate, learning_rate_decay, momentum, clip_norm, l2, loss_saturation)
    settings = TrainingSettings(steps, optimizer, *numbers)  # type: ignore[arg-type]  # it checks the optimizer's name
    loaded = make_task(task, data)
    params = params_for(loaded, params, Train.params)
    directory = out or default_directory(loaded, cell, params, depth, seed)
    options: dict[str, Any] = {
        "params": params,
        "depth": depth,
        "settings": settings,
        "batch_size": batch_size,
        "seed": seed,
    }
    result = common.interruptible(train_model, loaded, cell, **options, out=directory, overwrite=fresh)
    unit = result.score_name.replace("_", " ")
    table = common.new_table(f"{unit} on held-out data: {result.data}", "model", unit)
    for name, score in result.baselines.items():
        table.add_row(name, f"{score:.3f}")
    model = f"{result.cell}, {result.units} x {result.depth} units, {result.parameters:,} parameters"
    table.add_row(model, "diverged" if result.test_score is None else f"{result.test_score:.3f}", style="bold")
    common.console.print(table)
    if result.test_score is None:
        common.fail("training diverged; try a smaller --learning-rate or --clip-norm in a new --out", code=1)
    common.say(
        f"{result.steps:,} steps in {result.elapsed_s:,.0f} s. "
        f"In {directory}: train.json, train.png, history.csv, model.keras, saved_model"
    )


def sweep(
    task: common.TaskSpec,
    cell: common.Cell,
    params: Annotated[
        int | None, typer.Option(help="Largest number of trainable parameters; default 300 or what the task needs")
    ] = None,
    depth: common.Depth = Sweep.depth,
    minutes: Annotated[
        float | None, typer.Option(help="Time for all trials: as many, and of as many steps, as there is time for")
    ] = None,
    trials: Annotated[int | None, typer.Option(help="Number of trials; more continue a finished sweep")] = None,
    steps: Annotated[int | None, typer.Option(help="Training steps of a trial")] = None,
    batch_size: common.BatchSize = Sweep.batch_size,
    oracle: Annotated[
        str,
        typer.Option(help="What proposes trials: gp, random, bayesian (KerasTuner's own), or repeat, the same again"),
    ] = Sweep.oracle,
    space: Annotated[str, typer.Option(help="Search space, such as collins or jozefowicz")] = Sweep.space,
    changes: common.Changes = None,
    objective: Annotated[
        str | None, typer.Option(help="What to search for: mutual_information_bits; the task's score if not given")
    ] = None,
    profile: common.Profile = Sweep.profile,
    stop_early: Annotated[
        bool | None, typer.Option(help="Stop trials that are not in the best third; the profile says if not given")
    ] = None,
    seed: common.Seed = SEED,
    data: common.Data = None,
    engine: common.Engine = ENGINE,
    out: common.Out = None,
    fresh: common.Fresh = False,
    resume: Annotated[bool, typer.Option("--resume", help="Fail unless there is a sweep to continue")] = False,
) -> None:
    """Search the hyperparameters with which a cell does best on a task (Collins et al. 2017, appendix A)."""
    common.import_keras()
    from keras_rnncap.datasets import make_task
    from keras_rnncap.runs import IDENTITY
    from keras_rnncap.tuners.spaces import parse_changes
    from keras_rnncap.tuners.sweep import default_directory, run_sweep

    loaded = make_task(task, data)
    params = params_for(loaded, params, Sweep.params)
    directory = out or default_directory(loaded, cell, params, depth, oracle, seed, objective)
    if resume and not (directory / IDENTITY).exists():
        raise InputError(f"there is nothing to resume in {directory}; leave --resume out to start there")
    options: dict[str, Any] = {"params": params, "depth": depth, "trials": trials, "steps": steps, "seed": seed}
    options |= {"batch_size": batch_size, "oracle": oracle, "space": space, "changes": parse_changes(changes or [])}
    options |= {"objective": objective, "profile": profile, "stop_early": stop_early, "engine": engine}
    options |= {"minutes": minutes, "progress": "summary"}
    result = common.interruptible(run_sweep, loaded, cell, **options, out=directory, overwrite=fresh)
    table = common.new_table(f"The best of {result.trials} {result.cell} trials on {result.data}", "", "")
    score = "-" if result.best_score is None else f"{result.best_score:.4g}"
    for row in (
        (result.objective.replace("_", " "), score),
        ("that of chance", f"{result.chance_score:.4g}"),
        ("parameters", f"{result.parameters:,} (budget {params:,})"),
        ("units x depth", f"{result.units} x {result.depth}"),
        ("trials", common.ends(result)),
        ("proposed by", common.proposals(result)),
        ("training steps", f"{result.steps:,} of {result.batch_size:,} samples"),
        ("time", f"{result.elapsed_s:,.0f} s"),
    ):
        table.add_row(*row)
    table.add_section()
    for name, value in result.hyperparameters.items():
        table.add_row(name, f"{value:.4g}" if isinstance(value, float) else str(value))
    common.console.print(table)
    common.say(
        f"In {directory}: sweep.json, trials.csv, history.csv, parallel_coordinates.png, slices.png, importance.png, "
        "hparams, best/model.keras, best/saved_model"
    )
    if result.best_score is None:
        common.fail_without_feasible_trial()
