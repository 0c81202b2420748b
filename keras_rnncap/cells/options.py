"""What a cell's constructor takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import keras


def constructor_options(cell: Callable[..., Any]) -> set[str]:
    """Returns the names of the arguments that `cell(...)` takes, those that `**kwargs` hands to its bases included."""
    classes = inspect.getmro(cell) if inspect.isclass(cell) else (cell,)
    names: set[str] = set()
    for one in classes:
        if inspect.isclass(one) and "__init__" not in vars(one):
            continue
        parameters = inspect.signature(one.__init__ if inspect.isclass(one) else one).parameters.values()
        names |= {
            p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.name != "self"
        }
        if not any(p.kind is p.VAR_KEYWORD for p in parameters) or one is keras.layers.Layer:
            break
    return names
