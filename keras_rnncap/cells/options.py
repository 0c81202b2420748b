"""What a cell's constructor takes."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import keras


def constructor_options(cell: Callable[..., Any]) -> set[str]:
    """Returns the names of the arguments that `cell(...)` takes, those that `**kwargs` hands to its bases included."""
    classes = inspect.getmro(cell) if inspect.isclass(cell) else (cell,)
    names: set[str] = set()
    for kind in classes:
        if inspect.isclass(kind) and "__init__" not in vars(kind):
            continue
        parameters = inspect.signature(kind.__init__ if inspect.isclass(kind) else kind).parameters.values()
        names |= {
            p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.name != "self"
        }
        if not any(p.kind is p.VAR_KEYWORD for p in parameters) or kind is keras.layers.Layer:
            break
    return names


def searched_numbers(cell: Callable[..., Any]) -> dict[str, tuple[float, float, float]]:
    """Returns what a cell declares as `searched`: the range of each number, and its default value, within that.

    A number that a `functools.partial` fixes is not searched; cells of Keras declare none.

    Example:
    >>> from keras_rnncap.cells import IntersectionRNNCell
    >>> searched_numbers(functools.partial(IntersectionRNNCell, forget_bias=2.0))
    {'depth_forget_bias': (0.0, 6.0, 1.0)}
    """
    kind, fixed = (cell.func, cell.keywords) if isinstance(cell, functools.partial) else (cell, {})
    declared: dict[str, tuple[float, float]] = getattr(kind, "searched_numbers", dict)()
    numbers = {name: limits for name, limits in declared.items() if name not in fixed}
    built = cell(1) if numbers else None
    return {name: (low, high, min(max(getattr(built, name), low), high)) for name, (low, high) in numbers.items()}
