"""From how many initializations small models learn: figures 3 to 6 of Mehta, and the same for every cell."""

import dataclasses
import itertools
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from keras_rnncap.analysis.initializations_study import PAPER_CELLS, initializations_exhibits
from keras_rnncap.cells import CELLS
from keras_rnncap.initializers import derived_seed
from keras_rnncap.runs import write_rows
from keras_rnncap.studies.study import Grid, Piece, Progress, Study, piece_name
from keras_rnncap.studies.word_models import BATCH, EPOCHS, Outcome, paper_task, train_word_models
from keras_rnncap.terminal.progress import WorkProgress

OTHER_CELLS = tuple(cell for cell in CELLS if cell not in PAPER_CELLS)
SHAPES = {"smoke": ((2, 2),), "laptop": (*itertools.product((2, 5, 10, 15), (2, 4, 8, 16)), (4, 2), (4, 4))}
SHAPES["paper"] = SHAPES["laptop"]
"""Numbers of a word vector, and hidden units: those of figures 3 and 4, and what figures 5 and 6 have besides."""


@dataclasses.dataclass(frozen=True)
class TrainingPiece(Piece):
    """Models of one shape, trained as the paper trains them; settings are arguments of this study's own."""

    def check(self) -> None:
        """There is nothing to check: any number of units is allowed."""

    def run(self, folder: Path, rows: Mapping[str, Mapping[str, Any]], progress: Progress) -> dict[str, Any]:
        """Trains the models, from their start; returns the piece's row."""
        del rows
        settings, began = dict(self.settings), time.monotonic()
        folder.mkdir(parents=True, exist_ok=True)
        task = paper_task(settings["rule"], settings["word_dim"], settings["seed"])
        seeds = [derived_seed(settings["seed"], number) for number in range(settings["models"])]
        epochs = settings["epochs"]
        with WorkProgress(epochs, 0, progress) as bar:

            def show(epoch: int, outcome: Outcome) -> None:
                bar.to(epoch, f"{self.name}  median accuracy {np.median(outcome.accuracy):.3f}")

            trained = train_word_models(settings["cell"], settings["units"], task, seeds, epochs=epochs, on_epoch=show)
        seconds = time.monotonic() - began
        best = np.nanargmax(trained.accuracy, axis=0)
        trials = [
            {"trial": number, "status": "completed", "accuracy": trained.accuracy[epoch, number]}
            | {"last_accuracy": trained.accuracy[trained.epochs[number], number], "best_epoch": int(epoch)}
            | {"epochs": int(trained.epochs[number]), "loss": trained.loss[epoch, number], "seed": seeds[number]}
            | {"elapsed_s": round(seconds / len(seeds), 3)}
            for number, epoch in enumerate(best)
        ]
        write_rows(folder / "trials.csv", trials)
        shape = {name: settings[name] for name in ("cell", "rule", "word_dim", "units", "models", "seed")}
        found = {"best_score": float(trained.best.max()), "objective": "accuracy", "direction": "max"}
        sizes = {"depth": 1, "parameters": trained.population.rows.shape[1], "task": task.name, "data": task.data}
        return {"piece": self.name, **self.labels, **shape, **found, **sizes, "elapsed_s": round(seconds, 3)}


def training_piece(part: str, **settings: Any) -> TrainingPiece:
    """Returns the training of models of one shape."""
    names = (part, *(settings[name] for name in ("rule", "cell", "word_dim", "units")), f"seed{settings['seed']}")
    steps = settings["models"] * settings["epochs"] * 250 * BATCH * 10
    work = 3.0 * steps * settings["units"] * (settings["units"] + settings["word_dim"])
    return TrainingPiece(piece_name(*names), settings, {"part": part}, work)


class InitializationsStudy(Study):
    """Models of 2 to 16 units that learn which of the words that count comes first, or whether the first two differ.

    Part `paper`: the paper's RNN and GRU on both rules; part `cells`: all other cells on the rule `first`, at the 16
    shapes of figures 3 and 4.
    """

    name = "initializations"
    title = "From how many initializations does a cell learn?"
    source = "Mehta, figures 3 to 6"
    differences = (
        "The paper does not state its batch (here 32) nor which epoch's accuracy it reports (here the best). It has 3 "
        "initializations of the shapes of figures 3 and 4, here 30. The other cells start as the paper's do, all "
        "weights uniform within 1 / sqrt(units), not as their own papers say."
    )
    profiles: ClassVar = {
        "smoke": Grid(PAPER_CELLS, (), (), ()),
        "laptop": Grid((*PAPER_CELLS, *OTHER_CELLS), (), (), ()),
        "paper": Grid((*PAPER_CELLS, *OTHER_CELLS), (), (), ()),
    }
    models: ClassVar = {"smoke": 3, "laptop": 30, "paper": 30}
    epochs: ClassVar = {"smoke": 2, "laptop": EPOCHS, "paper": EPOCHS}

    def pieces(self, grid: Grid, profile: str, seed: int) -> list[Piece]:
        """Returns what is to be run."""
        common = {"models": self.models[profile], "epochs": self.epochs[profile], "seed": seed}
        pieces: list[Piece] = []
        for cell, (word_dim, units) in itertools.product(grid.cells, SHAPES[profile]):
            shape: dict[str, Any] = {"cell": cell, "word_dim": word_dim, "units": units, **common}
            if cell in PAPER_CELLS:
                pieces += [training_piece("paper", rule=rule, **shape) for rule in ("first", "xor")]
            elif word_dim != 4:
                pieces.append(training_piece("cells", rule="first", **shape))
        return pieces

    shown_by = staticmethod(initializations_exhibits)
