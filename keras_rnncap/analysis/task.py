"""A picture of a task: one sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from keras_rnncap.analysis.style import new_figure, plain
from keras_rnncap.datasets import Task

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_sample(task: Task, seed: int = 0) -> Figure:
    """Returns a picture of a sample: its inputs over time, and what is wanted.

    Args:
        task: The task.
        seed: Seed of the sample.
    """
    inputs, targets, *weights = next(task.batches(1, seed))
    targets = np.asarray(targets[0])
    figure, (above, below) = new_figure(2, width=7.0)
    above.imshow(inputs[0].T, aspect="auto", interpolation="nearest", cmap="viridis", origin="lower")
    above.set_xlabel("time step")
    above.set_ylabel("input")
    above.set_title(plain(task.data), fontsize="medium")
    if task.return_sequences and targets.ndim == 2:
        below.imshow(targets.T, aspect="auto", interpolation="nearest", cmap="viridis", origin="lower")
        below.set_xlabel("time step")
        below.set_ylabel("output")
    elif task.return_sequences:
        scored = weights[0][0] > 0 if weights else np.ones(len(targets), bool)
        below.plot(np.flatnonzero(scored), targets[scored], "o", color="black", markersize=4)
        below.set_xlim(above.get_xlim())
        below.set_xlabel("time step")
        below.set_ylabel("class wanted")
    else:
        below.bar(np.arange(targets.size), targets.ravel(), color="black")
        below.set_xlabel("output")
        below.set_ylabel("wanted after the last step")
    return figure
