"""What is published is of one trial: its model, its curve and its result; and no stranger's code runs for it."""

import json
import shutil
import sys

import keras
import pandas as pd
import pytest
from studies.made import write_study

from keras_rnncap import sequence_model, zoo
from keras_rnncap.datasets import make_task
from keras_rnncap.errors import InputError
from keras_rnncap.publish import bundle, pack
from keras_rnncap.runs import IDENTITY
from keras_rnncap.studies.study import Piece
from keras_rnncap.training import TrainingSettings
from keras_rnncap.training.train import train_model
from keras_rnncap.tuners import measure_capacity, run_sweep

TASK = "memory:input_dim=4,length=3"
CELL = """
import keras
from keras_rnncap import RecurrentCell

@keras.saving.register_keras_serializable(package="finished_tests")
class Mine(RecurrentCell):
    blocks = ("hidden",)

    def step(self, x, states, w):
        (a,) = w.of_both(x, states[0])
        return (self.activation(a),)
"""
TOGETHER = "run the same command again to bring them together"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    measure_capacity("rnn", params=60, trials=3, steps=300, out=folder / "capacity")
    run_sweep(make_task(TASK), "gru", params=120, trials=3, steps=60, out=folder / "sweep")
    settings = TrainingSettings(steps=20, learning_rate=0.01)
    train_model(make_task(TASK), "ugrnn", params=120, settings=settings, out=folder / "train")
    return folder


@pytest.fixture
def copy(runs, tmp_path):
    def make(name):
        return shutil.copytree(runs / name, tmp_path / name)

    return make


def rewrite(file, **changes):
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def name_of(run):
    return {"capacity": "rnn-perceptron-60", "sweep": "gru-memory-120", "train": "ugrnn-memory-120"}[run.name]


def publish(run, **options):
    task = None if run.name == "capacity" else TASK
    return pack(run, run.parent / "preset", name=name_of(run), task=task, **options)


# ---- the code of cells


@pytest.fixture
def evil(copy, tmp_path, monkeypatch):
    """Runs that name a cell in the working directory, and that file, which says so when it is imported."""
    mark = f"import pathlib; pathlib.Path({str(tmp_path / 'it-ran')!r}).touch()"
    (tmp_path / "evil_cells.py").write_text(mark + CELL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "evil_cells", raising=False)
    folders = []
    for name in ("capacity", "sweep", "train"):
        folder = copy(name)
        for file in (IDENTITY, f"{name}.json"):
            rewrite(folder / file, cell="evil_cells:Mine")
        folders.append(folder)
    return folders


def test_no_code_is_run_that_a_folder_names(evil, tmp_path, invoke):
    for folder in evil:
        with pytest.raises(InputError, match=r"cell of its own, evil_cells:Mine: .* --cell-module evil_cells"):
            publish(folder)
        with pytest.raises(InputError, match="cell of its own"):
            publish(folder, cell_modules=["evil", "other"])
        asked = invoke("zoo", "save", folder, tmp_path / "preset", "--name", name_of(folder), "--task", TASK)
        assert isinstance(asked.exception, InputError)
    assert not (tmp_path / "it-ran").exists()
    assert not (tmp_path / "preset").exists()


def test_a_module_that_is_named_is_imported_and_the_model_must_be_of_its_cell(evil, tmp_path):
    for folder in evil:
        with pytest.raises(InputError, match=r"is not the model of \w+\.json: it has 1 layers of \w+Cell .* 1 of Mine"):
            publish(folder, cell_modules=["evil_cells"])
    assert (tmp_path / "it-ran").exists()
    assert not (tmp_path / "preset").exists()


def test_a_model_file_that_names_a_module_is_not_loaded(copy, tmp_path, monkeypatch):
    (tmp_path / "evil_layers.py").write_text("raise SystemExit('it ran')")
    monkeypatch.syspath_prepend(tmp_path)
    run = copy("train")
    model = keras.saving.load_model(run / "model.keras")
    monkeypatch.setattr(type(model.layers[1].cell), "__module__", "evil_layers")
    model.save(run / "model.keras")
    monkeypatch.undo()
    with pytest.raises(InputError, match=r"model\.keras cannot be loaded: .*evil_layers"):
        publish(run)


