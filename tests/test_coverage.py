"""A public class that joins no contract is a class that nobody checks."""

import ast
import inspect
from pathlib import Path

import pytest

import keras_rnncap
import keras_rnncap.datasets

TESTS = Path(__file__).parent


def joined(contract: str, attribute: str) -> set[str]:
    """Names of the classes that test classes with this base name in `attribute`, by itself or at the head of a call."""
    found = set()
    for file in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ClassDef) and contract in {ast.unparse(base).split(".")[-1] for base in node.bases}:
                for line in node.body:
                    if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == attribute:
                        value = line.value.value if isinstance(line.value, ast.Constant) else ast.unparse(line.value)
                        found.add(value.split("(")[0].split(".")[-1])
    return found


def public(module, base) -> set[str]:
    """Names of the concrete subclasses of `base` that a module offers."""
    classes = {name: getattr(module, name) for name in module.__all__ if inspect.isclass(getattr(module, name))}
    return {name for name, one in classes.items() if issubclass(one, base) and not inspect.isabstract(one)}


def test_every_cell_joins_the_cell_contract():
    bases = {"RecurrentCell", "GatedCell", "ProjectingCell"}
    assert public(keras_rnncap, keras_rnncap.RecurrentCell) - bases == joined("CellContract", "cell")


def test_every_cell_has_a_name_on_the_command_line():
    from keras_rnncap.cells import CELLS

    assert {cell.__name__ for cell in CELLS.values()} == joined("CellContract", "cell")


def test_every_task_joins_the_task_contract():
    assert public(keras_rnncap.datasets, keras_rnncap.datasets.Task) == joined("TaskContract", "expression")


@pytest.mark.parametrize("name", ["CellContract", "TaskContract"])
def test_a_missing_one_would_be_found(name):
    assert joined(name, "no such attribute") == set()
