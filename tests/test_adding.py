"""What CONTRIBUTING says that an addition costs: one file, one line of export, and it is found everywhere."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

CELL = '''
from keras_rnncap.cells.base import RecurrentCell
from keras_rnncap.cells.lookup import known_as


@known_as("toy")
class ToyCell(RecurrentCell):
    """h_t = s(W^h h_{t-1} + W^x x_t + b) / 2."""

    blocks = ("hidden",)

    def step(self, x, states, w):
        (a,) = w.of_both(x, states[0])
        return (w.activation(a) / 2,)
'''
USE_OF_A_CELL = """
import keras, keras_rnncap
from keras_rnncap.analysis.style import cell_color
from keras_rnncap.cells import CELLS, get_cell
from keras_rnncap.tuners import measure_capacity

assert list(CELLS)[-1] == "toy" and get_cell("toy") is keras_rnncap.ToyCell and "ToyCell" in keras_rnncap.__all__
assert cell_color("toy") not in map(cell_color, list(CELLS)[:-1])
result = measure_capacity("toy", params=60, trials=1, steps=5, out="run")
assert isinstance(keras.saving.load_model("run/best/model.keras").layers[1].cell, keras_rnncap.ToyCell)
"""

TASK = '''
import numpy as np
from keras import losses
from keras_rnncap.datasets.answers import YesOrNo
from keras_rnncap.datasets.generated import GeneratedTask, split_generator
from keras_rnncap.datasets.task import Sample


class Toy(GeneratedTask):
    """Was there more than half?"""

    name, source = "toy", "this file"
    return_sequences, score_name, score_direction = False, "cross_entropy_nats", "min"
    input_dim, output_dim, chance_score, perfect_score, infeasible_above = 1, 1, 0.7, 0.0, 2.0

    def __init__(self, length: int = 3):
        self.length = length

    def worked_example(self, seed=0):
        return str(self.sample(np.random.default_rng(seed), 1))

    def sample(self, rng, size, split="train"):
        inputs = split_generator(rng, split).random((size, self.length, 1)).astype("float32")
        return Sample(inputs, (inputs.mean(1) > 0.5).astype("float32"))

    def loss(self):
        return losses.BinaryCrossentropy(from_logits=True)

    def answers(self):
        return YesOrNo(1)
'''
USE_OF_A_TASK = """
from keras_rnncap.datasets import TASKS, Toy, make_task
from keras_rnncap.tuners import run_sweep

assert list(TASKS)[-1] == "toy" and isinstance(make_task("toy:length=4"), Toy)
options = dict(params=60, trials=1, steps=5, profile="smoke", out="run")
assert run_sweep(make_task("toy"), "gru", objective="mutual_information_bits", **options).chance_score == 0
"""

SPACE = '''
import keras_tuner as kt
from keras_rnncap.training import TrainingSettings
from keras_rnncap.tuners.spaces.space import Space


class ToySpace(Space):
    """Two learning rates."""

    name = "toy"

    def hyperparameters(self):
        hp = kt.HyperParameters()
        hp.Choice("learning_rate", [0.1, 0.2])
        return hp

    def cell_options(self, values):
        return {}

    def readout_options(self, values):
        return {}

    def settings(self, values, steps):
        return TrainingSettings(steps, learning_rate=values["learning_rate"])
'''
USE_OF_A_SPACE = """
from keras_rnncap.datasets import make_task
from keras_rnncap.tuners import run_sweep

options = dict(params=60, trials=1, steps=5, profile="smoke", out="run")
result = run_sweep(make_task("memory:input_dim=2,length=2"), "gru", space="toy", **options)
assert result.space == "toy" and set(result.hyperparameters) == {"learning_rate"}
"""

ORACLE = '''
import keras_tuner as kt


class ToyOracle(kt.Oracle):
    """Proposes the default values once."""

    name = "toy"

    def populate_space(self, trial_id):
        if self.trials:
            return {"status": "STOPPED"}
        return {"status": "RUNNING", "values": dict(self.get_space().values)}
'''
USE_OF_AN_ORACLE = """
from keras_rnncap.datasets import make_task
from keras_rnncap.tuners import run_sweep

