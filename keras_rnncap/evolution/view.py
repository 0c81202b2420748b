"""What is seen of a search while it runs."""

import time

from rich.live import Live
from rich.table import Table

from keras_rnncap.evolution.history import History
from keras_rnncap.evolution.rows import Ended
from keras_rnncap.evolution.rules import Rules
from keras_rnncap.terminal.progress import SUMMARY_S
from keras_rnncap.terminal.texts import PlainConsole

SHOWN = 5
"""Architectures of the list that are seen."""


class View:
    """The best so far, as a table that changes; in a pipe, lines.

    Args:
        rules: The rules of the search.
        enabled: Whether anything is shown.
    """

    def __init__(self, rules: Rules, enabled: bool) -> None:
        self._rules, self._console = rules, PlainConsole(quiet=not enabled, highlight=False, soft_wrap=True)
        self._live = Live(console=self._console, auto_refresh=False) if enabled and self._console.is_terminal else None
        self._began = self._said = time.monotonic()
        self._best = ""

    def __enter__(self) -> "View":
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._live:
            self._live.stop()

    def ended(self, history: History, ended: Ended, earlier: bool) -> None:
        """Shows a candidate that ended; one of an `earlier` process is not told again."""
        best = history.best()
        if self._live:
            self._live.update(self.table(history), refresh=True)
        if earlier:
            self._best = best[0] if best else ""
            return
        new_best = bool(best) and best[0] != self._best
        if not self._live and (new_best or time.monotonic() - self._said > SUMMARY_S):
            self._said = time.monotonic()
            self._console.print(f"{ended.candidate.number + 1:>4}  {self.summary(history)}")
        self._best = best[0] if best else ""

    def summary(self, history: History) -> str:
        """Returns how far a search is, in a line."""
        known = [known for known in history.known.values() if known.first.kind != "base"]
        passed = sum(known.passed for known in known)
        best = history.best()
        score = f"; best {best[0]} {history.score(best[0]):.3f}" if best else ""
        minutes = f"{(time.monotonic() - self._began) / 60:.0f} min"
        reached = f"{passed} past the filter, {len(history.scored)} on all tasks"
        return f"{len(known)} architectures, {reached}{score}; {minutes}"

    def table(self, history: History, count: int = SHOWN) -> Table:
        """Returns the best as a table."""
        table = Table(title=self.summary(history), title_justify="left")
        for column in ("architecture", "score", *(task.partition(":")[0] for task in history.tasks), "nodes", "from"):
            table.add_column(column, justify="left" if column in ("architecture", "from") else "right", no_wrap=True)
        for name in history.best()[:count]:
            ratios = [f"{history.ratio(name, task):.3f}" for task in history.tasks]
            first = history.known[name].first
            table.add_row(
                name, f"{history.score(name):.3f}", *ratios, str(len(first.graph.nodes)), first.parent or first.kind
            )
        return table

    def finish(self, history: History) -> None:
        """Shows how the search ended."""
        self._console.print(self.summary(history))
