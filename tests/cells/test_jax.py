import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="jax is not installed")
ROOT = Path(__file__).parents[2]


# Compiling takes long: all cells by their equations and masks, two by what else differs between backends.
EQUATIONS = "outputs_and_states or masked_steps"
OTHERS = "dropout_drops or dropout_masks or gradient or stateful or stacked or mixed"
SOME = f"{EQUATIONS} or ((GRU or Intersection) and ({OTHERS}))"


@pytest.mark.parametrize(
    ("selected", "at_least"),
    [pytest.param(SOME, 40, id="some"), pytest.param("not jax", 270, id="everything", marks=pytest.mark.slow)],
)
def test_the_cells_pass_on_jax(selected, at_least):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "KERAS_"))}
    environment |= {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "tests/cells",
        "--ignore=tests/cells/test_jax.py",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run(
        [*command, "-k", selected], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert "keras backend: jax" in done.stdout
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) >= at_least
