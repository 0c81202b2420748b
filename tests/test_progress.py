"""An interrupt ends work, and waits while something is written."""

import os
import signal

import pytest

from keras_rnncap.progress import WorkProgress


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


def test_an_interrupt_ends_the_work():
    with pytest.raises(KeyboardInterrupt), WorkProgress(10, enabled=False):
        interrupt()


def test_an_interrupt_waits_while_it_is_held():
    done = []
    with pytest.raises(KeyboardInterrupt), WorkProgress(10, enabled=False) as bar:
        with bar.held():
            interrupt()
            done.append("written")
        done.append("not reached")
    assert done == ["written"]


def test_an_error_in_what_is_held_is_the_error_that_is_raised():
    with pytest.raises(OSError, match="full"), WorkProgress(10, enabled=False) as bar, bar.held():
        interrupt()
        raise OSError("full")


def test_nothing_is_held_afterwards():
    with pytest.raises(KeyboardInterrupt), WorkProgress(10, enabled=False) as bar:
        with bar.held():
            pass
        interrupt()
        pytest.fail("the interrupt was lost")
