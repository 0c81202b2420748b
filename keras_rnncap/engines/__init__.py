"""Where workers run: in this process, or in processes of their own."""

from collections.abc import Callable
from typing import Any

from keras_rnncap.engines.engine import Engine as Engine, InlineEngine as InlineEngine, Worker as Worker
from keras_rnncap.engines.processes import ProcessEngine as ProcessEngine, check_sendable as check_sendable
from keras_rnncap.errors import check_integer, unknown

ENGINES: dict[str, Callable[..., Engine]] = {"inline": InlineEngine, "processes": ProcessEngine}


def make_engine(name: str, make_worker: Callable[[], Worker], renew_after: int | None = None) -> Engine:
    """Returns the engine of this name.

    Args:
        name: `"inline"` or `"processes"`; with a number, as in `"processes:2"`, so many pieces are done at the same
            time, otherwise one on each core, or one at a time where there is a GPU.
        make_worker: Returns a worker.
        renew_after: Pieces after which a process is replaced by a new one; `None` keeps them.

    Raises:
        InputError: If there is no such engine, or it cannot send `make_worker` to its workers.
    """
    kind, count = check_engine(name, make_worker)
    return ENGINES[kind](make_worker, count, renew_after)


def check_engine(name: str, sent: Any = None) -> tuple[str, int | None]:
    """Returns the parts of an engine's name; raises `InputError` if there is none, or `sent` cannot be sent to it."""
    kind, colon, count = name.partition(":")
    if kind not in ENGINES:
        raise unknown("engine", kind, ENGINES)
    if kind == "processes":
        check_sendable(sent)
    number = int(count) if count.isdecimal() else count
    return kind, check_integer(f"the number in engine={name!r}", number, 1) if colon else None
