"""What is known of a preset: `metadata.json`, and its card."""

import dataclasses
import inspect
import textwrap
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import jinja2
import keras
import numpy as np
from matplotlib.figure import Figure

from keras_rnncap.analysis.style import cell_color, new_figure, plain
from keras_rnncap.budget import count_parameters
from keras_rnncap.cells import CELLS, get_cell
from keras_rnncap.datasets import TASKS

PICTURE = "learning_curve.png"


@dataclasses.dataclass(frozen=True)
class PresetFacts:
    """What is known of a preset.

    Attributes:
        name: `CELL-TASK-SIZE`, in small letters, digits and hyphens.
        task: The task, as `make_task` takes it, or what else the model is for.
        version: From 1.
        cell: The cell's name.
        depth: Number of recurrent layers.
        units: Units of each.
        parameters: Trainable parameters.
        data: What the data are.
        origin: Where the data come from, and under which licence.
        score: On data that the model has not seen (for perceptron capacity: on what it has stored).
        interval: 95% confidence interval of the score, `None` where it is of a fixed set as a whole.
        score_name: Name of the score, with its unit.
        score_direction: Whether more (`"max"`) or less (`"min"`) is better.
        chance_score: Of a model that knows nothing.
        perfect_score: The best score there could be, or a bound on it.
        paper: What the paper reports, in words.
        hyperparameters: Those of the training.
        training: Arguments of the search or training that made it, for `rnncap zoo train`.
        cost: What was spent, by name.
        curve: Rows of the learning curve: training step and loss.
        loss: The training loss, as `keras.losses.serialize` gives it.
        versions: Of Python and the packages that matter.
    """

    name: str
    task: str
    version: int = 1
    cell: str = ""
    depth: int = 1
    units: int = 0
    parameters: int = 0
    data: str = ""
    origin: str = ""
    score: float | None = None
    interval: tuple[float, float] | None = None
    score_name: str = ""
    score_direction: str = "max"
    chance_score: float | None = None
    perfect_score: float | None = None
    paper: str = ""
    hyperparameters: dict[str, Any] = dataclasses.field(default_factory=dict)
    training: dict[str, Any] = dataclasses.field(default_factory=dict)
    cost: dict[str, Any] = dataclasses.field(default_factory=dict)
    curve: list[tuple[int, float]] = dataclasses.field(default_factory=list)
    loss: dict[str, Any] | None = None
    versions: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def handle(self) -> str:
        """Name and version: `ugrnn-memory-9k@v1`."""
        return f"{self.name}@v{self.version}"

    def learning_curve(self) -> Figure | None:
        """Draws the training loss against steps; `None` where no curve is known."""
        if not self.curve:
            return None
        steps, losses = zip(*self.curve, strict=True)
        figure, (axes,) = new_figure(1, width=6.0)
        axes.plot(steps, losses, color=cell_color(self.cell))
        axes.set(xlabel="training steps", ylabel="training loss", xlim=(0, None))
        if min(losses) > 0:
            axes.set_yscale("log")
        axes.set_title(plain(self.handle), fontsize="medium")
        return figure


def render_card(
    facts: PresetFacts,
    model: keras.Model,
    steps: bool | None = True,
    pictures: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Returns the card of a model, as Markdown for hubs.

    `steps` is whether the SavedModel beside the card has single steps, and `None` where there is no SavedModel.
    `pictures` are further ones, files by their captions.

    Example:
    >>> from keras_rnncap import sequence_model
    >>> model = sequence_model("gru", 4, input_dim=3, output_dim=2)
    >>> print(render_card(PresetFacts(name="gru-mine-tiny", task="mine"), model).splitlines()[-1])
    How it does with sequences of other lengths, or data of another kind, is not on this card.
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
        steps=steps,
        perceptron=facts.task.startswith("perceptron"),
        pictures={**({"training loss against steps": PICTURE} if facts.curve else {}), **pictures},
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
