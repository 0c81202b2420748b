"""Finds a task by name."""

from __future__ import annotations

from keras_rnncap.datasets.characters import CharacterModelling
from keras_rnncap.datasets.perceptron import PerceptronCapacity
from keras_rnncap.datasets.python_docs import PythonDocs
from keras_rnncap.datasets.task import Task
from keras_rnncap.datasets.text8 import Text8

from keras_rnncap.errors import unknown

TEXTS: dict[str, type[CharacterModelling]] = {task.name: task for task in (Text8, PythonDocs)}
"""The tasks on texts, by name."""

TASKS: dict[str, type[Task]] = {PerceptronCapacity.name: PerceptronCapacity, **TEXTS}
"""All tasks, by name."""


def get_text_class(name: str) -> type[CharacterModelling]:
    """Returns the text task of this name.

    Raises:
        InputError: If there is none.

    Example:
    >>> get_text_class("text8").__name__
    'Text8'
    """
    if name not in TEXTS:
        raise unknown("text task", name, TEXTS)
    return TEXTS[name]
