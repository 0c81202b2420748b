"""Finds a task by name."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import Any

from keras_rnncap.datasets.arithmetic import Arithmetic
from keras_rnncap.datasets.distractor_arithmetic import DistractorArithmetic
from keras_rnncap.datasets.memorization import Memorization
from keras_rnncap.datasets.memory import MemoryCapacity
from keras_rnncap.datasets.parentheses import ParenthesesCounting
from keras_rnncap.datasets.penn_treebank import PennTreebank
from keras_rnncap.datasets.perceptron import PerceptronCapacity
from keras_rnncap.datasets.polyphonic_music import PolyphonicMusic
from keras_rnncap.datasets.python_docs import PythonDocs
from keras_rnncap.datasets.random_function import RandomContinuousFunction
from keras_rnncap.datasets.sentiment import SentimentSequences
from keras_rnncap.datasets.task import Task
from keras_rnncap.datasets.text8 import Text8
from keras_rnncap.datasets.xml_modelling import XMLModelling

from keras_rnncap.errors import InputError, unknown

TASKS: dict[str, type[Task]] = {
    task.name: task
    for task in (
        PerceptronCapacity,
        MemoryCapacity,
        RandomContinuousFunction,
        Text8,
        ParenthesesCounting,
        Arithmetic,
        DistractorArithmetic,
        XMLModelling,
        PennTreebank,
        PolyphonicMusic,
        Memorization,
        SentimentSequences,
        PythonDocs,
    )
}
"""All tasks, by name: those of Collins et al., Jozefowicz et al. and Mehta in the order of their papers, and ours."""


def get_task_class(name: str) -> type[Task]:
    """Returns the task of this name.

    Raises:
        InputError: If there is none.

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
    return {
        one.name: None if one.default is inspect.Parameter.empty else one.default
        for one in parameters
        if one.name not in ("path", "corpus")
    }


def make_task(spec: str, path: Path | None = None) -> Task:
    """Returns a task from its name, or from a name with arguments: `"parentheses:length=30,streams=4"`.

    Args:
        spec: The name, and after a colon arguments of the task's class.
        path: File or folder with the data, for tasks that need some.

    Raises:
        InputError: If there is no such task or argument, or the data cannot be had.

    Example:
    >>> make_task("sentiment:rule=xor,length=20").data
    'sentiment (xor, length 20, seed 0)'
    """
    name, _, rest = spec.partition(":")
    task = get_task_class(name)
    if not rest:
        return task.load(path)
    valid = task_arguments(name)
    options: dict[str, Any] = {}
    for part in rest.split(","):
        key, equals, value = part.partition("=")
        if not equals:
            raise InputError(f"task {spec!r} is not of the form NAME:KEY=VALUE,KEY=VALUE")
        if key not in valid:
            raise unknown(f"argument of {name}", key, valid)
        try:
            options[key] = ast.literal_eval({"true": "True", "false": "False"}.get(value, value))
        except (ValueError, SyntaxError):
            options[key] = value
    if path is not None:
        if not task.needs_data:
            raise InputError(f"{name} takes no data from files; got {path}")
        options["path"] = path
    try:
        return task(**options)
    except TypeError as error:  # an argument without a default is missing
        raise InputError(f"task {spec!r}: {error}") from error
