"""Runs become presets that say how they were made, and presets train again from what they say."""

import dataclasses
import json
import re

import numpy as np
import pytest

from keras_rnncap import publish as presets_module
from keras_rnncap import zoo
from keras_rnncap.datasets import make_task
from keras_rnncap.errors import InputError
from keras_rnncap.information import mutual_information_bits
from keras_rnncap.publish import bundle, pack, retrain
from keras_rnncap.runs import read_rows
from keras_rnncap.studies import run_study
from keras_rnncap.training import TrainingSettings
from keras_rnncap.training.train import train_model
from keras_rnncap.tuners import measure_capacity, run_sweep
from keras_rnncap.tuners.search_run import SearchRun

TASK = "memory:input_dim=4,length=3"
DOCS = TrainingSettings(steps=40, learning_rate=0.01, clip_norm=1.0)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    measure_capacity("rnn", params=60, trials=3, steps=300, out=folder / "capacity")
    run_sweep(make_task(TASK), "gru", params=120, trials=3, steps=60, out=folder / "sweep")
    run_sweep(make_task(TASK), "gru", params=60, trials=2, steps=10, out=folder / "search")
    run_sweep(None, "rnn", params=60, trials=2, steps=100, out=folder / "perceptron-sweep")
    train_model(make_task("python-docs"), "ugrnn", params=900, settings=DOCS, out=folder / "train")
    return folder


@pytest.fixture(scope="module")
def presets(runs):
    made = runs.parent / "presets"
    pack(runs / "capacity", made / "capacity", name="rnn-perceptron-60")
    pack(runs / "sweep", made / "sweep", name="gru-memory-120", task=TASK, searches=[runs / "search"])
    pack(runs / "train", made / "train", name="ugrnn-docs-900", origin="Python's own.", paper="none")
    return made


def test_a_capacity_preset_stores_what_was_measured(runs, presets):
    result = json.loads((runs / "capacity" / "capacity.json").read_text())
    facts = zoo.describe(presets / "capacity")
    assert facts.score == pytest.approx(result["mutual_information_bits"])
    assert facts.interval is None
    task = make_task(facts.task)
    assert task.patterns == result["patterns"]
    accuracy = task.accuracy(zoo.load(presets / "capacity"))
    assert mutual_information_bits(task.patterns, accuracy) == pytest.approx(facts.score)


def test_a_sweeps_preset_is_scored_on_fresh_data_and_states_both_costs(runs, presets):
    result, other = (json.loads((runs / name / "sweep.json").read_text()) for name in ("sweep", "search"))
    facts = zoo.describe(presets / "sweep")
    low, high = facts.interval
    assert low < facts.score < high
    assert facts.score == pytest.approx(result["best_score"], rel=0.2)
    assert facts.score == zoo.evaluate(zoo.load(presets / "sweep"), make_task(TASK)).score
    assert facts.cost == {"trials": 5, "seconds": pytest.approx(result["elapsed_s"] + other["elapsed_s"], abs=0.11)}
    assert facts.hyperparameters == result["hyperparameters"]
    assert facts.curve[-1][0] == 60
    assert facts.curve == sorted(facts.curve)


def test_a_trained_models_preset_has_its_test_score(runs, presets):
    result = json.loads((runs / "train" / "train.json").read_text())
    facts = zoo.describe(presets / "train")
    assert facts.score == pytest.approx(result["test_score"], rel=1e-5)
    assert facts.hyperparameters["learning_rate"] == 0.01
    assert "Python's own." in zoo.card(presets / "train")


@pytest.mark.parametrize(("name", "again"), [("capacity", "rnn"), ("sweep", "gru"), ("train", "ugrnn")])
def test_a_preset_trains_again_from_its_card(presets, name, again, tmp_path):
    folder = retrain(presets / name, out=tmp_path / "again")
    facts, options = zoo.describe(presets / name), {}
    if name == "sweep":
        options = {"task": TASK}
    new = pack(folder, tmp_path / "preset", name=facts.name, version=2, **options)
    found = zoo.describe(new)
    assert (found.cell, found.task, found.parameters) == (again, facts.task, facts.parameters)
    for key, value in facts.hyperparameters.items():
        assert found.hyperparameters[key] == pytest.approx(value)
    if name == "train":  # the same seed, and no best of several
        assert found.score == pytest.approx(facts.score, rel=1e-3)


def test_a_search_before_the_saturation_of_the_loss_is_repeated_without_it_and_as_often_as_asked(
    presets, tmp_path, monkeypatch
):
    facts = zoo.describe(presets / "capacity")
    known = {name: value for name, value in facts.hyperparameters.items() if name != "loss_saturation"}
    old = dataclasses.replace(facts, hyperparameters=known)
    monkeypatch.setattr(presets_module, "describe", lambda _: old)
    rows = read_rows(retrain("old", trials=3, out=tmp_path / "again") / "trials.csv")
    assert [row["hp.loss_saturation"] for row in rows] == [0.0] * 3
    assert len({row["loss"] for row in rows}) == 3  # other weights each time


