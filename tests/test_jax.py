"""Cells and populations on the JAX backend: their own tests, run in a process that has it."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="jax is not installed")
ROOT = Path(__file__).parents[1]


# Compiling takes long: most cells by their equations and masks, two by what else differs between backends.
SIMILAR = "MUT2 or MUT3 or TanhLSTM or ForgetBiasLSTM or NoInput or NoOutput or NoForget"
LATER = "TestMGU or JANET or FastGRNN or IndRNN or TestLEM or MinGRU or MinLSTM or RGLRU or SLSTM or GatedDeltaNet"
EQUATIONS = f"((outputs_and_states or masked_steps) and not ({SIMILAR} or {LATER}))"
OTHERS = "dropout_drops or dropout_masks or gradient or stateful or stacked or mixed"
SOME_CELLS = f"{EQUATIONS} or (((GRU and not MinGRU) or Intersection) and ({OTHERS}))"


def on_jax():
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "KERAS_"))}
    return environment | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}


TRAIN = """
import sys
import numpy as np
from keras import ops
from population.test_population import TABLE, TASK, members
from keras_rnncap.population import MemberBuilder, Population

population = Population(MemberBuilder("ugrnn", 4, 1, TASK.input_dim, 1), members("ugrnn"), TABLE)
population.rows.assign(np.random.default_rng(0).normal(size=population.rows.shape) * 0.3)
population.compile_population(TASK.loss(), steps_per_execution=10)
population.fit_steps(25)
np.savez(sys.argv[1], rows=ops.convert_to_numpy(population.rows), losses=population.take_losses())
"""


def test_a_population_on_jax_ends_where_one_on_tensorflow_does(tmp_path):
    """All four optimizers, both activations, own numbers of patterns; from the same weights."""
    ends = []
    for environment in (on_jax(), on_jax() | {"KERAS_BACKEND": "tensorflow"}):
        file = tmp_path / f"{environment['KERAS_BACKEND']}.npz"
        command = [sys.executable, "-c", TRAIN, str(file)]
        done = subprocess.run(command, cwd=ROOT / "tests", env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        ends.append(np.load(file))
    for name in ("rows", "losses"):
        np.testing.assert_allclose(ends[0][name], ends[1][name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("folder", "selected", "at_least"),
    [
        pytest.param("cells", SOME_CELLS, 40, id="some cells"),
        pytest.param("test_budget.py", "thousand_million or users or largest_budget", 6, id="budgets"),
        pytest.param("test_metrics.py", "whole or compiled", 16, id="metrics"),
        pytest.param("population/test_population.py", "row_soap_member", 1, id="RowSOAP in populations"),
        pytest.param("cells", "", 270, id="all cells", marks=pytest.mark.slow),
        pytest.param("population", "", 18, id="all populations", marks=pytest.mark.slow),
    ],
)
def test_they_pass_on_jax(folder, selected, at_least):
    environment = on_jax()
    if folder == "cells":
        environment["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"
    command = [sys.executable, "-m", "pytest", f"tests/{folder}", "-p", "no:cacheprovider", "-k", selected]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert "keras backend: jax" in done.stdout
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) >= at_least
