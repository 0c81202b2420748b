"""A training run: its files, and that an interrupted one ends as if it had not been."""

import csv
import json
import math
import shutil

import h5py
import keras
import numpy as np
import pytest

import keras_rnncap.saving as saving_module
import keras_rnncap.training.loop as training_module
import keras_rnncap.training.train as train_module
from keras_rnncap.datasets import PythonDocs
from keras_rnncap.errors import InputError
from keras_rnncap.runs import temporary_folder
from keras_rnncap.terminal.progress import StepCallback
from keras_rnncap.training import Schedule, TrainingSettings
from keras_rnncap.training.train import train_model

FILES = {"checkpoint.weights.h5", "history.csv", "model.keras", "run.json", "saved_model", "train.json", "train.png"}
STEPS = 40


@pytest.fixture(scope="module")
def task():
    return PythonDocs()


@pytest.fixture(scope="module", autouse=True)
def few_records():
    """Two records in a run, and executions of a few steps, so that a run can be interrupted between records."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_module, "RECORDS", 2)
        patch.setattr(training_module, "STEPS_PER_EXECUTION", 7)
        yield


@pytest.fixture(autouse=True)
def no_export(finished, monkeypatch):
    """Saves the second that a SavedModel takes; `finished`, made before, has one."""
    monkeypatch.setattr(saving_module, "export_saved_model", lambda _, directory: directory.mkdir())


def train(task, out, steps=STEPS, cell="rnn", **settings):
    settings = TrainingSettings(steps, **{"learning_rate": 0.02, "learning_rate_decay": 0.1, **settings})
    return train_model(task, cell, params=400, settings=settings, batch_size=3, seed=5, out=out)


def visible(folder):
    return {item.name for item in folder.iterdir()} - {".lock"}


def history(folder):
    with (folder / "history.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def weights(folder):
    return [np.asarray(weight) for weight in keras.saving.load_model(folder / "model.keras").weights]


def steps_in_checkpoint(folder):
    with h5py.File(folder / "checkpoint.weights.h5") as file:
        return int(file["optimizer"]["vars"]["0"][()])


@pytest.fixture(scope="module")
def finished(task, tmp_path_factory):
    folder = tmp_path_factory.mktemp("train") / "deep" / "run"
    return folder, train(task, folder)


def test_the_result_is_in_the_folder_with_all_that_tells_it_apart(task, finished):
    folder, result = finished
    written = json.loads((folder / "train.json").read_text())
    assert written == json.loads(json.dumps(vars(result)))
    assert (written["task"], written["cell"], written["depth"]) == ("python-docs", "rnn", 1)
    assert (written["units"], written["steps"], written["batch_size"], written["seed"]) == (6, STEPS, 3, 5)
    assert written["parameters"] == 6 * 27 + 36 + 6 + 6 + 7 * 27
    assert written["score_name"] == "bits_per_character"
    assert written["baselines"] == task.baselines("test")
    assert written["settings"]["learning_rate"] == 0.02
    assert {"python", "keras", "tensorflow"} <= set(written["versions"])
    assert visible(folder) == FILES


def test_history_has_a_record_for_each_part_of_the_run(finished):
    folder, result = finished
    rows = history(folder)
    assert [int(row["step"]) for row in rows] == [20, 40]
    assert float(rows[1]["train_loss"]) < float(rows[0]["train_loss"])
    assert float(rows[1]["validation_bits_per_character"]) == result.validation_score
    assert result.elapsed_s == pytest.approx(sum(float(row["elapsed_s"]) for row in rows), abs=0.1)


def test_the_saved_model_has_the_reported_score_and_the_step_count_of_the_run(task, finished):
    folder, result = finished
    model = keras.saving.load_model(folder / "model.keras")
    assert task.score(model) == result.test_score
    assert task.validation_score(model) == result.validation_score
    assert result.test_score < task.chance_score
    assert steps_in_checkpoint(folder) == STEPS


def refuse(*arguments, **options):
    raise AssertionError("trained again")


def test_a_finished_run_returns_at_once(task, finished, monkeypatch):
    monkeypatch.setattr(train_module, "fit", refuse)
    before = {path: path.stat().st_mtime_ns for path in finished[0].rglob("*") if path.name != ".lock"}
    assert train(task, finished[0]) == finished[1]
    assert {path: path.stat().st_mtime_ns for path in finished[0].rglob("*") if path.name != ".lock"} == before


def interrupt_at(monkeypatch, step):
    class Interrupt(StepCallback):
        def on_train_batch_end(self, batch, logs=None):
            super().on_train_batch_end(batch, logs)
            if self._offset + batch + 1 >= step:
                raise KeyboardInterrupt

    monkeypatch.setattr(train_module, "StepCallback", Interrupt)


def interrupted_and_continued(task, folder, monkeypatch, step, **settings):
    """Runs until an interrupt at or after this step, then to the end; returns the step of the checkpoint between."""
    with monkeypatch.context() as patch:
        interrupt_at(patch, step)
        with pytest.raises(KeyboardInterrupt):
            train(task, folder, **settings)
    reached = steps_in_checkpoint(folder)
    train(task, folder, **settings)
    return reached


def test_an_interrupted_run_ends_with_the_weights_of_an_uninterrupted_one(task, finished, tmp_path, monkeypatch):
    assert interrupted_and_continued(task, tmp_path / "run", monkeypatch, 27) == 27
    for one, other in zip(weights(tmp_path / "run"), weights(finished[0]), strict=True):
        np.testing.assert_array_equal(one, other)
    assert visible(tmp_path / "run") == FILES
    assert [int(row["step"]) for row in history(tmp_path / "run")] == [20, 40]
    results = [json.loads((folder / "train.json").read_text()) for folder in (tmp_path / "run", finished[0])]
    assert results[0]["test_score"] == results[1]["test_score"]


def test_whatever_the_optimizer_and_with_l2(task, tmp_path, monkeypatch):
    settings = {"steps": 14, "l2": 0.05, "optimizer": "momentum", "clip_norm": 0.1}
    train(task, tmp_path / "whole", **settings)
    interrupted_and_continued(task, tmp_path / "run", monkeypatch, 7, **settings)
    for one, other in zip(weights(tmp_path / "run"), weights(tmp_path / "whole"), strict=True):
        np.testing.assert_array_equal(one, other)


SCORES = [4.3, 4.1, math.nan, 4.1, 4.123456789012345, 4.0, 4.0, 4.0]
RULES = [
    (Schedule("plateau", 5, factor=0.5, patience=2), [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5]),
    (Schedule("after_plateau", 5, factor=0.8, patience=2, lowerings=2), [1, 1, 1, 1, 0.8, 0.64]),
    (Schedule("worse", 5, factor=0.8), [1, 1, 1, 0.8, 0.8, 0.64, 0.64, 0.64]),
    (Schedule("always", 5, factor=0.8, constant_epochs=2, stop_patience=3), [1, 1, 0.8, 0.64, 0.512]),
]


@pytest.mark.parametrize(("schedule", "factors"), RULES, ids=lambda value: getattr(value, "rule", ""))
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_rate_follows_the_validation_scores_also_after_an_interrupt(
    task, tmp_path, monkeypatch, schedule, factors, optimizer
):
    settings = {"steps": 38, "optimizer": optimizer, "schedule": schedule}
    monkeypatch.setattr(
        task, "validation_score", lambda model: SCORES[math.ceil(int(model.optimizer.iterations) / 5) - 1]
    )
    rates, real = [], train_module.fit
    monkeypatch.setattr(
        train_module, "fit", lambda model, *a: rates.append(float(model.optimizer.learning_rate)) or real(model, *a)
    )
    result = train(task, tmp_path / "whole", **settings)
    assert rates == pytest.approx([0.02 * factor for factor in factors])
    assert result.steps == min(5 * len(factors), 38)
    # After the last step of the fourth epoch, before its score: the epoch is trained again.
    assert interrupted_and_continued(task, tmp_path / "run", monkeypatch, 20, **settings) == 15
    assert rates[len(factors) :] == pytest.approx([0.02 * factor for factor in [*factors[:4], *factors[3:]]])
    for one, other in zip(weights(tmp_path / "run"), weights(tmp_path / "whole"), strict=True):
        np.testing.assert_array_equal(one, other)
    assert [int(row["step"]) for row in history(tmp_path / "run")] == [
        min(5 * n, 38) for n in range(1, len(factors) + 1)
    ]
    identity = json.loads((tmp_path / "run" / "run.json").read_text())
    assert TrainingSettings(**{"steps": 38, "schedule": identity["schedule"]}).schedule == schedule
    with pytest.raises(InputError, match=r"holds another run: schedule \{'rule': .*\} there, None here"):
        train(task, tmp_path / "run", steps=38, optimizer=optimizer)


def test_dropout_goes_on_where_it_was_and_is_not_in_what_is_saved(task, finished, tmp_path, monkeypatch):
    train(task, tmp_path / "whole", dropout=0.4)
    assert interrupted_and_continued(task, tmp_path / "run", monkeypatch, 27, dropout=0.4) == 27
    for one, other in zip(weights(tmp_path / "run"), weights(tmp_path / "whole"), strict=True):
        np.testing.assert_array_equal(one, other)
    model = keras.saving.load_model(tmp_path / "run" / "model.keras")
    assert [layer.name for layer in model.layers] == ["inputs", "layer_1", "readout"]
    assert np.abs(weights(tmp_path / "run")[0] - weights(finished[0])[0]).max() > 1e-3


CELL = """
from keras_rnncap import RecurrentCell

