"""A run knows with which code of the user's it was made, and answers for no other."""

import functools
import importlib
import subprocess
import sys

import keras
import numpy as np
import pandas as pd
import pytest

from keras_rnncap.cells import RNNCell
from keras_rnncap.datasets import make_task
from keras_rnncap.errors import InputError
from keras_rnncap.runs import RunDirectory
from keras_rnncap.runs.fingerprint import code_of, fingerprint
from keras_rnncap.studies import run_study
from keras_rnncap.training import TrainingSettings
from keras_rnncap.training.train import train_model
from keras_rnncap.tuners import measure_capacity, run_sweep

CELL = '''
"""Cells."""
from keras import ops
from keras_rnncap.cells import RNNCell
LEAK = 0.5
def leaky(new, old):
    return LEAK * new + (1 - LEAK) * old
class Base(RNNCell):
    part = 1.0
class Mine(Base):
    """Leaks."""
    def step(self, x, states, w):
        (new,) = super().step(x, states, w)
        return (leaky(new, states[0]) * self.part,)
'''


@pytest.fixture
def edited(tmp_path, monkeypatch):
    """A function that writes the user's module, edited, and returns its cell as a new process would have it."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def edit(*changes):
        text = CELL
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "fingerprinted_cells.py").write_text(text)
        sys.modules.pop("fingerprinted_cells", None)
        importlib.invalidate_caches()
        return importlib.import_module("fingerprinted_cells").Mine

    yield edit
    sys.modules.pop("fingerprinted_cells", None)


@pytest.mark.parametrize(
    "change",
    [
        ("LEAK = 0.5", "LEAK = 0.6"),
        ("LEAK * new", "LEAK / new"),
        ("part = 1.0", "part = 0.0"),
        ("* self.part", "* self.part * 0"),
        ("import RNNCell", "import IRNNCell as RNNCell"),
    ],
)
def test_an_edit_of_the_cell_its_base_or_what_it_calls_changes_the_fingerprint(edited, change):
    before = fingerprint(edited())
    assert fingerprint(edited(change)) != before
    assert fingerprint(edited()) == before


def test_comments_docstrings_and_layout_do_not(edited):
    before = fingerprint(edited())
    changes = [
        ('"""Leaks."""', '"""Leaks, you know."""\n    # and more'),
        ("LEAK * new + (1 - LEAK)", "LEAK*new  +  (1-LEAK)"),
    ]
    assert fingerprint(edited(*changes)) == before


def test_another_process_finds_the_same(edited, tmp_path):
    here = fingerprint(edited())
    program = "from keras_rnncap.runs.fingerprint import fingerprint; import fingerprinted_cells as f\n"
    program += "print(fingerprint(f.Mine))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.split()[-1] == here


def made(factor):
    class Cell(RNNCell):
        def step(self, x, states, w):
            return tuple(factor * state for state in super().step(x, states, w))

    return Cell


def test_closures_defaults_partials_lambdas_and_arrays_tell_functions_apart():
    table = np.arange(3.0)

    def with_default(units, leak=0.1):
        return RNNCell(units), leak

    def with_other_default(units, leak=0.2):
        return RNNCell(units), leak

    with_other_default.__name__ = with_other_default.__qualname__ = "with_default"
    things = [
        made(0.5),
        made(0.6),
        with_default,
        with_other_default,
        functools.partial(RNNCell, activation="relu"),
        functools.partial(RNNCell, activation="tanh"),
        lambda units: RNNCell(units),
        lambda units: RNNCell(units, activation="relu"),
        lambda units: RNNCell(units) if table.sum() else None,
        lambda units: RNNCell(units) if units in {"a", "b"} else None,
    ]
    assert len({fingerprint(thing) for thing in things}) == len(things)
    assert fingerprint(made(0.5)) == fingerprint(made(0.5))
    before = fingerprint(things[-2])
    table[0] = 1.0
    assert fingerprint(things[-2]) != before


def test_code_without_a_source_has_one_too():
    one, other = ({}, {})
    exec("def cell(units):\n    return units", one)
    exec("def cell(units):\n    return units + 1", other)
    assert "" != fingerprint(one["cell"]) != fingerprint(other["cell"]) != ""


def test_what_is_of_this_package_or_of_keras_needs_none():
    assert code_of(RNNCell, keras.layers.GRUCell, type(make_task("parentheses")), type(None)) == {}


TASK = "memory:input_dim=2,length=2"
RUNS = {
    "capacity": lambda cell, **more: measure_capacity(cell, trials=1, steps=1, batch_size=2, slots=1, **more),
    "sweep": lambda cell, **more: run_sweep(
        make_task(TASK), cell, oracle="random", trials=1, steps=1, batch_size=2, slots=1, **more
    ),
    "train": lambda cell, **more: train_model(
        make_task(TASK), cell, settings=TrainingSettings(1), batch_size=2, **more
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_run_with_an_edited_cell_is_refused_and_fresh_starts_anew(edited, tmp_path, name):
    folder, run = tmp_path / "run", functools.partial(RUNS[name], params=60, out=tmp_path / "run")
    first = run(edited())
    assert run("fingerprinted_cells:Mine") == first  # by its name, too
    files = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    zero = edited(("* self.part", "* 0.0"))
    with pytest.raises(InputError, match="made with other code of the cell or the task; --fresh"):
        run(zero)
    assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == files
    (folder / "notes.txt").write_text("mine")
    (folder / "best-trial-7.weights.h5").write_text("of before")
    run(zero, overwrite=True)
    assert (folder / "notes.txt").read_text() == "mine"
    assert not (folder / "best-trial-7.weights.h5").exists()
    if name != "train":
        assert len(pd.read_csv(folder / "trials.csv")) == 1
    run(zero)


def test_two_functions_of_one_name_never_share_a_folder(tmp_path):
    options = {"params": 60, "trials": 1, "steps": 1, "batch_size": 2, "slots": 1, "out": tmp_path / "run"}
    measure_capacity(lambda units, **more: RNNCell(units, **more), **options)
    with pytest.raises(InputError, match="made with other code"):
        measure_capacity(lambda units, **more: RNNCell(units + 1, **more), **options)


def test_a_run_of_before_goes_on_with_a_cell_of_this_package_alone(tmp_path):
    with RunDirectory(tmp_path / "a", {"command": "x"}):
        pass
    with RunDirectory(tmp_path / "a", {"command": "x", **code_of(RNNCell)}):
        pass
    with (
        pytest.raises(InputError, match="does not know with which code it was made of the cell or the task; --fresh"),
        RunDirectory(tmp_path / "a", {"command": "x", **code_of(made(0.5))}),
    ):
        pass


def test_fresh_takes_neither_the_folder_of_another_command_nor_one_in_use_nor_a_strangers(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "trials.csv").write_text("mine")
    with (
        pytest.raises(InputError, match="holds files of no run of ours"),
        RunDirectory(tmp_path / "a", {"command": "x"}, True),
    ):
        pass
    with RunDirectory(tmp_path / "b", {"command": "study"}):
        pass
    (tmp_path / "b" / "trials.csv").write_text("of the study")
    with pytest.raises(InputError, match="holds another run"), RunDirectory(tmp_path / "b", {"command": "x"}, True):
        pass
    with (
        RunDirectory(tmp_path / "c", {"command": "x"}) as directory,
        pytest.raises(InputError, match="in use"),
        RunDirectory(tmp_path / "c", {"command": "x"}, True),
    ):
        (directory / "trials.csv").write_text("at work")
    for folder, text in (("a", "mine"), ("b", "of the study")):
        assert (tmp_path / folder / "trials.csv").read_text() == text


def test_a_study_does_not_answer_with_rows_of_other_code(edited, tmp_path):
    edited()
    options = {"profile": "smoke", "cells": ["fingerprinted_cells:Mine"], "params": [60], "depths": [1]}
    run_study("capacity", **options, out=tmp_path / "study")
    edited(("* self.part", "* 0.0"))
    with pytest.raises(InputError, match=r"was run with other settings: code .*; choose another --out"):
        run_study("capacity", **options, out=tmp_path / "study")
