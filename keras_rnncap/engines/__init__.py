"""Where workers run: here, or in processes of their own."""

from __future__ import annotations

from collections.abc import Callable

from keras_rnncap.engines.engine import Engine, Worker
from keras_rnncap.engines.inline import InlineEngine
from keras_rnncap.engines.processes import ProcessEngine
from keras_rnncap.errors import check_integer, unknown

__all__ = ["Engine", "InlineEngine", "ProcessEngine", "Worker", "make_engine"]

ENGINES: dict[str, Callable[..., Engine]] = {"inline": InlineEngine, "processes": ProcessEngine}


def make_engine(name: str, make_worker: Callable[[], Worker]) -> Engine:
    """Returns the engine of this name.

    Args:
        name: `"inline"` or `"processes"`; with a number, as in `"processes:2"`, so many pieces are done at the same
            time, otherwise one on each core, or one at a time where there is a GPU.
        make_worker: Returns a worker.

    Raises:
        InputError: If there is no such engine, or it cannot send `make_worker` to its workers.
    """
    kind, colon, count = name.partition(":")
    if kind not in ENGINES:
        raise unknown("engine", kind, ENGINES)
    number = int(count) if count.isdecimal() else count
    return ENGINES[kind](make_worker, check_integer(f"the number in engine={name!r}", number, 1) if colon else None)
