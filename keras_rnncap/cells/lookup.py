"""Finds a cell by name, and says what its constructor takes."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import keras

from keras_rnncap.cells.options import constructor_options
from keras_rnncap.errors import InputError, unknown

CellFactory: TypeAlias = Callable[..., keras.layers.Layer]
"""A cell class, or any callable `(units, **options) -> cell`."""

Cell = TypeVar("Cell", bound=keras.layers.Layer)

CELLS: dict[str, type[keras.layers.Layer]] = {}
"""The cells by the names that their papers use."""


def known_as(name: str) -> Callable[[type[Cell]], type[Cell]]:
    """Returns a decorator that gives a cell of this package its name, and makes it known to Keras' saving."""

    def register(cell: type[Cell]) -> type[Cell]:
        CELLS[name] = cell
        return keras.saving.register_keras_serializable(package="keras_rnncap")(cell)

    return register


def get_cell(cell: str | CellFactory) -> CellFactory:
    """Returns the cell of this name.

    Args:
        cell: A name in `CELLS`, `"module:Class"` for a cell of yours (the working directory is searched, too), or a
            class, which is returned as it is.

    Raises:
        InputError: If there is no such cell, or it is not a recurrent cell.

    Example:
    >>> get_cell("ugrnn").__name__
    'UGRNNCell'
    """
    if not isinstance(cell, str):
        if isinstance(cell, keras.layers.Layer) or not callable(cell):
            raise InputError(
                f"{cell!r} is not a recurrent cell class: it must be a name, a class, or a function of units"
            )
        return cell
    if ":" in cell:
        return _import_cell(cell)
    if cell.lower() not in CELLS:
        raise unknown("cell", cell, CELLS, "; module:Class names a cell of your own")
    return CELLS[cell.lower()]


def cell_name(cell: str | CellFactory) -> str:
    """Returns the name by which `get_cell` finds the cell again: one of `CELLS` or `module:Class`.

    Example:
    >>> cell_name(CELLS["ugrnn"]), cell_name(keras.layers.GRUCell)
    ('ugrnn', 'keras.layers:GRUCell')
    """
    if isinstance(cell, str):
        return cell.lower() if cell.lower() in CELLS else cell
    for name, known in CELLS.items():
        if cell is known:
            return name
    own = getattr(cell, "__qualname__", repr(cell))
    return f"keras.layers:{own}" if getattr(keras.layers, own, None) is cell else f"{cell.__module__}:{own}"


def one_name(cell: str | CellFactory) -> str:
    """Returns the `cell_name` of what a name stands for, the same for all names of a class; it imports the cell.

    Example:
    >>> one_name("keras_rnncap.cells:UGRNNCell"), one_name("keras.layers:GRUCell")
    ('ugrnn', 'keras.layers:GRUCell')
    """
    found = get_cell(cell)
    name = cell_name(found)
    try:
        return name if not isinstance(cell, str) or get_cell(name) is found else cell
    except (InputError, ImportError):  # such as a partial, which has no name but the one that was given
        return str(cell)


def same_cell(name: Any, cell: str | CellFactory) -> Any:
    """Returns `one_name` of a cell if that is what it was called by runs of before; else the name as it is."""
    found = get_cell(cell)
    before = (cell, f"{found.__module__}:{getattr(found, '__qualname__', repr(found))}")
    return one_name(cell) if name in before else name


def make_cell(cell: CellFactory, units: int, **options: Any) -> keras.layers.Layer:
    """Returns `cell(units, **options)`.

    Raises:
        InputError: If the cell does not take an option, naming those that it takes; or if it is not a recurrent cell.
    """
    valid = constructor_options(get_cell(cell)) - {"units"}
    for option in options:
        if option not in valid:
            raise unknown(f"option of {getattr(cell, '__name__', cell)}", option, sorted(valid))
    made = cell(units, **options)
    if not hasattr(made, "state_size") or not callable(made):
        raise InputError(
            f"{getattr(cell, '__name__', cell)} is not a recurrent cell: keras.layers.RNN needs a layer with a "
            "state_size and call(inputs, states); see keras_rnncap.cells.RecurrentCell for a base class"
        )
    return made


def _import_cell(path: str) -> CellFactory:
    module_name, _, attribute = path.partition(":")
    if not all(part.isidentifier() for part in (*module_name.split("."), *attribute.split("."))):
        raise InputError(f"cell {path!r} is not of the form module:Class, module as in an import statement")
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise  # a module that the user's module imports
        raise InputError(
            f"cannot import {module_name!r} for cell {path!r}: no such module in {os.getcwd()} or among the installed "
            "packages; the form is module:Class, module without .py"
        ) from error
    target: Any = module
    for part in attribute.split("."):
        if not hasattr(target, part):
            classes = [name for name, value in vars(module).items() if inspect.isclass(value)]
            raise unknown(f"class in {module_name}", attribute, classes)
        target = getattr(target, part)
    if not callable(target):
        raise InputError(f"cell {path!r} is a {type(target).__name__}; it must be a class, or a function of units")
    return target
