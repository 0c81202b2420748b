"""Damaged tables are refused by name and stay as they are; what is read of them is of the right kinds."""

import contextlib
import json
import math
import tempfile
from pathlib import Path

import keras_tuner as kt
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_rnncap.datasets import make_task
from keras_rnncap.errors import InputError
from keras_rnncap.runs import RunDirectory, append_rows, write_rows
from keras_rnncap.studies.run import PIECES, TRIALS, Plan, read_study, run_study
from keras_rnncap.studies.study import Grid
from keras_rnncap.training import TrainingSettings
from keras_rnncap.training.train import train_model
from keras_rnncap.tuners import measure_capacity, run_sweep
from keras_rnncap.tuners.journal import ASKED, RUNNING, Journal, TrialState, check_values, read_history, read_trials


def space():
    hp = kt.HyperParameters()
    hp.Float("rate", 1e-4, 1e-1, sampling="log")
    hp.Choice("optimizer", ["sgd", "adam"])
    hp.Boolean("steps")  # the name of another column
    with hp.conditional_scope("optimizer", ["adam"]):
        hp.Int("layers", -1, 4)
    return hp


VALUES = [
    {"rate": 0.01, "optimizer": "sgd", "steps": True},
    {"rate": 0.0031, "optimizer": "adam", "steps": False, "layers": -1},
    {"rate": 0.05, "optimizer": "adam", "steps": True, "layers": 2},
]


def trials():
    rows = []
    for number, values in enumerate(VALUES):
        score = {} if number == 1 else {"score": 0.25 * number, "loss": 1.5}
        status = "infeasible" if number == 1 else "completed"
        named = {f"hp.{name}": value for name, value in values.items()}
        row = {"trial": number, "status": status, **score, **named, "steps": 20, "seed": 7 + number}
        rows.append({**row, "elapsed_s": 1.25})
    return rows


def history():
    return [
        {"trial": number, "step": step, "loss": math.nan if number == 1 else 1 / step, "progress": math.nan}
        for number in range(4)  # one more than has rows
        for step in (10, 20)
    ]


GARBAGE = ["", "nan", "x", "-1", "1.5", "1e999", "True", "inf", "99999999999999999999", '"', "\x00", "completed", "é"]


def damages(size):
    """What can happen to a file of so many bytes."""
    place = st.integers(0, size - 1)
    return st.one_of(
        st.tuples(st.just("cut"), place, st.just(b"")),
        st.tuples(st.just("over"), place, st.binary(min_size=1, max_size=12)),
        st.tuples(st.just("insert"), place, st.sampled_from([b"\n", b",", b"3\n", b"\xff\xfe", b"\r\n", b"a,b\n"])),
        st.tuples(st.just("cell"), place, st.sampled_from([text.encode() for text in GARBAGE])),
        st.tuples(st.just("double"), place, st.just(b"")),
    )


def damaged(content, damage):
    kind, place, new = damage
    if kind == "cut":
        return content[:place]
    if kind == "over":
        return content[:place] + new + content[place + len(new) :]
    if kind == "insert":
        return content[:place] + new + content[place:]
    if kind == "double":
        lines = content.splitlines(keepends=True)
        return content + lines[place % len(lines)]
    ends = [index for index, byte in enumerate(content) if byte in b",\n"]
    pairs = zip([-1, *ends], [*ends, len(content)], strict=True)
    first, last = next(pair for pair in pairs if pair[1] >= place)
    return content[: first + 1] + new + content[last:]


