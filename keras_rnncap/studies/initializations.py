"""From how many initializations small models learn: figures 3 to 6 of Mehta, and the same for every cell."""

import dataclasses
import itertools
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from keras_rnncap.analysis.initializations_study import FEW, PAPER_CELLS, initializations_exhibits
from keras_rnncap.cells import CELLS, CellFactory
from keras_rnncap.datasets import SentimentSequences
from keras_rnncap.datasets.sentiment import SIZES
from keras_rnncap.initializers import derived_seed
from keras_rnncap.runs import write_rows
from keras_rnncap.studies.study import Grid, Piece, Progress, Study, piece_name
from keras_rnncap.studies.word_models import (
    EPOCHS,
    LENGTH,
    Outcome,
    Trained,
    paper_task,
    train_word_models,
    with_word_vectors,
)
from keras_rnncap.terminal.progress import WorkProgress
from keras_rnncap.versions import versions

MATRIX_CELLS = ("s6", "mlstm", "gated-deltanet")
"""Cells whose states are matrices."""
OTHER_CELLS = tuple(name for name in CELLS if name not in (*PAPER_CELLS, *MATRIX_CELLS))
"""The other cells, but for those with matrix states."""
SHAPES = {"smoke": ((2, 2),), "laptop": (*itertools.product((2, 5, 10, 15), (2, 4, 8, 16)), (4, 2), (4, 4))}
SHAPES["paper"] = SHAPES["laptop"]
"""Numbers of a word vector, and hidden units: those of figures 3 and 4, and what figures 5 and 6 have besides."""
APART = 1_000
"""Between the seeds of draws of sequences and word vectors."""


@dataclasses.dataclass(frozen=True)
class TrainingPiece(Piece):
    """Models of one shape, trained as the paper trains them; settings are arguments of this study's own."""

    def check(self) -> None:
        """There is nothing to check: any number of units is allowed."""

    def run(self, folder: Path, rows: Mapping[str, Mapping[str, Any]], progress: Progress) -> dict[str, Any]:
        """Trains the models, from their start; returns the piece's row."""
        del rows
        began = time.monotonic()
        folder.mkdir(parents=True, exist_ok=True)
        trained, data = self._trained(progress)
        trials = [
            {"trial": number, "status": "completed", "accuracy": trained.accuracy[epoch, number]}
            | {"last_accuracy": trained.last[number], "best_epoch": int(epoch)}
            | {"epochs": int(trained.epochs[number]), "loss": trained.loss[epoch, number]}
            for number, epoch in enumerate(np.nanargmax(trained.accuracy, axis=0))
        ]
        return self._finished(folder, trials, trained, data, began)

    def cell_and_task(self) -> tuple[str | CellFactory, SentimentSequences]:
        """Returns the cell and the task; where word vectors are trained, the cell has them and words are one-hot."""
        cell, word_dim = self.settings["cell"], self.settings["word_dim"]
        if trained := "vectors" in self.settings:
            cell = with_word_vectors(cell, word_dim)
        return cell, paper_task(self.settings["rule"], 0 if trained else word_dim, self.settings["seed"])

    def _trained(self, progress: Progress, keep: bool = False) -> tuple[Trained, str]:
        """Returns the trained models, and what their data are called."""
        settings, (cell, task) = self.settings, self.cell_and_task()
        seeds = [derived_seed(settings["seed"], number) for number in range(settings["models"])]
        with WorkProgress(settings["epochs"], 0, progress) as bar:

            def show(epoch: int, outcome: Outcome) -> None:
                bar.to(epoch, f"{self.name}  best accuracy {outcome.accuracy.max():.3f}")

            options = {"epochs": settings["epochs"], "keep": keep, "on_epoch": show}
            return train_word_models(cell, settings["units"], task, seeds, **options), task.data

    def _finished(
        self, folder: Path, trials: list[dict[str, Any]], trained: Trained, data: str, began: float
    ) -> dict[str, Any]:
        seconds = time.monotonic() - began
        each = {"elapsed_s": round(seconds / max(len(trials), 1), 6)}
        columns = {"trial": None, "status": "untrained", "accuracy": None}
        write_rows(folder / "trials.csv", [trial | each for trial in trials or [columns]])
        found = {"best_score": float(trained.best.max()), "objective": "accuracy", "direction": "max"}
        return self._row(data, int(trained.population.rows.shape[1]), seconds, found)

    def _row(self, data: str, parameters: int, seconds: float, found: Mapping[str, Any]) -> dict[str, Any]:
        shape = {name: value for name, value in self.settings.items() if name in ("cell", "word_dim", "units", "rule")}
        sizes: dict[str, Any] = {"depth": 1, "parameters": parameters, "task": "sentiment", "data": data}
        sizes |= {"seed": self.labels.get("seed", self.settings["seed"]), "vectors": self.settings.get("vectors")}
        cost = {"elapsed_s": round(seconds, 3), "versions": json.dumps(versions())}
        return {"piece": self.name, **self.labels, **shape, **found, **sizes, **cost}


