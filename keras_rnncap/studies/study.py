"""What a study is: pieces, each a search of its own, and what their rows together show."""

import abc
import dataclasses
import functools
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeAlias

import pandas as pd

from keras_rnncap.analysis.exhibits import Exhibits, StudyRows
from keras_rnncap.budget import outline, trainable_parameters
from keras_rnncap.cells import cell_name, get_cell
from keras_rnncap.datasets import get_task_class, make_task
from keras_rnncap.defaults import in_file_names
from keras_rnncap.errors import InputError, check_integer, unknown
from keras_rnncap.models import sequence_model
from keras_rnncap.tuners import measure_capacity, run_sweep
from keras_rnncap.tuners.profiles import get_profile

Progress: TypeAlias = bool | Literal["bar"]

BATCH = 64
"""Samples in a training step, unless a search says otherwise."""

HELD = {
    "optimizer": "adam",
    "learning_rate": "1e-3..3e-2",
    "learning_rate_decay": 0.01,
    "momentum_logit": 2.2,
    "bias_kind": "constant",
    "bias_scale": 0.0,
    "l2": 1e-8,
}
"""The part of appendix A's space that searches of few trials are held to: what a cell needs of its own stays free."""
FEW_TRIALS: dict[str, Any] = {"stop_early": True, "changes": HELD}
MANY_TRIALS: dict[str, Any] = {"stop_early": False, "changes": {}}
"""Arguments of `run_sweep`."""


@dataclasses.dataclass(frozen=True)
class Piece:
    """One search of a study.

    Attributes:
        name: Names it within the study, and its folder.
        settings: Arguments of `measure_capacity`, or of `run_sweep`, where there is a `task`.
        labels: Further columns of its row, such as the part of the study that it belongs to.
        work: Multiplications of all its trainings, to estimate what it costs.
        best_of: Name of another piece, whose best hyperparameters this one takes.
        own_processes: Whether it starts processes itself; it then runs in this one.
    """

    own_processes: ClassVar[bool] = False

    name: str
    settings: Mapping[str, Any]
    labels: Mapping[str, Any]
    work: float
    best_of: str | None = None

    def check(self) -> None:
        """Raises `InputError` if its budget buys no model."""
        widths = _widths(self.settings["task"]) if "task" in self.settings else (self.settings["input_dim"], 1)
        check_budget(*(self.settings[name] for name in ("cell", "params", "depth")), *widths)

    def run(self, folder: Path, rows: Mapping[str, Mapping[str, Any]], progress: Progress) -> dict[str, Any] | None:
        """Runs what is missing, given the rows that ended; returns its row, or `None` where `best_of` found nothing."""
        options: dict[str, Any] = {**self.settings, "out": folder, "progress": progress}
        if self.best_of is not None:
            best = rows.get(self.best_of, {})
            options["changes"] = json.loads(best.get("hyperparameters", "{}"))
            if not options["changes"]:
                return None
        if "task" in options:
            search: Callable[..., Any] = functools.partial(run_sweep, make_task(options.pop("task")))
        else:
            search, options = measure_capacity, {"space": "collins", **options}
        columns = dataclasses.asdict(search(options.pop("cell"), **options))
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
def _widths(spec: str) -> tuple[int, int]:
    task = make_task(spec)
    return task.input_dim, task.output_dim


@functools.cache
def _smallest(cell: str, depth: int, input_dim: int, output_dim: int) -> int:
    build = functools.partial(sequence_model, cell, 1, depth, input_dim=input_dim, output_dim=output_dim)
    return trainable_parameters(outline(build))


@dataclasses.dataclass(frozen=True)
class Grid:
    """For which cells and sizes a study is made.

    Attributes:
        cells: Names of cells, as `get_cell` takes them.
        params: Budgets of trainable parameters.
        depths: Numbers of layers.
        units: Units of a layer, for studies that ask for those and not for parameters.
    """

    cells: Sequence[str]
    params: Sequence[int]
    depths: Sequence[int]
    units: Sequence[int] = ()


