"""Every example and every Python block of the README runs, and every benchmark finds what it imports."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("script", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.name)
def test_example_runs(script, tmp_path):
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_python_blocks_of_the_readme_run(tmp_path):
    """With the numbers of trials and the trained model replaced by small ones."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len(blocks) >= 4
    code = "\n".join(blocks).replace("params=300, out", "params=300, trials=1, steps=20, out")
    folder = re.search(r"runs/train-python-docs-[\w-]+", code).group()
    prepare = (
        "from keras_rnncap.datasets import PythonDocs; from keras_rnncap.training.train import train_model\n"
        "from keras_rnncap.training import TrainingSettings\n"
        f"train_model(PythonDocs(), 'ugrnn', params=2000, settings=TrainingSettings(steps=2), out={folder!r})\n"
    )
    (tmp_path / "readme.py").write_text(prepare + code + "\nassert logits.shape == (1, 4, 27)\n")
    done = subprocess.run([sys.executable, "readme.py"], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def test_benchmarks_find_what_they_import():
    modules = [file.stem for file in (ROOT / "benchmarks").glob("*.py")]
    if importlib.util.find_spec("torch") is None:
        modules.remove("population_torch")
    code = "".join(f"import benchmarks.{name}\n" for name in sorted(modules))
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def test_the_stopping_rule_in_use_is_replayed_on_recorded_curves():
    code = """
import json
from benchmarks.stopping import POOLS, RULES, Curves, InUse
assert all(pool.job().hyperparameters.space for pool in POOLS)
pool = next(pool for pool in POOLS if pool.name == "memory-rnn-collins")
search = InUse(Curves.of(pool), RULES["in-use"], seed=0)
regrets = search.run()
points = {trial: points for trial, points in search.trained.items() if trial not in search.running}
print(json.dumps({"regrets": regrets, "waiting": [points[trial] for trial in search.paused],
                  "completed": [points[trial] for trial in search.completed], "begun": len(search.trained)}))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert sorted(found["regrets"], reverse=True) == found["regrets"]
    assert found["regrets"][-1] < 0.5
    assert set(found["waiting"]) == {4, 8}  # a quarter and a half of 16 points
    assert set(found["completed"]) == {16}
    assert found["begun"] > len(found["completed"]) + len(found["waiting"]) / 2
