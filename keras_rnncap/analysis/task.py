"""A picture of a task: one sample."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from keras_rnncap.analysis.style import new_figure, plain
from keras_rnncap.datasets import Task


def plot_sample(task: Task, seed: int = 0) -> Figure:
    """Returns a picture of a sample: its inputs over time, and what is wanted."""
    inputs, targets, *weights = next(task.batches(1, seed))
    targets = np.asarray(targets[0])
    figure, (above, below) = new_figure(2, width=7.0)
    image: dict[str, Any] = {"aspect": "auto", "interpolation": "nearest", "cmap": "viridis", "origin": "lower"}
    above.imshow(inputs[0].T, **image)
    above.set(xlabel="time step", ylabel="input")
    above.set_title(plain(task.data), fontsize="medium")
    if task.return_sequences and targets.ndim == 2:
        below.imshow(targets.T, **image)
        below.set(xlabel="time step", ylabel="output")
    elif task.return_sequences:
        scored = weights[0][0] > 0 if weights else np.ones(len(targets), bool)
        below.plot(np.flatnonzero(scored), targets[scored], "o", color="black", markersize=4)
        below.set(xlabel="time step", ylabel="class wanted", xlim=above.get_xlim())
    else:
        below.bar(np.arange(targets.size), targets.ravel(), color="black")
        below.set(xlabel="output", ylabel="wanted after the last step")
    return figure
