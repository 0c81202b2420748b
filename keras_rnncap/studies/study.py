"""What a study is: pieces, each a search of its own, and what their rows together show."""

from __future__ import annotations

import abc
import dataclasses
import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeAlias

from keras_rnncap.analysis.exhibits import Exhibits, StudyRows
from keras_rnncap.budget import outline, trainable_parameters
from keras_rnncap.cells import cell_name, get_cell
from keras_rnncap.datasets import make_task
from keras_rnncap.errors import InputError, check_integer
from keras_rnncap.models import sequence_model
from keras_rnncap.tuners import measure_capacity, run_sweep
from keras_rnncap.tuners.profiles import get_profile

Progress: TypeAlias = bool | Literal["bar"]

BATCH = 64
"""Samples in a training step of sweeps."""

FEW_TRIALS = {
    "optimizer": "adam",
    "learning_rate": "1e-3..3e-2",
    "learning_rate_decay": 0.01,
    "momentum_logit": 2.2,
    "bias_kind": "constant",
    "bias_scale": 0.0,
    "l2": 1e-8,
}
"""The part of appendix A's space that searches of few trials are held to: what a cell needs of its own stays free."""


@dataclasses.dataclass(frozen=True)
class Piece:
    """One search of a study.

    Attributes:
        name: Names it within the study, and its folder.
        settings: Arguments of `measure_capacity`, or of `run_sweep`, where there is a `task`.
        labels: What its row says besides: to which part of the study it belongs.
        work: Multiplications of all its trainings, to estimate what it costs.
        best_of: Name of another piece, whose best hyperparameters this one takes.
    """

    name: str
    settings: Mapping[str, Any]
    labels: Mapping[str, Any]
    work: float
    best_of: str | None = None

    def check(self) -> None:
        """Raises `InputError` if its budget buys no model."""
        widths = _sizes(self.settings["task"])[1:] if "task" in self.settings else (self.settings["input_dim"], 1)
        cell, depth, params = (self.settings[name] for name in ("cell", "depth", "params"))
        check_budget(cell, params, depth, *widths)

    def run(self, folder: Path, rows: Mapping[str, Mapping[str, Any]], progress: Progress) -> dict[str, Any] | None:
        """Runs it, or what is missing of it.

        Args:
            folder: Its folder.
            rows: The rows of pieces that ended, by name.
            progress: Whether to show progress.

        Returns:
            Its row, or `None` where the piece whose best it is to take found nothing.
        """
        options = dict(self.settings)
        if self.best_of is not None:
            best = rows.get(self.best_of, {})
            if not (values := json.loads(best.get("hyperparameters", "{}"))):
                return None
            options["changes"] = values
        if "task" in options:
            task = make_task(options.pop("task"))
            result: Any = run_sweep(task, options.pop("cell"), **options, out=folder, progress=progress)
        else:
            result = measure_capacity(options.pop("cell"), **options, out=folder, progress=progress)
        columns = dataclasses.asdict(result)
        columns = {key: json.dumps(value) if isinstance(value, dict) else value for key, value in columns.items()}
        return {"piece": self.name, **self.labels, "params": self.settings["params"], **columns}


def check_budget(cell: str, params: int, depth: int, input_dim: int, output_dim: int) -> None:
    """Raises `InputError` if a number of parameters is too small for one unit of a cell."""
    if (needed := _smallest(cell, depth, input_dim, output_dim)) > params:
        raise InputError(
            f"params={params} is too small for the {cell} x {depth} with {input_dim} inputs and {output_dim} outputs: "
            f"one unit needs {needed}"
        )


@functools.cache
def _sizes(spec: str) -> tuple[int, int, int]:
    task = make_task(spec)
    return task.length, task.input_dim, task.output_dim


@functools.cache
def _smallest(cell: str, depth: int, input_dim: int, output_dim: int) -> int:
    build = functools.partial(sequence_model, cell, 1, depth, input_dim=input_dim, output_dim=output_dim)
    return trainable_parameters(outline(build))


