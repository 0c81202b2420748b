"""Folders of runs: whose they are, who may write, and that no file is ever half written."""

import errno
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_rnncap.errors import InputError
from keras_rnncap.runs import (
    RunDirectory,
    append_rows,
    disk_trouble,
    read_rows,
    remove_leftovers,
    replacing,
    temporary_folder,
    write_json,
    write_rows,
)

IDENTITY = {"command": "capacity", "cell": "ugrnn", "params": 60, "shape": (2, 3)}


def names(folder):
    return sorted(item.name for item in folder.iterdir())


def enter(path, identity=None):
    with RunDirectory(path, identity or IDENTITY) as directory:
        return directory


def test_a_new_folder_gets_the_identity_and_is_entered_again_with_the_same(tmp_path):
    for _ in range(2):
        assert enter(tmp_path / "new" / "er").path == tmp_path / "new" / "er"
    assert json.loads((tmp_path / "new" / "er" / "run.json").read_text())["cell"] == "ugrnn"
    assert enter(tmp_path / "new" / "er") / "x" == tmp_path / "new" / "er" / "x"


def test_another_run_is_refused_and_the_differences_are_named(tmp_path):
    enter(tmp_path / "run")
    before = (tmp_path / "run" / "run.json").read_bytes()
    with pytest.raises(InputError) as caught:
        enter(tmp_path / "run", {**IDENTITY, "params": 61, "seed": 1})
    message = str(caught.value)
    assert "params 60 there, 61 here" in message
    assert "seed None there, 1 here" in message
    assert "ugrnn" not in message
    assert "--out" in message
    assert (tmp_path / "run" / "run.json").read_bytes() == before
    enter(tmp_path / "run")  # and the lock was released


def test_foreign_files_are_refused_and_named_and_left_alone(tmp_path):
    for name in ("a.txt", "b.txt", "c.txt", "d.txt"):
        (tmp_path / name).write_text("mine")
    with pytest.raises(InputError, match=r"holds files of no run of ours \(a.txt, b.txt, c.txt, ...\); .*--out"):
        enter(tmp_path)
    assert [name for name in names(tmp_path) if name != ".lock"] == ["a.txt", "b.txt", "c.txt", "d.txt"]


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"command": "capa', b"\xff\xfe\x00", b"[]", b"null", b"3", b'"run"'], ids=repr
)
def test_a_damaged_identity_is_an_error_that_says_what_to_do(tmp_path, content):
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(InputError, match=r"run.json is damaged.*delete .*--out"):
        enter(tmp_path)


def test_a_process_killed_while_it_wrote_the_identity_leaves_a_folder_that_can_be_used(tmp_path):
    (temporary_folder(tmp_path) / "run.json").write_text("{")
    enter(tmp_path)
    assert [name for name in names(tmp_path) if name != ".lock"] == ["run.json"]


def test_a_path_that_is_a_file_or_below_one_is_an_error(tmp_path):
    (tmp_path / "file").write_text("mine")
    for path in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(InputError, match=rf"cannot write to {re.escape(str(path))}: .*; choose another .*--out"):
            enter(path)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(("number", "said"), [(errno.EACCES, "Permission denied"), (errno.ENOSPC, "No space left")])
def test_an_unwritable_folder_is_an_error_before_any_work(tmp_path, monkeypatch, number, said):
    def refuse(*args, **options):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with pytest.raises(InputError, match=f"cannot write to {tmp_path}: {said}"):
        enter(tmp_path)


def test_a_second_run_in_the_folder_is_refused_while_the_first_lasts(tmp_path):
    said = r"in use by another process; wait until it ends, or choose .* --out"
    with RunDirectory(tmp_path / "run", IDENTITY), pytest.raises(InputError, match=said):
        enter(tmp_path / "run")
    enter(tmp_path / "run")


def test_a_second_process_is_refused_until_the_first_ends_even_if_killed(tmp_path):
    code = "import sys, json; from keras_rnncap.runs import RunDirectory\n"
    code += "with RunDirectory(sys.argv[1], json.loads(sys.argv[2])):\n    print('in', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code, str(tmp_path / "run"), json.dumps(IDENTITY)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, **pipes) as other:
        assert other.stdout.readline() == b"in\n"
        with pytest.raises(InputError, match="in use by another process"):
            enter(tmp_path / "run")
        other.kill()
        other.wait()
    enter(tmp_path / "run")


def test_an_exception_in_the_run_releases_the_folder(tmp_path):
    with pytest.raises(ZeroDivisionError), RunDirectory(tmp_path / "run", IDENTITY):
        raise ZeroDivisionError
    enter(tmp_path / "run")


