"""The command line and Python go on with each other's runs in the folders that they choose, however things are said."""

import json
import os

import keras_tuner as kt
import pandas as pd
import pytest

from keras_rnncap.cells import UGRNNCell, get_cell, one_name
from keras_rnncap.datasets import make_task
from keras_rnncap.defaults import Capacity, Train
from keras_rnncap.errors import InputError
from keras_rnncap.runs import RunDirectory
from keras_rnncap.training import TrainingSettings
from keras_rnncap.training import train as train_module
from keras_rnncap.training.train import train_model
from keras_rnncap.tuners import capacity as capacity_module
from keras_rnncap.tuners import measure_capacity, run_sweep
from keras_rnncap.tuners.jobs import Job
from keras_rnncap.tuners.journal import read_trials
from keras_rnncap.tuners.search import SearchOptions
from keras_rnncap.tuners.search_run import SearchRun

SPEC = "memory:input_dim=2,length=2"
CHANGES = {"forget_bias": (0, 3), "optimizer": ["sgd", "adam"], "l2": 1e-8}
SET = ("--set", "forget_bias=0..3", "--set", "optimizer=SGD,adam", "--set", "l2=0.00000001")


def in_python(command):
    common = {"params": 100, "batch_size": 2}
    if command == "train":
        settings = TrainingSettings(1, learning_rate=Train.learning_rate, clip_norm=Train.clip_norm)
        return train_model(make_task(SPEC), UGRNNCell, settings=settings, **common)
    common |= {"trials": 1, "steps": 1, "slots": 1, "changes": CHANGES}
    if command == "sweep":
        return run_sweep(make_task(SPEC), UGRNNCell, oracle="random", **common)
    return measure_capacity(UGRNNCell, space="collins", **common)


def on_the_command_line(command, invoke):
    common = ("--params", "100", "--batch-size", "2", "--steps", "1")
    more = {
        "train": (),
        "sweep": ("--oracle", "random", "--trials", "1", *SET),
        "capacity": ("--trials", "1", "--space", "collins", *SET),
    }
    task = () if command == "capacity" else (SPEC,)
    done = invoke(command, *task, "keras_rnncap.cells:UGRNNCell", *common, *more[command])
    assert done.exit_code in (0, 1), done.exception  # 1: nothing feasible after a step


@pytest.mark.parametrize("first", ["command line", "Python"])
@pytest.mark.parametrize("command", ["capacity", "sweep", "train"])
def test_each_goes_on_with_the_others_run(command, first, tmp_path, monkeypatch, invoke):
    monkeypatch.chdir(tmp_path)
    steps = [lambda: on_the_command_line(command, invoke), lambda: in_python(command)]
    for step in steps if first == "command line" else steps[::-1]:
        step()
        (folder,) = (tmp_path / "runs").iterdir()
        content = (folder / ("history.csv" if command == "train" else "trials.csv")).read_bytes()
    step()
    assert [item.name for item in (tmp_path / "runs").iterdir()] == [folder.name]
    assert (folder / ("history.csv" if command == "train" else "trials.csv")).read_bytes() == content


def rewrite(file, **changes):
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_runs_of_before_go_on_whose_identity_is_written_in_another_way(tmp_path):
    run = {"params": 100, "space": "collins", "batch_size": 2, "trials": 1, "steps": 1, "slots": 1}
    run |= {"out": tmp_path / "run"}
    result = measure_capacity("ugrnn", changes=CHANGES, **run)
    texts = ({key: str(value) for key, value in CHANGES.items()}, dict(pair.split("=") for pair in SET[1::2]))
    for there in texts:
        rewrite(tmp_path / "run" / "run.json", set=there)
        assert measure_capacity("ugrnn", changes=CHANGES, **run) == result
    rewrite(tmp_path / "run" / "run.json", set=texts[0] | {"forget_bias": "(0, 4)"})
    with pytest.raises(InputError, match="holds another run: set"):
        measure_capacity("ugrnn", changes=CHANGES, **run)


def test_the_folder_of_before_is_taken_where_there_is_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sizes = {"params": 100, "depth": 1, "seed": 0, "space": "collins"}
    new = capacity_module.default_directory("ugrnn", **sizes, changes={"l2": "1e-8"})
    assert new == capacity_module.default_directory(UGRNNCell, **sizes, changes={"l2": 1e-8})
    old = tmp_path / "runs" / "capacity-ugrnn-100x1-set93d9d08c-seed0"
    old = old.with_name(old.name.replace("93d9d08c", crc({"l2": "1e-8"})))
    os.makedirs(old)
    (old / "run.json").write_text("{}")
    assert capacity_module.default_directory("ugrnn", **sizes, changes={"l2": "1e-8"}).name == old.name != new.name


def crc(changes):
    import zlib

    return f"{zlib.crc32(json.dumps(changes).encode()):08x}"


def test_a_cell_has_one_name_however_it_is_named(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "named_cells").mkdir()
    (tmp_path / "named_cells" / "__init__.py").write_text("from named_cells.mine import Mine, small")
    (tmp_path / "named_cells" / "mine.py").write_text(
        "import functools\nfrom keras_rnncap.cells import RNNCell\n\nclass Mine(RNNCell):\n    pass\n\n"
        "small = functools.partial(RNNCell, activation='relu')\n"
    )
    import named_cells

    names = {one_name(cell) for cell in ("named_cells:Mine", "named_cells.mine:Mine", named_cells.Mine)}
    assert names == {"named_cells.mine:Mine"}
    assert one_name("named_cells:small") == "named_cells:small"


def test_nothing_is_said_twice():
    settings = TrainingSettings(Train.steps)
    for name in ("optimizer", "learning_rate_decay", "momentum", "l2", "loss_saturation"):
        assert getattr(Train, name) == getattr(settings, name)
    assert Capacity.params == 300
    assert train_module.Train is Train


def test_a_table_of_before_hyperparameters_had_names_of_their_own_goes_on(tmp_path):
    def sweep(name, trials):
        run_sweep(
            make_task(SPEC), "rnn", params=60, steps=2, trials=trials, slots=1, oracle="random", out=tmp_path / name
        )
        return pd.read_csv(tmp_path / name / "trials.csv").drop(columns="elapsed_s")

    sweep("run", 2)
    file = tmp_path / "run" / "trials.csv"
    file.write_text(file.read_text().replace("hp.", ""))
    pd.testing.assert_frame_equal(sweep("run", 4), sweep("whole", 4), check_like=True)


def test_a_hyperparameter_may_have_the_name_of_any_column(tmp_path):
    space, job = kt.HyperParameters(), job_of(make_task(SPEC))
    for hp in job.hyperparameters.space:
        space.merge([hp])
    for name in ("steps", "seed", "loss", "trial", "status", "elapsed_s"):
        space.Choice(name, [3, 4])
    job.hyperparameters = space
    with RunDirectory(tmp_path / "run", {"command": "x", "seed": 0}) as folder:
        run = SearchRun(folder, job, 2)
        run.search(SearchOptions("random", slots=1))
    for row in (*run.rows, *read_trials(tmp_path / "run" / "trials.csv", space, job.objective)):
        assert row["steps"] == 2
        assert row["status"] in ("completed", "untrained", "stopped", "diverged")
        values = run.values_of(row)
        assert {values[name] for name in ("steps", "seed", "loss", "trial", "status", "elapsed_s")} <= {3, 4}


def job_of(task):
    return Job(task, get_cell("rnn"), params=60, depth=1, steps=2, batch_size=2, seed=0)
