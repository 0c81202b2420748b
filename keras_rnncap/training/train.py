"""One model of one task, trained from start to finish: recorded, checkpointed, resumable."""

from __future__ import annotations

import dataclasses
import functools
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
"""Records of a run whose settings have no epochs: after each, there is a row and a checkpoint."""


@dataclasses.dataclass(frozen=True)
class TrainResult:
    """What a training run ended with; `train.json` holds the same.

    Attributes:
        task: The task's name.
        data: What the data are.
        cell: The cell's name.
        depth: Number of layers.
        parameters: Trainable parameters.
        units: Units of each layer.
        steps: Training steps that were made.
        batch_size: Samples in a step.
        seed: Seed of weights and batches.
        score_name: Name and unit of the scores.
        test_score: The model's score on the test split; `None` if training diverged.
        validation_score: Its score on the part of the validation split that was watched.
        baselines: Scores of simple models on the test split.
        settings: Hyperparameters of the training.
        elapsed_s: Seconds spent training.
        versions: Of Python and the packages that matter.
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
    **dict.fromkeys(("task", "data", "cell", "score_name"), str),
    **dict.fromkeys(("depth", "parameters", "units", "steps", "batch_size", "seed"), int),
    **dict.fromkeys(("test_score", "validation_score"), float | int | None),
    **dict.fromkeys(("baselines", "settings", "versions"), dict),
    "elapsed_s": float | int,
}
"""What `train.json` holds."""


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

    Where the task's batches continue each other, the model keeps its state from batch to batch while it is trained and
    scored, from zero after each record; on other backends than TensorFlow it does not, as Keras cannot. What is saved
    starts each sequence at zero and takes any number of them.

    In `out` are `history.csv` and `checkpoint.weights.h5` while it trains, a record every twentieth of the steps or,
    where there is a schedule, after each of the epochs whose validation scores it follows; and at the end `train.json`,
    `train.png`, `model.keras` and `saved_model/`. The same call again continues from the checkpoint and ends with the
    weights that an uninterrupted run would have had.

    Args:
        task: The task.
        cell: A name such as `"ugrnn"`, `"module:Class"`, or a cell class.
        params: Largest number of trainable parameters; `None` takes 20,000, or more where the task says so.
        depth: Number of layers.
        settings: Hyperparameters of the training; `None` takes 10,000 steps of Adam.
        batch_size: Samples in a step.
        seed: Seed of weights and batches.
        out: The folder; `None` takes `runs/train-TASK-CELL-PARAMSxDEPTH-seedSEED`.
        overwrite: Whether to start anew where the folder holds a run, which is removed.
        progress: Whether to show progress.

    Raises:
        InputError: If the cell is unknown, a number is out of range, or the folder cannot be used.

    Example:
    >>> from keras_rnncap.datasets import PythonDocs
    >>> settings = TrainingSettings(steps=2)
    >>> result = train_model(PythonDocs(), "ugrnn", params=2000, settings=settings, out=tmp_path / "docs")
    >>> result.units, result.parameters
    (16, 1883)
    """
    settings = settings or TrainingSettings(Train.steps, learning_rate=Train.learning_rate, clip_norm=Train.clip_norm)
    factory = get_cell(cell)
    params = check_integer("params", params_for(task, params, Train.params), 1)
    check_integer("depth", depth, 1)
    check_integer("batch_size", batch_size, 1)
    check_seed(seed)
    name = one_name(cell)
    identity = {
        "command": "train",
        **task.identity,
        "cell": name,
        "params": params,
        "depth": depth,
        "batch_size": batch_size,
        "seed": seed,
        **settings.identity,
        **code_of(factory, type(task)),
    }

    kept: dict[str, Any] = {}
    if task.carries_state and "learned_initial_state" in constructor_options(factory):
        kept = {"learned_initial_state": False}  # a state that is kept starts from zero

    def build(units: int, stateful_batch: int | None = None, dropout: float = 0.0) -> keras.Model:
        return sequence_model(
            factory,
            units,
            depth,
            input_dim=task.input_dim,
            output_dim=task.output_dim,
            return_sequences=task.return_sequences,
            cell_options=kept,
            stateful_batch=stateful_batch,
            dropout=dropout,
            seed=seed,
        )

    budget = units_for_budget(build, params)
    out = out or default_directory(task, cell, params, depth, seed)
    before = lambda there: there | {"cell": same_cell(there.get("cell"), cell)}  # noqa: E731
    with RunDirectory(out, identity, overwrite, before) as directory:
        if (finished := _finished(directory / "train.json")) is not None:
            return finished
        keras.utils.set_random_seed(seed)  # for cells of users that take no seed
        stateful = task.carries_state and keras.backend.backend() == "tensorflow"
        model = build(budget.units, batch_size if stateful else None, settings.dropout)
        run = _TrainingRun(directory, task, budget, settings, model, functools.partial(build, budget.units))
        run.train(progress)
        return run.finish()


def default_directory(task: Task, cell: str | CellFactory, params: int, depth: int, seed: int) -> Path:
    """Returns the folder of a run that was given none."""
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


def _read_history(file: Path) -> list[dict[str, Any]]:
    columns = {"step": COUNT, "train_loss": optional(ANY_NUMBER), "elapsed_s": NUMBER}
    return checked_rows(file, read_rows(file), columns, unique="step")


