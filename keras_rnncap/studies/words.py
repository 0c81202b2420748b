"""What small trained models do with words: figures 1 and 2 of Mehta, memory and generalization, and fixed points."""

import itertools
import json
import math
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import keras
import numpy as np

from keras_rnncap.analysis.initializations_study import PAPER_CELLS
from keras_rnncap.analysis.words_claims import GOOD
from keras_rnncap.analysis.words_study import words_exhibits
from keras_rnncap.cells import CELLS
from keras_rnncap.datasets import SentimentSequences
from keras_rnncap.datasets.sentiment import POSITIVE, SIZES, STOP, WORDS
from keras_rnncap.dynamics import cell_of, fixed_points, state_paths, steps_until_wrong
from keras_rnncap.population import MemberBuilder, Population
from keras_rnncap.runs import replacing, write_rows
from keras_rnncap.studies.initializations import TrainingPiece, training_piece
from keras_rnncap.studies.study import Grid, Piece, Progress, Study
from keras_rnncap.studies.word_models import BATCH, EPOCHS, LENGTH, Trained, outcome, paper_task, word_members

PROBED = 4_096
"""Stop words after a word that is to be remembered, at most."""
MANY_PAIRS = 200
"""Pairs of sequences that each good model of the paper's cells reads."""
LENGTHS = (10, 20, 50, 100, 200)
"""Words of the sequences that models read, the first as in training."""
BEST = "best/model.keras"
"""The best of some models, in the folder of its piece."""
READ_ALL, STARTS = 200, 200
"""Validation sequences that are read, and how many of the states visited the search for fixed points starts from."""


class Pair(NamedTuple):
    """Two sequences that are the same after their first words."""

    firsts: tuple[tuple[int, ...], tuple[int, ...]]
    length: int = LENGTH
    words: int = WORDS
    """What comes then is drawn from the first so many words."""

    def drawn(self, task: SentimentSequences, rng: np.random.Generator) -> np.ndarray:
        """Returns the words of such a pair, `(2, length)`; the rule has an answer to both."""
        while True:
            rest = rng.integers(0, self.words, self.length - len(self.firsts[0]))
            words = np.array([[*first, *rest] for first in self.firsts])
            if task.labels(words).all():
                return words


STOPS_FIRST, SWAPPED = Pair(((0, 1, 2), (6, 8, 7))), Pair(((6, 8), (8, 6)))
PAIRS = (STOPS_FIRST, SWAPPED, Pair(((6, 6, 6), (8, 8, 8))), Pair(((6,), (8,)), 40, STOP))
"""Stop words or others first, two words swapped, opposite words first, and one word before stop words."""


class WordsPiece(TrainingPiece):
    """What the first matrix of the best of some models makes of each word."""

    def run(self, folder: Path, rows: Mapping[str, Mapping[str, Any]], progress: Progress) -> dict[str, Any]:
        """Trains the models, and returns the piece's row."""
        del rows
        began, settings = time.monotonic(), self.settings
        folder.mkdir(parents=True, exist_ok=True)
        trained, data = self._trained(progress)
        last = trained.last
        best = int(last.argmax())
        model = trained.population.member(best)
        task = paper_task(settings["rule"], settings["word_dim"], settings["seed"])
        # Of the blocks that read the input, the candidate's is the last.
        products = task.vectors @ np.array(cell_of(model).kernel)[:, -settings["units"] :]
        read_out = products @ np.array(model.get_layer("readout").kernel)
        table = [
            {"trial": best, "status": "completed", "accuracy": last[best], "kind": "word", "word": word}
            | {"vector": _text(task.vectors[word]), "product": _text(products[word])}
            | {"read_out": _text(read_out[word])}
            for word in range(WORDS)
        ]
        return self._finished(folder, table, trained, data, began)


