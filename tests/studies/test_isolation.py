"""A search in a process of its own: its row and its errors come back, interrupts and kills reach it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from studies.pieces_made import BadPiece, KilledPiece, OwnProcess

import keras_rnncap.cli as cli
from keras_rnncap.errors import WorkError
from keras_rnncap.studies.run import run_isolated

SLOW = """
from pathlib import Path
from studies.pieces_made import SlowPiece
from keras_rnncap.studies.run import run_isolated

if __name__ == "__main__":
    run_isolated(SlowPiece(), Path("."), {}, False)
"""


def test_the_row_comes_from_another_process(tmp_path):
    row = run_isolated(OwnProcess(), tmp_path, {"one": {"best": 1.0}}, "bar")
    assert row.pop("pid") != os.getpid()
    assert row == {"folder": tmp_path, "rows": {"one": {"best": 1.0}}, "progress": "bar"}


def test_an_error_comes_back_with_where_it_was_raised(tmp_path):
    with pytest.raises(ValueError, match="cannot use") as caught:
        run_isolated(BadPiece(), tmp_path, {}, False)
    assert "pieces_made.py" in caught.value.__notes__[0]


def test_a_killed_search_is_an_error_that_names_it_and_repeats_its_last_words(tmp_path):
    with pytest.raises(WorkError, match=r"^the process of killed ended with exit code -9;.* last words: .*no memory$"):
        run_isolated(KilledPiece(), tmp_path, {}, False)


def test_the_command_line_says_so_in_one_line(monkeypatch, capfd):
    def killed() -> None:
        raise WorkError("the process of killed ended with exit code -9")

    monkeypatch.setattr(cli, "app", killed)
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 1
    assert capfd.readouterr().err == "rnncap: the process of killed ended with exit code -9\n"


def test_nothing_of_tensorflows_remarks_is_seen(tmp_path, capfd, monkeypatch):
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    run_isolated(OwnProcess(), tmp_path, {}, False)
    assert capfd.readouterr().err == ""


def test_an_interrupt_that_is_lost_is_passed_on_again(tmp_path):
    (tmp_path / "script.py").write_text(
        SLOW.replace("SlowPiece", "DeafPiece").replace(
            "    run_isolated",
            "    import keras_rnncap.studies.run as run\n    run.INTERRUPT_AGAIN = 0.5\n    run_isolated",
        )
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    process = _start("script.py", tmp_path, environment)
    _wait(lambda: (tmp_path / "pid").exists())
    process.send_signal(signal.SIGINT)
    process.wait(30)
    assert (tmp_path / "heard").exists()


@pytest.mark.parametrize(("sent", "kept"), [(signal.SIGINT, True), (signal.SIGKILL, False)])
def test_what_ends_the_study_ends_its_search(tmp_path, sent, kept):
    (tmp_path / "script.py").write_text(SLOW)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    process = _start("script.py", tmp_path, environment)
    pid = int(_wait(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text()))
    process.send_signal(sent)
    process.wait(30)
    _wait(lambda: _has_ended(pid))
    assert (tmp_path / "kept").exists() == kept


def _start(script, folder, environment):
    """Starts a script that hears interrupts, also where the tests run in the background of a shell, which do not."""
    hear = "import runpy, signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    command = [sys.executable, "-c", f"{hear}runpy.run_path({script!r}, run_name='__main__')"]
    return subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.DEVNULL)


def _has_ended(pid):
    """Whether a process is gone, or waits for nobody to ask how it ended."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z"


def _wait(condition, timeout=60):
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    return pytest.fail(f"not within {timeout} s")
