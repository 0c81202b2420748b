"""What a package exports, by the names that people type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def by_name(exports: Mapping[str, Any], base: type) -> dict[str, Any]:
    """Returns the classes among exports that give themselves a `name`, by that name, in their order.

    Args:
        exports: The `globals()` of a package.
        base: What the classes are derived from.

    Example:
    >>> from keras_rnncap import datasets
    >>> list(by_name(vars(datasets), datasets.GeneratedTask))[:3]
    ['memory', 'random-function', 'parentheses']
    """
    classes = [value for value in exports.values() if isinstance(value, type) and issubclass(value, base)]
    return {one.__dict__["name"]: one for one in classes if "name" in one.__dict__}
