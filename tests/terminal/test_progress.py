"""An interrupt ends work, and waits while something is written."""

import os
import signal

import pytest

from keras_rnncap.terminal.progress import WorkProgress


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


def work(done, error=None, held=True):
    """Writes, is interrupted meanwhile or afterwards, and goes on."""
    with WorkProgress(10, enabled=False) as bar:
        with bar.held():
            if held:
                interrupt()
            if error:
                raise error
            done.append("written")
        if not held:
            interrupt()
        done.append("went on")


@pytest.mark.parametrize("held", [True, False])
def test_an_interrupt_waits_until_what_is_written_is_there_and_no_longer(held):
    done = []
    with pytest.raises(KeyboardInterrupt):
        work(done, held=held)
    assert done == ["written"]


def test_an_error_in_what_is_held_is_the_error_that_is_raised():
    with pytest.raises(OSError, match="full"):
        work([], OSError("full"))
