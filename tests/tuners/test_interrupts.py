"""An interrupted search has the rows of one that was not: trials that were asked for go on, with their own seeds."""

import csv
import json
import signal

import numpy as np
import pytest

import keras_rnncap.saving as saving_module
from keras_rnncap.cells import IRNNCell, RNNCell
from keras_rnncap.datasets import ParenthesesCounting
from keras_rnncap.errors import InputError
from keras_rnncap.initializers import derived_seed
from keras_rnncap.population import Population
from keras_rnncap.runs import RunDirectory
from keras_rnncap.tuners import measure_capacity, run_sweep
from keras_rnncap.tuners.jobs import Job
from keras_rnncap.tuners.journal import ASKED, RUNNING, Journal, TrialState
from keras_rnncap.tuners.search_run import SearchRun

WILD = {"learning_rate": "1e-3..1e9", "optimizer": "sgd", "clip_norm": 1e9}
"""With these many trials diverge, at any time."""
TASK = ParenthesesCounting(length=4, streams=1)
SWEEP = {"params": 100, "steps": 200, "batch_size": 16, "trials": 7, "slots": 3, "changes": WILD, "seed": 3}


@pytest.fixture(autouse=True)
def no_export(monkeypatch):
    monkeypatch.setattr(saving_module, "export_saved_model", lambda _, directory: directory.mkdir(exist_ok=True))


def table(folder, name="trials.csv"):
    with (folder / name).open(newline="") as stream:
        return [{key: value for key, value in row.items() if key != "elapsed_s"} for row in csv.DictReader(stream)]


class Interrupting:
    """Has every call of a search end by an interrupt after some rows."""

    def __init__(self, monkeypatch, every):
        self.count, real = 0, SearchRun.record

        def record(run, ended):
            real(run, ended)
            self.count += 1
            if self.count % every == 0:
                signal.raise_signal(signal.SIGINT)

        monkeypatch.setattr(SearchRun, "record", record)


def interrupted(monkeypatch, every, search):
    """Repeats a call that is interrupted after every few rows, until it is through; returns how often it was."""
    with monkeypatch.context() as patched:
        Interrupting(patched, every)
        for times in range(100):
            try:
                search()
            except KeyboardInterrupt:
                continue
            return times
    raise AssertionError("no end")


@pytest.mark.parametrize(
    ("oracle", "cell", "stop_early"),
    [
        ("random", RNNCell, False),
        ("gp", RNNCell, True),
        ("repeat", IRNNCell, False),
        ("random", "keras.layers:GRUCell", False),
    ],
    ids=str,
)
def test_a_sweep_interrupted_again_and_again_has_the_rows_of_one_that_was_not(
    tmp_path, monkeypatch, oracle, cell, stop_early
):
    options = SWEEP | {"oracle": oracle, "stop_early": stop_early}
    if oracle == "repeat":
        options |= {"changes": {"learning_rate": 30.0, "optimizer": "sgd", "clip_norm": 1e9}}
    if isinstance(cell, str):
        options |= {"params": 200, "trials": 4}
    run_sweep(TASK, cell, out=tmp_path / "whole", **options)
    times = interrupted(monkeypatch, 3, lambda: run_sweep(TASK, cell, out=tmp_path / "parts", **options))
    assert times >= options["trials"] // 3
    whole, parts = table(tmp_path / "whole"), table(tmp_path / "parts")
    assert parts == whole
    assert len({row["seed"] for row in parts}) == options["trials"]
    assert not (tmp_path / "parts" / RUNNING).exists()
    if oracle == "random" and cell is RNNCell:
        assert 2 <= sum(row["status"] in ("diverged", "untrained") for row in whole) <= 5


def test_a_measurement_interrupted_again_and_again_has_the_rows_of_one_that_was_not(tmp_path, monkeypatch):
    options = {"params": 60, "trials": 9, "steps": 200, "batch_size": 32, "input_dim": 10, "length": 2, "slots": 3}
    measure_capacity("rnn", out=tmp_path / "whole", **options)
    assert interrupted(monkeypatch, 4, lambda: measure_capacity("rnn", out=tmp_path / "parts", **options)) >= 2
    assert table(tmp_path / "parts") == table(tmp_path / "whole")
    history = [sorted(table(tmp_path / name, "history.csv"), key=str) for name in ("parts", "whole")]
    assert history[0] == history[1]


