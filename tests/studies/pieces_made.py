"""Pieces whose search does nothing but what a test asks: another process imports them."""

import os
import signal
import sys
import time
from pathlib import Path


class SlowPiece:
    """Waits until it is interrupted, for at most 60 s."""

    name = "slow"

    def run(self, folder, *_):
        (Path(folder) / "pid").write_text(str(os.getpid()))
        try:
            time.sleep(60)
        except KeyboardInterrupt:
            (Path(folder) / "kept").touch()
            raise


class DeafPiece:
    """Does not hear the first interrupt; waits for at most 60 s."""

    name = "deaf"

    def run(self, folder, *_):
        signal.signal(signal.SIGINT, lambda *_: signal.signal(signal.SIGINT, signal.default_int_handler))
        (Path(folder) / "pid").write_text(str(os.getpid()))
        try:
            time.sleep(60)
        except KeyboardInterrupt:
            (Path(folder) / "heard").touch()
            raise


class OwnProcess:
    """Tells the process that it ran in."""

    name = "own"

    def run(self, folder, rows, progress):
        return {"pid": os.getpid(), "folder": folder, "rows": rows, "progress": progress}


class BadPiece:
    """Raises an error."""

    name = "bad"

    def run(self, folder, *_):
        raise ValueError(f"cannot use {folder}")


class KilledPiece:
    """Is killed."""

    name = "killed"

    def run(self, *_):
        print("no memory", file=sys.stderr, flush=True)
        os.kill(os.getpid(), 9)