class StatesPiece(TrainingPiece):
    """After how many stop words models are wrong, and at which lengths; paths and fixed points of the best."""

    def run(self, folder: Path, rows: Mapping[str, Mapping[str, Any]], progress: Progress) -> dict[str, Any]:
        """Trains the models, and returns the piece's row."""
        del rows
        began, settings = time.monotonic(), self.settings
        folder.mkdir(parents=True, exist_ok=True)
        trained, data = self._trained(progress)
        task = paper_task(settings["rule"], settings["word_dim"], settings["seed"])
        best = int(trained.last.argmax())
        model = trained.population.member(best)
        (folder / "best").mkdir(exist_ok=True)
        with replacing(folder / BEST) as new:
            model.save(new)
        steps = math.ceil(SIZES[0] / BATCH)
        curve = trained.loss[: trained.epochs[best] + 1, best]
        write_rows(folder / "history.csv", [{"step": steps * epoch, "loss": loss} for epoch, loss in enumerate(curve)])
        common = {"trial": best, "status": "completed", "accuracy": trained.last[best]}
        of_best = [*self._paths(model, task), *self._fixed_points(model, task)]
        of_all = [*self._probes(trained, task), *self._lengths(trained)]
        if settings["cell"] in PAPER_CELLS:
            of_all += self._many_pairs(trained, task)
        table = [*of_all, *(common | row for row in of_best)]
        return self._finished(folder, table, trained, data, began)

    def _probes(self, trained: Trained, task: SentimentSequences) -> Iterator[dict[str, Any]]:
        """Yields for each model and word that counts after how many stop words the answer to it is wrong.

        From the length of the sequences in training on: at shorter ones, nothing was learned.
        """
        settings, count = self.settings, len(trained.epochs)
        reader = self._reader(trained, return_sequences=True)
        stops = np.random.default_rng([settings["seed"], 5]).integers(0, STOP, settings["probed"])
        words = np.array([[word, *stops] for word in range(STOP, WORDS)])
        outputs = reader.outputs(task.vectors[words])[0]
        right = (outputs[..., 1] > outputs[..., 0]) == (words[:, :1] < STOP + POSITIVE)
        until = LENGTH - 1 + steps_until_wrong(right[..., LENGTH - 1 :])
        for model, word in itertools.product(range(count), range(len(words))):
            yield (
                {"trial": model, "status": "completed", "accuracy": trained.last[model], "kind": "probe"}
                | {"word": STOP + word, "until": until[model, word], "probed": settings["probed"]}
            )

    def _lengths(self, trained: Trained) -> Iterator[dict[str, Any]]:
        """Yields for each model its accuracy on sequences as long as in training, and longer."""
        settings = self.settings
        for length in LENGTHS:
            task = paper_task(settings["rule"], settings["word_dim"], settings["seed"], length)
            for model, accuracy in enumerate(outcome(self._reader(trained), task).accuracy):
                row = {"trial": model, "status": "completed", "accuracy": trained.last[model], "kind": "length"}
                yield row | {"length": length, "accuracy_at_length": accuracy}

    def _many_pairs(self, trained: Trained, task: SentimentSequences) -> Iterator[dict[str, Any]]:
        """Yields of each good model how many swapped sequences it answers rightly, and what is left of first words.

        That is the distance of the states of a pair after the last word, as a part of that after the words in which
        the two differ; the median over pairs.
        """
        rng = np.random.default_rng([self.settings["seed"], 7])
        stops_first, swapped = (
            np.concatenate([pair.drawn(task, rng) for _ in range(MANY_PAIRS)]) for pair in (STOPS_FIRST, SWAPPED)
        )
        outputs = self._reader(trained).outputs(task.vectors[swapped])[0]
        right = ((outputs[..., 1] > outputs[..., 0]) == (task.labels(swapped) > 0)).mean(axis=1)
        for number in np.flatnonzero(trained.last >= GOOD).tolist():
            paths = state_paths(trained.population.member(number), task.vectors[stops_first])
            away = np.linalg.norm(paths[0::2] - paths[1::2], axis=-1)
            left = np.median(away[:, -1] / away[:, len(STOPS_FIRST.firsts[0])])
            row = {"trial": number, "status": "completed", "accuracy": trained.last[number], "kind": "pairs"}
            yield row | {"swapped_right": right[number], "left_of_first": left}

    def _reader(self, trained: Trained, **options: Any) -> Population:
        """Returns the trained models as a population that reads sequences of another length."""
        settings = self.settings
        build = MemberBuilder(settings["cell"], settings["units"], 1, settings["word_dim"], 2, **options)
        reader = Population(build, word_members(settings["units"], range(len(trained.epochs))))
        reader.rows.assign(trained.population.rows)
        return reader

    def _paths(self, model: keras.Model, task: SentimentSequences) -> Iterator[dict[str, Any]]:
        """Yields the states of a model along pairs of sequences, and whether its answers are right."""
        rng = np.random.default_rng([self.settings["seed"], 4])
        for number, pair in enumerate(PAIRS):
            words = pair.drawn(task, rng)
            inputs, positive = task.vectors[words], task.labels(words) > 0
            logits = keras.ops.convert_to_numpy(model(inputs))
            right = (logits[:, 1] > logits[:, 0]) == positive
            for side, path in enumerate(state_paths(model, inputs)):
                for step, state in enumerate(path):
                    row = {"kind": "path", "pair": number, "side": side, "step": step, "state": _text(state)}
                    row |= {"positive": bool(positive[side]), "right": bool(right[side])}
                    yield row | ({"word": int(words[side, step - 1])} if step else {})

    def _fixed_points(self, model: keras.Model, task: SentimentSequences) -> Iterator[dict[str, Any]]:
        """Yields the fixed points of a model for the mean stop word."""
        rng = np.random.default_rng([self.settings["seed"], 6])
        paths = state_paths(model, task.vectors[task.words("validation")[:READ_ALL]])[:, 1:]
        visited = paths.reshape(-1, paths.shape[-1])
        starts = visited[rng.choice(len(visited), min(STARTS, len(visited)), replace=False)]
        found = fixed_points(model, task.vectors[:STOP].mean(axis=0), starts)
        for point, speed, values in zip(*found, strict=True):
            eigenvalues = json.dumps([[round(value.real, 5), round(value.imag, 5)] for value in values])
            yield {"kind": "fixed point", "state": _text(point), "speed": speed, "eigenvalues": eigenvalues}


