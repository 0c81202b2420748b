"""What a search found, as tables, pictures and files; and the command line."""

import json
import os
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pandas as pd
import pytest
from evolution.made_evolution import FakeEngine
from typer.testing import CliRunner

import keras_rnncap
from keras_rnncap.cli import app
from keras_rnncap.evolution import read_history, rules_of, run_evolution
from keras_rnncap.evolution.rows import CANDIDATES, EVALUATIONS, read_ended, read_stages
from keras_rnncap.evolution.tables import architectures, progress
from keras_rnncap.runs import IDENTITY, read_json


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shown") / "found"
    run_evolution(profile="smoke", graphs=8, engine=FakeEngine(), out=folder)
    return folder


def invoke(*arguments):
    return CliRunner().invoke(app, [*map(str, arguments)], env={"COLUMNS": "200"})


def test_show_names_the_best_and_writes_a_graph_that_is_a_cell(found):
    done = invoke("evolve", "show", found, "--best", 3)
    assert done.exit_code == 0, done.output
    history = read_history(found, rules_of(read_json(found / IDENTITY, "")))
    first = history.best()[0]
    assert first in done.output
    assert f"{history.score(first):.3f}" in done.output
    assert {file.name for file in (found / "found").iterdir()} == {
        *(f"{name}.{kind}" for name in history.best()[:3] for kind in ("json", "svg")),
        "family.svg",
    }
    cell = keras_rnncap.get_cell(f"graph:{found / 'found' / first}.json")
    assert keras.layers.RNN(cell(4))(np.ones((2, 3, 4), "float32")).shape == (2, 4)


def test_what_is_no_search_is_one_sentence(tmp_path, found):
    for arguments, said in (
        (("show", tmp_path), "is not the folder of a search for architectures"),
        (("show", found, "--best", 0), "--best must be at least 1; got 0"),
        (("--strategy", "best", "--out", tmp_path / "x"), "strategy must be one of"),
        (("--tasks", "xmll", "--out", tmp_path / "x"), "unknown task 'xmll'"),
    ):
        done = invoke("evolve", *arguments)
        assert said in str(done.exception)
    (tmp_path / IDENTITY).write_text(json.dumps({"command": "sweep"}))
    assert "run.json must be that of rnncap evolve" in str(invoke("evolve", "show", tmp_path).exception)


def test_the_table_of_architectures_is_what_rows_say(found):
    history = read_history(found, rules_of(read_json(found / IDENTITY, "")))
    table = architectures(history)
    rows = pd.read_csv(found / CANDIDATES)
    assert {*table["architecture"]} == {*rows["architecture"]}
    assert table["score"].dropna().is_monotonic_decreasing
    evaluations = pd.read_csv(found / EVALUATIONS).merge(rows[["candidate", "architecture"]], on="candidate")
    counts = evaluations[evaluations["task"].isin(history.tasks)].groupby("architecture").size()
    for _, row in table.iterrows():
        assert row["evaluations"] == counts.get(row["architecture"], 0)


def test_progress_adds_up_all_seconds(found):
    rules = rules_of(read_json(found / IDENTITY, ""))
    ended = read_ended(found, rules, read_stages(found, rules))
    table = progress(read_history(found, rules), [ended[number] for number in sorted(ended)])
    assert table["seconds"].sum() == pytest.approx(pd.read_csv(found / EVALUATIONS)["elapsed_s"].sum())
    assert table["score"].max() == read_history(found, rules).score(read_history(found, rules).best()[0])


def without_times(folder):
    return [pd.read_csv(folder / name).drop(columns="elapsed_s") for name in (CANDIDATES, EVALUATIONS)]


@pytest.mark.slow
def test_a_search_killed_ten_times_has_the_rows_of_one_that_was_not(tmp_path):
    code = "import sys; from keras_rnncap.cli import main; sys.argv[0] = 'rnncap'; main()"

    def start(folder):
        words = ["evolve", "--profile", "smoke", "--graphs", "5", "--engine", "processes:2", "--out", str(folder)]
        return subprocess.Popen([sys.executable, "-c", code, *words], start_new_session=True)

    whole = start(tmp_path / "whole")
    began = time.monotonic()
    assert whole.wait() == 0
    seconds = time.monotonic() - began
    rng, kills = np.random.default_rng(0), 0
    while True:
        process = start(tmp_path / "killed")
        try:
            limit = rng.uniform(0.15, 0.4) * seconds if kills < 10 else None
            assert process.wait(limit) == 0
            break
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            kills += 1
    assert kills == 10
    for one, other in zip(without_times(tmp_path / "whole"), without_times(tmp_path / "killed"), strict=True):
        pd.testing.assert_frame_equal(one, other)
