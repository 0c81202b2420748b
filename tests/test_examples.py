"""Every example and every Python block of the README runs, and every benchmark finds what it imports."""

import importlib.util
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