def write_file(path, text):
    path.write_text(text)


def write_folder(path, text):
    (path / "deep").mkdir(parents=True)
    (path / "deep" / "file").write_text(text)
    (path / text).write_text(text)


def content(path):
    return (
        path.read_text()
        if path.is_file()
        else {item.name: item.is_dir() or item.read_text() for item in path.iterdir()}
    )


def fail_half_way(write, path, error):
    with replacing(path) as new:
        write(new, "half")
        raise error


KINDS = pytest.mark.parametrize("write", [write_file, write_folder])


@KINDS
def test_what_was_written_takes_the_place_of_what_was_there(tmp_path, write):
    path = tmp_path / "thing"
    for text in ("old", "new"):
        with replacing(path) as new:
            write(new, text)
            assert not path.exists() or "old" in content(path)
        assert text in content(path)
        assert names(tmp_path) == ["thing"]
    assert "old" not in content(path)


@KINDS
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, OSError])
def test_an_error_while_writing_leaves_the_old_and_nothing_else(tmp_path, write, error):
    with replacing(tmp_path / "thing") as new:
        write(new, "old")
    before = content(tmp_path / "thing")
    with pytest.raises(error):
        fail_half_way(write, tmp_path / "thing", error)
    assert content(tmp_path / "thing") == before
    assert names(tmp_path) == ["thing"]


@KINDS
def test_an_error_before_there_was_any_leaves_nothing(tmp_path, write):
    with pytest.raises(KeyError):
        fail_half_way(write, tmp_path / "thing", KeyError)
    assert names(tmp_path) == []


@KINDS
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_and_nothing_else(tmp_path, monkeypatch, write, call):
    with replacing(tmp_path / "thing") as new:
        write(new, "old")
    before, real = content(tmp_path / "thing"), getattr(os, call)

    def full(*arguments):
        if call == "fsync" or (Path(arguments[0]).name != "old" and Path(arguments[1]) == tmp_path / "thing"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(*arguments)

    monkeypatch.setattr(os, call, full)
    with pytest.raises(OSError, match="No space left"), replacing(tmp_path / "thing") as new:
        write(new, "new")
    assert content(tmp_path / "thing") == before
    assert names(tmp_path) == ["thing"]


def test_json_is_replaced_whole(tmp_path):
    write_json(tmp_path / "a.json", {"a": 1})
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"a": object()})
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": 1}
    assert names(tmp_path) == ["a.json"]


def test_rows_keep_values_and_types_and_which_values_are_missing(tmp_path):
    rows = [
        {"trial": 0, "status": "completed", "accuracy": 0.1 + 0.2, "every_step": True, "note": 'a "b", c\nd'},
        {"trial": 1, "status": "infeasible", "every_step": False},
        {"trial": 2, "status": "completed", "accuracy": 1.0, "every_step": True, "late": 3e-300},
    ]
    write_rows(tmp_path / "rows.csv", rows)
    back = read_rows(tmp_path / "rows.csv")
    assert back == rows
    assert [{key: type(value) for key, value in row.items()} for row in back] == [
        {key: type(value) for key, value in row.items()} for row in rows
    ]


def test_no_file_has_no_rows(tmp_path):
    assert read_rows(tmp_path / "rows.csv") == []


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_floats_come_back_bit_by_bit(values):
    with tempfile.TemporaryDirectory() as folder:
        write_rows(Path(folder) / "rows.csv", [{"x": value, "row": index} for index, value in enumerate(values)])
        back = [row["x"] for row in read_rows(Path(folder) / "rows.csv")]
    assert [float(value).hex() for value in back] == [float(value).hex() for value in values]


@pytest.mark.parametrize(
    "damaged", [b"", b"\xff\xfe\x00\x01" * 9, b"a,b\n1,2\n3,4,5\n", b"a,b\n1,2,3\n4,5\n", b'a,b\n1,"2\n'], ids=repr
)
def test_a_damaged_table_is_an_error_that_says_what_to_do(tmp_path, damaged):
    (tmp_path / "rows.csv").write_bytes(damaged)
    with pytest.raises(InputError, match=r"(?s)rows.csv is damaged .*delete it to start over, or restore it"):
        read_rows(tmp_path / "rows.csv")


def test_what_a_killed_process_left_goes_when_its_run_goes_on(tmp_path):
    enter(tmp_path)
    (tmp_path / "best").mkdir()
    for folder in (tmp_path, tmp_path / "best"):
        (temporary_folder(folder) / "file").write_text("x")
    (tmp_path / "best" / "model.keras").write_text("x")
    enter(tmp_path)
    assert [name for name in names(tmp_path) if name != ".lock"] == ["best", "run.json"]
    assert names(tmp_path / "best") == ["model.keras"]