def test_a_search_of_many_shapes_goes_on_in_populations_of_the_sizes_that_they_had(tmp_path, monkeypatch):
    changes = {"depth": [1, 2]}
    options = SWEEP | {"oracle": "random", "space": "jozefowicz", "changes": changes, "trials": 6, "slots": 4}
    whole = run_sweep(TASK, RNNCell, out=tmp_path / "whole", **options)
    assert whole.trials == 6
    assert interrupted(monkeypatch, 3, lambda: run_sweep(TASK, RNNCell, out=tmp_path / "parts", **options)) >= 2
    assert table(tmp_path / "parts") == table(tmp_path / "whole")
    assert len({row["hp.depth"] for row in table(tmp_path / "whole")}) == 2


def test_trials_in_training_go_on_where_they_were(tmp_path, monkeypatch):
    rounds, real = [], Population.fit_batches

    def fit_batches(population, batches, steps):
        rounds.append(population.steps_done.tolist())
        if len(rounds) == 2:
            raise KeyboardInterrupt
        real(population, batches, steps)

    monkeypatch.setattr("keras_rnncap.tuners.population_tuner.populations_at_once", lambda: 1)
    options = SWEEP | {"trials": 3, "oracle": "repeat", "changes": {}}
    run_sweep(TASK, RNNCell, out=tmp_path / "whole", **options)
    monkeypatch.setattr(Population, "fit_batches", fit_batches)
    with pytest.raises(KeyboardInterrupt):
        run_sweep(TASK, RNNCell, out=tmp_path / "run", **options)
    run_sweep(TASK, RNNCell, out=tmp_path / "run", **options)
    assert rounds == [[0] * 3, [100] * 3, [100] * 3]
    assert table(tmp_path / "run") == table(tmp_path / "whole")


def test_fewer_trials_wait_for_those_below_and_more_begin_with_those_in_training(tmp_path, monkeypatch):
    options = SWEEP | {"oracle": "random"}
    with monkeypatch.context() as patched:
        Interrupting(patched, 2)
        with pytest.raises(KeyboardInterrupt):
            run_sweep(TASK, RNNCell, out=tmp_path / "run", **options)
    assert 2 <= len(table(tmp_path / "run")) <= 3
    run_sweep(TASK, RNNCell, out=tmp_path / "run", **options | {"trials": 4})
    there = [int(row["trial"]) for row in table(tmp_path / "run")]
    assert {*range(4)} <= {*there}
    run_sweep(TASK, RNNCell, out=tmp_path / "run", **options)
    run_sweep(TASK, RNNCell, out=tmp_path / "whole", **options)
    assert table(tmp_path / "run") == table(tmp_path / "whole")


def test_a_folder_of_before_trials_were_noted_goes_on_with_other_seeds(tmp_path):
    options = SWEEP | {"oracle": "repeat", "changes": {}, "steps": 20}
    run_sweep(TASK, RNNCell, out=tmp_path / "run", **options | {"trials": 4})
    (tmp_path / "run" / ASKED).unlink()
    file = tmp_path / "run" / "trials.csv"
    rows = table(tmp_path / "run")
    text = file.read_text().replace(rows[3]["seed"], str(derived_seed(3, 5)))  # as trial 5 would have
    file.write_text(text)
    run_sweep(TASK, RNNCell, out=tmp_path / "run", **options | {"trials": 8})
    rows = table(tmp_path / "run")
    assert [int(row["trial"]) for row in rows] == list(range(8))
    assert len({row["seed"] for row in rows}) == 8