@contextlib.contextmanager
def damaged_file(name, write, damage_of):
    """A file as `write` makes it, damaged; at the end it must be as it was."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / name
        write(file)
        content = damaged(file.read_bytes(), damage_of(file.read_bytes()))
        file.write_bytes(content)
        try:
            yield file
        except InputError as error:
            assert name in str(error)  # noqa: PT017  # it may also be read
            assert "restore it" in str(error) or "delete" in str(error)  # noqa: PT017
        assert file.read_bytes() == content


PROPERTY = settings(max_examples=150, deadline=None)


@PROPERTY
@given(st.data())
def test_trials_are_read_as_what_they_must_be_or_refused(data):
    with damaged_file(
        "trials.csv", lambda file: write_rows(file, trials()), lambda c: data.draw(damages(len(c)))
    ) as file:
        rows = read_trials(file, space(), "score")
        assert len({row["trial"] for row in rows}) == len(rows) > 0
        for row in rows:
            assert all(isinstance(row[name], int) for name in ("trial", "seed"))
            assert row["status"] in ("completed", "untrained", "stopped", "diverged")
            assert math.isfinite(row["elapsed_s"])
            assert row["status"] not in ("completed", "untrained") or math.isfinite(row["score"])
            assert row["status"] != "stopped" or math.isfinite(row["told"])
            assert row.get("hp.optimizer", "sgd") in ("sgd", "adam")
            assert isinstance(row.get("hp.layers", 1), int)


@PROPERTY
@given(st.data())
def test_histories_are_read_as_what_they_must_be_or_refused(data):
    with damaged_file("history.csv", lambda f: append_rows(f, history()), lambda c: data.draw(damages(len(c)))) as file:
        for row in read_history(file, trials()):
            assert isinstance(row["trial"], int)
            assert isinstance(row["step"], int)
            assert isinstance(row["loss"], float)


def write_asked(file):
    with file.open("w") as stream:
        for number, values in enumerate(VALUES):
            stream.write(json.dumps({"trial": number, "seed": 7 + number, "values": values, "oracle": {}}) + "\n")


@PROPERTY
@given(st.data())
def test_notes_are_read_as_what_they_must_be_or_refused(data):
    whole = []
    with contextlib.suppress(InputError), tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / ASKED
        write_asked(file)
        content = damaged(file.read_bytes(), data.draw(damages(file.stat().st_size)))
        file.write_bytes(content)
        try:
            with RunDirectory(Path(folder) / "run", {"command": "x"}) as directory:
                file.rename(directory / ASKED)
                asked = Journal(directory).asked
                check_values(directory / ASKED, [one.values for one in asked.values()], space())
        except InputError:
            whole.append((Path(folder) / "run" / ASKED).read_bytes())
            raise
        finally:
            assert whole in ([], [content])
        for trial in asked.values():
            assert isinstance(trial.trial, int)
            assert isinstance(trial.seed, int)
            assert isinstance(trial.values, dict)


@PROPERTY
@given(st.data())
def test_trials_in_training_are_read_as_they_were_or_refused(data):
    with tempfile.TemporaryDirectory() as folder, RunDirectory(folder, {"command": "x"}) as directory:
        state = TrialState(7, [(7, 0.5, math.nan)], 2, {"row": pd.Series([1.0, 2.0]).to_numpy()})
        Journal(directory).keep({3: state}, 1.5)
        content = damaged((directory / RUNNING).read_bytes(), data.draw(damages((directory / RUNNING).stat().st_size)))
        (directory / RUNNING).write_bytes(content)
        try:
            states, _ = Journal(directory).kept()
        except InputError as error:
            assert RUNNING in str(error)  # noqa: PT017
        else:
            assert all(isinstance(one.done, int) for one in states.values())
        assert (directory / RUNNING).read_bytes() == content


@PROPERTY
@given(st.data())
def test_a_studys_tables_are_read_as_what_they_must_be_or_refused(data):
    row = {"part": "size", "cell": "rnn", "depth": 1, "settings": '{"a": 1}', "hyperparameters": "{}", "wall_s": 3.0}
    rows = [{"piece": name, **row} for name in ("a", "b")]
    with damaged_file(PIECES, lambda f: write_rows(f, rows), lambda c: data.draw(damages(len(c)))) as file:
        pd.DataFrame({"piece": ["a", "b"]}).to_csv(file.parent / TRIALS, index=False)
        pieces = read_study(file.parent).ended()
        with pytest.raises(InputError, match=r"no search|pieces\.csv"):
            Plan(NoPieces(), Grid(["rnn"], [1], [1]), "smoke", 0, pieces)


class NoPieces:
    name = "empty"

    def pieces(self, *_):
        return []


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("trial", "0.5", "line 3: trial is 0.5, not a whole number"),
        ("trial", "0", "lines 2 and 3 both have the trial 0"),
        (
            "status",
            "compleded",
            "line 3: status is 'compleded', not one of completed, untrained, cut, stopped, diverged",
        ),
        ("mean_squared_error", "", "line 3 has no mean_squared_error, a finite number"),
        ("mean_squared_error", "nan", "line 3 has no mean_squared_error"),
        ("mean_squared_error", "low", "line 3: mean_squared_error is 'low', not a finite number"),
        ("hp.optimizer", "adamant", "line 3: hp.optimizer is 'adamant', not one of sgd, momentum, rmsprop, adam"),
        ("hp.learning_rate", "", "line 3 has no hp.learning_rate"),
    ],
)
def test_a_search_names_what_is_wrong_before_any_work_and_changes_nothing(searched, column, value, said):
    files = {file: file.read_bytes() for file in searched.iterdir() if file.is_file()}
    file = searched / "trials.csv"
    table = pd.read_csv(file, dtype=str, keep_default_na=False)
    table.loc[1, column] = value
    table.to_csv(file, index=False)
    files[file] = file.read_bytes()
    try:
        with pytest.raises(
            InputError, match=f"trials.csv is damaged .*{said}.*; delete it to start over, or restore it"
        ):
            search(searched, trials=3)
        for file, content in files.items():
            assert file.read_bytes() == content
    finally:
        table = table.assign(**{column: WHOLE[column]})
        table.to_csv(searched / "trials.csv", index=False)


WHOLE = {}


def search(folder, trials=2):
    sizes = {"params": 60, "trials": trials, "steps": 2, "batch_size": 2, "slots": 1}
    changes = {"optimizer": ["sgd", "momentum", "rmsprop", "adam"]}
    return run_sweep(
        make_task("memory:input_dim=2,length=2"), "rnn", oracle="random", changes=changes, out=folder, **sizes
    )


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    folder = tmp_path_factory.mktemp("search") / "run"
    search(folder)
    WHOLE.update(pd.read_csv(folder / "trials.csv", dtype=str, keep_default_na=False).to_dict(orient="list"))
    return folder


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("trials.csv", b"trial,sta"),
        ("trials.csv", b"trial,status\n"),
        ("trials.csv", b""),
        ("history.csv", b"rubbish"),
        ("history.csv", b"trial,step,loss,progress\n0,1,0.5,\n"),
        (ASKED, b"rubbish"),
        (ASKED, b'{"trial": 0, "seed": 1, "values": {"rate": 1}}\n'),
    ],
)
def test_other_damages_are_refused_too(searched, file, content):
    whole = (searched / file).read_bytes()
    (searched / file).write_bytes(content)
    try:
        with pytest.raises(InputError, match=f"{file} is damaged"):
            search(searched)
        assert (searched / file).read_bytes() == content
    finally:
        (searched / file).write_bytes(whole)


def test_a_capacity_measurement_refuses_them_too(tmp_path):
    options = {"params": 60, "trials": 1, "steps": 1, "batch_size": 2, "slots": 1, "out": tmp_path / "run"}
    measure_capacity("rnn", **options)
    (tmp_path / "run" / "trials.csv").write_text("rubbish\n")
    with pytest.raises(InputError, match=r"trials\.csv is damaged"):
        measure_capacity("rnn", **options)
    assert (tmp_path / "run" / "trials.csv").read_text() == "rubbish\n"


def test_a_training_refuses_a_history_and_a_result_of_other_kinds(tmp_path):
    folder, task = tmp_path / "run", make_task("sentiment:length=6")

    def train():
        return train_model(task, "rnn", params=60, settings=TrainingSettings(2), batch_size=2, out=folder)

    result = train()
    train_json = json.loads((folder / "train.json").read_text())
    for key, value in {"units": "2", "test_score": "x", "baselines": {"a": "b"}, "settings": None}.items():
        (folder / "train.json").write_text(json.dumps(train_json | {key: value}))
        with pytest.raises(InputError, match=r"train\.json is damaged"):
            train()
    (folder / "train.json").unlink()
    whole = (folder / "history.csv").read_text()
    header, *rows = whole.splitlines(keepends=True)
    for damage in (header, whole.replace("step", "stop"), header + rows[0] * 2, "rubbish"):
        (folder / "history.csv").write_text(damage)
        with pytest.raises(InputError, match=r"history\.csv is damaged"):
            train()
        assert (folder / "history.csv").read_text() == damage
    (folder / "history.csv").write_text(whole)
    assert train() == result


def test_a_study_refuses_tables_without_what_it_needs_to_go_on(tmp_path):
    options = {"profile": "smoke", "cells": ["rnn"], "params": [60], "depths": [1], "out": tmp_path / "study"}
    run_study("capacity", **options)
    file = tmp_path / "study" / PIECES
    whole = file.read_text()
    for damage in ("rubbish\n", "pie", whole + whole.splitlines(keepends=True)[1], whole.replace("wall_s", "wall")):
        file.write_text(damage)
        with pytest.raises(InputError, match=r"pieces\.csv is damaged"):
            run_study("capacity", **options)
        assert file.read_text() == damage
