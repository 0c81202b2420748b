"""Search spaces, narrowed, fixed or extended."""

import ast
import contextlib
import difflib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras_tuner as kt
from keras_tuner.engine import hyperparameters as kinds

from keras_rnncap.cells import CellFactory, same_cell
from keras_rnncap.errors import InputError


def edit_space(space: kt.HyperParameters, changes: Mapping[str, Any]) -> kt.HyperParameters:
    """Returns a search space with other ranges.

    Args:
        space: The space; it stays as it is.
        changes: For the name of a hyperparameter a value, which fixes it; a pair `(low, high)`, the new range of a
            number, inside or beyond the old one; a list of values to choose from; or a text as `--set` takes it.

    Raises:
        InputError: If there is no such hyperparameter, or it cannot have such values.

    Example:
    >>> hp = kt.HyperParameters()
    >>> _ = hp.Float("rate", 1e-4, 1e-1, sampling="log"), hp.Choice("optimizer", ["sgd", "adam"])
    >>> edited = edit_space(hp, {"rate": "1e-3..1", "optimizer": "adam"})
    >>> [(hp.name, hp.get_config().get("max_value")) for hp in edited.space], edited.get("optimizer")
    ([('rate', 1.0), ('optimizer', None)], 'adam')
    """
    names = list(dict.fromkeys(hp.name for hp in space.space))
    for name in changes:
        if name not in names:
            close = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {close[0]!r}? There are" if close else "there are"
            raise InputError(f"no hyperparameter {name!r} in this space: {hint} {', '.join(names)}")
    edited = kt.HyperParameters()
    edited.merge([_changed(hp, changes[hp.name]) if hp.name in changes else hp for hp in space.space])
    return edited


def around(space: kt.HyperParameters, values: Mapping[str, Any], part: float) -> dict[str, tuple[float, float]]:
    """Returns changes that narrow a space to the neighborhood of a point: each real number's range to what is near.

    Args:
        space: The space.
        values: The point.
        part: How far a number may be from it, in (0, 1), as a part of its range; of a range of logarithms where these
            are searched.

    Example:
    >>> hp = kt.HyperParameters()
    >>> _ = hp.Float("rate", 1e-4, 1.0, sampling="log"), hp.Float("bias", 0.0, 4.0), hp.Boolean("peepholes")
    >>> near = around(hp, {"rate": 1e-2, "bias": 0.5, "peepholes": True}, 1 / 4)
    >>> {name: [round(bound, 4) for bound in bounds] for name, bounds in near.items()}
    {'rate': [0.001, 0.1], 'bias': [0.0, 1.5]}
    """
    changes = {}
    for hp in space.space:
        if isinstance(hp, kinds.Float):
            place = hp.value_to_prob(values[hp.name])
            low, high = (hp.prob_to_value(min(max(place + step, 0.0), 1.0)) for step in (-part, part))
            changes[hp.name] = (low, high)
    return changes


def parse_changes(settings: Sequence[str]) -> dict[str, str]:
    """Returns `{name: change}` for texts `name=change`, as `--set` takes them.

    Raises:
        InputError: If a text is not of that form, or a name comes twice.

    Example:
    >>> parse_changes(["learning_rate=1e-3..1e-1", "optimizer=adam,sgd"])
    {'learning_rate': '1e-3..1e-1', 'optimizer': 'adam,sgd'}
    """
    changes: dict[str, str] = {}
    for setting in settings:
        name, equals, change = setting.partition("=")
        if not (equals and name and change):
            raise InputError(f"--set takes NAME=VALUE, NAME=LOW..HIGH or NAME=VALUE,VALUE; got {setting!r}")
        if name in changes:
            raise InputError(f"--set names {name} twice: {changes[name]!r} and {change!r}")
        changes[name] = change
    return changes


