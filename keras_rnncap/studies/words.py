"""What small trained models do with words: figures 1 and 2 of Mehta, the memory of every cell, and fixed points."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from keras_rnncap.analysis.initializations_study import PAPER_CELLS
from keras_rnncap.analysis.words_study import words_exhibits
from keras_rnncap.datasets.sentiment import POSITIVE, STOP, WORDS
from keras_rnncap.dynamics import cell_of, fixed_points, state_paths, steps_until_change
from keras_rnncap.population import MemberBuilder, Population
from keras_rnncap.studies.initializations import OTHER_CELLS, TrainingPiece, training_piece
from keras_rnncap.studies.study import Grid, Piece, Progress, Study
from keras_rnncap.studies.word_models import EPOCHS, paper_task, word_members

PROBED = 4_096
"""Stop words after a word that is to be remembered, at most."""
PAIRS = (((0, 1, 2), (6, 8, 7)), ((6, 8), (8, 6)), ((6, 6, 6), (8, 8, 8)))
"""First words of pairs of sequences that are the same from then on: stop words and others, swapped, opposite."""
READ = 10


class WordsPiece(TrainingPiece):
    """The words and the state paths of the best of some models."""

    def run(self, folder: Path, rows: Mapping[str, Mapping[str, Any]], progress: Progress) -> dict[str, Any]:
        """Trains the models, and returns the piece's row."""
        del rows
        began = time.monotonic()
        folder.mkdir(parents=True, exist_ok=True)
        trained, data = self._trained(progress)
        last = np.array(trained.accuracy[trained.epochs, np.arange(len(trained.epochs))])
        best, settings = int(last.argmax()), self.settings
        model = trained.population.member(best)
        task = paper_task(settings["rule"], settings["word_dim"], settings["seed"])
        cell, units = cell_of(model), settings["units"]
        kernel = np.array(cell.kernel)[:, -units:]  # of the candidate, the last of the blocks that read the input
        readout = np.array(model.get_layer("readout").kernel)
        common = {"trial": best, "status": "completed", "accuracy": last[best]}
        products = task.vectors @ kernel
        table = [
            common
            | {"kind": "word", "word": word, "vector": _text(task.vectors[word]), "product": _text(products[word])}
            | {"read_out": _text(products[word] @ readout)}
            for word in range(WORDS)
        ]
        rng = np.random.default_rng([settings["seed"], 4])
        for pair, firsts in enumerate(PAIRS):
            rest = rng.integers(0, WORDS, READ - len(firsts[0]))
            words = np.array([[*first, *rest] for first in firsts])
            for side, path in enumerate(state_paths(model, task.vectors[words])):
                table += [
                    common
                    | {"kind": "path", "pair": pair, "side": side, "step": step, "state": _text(state)}
                    | ({"word": int(words[side, step - 1])} if step else {})
                    for step, state in enumerate(path)
                ]
        visited = state_paths(model, task.vectors[task.words("validation")[:200]])[:, 1:].reshape(-1, units)
        starts = visited[rng.choice(len(visited), min(200, len(visited)), replace=False)]
        stop = task.vectors[:STOP].mean(axis=0)  # the mean of the stop words
        found = fixed_points(model, stop, starts)
        table += [
            common
            | {"kind": "fixed point", "state": _text(point), "speed": speed}
            | {"eigenvalues": json.dumps([[round(v.real, 5), round(v.imag, 5)] for v in values])}
            for point, speed, values in zip(*found, strict=True)
        ]
        return self._finished(folder, table, trained, data, began)


class ProbePiece(TrainingPiece):
    """After how many stop words trained models change their answer."""

    def run(self, folder: Path, rows: Mapping[str, Mapping[str, Any]], progress: Progress) -> dict[str, Any]:
        """Trains the models and probes them all, and returns the piece's row."""
        del rows
        began, settings = time.monotonic(), self.settings
        folder.mkdir(parents=True, exist_ok=True)
        trained, data = self._trained(progress)
        count = len(trained.epochs)
        last = trained.accuracy[trained.epochs, np.arange(count)]
        task = paper_task(settings["rule"], settings["word_dim"], settings["seed"])
        build = MemberBuilder(settings["cell"], settings["units"], 1, settings["word_dim"], 2, return_sequences=True)
        reader = Population(build, word_members(settings["units"], range(count)))
        reader.rows.assign(trained.population.rows)
        stops = np.random.default_rng([settings["seed"], 5]).integers(0, STOP, settings["probed"])
        words = np.array([[word, *stops] for word in range(STOP, WORDS)])
        outputs = reader.outputs(task.vectors[words])[0]
        answers = outputs[..., 1] > outputs[..., 0]
        right = answers[..., 0] == (np.arange(len(words)) < POSITIVE)
        until = steps_until_change(answers)
        trials = [
            {"trial": model, "status": "completed", "accuracy": last[model], "word": STOP + word}
            | {"right": bool(right[model, word]), "until": until[model, word], "probed": settings["probed"]}
            for model in range(count)
            for word in range(len(words))
        ]
        return self._finished(folder, trials, trained, data, began)


def _text(vector: np.ndarray) -> str:
    return json.dumps([round(float(value), 6) for value in vector])


class WordsStudy(Study):
    """What models that count good and bad words make of each word, and for how long they remember one.

    Three parts: `words` (figure 1, 2 x 2), `states` (figure 2, 4 x 2, with the fixed points), and `probe`, the memory
    of every cell (4 x 2).
    """

    name = "words"
    title = "What do small models do with words?"
    source = "Mehta, figures 1 and 2"
    differences = (
        "The paper shows one model of each kind, chosen by its accuracy; here it is the best of the trainings, and the "
        "memory is of all that are good enough."
    )
    profiles: ClassVar = {
        "smoke": Grid(PAPER_CELLS, (), (), ()),
        "laptop": Grid((*PAPER_CELLS, *OTHER_CELLS), (), (), ()),
        "paper": Grid((*PAPER_CELLS, *OTHER_CELLS), (), (), ()),
    }
    models: ClassVar = {"smoke": 3, "laptop": 30, "paper": 30}
    epochs: ClassVar = {"smoke": 2, "laptop": EPOCHS, "paper": EPOCHS}
    probed: ClassVar = {"smoke": 20, "laptop": PROBED, "paper": PROBED}

    def pieces(self, grid: Grid, profile: str, seed: int) -> list[Piece]:
        """Returns what is to be run."""
        training: dict[str, Any] = {"models": self.models[profile], "epochs": self.epochs[profile], "seed": seed}
        pieces: list[Piece] = []
        for cell in grid.cells:
            shape: dict[str, Any] = {"rule": "count", "cell": cell, "word_dim": 4, "units": 2, **training}
            if cell in PAPER_CELLS:
                pieces.append(training_piece(WordsPiece, "words", **shape | {"word_dim": 2}))
                pieces.append(training_piece(WordsPiece, "states", **shape))
            pieces.append(training_piece(ProbePiece, "probe", **shape, probed=self.probed[profile]))
        return pieces

    shown_by = staticmethod(words_exhibits)
