"""Finds a cell by name, and says what its constructor takes."""

import functools
import importlib
import inspect
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import keras

from keras_rnncap.errors import InputError, unknown
from keras_rnncap.graphs import Graph

CellFactory: TypeAlias = Callable[..., keras.layers.Layer]
"""A cell class, or any callable `(units, **options) -> cell`."""

Cell = TypeVar("Cell", bound=keras.layers.Layer)

GRAPH = "graph:"
"""Before the name of a file, the name of a cell."""

CELLS: dict[str, type[keras.layers.Layer]] = {}
"""The cells by the names that their papers use."""


def known_as(name: str) -> Callable[[type[Cell]], type[Cell]]:
    """Returns a decorator that gives a cell of this package its name, and makes it known to Keras' saving."""

    def register(cell: type[Cell]) -> type[Cell]:
        cell.known_as = name
        return keras.saving.register_keras_serializable(package="keras_rnncap")(cell)

    return register


def get_cell(cell: str | CellFactory) -> CellFactory:
    """Returns the cell of this name.

    Args:
        cell: A name in `CELLS`, `"graph:FILE.json"` for the `GraphCell` of a graph, `"module:Class"` for a cell of
            yours (the working directory is searched, too), or a class, which is returned as it is. If there is no such
            cell, that is an `InputError`.

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
    if is_graph(cell):
        return _read_graph(cell)
    if ":" in cell:
        return _import_cell(cell)
    if cell.lower() not in CELLS:
        raise unknown("cell", cell, CELLS, f"; module:Class names a cell of your own, and {GRAPH}FILE.json a graph")
    return CELLS[cell.lower()]


def cell_name(cell: str | CellFactory) -> str:
    """Returns the name by which `get_cell` finds the cell again: one of `CELLS`, `graph:FILE.json` or `module:Class`.

    Example:
    >>> cell_name(CELLS["ugrnn"]), cell_name(keras.layers.GRUCell)
    ('ugrnn', 'keras.layers:GRUCell')
    """
    if isinstance(cell, str):
        return cell.lower() if cell.lower() in CELLS else cell
    for name, known in CELLS.items():
        if cell is known:
            return name
    qualified = getattr(cell, "__qualname__", repr(cell))
    module = "keras.layers" if getattr(keras.layers, qualified, None) is cell else cell.__module__
    return f"{module}:{qualified}"


def one_name(cell: str | CellFactory) -> str:
    """Returns the `cell_name` of what a name stands for, the same for all names of a class; it imports the cell.

    Example:
    >>> one_name("keras_rnncap.cells:UGRNNCell"), one_name("keras.layers:GRUCell")
    ('ugrnn', 'keras.layers:GRUCell')
    """
    factory = get_cell(cell)
    name = cell_name(factory)
    try:
        return name if not isinstance(cell, str) or get_cell(name) is factory else cell
    except (InputError, ImportError):  # such as a partial, which has no name but the one that was given
        return str(cell)


def same_cell(name: Any, cell: str | CellFactory) -> Any:
    """Returns `one_name` of a cell if `name` is what earlier versions wrote for it; else `name`."""
    factory = get_cell(cell)
    earlier = (cell, f"{factory.__module__}:{getattr(factory, '__qualname__', repr(factory))}")
    return one_name(cell) if name in earlier else name


def make_cell(cell: CellFactory, units: int, **options: Any) -> keras.layers.Layer:
    """Returns `cell(units, **options)`; raises `InputError` for an unknown option, or if it is not a recurrent cell."""
    valid, name = constructor_options(get_cell(cell)) - {"units"}, getattr(cell_class(cell)[0], "__name__", cell)
    for option in options:
        if option not in valid:
            raise unknown(f"option of {name}", option, sorted(valid))
    instance = cell(units, **options)
    if not hasattr(instance, "state_size") or not callable(instance):
        raise InputError(
            f"{name} is not a recurrent cell: keras.layers.RNN needs a layer with a "
            "state_size and call(inputs, states); see keras_rnncap.cells.RecurrentCell for a base class"
        )
    return instance


def is_graph(name: str) -> bool:
    """Returns whether a name of a cell is that of a file with a graph, `"graph:FILE.json"`."""
    return name.startswith(GRAPH) and name.endswith(".json")


def cell_class(cell: CellFactory) -> tuple[Any, dict[str, Any]]:
    """Returns the class or function behind a `functools.partial`, and what that fixes; another cell as it is.

    Example:
    >>> cell_class(functools.partial(keras.layers.GRUCell, use_bias=False))[1]
    {'use_bias': False}
    """
    return (cell.func, cell.keywords) if isinstance(cell, functools.partial) else (cell, {})


def constructor_options(cell: Callable[..., Any]) -> set[str]:
    """Returns the names of the arguments that `cell(...)` takes, those that `**kwargs` hands to its bases included."""
    cell, _ = cell_class(cell)
    names: set[str] = set()
    for kind in inspect.getmro(cell) if inspect.isclass(cell) else (cell,):
        if inspect.isclass(kind) and "__init__" not in vars(kind):
            continue
        parameters = inspect.signature(kind.__init__ if inspect.isclass(kind) else kind).parameters.values()
        names |= {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)} - {"self"}
        if not any(p.kind is p.VAR_KEYWORD for p in parameters) or kind is keras.layers.Layer:
            break
    return names


def starts_of(cell: CellFactory) -> Mapping[str, float]:
    """Returns the values of hyperparameters from which searches of a cell start: `RecurrentCell.start`."""
    starts: Mapping[str, float] = getattr(cell_class(cell)[0], "start", {})
    return starts


def searched_numbers(cell: Callable[..., Any]) -> dict[str, tuple[float, float, float]]:
    """Returns the range and the default (within the range) of each number that a cell declares as `searched`.

    A number that a `functools.partial` fixes is not searched; cells of Keras declare none.

    Example:
    >>> from keras_rnncap.cells import IntersectionRNNCell
    >>> searched_numbers(functools.partial(IntersectionRNNCell, forget_bias=2.0))
    {'depth_forget_bias': (0.0, 6.0, 1.0)}
    """
    kind, fixed = cell_class(cell)
    declared: dict[str, tuple[float, float]] = getattr(kind, "searched_numbers", dict)()
    numbers = {name: limits for name, limits in declared.items() if name not in fixed}
    default = cell(1) if numbers else None
    return {name: (low, high, min(max(getattr(default, name), low), high)) for name, (low, high) in numbers.items()}


def _read_graph(name: str) -> CellFactory:
    from keras_rnncap.cells.graph import GraphCell  # it imports this module

    file = Path(name.removeprefix(GRAPH))
    try:
        graph = Graph.from_json(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cell {name!r} must name a file with a graph; got {error}") from error
    except InputError as error:
        raise InputError(f"{file}: {error}") from error
    return functools.partial(GraphCell, graph=graph.to_json())


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
