"""The surface of the loss of small models: figures 7 to 10 of Mehta."""

import itertools
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from keras_rnncap.analysis.initializations_study import PAPER_CELLS
from keras_rnncap.analysis.landscape_study import landscape_exhibits
from keras_rnncap.dynamics import cosines
from keras_rnncap.errors import InputError
from keras_rnncap.population import MemberBuilder
from keras_rnncap.population.devices import populations_at_once
from keras_rnncap.population.slots import Slot
from keras_rnncap.population.untrained import SETTINGS, UntrainedModels, uniform_settings
from keras_rnncap.runs import replacing, write_rows
from keras_rnncap.studies.initializations import TrainingPiece, training_piece
from keras_rnncap.studies.study import Grid, Piece, Progress, Study, piece_name
from keras_rnncap.studies.word_models import (
    EPOCHS,
    LENGTH,
    SPLIT,
    WORD_VECTORS,
    Trained,
    train_word_models,
    word_members,
)
from keras_rnncap.terminal.progress import WorkProgress

CHUNK = 1_024 * SETTINGS
"""Settings without training that are computed in one call, and counted together."""
AT_ONCE = 4
"""Chunks for each core after which counts are kept."""
FACTORS = (0.1, 0.25, 0.5, 0.75, 1.0)
"""Perturbation factors k."""
GOOD_PATH, GOOD_MINIMUM = 0.96, 0.98
"""The accuracies of trained models of which updates and perturbations are shown."""
RETRAINED = 30
"""Epochs after a perturbation."""
TRAINED = {(2, 4, "fixed"): 6, (4, 8, "fixed"): 6, (2, 4, "trained"): 6, (4, 8, "trained"): 2}
"""Numbers of a word vector, units and kind of word vectors of the trained models: how many draws of sequences.

More where few models end well.
"""


class UntrainedPiece(TrainingPiece):
    """Accuracies of random settings without training."""

    def run(self, folder: Path, rows: Mapping[str, Mapping[str, Any]], progress: Progress) -> dict[str, Any]:
        """Computes what is missing; returns the piece's row."""
        del rows
        settings, began = dict(self.settings), time.monotonic()
        folder.mkdir(parents=True, exist_ok=True)
        _, task = self.cell_and_task()
        (member,) = word_members(settings["units"], [0])
        model = MemberBuilder(settings["cell"], settings["units"], 1, settings["word_dim"], 2)(member)
        words = task.words("validation")[:SPLIT]
        untrained = UntrainedModels(model, task.vectors, words, task.labels(words) > 0)
        limit, chunks = 1 / math.sqrt(settings["units"]), math.ceil(settings["settings"] / CHUNK)

        def count(chunk: int) -> np.ndarray:
            drawn = uniform_settings(settings["seed"], chunk, CHUNK, model, limit)
            found = untrained.accuracies(drawn)[: settings["settings"] - chunk * CHUNK]
            return np.bincount(np.rint(found * 2 * SPLIT).astype(int), minlength=2 * SPLIT + 1)

        done, counts, spent = _counted(folder / "counts.npz")
        with WorkProgress(chunks, done, progress) as bar, ThreadPoolExecutor(populations_at_once()) as pool:
            count(0)  # compiles once, before there are several threads
            while done < chunks:
                batch = range(done, min(done + AT_ONCE * populations_at_once(), chunks))
                counts = counts + sum(pool.map(count, batch))
                done = batch.stop
                with bar.held(), replacing(folder / "counts.npz") as new:
                    seconds = spent + time.monotonic() - began
                    with new.open("wb") as stream:
                        np.savez(stream, done=done, counts=counts, seconds=seconds)
                bar.to(done, self.name)
        places = np.flatnonzero(counts)
        seconds = spent + time.monotonic() - began
        trials = [
            {"trial": int(place), "status": "completed", "accuracy": place / (2 * SPLIT), "count": int(counts[place])}
            | {"elapsed_s": round(seconds * counts[place] / counts.sum(), 6)}
            for place in places
        ]
        write_rows(folder / "trials.csv", trials)
        found = {"best_score": float(places[-1] / (2 * SPLIT)), "objective": "accuracy", "direction": "max"}
        return self._row(task.data, model.count_params(), seconds, found)


class TrainedPiece(TrainingPiece):
    """Updates of weights in training, beside the whole way; and trainings from perturbed weights."""

    def run(self, folder: Path, rows: Mapping[str, Mapping[str, Any]], progress: Progress) -> dict[str, Any]:
        """Trains the models, perturbs those that are good enough, and returns the piece's row."""
        del rows
        began = time.monotonic()
        folder.mkdir(parents=True, exist_ok=True)
        trained, data = self._trained(progress, keep=True)
        trials = [*self._path(trained), *self._perturbed(trained)]
        return self._finished(folder, trials, trained, data, began)

    def _path(self, trained: Trained) -> Iterator[dict[str, Any]]:
        """Yields the cosine of each update of the models that end good with their whole way."""
        assert trained.weights is not None
        for number in np.flatnonzero(trained.last >= GOOD_PATH):
            last = int(trained.epochs[number])
            for epoch, cosine in enumerate(cosines(trained.weights[: last + 1, number]), 1):
                yield (
                    {"trial": int(number), "status": "completed", "kind": "path", "epoch": epoch, "cosine": cosine}
                    | {"accuracy": trained.accuracy[epoch, number], "loss": trained.loss[epoch, number]}
                )

    def _perturbed(self, trained: Trained) -> Iterator[dict[str, Any]]:
        """Trains the first good models again from perturbed weights, all as one population, and yields how they do."""
        settings, weights, slots = self.settings, np.array(trained.population.rows), trained.population.slots
        good = np.flatnonzero(trained.last >= GOOD_MINIMUM)[: settings["perturbed"]].tolist()
        if not good:
            return
        noise = {
            number: perturbation(weights[number], slots, settings["units"], [settings["seed"], 3, number])
            for number in good
        }
        cases = list(itertools.product(good, FACTORS))
        starts = np.array([weights[number] + k * noise[number] for number, k in cases])
        cell, task = self.cell_and_task()
        options: dict[str, Any] = {"epochs": settings["retrained"], "keep": True, "stops": False, "starts": starts}
        again = train_word_models(cell, settings["units"], task, range(len(cases)), **options)
        assert again.weights is not None
        for (place, (number, k)), epoch in itertools.product(enumerate(cases), range(len(again.accuracy))):
            away = float(np.linalg.norm(again.weights[epoch, place] - weights[number]))
            yield (
                {"trial": number, "status": "completed", "kind": "perturbation", "factor": k, "epoch": epoch}
                | {"distance": away, "accuracy": again.accuracy[epoch, place], "loss": again.loss[epoch, place]}
                | {"trained_accuracy": trained.last[number], "trained_loss": trained.last_loss[number]}
            )