class Leaky(RecurrentCell):
    blocks = ("hidden",)

    def step(self, x, states, w):
        (a,) = w.of_both(x, states[0])
        return (0.5 * states[0] + 0.5 * self.activation(a),)
"""


def test_a_users_cell_that_is_not_registered_with_keras_can_be_continued_too(task, tmp_path, monkeypatch):
    (tmp_path / "leaky_cells.py").write_text(CELL)
    monkeypatch.syspath_prepend(tmp_path)
    with monkeypatch.context() as patch:
        interrupt_at(patch, 7)
        with pytest.raises(KeyboardInterrupt):
            train(task, tmp_path / "run", steps=14, cell="leaky_cells:Leaky")
    assert train(task, tmp_path / "run", steps=14, cell="leaky_cells:Leaky").cell == "leaky_cells:Leaky"


def test_a_damaged_checkpoint_is_an_error_that_says_what_to_do(task, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        interrupt_at(patch, 7)
        with pytest.raises(KeyboardInterrupt):
            train(task, tmp_path / "run")
    checkpoint = tmp_path / "run" / "checkpoint.weights.h5"
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"(?s)cannot continue from .*checkpoint.weights.h5 .*delete its folder"):
        train(task, tmp_path / "run")


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"[]", b'{"task": "x"}'], ids=repr)
def test_a_damaged_result_is_an_error_that_says_what_to_do(task, finished, tmp_path, content):
    folder = shutil.copytree(finished[0], tmp_path / "run")
    (folder / "train.json").write_bytes(content)
    with pytest.raises(InputError, match=r"train.json is damaged \(.*\); delete it, and the same command writes it"):
        train(task, folder)
    (folder / "train.json").unlink()
    train(task, folder)
    assert (folder / "train.json").read_bytes() == (finished[0] / "train.json").read_bytes()


def test_what_a_killed_process_leaves_half_written_is_cleared(task, tmp_path):
    folder = tmp_path / "run"
    train(task, folder, steps=1)
    (folder / "train.json").unlink()  # killed before its last file was there
    (temporary_folder(folder) / "model.keras").write_text("half")
    train(task, folder, steps=1)
    assert visible(folder) == FILES


EXPLODING = {"optimizer": "sgd", "learning_rate_decay": 1.0, "clip_norm": 1e30}


def test_a_diverged_run_ends_early_and_says_so(task, tmp_path):
    result = train(task, tmp_path / "run", learning_rate=3e38, **EXPLODING)
    assert result.test_score is None
    assert result.validation_score is None
    assert json.loads((tmp_path / "run" / "train.json").read_text())["test_score"] is None
    assert len(history(tmp_path / "run")) == 1
    assert not math.isfinite(float(history(tmp_path / "run")[0]["train_loss"] or "nan"))
    assert not visible(tmp_path / "run") & {"model.keras", "saved_model", "train.png"}


def test_a_loss_beyond_what_the_task_calls_infeasible_is_a_divergence_though_it_is_finite(task, tmp_path):
    result = train(task, tmp_path / "run", steps=4, learning_rate=1e20, **EXPLODING)
    assert float(history(tmp_path / "run")[-1]["train_loss"]) > task.infeasible_above
    assert result.test_score is None


def test_another_run_in_the_folder_is_refused_and_names_the_difference(task, finished):
    with pytest.raises(
        InputError, match=r"holds another run: steps 40 there, 41 here, learning_rate 0.02 there, 0.1 here"
    ):
        train(task, finished[0], steps=41, learning_rate=0.1)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"params": 0}, "params must be an integer of at least 1"),
        ({"params": 9}, "a budget of 9 parameters is too small"),
        ({"depth": 0}, "depth must be an integer"),
        ({"batch_size": 0}, "batch_size must be an integer of at least 1"),
        ({"seed": -1}, "seed must be an integer of at least 0"),
        ({"cell": "grue"}, "unknown cell 'grue': did you mean 'gru'"),
    ],
)
def test_bad_input_is_named_before_a_folder_is_made(task, tmp_path, wrong, said):
    with pytest.raises(InputError, match=said):
        train_model(**{"task": task, "cell": "rnn", "out": tmp_path / "run", **wrong})
    assert not (tmp_path / "run").exists()
