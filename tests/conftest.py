import keras
import pytest
from typer.testing import CliRunner

# Assertions in shared modules are explained like those in tests.
pytest.register_assert_rewrite("contracts", "cells.reference")


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
