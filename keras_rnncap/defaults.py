"""Defaults of the command line and of Python, and the folders of their runs."""

import contextlib
import re
from pathlib import Path
from typing import Any, ClassVar

SEED = 0
ENGINE = "inline"
"""Where trials train."""


class Capacity:
    """Of a measurement of what a cell stores."""

    params, depth, length, space, minutes, steps = 300, 1, 5, "row-soap", 3.0, 100_000
    batch_size: ClassVar = {"row-soap": 256, "collins": 128}
    """For each space."""


class Sweep:
    """Of a search for hyperparameters."""

    params, depth, batch_size = 300, 1, 64
    oracle, space, profile = "gp", "collins", "laptop"


class Train:
    """Of a training; from `steps` on, of its settings."""

    params, depth, batch_size = 20_000, 1, 64
    steps, optimizer, learning_rate, learning_rate_decay = 10_000, "adam", 5e-3, 1e-2
    momentum, clip_norm, l2, loss_saturation = 0.9, 1.0, 0.0, 0.0


class Probe:
    """Of a probe of each cell before a recommendation."""

    depth, trials, steps = 1, 12, 500


def params_for(task: Any, params: int | None, usual: int) -> int:
    """Returns the budget that is asked for, else the usual one, or the task's where that is larger."""
    return max(usual, task.usual_params) if params is None else params


def run_folder(command: str, *names: object) -> Path:
    """Returns the folder of a run that was given none.

    Example:
    >>> run_folder("sweep", "memory", "my_cells:Mine", "300x1", "gp", "seed0").as_posix()
    'runs/sweep-memory-my_cells.Mine-300x1-gp-seed0'
    """
    return Path("runs") / in_file_names("-".join(map(str, (command, *names))))


def in_file_names(text: str) -> str:
    """Returns a text, such as the name of a cell, as names of files and folders can have it.

    Example:
    >>> in_file_names("graph:found/best.json")
    'graph.found.best.json'
    """
    return re.sub(r"[:/\\]", ".", text)


def task_words(task: Any) -> str:
    """Returns a task as the name of a folder has it: its name, or its data where they are not the usual ones.

    Example:
    >>> from keras_rnncap.datasets import make_task
    >>> task_words(make_task("parentheses")), task_words(make_task("parentheses:length=30,streams=4"))
    ('parentheses', 'parentheses-4-streams-of-30')
    """
    usual = task.data
    if usual != task.name:
        with contextlib.suppress(Exception):  # data that are not there have no size; a user's task may raise others
            usual = type(task).described().data
    return str(task.name) if task.data == usual else re.sub(r"[^A-Za-z0-9.]+", "-", task.data).strip("-")
