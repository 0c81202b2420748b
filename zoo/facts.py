"""What is known of a preset: `metadata.json`, and what its card says."""

from __future__ import annotations

import dataclasses
from typing import Any

from matplotlib.figure import Figure

from keras_rnncap.analysis.style import cell_color, new_figure, plain


@dataclasses.dataclass(frozen=True)
class PresetFacts:
    """What is known of a preset. Only the first two are needed for a model of one's own.

    Attributes:
        name: `CELL-TASK-SIZE`, in small letters, digits and hyphens.
        task: The task, as `make_task` takes it, or what else the model is for.
        version: From 1; what is published under a version does not change.
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
