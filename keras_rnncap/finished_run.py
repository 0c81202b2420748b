"""A finished run, read to be published: what it ended with, its best model and that model's learning curve."""

import json
import math
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

import keras

from keras_rnncap.budget import trainable_parameters
from keras_rnncap.cells import CellFactory, get_cell, is_graph, make_cell
from keras_rnncap.datasets import BITS
from keras_rnncap.errors import InputError
from keras_rnncap.runs import IDENTITY, SCORED, check_kinds, read_json, read_rows
from keras_rnncap.runs.rows import values_of
from keras_rnncap.zoo.handles import first_line
from keras_rnncap.zoo.presets import check_modules

RESULTS = {"capacity": "capacity.json", "sweep": "sweep.json", "train": "train.json"}
"""The file with which each kind of run ends."""
ASKED = {"cell": str, "params": int, "depth": int, "batch_size": int, "seed": int}
ENDED = {"cell": str, "depth": int, "units": int, "parameters": int, "elapsed_s": int | float, "versions": dict}
"""What the identity and the result of a run must hold to be published."""
TOLERANCE = 1e-9
"""Numbers of a table may be off by as much."""
AGAIN = "run the same command again to bring them together"


class FinishedRun(NamedTuple):
    """A run of `rnncap capacity`, `sweep` or `train` that ended, or was stopped after a trial."""

    folder: Path
    identity: dict[str, Any]  # what was asked for
    result: dict[str, Any]  # what it ended with

    @property
    def command(self) -> str:
        """The command that made it."""
        return str(self.identity["command"])

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """The hyperparameters of the best trial."""
        return dict(self.result["settings" if self.command == "train" else "hyperparameters"])

    def model(self, cell_modules: Collection[str] = ()) -> keras.Model:
        """Returns the best model; raises `InputError` if its file is missing, damaged or not the result's model.

        Args:
            cell_modules: Modules whose code may be run: a run's folder names its cell, and may be untrusted.
        """
        factory = self._cell(cell_modules)
        file = self.folder / ("model.keras" if self.command == "train" else "best/model.keras")
        if not file.exists():
            reason = "training diverged, or was stopped before it ended"
            raise InputError(f"{self.folder} has no model to publish: {reason}")
        model = load_model(file)
        cells = [layer.cell for layer in model.layers if isinstance(layer, keras.layers.RNN)]
        wanted = make_cell(factory, self.result["units"])
        depth, parameters = self.result["depth"], self.result["parameters"]
        sizes = len(cells), trainable_parameters(model)
        if sizes != (depth, parameters) or any(not _same_equation(cell, wanted) for cell in cells):
            kinds = " and ".join(sorted({type(cell).__name__ for cell in cells})) or "no cell"
            raise InputError(
                f"{file} is not the model of {RESULTS[self.command]}: it has {sizes[0]} layers of {kinds} and "
                f"{sizes[1]} parameters, not {depth} of {type(wanted).__name__} and {parameters}; {AGAIN}"
            )
        return model

    def _cell(self, modules: Collection[str]) -> CellFactory:
        cell = self.result["cell"]
        module, colon, _ = cell.partition(":")
        if colon and not is_graph(cell) and module not in ({modules} if isinstance(modules, str) else {*modules}):
            raise InputError(
                f"{self.folder} has a cell of its own, {cell}: its code is not run for a folder's sake; if it is "
                f"yours, or you trust it, name it with --cell-module {module} (cell_modules=[{module!r}] in Python)"
            )
        return get_cell(cell)

    def curve(self) -> list[tuple[int, float]]:
        """Returns training steps and losses of the best model; raises `InputError` if the result is of other rows."""
        history = read_rows(self.folder / "history.csv")
        if self.command == "train":
            return _points(history, "train_loss")
        trial = self._best_row()["trial"]
        return _points([row for row in history if row.get("trial") == trial], "loss")

    def _best_row(self) -> dict[str, Any]:
        rows, result = read_rows(self.folder / "trials.csv"), self.result
        if self.command == "capacity":
            result = {"objective": BITS, "direction": "max", "best_score": result.get(BITS)}
        objective = str(result.get("objective"))
        feasible = [row for row in rows if row.get("status") in SCORED and _is_number(row.get(objective))]
        extreme = max if result.get("direction") == "max" else min
        best = extreme((row[objective] for row in feasible), default=math.nan)
        ties = [
            row
            for row in feasible
            if _same(row[objective], best)
            and _same(row[objective], result.get("best_score"))
            and "trial" in row
            and _same_values(values_of(row, self.hyperparameters), self.hyperparameters)
        ]
        if len(rows) != self.result.get("trials") or not ties:
            raise InputError(
                f"{self.folder / RESULTS[self.command]} is not of the {len(rows)} trials of trials.csv: a process was "
                f"killed or is still at work; {AGAIN}"
            )
        kept = [row for row in ties if (self.folder / f"best-trial-{row['trial']}.weights.h5").exists()]
        return (kept or ties)[0]


def _same_equation(cell: keras.layers.Layer, other: keras.layers.Layer) -> bool:
    """Returns whether two cells are of one class, and of one graph where it has one."""
    return type(cell) is type(other) and getattr(cell, "graph", None) == getattr(other, "graph", None)


def read_finished(folder: Path) -> FinishedRun:
    """Reads a run's folder; raises `InputError` if it holds no finished run, or damaged files."""
    try:
        identity = read_json(folder / IDENTITY, "restore it")
        command = identity.get("command")
        if not isinstance(command, str) or command not in RESULTS:
            raise InputError(f"it is of the command {command!r:.80}")
        check_kinds(IDENTITY, identity, ASKED if command == "capacity" else {**ASKED, "task": str, "data": str})
        result = read_json(folder / RESULTS[command], "run the same command again")
        more = {"settings": dict} if command == "train" else {"hyperparameters": dict, "trials": int}
        check_kinds(RESULTS[command], result, {**ENDED, **more})
        if identity["cell"] != result["cell"] or result["units"] < 1:
            raise InputError(f"{RESULTS[command]} is of {result['units']} units of {result['cell']:.80}")
    except (OSError, InputError) as error:
        raise InputError(f"{folder} holds no finished run of rnncap capacity, sweep or train: {error}") from error
    return FinishedRun(folder, identity, result)


def load_model(file: Path) -> keras.Model:
    """Returns the model of a file; raises `InputError` if it is damaged, or names modules that are not ours."""
    try:
        with zipfile.ZipFile(file) as archive:
            check_modules(json.loads(archive.read("config.json")), file)
        return keras.saving.load_model(file, compile=False)
    except Exception as error:  # what Keras raises depends on what it stumbles over
        raise InputError(f"{file} cannot be loaded: {first_line(error)}") from error


def _points(rows: list[dict[str, Any]], loss: str) -> list[tuple[int, float]]:
    numbers = [row for row in rows if _is_number(row.get("step")) and _is_number(row.get(loss))]
    return sorted((int(row["step"]), float(row[loss])) for row in numbers)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _same_values(row: dict[str, Any], values: dict[str, Any]) -> bool:
    return row.keys() == values.keys() and all(_same(row[name], value) for name, value in values.items())


def _same(value: Any, result: Any) -> bool:
    """Whether a value of a table is one of a result."""
    if _is_number(value) and _is_number(result):
        return math.isclose(value, result, rel_tol=TOLERANCE)
    return bool(value == result)
