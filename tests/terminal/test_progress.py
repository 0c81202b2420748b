"""An interrupt ends work, and waits while something is written."""

import os
import signal

import pytest

import keras_rnncap.terminal.progress as progress_module
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


@pytest.mark.parametrize(("every_s", "lines"), [(0.0, 2), (3_600.0, 0)])
def test_in_a_pipe_a_summary_says_every_so_often_how_far_the_work_is(capsys, monkeypatch, every_s, lines):
    monkeypatch.setattr(progress_module, "SUMMARY_S", every_s)
    with WorkProgress(4_000, enabled="summary") as bar:
        bar.say("a trial", detail=True)
        bar.to(1_000, "3 running")
        bar.to(2_000, "2 running")
    told = capsys.readouterr().out.splitlines()
    assert len(told) == lines
    for line, words in zip(told, (("1,000 steps", "3 running"), ("2,000 steps", "2 running")), strict=False):
        assert all(word in line for word in (*words, "0:00 left"))
