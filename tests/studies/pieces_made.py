"""Pieces whose search does nothing but what a test asks: another process imports them."""

import os
import signal
import sys
import time
from pathlib import Path

from keras_rnncap.studies import Piece


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


class WaitingPiece(Piece):
    """Says whether it was given the row of the piece that it waited for."""

    def check(self):
        """There is nothing to check."""

    def run(self, folder, rows, progress):
        del progress
        folder.mkdir(parents=True)
        (folder / "trials.csv").write_text("trial,elapsed_s\n0,0.1\n")
        known = rows.get(self.best_of, {}).get("piece") if self.best_of else None
        row = {"piece": self.name, **self.labels, "waited_for": known, "elapsed_s": 0.1, "best_score": 1.0}
        return row | {"objective": "accuracy", "cell": "gru", "seed": 0}
