"""The training of one model from start to finish, which may be interrupted and continued."""

import dataclasses
import functools
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_origin, get_type_hints

import keras

from keras_rnncap.analysis.learning_curve import plot_learning_curve
from keras_rnncap.budget import Budget, units_for_budget
from keras_rnncap.cells import CellFactory, constructor_options, get_cell, one_name, same_cell
from keras_rnncap.datasets import Task
from keras_rnncap.defaults import SEED, Train, params_for, run_folder, task_words
from keras_rnncap.errors import InputError, check_integer, check_seed
from keras_rnncap.models import sequence_model
from keras_rnncap.runs import RunDirectory, check_kinds, read_json, read_rows, replacing, write_json, write_rows
from keras_rnncap.runs.columns import ANY_NUMBER, COUNT, NUMBER, checked_rows, optional
from keras_rnncap.runs.fingerprint import code_of
from keras_rnncap.runs.rows import damaged
from keras_rnncap.saving import save_model, write_weights
from keras_rnncap.terminal.progress import StepCallback, WorkProgress
from keras_rnncap.training import ScheduleState, TrainingSettings, compile_model, fit
from keras_rnncap.versions import versions

RECORDS = 20
"""Rows and checkpoints of a run without a schedule."""


@dataclasses.dataclass(frozen=True)
class TrainResult:
    """The end of a training run, as in `train.json`.

    Attributes:
        task: The task's name.
        data: Name of the data.
        cell: The cell's name.
        depth: Number of layers.
        parameters: Trainable parameters.
        units: Units of each layer.
        steps: Training steps.
        batch_size: Samples in a step.
        seed: Seed of weights and batches.
        score_name: Name and unit of the scores.
        test_score: Score on the test split; `None` if training diverged.
        validation_score: Score on a part of the validation split.
        baselines: Scores of simple models on the test split.
        settings: Hyperparameters of the training.
        elapsed_s: Seconds of training.
        versions: Versions of Python and packages.
    """

    task: str
    data: str
    cell: str
    depth: int
    parameters: int
    units: int
    steps: int
    batch_size: int
    seed: int
    score_name: str
    test_score: float | None
    validation_score: float | None
    baselines: dict[str, float]
    settings: dict[str, Any]
    elapsed_s: float
    versions: dict[str, str]


KINDS = {
    field: dict if get_origin(hint) is dict else hint | int if isinstance(0.0, hint) else hint
    for field, hint in get_type_hints(TrainResult).items()
}
"""Types of the values in `train.json`, where a whole number may stand for a float."""


def train_model(
    task: Task,
    cell: str | CellFactory,
    *,
    params: int | None = None,
    depth: int = Train.depth,
    settings: TrainingSettings | None = None,
    batch_size: int = Train.batch_size,
    seed: int = SEED,
    out: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    progress: bool = False,
) -> TrainResult:
    """Trains the largest model of at most `params` parameters on a task, and scores it on held-out data.

    Where the task's batches continue each other, the model keeps its state from batch to batch, on TensorFlow alone,
    and starts from zero after each record. The saved model starts each sequence at zero.

    During training, `out` holds `history.csv` and `checkpoint.weights.h5`, with a record after every twentieth of the
    steps, or after each epoch of a schedule; at the end also `train.json`, `train.png`, `model.keras` and
    `saved_model/`. The same call continues an interrupted run, and ends with the same weights.

    Args:
        task: The task.
        cell: A name such as `"ugrnn"`, `"module:Class"` or `"graph:FILE.json"`, or a cell class.
        params: Largest number of trainable parameters; `None` takes 20,000, or more where the task says so.
        depth: Number of layers.
        settings: Hyperparameters of the training; `None` takes 10,000 steps of Adam.
        batch_size: Samples in a step.
        seed: Seed of weights and batches.
        out: The folder; `None` takes `runs/train-TASK-CELL-PARAMSxDEPTH-seedSEED`.
        overwrite: Whether to remove a run that the folder holds, and start anew.
        progress: Whether to show progress.

    Raises:
        InputError: If the cell is unknown, a number is out of range, or the folder cannot be used.

    Example:
    >>> from keras_rnncap.datasets import PythonDocs
    >>> result = train_model(PythonDocs(), "ugrnn", params=2000, settings=TrainingSettings(2), out=tmp_path / "docs")
    >>> result.units, result.parameters
    (16, 1883)
    """
    settings = settings or TrainingSettings(Train.steps, learning_rate=Train.learning_rate, clip_norm=Train.clip_norm)
    factory = get_cell(cell)
    params = check_integer("params", params_for(task, params, Train.params), 1)
    check_integer("depth", depth, 1)
    check_integer("batch_size", batch_size, 1)
    check_seed(seed)
    sizes = {"params": params, "depth": depth, "batch_size": batch_size, "seed": seed}
    identity = {"command": "train", **task.identity, "cell": one_name(cell), **sizes, **settings.identity}
    identity |= code_of(factory, type(task))
    starts_from_zero = task.carries_state and "learned_initial_state" in constructor_options(factory)
    build = functools.partial(
        sequence_model,
        factory,
        depth=depth,
        input_dim=task.input_dim,
        output_dim=task.output_dim,
        return_sequences=task.return_sequences,
        cell_options={"learned_initial_state": False} if starts_from_zero else {},
        seed=seed,
    )
    budget = units_for_budget(build, params)
    out = out or default_directory(task, cell, params, depth, seed)
    with RunDirectory(out, identity, overwrite, lambda kept: kept | {"cell": same_cell(kept.get("cell"), cell)}) as run:
        if (finished := _finished(run / "train.json")) is not None:
            return finished
        training = _TrainingRun(run, task, budget, settings, build)
        training.train(progress)
        return training.finish()


