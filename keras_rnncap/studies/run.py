"""Runs a study: its pieces, cheapest first, each kept as soon as it ends."""

import functools
import itertools
import json
import lzma
import os
import time
import timeit
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from keras_rnncap.analysis.exhibits import StudyRows, reading_tables
from keras_rnncap.cells import get_cell
from keras_rnncap.defaults import run_folder
from keras_rnncap.engines.child import Child
from keras_rnncap.errors import InputError, check_seed
from keras_rnncap.population.devices import cores, populations_at_once
from keras_rnncap.runs import RunDirectory, read_rows, replacing, write_rows
from keras_rnncap.runs.columns import JSON, NUMBER, TEXT, checked_rows, optional
from keras_rnncap.runs.fingerprint import code_of
from keras_rnncap.studies.at_once import run_at_once
from keras_rnncap.studies.study import Grid, Piece, Progress, Study, get_study
from keras_rnncap.terminal.texts import PlainConsole

PIECES, TRIALS = "pieces.csv", "trials.csv.xz"
COLUMNS = (
    *("piece", "part", "cell", "depth", "params", "parameters", "units", "seed", "elapsed_s", "wall_s"),
    *("task", "data", "objective", "direction", "best_score"),
    *("bits_per_parameter", "mutual_information_bits", "patterns", "length", "machine"),
)
"""Columns that the table of searches always has."""
KINDS = {"piece": TEXT, "settings": optional(JSON), "hyperparameters": optional(JSON)}
TO_GO_ON = {"settings": JSON, "wall_s": NUMBER}
"""What some of them hold, and what a study needs to go on."""
SHARE_OF_RATE = 0.2
"""Training small models reaches about this part of what a matrix product does on the same machine."""
OVERHEAD_S = 20.0
"""Starting the process of a piece, building and compiling its populations."""
INTERRUPT_AGAIN = 20.0
"""Seconds after which a search that has not ended is interrupted again."""


class Plan:
    """What a study has to run, and what that will cost.

    Args:
        study: The study.
        grid: For which cells and sizes.
        profile: `"smoke"`, `"laptop"` or `"paper"`.
        seed: Seed of everything random.
        done: Rows of pieces that ended.
    """

    def __init__(self, study: Study, grid: Grid, profile: str, seed: int, done: Sequence[dict[str, Any]]) -> None:
        pieces = study.pieces(grid, profile, seed)
        if not pieces:
            raise InputError(
                f"the {study.name} study has no search for these: cells {', '.join(grid.cells)}, depths "
                f"{', '.join(map(str, grid.depths))}; the +rnn joins at depth 2"
            )
        self.pieces = sorted(pieces, key=lambda piece: (level(piece, pieces), piece.work))
        known = {row["piece"]: row for row in checked_rows(Path(PIECES), done, TO_GO_ON, unique="piece")}
        self.missing: list[Piece] = []
        self._spent: list[tuple[float, float]] = []
        self.study = study
        self._rate = SHARE_OF_RATE * matrix_product_rate()
        for piece in self.pieces:
            if piece.name in known:
                _check_same(piece, known[piece.name])
                self._spent.append((self._guess(piece), float(known[piece.name]["wall_s"])))
            else:
                self.missing.append(piece)
        for piece in self.missing:
            piece.check()

    def _guess(self, piece: Piece) -> float:
        return OVERHEAD_S + piece.work / self._rate

    def ended(self, piece: Piece, seconds: float) -> None:
        """Notes that a piece ended, and how long it took."""
        self.missing.remove(piece)
        self._spent.append((self._guess(piece), seconds))

    def seconds(self, piece: Piece) -> float:
        """Returns how long a piece will take: a guess from its work, corrected by pieces that ended."""
        guessed, took = map(sum, zip(*self._spent, strict=True)) if self._spent else (1.0, 1.0)
        return took / guessed * self._guess(piece)

    def seconds_left(self) -> float:
        """Returns how long what is missing will take, each piece in a process of its own."""
        return sum(self.seconds(piece) / self.at_once(piece) for piece in self.missing)

    def at_once(self, piece: Piece) -> int:
        """Returns how many like a piece run side by side."""
        return populations_at_once() if piece.labels.get("part") in self.study.one_core else 1


def level(piece: Piece, pieces: Sequence[Piece]) -> int:
    """Returns how many others a piece waits for, one after another."""
    first = next((other for other in pieces if other.name == piece.best_of), None)
    return 0 if piece.best_of is None else 1 + (level(first, pieces) if first else 0)


