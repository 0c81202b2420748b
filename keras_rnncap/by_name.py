"""What a package exports, by the names that people type."""

from collections.abc import Mapping
from typing import Any


def by_name(exports: Mapping[str, Any], base: type, attribute: str = "name") -> dict[str, Any]:
    """Returns the subclasses of `base` in the `globals()` of a package that have a name of their own, by that name."""
    classes = [value for value in exports.values() if isinstance(value, type) and issubclass(value, base)]
    return {vars(cls)[attribute]: cls for cls in classes if attribute in vars(cls)}