@dataclasses.dataclass(frozen=True)
class Grid:
    """For which cells and sizes a study is made.

    Attributes:
        cells: Names of cells, or `module:Class`.
        params: Budgets of trainable parameters.
        depths: Numbers of layers.
        units: Units of a layer, for studies that ask for those and not for parameters.
    """

    cells: Sequence[str]
    params: Sequence[int]
    depths: Sequence[int]
    units: Sequence[int] = ()

    def checked(self) -> Grid:
        """Returns it with each entry once, in order.

        Raises:
            InputError: If a cell is unknown, a number below 1, or there is none.
        """
        for cell in self.cells:
            get_cell(cell)
        numbers = {
            name: tuple(sorted({check_integer(name, value, 1) for value in getattr(self, name)}))
            for name in ("params", "depths", "units")
        }
        return Grid(tuple(dict.fromkeys(cell_name(cell) for cell in self.cells)), **numbers)


class Study(abc.ABC):
    """Base of the studies: what is run, and what the rows show.

    Attributes:
        name: The study's name on the command line.
        title: What it asks, in a line.
        source: The figures and tables of the paper that it repeats.
        differences: Why numbers differ from the paper's.
        profiles: For each profile the grid, unless another is asked for.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[str]
    differences: ClassVar[str]
    profiles: ClassVar[Mapping[str, Grid]]

    @abc.abstractmethod
    def pieces(self, grid: Grid, profile: str, seed: int) -> list[Piece]:
        """Returns what is to be run."""

    @classmethod
    def grid(cls, profile: str, **given: Sequence[Any] | None) -> Grid:
        """Returns the grid of a profile, in parts another.

        Raises:
            InputError: If the profile or a cell is unknown, a number is below 1, or the study has no such part.
        """
        get_profile(profile)
        changed = {name: value for name, value in given.items() if value is not None}
        for name in changed:
            if not getattr(cls.profiles[profile], name):
                parts = [part.name for part in dataclasses.fields(Grid) if getattr(cls.profiles[profile], part.name)]
                raise InputError(f"the {cls.name} study has no {name}; it has {', '.join(parts)}")
            if not changed[name]:
                raise InputError(f"{name} must name at least one; got none")
        return dataclasses.replace(cls.profiles[profile], **changed).checked()

    @abc.abstractmethod
    def exhibits(self, rows: StudyRows) -> Exhibits:
        """Returns the figures, tables and claims that follow from rows; from a part of them, those that can be made."""


def needs_depth(cell: str) -> bool:
    """Whether the paper leaves a cell out at depth 1: its first layer would be a projection and little else."""
    return cell_name(cell) == "+rnn"


def training_work(params: int, length: int, batch_size: int, steps: float) -> float:
    """Returns the multiplications of training steps: forward, and backward for states and for weights."""
    return 3.0 * params * length * batch_size * steps


def sweep_piece(
    names: Sequence[str],
    labels: Mapping[str, Any],
    best_of: str | None = None,
    *,
    task: str,
    params: int,
    trials: int,
    steps: int,
    seed: int,
    **options: Any,
) -> Piece:
    """Returns a sweep as a piece; further arguments of `run_sweep` are `options`, the parts of its name `names`."""
    settings = {"task": task, "params": params, "trials": trials, "steps": steps, "batch_size": BATCH, "seed": seed}
    work = training_work(params, _sizes(task)[0], BATCH, trials * steps)
    return Piece(piece_name(*names, f"seed{seed}"), settings | options, labels, work, best_of)


def layers_of(cell: str, grid: Grid) -> list[int]:
    """Returns the depths of a grid at which the paper has a cell."""
    return [depth for depth in grid.depths if depth > 1 or not needs_depth(cell)]


def piece_name(*parts: Any) -> str:
    """Returns the name of a piece, one that a file system takes."""
    return "-".join(str(part).replace(":", ".").replace("/", ".").replace("=", "").replace(",", "-") for part in parts)