@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_a_best_model_that_is_not_there_is_found_first_and_trained_again(tmp_path, capsys, damage):
    options = SWEEP | {"oracle": "repeat", "changes": {}, "steps": 20, "trials": 3}
    run_sweep(TASK, RNNCell, out=tmp_path / "run", **options)
    (weights,) = (tmp_path / "run").glob("best-trial-*.weights.h5")
    whole, before = weights.read_bytes(), table(tmp_path / "run")
    weights.unlink() if damage == "missing" else weights.write_bytes(whole[:-500])
    if damage == "cut":
        (tmp_path / "run" / ASKED).unlink()  # a folder of before
    capsys.readouterr()
    run_sweep(TASK, RNNCell, out=tmp_path / "run", progress=True, **options)
    said = capsys.readouterr().out
    assert f"{weights.name}, the model of the best trial, is {'missing' if damage == 'missing' else 'damaged'}" in said
    assert said.index("is trained again") < said.index("continuing in") < said.index("trial   3/3")
    assert table(tmp_path / "run") == before
    assert weights.exists()


@pytest.mark.parametrize(
    ("file", "content"), [(ASKED, b"{\n"), (ASKED, b'{"trial": 1}\n'), (RUNNING, b"PK\x03\x04 no")]
)
def test_damaged_notes_are_an_error_that_names_them(tmp_path, monkeypatch, file, content):
    with monkeypatch.context() as patched:
        Interrupting(patched, 1)
        with pytest.raises(KeyboardInterrupt):
            run_sweep(TASK, RNNCell, out=tmp_path / "run", **SWEEP | {"oracle": "random"})
    (tmp_path / "run" / file).write_bytes(content)
    with pytest.raises(InputError, match=rf"{file}.* is damaged"):
        run_sweep(TASK, RNNCell, out=tmp_path / "run", **SWEEP | {"oracle": "random"})


def test_a_half_written_line_is_a_trial_that_was_not_asked_for(tmp_path):
    with RunDirectory(tmp_path, {"command": "x"}) as directory:
        (tmp_path / ASKED).write_text('{"trial": 0, "seed": 1, "values": {"a": 0.1}, "oracle": {}}\n{"trial": 1, "se')
        assert list(Journal(directory).asked) == [0]
        assert (tmp_path / ASKED).read_text().count("\n") == 1


def test_trials_in_training_come_back_as_they_were_kept(tmp_path):
    arrays = {"row": np.float32([1, np.pi, np.nan]), "alive": np.array([True]), "steps": np.int64(7)}
    state = TrialState(7, [(7, 0.1 + 0.2, float("nan"))], 2, arrays)
    with RunDirectory(tmp_path, {"command": "x"}) as directory:
        Journal(directory).keep({3: state, 12: state}, 1.5)
        kept, spent_s = Journal(directory).kept()
        assert spent_s == 1.5
        assert list(kept) == [3, 12]
        assert (kept[3].done, kept[3].slot, [tuple(entry[:2]) for entry in kept[3].history]) == (7, 2, [(7, 0.1 + 0.2)])
        for name, array in arrays.items():
            np.testing.assert_array_equal(kept[12].arrays[name], array)
        Journal(directory).keep({}, 1.5)
        assert Journal(directory).kept() == ({}, 0.0)


def test_what_a_trial_sees_follows_from_its_seed_and_steps_alone(tmp_path):
    job = Job(TASK, RNNCell, params=100, depth=1, steps=40, batch_size=8, seed=0)
    members = [job.member(job.hyperparameters.values, seed) for seed in (5, 9, 5)]
    inputs, targets = next(iter(job._batches(members, [3, 0, 7], 4)))
    for slot, start in enumerate((3, 0, 7)):
        expected = next(TASK.batches(8, members[slot].seed, start))
        np.testing.assert_array_equal(inputs[slot], expected[0])
        np.testing.assert_array_equal(targets[slot], expected[1])
    idle = next(iter(job._batches(members, [40, 2, 40], 4)))[0]
    np.testing.assert_array_equal(idle[0], idle[1])


def test_the_fitted_process_is_part_of_what_is_noted(tmp_path):
    options = SWEEP | {"oracle": "gp", "trials": 20, "steps": 10, "changes": {}}
    run_sweep(TASK, RNNCell, out=tmp_path / "run", **options)
    last = json.loads((tmp_path / "run" / ASKED).read_text().splitlines()[-1])
    assert last["oracle"]["log_parameters"]
