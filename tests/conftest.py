import collections

import keras
import pytest
from typer.testing import CliRunner

# Assertions in shared modules are explained like those in tests.
pytest.register_assert_rewrite("contracts", "cells.reference")


LONGEST = ("test_jax.py",)
"""Files with few tests of minutes."""


def pytest_configure(config):
    if hasattr(config.option, "loadscopereorder"):  # pytest-xdist's own order, by the number of tests alone
        config.option.loadscopereorder = False


def pytest_collection_modifyitems(items):
    """Files of which a process would be busy at the end, when the others have nothing left, come first."""
    counts = collections.Counter(item.path for item in items)
    items.sort(key=lambda item: (item.path.name not in LONGEST, -counts[item.path], str(item.path)))


def pytest_report_header():
    return f"keras backend: {keras.backend.backend()}"  # tests/test_jax.py reads this line


@pytest.fixture(autouse=keras.backend.backend() == "jax")
def forget_compiled_programs():
    """On JAX each compiled program holds memory maps until it is forgotten; a whole file's are too many for Linux."""
    yield
    import jax

    jax.clear_caches()


@pytest.fixture
def invoke(monkeypatch, tmp_path):
    """Runs a command line in an empty folder."""
    from keras_rnncap.cli import app

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("keras_rnncap.cli.common.console.width", 150, raising=False)
    return lambda *arguments: CliRunner().invoke(app, [str(one) for one in arguments], env={"COLUMNS": "150"})
