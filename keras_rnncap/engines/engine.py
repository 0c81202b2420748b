"""What an engine does for a driver, what it asks of a worker, and the engine that works in this process."""

import concurrent.futures
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from keras_rnncap.population.devices import populations_at_once


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


class InlineEngine:
    """One worker in this process, which runs pieces in threads, and does all else in this thread.

    Args:
        make_worker: Returns a worker.
        threads: Pieces that run at the same time; `None` takes one for each core, or one where there is a GPU.
        renew_after: Means nothing here: this process is not replaced.
    """

    def __init__(
        self, make_worker: Callable[[], Worker], threads: int | None = None, renew_after: int | None = None
    ) -> None:
        del renew_after
        self._worker, self._threads = make_worker(), threads or populations_at_once()
        self._waiting: list[Any] = []
        self._done: list[tuple[Any, Any]] = []

    def submit(self, piece: Any) -> None:
        """Takes a piece."""
        self._waiting.append(piece)

    def completed(self) -> tuple[Any, Any]:
        """Does all pieces that were submitted, and returns the first of them and its result."""
        if not self._done:
            pieces, self._waiting = self._waiting, []
            works = [self._worker.begin(piece) for piece in pieces]
            self._run(works)
            self._done = [(piece, work.result()) for piece, work in zip(pieces, works, strict=True)]
        return self._done.pop(0)

    def _run(self, works: Sequence[Work]) -> None:
        if self._threads == 1 or len(works) == 1:
            for work in works:
                work.run()
            return
        with concurrent.futures.ThreadPoolExecutor(self._threads) as pool:
            futures = [pool.submit(work.run) for work in works]
            try:
                for future in futures:
                    future.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                for work in works:
                    work.stop()
                raise

    def cancel(self) -> None:
        """Forgets what was submitted; an interrupt has ended all threads."""
        self._waiting, self._done = [], []