class Study(abc.ABC):
    """Base of the studies: what is run, and what the rows show.

    Attributes:
        name: The study's name on the command line.
        title: What it asks, in a line.
        source: The figures and tables of the paper that it repeats.
        differences: Why numbers differ from the paper's.
        profiles: For each profile the grid, unless another is asked for.
        one_core: The parts whose pieces use one core each and need no others, so that one can run on each core.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[str]
    differences: ClassVar[str]
    profiles: ClassVar[Mapping[str, Grid]]
    one_core: ClassVar[Sequence[str]] = ()

    @abc.abstractmethod
    def pieces(self, grid: Grid, profile: str, seed: int) -> list[Piece]:
        """Returns what is to be run."""

    @classmethod
    def grid(cls, profile: str, **given: Sequence[Any] | None) -> Grid:
        """Returns the grid of a profile with the parts that are given; raises `InputError` if one cannot be used."""
        get_profile(profile)
        usual = cls.profiles[profile]
        parts = [name for name, values in vars(usual).items() if values]
        changed = {name: values for name, values in given.items() if values is not None}
        for name, values in changed.items():
            if name not in parts:
                raise InputError(f"the {cls.name} study has no {name}; it has {', '.join(parts)}")
            if not values:
                raise InputError(f"{name} must name at least one; got none")
        cells = changed.pop("cells", usual.cells)
        for cell in cells:
            get_cell(cell)
        numbers = {
            name: tuple(sorted({check_integer(name, value, 1) for value in changed.get(name, getattr(usual, name))}))
            for name in ("params", "depths", "units")
        }
        return Grid(tuple(dict.fromkeys(map(cell_name, cells))), **numbers)

    def of_grid(self, pieces: pd.DataFrame) -> pd.DataFrame:
        """Returns the rows whose cells and sizes are those of the grid; parts may have others of their own."""
        return pieces

    def exhibits(self, rows: StudyRows) -> Exhibits:
        """Returns the figures, tables and claims that follow from rows; from a part of them, those that can be made."""
        return Exhibits() if rows.pieces.empty else self.shown_by(rows)

    @staticmethod
    def shown_by(rows: StudyRows) -> Exhibits:
        """Returns what rows show, where there are some; a study has this or its own `exhibits`."""
        raise NotImplementedError


STUDIES: dict[str, type[Study]] = {}
"""All studies that `keras_rnncap.studies` exports, by name."""


def get_study(name: str) -> Study:
    """Returns the study of this name.

    Raises:
        InputError: If there is none.

    Example:
    >>> get_study("capacity").source
    'Collins et al. 2017, figures 1, 2a, 2b and App.1'
    """
    if name not in STUDIES:
        raise unknown("study", name, STUDIES)
    return STUDIES[name]()


def needs_depth(cell: str) -> bool:
    """Whether the paper leaves a cell out at depth 1: its first layer would be a projection and little else."""
    return cell_name(cell) == "+rnn"


def least_depth(cell: str) -> int:
    """Returns the smallest depth at which the paper has a cell."""
    return 2 if needs_depth(cell) else 1


def depths_of(cell: str, grid: Grid) -> list[int]:
    """Returns the depths of a grid at which the paper has a cell."""
    return [depth for depth in grid.depths if depth >= least_depth(cell)]


def search_piece(names: Sequence[Any], labels: Mapping[str, Any], best_of: str | None = None, **settings: Any) -> Piece:
    """Returns a search as a piece whose name has the parts `names` and its seed; see `Piece` for the others."""
    settings = {"batch_size": BATCH, **settings}
    length = settings["length"] if "length" in settings else _length(settings["task"])
    steps = settings["trials"] * settings["steps"]
    # Forward, and backward for states and for weights.
    work = 3.0 * settings["params"] * length * settings["batch_size"] * steps
    return Piece(piece_name(*names, f"seed{settings['seed']}"), settings, labels, work, best_of)


def piece_name(*parts: Any) -> str:
    """Returns the name of a piece, one that a file system takes."""
    return "-".join(in_file_names(str(part)).replace("=", "").replace(",", "-") for part in parts)


@functools.cache
def _length(task: str) -> int:
    """Returns the time steps of a task, without its data."""
    task_class = get_task_class(task.partition(":")[0])
    return task_class.described().length if task_class.needs_data else make_task(task).length