HIDDEN = (".my-notes", ".git/.x-y", "data/.a-b/c", ".trials.csv-ab_1", ".rnncap-tmp-mine", ".rnncap-tmp-0-1-2")


def test_hidden_folders_of_the_user_stay_as_they_are(tmp_path):
    enter(tmp_path)
    for name in HIDDEN:
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "file").write_text("mine")
    enter(tmp_path)
    assert all((tmp_path / name / "file").read_text() == "mine" for name in HIDDEN)


@pytest.mark.parametrize("name", [".git", ".my-notes", ".bashrc", ".lock", ".rnncap-tmp-mine"])
def test_a_folder_of_hidden_files_is_not_empty(tmp_path, name):
    if name in (".bashrc", ".lock"):
        (tmp_path / name).write_text("mine")
    else:
        (tmp_path / name).mkdir()
    with pytest.raises(InputError, match=rf"holds files of no run of ours \({re.escape(name)}\)"):
        enter(tmp_path)
    assert names(tmp_path) == [name]
    assert not (tmp_path / name).is_file() or (tmp_path / name).read_text() == "mine"


def test_leftovers_of_processes_that_live_stay_where_others_may_write(tmp_path):
    alive = temporary_folder(tmp_path)
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    dead = tmp_path / alive.name.replace(f"-{os.getpid()}-", f"-{process.pid}-")
    elsewhere = tmp_path / dead.name.replace(dead.name[12:20], "0" * 8)
    for folder in (dead, elsewhere):
        folder.mkdir()
    remove_leftovers(tmp_path)
    assert names(tmp_path) == sorted([alive.name, elsewhere.name])
    remove_leftovers(tmp_path, alone=True)
    assert names(tmp_path) == []
    remove_leftovers(tmp_path / "none")


def test_a_file_system_without_locks_is_an_error_that_says_so(tmp_path, monkeypatch):
    def refuse(self, *arguments, **options):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    with pytest.raises(InputError, match=r"cannot lock .*\.lock: .*No locks available; choose .* --out"):
        enter(tmp_path)


class TensorFlowsError(Exception):
    """As TensorFlow and h5py say it, without a number."""


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        OSError("Unable to flush file's cached information (errno = 28, error message = 'No space left on device')"),
        TensorFlowsError("{{node SaveV2}} /run/x.data; No space left on device"),
        OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)),
    ],
    ids=str,
)
def test_a_full_disk_is_one_sentence_that_says_how_to_go_on(tmp_path, error):
    said = r"cannot write to .*: (No space left on device|Disk quota exceeded)\..* the same command continues"
    with pytest.raises(InputError, match=said), RunDirectory(tmp_path / "run", IDENTITY):
        raise error
    enter(tmp_path / "run")


def test_a_folder_that_vanished_is_one_sentence(tmp_path):
    def vanish():
        with RunDirectory(tmp_path / "run", IDENTITY) as run:
            os.rename(tmp_path / "run", tmp_path / "elsewhere")
            write_rows(run / "rows.csv", [{"a": 1}])

    with pytest.raises(InputError, match="No such file or directory"):
        vanish()


def test_errors_that_have_nothing_to_do_with_the_disk_stay_what_they_are(tmp_path):
    for error in (ValueError("no"), FileNotFoundError(errno.ENOENT, "gone", "/elsewhere/file"), KeyError("x")):
        assert disk_trouble(error, tmp_path) is None
        with pytest.raises(type(error)), RunDirectory(tmp_path / "run", IDENTITY):
            raise error


def test_a_run_of_before_digests_goes_on_and_another_digest_is_another_run(tmp_path):
    enter(tmp_path / "old")
    enter(tmp_path / "old", IDENTITY | {"digest": "ab"})
    enter(tmp_path / "new", IDENTITY | {"digest": "ab"})
    with pytest.raises(InputError, match="digest 'ab' there, 'cd' here"):
        enter(tmp_path / "new", IDENTITY | {"digest": "cd"})


def test_appended_rows_have_the_columns_of_the_table(tmp_path):
    file = tmp_path / "rows.csv"
    append_rows(file, [{"cell": "rnn", "params": 300, "minutes": 3.0}])
    append_rows(file, [{"minutes": 15.0, "cell": "gru", "params": 3000}])
    assert file.read_text() == "cell,params,minutes\nrnn,300,3.0\ngru,3000,15.0\n"
