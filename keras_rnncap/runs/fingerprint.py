"""A fingerprint of the user's code that a run is made with."""

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


def fingerprint(*objects: Any) -> str:
    """Returns a hash of the user's code: of classes and functions, and of all that they are made of or call.

    It is of the source without comments, docstrings and layout; of lambdas, and where there is no source, of the
    compiled code, which depends on the version of Python.

    Args:
        *objects: Classes, functions, or instances of classes.

    Returns:
        The hash; empty where nothing is the user's.

    Example:
    >>> weak, strong = (functools.partial(dict, leak=leak) for leak in (0.1, 0.2))
    >>> fingerprint(dict), fingerprint(weak) == fingerprint(strong)
    ('', False)
    """
    seen: set[int] = set()
    parts = [part for obj in objects if not _is_known(obj) for part in _parts(obj, seen)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16] if parts else ""


def code_of(*objects: Any) -> dict[str, str]:
    """Returns the entry of the user's code in the identity of a run, if there is any such code."""
    code = fingerprint(*objects)
    return {CODE: code} if code else {}


def _parts(obj: Any, seen: set[int]) -> Iterator[str]:
    if isinstance(obj, PLAIN):
        yield _constant(obj)
        return
    if not isinstance(obj, tuple):
        if id(obj) in seen:
            return
        seen.add(id(obj))
    texts, inner = _taken_apart(obj)
    yield from texts
    for part in inner:
        yield from _parts(part, seen)


def _taken_apart(obj: Any) -> tuple[list[str], Iterable[Any]]:
    """Returns what counts of an object itself, and the objects that it is made of."""
    if isinstance(obj, tuple):
        return [], obj
    if isinstance(obj, functools.partial):
        return [], (obj.func, obj.args, *sorted(obj.keywords.items()))
    if isinstance(obj, property):
        return [], (obj.fget, obj.fset)
    if isinstance(obj, classmethod | staticmethod | types.MethodType):
        return [], (obj.__func__,)
    if hasattr(obj, "tobytes"):  # an array
        return [f"{obj.dtype} {obj.shape} {hashlib.sha256(obj.tobytes()).hexdigest()}"], ()
    if not isinstance(obj, type | types.FunctionType | types.ModuleType):
        return [], (type(obj),)
    name = obj.__name__.rpartition(".")[2]
    if _is_known(obj):
        return [name], ()
    if isinstance(obj, types.ModuleType):
        return [name, _source(obj) or ""], ()
    if isinstance(obj, types.FunctionType):
        return [name, _source(obj.__code__) or _compiled(obj.__code__)], _parts_of_function(obj)
    values = sorted(vars(obj).items())
    return [name], (obj.__bases__, *(v for v in values if v[0][:2] != "__" or isinstance(v[1], types.FunctionType)))


def _is_known(obj: Any) -> bool:
    if isinstance(obj, functools.partial):
        return False
    module = obj.__name__ if isinstance(obj, types.ModuleType) else getattr(obj, "__module__", "")
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


def _source(obj: Any) -> str | None:
    """Returns the source of a module or a function without comments, docstrings and layout."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(obj)))
    except (OSError, TypeError, SyntaxError):
        return None
    if isinstance(obj, types.CodeType) and getattr(tree.body[0], "name", "") != obj.co_name:
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
