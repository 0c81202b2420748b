"""Finds a task by name."""

import contextlib
import inspect
from pathlib import Path
from typing import Any

from keras_rnncap.datasets.task import Task
from keras_rnncap.errors import InputError, unknown

TASKS: dict[str, type[Task]] = {}
"""All tasks that `keras_rnncap.datasets` exports, by name."""


def get_task_class(name: str) -> type[Task]:
    """Returns the task of this name; raises `InputError` if there is none.

    Example:
    >>> get_task_class("text8").__name__
    'Text8'
    """
    if name not in TASKS:
        raise unknown("task", name, TASKS)
    return TASKS[name]


def task_arguments(name: str) -> dict[str, Any]:
    """Returns the arguments that a task takes after a colon, with their defaults; `None` where it has none.

    Example:
    >>> task_arguments("parentheses")
    {'length': 175, 'streams': 10}
    """
    parameters = inspect.signature(get_task_class(name)).parameters.values()
    return {p.name: None if p.default is p.empty else p.default for p in parameters if p.name not in ("path", "corpus")}


def task_spec(task: Task) -> str:
    """Returns how `make_task` is asked for a task.

    Example:
    >>> task_spec(make_task("parentheses:streams=4"))
    'parentheses:length=175,streams=4'
    """
    options = ",".join(f"{name}={getattr(task, name)}" for name in task_arguments(task.name))
    return f"{task.name}:{options}" if options else task.name


def make_task(spec: str, path: Path | None = None) -> Task:
    """Returns a task from its name, or from a name with arguments: `"parentheses:length=30,streams=4"`.

    Args:
        spec: The name, and after a colon arguments of the task's class.
        path: File or folder with the data, for tasks that need some. What cannot be had is an `InputError`.

    Example:
    >>> make_task("sentiment:rule=xor,length=20").data
    'sentiment (xor, length 20, seed 0)'
    """
    name, colon, rest = spec.partition(":")
    task = get_task_class(name)
    if not colon:
        return task.load(path)
    options = _options(spec, name, rest)
    if path is not None:
        if not task.needs_data:
            raise InputError(f"{name} takes no data from files; got {path}")
        options["path"] = path
    return task(**options)


def _options(spec: str, name: str, rest: str) -> dict[str, Any]:
    valid, options = task_arguments(name), {}
    if not valid:
        raise InputError(f"{name} takes no arguments; got {spec!r}")
    for part in rest.split(","):
        key, equals, value = part.partition("=")
        if not equals:
            raise InputError(f"task {spec!r} is not of the form NAME:KEY=VALUE,KEY=VALUE")
        if key not in valid:
            raise unknown(f"argument of {name}", key, valid)
        if key in options:
            raise InputError(f"task {spec!r} gives {key} twice")
        options[key] = _value(value)
    if missing := [key for key, default in valid.items() if default is None and key not in options]:
        raise InputError(f"task {spec!r} must say {missing[0]}, too: {name}:{missing[0]}=NUMBER,...")
    return options


def _value(text: str) -> bool | float | str:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    return text