def default_directory(task: Task, cell: str | CellFactory, params: int, depth: int, seed: int) -> Path:
    """Returns the folder of a run for which none is given."""
    return run_folder("train", task_words(task), one_name(cell), f"{params}x{depth}", f"seed{seed}")


def _finished(file: Path) -> TrainResult | None:
    if not file.exists():
        return None
    mend = "delete it, and the same command writes it again from the checkpoint"
    content = read_json(file, mend)
    try:
        check_kinds(file.name, content, KINDS)
        check_kinds(file.name, content["baselines"], dict.fromkeys(content["baselines"], float | int))
        return TrainResult(**content)
    except (TypeError, InputError) as error:
        raise InputError(f"{file} is damaged ({error}); {mend}") from error


class _TrainingRun:
    """A run, with the model from its checkpoint."""

    def __init__(
        self,
        directory: RunDirectory,
        task: Task,
        budget: Budget,
        settings: TrainingSettings,
        build: Callable[..., keras.Model],
    ) -> None:
        self.directory, self.identity, self.task = directory, directory.identity, task
        self.budget, self.settings, self._build = budget, settings, build
        self.score = f"validation_{task.score_name}"
        self.checkpoint, history = directory / "checkpoint.weights.h5", directory / "history.csv"
        keras.utils.set_random_seed(self.identity["seed"])  # for cells of users that take no seed
        stateful = task.carries_state and keras.backend.backend() == "tensorflow"
        batch_size = self.identity["batch_size"] if stateful else None
        self.model = build(budget.units, stateful_batch=batch_size, dropout=settings.dropout)
        compile_model(self.model, task.loss(), settings)
        self.model.optimizer.build(self.model.trainable_variables)
        if self.checkpoint.exists():
            try:
                self.model.load_weights(self.checkpoint)
            except Exception as error:  # a damaged archive raises whatever its first damaged part raises
                advice = "delete its folder to start over"
                raise InputError(f"cannot continue from {self.checkpoint} ({error}); {advice}") from error
        columns = {"step": COUNT, "train_loss": optional(ANY_NUMBER), "elapsed_s": NUMBER}
        rows = checked_rows(history, read_rows(history), columns, unique="step")
        # A row is written before its checkpoint: rows beyond the checkpoint are trained again.
        self.rows = [row for row in rows if row["step"] <= self.step]
        schedule = settings.schedule
        self.every = schedule.epoch_steps if schedule else math.ceil(settings.steps / RECORDS)
        last = self.rows[-1]["step"] if self.rows else 0
        # An interrupt at a record may leave its row out.
        if last < self.step - self.every or (not last and self.step >= settings.steps):
            raise damaged(history, f"it ends at step {last}, and the checkpoint is of {self.step}")

    @property
    def step(self) -> int:
        return int(self.model.optimizer.iterations)

    @property
    def diverged(self) -> bool:
        loss = self.rows[-1].get("train_loss", math.nan) if self.rows else 0.0
        return not loss <= self.settings.saturated(self.task.infeasible_above)

    @property
    def schedule_state(self) -> ScheduleState | None:
        state, schedule = self.settings.schedule_start, self.settings.schedule
        for row in self.rows:
            if state and schedule and row["step"] % schedule.epoch_steps == 0:
                state = schedule.after_epoch(state, row.get(self.score, math.nan), self.task.score_direction)
        return state

    @property
    def _ended(self) -> bool:
        state = self.schedule_state
        return self.step >= self.settings.steps or self.diverged or (state is not None and bool(state.stopped))

    def train(self, progress: bool) -> None:
        """Trains to the end; an interrupt leaves a checkpoint."""
        steps = self.settings.steps
        with WorkProgress(steps, self.step, enabled=progress) as bar:
            if self.step:
                bar.say(f"continuing in {self.directory.path} at step {self.step:,}")
            while not self._ended:
                stop = min((self.step // self.every + 1) * self.every, steps)
                try:
                    self._train_to(stop, bar)
                except KeyboardInterrupt:  # between two steps: the model is whole
                    # Keras saves no state; it is zero after each record. A schedule needs the score of every epoch.
                    if not self.task.carries_state and (self.step < stop or not self.settings.schedule):
                        write_weights(self.model, self.checkpoint)
                    raise

    def _train_to(self, stop: int, bar: WorkProgress) -> None:
        started, start = time.monotonic(), self.step
        data = self.task.dataset(self.identity["batch_size"], self.identity["seed"], start, stop)
        if state := self.schedule_state:
            self.model.optimizer.learning_rate = state.rate
        loss = fit(self.model, data, (StepCallback(bar, start, self._describe()),))
        row: dict[str, Any] = {"step": stop, "train_loss": loss}
        if math.isfinite(loss):
            row[self.score] = self.task.validation_score(self.model)
        row["elapsed_s"] = round(time.monotonic() - started, 3)
        self.rows.append(row)
        write_rows(self.directory / "history.csv", self.rows)
        write_weights(self.model, self.checkpoint)
        bar.to(stop, self._describe())
        bar.say(f"step {stop:>7,}  {self._describe()}  {bar.time_left()} left")

    def _describe(self) -> str:
        if not self.rows:
            return ""
        score = self.rows[-1].get(self.score, math.nan)
        return "diverged" if self.diverged else f"{score:.3f} {self.task.score_name.replace('_', ' ')} on validation"

    def _plain_model(self) -> keras.Model:
        """Returns a model with the same weights that neither keeps its state nor has dropout."""
        if not self.task.carries_state and not self.settings.dropout:
            return self.model
        model = self._build(self.budget.units)
        for new, old in zip(model.trainable_variables, self.model.trainable_variables, strict=True):
            new.assign(old)
        return model

    def finish(self) -> TrainResult:
        """Scores the model and writes the last files."""
        identity, task = self.identity, self.task
        result = TrainResult(
            task=task.name,
            data=task.data,
            parameters=self.budget.parameters,
            units=self.budget.units,
            steps=self.step,
            score_name=task.score_name,
            test_score=None if self.diverged else task.score(self.model, "test"),
            validation_score=self.rows[-1].get(self.score),
            baselines=task.baselines("test"),
            settings=self.settings.identity,
            elapsed_s=round(sum(row["elapsed_s"] for row in self.rows), 1),
            versions=versions(),
            **{key: identity[key] for key in ("cell", "depth", "batch_size", "seed")},
        )
        if not self.diverged:
            save_model(self._plain_model(), self.directory.path)
            title = f"{result.cell}, {result.parameters:,} parameters, {task.data}"
            baselines = task.baselines("validation")
            figure = plot_learning_curve(self.rows, task.score_name, baselines, title, result.cell)
            with replacing(self.directory / "train.png") as new:
                figure.savefig(new, dpi=150)
        write_json(self.directory / "train.json", dataclasses.asdict(result))
        return result
