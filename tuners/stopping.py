"""Which trials are stopped before their time."""

from collections.abc import Mapping, Sequence

import numpy as np

from keras_rnncap.errors import InputError, check_integer

MEDIAN = {0.25: 0.5, 0.5: 0.5}
"""Looks at trials after a quarter and a half of their steps, and stops the worse half."""


class QuantileRule:
    """Stops trials that after a part of their steps do worse than most others did there.

    With the quantile 0.5, the default, this is the median rule of Golovin et al. (2017).

    Args:
        checkpoints: For parts of the training steps, in (0, 1), the quantile of all trials that came so far, in (0, 1),
            below which one is stopped.
        least: Trials that must have come so far before one is stopped.

    Raises:
        InputError: If a part or a quantile is out of range.

    Example:
    >>> rule = QuantileRule({0.5: 0.5}, least=3)
    >>> rule.hopeless(0, [1.0, 2.0, 3.0]), rule.hopeless(0, [1.5])
    ([True, False, False], [True])
    """

    def __init__(self, checkpoints: Mapping[float, float] = MEDIAN, least: int = 8) -> None:
        for part, quantile in checkpoints.items():
            if not (0 < part < 1 and 0 < quantile < 1):
                raise InputError(f"checkpoints must map parts in (0, 1) to quantiles in (0, 1); got {part}: {quantile}")
        self.parts = sorted(checkpoints)
        self.least = check_integer("least", least, 1)
        self._quantiles = [checkpoints[part] for part in self.parts]
        self._seen: list[list[float]] = [[] for _ in self.parts]

    def hopeless(self, checkpoint: int, values: Sequence[float]) -> list[bool]:
        """Returns which of some trials are to be stopped at a checkpoint; of their values, more is better."""
        seen = self._seen[checkpoint]
        seen.extend(values)
        limit = np.quantile(seen, self._quantiles[checkpoint])
        return [len(seen) >= self.least and bool(value < limit) for value in values]