def test_another_seed_gives_other_weights(presets, tmp_path):
    folder = retrain(presets / "sweep", seed=5, out=tmp_path / "again")
    new = pack(folder, tmp_path / "preset", name="gru-memory-120", task=TASK)
    old = zoo.load(presets / "sweep")
    assert not np.allclose(zoo.load(new).get_weights()[0], old.get_weights()[0])


def test_what_cannot_be_published_or_trained_again_says_so(runs, presets, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="holds no finished run of rnncap capacity, sweep or train"):
        pack(tmp_path, tmp_path / "new", name="a-b-c")
    with pytest.raises(InputError, match=r"task must be the run's, memory \(.*got 'memory', which is memory"):
        pack(runs / "sweep", tmp_path / "new", name="a-b-c", task="memory")
    for search in ("perceptron-sweep", "train", "capacity"):
        with pytest.raises(InputError, match=f"{search} is not a sweep of the gru on memory"):
            pack(runs / "sweep", tmp_path / "new", name="a-b-c", task=TASK, searches=[runs / search])
    with pytest.raises(InputError, match="name must be CELL-TASK-SIZE"):
        pack(runs / "sweep", tmp_path / "new", name="A", task=TASK)
    assert not (tmp_path / "new").exists()
    model = zoo.load(presets / "sweep")
    zoo.save(model, tmp_path / "mine", zoo.PresetFacts(name="gru-mine-1", task="mine"))
    with pytest.raises(InputError, match="gru-mine-1@v1 does not say how it was trained"):
        retrain(tmp_path / "mine")
    with pytest.raises(InputError, match="trials must be 1 for what rnncap train made; got 2"):
        retrain(presets / "train", trials=2)
    facts = dataclasses.replace(zoo.describe(presets / "sweep"), cell="evil:Cell")
    zoo.save(model, tmp_path / "evil", facts)
    (tmp_path / "evil.py").write_text("raise SystemExit('it ran')")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="has a cell of its own, evil:Cell: its code is not run"):
        retrain(tmp_path / "evil")


DIVERGED = {"measured": None, "status": "diverged"}


def test_a_run_that_diverged_has_nothing_to_publish(tmp_path, monkeypatch):
    real = SearchRun.record
    monkeypatch.setattr(SearchRun, "record", lambda run, ended: real(run, ended._replace(**DIVERGED)))
    measure_capacity("rnn", params=60, trials=1, steps=5, out=tmp_path / "run")
    with pytest.raises(InputError, match="has no model to publish: training diverged"):
        pack(tmp_path / "run", tmp_path / "new", name="rnn-perceptron-60")


def test_the_command_line_lists_shows_verifies_predicts_exports_and_publishes(runs, presets, tmp_path, invoke):
    preset = presets / "sweep"
    assert "## Score" in invoke("zoo", "show", preset).output
    assert "files are as published" in invoke("zoo", "verify", preset).output
    listed = invoke("zoo", "list")
    assert listed.exit_code == 0
    assert "memory: mean squared error (chance 1)" in listed.output
    assert "intersection-rnn-parentheses-5k@v1" in listed.output  # the longest name is whole on a narrow screen
    assert "…" not in listed.output
    assert invoke("zoo", "predict", presets / "capacity").output.count("output") == 3
    result = invoke("zoo", "predict", preset, "--out", tmp_path / "y.npy", "--seed", 1)
    assert result.exit_code == 0, result.output
    inputs = make_task(TASK).sample(np.random.default_rng(1), 3, "test").inputs
    outputs = np.load(tmp_path / "y.npy")
    np.save(tmp_path / "x.npy", inputs[0])
    invoke("zoo", "predict", preset, tmp_path / "x.npy", "--out", tmp_path / "y1.npy")
    np.testing.assert_allclose(np.load(tmp_path / "y1.npy"), outputs[:1], rtol=1e-5, atol=1e-6)
    result = invoke("zoo", "export", preset, tmp_path / "export", "--formats", "keras,litert")
    assert "step.tflite" in result.output, result.output
    options = ["--name", "gru-memory-120", "--task", TASK, "--search", runs / "search"]
    result = invoke("zoo", "save", runs / "sweep", tmp_path / "preset", *options)
    assert "gru-memory-120@v1 is in" in result.output, result.output
    result = invoke("zoo", "train", tmp_path / "preset", "--out", tmp_path / "again")
    said = re.search(r"rnncap zoo save (\S+) FOLDER (.*) makes", result.output)
    result = invoke("zoo", "save", said[1], tmp_path / "second", *said[2].split())
    assert "gru-memory-120@v2 is in" in result.output, result.output


