"""Engines: pieces come back whatever process does them; deaths, errors and interrupts."""

import os
import pickle
import signal
import threading
import time

import pytest
from engines.workers_made import MadePiece, MadeWorker

from keras_rnncap.cells import RNNCell
from keras_rnncap.engines import ENGINES, InlineEngine, ProcessEngine, check_engine, make_engine
from keras_rnncap.engines.child import ChildDiedError
from keras_rnncap.errors import InputError


@pytest.fixture
def engine(request):
    made = make_engine(request.param, MadeWorker)
    yield made
    made.cancel()


both = pytest.mark.parametrize("engine", ["inline:2", "processes:2"], indirect=True)
processes = pytest.mark.parametrize("engine", ["processes:2"], indirect=True)


def done(engine, *pieces):
    for piece in pieces:
        engine.submit(piece)
    return dict(engine.completed() for _ in pieces)


@both
def test_all_pieces_come_back_and_those_of_one_key_from_one_process(engine):
    pieces = [MadePiece(key) for key in "abc"]
    first, second = done(engine, *pieces), done(engine, *pieces)
    assert {piece: result[0] for piece, result in first.items()} == {piece: piece.key for piece in pieces}
    if isinstance(engine, InlineEngine):
        assert {result[1] for result in first.values()} == {os.getpid()}
    else:
        assert os.getpid() not in {result[1] for result in first.values()}
        assert len({result[1] for result in (*first.values(), *second.values())}) == 2
        assert all(first[piece][1] == second[piece][1] for piece in pieces[:2])


def test_a_process_is_renewed_after_so_many_pieces():
    engine = ProcessEngine(MadeWorker, workers=1, renew_after=2)
    try:
        found = [engine.completed()[1][1] for piece in map(MadePiece, "abcde") if engine.submit(piece) is None]
    finally:
        engine.cancel()
    assert found[0] == found[1] != found[2] == found[3] != found[4]
    assert len({*found}) == 3


@both
def test_an_error_of_the_code_is_raised_at_once(engine):
    with pytest.raises(ValueError, match="no such here"):
        done(engine, MadePiece("such", "fail"))


@processes
def test_a_piece_whose_process_is_killed_is_done_in_another(engine, tmp_path):
    pieces = MadePiece("a", "die once", tmp_path), MadePiece("b")
    assert sorted(result[0] for result in done(engine, *pieces).values()) == ["a", "b"]
    assert (tmp_path / "died").exists()


@processes
def test_after_three_more_tries_it_is_an_error_that_says_how_it_ended(engine, tmp_path):
    with pytest.raises(ChildDiedError, match=r"the process of a worker ended with exit code -9"):
        done(engine, MadePiece("a", "die", tmp_path))
    assert (tmp_path / "deaths").read_text() == "x" * 4


@processes
def test_an_interrupt_ends_the_wait_and_cancel_all_processes(engine, tmp_path):
    def interrupt():
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background may not hear it
    try:
        threading.Thread(target=interrupt, daemon=True).start()
        with pytest.raises(KeyboardInterrupt):
            done(engine, MadePiece("a", "wait", tmp_path))
    finally:
        signal.signal(signal.SIGINT, before)
    pid = int((tmp_path / "pid").read_text())
    os.kill(pid, 0)  # it is there
    engine.cancel()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_an_interrupt_here_stops_what_runs_beside(tmp_path):
    engine = InlineEngine(MadeWorker, 2)
    with pytest.raises(KeyboardInterrupt):
        done(engine, MadePiece("a", "interrupt", tmp_path), MadePiece("b", "wait", tmp_path))
    assert (tmp_path / "stopped").exists()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ray", "unknown engine 'ray': The engines are inline, processes"),
        ("process", "did you mean 'processes'"),
        ("processes:0", "the number in engine='processes:0' must be an integer of at least 1; got 0"),
        ("inline:x", "the number in engine='inline:x' must be an integer of at least 1; got 'x'"),
    ],
)
def test_other_engines_are_refused(name, said):
    with pytest.raises(InputError, match=said):
        check_engine(name)


def test_what_other_processes_do_not_find_is_refused_with_what_to_do():
    class LocalCell(RNNCell):
        pass

    main = type("MainCell", (RNNCell,), {"__module__": "__main__"})
    for cell in (LocalCell, lambda units: RNNCell(units), main):
        check_engine("inline", cell)
        with pytest.raises(InputError, match=r"cannot send .* define it in a module"):
            check_engine("processes", cell)
    check_engine("processes", RNNCell)


def test_every_engine_is_known_by_its_name():
    assert {name: type(make_engine(name, MadeWorker)) for name in ENGINES} == {
        "inline": InlineEngine,
        "processes": ProcessEngine,
    }
    assert pickle.loads(pickle.dumps(MadePiece("a"))) == MadePiece("a")
