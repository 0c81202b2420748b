"""The capacity measurement: its files, what it says, and that no trial is lost or counted twice."""

import csv
import itertools
import json
import math
import os
import shutil
import subprocess
import sys
import traceback

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from scipy import stats

import keras_rnncap.population.alone as alone_module
import keras_rnncap.saving as saving_module
from keras_rnncap import RecurrentCell
from keras_rnncap.cells import get_cell
from keras_rnncap.datasets import PerceptronCapacity, PerceptronSearch
from keras_rnncap.errors import InputError
from keras_rnncap.population import Population
from keras_rnncap.runs import SCORED, temporary_folder
from keras_rnncap.tuners import Job, measure_capacity
from keras_rnncap.tuners.capacity import capacity_job, capacity_starts, capacity_task, default_directory
from keras_rnncap.tuners.search_run import SearchRun
from keras_rnncap.tuners.spaces import JozefowiczSpace

SMALL = {"params": 60, "space": "collins", "steps": 20, "length": 2, "batch_size": 64}
FILES = {"asked.jsonl", "best", "capacity.json", "capacity.png", "history.csv", "run.json", "trials.csv"}


def rows_in(folder):
    """Reads `trials.csv` with nothing of ours."""
    with (folder / "trials.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def without_time(rows):
    return [{name: value for name, value in row.items() if name != "elapsed_s"} for row in rows]


def visible(folder):
    return {item.name for item in folder.iterdir()} - {".lock"}


def check_complete(folder, trials):
    """Checks that a finished folder is whole: each trial once, the answer from the best of them, nothing else left."""
    rows, result = rows_in(folder), json.loads((folder / "capacity.json").read_text())
    assert [int(row["trial"]) for row in rows] == list(range(trials))
    assert result["trials"] == trials
    best = max((row for row in rows if row["status"] in SCORED), key=lambda row: float(row["bits_per_parameter"]))
    assert result["bits_per_parameter"] == float(best["bits_per_parameter"])
    assert visible(folder) == FILES | {f"best-trial-{best['trial']}.weights.h5"}
    assert {item.name for item in (folder / "best").iterdir()} == {"model.keras", "saved_model"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("capacity") / "deep" / "run"
    return folder, measure_capacity("rnn", trials=3, out=folder, **SMALL)


@pytest.fixture(autouse=True)
def no_export(finished, monkeypatch):
    """Saves the second that a SavedModel takes; `finished`, made before, has one."""
    monkeypatch.setattr(saving_module, "export_saved_model", lambda _, directory: directory.mkdir())


@pytest.fixture
def copy(finished, tmp_path):
    return shutil.copytree(finished[0], tmp_path / "copy")


def test_the_result_is_in_the_folder_with_all_that_tells_it_apart(finished):
    folder, result = finished
    written = json.loads((folder / "capacity.json").read_text())
    assert written == json.loads(json.dumps(vars(result)))
    assert (written["cell"], written["depth"], written["steps"], written["seed"]) == ("rnn", 1, 20, 0)
    assert (written["input_dim"], written["length"], written["trials"], written["diverged"]) == (16, 2, 3, 0)
    assert (written["units"], written["parameters"]) == (2, 2 * 16 + 4 + 2 + 2 + 3)
    assert written["bits_per_parameter"] == written["mutual_information_bits"] / written["parameters"]
    assert {"python", "keras", "tensorflow", "keras-tuner", "keras-rnncap", "backend"} <= set(written["versions"])
    check_complete(folder, 3)


def test_each_row_is_consistent_with_equation_22_and_the_sum_of_times_with_the_result(finished):
    folder, result = finished
    rows = rows_in(folder)
    for row in rows:
        b, p = int(row["patterns"]), float(row["accuracy"])
        assert b == max(1, round(float(row["hp.patterns_per_parameter"]) * 43))
        entropy = sum(-q * math.log2(q) for q in (p, 1 - p) if q)
        assert float(row["mutual_information_bits"]) == pytest.approx(b * (1 - entropy), abs=1e-9)
        assert float(row["bits_per_parameter"]) == pytest.approx(b * (1 - entropy) / 43, abs=1e-9)
        assert round(p * b) == pytest.approx(p * b, abs=1e-9)
    assert result.elapsed_s == pytest.approx(sum(float(row["elapsed_s"]) for row in rows), abs=0.1)
    start = rows[0]
    assert (start["hp.learning_rate"], start["hp.hidden.kernel_scale"], start["hp.clip_norm"]) == ("0.03", "1.5", "2.5")
    assert start["hp.patterns_per_parameter"] == "5.0"
    # A third of the trials, at most, are asked for before the process is.
    assert [row["proposed_by"] for row in rows] == ["start", "initial", "process"]
    assert result.proposed_by == {"start": 1, "initial": 1, "process": 1}
    assert result.best_proposed_by == max(rows, key=lambda row: float(row["bits_per_parameter"]))["proposed_by"]


def test_rows_of_before_that_were_stopped_have_no_score(copy, finished):
    rows, history = (pd.read_csv(copy / name) for name in ("trials.csv", "history.csv"))
    best = rows["bits_per_parameter"].idxmax()
    rows.loc[best, "steps"] = 10
    rows.drop(columns="proposed_by").to_csv(copy / "trials.csv", index=False)
    history.loc[history["trial"] == rows.loc[best, "trial"], "step"] = 10
    history.to_csv(copy / "history.csv", index=False)
    result = measure_capacity("rnn", trials=3, out=copy, **SMALL)
    assert (result.trials, result.stopped_early) == (3, 1)
    others = rows.drop(index=best)["bits_per_parameter"]
    assert result.bits_per_parameter == pytest.approx(others.max())
    assert result.bits_per_parameter < finished[1].bits_per_parameter


def test_the_saved_model_scores_what_is_reported_with_keras_and_with_tensorflow_alone(finished):
    folder, result = finished
    task = PerceptronCapacity(
        result.patterns, result.input_dim, result.length, bool(result.hyperparameters["every_step"]), result.seed
    )
    model = keras.saving.load_model(folder / "best" / "model.keras")
    assert task.accuracy(model) == result.accuracy
    assert task.score(model) == result.mutual_information_bits
    (row,) = [row for row in rows_in(folder) if float(row["mutual_information_bits"]) == result.mutual_information_bits]
    cross_entropy = float(task.loss()(task.targets, model(task.inputs)))
    assert float(row["loss"]) == pytest.approx(cross_entropy, rel=1e-5)  # though another was minimized
    assert sum(math.prod(weight.shape) for weight in model.trainable_weights) == result.parameters
    loaded = tf.saved_model.load(folder / "best" / "saved_model")
    np.testing.assert_allclose(loaded.serve(task.inputs), model(task.inputs), atol=1e-5)


def small_job(**options):
    sizes = {"params": 60, "depth": 1, "steps": 20, "batch_size": 64, "seed": 0}
    return Job(PerceptronSearch(60, 10, 2), get_cell("rnn"), **sizes, **options)


@pytest.mark.parametrize(("changes", "first"), [({}, 5.0), ({"loss_saturation": 0}, 3.0)])
def test_by_cross_entropy_a_measurement_starts_at_fewer_patterns(changes, first):
    job = small_job(changes=changes)
    assert capacity_starts(job)[0]["patterns_per_parameter"] == first


@pytest.mark.parametrize("space", [None, JozefowiczSpace(get_cell("rnn"), [60])])
def test_members_have_the_saturation_of_their_trial_in_any_space(space):
    job = small_job(space=space)
    values = {**job.hyperparameters.values, "loss_saturation": 0.7}
    assert job.member(values, 0).settings.loss_saturation == 0.7


class Trials:
    """Counts the trials that end."""

    def __init__(self, monkeypatch):
        self.count, real = 0, SearchRun.record

        def record(*arguments):
            self.count += 1
            return real(*arguments)

        monkeypatch.setattr(SearchRun, "record", record)


@pytest.mark.parametrize("trials", [3, 2])
def test_the_same_call_again_and_one_with_fewer_trials_train_nothing(finished, copy, monkeypatch, trials):
    ended = Trials(monkeypatch)
    again = measure_capacity("rnn", trials=trials, out=copy, **SMALL)
    assert ended.count == 0
    assert again == finished[1]
    assert (copy / "trials.csv").read_bytes() == (finished[0] / "trials.csv").read_bytes()
    check_complete(copy, 3)


def test_more_trials_go_on_from_those_that_are_there(finished, copy, monkeypatch):
    ended = Trials(monkeypatch)
    result = measure_capacity("rnn", trials=4, out=copy, **SMALL)
    assert (ended.count, result.trials) == (1, 4)
    assert (copy / "trials.csv").read_text().startswith((finished[0] / "trials.csv").read_text())
    assert len({row["hp.patterns_per_parameter"] for row in rows_in(copy)}) == 4
    assert result.bits_per_parameter >= finished[1].bits_per_parameter
    check_complete(copy, 4)


@pytest.mark.parametrize("at", [0, 1])
def test_an_interrupt_in_the_middle_of_a_trial_keeps_those_that_ended(tmp_path, monkeypatch, at):
    done, real = Trials(monkeypatch), Population.fit_steps

    def fit_steps(population, steps):
        real(population, steps)
        if done.count == at:
            raise KeyboardInterrupt

    monkeypatch.setattr(Population, "fit_steps", fit_steps)
    with pytest.raises(KeyboardInterrupt):
        measure_capacity("rnn", trials=2, slots=1, out=tmp_path / "run", **SMALL)
    if at:
        check_complete(tmp_path / "run", at)
    else:
        assert visible(tmp_path / "run") == {"run.json", "asked.jsonl"}
    monkeypatch.setattr(Population, "fit_steps", real)
    ended = Trials(monkeypatch)
    measure_capacity("rnn", trials=2, out=tmp_path / "run", **SMALL)
    assert ended.count == 2 - at
    check_complete(tmp_path / "run", 2)


def test_a_slot_goes_to_the_next_trial_and_no_trial_trains_longer_than_it_should(tmp_path):
    result = measure_capacity("rnn", trials=5, slots=2, out=tmp_path / "run", **SMALL)
    check_complete(tmp_path / "run", 5)
    alone = measure_capacity("rnn", trials=3, out=tmp_path / "one", **SMALL)
    rows, ones = rows_in(tmp_path / "run"), rows_in(tmp_path / "one")
    for row, one in zip(rows, ones, strict=False):  # the starting points, whose company does not matter
        assert row["seed"] == one["seed"]
        assert float(row["loss"]) == pytest.approx(float(one["loss"]), rel=1e-3)
    assert (result.trials, alone.trials) == (5, 3)


def test_what_a_killed_process_leaves_half_written_is_cleared(copy):
    for folder in (copy, copy, copy / "best"):
        (temporary_folder(folder) / "half").write_text("half")
    (copy / "best-trial-9.weights.h5").write_text("of a trial whose row was never written")
    measure_capacity("rnn", trials=3, out=copy, **SMALL)
    check_complete(copy, 3)


# One process imports Keras; a fork of it, before TensorFlow has started its threads, is a run that can be killed.
DRIVER = """
import json, os, pathlib, random, signal, sys, time
from keras_rnncap.tuners import measure_capacity
folder, settings = pathlib.Path(sys.argv[1]), json.loads(sys.argv[2])

def start(name, trials, slots):
    if child := os.fork():
        return child
    measure_capacity("rnn", trials=trials, slots=slots, out=folder / name, **settings)
    os._exit(0)

assert os.waitpid(start("twin", 3, 16), 0)[1] == 0
rng = random.Random(4)
for _ in range(3):
    child, table = start("killed", 4, 1), folder / "killed" / "trials.csv"
    there = table.stat().st_mtime_ns if table.exists() else 0
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and (table.stat().st_mtime_ns if table.exists() else 0) == there:
        time.sleep(0.002)
    time.sleep(rng.choice([0.0, 0.01, 0.3, 0.8]))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    print(json.dumps(table.read_text() if table.exists() else ""), flush=True)
"""


@pytest.fixture(scope="module")
def driven(tmp_path_factory):
    folder = tmp_path_factory.mktemp("driven")
    command = [sys.executable, "-c", DRIVER, str(folder), json.dumps(SMALL)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return folder, [json.loads(line) for line in done.stdout.splitlines()]


def test_the_same_seed_gives_the_same_rows_in_another_process(finished, driven):
    assert without_time(rows_in(driven[0] / "twin")) == without_time(rows_in(finished[0]))


def test_another_seed_gives_other_rows(finished, tmp_path):
    measure_capacity("rnn", trials=1, seed=1, out=tmp_path / "run", **SMALL)
    here, there = rows_in(tmp_path / "run")[0], rows_in(finished[0])[0]
    assert here["hp.learning_rate"] == there["hp.learning_rate"]  # the defaults
    assert here["loss"] != there["loss"]


def test_killed_at_any_moment_no_row_is_lost_or_doubled_and_the_run_can_be_finished(driven):
    folder, tables = driven
    assert len(tables) == 3
    for before, after in itertools.pairwise(tables):
        assert after.startswith(before)
    assert tables[-1].count("\n") >= 2
    measure_capacity("rnn", trials=4, out=folder / "killed", **SMALL)
    assert (folder / "killed" / "trials.csv").read_text().startswith(tables[-1])
    check_complete(folder / "killed", 4)


def diverge(model, data):
    return math.nan


def explode(model, data):
    for weight in model.trainable_variables:
        weight.assign(np.random.default_rng(0).normal(size=weight.shape) * 1e3)
    return 0.1  # the loss of the last step was fine


@keras.saving.register_keras_serializable(package="tests")
class NaNAlways(RecurrentCell):
    blocks = ("hidden",)

    def step(self, x, states, w):
        (a,) = w.of_both(x, states[0])
        return (self.activation(a) * math.nan,)


@pytest.mark.parametrize(("cell", "fit"), [(keras.layers.GRUCell, diverge), (NaNAlways, None)])
def test_a_run_of_infeasible_trials_only_counts_them_and_has_no_answer(tmp_path, monkeypatch, cell, fit):
    monkeypatch.setattr(alone_module, "fit", fit)
    result = measure_capacity(cell, trials=7, slots=4, out=tmp_path / "run", **SMALL | {"params": 100})
    assert (result.trials, result.diverged) == (7, 7)
    assert result.bits_per_parameter is result.patterns is result.accuracy is result.mutual_information_bits is None
    rows = rows_in(tmp_path / "run")
    assert [row["status"] for row in rows] == ["diverged"] * 7
    assert all(row["hp.learning_rate"] and row["patterns"] and "accuracy" not in row for row in rows)
    assert json.loads((tmp_path / "run" / "capacity.json").read_text())["bits_per_parameter"] is None
    assert visible(tmp_path / "run") == FILES - {"best"}


def test_weights_that_exploded_and_are_finite_are_untrained_with_the_score_of_guessing(tmp_path, monkeypatch):
    monkeypatch.setattr(alone_module, "fit", explode)
    result = measure_capacity(keras.layers.GRUCell, trials=3, out=tmp_path / "run", **SMALL | {"params": 100})
    assert (result.diverged, result.untrained) == (0, 3)
    assert [row["status"] for row in rows_in(tmp_path / "run")] == ["untrained"] * 3
    assert 0 < result.mutual_information_bits <= PerceptronCapacity.guessed_score


def test_one_guesser_in_a_thousand_stores_more_than_the_score_of_guessing():
    assert PerceptronCapacity.guessed_score == pytest.approx(stats.chi2.ppf(0.999, 1) / (2 * math.log(2)), rel=1e-3)
    right = stats.binom(1000, 0.5).ppf(1 - 0.0005) / 1000
    assert 1000 * (1 + right * math.log2(right) + (1 - right) * math.log2(1 - right)) == pytest.approx(
        PerceptronCapacity.guessed_score, rel=0.05
    )


@keras.saving.register_keras_serializable(package="tests")
class NaNWithReLU(RecurrentCell):
    blocks = ("hidden",)
    activations = ("relu", "tanh")

    def step(self, x, states, w):
        (a,) = w.of_both(x, states[0])
        return (self.activation(a) * (math.nan if self.activation is keras.activations.relu else 1.0),)


def test_infeasible_trials_are_counted_and_learned_around_and_survive_a_restart(tmp_path, monkeypatch):
    result = measure_capacity(NaNWithReLU, trials=8, out=tmp_path / "run", **SMALL)
    rows = rows_in(tmp_path / "run")
    assert [row["status"] == "diverged" for row in rows] == [row["hp.activation"] == "relu" for row in rows]
    assert result.diverged == sum(row["hp.activation"] == "relu" for row in rows)
    assert 0 < result.diverged < 8
    assert result.hyperparameters["activation"] == "tanh"
    assert all((row["accuracy"] == "") == (row["status"] == "diverged") for row in rows)
    again = measure_capacity(NaNWithReLU, trials=8, out=tmp_path / "run", **SMALL)
    assert again == result


CELL = """
import keras
from keras_rnncap import RecurrentCell

@keras.saving.register_keras_serializable(package="my_cells")
class Leaky(RecurrentCell):
    blocks = ("hidden",)

    def step(self, x, states, w):
        (a,) = w.of_both(x, states[0])
        return (0.5 * states[0] + 0.5 * self.activation(a),)

@keras.saving.register_keras_serializable(package="my_cells")
class Broken(Leaky):
    def step(self, x, states, w):
        if self.activation is keras.activations.relu:
            raise ZeroDivisionError("the bug of a user")
        return super().step(x, states, w)
"""


@pytest.mark.parametrize("name", ["my_cells:Leaky", "keras.layers:GRUCell"])
def test_a_cell_of_the_user_and_a_stock_keras_cell_are_measured(tmp_path, monkeypatch, name):
    (tmp_path / "my_cells.py").write_text(CELL)
    monkeypatch.syspath_prepend(tmp_path)
    result = measure_capacity(name, trials=1, out=tmp_path / "run", params=80, steps=5, length=2, input_dim=16)
    assert result.cell == name
    assert result.parameters <= 80
    model = keras.saving.load_model(tmp_path / "run" / "best" / "model.keras")
    task = PerceptronCapacity(result.patterns, 16, 2)
    assert task.score(model) == result.mutual_information_bits


def test_a_bug_in_a_users_cell_shows_with_its_own_traceback_and_earlier_trials_stay(tmp_path, monkeypatch):
    (tmp_path / "buggy_cells.py").write_text(CELL)
    monkeypatch.syspath_prepend(tmp_path)
    measure_capacity("buggy_cells:Broken", trials=1, out=tmp_path / "run", **SMALL)
    with pytest.raises(ZeroDivisionError, match="the bug of a user") as caught:
        measure_capacity("buggy_cells:Broken", trials=20, out=tmp_path / "run", **SMALL)
    assert "buggy_cells.py" in "".join(traceback.format_exception(caught.value))
    rows = rows_in(tmp_path / "run")
    assert rows
    assert all(row["status"] in SCORED for row in rows)
    check_complete(tmp_path / "run", len(rows))


@keras.saving.register_keras_serializable(package="tests")
class Normalizing(RecurrentCell):
    blocks = ("hidden",)

    def step(self, x, states, w):
        (a,) = w.of_both(x, states[0])
        return (keras.ops.softmax(self.activation(a), axis=-1),)  # over the units, or, in a population, the batch


def test_a_cell_that_is_not_made_for_populations_is_trained_alone_and_that_is_said(tmp_path, capsys):
    result = measure_capacity(Normalizing, trials=2, out=tmp_path / "run", progress=True, **SMALL)
    assert result.trials == 2
    said = capsys.readouterr().out
    assert "training one model after another: the step of Normalizing does not work on (members, units, batch)" in said
    check_complete(tmp_path / "run", 2)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"params": 0}, "params must be an integer of at least 1"),
        ({"params": 5}, "a budget of 5 parameters is too small: one unit needs 21"),
        ({"depth": 0}, "depth must be an integer of at least 1"),
        ({"trials": 0}, "trials must be an integer of at least 1"),
        ({"trials": 2.0}, "trials must be an integer"),
        ({"steps": 0}, "steps must be an integer of at least 1"),
        ({"batch_size": 0}, "batch_size must be an integer of at least 1"),
        ({"length": 0}, "length must be an integer of at least 1"),
        ({"seed": -1}, "seed must be an integer of at least 0"),
        ({"input_dim": 0}, "input_dim must be an integer of at least 1"),
        ({"input_dim": 2000}, "a budget of 60 parameters is too small: one unit needs 2005"),
        ({"input_dim": 10**9}, "input_dim must be at most 100,000; got 1,000,000,000"),
        ({"length": 10**6}, "length must be at most 100,000; got 1,000,000"),
        ({"length": 10**5, "input_dim": 10**5}, r"100,000 time steps of 100,000 inputs are .* more than 4,000,000"),
        ({"params": 10**9}, r"10,000,000,000 patterns \(10 for each of params=1,000,000,000\) of 72 numbers are"),
        ({"seed": 2**32}, "seed must be at most 4,294,967,295"),
        ({"input_dim": 9}, r"input_dim=9 allows 512 distinct patterns; .* at least 10"),
        ({"cell": "ugrn"}, "unknown cell 'ugrn': did you mean 'ugrnn'"),
    ],
)
def test_bad_input_is_named_before_a_folder_is_made(tmp_path, wrong, said):
    with pytest.raises(InputError, match=said):
        measure_capacity(**{"cell": "rnn", "trials": 1, "out": tmp_path / "run", **SMALL, **wrong})
    assert not (tmp_path / "run").exists()


