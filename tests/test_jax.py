"""Cells and populations on the JAX backend: their own tests, run in a process that has it."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="jax is not installed")
ROOT = Path(__file__).parents[1]


# Compiling takes long: all cells by their equations and masks, two by what else differs between backends.
EQUATIONS = "outputs_and_states or masked_steps"
OTHERS = "dropout_drops or dropout_masks or gradient or stateful or stacked or mixed"
SOME_CELLS = f"{EQUATIONS} or ((GRU or Intersection) and ({OTHERS}))"
SOME_POPULATIONS = "(alone and (ugrnn-1 or lstm-1 or rnn-1)) or diverging or replaced or groups or history or refused"


@pytest.mark.parametrize(
    ("folder", "selected", "at_least"),
    [
        pytest.param("cells", SOME_CELLS, 40, id="some cells"),
        pytest.param("population", SOME_POPULATIONS, 10, id="some populations"),
        pytest.param("cells", "", 270, id="all cells", marks=pytest.mark.slow),
        pytest.param("population", "", 18, id="all populations", marks=pytest.mark.slow),
    ],
)
def test_they_pass_on_jax(folder, selected, at_least):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "KERAS_"))}
    environment |= {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    command = [sys.executable, "-m", "pytest", f"tests/{folder}", "-p", "no:cacheprovider", "-k", selected]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert "keras backend: jax" in done.stdout
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) >= at_least
