"""A worker for tests of engines; in a module of its own, since other processes import it."""

import os
import signal
import time
from pathlib import Path
from typing import NamedTuple


def wait_for(event):
    deadline = time.monotonic() + 60
    while not event() and time.monotonic() < deadline:
        time.sleep(0.01)
    return event()


class MadePiece(NamedTuple):
    key: str
    do: str = "work"
    folder: Path = Path()


class MadeWorker:
    """Does what a piece says, and tells which process did it."""

    def begin(self, piece):
        return MadeWork(piece)


class MadeWork:
    def __init__(self, piece):
        self.piece = piece
        self.stopped = False

    def run(self):
        do, folder = self.piece.do, self.piece.folder
        if do == "fail":
            raise ValueError(f"no {self.piece.key} here")
        if do == "die" or (do == "die once" and not (folder / "died").exists()):
            (folder / "died").touch()
            with (folder / "deaths").open("a") as stream:
                stream.write("x")
            os.kill(os.getpid(), signal.SIGKILL)
        if do == "wait":
            (folder / "pid").write_text(str(os.getpid()))
            if wait_for(lambda: self.stopped):
                (folder / "stopped").touch()
        if do == "interrupt":
            wait_for((folder / "pid").exists)  # until the one beside it waits
            raise KeyboardInterrupt

    def stop(self):
        self.stopped = True

    def result(self):
        return self.piece.key, os.getpid(), self.stopped
