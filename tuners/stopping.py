"""Which trials are stopped before their time."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from keras_rnncap.errors import InputError, check_integer

THIRD = {0.25: 2 / 3, 0.5: 2 / 3}
"""Looks at trials after a quarter and a half of their steps; the best third goes on, as in successive halving."""


class QuantileRule:
    """Stops trials that after a part of their steps do worse than most others did there.

    A stopped trial has no final score. What `told` returns is for the oracle: the final score that has, among trials
    that made all their steps, the rank that the stopped one has among the same at its checkpoint; below all of them, by
    how much it was behind there, as a part of the spread of all that came so far. Before any is whole, it is the share
    of all trials that it seems to be better than, by its rank at the checkpoint: no score, but all are told the same
    way, and told anew when there is one. `python -m benchmarks.stopping` compares such rules on recorded trials.

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

    def __init__(self, checkpoints: Mapping[float, float] = THIRD, least: int = 4) -> None:
        for part, quantile in checkpoints.items():
            if not (0 < part < 1 and 0 < quantile < 1):
                raise InputError(f"checkpoints must map parts in (0, 1) to quantiles in (0, 1); got {part}: {quantile}")
        self.parts = sorted(checkpoints)
        self.least = check_integer("least", least, 1)
        self._quantiles = [checkpoints[part] for part in self.parts]
        self._seen: list[list[float]] = [[] for _ in self.parts]
        self._whole: list[tuple[Sequence[float], float]] = []

    def hopeless(self, checkpoint: int, values: Sequence[float]) -> list[bool]:
        """Returns which of some trials are to be stopped at a checkpoint; of their values, more is better."""
        seen = self._seen[checkpoint]
        seen.extend(values)
        limit = np.quantile(seen, self._quantiles[checkpoint])
        return [len(seen) >= self.least and bool(value < limit) for value in values]

    def is_hopeless(self, checkpoint: int, value: float) -> bool:
        """Returns whether a trial that was stopped at a checkpoint would still be, beside all that came since."""
        return bool(value < np.quantile(self._seen[checkpoint], self._quantiles[checkpoint]))

    def complete(self, looks: Sequence[float], final: float) -> None:
        """Takes note of a trial that made all its steps: its values at the checkpoints, and at last."""
        if math.isfinite(final):
            self._whole.append((looks, final))

    def told(self, checkpoint: int, value: float) -> float:
        """Returns what the oracle is told of a trial that is stopped with a value; its rank while none is whole."""
        pairs = [
            (looks[checkpoint], final)
            for looks, final in self._whole
            if len(looks) > checkpoint and math.isfinite(looks[checkpoint])
        ]
        seen = [*filter(math.isfinite, self._seen[checkpoint])]
        if not math.isfinite(value):
            value = min(seen, default=0.0)
        if not self._whole:
            better = np.mean(np.array(seen) < value) if seen else 0.0
            return float(1 - (1 - better) * math.prod(1 - quantile for quantile in self._quantiles[:checkpoint]))
        if not pairs:
            return value
        there, finals = (np.sort(values) for values in zip(*pairs, strict=True))
        behind = max(there[0] - value, 0.0)
        # Two whole trials may be as good as equal there: the spread of these alone would be no measure.
        slope = np.ptp(finals) / np.ptp([*seen, *there]) if np.ptp(there) else 1.0
        return float(np.interp(max(value, there[0]), there, finals) - slope * behind)