def machine() -> str:
    """Returns what trainings run on."""
    devices = sorted({device.partition(":")[0] for device in keras.distribution.list_devices()})
    return f"{cores()} core{'s'[: cores() > 1]}, {', '.join(devices)}"


def matrix_product_rate(size: int = 512) -> float:
    """Returns how many multiplications in matrix products this machine does in a second."""
    matrix = np.ones((size, size), "float32")
    return size**3 / min(timeit.repeat(lambda: matrix @ matrix, number=1, repeat=20))


def in_words(seconds: float) -> str:
    """Returns a length of time as a person says it.

    Example:
    >>> in_words(40), in_words(400), in_words(40_000)
    ('40 s', '7 min', '11.1 h')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def default_directory(name: str, profile: str) -> Path:
    """Returns the folder of a study that was given none."""
    return run_folder("study", name, profile)


def run_study(
    name: str,
    *,
    profile: str = "laptop",
    cells: Sequence[str] | None = None,
    params: Sequence[int] | None = None,
    depths: Sequence[int] | None = None,
    units: Sequence[int] | None = None,
    seed: int = 0,
    out: str | os.PathLike[str] | None = None,
    isolate: bool = False,
    progress: bool = False,
) -> StudyRows:
    """Runs a study, or what is missing of it, cheapest pieces first.

    In `out` are `pieces.csv` (a row for each search that ended) and `trials.csv.xz` (a row for each of its trials),
    written as each search ends and enough to continue from; and below `pieces/` the folders of the searches with their
    best models. The same call again continues; one with other cells, sizes or another seed adds to them.

    Args:
        name: `"capacity"`, `"cells"`, `"memory"`, `"scaling"`, `"trainability"`, `"robustness"`, `"quantization"`,
            `"words"`, `"initializations"`, `"landscape"`, `"architectures"`, `"evolution"`
            or `"zoo"`.
        profile: `"smoke"` (seconds), `"laptop"` (hours on two cores) or `"paper"` (the paper's ranges).
        cells: Names of cells, as `get_cell` takes them; `None` takes the profile's; so for the next two.
        params: Budgets of trainable parameters.
        depths: Numbers of layers.
        units: Units of a layer, for the memory study, in place of `params`.
        seed: Seed of data, weights and proposals.
        out: The folder; `None` takes `runs/study-NAME-PROFILE`.
        isolate: Whether each search has a process of its own, which gives back about 60 MB as it ends and takes some
            seconds to start. Where pieces use one core each, one runs on each core, and a process does several of
            them. Scripts that say so need `if __name__ == "__main__":`.
        progress: Whether to show progress.

    Raises:
        InputError: If a name is unknown, a number is out of range, or the folder cannot be used.

    Example:
    >>> rows = run_study("capacity", profile="smoke", cells=["rnn"], params=[60], depths=[1], out=tmp_path / "study")
    >>> list(rows.pieces["cell"].unique())
    ['rnn']
    """
    study = get_study(name)
    grid = study.grid(profile, cells=cells, params=params, depths=depths, units=units)
    check_seed(seed)
    console = PlainConsole(quiet=not progress, highlight=False, soft_wrap=True)
    target = Path(out or default_directory(name, profile))
    with reading_tables(target):
        rows = read_study(target)
    Plan(study, grid, profile, seed, rows.ended())  # an error now if there is one
    with RunDirectory(target, {"command": "study", "study": name, "profile": profile}) as directory:
        rows = read_study(directory.path)
        done, trials = rows.ended(), rows.trials
        plan = Plan(study, grid, profile, seed, done)
        console.print(f"{len(plan.missing)} of {len(plan.pieces)} searches to run, {in_words(plan.seconds_left())}")
        for piece, row, seconds in _ended(plan, directory / "pieces", done, isolate, progress):
            if row is None:
                console.print(f"{piece.name} has nothing to take its hyperparameters from: {piece.best_of} found none")
                plan.missing.remove(piece)
                continue
            row |= {"wall_s": round(seconds, 1), "settings": _settings(piece), "machine": machine()}
            file = directory / "pieces" / piece.name / "trials.csv"
            trials = pd.concat([trials, pd.read_csv(file).assign(piece=piece.name)], ignore_index=True)
            done.append(row)
            _write(directory, done, trials)
            plan.ended(piece, seconds)
            console.print(f"{len(done):>3}  {piece.name}  {_told(row)}  {in_words(plan.seconds_left())} left")
        return read_study(directory.path)


def _ended(
    plan: Plan, folder: Path, done: Sequence[dict[str, Any]], isolate: bool, progress: bool
) -> Iterator[tuple[Piece, dict[str, Any] | None, float]]:
    """Runs what is missing; yields pieces as they end, with their rows, if any, and the seconds that each took."""
    for _, group in itertools.groupby(list(plan.missing), lambda piece: level(piece, plan.pieces)):
        yield from _ended_of_level(plan, list(group), folder, done, isolate, progress)


def _ended_of_level(
    plan: Plan, alone: list[Piece], folder: Path, done: Sequence[dict[str, Any]], isolate: bool, progress: bool
) -> Iterator[tuple[Piece, dict[str, Any] | None, float]]:
    """Runs pieces that do not wait for one another."""
    if isolate:
        of_one_core = [piece for piece in alone if piece.labels.get("part") in plan.study.one_core]
        yield from run_at_once(of_one_core, folder, {ended["piece"]: ended for ended in done})
        alone = [piece for piece in alone if piece not in of_one_core]
    for piece in alone:
        start, file = time.monotonic(), folder / piece.name / "trials.csv"
        earlier = sum(row["elapsed_s"] for row in checked_rows(file, read_rows(file), {"elapsed_s": NUMBER}))
        run = functools.partial(run_isolated, piece) if isolate and not piece.own_processes else piece.run
        row = run(folder / piece.name, {ended["piece"]: ended for ended in done}, "bar" if progress else False)
        yield piece, row, earlier + time.monotonic() - start


def run_isolated(
    piece: Piece, folder: Path, rows: Mapping[str, Mapping[str, Any]], progress: Progress
) -> dict[str, Any] | None:
    """Does what `Piece.run` does, in a new process: TensorFlow keeps the memory of compiled models until one ends.

    Raises:
        WorkError: If that process was killed, for want of memory perhaps.
    """
    child = Child(piece.name, functools.partial(piece.run, folder, rows))
    child.send(progress)
    try:
        return child.receive()
    except KeyboardInterrupt:
        child.interrupt(INTERRUPT_AGAIN)
        raise
    finally:
        child.end()


def read_study(folder: Path) -> StudyRows:
    """Returns the rows of a study's folder; none where there are none yet."""
    rows, file = read_rows(folder / PIECES, needed=["piece"]), folder / TRIALS
    pieces = pd.DataFrame(checked_rows(folder / PIECES, rows, KINDS))
    if pieces.empty:
        return StudyRows(pd.DataFrame(), pd.DataFrame())
    pieces = pieces.reindex(columns=list(dict.fromkeys([*pieces, *COLUMNS])))  # where nothing was feasible, some lack
    try:
        trials = pd.read_csv(file, low_memory=False)
    except (ValueError, EOFError, OSError, lzma.LZMAError) as error:
        raise InputError(f"{file} is damaged ({error}); restore it, or delete {folder} to start over") from error
    # A process killed between writing the two files leaves trials of a piece without a row: it is run again.
    return StudyRows(pieces, trials[trials["piece"].isin(pieces["piece"])].reset_index(drop=True))


def _write(directory: RunDirectory, pieces: list[dict[str, Any]], trials: pd.DataFrame) -> None:
    """Writes both tables, the trials first: a piece with a row has all its trials."""
    with replacing(directory / TRIALS) as new:
        trials.convert_dtypes().to_csv(new, index=False, float_format="%.7g", compression="xz")
    write_rows(directory / PIECES, pieces)


def _settings(piece: Piece) -> str:
    cell = piece.settings.get("cell")
    return json.dumps({**piece.settings, **(code_of(get_cell(cell)) if cell else {})}, sort_keys=True)


def _check_same(piece: Piece, row: dict[str, Any]) -> None:
    stored, new = json.loads(row["settings"]), json.loads(_settings(piece))
    changed = [key for key in sorted({*stored, *new}) if stored.get(key) != new.get(key)]
    if changed:
        differences = ", ".join(f"{key} {stored.get(key)!r} there, {new.get(key)!r} here" for key in changed)
        raise InputError(f"{piece.name} was run with other settings: {differences}; choose another --out")


def _told(row: dict[str, Any]) -> str:
    """Returns what a piece found, in a few words."""
    if row.get("bits_per_parameter") is not None:
        return f"{row['bits_per_parameter']:.2f} bits per parameter, {row['elapsed_s']:.0f} s"
    if row.get("best_score") is not None:
        return f"{row['best_score']:.4g} {row['objective'].replace('_', ' ')}, {row['elapsed_s']:.0f} s"
    return "no feasible trial"
