"""Rows of the training of each member of a population."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_rnncap.errors import check_integer
from keras_rnncap.population.model import Population


class MemberHistory(keras.callbacks.Callback):
    """Keeps a row for each member from time to time, in `rows`: a list of dictionaries, ready for `pandas.DataFrame`.

    A row has `slot`, `step`, `loss` (the mean since the last row), `alive` (whether the member has not diverged) and,
    with a score function, `score`. A member gets no rows after its end.

    Args:
        every: Training steps between rows; rounded up to whole calls of the compiled graph.
        score: From the population to the score of each member, shape `(members,)`.

    Example:
    >>> from keras_rnncap.population import Member, MemberBuilder
    >>> from keras_rnncap.training import TrainingSettings
    >>> build = MemberBuilder("rnn", units=4, input_dim=3, output_dim=1)
    >>> population = Population(build, [Member(TrainingSettings(steps=6), seed=seed) for seed in range(2)])
    >>> population.compile_population(keras.losses.MeanSquaredError(), steps_per_execution=1)
    >>> history = MemberHistory(every=3)
    >>> _ = population.fit(np.ones((8, 5, 3)), np.ones((8, 1)), epochs=6, verbose=0, callbacks=[history])
    >>> [(row["slot"], row["step"]) for row in history.rows]
    [(0, 3), (1, 3), (0, 6), (1, 6)]
    """

    def __init__(self, every: int = 100, score: Callable[[Population], np.ndarray] | None = None) -> None:
        super().__init__()
        self.every = check_integer("every", every, 1)
        self.score = score
        self.rows: list[dict[str, Any]] = []
        self._last: np.ndarray | None = None

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Called by Keras after each call of the compiled graph."""
        del batch, logs
        self._record(self.every)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Called by Keras at the end."""
        del logs
        self._record(1)

    def _record(self, every: int) -> None:
        population: Any = self.model
        steps, alive = population.steps_done, population.alive
        last = np.zeros_like(steps) if self._last is None else self._last
        last = np.where(steps < last, 0, last)  # a new member in the slot
        if (steps - last).max() < every:
            return
        losses = population.take_losses()
        scores = None if self.score is None else self.score(population)
        for slot in np.flatnonzero(steps > last):
            row = {"slot": int(slot), "step": int(steps[slot]), "loss": float(losses[slot]), "alive": bool(alive[slot])}
            self.rows.append(row if scores is None else row | {"score": float(scores[slot])})
        self._last = steps