def _text(vector: np.ndarray) -> str:
    return json.dumps([round(float(value), 6) for value in vector])


class WordsStudy(Study):
    """What models that count good and bad words make of each word, and for how long they remember one.

    Two parts: `words` (figure 1, 2 x 2), and `states` (figure 2, 4 x 2), of every cell: paths of the state, fixed
    points, memory, and accuracy on longer sequences.
    """

    name = "words"
    title = "What do small models do with words?"
    source = "Mehta, figures 1 and 2"
    differences = (
        "The paper shows one model of each kind, chosen by its accuracy (in figure 1, an RNN of 87% and a GRU of "
        "100%); here it is the best of the trainings, and memory, lengths and many pairs are of all that are good "
        "enough. The paper's cells have six draws of sequences and word vectors, the others one, as draws matter more "
        "than initializations. The pair with opposite words first is not in the paper."
    )
    profiles: ClassVar = {
        "smoke": Grid(PAPER_CELLS, (), (), ()),
        "laptop": Grid(tuple(CELLS), (), (), ()),
        "paper": Grid(tuple(CELLS), (), (), ()),
    }
    one_core = ("words", "states")
    models: ClassVar = {"smoke": 3, "laptop": 30, "paper": 30}
    epochs: ClassVar = {"smoke": 2, "laptop": EPOCHS, "paper": EPOCHS}
    probed: ClassVar = {"smoke": 20, "laptop": PROBED, "paper": PROBED}
    draws: ClassVar = {"smoke": 1, "laptop": 6, "paper": 6}
    """Draws of sequences and words for the paper's cells: with some, no RNN ends well."""

    def pieces(self, grid: Grid, profile: str, seed: int) -> list[Piece]:
        """Returns what is to be run."""
        training: dict[str, Any] = {"models": self.models[profile], "epochs": self.epochs[profile], "seed": seed}
        pieces: list[Piece] = []
        for cell in grid.cells:
            shape: dict[str, Any] = {"rule": "count", "cell": cell, "word_dim": 4, "units": 2, **training}
            of_paper = cell in PAPER_CELLS
            for draw in range(self.draws[profile] if of_paper else 1):
                if of_paper:
                    pieces.append(training_piece(WordsPiece, "words", draw, **shape | {"word_dim": 2}))
                pieces.append(training_piece(StatesPiece, "states", draw, **shape, probed=self.probed[profile]))
        return pieces

    shown_by = staticmethod(words_exhibits)
