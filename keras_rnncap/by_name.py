"""What a package exports, by the names that people type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def by_name(exports: Mapping[str, Any], base: type, attribute: str = "name") -> dict[str, Any]:
    """Returns the subclasses of `base` in the `globals()` of a package that have a name of their own, by that name.

    Example:
    >>> from keras_rnncap import datasets
    >>> list(by_name(vars(datasets), datasets.GeneratedTask))[:3]
    ['memory', 'random-function', 'parentheses']
    """
    classes = [value for value in exports.values() if isinstance(value, type) and issubclass(value, base)]
    return {vars(cls)[attribute]: cls for cls in classes if attribute in vars(cls)}