def perturbation(row: np.ndarray, slots: Sequence[Slot], units: int, seed: Sequence[int]) -> np.ndarray:
    """Returns the noise of a model's weights at k = 1, eq. 9: normal, with the standard deviation of each matrix.

    Weights that a layer keeps side by side, such as those of all gates, are a matrix each, as in eq. 1 to 6. Trained
    word vectors, which are not among the paper's matrices, have none.

    Args:
        row: All weights, as the row of a population.
        slots: Where each is in the row.
        units: Of the recurrent layer.
        seed: Seed of the noise.
    """
    place, noise, rng = 0, [], np.random.default_rng(seed)
    for slot in slots:
        side_by_side = slot.layer == 0 and slot.shape and slot.shape[-1] % units == 0
        blocks = slot.shape[-1] // units if side_by_side else 1
        for part in np.split(row[place : place + slot.size], blocks):
            noise.append(rng.normal(0.0, 0.0 if slot.name == WORD_VECTORS else part.std(), part.size))
        place += slot.size
    return np.concatenate(noise)


def _counted(file: Path) -> tuple[int, np.ndarray, float]:
    """Returns how many chunks were counted, their counts, and the seconds that took."""
    if not file.exists():
        return 0, np.zeros(2 * SPLIT + 1, int), 0.0
    try:
        kept = np.load(file)
        return int(kept["done"]), kept["counts"], float(kept["seconds"])
    except Exception as error:  # a damaged archive raises whatever its first damaged part raises
        raise InputError(f"{file} is damaged ({error}); delete it, and its settings are computed again") from error


class LandscapeStudy(Study):
    """How often random settings answer rightly, how straight training goes, and what a perturbation does.

    Two parts: `untrained` (figures 7 and 8), and `trained` (figures 9 and 10).
    """

    name = "landscape"
    title = "What does the surface of the loss look like?"
    source = "Mehta, figures 7 to 10"
    differences = (
        "Untrained settings are uniform within 1 / sqrt(units), as trainings start; the paper does not say from what "
        "its settings are drawn. Those of a model share one draw of sequences and word vectors. Figures 9 and 10 of "
        "the paper are of one model each, here of all that are good enough, with fixed word vectors and with trained "
        "ones, which the path has and the noise has not; its figure 10 is of 2 x 4 alone. After a perturbation, models "
        "train at a constant rate of 0.001 for 30 epochs; the paper does not say how the rate goes on. Noise has the "
        "standard deviation of each matrix or bias of eq. 1 to 6; the paper can also be read as that of all together. "
        "With fixed word vectors, few models of 2 x 4 end at 96%, and in some draws none."
    )
    profiles: ClassVar = {name: Grid(PAPER_CELLS, (), (), ()) for name in ("smoke", "laptop", "paper")}
    one_core = ("trained",)
    untrained: ClassVar = {"smoke": 2 * CHUNK, "laptop": 1_000_000, "paper": 1_000_000}
    models: ClassVar = {"smoke": 3, "laptop": 60, "paper": 60}
    epochs: ClassVar = {"smoke": 2, "laptop": EPOCHS, "paper": EPOCHS}

    def pieces(self, grid: Grid, profile: str, seed: int) -> list[Piece]:
        """Returns what is to be run."""
        pieces: list[Piece] = []
        few = ((2, 2),) if profile == "smoke" else tuple(itertools.product((2, 4), (2, 4)))
        training: dict[str, Any] = {"models": self.models[profile], "epochs": self.epochs[profile], "seed": seed}
        for cell in grid.cells:
            for word_dim, units in few:
                count = self.untrained[profile]
                work = 3.0 * count * SPLIT * LENGTH * units * units
                shape = {
                    "rule": "first",
                    "cell": cell,
                    "word_dim": word_dim,
                    "units": units,
                    "seed": seed,
                    "settings": count,
                }
                names = ("untrained", "first", cell, word_dim, units, f"seed{seed}")
                pieces.append(UntrainedPiece(piece_name(*names), shape, {"part": "untrained"}, work))
            training |= {"cell": cell, "rule": "first", "perturbed": 10}
            training["retrained"] = min(RETRAINED, self.epochs[profile])
            trained = {(2, 2, "fixed"): 1, (2, 2, "trained"): 1} if profile == "smoke" else TRAINED
            for (word_dim, units, vectors), draws in trained.items():
                training |= {"word_dim": word_dim, "units": units}
                kind: dict[str, Any] = {} if vectors == "fixed" else {"vectors": vectors}
                pieces += [training_piece(TrainedPiece, "trained", draw, **training, **kind) for draw in range(draws)]
        return pieces

    shown_by = staticmethod(landscape_exhibits)