class _TrainingRun:
    """One run: its folder, its rows, and a model that is where the checkpoint was."""

    def __init__(
        self,
        directory: RunDirectory,
        task: Task,
        budget: Budget,
        settings: TrainingSettings,
        model: keras.Model,
        build: Callable[[], keras.Model],
    ) -> None:
        self.directory = directory
        self.identity = directory.identity
        self.task = task
        self.budget = budget
        self.settings = settings
        self.checkpoint = directory / "checkpoint.weights.h5"
        self.model = model
        self._build = build
        compile_model(self.model, task.loss(), settings)
        self.model.optimizer.build(self.model.trainable_variables)
        if self.checkpoint.exists():
            _load_checkpoint(self.model, self.checkpoint)
        # A row is written before its checkpoint: rows beyond the checkpoint are trained again.
        self.rows = [row for row in _read_history(directory / "history.csv") if row["step"] <= self.step]
        schedule = settings.schedule
        self.every = schedule.epoch_steps if schedule else max(1, math.ceil(settings.steps / RECORDS))
        last = self.rows[-1]["step"] if self.rows else 0
        # An interrupt at a record may leave its row out.
        if last < self.step - self.every or (not last and self.step >= settings.steps):
            raise damaged(directory / "history.csv", f"it ends at step {last}, and the checkpoint is of {self.step}")

    @property
    def step(self) -> int:
        """Training steps that the model has seen."""
        return int(self.model.optimizer.iterations)

    @property
    def diverged(self) -> bool:
        if not self.rows:
            return False
        return not self.rows[-1].get("train_loss", math.nan) <= self.settings.saturated(self.task.infeasible_above)

    @property
    def schedule_state(self) -> ScheduleState | None:
        """Where the schedule is, if there is one: it follows from the rows."""
        if (schedule := self.settings.schedule) is None:
            return None
        state = schedule.start(self.settings.learning_rate)
        for row in self.rows:
            if row["step"] % schedule.epoch_steps == 0:
                state = schedule.after_epoch(state, row.get(self._score, math.nan), self.task.score_direction)
        return state

    @property
    def _ended(self) -> bool:
        state = self.schedule_state
        return self.step >= self.settings.steps or self.diverged or (state is not None and bool(state.stopped))

    def train(self, progress: bool) -> None:
        """Trains what is missing, and leaves a checkpoint, also when interrupted."""
        steps, schedule = self.settings.steps, self.settings.schedule
        with WorkProgress(steps, self.step, enabled=progress) as bar:
            if self.step:
                bar.say(f"continuing in {self.directory.path} at step {self.step:,}")
            while not self._ended:
                stop = min((self.step // self.every + 1) * self.every, steps)
                try:
                    self._train_to(stop, bar)
                except KeyboardInterrupt:  # between two steps: the model is whole
                    # Keras saves no state; it is zero after each record. A schedule needs the score of every epoch.
                    if not self.task.carries_state and (self.step < stop or not schedule):
                        self._write_checkpoint()
                    raise

    def _train_to(self, stop: int, bar: WorkProgress) -> None:
        started, start = time.monotonic(), self.step
        data = self.task.dataset(self.identity["batch_size"], self.identity["seed"], start, stop)
        if state := self.schedule_state:
            self.model.optimizer.learning_rate = state.rate
        loss = fit(self.model, data, (StepCallback(bar, start, self._describe()),))
        row: dict[str, Any] = {"step": stop, "train_loss": loss}
        if math.isfinite(loss):
            row[self._score] = self.task.validation_score(self.model)
        row["elapsed_s"] = round(time.monotonic() - started, 3)
        self.rows.append(row)
        write_rows(self.directory / "history.csv", self.rows)
        self._write_checkpoint()
        bar.to(stop, self._describe())
        bar.say(f"step {stop:>7,}  {self._describe()}  {bar.time_left()} left")

    @property
    def _score(self) -> str:
        return f"validation_{self.task.score_name}"

    def _describe(self) -> str:
        if not self.rows:
            return ""
        score = self.rows[-1].get(self._score, math.nan)
        return "diverged" if self.diverged else f"{score:.3f} {self.task.score_name.replace('_', ' ')} on validation"

    def _write_checkpoint(self) -> None:
        write_weights(self.model, self.checkpoint)

    def _plain(self) -> keras.Model:
        """Returns the model, or where it keeps its state or has dropout, one with its weights that does not."""
        if not self.task.carries_state and not self.settings.dropout:
            return self.model
        model = self._build()
        for new, old in zip(model.trainable_variables, self.model.trainable_variables, strict=True):
            new.assign(old)
        return model

    def finish(self) -> TrainResult:
        """Scores the model and writes all files that follow."""
        identity, task = self.identity, self.task
        baselines = task.baselines("test")
        result = TrainResult(
            task=task.name,
            data=task.data,
            cell=identity["cell"],
            depth=identity["depth"],
            parameters=self.budget.parameters,
            units=self.budget.units,
            steps=self.step,
            batch_size=identity["batch_size"],
            seed=identity["seed"],
            score_name=task.score_name,
            test_score=None if self.diverged else task.score(self.model, "test"),
            validation_score=self.rows[-1].get(self._score),
            baselines=baselines,
            settings=self.settings.identity,
            elapsed_s=round(sum(row["elapsed_s"] for row in self.rows), 1),
            versions=versions(),
        )
        if not self.diverged:
            save_model(self._plain(), self.directory.path)
            title = f"{identity['cell']}, {self.budget.parameters:,} parameters, {task.data}"
            figure = plot_learning_curve(
                self.rows, task.score_name, task.baselines("validation"), title, identity["cell"]
            )
            with replacing(self.directory / "train.png") as new:
                figure.savefig(new, dpi=150)
        write_json(self.directory / "train.json", dataclasses.asdict(result))
        return result


def _load_checkpoint(model: keras.Model, file: Path) -> None:
    try:
        model.load_weights(file)
    except Exception as error:  # a damaged archive raises whatever its first damaged part raises
        raise InputError(f"cannot continue from {file} ({error}); delete its folder to start over") from error