def in_words(change: Any) -> str:
    """Returns a change as a text, the same for all that mean the same; also for what `str` made of a change.

    Example:
    >>> in_words((0, 3)), in_words("0..3.0"), in_words("(0, 3)"), in_words(["adam", "sgd"]), in_words("Adam,sgd")
    ('0.0..3.0', '0.0..3.0', '0.0..3.0', 'adam,sgd', 'adam,sgd')
    """
    if isinstance(change, str) and change[:1] in ("(", "["):
        with contextlib.suppress(ValueError, SyntaxError):
            return in_words(ast.literal_eval(change))
    if isinstance(change := _split(change), list | tuple):
        return (".." if isinstance(change, tuple) else ",").join(map(_word, change))
    return _word(change)


def as_today(cell: str | CellFactory, identity: dict[str, Any]) -> dict[str, Any]:
    """Returns the identity of a run of a cell, perhaps of an earlier version, as this version writes it."""
    today = identity | {"cell": same_cell(identity.get("cell"), cell)}
    if isinstance(changes := identity.get("set"), dict):
        today["set"] = {name: in_words(change) for name, change in changes.items()}
    return today


def _split(change: Any) -> Any:
    """Returns a text of a range as a pair, one of several values as a list, and other changes as they are."""
    if isinstance(change, str) and ".." in change:
        return tuple(change.split("..", 1))
    return change.split(",") if isinstance(change, str) and "," in change else change


def _word(value: Any) -> str:
    text = str(value).lower()
    with contextlib.suppress(ValueError):
        return str(float(text))
    return text


def _changed(hp: Any, change: Any) -> Any:
    change = _split(change)
    if isinstance(change, tuple) and len(change) == 2:
        return _in_range(hp, *change)
    choices = [_read(hp, value) for value in change] if isinstance(change, list) else [_read(hp, change)]
    if not choices:
        raise InputError(f"{hp.name} needs at least one value; got none")
    options = {"name": hp.name, "conditions": hp.conditions}
    if len(choices) == 1:
        return kinds.Fixed(value=choices[0], **options)
    default = hp.default if hp.default in choices else choices[0]
    ordered = not isinstance(hp, kinds.Boolean) and getattr(hp, "ordered", True) and not isinstance(choices[0], str)
    return kinds.Choice(values=choices, ordered=ordered, default=default, **options)


def _in_range(hp: Any, low: Any, high: Any) -> Any:
    if not isinstance(hp, kinds.Float | kinds.Int):
        raise InputError(f"{hp.name} has no range; it is one of {', '.join(map(str, hp.values))}")
    low, high = _read(hp, low), _read(hp, high)
    if not low < high:
        raise InputError(f"{hp.name}={low}..{high}: the first must be below the second")
    if hp.sampling in ("log", "reverse_log") and low <= 0:
        raise InputError(f"{hp.name}={low}..{high}: it is drawn on a logarithmic scale, so it must be above 0")
    changed = {"min_value": low, "max_value": high, "default": min(max(hp.default, low), high)}
    return type(hp).from_config(hp.get_config() | changed)


def _read(hp: Any, value: Any) -> Any:
    """Returns a value of a hyperparameter's own type, perhaps from a text."""
    if isinstance(hp, kinds.Float | kinds.Int):
        whole = isinstance(hp, kinds.Int)
        try:
            number = float(value)
            if not math.isfinite(number) or (whole and number != int(number)):
                raise ValueError
        except (TypeError, ValueError):
            wanted = "an integer" if whole else "a number"
            raise InputError(f"{hp.name} must be {wanted}; got {value!r}") from None
        if hp.sampling == "log" and not whole and number <= 0:
            raise InputError(f"{hp.name} must be above 0; got {value!r}")
        return int(number) if whole else number
    for allowed in hp.values:
        if value == allowed or str(value).lower() == str(allowed).lower():
            return allowed
    kind = type(hp.values[0])
    if kind in (int, float):  # a list of numbers grows
        with contextlib.suppress(TypeError, ValueError):
            return kind(value)
    raise InputError(f"{hp.name} must be one of {', '.join(map(str, hp.values))}; got {value!r}")
