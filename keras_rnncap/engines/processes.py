"""Work in processes of their own on this machine."""

import collections
import io
import pickle
import types
from collections.abc import Callable, Hashable
from multiprocessing.connection import wait
from typing import Any

import keras

from keras_rnncap.engines.child import Child, ChildDiedError
from keras_rnncap.engines.engine import Worker
from keras_rnncap.errors import InputError
from keras_rnncap.population.devices import cores, populations_at_once

TRIES = 3
"""How often a piece is done again whose process died."""


class ProcessEngine:
    """A worker in each of several fresh processes.

    Args:
        make_worker: Returns a worker; it is pickled.
        workers: Processes; `None` takes one for each core, or one where there is a GPU.
        renew_after: Pieces after which a process is replaced by a new one; `None` keeps them.
    """

    def __init__(
        self, make_worker: Callable[[], Worker], workers: int | None = None, renew_after: int | None = None
    ) -> None:
        self._renew_after = renew_after
        self._count = workers or populations_at_once()
        self._answer = _Answer(make_worker, max(1, cores() // self._count))
        self._waiting: list[Any] = []
        self._children: list[Child] = []
        self._at: dict[Child, Any] = {}
        self._homes: dict[Hashable, Child] = {}
        self._deaths: collections.Counter[Hashable] = collections.Counter()
        self._did: collections.Counter[Child] = collections.Counter()

    def submit(self, piece: Any) -> None:
        """Takes a piece."""
        self._waiting.append(piece)

    def completed(self) -> tuple[Any, Any]:
        """Waits for the next piece; one whose process died is done again, up to `TRIES` times."""
        while True:
            self._children += [Child("a worker", self._answer) for _ in range(self._count - len(self._children))]
            for child in self._children:
                if child not in self._at and (piece := self._next_for(child)) is not None:
                    self._at[child], self._homes[piece.key] = piece, child
                    child.send(piece)
            ready = wait([child.connection for child in self._at])
            child = next(child for child in self._at if child.connection in ready)
            piece = self._at.pop(child)
            try:
                result = child.receive()
            except ChildDiedError:
                self._children.remove(child)
                self._deaths[piece.key] += 1
                if self._deaths[piece.key] > TRIES:
                    raise
                self._waiting.insert(0, piece)
                continue
            self._deaths[piece.key] = 0
            self._did[child] += 1
            if self._did[child] == self._renew_after:
                self._children.remove(child)
                child.end()
            return piece, result

    def _next_for(self, child: Child) -> Any:
        """Takes a piece for a child that is free: of its own, of nobody's, or of one that has others waiting."""
        homes = [self._homes.get(piece.key) for piece in self._waiting]
        places = [place for place, home in enumerate(homes) if home is child]
        places += [place for place, home in enumerate(homes) if home not in self._children]
        places += [place for place, home in enumerate(homes) if homes.count(home) > 1 and home in self._at][-1:]
        return self._waiting.pop(places[0]) if places else None

    def cancel(self) -> None:
        """Ends all processes at once: what they were doing is forgotten."""
        for child in self._children:
            child.end(kill=True)
        self._waiting, self._children, self._at = [], [], {}


class _Answer:
    """Does pieces in a process, with a worker that is made there, and so many threads."""

    def __init__(self, make_worker: Callable[[], Worker], threads: int) -> None:
        self._make_worker, self._threads = make_worker, threads
        self._worker: Worker | None = None

    def __call__(self, piece: Any) -> Any:
        if self._worker is None:
            if keras.backend.backend() == "tensorflow":  # before its first operation
                import tensorflow as tf

                tf.config.threading.set_intra_op_parallelism_threads(self._threads)
                tf.config.threading.set_inter_op_parallelism_threads(self._threads)
            self._worker = self._make_worker()
        work = self._worker.begin(piece)
        work.run()
        return work.result()


class _Checker(pickle.Pickler):
    """Refuses classes and functions that another process does not find."""

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, type | types.FunctionType) and value.__module__ == "__main__":
            raise pickle.PicklingError(f"{value.__qualname__} is defined in __main__")
        return NotImplemented


def check_sendable(value: Any) -> None:
    """Raises `InputError` if something cannot be sent to another process, as a lambda or a class of `__main__`."""
    try:
        _Checker(io.BytesIO()).dump(value)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise InputError(
            f"engine='processes' cannot send the cell or task to its processes ({error}); define it in a module, and "
            "give it as module:Class or import it from there; or take engine='inline'"
        ) from error