def test_the_model_must_be_of_the_size_and_cell_that_the_result_says(copy):
    run = copy("sweep")
    for cell, units, depth in (("rnn", 5, 1), ("gru", 2, 1), ("gru", 3, 2)):
        model = sequence_model(cell, units, depth, input_dim=4, output_dim=4)
        model.save(run / "best" / "model.keras")
        with pytest.raises(InputError, match=r"best/model\.keras is not the model of sweep\.json"):
            publish(run)
    (run / "best" / "model.keras").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"best/model\.keras cannot be loaded"):
        publish(run)


def test_a_users_cell_is_published_where_its_module_is_named(tmp_path, monkeypatch, invoke):
    (tmp_path / "finished_cells.py").write_text(CELL.replace("finished_tests", "finished_cells"))
    monkeypatch.syspath_prepend(tmp_path)
    measure_capacity("finished_cells:Mine", params=60, trials=1, steps=20, out=tmp_path / "run")
    arguments = ["zoo", "save", tmp_path / "run", tmp_path / "preset", "--name", "mine-perceptron-60"]
    done = invoke(*arguments, "--cell-module", "other", "--cell-module", "finished_cells")
    assert done.exit_code == 0, done.output
    assert zoo.describe(tmp_path / "preset").cell == "finished_cells:Mine"
    pack(tmp_path / "run", tmp_path / "two", name="mine-perceptron-60", cell_modules="finished_cells")
    with pytest.raises(InputError, match="cell of its own"):
        pack(tmp_path / "run", tmp_path / "three", name="mine-perceptron-60", cell_modules="finished_cells_of_others")


def test_a_bundle_runs_no_code_and_takes_no_cell_for_another(tmp_path, monkeypatch, invoke):
    (tmp_path / "bundled_cells.py").write_text(CELL.replace("finished_tests", "bundled_cells"))
    monkeypatch.syspath_prepend(tmp_path)
    study, rows = tmp_path / "study", []
    for cell in ("rnn", "bundled_cells:Mine"):
        settings = {"cell": cell, "params": 1_000, "depth": 1, "trials": 1, "steps": 20, "batch_size": 32, "seed": 0}
        piece = Piece(f"size-{cell.replace(':', '.')}", settings, {"part": "size"}, work=1.0)
        rows.append(piece.run(study / "pieces" / piece.name, {}, False))
    trials = pd.DataFrame({"piece": [row["piece"] for row in rows]})
    shutil.copytree(study / "pieces", tmp_path / "pieces")
    shutil.rmtree(study)
    write_study(study, "capacity", pd.DataFrame(rows), trials)
    shutil.move(tmp_path / "pieces", study / "pieces")

    monkeypatch.delitem(sys.modules, "bundled_cells")
    with pytest.raises(InputError, match="cell of its own, bundled_cells:Mine"):
        bundle(study, tmp_path / "house")
    assert "bundled_cells" not in sys.modules
    monkeypatch.undo()
    monkeypatch.syspath_prepend(tmp_path)
    done = invoke("zoo", "bundle", study, tmp_path / "house", "--cell-module", "bundled_cells")
    assert done.exit_code == 0, done.exception
    names = sorted(folder.name for folder in (tmp_path / "house").iterdir())
    assert names == ["bundled-cells-mine-perceptron-1k", "rnn-perceptron-1k"]
    for file in (IDENTITY, "capacity.json"):
        rewrite(study / "pieces" / "size-rnn" / file, cell="bundled_cells:Mine")
    with pytest.raises(InputError, match=r"is a run of the bundled_cells:Mine; .* says that it is of the rnn"):
        bundle(study, tmp_path / "other", cell_modules=["bundled_cells"])


# ---- one trial


def add_trial(run, objective, better):
    """Adds a row as a process does that is killed before it writes the result."""
    file = run / "trials.csv"
    rows = pd.read_csv(file)
    new = rows.iloc[-1].copy()
    new["trial"], new["status"], new[objective] = rows["trial"].max() + 1, "completed", better
    pd.concat([rows, new.to_frame().T]).to_csv(file, index=False)
    (run / f"best-trial-{new['trial']}.weights.h5").write_bytes(b"")


