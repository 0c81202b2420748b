"""A fingerprint of the user's code that a run is made with."""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import inspect
import sys
import textwrap
import types
from collections.abc import Iterable, Iterator
from typing import Any

from keras_rnncap.runs.folder import CODE

KNOWN = {*sys.stdlib_module_names, "keras", "keras_rnncap", "keras_tuner", "numpy", "tensorflow", "jax", "torch"}
"""Packages that count by their names alone, so that a run goes on with another version of them."""
PLAIN = (int, float, complex, str, bytes, frozenset, type(None))


def fingerprint(*things: Any) -> str:
    """Returns a hash of the user's code: of classes and functions, and of all that they are made of or call.

    It is of the source without comments, docstrings and layout; of lambdas, and where there is no source, of the
    compiled code, which depends on the version of Python.

    Args:
        *things: Classes, functions, or instances of classes.

    Returns:
        The hash; empty where nothing is the user's.

    Example:
    >>> weak, strong = (functools.partial(dict, leak=leak) for leak in (0.1, 0.2))
    >>> fingerprint(dict), fingerprint(weak) == fingerprint(strong)
    ('', False)
    """
    seen: set[int] = set()
    parts = [part for thing in things if not _is_known(thing) for part in _parts(thing, seen)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16] if parts else ""


def code_of(*things: Any) -> dict[str, str]:
    """Returns the entry of the user's code in the identity of a run, if there is any such code."""
    code = fingerprint(*things)
    return {CODE: code} if code else {}


def _parts(thing: Any, seen: set[int]) -> Iterator[str]:
    if isinstance(thing, PLAIN):
        yield _constant(thing)
        return
    if not isinstance(thing, tuple):
        if id(thing) in seen:
            return
        seen.add(id(thing))
    texts, inner = _taken_apart(thing)
    yield from texts
    for part in inner:
        yield from _parts(part, seen)


def _taken_apart(thing: Any) -> tuple[list[str], Iterable[Any]]:
    """Returns what counts of an object itself, and the objects that it is made of."""
    if isinstance(thing, tuple):
        return [], thing
    if isinstance(thing, functools.partial):
        return [], (thing.func, thing.args, *sorted(thing.keywords.items()))
    if isinstance(thing, property):
        return [], (thing.fget, thing.fset)
    if isinstance(thing, classmethod | staticmethod | types.MethodType):
        return [], (thing.__func__,)
    if hasattr(thing, "tobytes"):  # an array
        return [f"{thing.dtype} {thing.shape} {hashlib.sha256(thing.tobytes()).hexdigest()}"], ()
    if not isinstance(thing, type | types.FunctionType | types.ModuleType):
        return [], (type(thing),)
    name = thing.__name__.rpartition(".")[2]
    if _is_known(thing):
        return [name], ()
    if isinstance(thing, types.ModuleType):
        return [name, _source(thing) or ""], ()
    if isinstance(thing, types.FunctionType):
        return [name, _source(thing.__code__) or _compiled(thing.__code__)], _parts_of_function(thing)
    values = sorted(vars(thing).items())
    return [name], (thing.__bases__, *(v for v in values if v[0][:2] != "__" or isinstance(v[1], types.FunctionType)))


def _is_known(thing: Any) -> bool:
    if isinstance(thing, functools.partial):
        return False
    module = thing.__name__ if isinstance(thing, types.ModuleType) else getattr(thing, "__module__", "")
    return (module or "").partition(".")[0] in KNOWN


def _parts_of_function(function: types.FunctionType) -> Iterator[Any]:
    yield from (function.__defaults__, *sorted((function.__kwdefaults__ or {}).items()))
    for cell in function.__closure__ or ():
        with contextlib.suppress(ValueError):  # it is empty yet
            yield cell.cell_contents
    for name in sorted({*_names(function.__code__)} & {*function.__globals__}):
        yield name, function.__globals__[name]


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def _source(thing: Any) -> str | None:
    """Returns the source of a module or a function without comments, docstrings and layout."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(thing)))
    except (OSError, TypeError, SyntaxError):
        return None
    if isinstance(thing, types.CodeType) and getattr(tree.body[0], "name", "") != thing.co_name:
        return None  # the line that a lambda is in
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node, False) is not None:
            node.body[0] = ast.Pass()
    return ast.unparse(tree)


def _compiled(code: types.CodeType) -> str:
    constants = list(map(_constant, code.co_consts))
    return repr((code.co_code, code.co_names, code.co_varnames, code.co_freevars, constants))


def _constant(value: Any) -> str:
    if isinstance(value, types.CodeType):
        return _compiled(value)
    return repr(sorted(map(repr, value)) if isinstance(value, frozenset) else value)  # sets differ between processes
