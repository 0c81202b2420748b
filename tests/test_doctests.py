"""Every example in a docstring runs and prints what it says."""

import configparser
import doctest
import importlib
import pkgutil
from pathlib import Path

import keras
import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
config = configparser.ConfigParser()
config.read(ROOT / "setup.cfg")


def modules() -> list[str]:
    names = []
    for package in config["options"]["packages"].split():
        found = importlib.import_module(package)
        inside = [found.__path__[0]]  # not the checkout, which keras_rnncap also searches
        names += [package, *(f"{package}.{info.name}" for info in pkgutil.iter_modules(inside) if not info.ispkg)]
    return names


@pytest.mark.parametrize("name", modules())
def test_examples_in_docstrings_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    known = {**vars(module), "np": np, "keras": keras, "tmp_path": tmp_path}
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL)
    for test in doctest.DocTestFinder().find(module, name, globs=known):
        runner.run(test)
    assert runner.failures == 0


@pytest.mark.parametrize("name", ["RNNCell", "IRNNCell", "UGRNNCell", "GRUCell", "LSTMCell", "IntersectionRNNCell"])
def test_every_cell_has_an_equation_a_source_and_an_example(name):
    doc = getattr(importlib.import_module("keras_rnncap"), name).__doc__
    assert "h_t = " in doc
    assert "Source: " in doc
    assert ">>> " in doc