@pytest.mark.parametrize(
    ("name", "objective", "better"),
    [("sweep", "mean_squared_error", 1e-6), ("capacity", "mutual_information_bits", 1e6)],
)
def test_a_result_that_is_older_than_the_rows_is_not_published(copy, name, objective, better):
    run = copy(name)
    add_trial(run, objective, better)
    with pytest.raises(InputError, match=rf"{name}\.json is not of the 4 trials of trials\.csv: .*{TOGETHER}"):
        publish(run)
    rewrite(run / f"{name}.json", trials=4)  # and with as many, but another best
    with pytest.raises(InputError, match=TOGETHER):
        publish(run)


def test_a_result_of_other_hyperparameters_or_another_score_is_not_published(copy):
    run = copy("sweep")
    result = json.loads((run / "sweep.json").read_text())
    for changes in (
        {"best_score": result["best_score"] * 1.001},
        {"hyperparameters": result["hyperparameters"] | {"learning_rate": 0.123}},
        {"hyperparameters": result["hyperparameters"] | {"unheard_of": 1}},
    ):
        rewrite(run / "sweep.json", **result | changes)
        with pytest.raises(InputError, match=TOGETHER):
            publish(run)


def test_the_curve_is_the_best_trials_whatever_the_order_and_the_numbers_of_rows_and_the_times_of_files(copy):
    run = copy("sweep")
    wanted = zoo.describe(publish(run)).curve
    shutil.rmtree(run.parent / "preset")
    numbers = {0: 17, 1: 4, 2: 9}
    for file in ("trials.csv", "history.csv"):
        table = pd.read_csv(run / file).assign(trial=lambda rows: rows["trial"].map(numbers))
        table.iloc[::-1].to_csv(run / file, index=False)
    (kept,) = run.glob("best-trial-*.weights.h5")
    trial = int(kept.name.split("-")[2].split(".")[0])
    kept.rename(run / f"best-trial-{numbers[trial]}.weights.h5")
    other = next(number for number in numbers.values() if number != numbers[trial])
    (run / f"best-trial-{other}.weights.h5").write_bytes(b"")  # newer, of a trial that got no row
    assert zoo.describe(publish(run)).curve == wanted
    assert len(wanted) > 0


def test_of_trials_that_scored_the_same_the_curve_is_that_of_the_kept_weights(copy):
    run = copy("capacity")
    rows = pd.read_csv(run / "trials.csv")
    best = rows.loc[rows["mutual_information_bits"].idxmax()]
    tie = best.copy()
    tie["trial"] = 30
    pd.concat([tie.to_frame().T, rows]).to_csv(run / "trials.csv", index=False)
    history = pd.read_csv(run / "history.csv")
    pd.concat([history, history[history["trial"] == best["trial"]].assign(trial=30, loss=123.0)]).to_csv(
        run / "history.csv", index=False
    )
    rewrite(run / "capacity.json", trials=4)
    assert 123.0 not in [loss for _, loss in zoo.describe(publish(run)).curve]


# ---- damaged files


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"3", b"\xff\xfe{}", b"[" * 100_000, b'{"command": []}', b'{"command": "study"}', b"{}"],
)
def test_a_damaged_file_of_a_run_is_one_sentence(copy, content):
    for name in ("capacity", "sweep", "train"):
        run = copy(name)
        for file in (IDENTITY, f"{name}.json"):
            whole = (run / file).read_bytes()
            (run / file).write_bytes(content)
            with pytest.raises(InputError, match="holds no finished run of rnncap capacity, sweep or train"):
                publish(run)
            (run / file).write_bytes(whole)


def test_every_value_of_another_kind_is_one_sentence(copy):
    used = {IDENTITY: ("cell", "params", "depth", "task")}
    used["result"] = ("cell", "depth", "units", "parameters", "hyperparameters", "settings", "versions", "trials")
    for name in ("capacity", "sweep", "train"):
        run = copy(name)
        for file, keys in used.items():
            path = run / (f"{name}.json" if file == "result" else file)
            whole = json.loads(path.read_text())
            for key in {*keys} & {*whole}:
                for wrong in (None, [1], "x"):
                    path.write_text(json.dumps(whole | {key: wrong}))
                    with pytest.raises(InputError):
                        publish(run)
            path.write_text(json.dumps(whole))
    assert not (run.parent / "preset").exists()