def training_piece(
    kind: type[TrainingPiece], part: str, draw: int | None = None, *, seed: int, **settings: Any
) -> TrainingPiece:
    """Returns the training of models of one shape, as a piece of a kind; `draw` is that of sequences and words.

    Word vectors are trained where `settings` have `vectors="trained"`, and fixed where they have nothing of the kind.
    """
    labels = {"part": part} | ({} if draw is None else {"seed": seed, "draw": draw})
    seed += APART * (draw or 0)
    parts = [part, *(["word-vectors"] if "vectors" in settings else [])]
    names = (*parts, *(settings[name] for name in ("rule", "cell", "word_dim", "units")), f"seed{seed}")
    steps = settings["models"] * settings["epochs"] * SIZES[0] * LENGTH
    work = 3.0 * steps * settings["units"] * (settings["units"] + settings["word_dim"])
    return kind(piece_name(*names), settings | {"seed": seed}, labels, work)


class InitializationsStudy(Study):
    """Models of 2 to 16 units that learn which of the words that count comes first, or whether the first two differ.

    Part `paper`: the paper's RNN and GRU on both rules, at the four smallest shapes with several draws of sequences and
    word vectors; part `cells`: all other cells on the rule `first`, at the 16 shapes of figures 3 and 4; part
    `trained`: the RNN and the GRU with trained word vectors, at the four smallest shapes, on both rules, two draws.
    """

    name = "initializations"
    title = "From how many initializations does a cell learn?"
    source = "Mehta, figures 3 to 6"
    differences = (
        "The paper does not state its batch (here 32) nor which epoch's accuracy it reports (here the best). It has 3 "
        "initializations of the shapes of figures 3 and 4, here 30, which share their sequences and word vectors. The "
        "other cells start as the paper's do, with matrices and biases uniform within 1 / sqrt(units), not as their "
        "own papers say; but what a cell adds to a gate (`forget_bias`), projections of inputs, and weights that only "
        "that cell has (decays, for example) start as by default: `forget_bias` is 0 for the paper's GRU, 3 for "
        "`slstm`, 1 for most. The paper does not say whether word vectors are trained; both are here. Trained ones "
        "start from N(0, 1), each model's own."
    )
    profiles: ClassVar = {
        "smoke": Grid(PAPER_CELLS, (), (), ()),
        "laptop": Grid((*PAPER_CELLS, *OTHER_CELLS), (), (), ()),
        "paper": Grid((*PAPER_CELLS, *OTHER_CELLS), (), (), ()),
    }
    one_core = ("paper", "cells", "trained")
    models: ClassVar = {"smoke": 3, "laptop": 30, "paper": 30}
    epochs: ClassVar = {"smoke": 2, "laptop": EPOCHS, "paper": EPOCHS}
    draws: ClassVar = {"smoke": 1, "laptop": 4, "paper": 4}
    """Draws of sequences and words at the smallest shapes: with some words of two numbers, few models learn."""

    def pieces(self, grid: Grid, profile: str, seed: int) -> list[Piece]:
        """Returns what is to be run."""
        common = {"models": self.models[profile], "epochs": self.epochs[profile], "seed": seed}
        pieces: list[Piece] = []
        for cell, (word_dim, units) in itertools.product(grid.cells, SHAPES[profile]):
            shape: dict[str, Any] = {"cell": cell, "word_dim": word_dim, "units": units, **common}
            if cell in PAPER_CELLS:
                draws = self.draws[profile] if word_dim in FEW and units in FEW else 1
                pieces += [
                    training_piece(TrainingPiece, "paper", draw, rule=rule, **shape)
                    for rule, draw in itertools.product(("first", "xor"), range(draws))
                ]
                if word_dim in FEW and units in FEW:
                    pieces += [
                        training_piece(TrainingPiece, "trained", draw, rule=rule, vectors="trained", **shape)
                        for rule, draw in itertools.product(("first", "xor"), range(min(draws, 2)))
                    ]
            elif word_dim != 4:
                pieces.append(training_piece(TrainingPiece, "cells", rule="first", **shape))
        return pieces

    shown_by = staticmethod(initializations_exhibits)
