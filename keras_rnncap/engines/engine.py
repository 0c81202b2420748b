"""What an engine does for a driver, and what it asks of a worker."""

from __future__ import annotations

from typing import Any, Protocol


class Work(Protocol):
    """A piece of work that a worker has taken up."""

    def run(self) -> None:
        """Does the part that may run in a thread beside others."""

    def stop(self) -> None:
        """Ends `run`, in another thread, soon."""

    def result(self) -> Any:
        """Returns what came of it: plain values and arrays."""


class Worker(Protocol):
    """Does pieces of work. What it keeps from one to the next saves time, and nothing else."""

    def begin(self, piece: Any) -> Work:
        """Takes up a piece."""


class Engine(Protocol):
    """Brings pieces of work, plain values and arrays with a `key`, to workers; those of one key go to one worker."""

    def submit(self, piece: Any) -> None:
        """Takes a piece, to be done."""

    def completed(self) -> tuple[Any, Any]:
        """Waits for one of the pieces; returns it and what came of it. An error of a worker is raised."""

    def cancel(self) -> None:
        """Ends all work; pieces that were not done are forgotten."""