def test_another_measurement_is_refused_before_the_pace_is_measured(copy, monkeypatch):
    def measured(*_):
        raise AssertionError("the pace was measured")

    monkeypatch.setattr("keras_rnncap.tuners.timing.measure_pace", measured)
    small = {**SMALL, "params": 61}
    small.pop("steps")
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match="holds another run: params 60 there, 61 here"):
        measure_capacity("rnn", minutes=1, out=copy, **small)
    assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("other", [{"params": 61}, {"steps": 21}, {"seed": 1}, {"length": 3}, {"input_dim": 17}])
def test_another_measurement_in_the_folder_is_refused_and_changes_nothing(copy, other):
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match=f"holds another run: {next(iter(other))} .* there, .* here"):
        measure_capacity("rnn", trials=3, out=copy, **{**SMALL, **other})
    assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before


def test_without_a_folder_there_is_one_for_each_measurement(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    measure_capacity("+rnn", trials=1, seed=2, depth=2, params=200, steps=1)
    measure_capacity("keras.layers:GRUCell", trials=1, params=200, steps=1)
    assert sorted(os.listdir("runs")) == [
        "capacity-+rnn-200x2-row-soap-steps1-seed2",
        "capacity-keras.layers.GRUCell-200x1-row-soap-steps1-seed0",
    ]


def test_what_differs_from_the_default_is_in_the_folders_name():
    assert str(default_directory("rnn", 300, 1, 0)) == "runs/capacity-rnn-300x1-row-soap-seed0"
    assert str(default_directory("rnn", 300, 1, 0, space="collins")) == "runs/capacity-rnn-300x1-seed0"
    usual = {"steps": 100_000, "batch_size": 256, "length": 5, "input_dim": None, "changes": {}}
    assert default_directory("rnn", 300, 1, 0, **usual) == default_directory("rnn", 300, 1, 0)
    found = {
        default_directory("rnn", 300, 1, 0, **usual | more)
        for more in (
            {},
            {"steps": 10},
            {"batch_size": 10},
            {"length": 10},
            {"input_dim": 20},
            {"changes": {"l2": 1e-8}},
            {"changes": {"l2": 1e-7}},
        )
    }
    assert len(found) == 7
    two = {"l2": 1e-8, "clip_norm": 1.0}
    same = dict(reversed(two.items()))
    assert default_directory("rnn", 300, 1, 0, changes=two) == default_directory("rnn", 300, 1, 0, changes=same)


@pytest.mark.parametrize(
    ("cell", "every_step"), [("gru", False), ("s6", True), ("mlstm", True), ("gated-deltanet", True)]
)
def test_cells_whose_output_needs_an_input_get_it_at_every_step(cell, every_step):
    factory = get_cell(cell)
    task = capacity_task(factory, 100)
    assert capacity_job(factory, task, 100, 1, 100).hyperparameters.values["every_step"] is every_step
