"""The errors, and checks of arguments that raise them."""

import difflib
import math
from collections.abc import Iterable
from numbers import Integral, Real

MOST = 10**15
"""No number of anything may be larger."""


class InputError(ValueError):
    """An argument, file or folder that cannot be used; the message says which, what it is and what is allowed."""


class WorkError(RuntimeError):
    """Work that could not go on, for a reason that is not in what was asked for; the message says how to continue."""


def unknown(kind: str, name: str, valid: Iterable[str], more: str = "") -> InputError:
    """Returns the error for an unknown name: the valid ones, and the nearest of them first.

    Example:
    >>> print(unknown("cell", "ugrn", ["rnn", "ugrnn"]))
    unknown cell 'ugrn': did you mean 'ugrnn'? The cells are rnn, ugrnn
    """
    names = list(valid)
    near = difflib.get_close_matches(str(name).lower(), names, n=1)
    question = f" did you mean {near[0]!r}?" if near else ""
    head, space, rest = kind.partition(" ")
    several = f"{head}es" if head.endswith("s") else f"{head}s"
    return InputError(f"unknown {kind} {name!r}:{question} The {several}{space}{rest} are {', '.join(names)}{more}")


def check_integer(name: str, value: object, minimum: int, maximum: int = MOST) -> int:
    """Returns `value` as an int; raises `InputError` if it is none, below `minimum` or above `maximum`."""
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < minimum:
        raise InputError(f"{name} must be an integer of at least {minimum}; got {value!r}")
    if int(value) > maximum:
        raise InputError(f"{name} must be at most {maximum:,}; got {int(value):,}")
    return int(value)


def check_seed(value: object, name: str = "seed") -> int:
    """Returns `value` as an int; raises `InputError` unless NumPy, TensorFlow and Keras all take it as a seed."""
    return check_integer(name, value, 0, 2**32 - 1)


def check_flag(name: str, value: object) -> bool:
    """Returns `value`; raises `InputError` unless it is true or false."""
    if not isinstance(value, bool):
        raise InputError(f"{name} must be true or false; got {value!r}")
    return value


def check_number(name: str, value: object, low: float, high: float = math.inf) -> float:
    """Returns `value` as a float; raises `InputError` unless it is a finite number in [low, high]."""
    number = float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
    if not math.isfinite(number) or not low <= number <= high:
        limits = f"of at least {low}" if math.isinf(high) else f"in [{low}, {high}]"
        raise InputError(f"{name} must be a finite number {limits}; got {value!r}")
    return number