def test_outputs_and_pictures_on_a_full_disk_are_one_sentence(presets, tmp_path, invoke, monkeypatch):
    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", full)
    predict = ["zoo", "predict", presets / "sweep", "--out", "y.npy"]
    for arguments in (predict, ["tasks", "show", TASK, "--plot", "x.png"]):
        done = invoke(*arguments)
        assert isinstance(done.exception, InputError)
        assert str(done.exception) == f"cannot write to {tmp_path}: No space left on device"
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((2, 3, 5)), r"holds float64 \(2, 3, 5\); the model takes numbers of \(batch, time, 4\)"),
        (np.zeros(4), r"holds float64 \(4,\)"),
        (np.array([[["a"]]]), "holds <U1"),
        (np.zeros((1, 2, 4), complex), "holds complex128"),
    ],
)
def test_inputs_of_another_form_are_an_error(presets, array, said, tmp_path, invoke):
    np.save(tmp_path / "x.npy", array)
    result = invoke("zoo", "predict", presets / "sweep", tmp_path / "x.npy")
    assert isinstance(result.exception, InputError)
    with pytest.raises(InputError, match=said):
        raise result.exception
    np.savez(tmp_path / "x.npz", array)
    result = invoke("zoo", "predict", presets / "sweep", tmp_path / "x.npz")
    with pytest.raises(InputError, match="is an archive"):
        raise result.exception


def test_a_study_of_the_zoo_becomes_presets_each_once(tmp_path):
    with pytest.raises(InputError, match="has nothing of the studies zoo, capacity, cells and words that ended"):
        bundle(tmp_path, tmp_path / "house")
    rows = run_study("zoo", profile="smoke", cells=["rnn"], out=tmp_path / "study")
    assert sorted(rows.pieces["part"]) == ["search", "train"]
    written = bundle(tmp_path / "study", tmp_path / "house")
    assert [folder.relative_to(tmp_path / "house").as_posix() for folder in written] == ["rnn-memory-300/v1"]
    memory = zoo.describe(written[0])
    # Trained with the hyperparameters of a smaller model's search, and the card states what both cost.
    searched, trained = (json.loads(row["hyperparameters"]) for row in rows.ended() if row["preset"] == memory.name)
    assert memory.hyperparameters == trained == searched
    assert memory.cost["trials"] == 3
    assert 150 < memory.parameters <= 300
    assert bundle(tmp_path / "study", tmp_path / "house") == []


def test_of_two_seeds_the_better_is_bundled_with_its_own_search(tmp_path):
    for seed in (0, 1):
        rows = run_study("zoo", profile="smoke", cells=["gru"], seed=seed, out=tmp_path / "study")
    written = bundle(tmp_path / "study", tmp_path / "house")
    assert len(written) == 1
    own = rows.pieces[(rows.pieces["preset"] == "gru-memory-300") & (rows.pieces["part"] == "train")]
    best = own.loc[own["best_score"].idxmin()]
    facts = zoo.describe(written[0])
    assert facts.training["seed"] == best["seed"]
    assert facts.hyperparameters == json.loads(best["hyperparameters"])
    assert facts.cost["trials"] == 3


@pytest.mark.parametrize(("study", "grid"), [("capacity", {"depths": [1, 2]}), ("cells", {})])
def test_models_of_studies_of_capacity_become_presets(tmp_path, study, grid):
    rows = run_study(study, profile="smoke", cells=["rnn", "+rnn"], **grid, out=tmp_path / "study")
    written = bundle(tmp_path / "study", tmp_path / "house")
    assert [folder.parent.name for folder in written] == ["rnn-perceptron-60", "intersection-rnn-perceptron-60"]
    stored = rows.pieces[rows.pieces["part"] == "size"].set_index(["cell", "depth"])
    for folder, depth in zip(written, (1, 2), strict=True):
        facts = zoo.describe(folder)
        assert facts.depth == depth  # each cell's least
        row = stored.loc[(facts.cell, depth)]
        assert facts.hyperparameters == json.loads(row["hyperparameters"])
        assert facts.cost["trials"] == row["trials"] == 2


def test_classifiers_of_the_words_study_become_presets_with_pictures_of_their_states(tmp_path):
    rows = run_study("words", profile="smoke", cells=["two-bias-rnn", "lstm"], out=tmp_path / "study")
    written = bundle(tmp_path / "study", tmp_path / "house")
    assert [folder.parent.name for folder in written] == ["two-bias-rnn-sentiment-22"]  # the paper's cells alone
    (folder,), model = written, zoo.load(written[0])
    zoo.verify(folder)
    facts, task = zoo.describe(folder), make_task(zoo.describe(folder).task)
    (row,) = [row for row in rows.ended() if (row["part"], row["cell"]) == ("states", "two-bias-rnn")]
    assert (task.data, facts.units, facts.cost["trials"]) == (row["data"], 2, 3)
    assert facts.score == pytest.approx(task.score(model, "test"))
    # The best of the trained models, on the split by which it was chosen.
    (accuracy,) = {*rows.trials.loc[rows.trials["kind"] == "path", "accuracy"][rows.trials["piece"] == row["piece"]]}
    assert task.score(model, "validation") == pytest.approx(accuracy)
    assert [step for step, _ in facts.curve] == [0, 250, 500]
    picture = folder / "paths_of_the_state_and_fixed_points.png"
    assert picture.read_bytes()[:4] == b"\x89PNG"
    assert f"![paths of the state, and fixed points]({picture.name})" in zoo.card(folder)
    assert bundle(tmp_path / "study", tmp_path / "house") == []
