"""How many bits a weight needs: the closing remark of Collins et al. (2017), measured on the bundled presets."""

import itertools
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from keras_rnncap.analysis.exhibits import PAPER_CELLS
from keras_rnncap.analysis.quantization_study import FLOAT_BITS, quantization_exhibits
from keras_rnncap.datasets import PerceptronCapacity, make_task
from keras_rnncap.information import bits_per_parameter
from keras_rnncap.quantization import quantize_model
from keras_rnncap.runs import write_rows
from keras_rnncap.studies.study import Grid, Piece, Progress, Study, piece_name
from keras_rnncap.studies.zoo import PERCEPTRON, preset_name
from keras_rnncap.versions import versions
from keras_rnncap.zoo import describe, load

WEIGHT_BITS = (2, 3, 4, 5, 6, 7, 8, 10, 12, 16)


class RoundedPreset(Piece):
    """What a preset of perceptron capacity still stores once its weights are rounded."""

    def check(self) -> None:
        """Raises `InputError` if there is no such preset."""
        describe(self.settings["preset"])

    def run(self, folder: Path, rows: Mapping[str, Mapping[str, Any]], progress: Progress) -> dict[str, Any]:
        """Measures it; see `Piece.run`. A row of `trials.csv` for each number of bits."""
        del rows, progress  # it takes a second
        start = time.monotonic()
        facts, model = describe(self.settings["preset"]), load(self.settings["preset"])
        task = make_task(facts.task)
        assert isinstance(task, PerceptronCapacity)
        trials: list[dict[str, Any]] = []
        for trial, bits in enumerate((*self.settings["weight_bits"], FLOAT_BITS)):
            rounded = model if bits == FLOAT_BITS else quantize_model(model, bits)
            scores = {"accuracy": task.accuracy(rounded), task.score_name: task.score(rounded)}
            scores["bits_per_parameter"] = bits_per_parameter(scores[task.score_name], facts.parameters)
            trials.append({"trial": trial, "status": "completed", "weight_bits": bits, **scores})
        folder.mkdir(parents=True, exist_ok=True)
        write_rows(folder / "trials.csv", trials)
        known = {"piece": self.name, **self.labels, "params": self.settings["params"], "patterns": task.patterns}
        known |= {name: getattr(facts, name) for name in ("cell", "depth", "units", "parameters")}
        known |= {name: trials[-1][name] for name in (task.score_name, "bits_per_parameter", "accuracy")}
        known |= {"trials": len(trials), "elapsed_s": round(time.monotonic() - start, 1), "seed": task.seed}
        return {**known, "versions": json.dumps(versions())}


class QuantizationStudy(Study):
    """Bits that presets of perceptron capacity store after their weights are rounded to a few bits each."""

    name = "quantization"
    title = "How many bits does a weight need?"
    source = "Collins et al. 2017, discussion"
    differences = (
        "The paper remarks that its capacities estimate how far weights can be compressed, and measures nothing of the "
        "kind. Here weights are rounded after training, which was not told of it: training with rounded weights keeps "
        "more."
    )
    profiles: ClassVar = dict.fromkeys(("smoke", "laptop", "paper"), Grid(PAPER_CELLS, (1_000,), ()))

    def pieces(self, grid: Grid, profile: str, seed: int) -> list[Piece]:
        """Returns what is to be measured; nothing of it depends on the profile or the seed."""
        del profile, seed
        pieces: list[Piece] = []
        for cell, params in itertools.product(grid.cells, grid.params):
            settings = {"preset": preset_name(cell, PERCEPTRON, params), "params": params, "cell": cell}
            settings["weight_bits"] = list(WEIGHT_BITS)
            pieces.append(RoundedPreset(piece_name("rounded", cell, params), settings, {"part": "rounded"}, work=1.0))
        return pieces

    shown_by = staticmethod(quantization_exhibits)
