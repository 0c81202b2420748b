"""The card of a preset: everything that is known of it, as Markdown."""

from __future__ import annotations

import inspect
import textwrap
from typing import Any

import jinja2
import keras
import numpy as np

from keras_rnncap.budget import count_parameters
from keras_rnncap.cells import CELLS, get_cell
from keras_rnncap.datasets import TASKS
from keras_rnncap.zoo.facts import PresetFacts

PICTURE = "learning_curve.png"


def render_card(facts: PresetFacts, model: keras.Model, steps: bool | None = True) -> str:
    """Returns the card of a model, as Markdown for hubs.

    Args:
        facts: What the model is.
        model: The model.
        steps: Whether the SavedModel beside the card has single steps; `None` where there is no SavedModel.

    Example:
    >>> from keras_rnncap import sequence_model
    >>> model = sequence_model("gru", 4, input_dim=3, output_dim=2)
    >>> print(render_card(PresetFacts(name="gru-mine-tiny", task="mine"), model).splitlines()[-1])
    Sizes other than the task's, and data of another kind, have not been tried.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("keras_rnncap.zoo", "."),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # it is Markdown
    )
    environment.filters["number"] = _number
    breakdown = count_parameters(model)
    task = TASKS.get(facts.task.partition(":")[0])
    return environment.get_template("card.md.j2").render(
        facts=facts,
        equation=_equation(facts.cell),
        breakdown=breakdown,
        total=int(breakdown["total"].sum()),
        task_source=task.source if task else "",
        shape=list(model.input_shape),
        input_dim=model.input_shape[-1],
        steps=steps,
        perceptron=facts.task.startswith("perceptron"),
        picture=PICTURE if facts.curve else "",
    )


def _equation(cell: str) -> str:
    """Returns the equations of a cell, as its docstring has them."""
    if cell not in CELLS:
        return ""
    blocks = inspect.cleandoc(get_cell(cell).__doc__ or "").split("\n\n")
    return textwrap.dedent(next((block for block in blocks if block.startswith("    ")), "")).rstrip()


def _number(value: Any) -> str:
    """Returns a number as people write it, and anything else as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
