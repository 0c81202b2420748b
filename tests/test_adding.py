"""What CONTRIBUTING says that an addition costs: one file, one line of export, and it is found everywhere."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

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
LIST_CELLS = "import sys; sys.argv = ['rnncap', 'cells']; from keras_rnncap.cli import main; main()"


def package(tmp_path, *folders):
    """A copy of the package beside nothing else, as a checkout has it."""
    for folder in folders:
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "setup.cfg", tmp_path)
    return tmp_path


def run(folder, *command):
    """Runs Python in a folder, whose package it finds before the one that is installed."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "120"}
    done = subprocess.run([sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_a_cell_is_one_file_and_one_line(tmp_path):
    folder = package(tmp_path, "keras_rnncap", "datasets", "tuners", "zoo")
    (folder / "keras_rnncap" / "cells" / "toy.py").write_text(CELL)
    exports = folder / "keras_rnncap" / "cells" / "__init__.py"
    line = "from keras_rnncap.cells.toy import ToyCell as ToyCell\n"
    exports.write_text(exports.read_text().replace("\n__all__", f"{line}\n__all__"))
    run(folder, "-c", USE_OF_A_CELL)
    assert "toy" in run(
        folder, "-c", "import sys; sys.argv = ['rnncap', 'cells']; from keras_rnncap.cli import main; main()"
    )