options = dict(params=60, trials=2, steps=5, profile="smoke", out="run")
result = run_sweep(make_task("memory:input_dim=2,length=2"), "gru", oracle="toy", **options)
assert (result.oracle, result.trials) == ("toy", 1)
"""

STUDY = '''
from keras_rnncap.analysis.exhibits import Exhibit, Exhibits
from keras_rnncap.analysis.toy import plot_toy
from keras_rnncap.studies.study import Grid, Piece, Study


class ToyStudy(Study):
    """Two cells."""

    name, title, source, differences = "toy", "Which of two?", "this file", "All."
    profiles = dict.fromkeys(("smoke", "laptop", "paper"), Grid(("rnn", "gru"), (60,), (1,)))

    def pieces(self, grid, profile, seed):
        sizes = {"params": 60, "depth": 1, "steps": 5, "trials": 1, "batch_size": 4, "seed": seed}
        memory = {"task": "memory:input_dim=2,length=2", **sizes}
        return [Piece(cell, {"cell": cell, **memory}, {"part": "toy"}, 1.0) for cell in grid.cells]

    def exhibits(self, rows):
        return Exhibits([Exhibit("toy", "Toys", "", "None.", plot_toy(rows.pieces))] if len(rows.pieces) else [])
'''
FIGURE = '''
from keras_rnncap.analysis.style import new_figure


def plot_toy(pieces):
    """Draws a point for each search."""
    figure, (axes,) = new_figure(1)
    axes.plot(pieces["cell"], pieces["best_score"], "o")
    axes.set(xlabel="cell", ylabel="error")
    return figure
'''
USE_OF_A_STUDY = """
from keras_rnncap.studies import STUDIES, run_study

if __name__ == "__main__":
    assert list(STUDIES)[-1] == "toy"
    assert sorted(run_study("toy", profile="smoke", out="study").pieces["cell"]) == ["gru", "rnn"]
"""


@pytest.fixture
def folder(tmp_path):
    """A copy of the package beside nothing else, as a checkout has it."""
    for folder in ("keras_rnncap", "datasets", "tuners", "zoo"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "setup.cfg", tmp_path)
    (tmp_path / "saved_models").mkdir()
    shutil.copy(ROOT / "saved_models" / "__init__.py", tmp_path / "saved_models")
    return tmp_path


def run(folder, *command):
    """Runs Python in a folder, whose package it finds before the one that is installed."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "120"}
    done = subprocess.run([sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def rnncap(folder, *arguments):
    """Runs the command line in a folder, as `run` runs Python."""
    return run(
        folder, "-c", f"import sys; sys.argv = ['rnncap', *{arguments}]; from keras_rnncap.cli import main; main()"
    )


def add(folder, file, source, line):
    """Writes a file into a copy of the package, and a line below the last one of the exports beside it."""
    file = folder / file
    file.write_text(source)
    exports = file.parent / "__init__.py"
    lines = exports.read_text().splitlines()
    last = max(place for place, text in enumerate(lines) if text.startswith("from keras_rnncap."))
    exports.write_text("\n".join([*lines[: last + 1], line, *lines[last + 1 :], ""]))


def test_a_cell_is_one_file_and_one_line(folder):
    add(folder, "keras_rnncap/cells/toy.py", CELL, "from keras_rnncap.cells.toy import ToyCell as ToyCell")
    run(folder, "-c", USE_OF_A_CELL)
    assert "toy" in rnncap(folder, "cells")


def test_a_task_is_one_file_and_one_line(folder):
    add(folder, "datasets/toy.py", TASK, "from keras_rnncap.datasets.toy import Toy as Toy")
    run(folder, "-c", USE_OF_A_TASK)
    assert "toy" in rnncap(folder, "tasks")


def test_a_space_is_one_file_and_one_line(folder):
    add(folder, "tuners/spaces/toy.py", SPACE, "from keras_rnncap.tuners.spaces.toy import ToySpace as ToySpace")
    run(folder, "-c", USE_OF_A_SPACE)


def test_an_oracle_is_one_file_and_one_line(folder):
    add(folder, "tuners/oracles/toy.py", ORACLE, "from keras_rnncap.tuners.oracles.toy import ToyOracle as ToyOracle")
    run(folder, "-c", USE_OF_AN_ORACLE)


def test_a_study_is_one_file_and_one_line_and_a_figure_one_file(folder):
    (folder / "keras_rnncap" / "analysis" / "toy.py").write_text(FIGURE)
    add(folder, "keras_rnncap/studies/toy.py", STUDY, "from keras_rnncap.studies.toy import ToyStudy as ToyStudy")
    (folder / "use.py").write_text(USE_OF_A_STUDY)
    run(folder, "use.py")
    rnncap(folder, "report", "study", "--out", "report")
    assert "Which of two?" in (folder / "report" / "index.html").read_text()
