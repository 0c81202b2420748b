"""The digest of loaded data: other content of the same size is other data, wherever a run or a preset is told apart."""

import json
from pathlib import Path

import numpy as np
import pytest

import keras_rnncap.datasets
from keras_rnncap.datasets import TASKS, FrequentWords, PennTreebank, PolyphonicMusic, PythonDocs, Text8
from keras_rnncap.datasets.builders import penn_treebank, text8
from keras_rnncap.errors import InputError
from keras_rnncap.publish import pack, retrain
from keras_rnncap.runs import IDENTITY, read_rows
from keras_rnncap.training import TrainingSettings
from keras_rnncap.training.train import train_model
from keras_rnncap.tuners import run_sweep

DUMMY = Path(penn_treebank.__file__).parent / "dummy_data"
MUSIC = Path(__file__).parent / "data" / "nottingham.npz"
SETTINGS = TrainingSettings(steps=2)
OTHER = "the data here are not those of the run, though they are text8 prefix"


@pytest.fixture
def texts(tmp_path):
    """Two texts of the same length, which differ in one letter; the second as a copy, too."""
    files = [tmp_path / name for name in ("one", "two", "copy")]
    for file, letter in zip(files, "abb", strict=True):
        file.write_text("it was the best of times " * 100 + letter)
    return files


def test_a_digest_is_of_what_was_loaded_and_the_same_each_time(texts):
    one, two, copy = (Text8(file) for file in texts)
    assert one.data == two.data
    assert one.digest != two.digest == copy.digest
    assert len(one.digest) == 16
    assert set(one.digest) <= set("0123456789abcdef")
    assert PythonDocs().digest == PythonDocs().digest != ""


def test_words_of_another_order_are_other_words(tmp_path):
    for name in ("train", "valid", "test"):
        text = (DUMMY / f"ptb.{name}.txt").read_text()
        lines = text.splitlines(keepends=True)
        (tmp_path / f"ptb.{name}.txt").write_text("".join(lines[::-1]) if name == "test" else text)
    other = PennTreebank(tmp_path)
    assert other.data == PennTreebank(DUMMY).data
    assert other.digest != PennTreebank(DUMMY).digest == PennTreebank(DUMMY).digest


@pytest.mark.parametrize("turned", ["train", "train_len"])
def test_other_notes_and_other_ends_of_pieces_are_other_music(tmp_path, turned):
    with np.load(MUSIC) as archive:
        np.savez(tmp_path / "other.npz", **{**archive, turned: archive[turned][::-1]})
    other = PolyphonicMusic(path=tmp_path / "other.npz")
    assert other.data == PolyphonicMusic(path=MUSIC).data
    assert other.digest != PolyphonicMusic(path=MUSIC).digest == PolyphonicMusic(path=MUSIC).digest


@pytest.mark.parametrize(
    "name", [name for name, task in TASKS.items() if not task.needs_data and task not in (PythonDocs, FrequentWords)]
)
def test_tasks_that_make_their_data_have_no_digest(name):
    task = TASKS[name].described()
    assert task.digest == ""
    assert task.identity == {"task": name, "data": task.data}


def test_every_task_that_needs_data_says_what_it_loaded():
    tasks = [
        Text8(Path(text8.__file__).parent / "dummy_data" / "text8"),
        PennTreebank(DUMMY),
        PolyphonicMusic(path=MUSIC),
    ]
    assert {task.name for task in tasks} == {name for name, task in TASKS.items() if task.needs_data}
    assert all(task.identity["digest"] == task.digest != "" for task in tasks)
    assert keras_rnncap.datasets.Task.loaded not in {type(task).loaded for task in tasks}


def test_a_training_is_not_continued_on_another_text_of_the_same_size(texts, tmp_path):
    one, two, _ = (Text8(file) for file in texts)
    train_model(one, "rnn", params=600, settings=SETTINGS, out=tmp_path / "run")
    assert json.loads((tmp_path / "run" / IDENTITY).read_text())["digest"] == one.digest
    with pytest.raises(InputError, match=f"holds another run: digest '{one.digest}' there, '{two.digest}' here"):
        train_model(two, "rnn", params=600, settings=SETTINGS, out=tmp_path / "run")


def test_a_sweep_is_not_continued_on_another_text_of_the_same_size(texts, tmp_path):
    one, two, _ = (Text8(file) for file in texts)
    options = {"params": 600, "trials": 1, "steps": 10, "batch_size": 4, "out": tmp_path / "run"}
    run_sweep(one, "rnn", **options)
    with pytest.raises(InputError, match="holds another run: digest"):
        run_sweep(two, "rnn", **options)
    assert len(read_rows(tmp_path / "run" / "trials.csv")) == 1


def test_a_preset_is_made_and_trained_again_only_with_the_data_of_its_run(texts, tmp_path):
    train_model(Text8(texts[1]), "rnn", params=600, settings=SETTINGS, out=tmp_path / "run")
    options = {"name": "rnn-text-600", "task": "text8"}
    with pytest.raises(InputError, match=OTHER):
        pack(tmp_path / "run", tmp_path / "other", **options, data=texts[0])
    assert not (tmp_path / "other").exists()
    preset = pack(tmp_path / "run", tmp_path / "preset", **options, data=texts[2])
    with pytest.raises(InputError, match=OTHER):
        retrain(preset, data=texts[0], out=tmp_path / "again")
    assert not (tmp_path / "again").exists()
    retrain(preset, data=texts[1], out=tmp_path / "again")


def test_what_was_made_without_a_digest_is_taken_at_its_word(texts, tmp_path):
    train_model(Text8(texts[0]), "rnn", params=600, settings=SETTINGS, out=tmp_path / "run")
    identity = json.loads((tmp_path / "run" / IDENTITY).read_text())
    del identity["digest"]
    (tmp_path / "run" / IDENTITY).write_text(json.dumps(identity))
    preset = pack(tmp_path / "run", tmp_path / "preset", name="rnn-text-600", task="text8", data=texts[1])
    retrain(preset, data=texts[0], out=tmp_path / "again")
