"""Sweeps: their files, their continuation, tasks with samples, cells that train alone, and what they tell others."""

import csv
import dataclasses
import json
import math
import shutil
import time

import keras
import keras_tuner as kt
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import keras_rnncap.saving as saving_module
import keras_rnncap.tuners.search_run as search_run_module
import keras_rnncap.tuners.sweep as sweep_module
from keras_rnncap.cells import RNNCell, UGRNNCell
from keras_rnncap.datasets import MemoryCapacity, PerceptronCapacity, PerceptronSearch, PythonDocs, make_task
from keras_rnncap.errors import InputError
from keras_rnncap.runs import SCORED
from keras_rnncap.training import Schedule
from keras_rnncap.tuners import (
    GPBanditOracle,
    Job,
    PopulationTuner,
    QuantileRule,
    compute_importance,
    run_sweep,
    to_optuna_study,
)
from keras_rnncap.tuners.rounds import Rounds
from keras_rnncap.tuners.spaces import CollinsSpace, JozefowiczSpace
from keras_rnncap.tuners.timing import Plan

SMALL = {"params": 60, "steps": 20, "trials": 12, "profile": "smoke"}
USUAL = {
    "optimizer": "adam",
    "learning_rate": "0.01..0.05",
    "hidden.kernel_scale": 1.0,
    "hidden.recurrent_scale": 1.0,
    "readout_scale": 1.0,
    "activation": "tanh",
    "momentum_logit": 2.2,
    "bias_scale": 0.0,
}
FILES = {
    "asked.jsonl",
    "run.json",
    "sweep.json",
    "space.json",
    "trials.csv",
    "history.csv",
    "parallel_coordinates.png",
    "slices.png",
    "importance.png",
    "hparams",
    "best",
}


def rows_in(folder, name="trials.csv"):
    with (folder / name).open(newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep") / "run"
    return folder, run_sweep(None, "rnn", out=folder, **SMALL)


@pytest.fixture(autouse=True)
def no_export(finished, monkeypatch):
    monkeypatch.setattr(saving_module, "export_saved_model", lambda _, directory: directory.mkdir())


def test_the_folder_is_whole_and_says_what_was_found(finished):
    folder, result = finished
    rows = rows_in(folder)
    best = max((row for row in rows if row["status"] in SCORED), key=lambda row: float(row[result.objective]))
    assert {item.name for item in folder.iterdir()} - {".lock", f"best-trial-{best['trial']}.weights.h5"} == FILES
    assert json.loads((folder / "sweep.json").read_text()) == json.loads(json.dumps(vars(result)))
    assert result.best_score == float(best[result.objective])
    assert (result.trials, result.direction, result.oracle) == (12, "max", "gp")
    history = rows_in(folder, "history.csv")
    assert {int(row["trial"]) for row in history} == set(range(12))
    assert all(int(row["step"]) == 20 and float(row["loss"]) > 0 for row in history)
    for picture in folder.glob("*.png"):
        assert picture.read_bytes()[:4] == b"\x89PNG"
    assert len(list((folder / "hparams").glob("trial-*/events*"))) == 12


def test_the_saved_model_scores_what_is_reported(finished):
    folder, result = finished
    row = next(row for row in rows_in(folder) if row[result.objective] == repr(result.best_score))
    task = PerceptronCapacity(int(row["patterns"]), 16, 5, row["hp.every_step"] == "True", 0)
    assert task.score(keras.saving.load_model(folder / "best" / "model.keras")) == result.best_score


def test_more_trials_go_on_and_a_half_written_history_is_mended(finished, tmp_path):
    folder = shutil.copytree(finished[0], tmp_path / "run")
    with (folder / "history.csv").open("a") as stream:
        stream.write("12,20,0.5,\n12,20,0.")
    before = (folder / "trials.csv").read_text()
    result = run_sweep(None, "rnn", out=folder, **{**SMALL, "trials": 14})
    assert result.trials == 14
    assert (folder / "trials.csv").read_text().startswith(before)
    trials = [int(row["trial"]) for row in rows_in(folder, "history.csv")]
    assert trials == sorted(trials)
    assert set(trials) == set(range(14))
    assert len(list((folder / "hparams").glob("trial-*"))) == 14


@pytest.mark.parametrize("other", [{"steps": 21}, {"oracle": "random"}, {"changes": {"l2": 0.0001}}])
def test_another_sweep_in_the_folder_is_refused(finished, other):
    with pytest.raises(InputError, match="holds another run"):
        run_sweep(None, "rnn", out=finished[0], **{**SMALL, **other})


def test_a_task_with_samples_its_score_and_what_was_set(tmp_path):
    changes = {"optimizer": "adam", "learning_rate": "0.01..0.05"}
    docs = PythonDocs()
    options = {"params": 3000, "trials": 3, "steps": 60, "batch_size": 16, "changes": changes, "profile": "smoke"}
    result = run_sweep(docs, "ugrnn", out=tmp_path / "run", **options)
    assert (result.objective, result.direction) == (docs.score_name, "min")
    rows = rows_in(tmp_path / "run")
    assert {row["hp.optimizer"] for row in rows} == {"adam"}
    assert all(0.01 <= float(row["hp.learning_rate"]) <= 0.05 for row in rows)
    scores = [float(row[docs.score_name]) for row in rows if row["status"] in SCORED]
    assert result.best_score == min(scores) < result.chance_score == docs.chance_score
    model = keras.saving.load_model(tmp_path / "run" / "best" / "model.keras")
    assert docs.validation_score(model) == pytest.approx(result.best_score, rel=1e-5)


def test_a_sweep_starts_where_its_task_says(tmp_path):
    options = {"params": 100, "trials": 9, "steps": 5, "profile": "smoke", "changes": {"readout_scale": 0.7}}
    run_sweep(MemoryCapacity(4, 3), "gru", out=tmp_path / "sweep", **options)
    rows = pd.read_csv(tmp_path / "sweep" / "trials.csv").sort_values("trial")
    assert rows["proposed_by"].tolist()[:4] == [*["start"] * 3, "process"]
    first = rows[:3]
    assert first["hp.learning_rate"].tolist() == [0.01, 0.003, 0.003]
    assert first["hp.forget_bias"].tolist() == [3.0, 1.0, 3.0]
    assert first["hp.update.kernel_scale"].tolist() == [0.3, 0.3, 0.03]
    assert set(first["hp.reset.recurrent_kind"]) == {"orthogonal"}
    assert set(first["hp.readout_scale"]) == {0.7}


def test_a_sweep_for_information_has_the_most_bits_and_rows_with_all_measures(tmp_path):
    options = {"params": 600, "trials": 3, "steps": 200, "batch_size": 64, "profile": "smoke"}
    task = make_task("parentheses:length=6,streams=1")
    result = run_sweep(task, "rnn", out=tmp_path / "run", objective="mutual_information_bits", changes=USUAL, **options)
    assert (result.objective, result.direction, result.chance_score) == ("mutual_information_bits", "max", 0.0)
    rows = [row for row in rows_in(tmp_path / "run") if row["status"] in SCORED]
    bits = [float(row["mutual_information_bits"]) for row in rows]
    assert result.best_score == max(bits) > 0
    best = task.measures(keras.saving.load_model(tmp_path / "run" / "best" / "model.keras"), "validation", 1000)
    row = rows[int(np.argmax(bits))]
    for name in ("mutual_information_bits", "accuracy", task.score_name):
        assert float(row[name]) == pytest.approx(best[name], rel=1e-5)
    assert float(row["bits_per_parameter"]) == pytest.approx(max(bits) / result.parameters)
    assert json.loads((tmp_path / "run" / "run.json").read_text())["objective"] == "mutual_information_bits"
    with pytest.raises(InputError, match="holds another run"):
        run_sweep(task, "rnn", out=tmp_path / "run", changes=USUAL, **options)


def test_a_folder_of_before_rows_had_information_goes_on(tmp_path):
    task, options = (
        make_task("memory:input_dim=3,length=2"),
        {**SMALL, "trials": 2, "oracle": "random", "changes": USUAL},
    )
    run_sweep(task, "rnn", out=tmp_path / "run", **options)
    assert "objective" not in json.loads((tmp_path / "run" / "run.json").read_text())
    file = tmp_path / "run" / "trials.csv"
    old = pd.read_csv(file).drop(columns=["mutual_information_bits", "bits_per_parameter"])
    old.to_csv(file, index=False)
    run_sweep(task, "rnn", out=tmp_path / "run", **{**options, "trials": 3})
    new = pd.read_csv(file)
    assert new["mutual_information_bits"][:2].isna().all()
    assert new["mutual_information_bits"].notna().sum() == (new["status"][2] in SCORED) == 1
    assert new["mean_squared_error"][:2].tolist() == old["mean_squared_error"].tolist()


@pytest.mark.parametrize(
    ("task", "steps"),
    [
        ("perceptron", 1),
        ("parentheses:length=4,streams=1", 1),
        ("memorization", 5),
        ("python-docs", 37),
        ("arithmetic", 36),
        ("xml", 35),
        ("distractor-arithmetic", 9),
    ],
)
def test_jozefowicz_scales_by_the_steps_that_are_scored(tmp_path, monkeypatch, task, steps):
    class SeenError(Exception):
        pass

    def job(*_, space, **__):
        settings = space.settings({"learning_rate": 0.5, "clip_norm": 10.0}, 1)
        raise SeenError(settings.learning_rate, settings.clip_norm)

    monkeypatch.setattr(sweep_module, "Job", job)
    with pytest.raises(SeenError) as seen:
        run_sweep(make_task(task), "gru", space="jozefowicz", out=tmp_path / "run", **{**SMALL, "params": 2000})
    assert seen.value.args == (0.5 * steps, 10.0 / steps)


@pytest.mark.parametrize("oracle", ["random", "bayesian"])
def test_keras_tuners_own_oracles_and_a_cell_that_trains_alone(tmp_path, oracle):
    result = run_sweep(
        None, "keras.layers:GRUCell", out=tmp_path / "run", oracle=oracle, **{**SMALL, "params": 100, "trials": 2}
    )
    assert (result.trials, result.oracle) == (2, oracle)


def test_shapes_of_one_search_train_in_populations_of_their_own_and_all_slots_are_busy(tmp_path, monkeypatch):
    space = JozefowiczSpace(UGRNNCell, (60, 100))
    options = {"params": 60, "depth": 1, "steps": 20, "batch_size": 64, "seed": 0}
    job = Job(PerceptronSearch(60, 10, 2), UGRNNCell, space=space, changes={"depth": [1, 2]}, **options)
    busy, real = [], job.advance

    def advance(population, steps):
        busy.append(sum(member.settings.steps == 20 for member in population.members))
        assert busy[-1] > len(population.members) / 4  # as large as it needs to be, or twice
        return real(population, steps)

    monkeypatch.setattr(job, "advance", advance)
    oracle = GPBanditOracle(job.kt_objective, max_trials=20, hyperparameters=job.hyperparameters, seed=0)
    ended, rounds = [], []
    options = {"on_end": ended.append, "on_round": lambda: rounds.append(sum(busy)), "directory": tmp_path}
    PopulationTuner(oracle, job, slots=6, **options).search()
    assert rounds[:3] == [6, 12, 18]
    assert len(ended) == 20
    assert len({job.shape(one.values) for one in ended}) == 4
    for one in ended:
        assert one.model().count_params() == job.budget(one.values).parameters
        assert len([layer for layer in one.model().layers if "layer_" in layer.name]) == one.values["depth"]


def test_rows_do_not_depend_on_where_trials_train(tmp_path):
    options = {**SMALL, "trials": 6, "slots": 4, "oracle": "random", "profile": "laptop"}
    for engine in ("inline", "processes:2"):
        run_sweep(None, "rnn", out=tmp_path / engine, engine=engine, **options)
    rows = [
        [{key: value for key, value in row.items() if key != "elapsed_s"} for row in rows_in(tmp_path / engine, file)]
        for engine in ("inline", "processes:2")
        for file in ("trials.csv", "history.csv")
    ]
    assert rows[:2] == rows[2:]
    with pytest.raises(InputError, match=r"cannot send .* module:Class"):
        run_sweep(None, type("OwnCell", (RNNCell,), {}), out=tmp_path / "other", engine="processes", **options)
    assert not (tmp_path / "other").exists()


def job(**options):
    sizes = {"params": 60, "depth": 1, "steps": 200, "batch_size": 64, "seed": 0}
    return Job(PerceptronSearch(60, 10, 2), RNNCell, **{**sizes, **options})


def search(job, tmp_path, rule=None, trials=24, slots=8, oracle=kt.oracles.RandomSearchOracle, **options):
    asked = oracle(job.kt_objective, max_trials=trials, hyperparameters=job.hyperparameters, seed=3)
    ended = []
    options |= {"slots": slots, "rule": rule, "on_end": ended.append, "directory": tmp_path}
    PopulationTuner(asked, job, **options).search()
    return ended, asked


def test_the_median_rule_saves_steps_and_leaves_the_good_ones_their_time(tmp_path):
    changes = {"patterns_per_parameter": (0.5, 3.0)}
    whole, _ = search(job(changes=changes), tmp_path / "a")
    rule = QuantileRule({0.5: 0.5}, least=6)
    stopped, oracle = search(job(changes=changes), tmp_path / "b", rule)
    assert {one.steps for one in whole} == {200}
    assert {one.steps for one in stopped} == {100, 200}
    assert 6 <= sum(one.steps == 100 for one in stopped) <= 16
    assert [trial.status for trial in oracle.trials.values()] == ["COMPLETED"] * 24

    def bits(ended):
        return {one.number: one.measured["mutual_information_bits"] for one in ended if one.measured}

    best = max(bits(whole), key=bits(whole).get)
    assert bits(stopped)[best] == pytest.approx(bits(whole)[best], rel=0.1)
    for one in stopped:  # who was stopped has no score, and the oracle was told that of its rank
        assert (one.steps == 100) == (one.status == "stopped") == (one.measured is None) == (one.told is not None)
        if one.told is not None:
            assert one.told == pytest.approx(rule.told(0, one.history[-1][2]))
            assert oracle.trials[one.trial_id].score <= max(bits(stopped).values())  # KerasTuner's hears of it once


class StopsAll(QuantileRule):
    """Stops every trial at its checkpoint once four are whole; lets them go on when all have come."""

    def hopeless(self, checkpoint, values):
        super().hopeless(checkpoint, values)
        return [True] * len(values)

    def is_hopeless(self, checkpoint, value):
        del value
        return len(self._seen[checkpoint]) < 12


def test_stopped_trials_go_on_where_they_were_and_the_oracle_is_told_once_more(tmp_path):
    changes = {"patterns_per_parameter": (0.5, 3.0)}
    whole, _ = search(job(changes=changes), tmp_path / "a", trials=12, slots=4)
    rule = StopsAll({0.5: 0.5})
    stopped, _ = search(job(changes=changes), tmp_path / "b", rule, trials=12, slots=4)
    expected = {one.number: one.measured for one in whole}
    told, oracle = search(job(changes=changes), tmp_path / "c", StopsAll({0.5: 0.5}), 12, 4, GPBanditOracle)
    assert [one.number for one in told] != sorted(one.number for one in told)
    for one in told:
        assert oracle.trials[one.trial_id].score == one.measured["mutual_information_bits"]
    assert len(stopped) == 12
    assert {one.status for one in stopped} <= {*SCORED}
    assert [one.number for one in stopped] != sorted(one.number for one in stopped)  # some waited
    for one in stopped:
        assert one.steps == 200
        assert one.measured == pytest.approx(expected[one.number], rel=1e-3, abs=1e-3)


def test_what_the_oracle_is_told_of_a_stopped_trial_is_the_score_of_its_rank():
    rule = QuantileRule({0.25: 0.5, 0.5: 0.5})
    rule.hopeless(0, [1.0, 4.0])
    # None made all its steps: the share of trials that it is better than, as those that were looked at later passed.
    assert rule.told(0, 1.5) == 0.5
    assert rule.told(1, 1.5) == 0.5
    rule.complete([2.0], 12.0)
    assert rule.told(0, 1.5) == 11.5
    assert rule.told(0, 9.0) == 12.0
    assert rule.told(1, 1.5) == 1.5
    for look, final in ((1.0, 10.0), (4.0, 50.0), (3.0, 20.0), (-math.inf, 3.0)):
        rule.complete([look], final)
    assert rule.told(0, 2.0) == 12.0
    assert rule.told(0, 2.5) == 16.0
    assert rule.told(0, 0.4) == pytest.approx(10.0 - 0.6 * 40 / 3)
    assert rule.told(0, -math.inf) == 10.0
    assert rule.told(0, 100.0) == 50.0


def test_ranks_that_are_told_before_a_trial_is_whole_are_on_one_scale():
    rule = QuantileRule({0.25: 2 / 3, 0.5: 2 / 3})
    early = [1.0, 5.0, 3.0, 9.0, 7.0, 8.0]
    rule.hopeless(0, early)
    rule.hopeless(1, [20.0, 10.0])
    told = [rule.told(0, value) for value in sorted(early)[:4]] + [rule.told(1, 10.0), rule.told(1, 20.0)]
    assert told == pytest.approx([0, 1 / 6, 2 / 6, 3 / 6, 2 / 3, 2 / 3 + 1 / 6])


def test_every_oracle_with_a_model_is_asked_before_all_trials_have_begun(tmp_path, monkeypatch):
    slots = []

    class Counted(PopulationTuner):
        def __init__(self, *arguments, **options):
            slots.append(options["slots"])
            super().__init__(*arguments, **options)

        def search(self):
            pass

    monkeypatch.setattr("keras_rnncap.tuners.search_run.PopulationTuner", Counted)
    for oracle in ("gp", "bayesian", "random"):
        run_sweep(None, "rnn", **{**SMALL, "steps": 5}, oracle=oracle, out=tmp_path / oracle)
    assert slots == [4, 4, 16]


def test_of_a_search_of_given_time_fewer_trials_come_before_the_process(tmp_path, monkeypatch):
    initial, real = [], search_run_module.make_oracle

    def make_oracle(*arguments):
        initial.append(arguments[7])
        return real(*arguments)

    monkeypatch.setattr(search_run_module, "make_oracle", make_oracle)
    monkeypatch.setattr(PopulationTuner, "search", lambda _: None)
    plan = Plan(18, 5, time.monotonic() + 60, 18)  # of which not all may be made
    monkeypatch.setattr(sweep_module, "make_plan", lambda *_: plan)
    sizes = {**SMALL, "steps": 5, "trials": 18}
    for minutes in (None, 1.0):
        run_sweep(None, "rnn", **sizes, minutes=minutes, out=tmp_path / str(minutes))
    assert initial == [6, 4]


def test_where_the_time_ends_before_a_trial_those_in_training_are_measured_as_they_are(tmp_path):
    changes = {"patterns_per_parameter": (0.5, 3.0)}
    late, _ = search(job(changes=changes), tmp_path / "a", trials=12, slots=4, deadline=time.monotonic())
    assert len(late) == 4
    assert {one.steps for one in late} == {job().round_steps}
    assert all(one.status == "cut" and one.measured["mutual_information_bits"] >= 0 for one in late)
    soon, _ = search(job(steps=job().round_steps), tmp_path / "b", trials=12, slots=4, deadline=time.monotonic())
    assert {one.steps for one in soon} == {job().round_steps}
    assert "cut" not in {one.status for one in soon}


def test_a_search_whose_trials_were_cut_has_a_result_and_goes_on_without_taking_them_for_whole(tmp_path, monkeypatch):
    completed = []

    def complete(self, looks, score):
        completed.append(score)

    monkeypatch.setattr(QuantileRule, "complete", complete)
    # The time is over when the first round ends.
    is_over = PopulationTuner._is_over
    monkeypatch.setattr(PopulationTuner, "_is_over", lambda self: any(running.state.done for running in self._rounds))
    sizes = {**SMALL, "steps": 2_000, "trials": 4, "stop_early": True, "out": tmp_path / "run"}
    result = run_sweep(None, "rnn", **sizes)
    rows = rows_in(tmp_path / "run")
    assert {row["status"] for row in rows} == {"cut"}
    assert all(int(row["steps"]) < 2_000 for row in rows)
    assert result.best_score == max(float(row[result.objective]) for row in rows)
    assert completed == []
    monkeypatch.setattr(PopulationTuner, "_is_over", is_over)
    more = run_sweep(None, "rnn", **sizes | {"trials": 6})
    assert more.trials == 6
    ended = [row["status"] for row in rows_in(tmp_path / "run") if row["status"] not in ("cut", "stopped", "diverged")]
    assert len(completed) == len(ended) > 0


class FirstDiverges(Rounds):
    """The first trial is over after a round, and has no score."""

    def train(self, is_looked_at):
        trials = super().train(is_looked_at)
        for running in trials:
            running.over |= running.number == 0
        return trials

    def measure(self, ends):
        measured = zip(ends, super().measure(ends), strict=True)
        return [ended._replace(measured=None) if running.number == 0 else ended for running, ended in measured]


def test_a_trial_that_diverged_is_no_result_to_end_with(tmp_path, monkeypatch):
    monkeypatch.setattr("keras_rnncap.tuners.population_tuner.Rounds", FirstDiverges)
    late, _ = search(job(), tmp_path / "a", trials=12, slots=4, deadline=time.monotonic())
    assert [one.number for one in late if one.status == "diverged"] == [0]
    assert sum(one.status in SCORED for one in late) == 3


class StopsForever(StopsAll):
    """Stops every trial, and lets none go on."""

    def is_hopeless(self, checkpoint, value):
        del checkpoint, value
        return True


def test_a_rank_is_not_recorded_as_if_it_were_a_score(tmp_path):
    ended, _ = search(job(), tmp_path / "a", StopsForever({0.5: 0.5}), trials=6, slots=3)
    assert [(one.status, one.told) for one in ended] == [("stopped", None)] * 6


def test_no_trial_is_stopped_before_a_quarter_of_its_steps():
    assert min(QuantileRule().parts) >= 0.25


def test_what_is_told_stays_in_proportion_where_whole_trials_were_as_good_as_equal_at_a_look():
    rule = QuantileRule({0.5: 0.5})
    rule.hopeless(0, [900.0, 1000.0, 1000.001])
    rule.complete([1000.0], 1040.0)
    rule.complete([1000.001], 1080.0)
    assert 990 < rule.told(0, 900.0) < 1040


def test_a_rule_compares_with_all_that_came_so_far_and_names_bad_parts():
    rule = QuantileRule({0.5: 0.75, 0.1: 0.5}, least=4)
    assert rule.parts == [0.1, 0.5]
    assert rule.hopeless(0, [3.0, 1.0]) == [False, False]  # too few
    assert rule.hopeless(0, [0.5, 2.0]) == [True, False]  # the median of all four is 1.5
    assert rule.hopeless(1, [1.0, 2.0, 3.0, 4.0]) == [True, True, True, False]  # three quarters are below 3.25
    for wrong in ({0.0: 0.5}, {1.0: 0.5}, {0.5: 0.0}, {0.5: 1.0}):
        with pytest.raises(InputError, match=r"parts in \(0, 1\)"):
            QuantileRule(wrong)
    with pytest.raises(InputError, match="least"):
        QuantileRule(least=0)


def test_trials_are_the_same_however_many_train_at_once(tmp_path):
    few, _ = search(job(), tmp_path / "a", trials=6, slots=2)
    many, _ = search(job(), tmp_path / "b", trials=6, slots=6)
    by_number = [{one.number: one for one in ended} for ended in (few, many)]
    for number in range(6):
        one, other = (found[number] for found in by_number)
        assert one.values == other.values
        losses = [[loss for _, loss, _ in trial.history] for trial in (one, other)]
        np.testing.assert_allclose(*losses, rtol=1e-3)


def test_a_tuner_of_its_own_keeps_the_best_model(tmp_path):
    one = job(steps=50)
    oracle = GPBanditOracle(one.kt_objective, max_trials=5, hyperparameters=one.hyperparameters, seed=0)
    tuner = PopulationTuner(oracle, one, directory=tmp_path)
    tuner.search()
    best = oracle.get_best_trials(1)[0]
    assert one.task_of(best.hyperparameters.values).score(tuner.get_best_models()[0]) == best.score
    with pytest.raises(InputError, match="num_models"):
        tuner.get_best_models(2)
    with pytest.raises(InputError, match="no arguments"):
        tuner.search(np.ones(3))


def test_an_oracle_with_another_objective_is_refused(tmp_path):
    oracle = GPBanditOracle(kt.Objective("loss", "min"), max_trials=5)
    with pytest.raises(InputError, match="objective"):
        PopulationTuner(oracle, job(), directory=tmp_path)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"oracle": "grid"}, "oracle must be one of gp, random, bayesian, repeat; got 'grid'"),
        ({"space": "mehta"}, "space must be one of collins, jozefowicz"),
        ({"profile": "big"}, "profile must be one of smoke, laptop, paper"),
        ({"changes": {"learning_rat": "1"}}, "did you mean 'learning_rate'"),
        ({"trials": 0}, "trials must be"),
        ({"objective": "accuracy"}, "unknown objective 'accuracy'.*mutual_information_bits"),
        ({"params": 5}, "budget of 5 parameters"),
    ],
)
def test_bad_input_is_named_before_a_folder_is_made(tmp_path, wrong, said):
    with pytest.raises(InputError, match=said):
        run_sweep(None, "rnn", out=tmp_path / "run", **{**SMALL, **wrong})
    assert not (tmp_path / "run").exists()


def test_hyperparameters_that_act_alone_and_together_have_sobols_indices():
    """Ishigami's function, whose indices are known: 0.314, 0.442, 0 alone; 0.558, 0.442, 0.244 in all."""
    hp = kt.HyperParameters()
    for name in "abc":
        hp.Float(name, -np.pi, np.pi)
    rng = np.random.default_rng(0)
    x = rng.uniform(-np.pi, np.pi, (400, 3))
    y = np.sin(x[:, 0]) + 7 * np.sin(x[:, 1]) ** 2 + 0.1 * x[:, 2] ** 4 * np.sin(x[:, 0])
    # Scores below the median are compressed, so what is asked for is less than the exact values.
    table = compute_importance(hp, [dict(zip("abc", one, strict=True)) for one in x], y, "max")
    assert table.loc["c", "first_order"] < 0.1
    assert table.loc["c", "total"] > 0.1
    assert table.loc["b", "first_order"] == pytest.approx(0.44, abs=0.15)
    assert table.loc["a", "total"] == pytest.approx(0.56, abs=0.15)


def test_too_few_trials_have_no_importance():
    hp = kt.HyperParameters()
    hp.Float("a", 0, 1)
    assert compute_importance(hp, [{"a": 0.1}] * 9, np.arange(9.0), "max") is None
    assert compute_importance(hp, [{"a": 0.1}] * 20, np.ones(20), "max") is None


def test_tensorboard_reads_the_hyperparameters_and_the_score(finished):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import plugin_data_pb2

    folder, result = finished
    row = rows_in(folder)[3]
    events = EventAccumulator(str(folder / "hparams" / "trial-00003"))
    events.Reload()
    content = events.PluginTagToContent("hparams")["_hparams_/session_start_info"]
    hparams = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info.hparams
    assert hparams["learning_rate"].number_value == float(row["hp.learning_rate"])
    assert hparams["optimizer"].string_value == row["hp.optimizer"]
    if row["status"] in SCORED:
        (tensor,) = events.Tensors(result.objective)
        assert float(tf.make_ndarray(tensor.tensor_proto)) == pytest.approx(float(row[result.objective]), rel=1e-6)


def test_optuna_takes_the_sweep(finished):
    pytest.importorskip("optuna")
    folder, result = finished
    study = to_optuna_study(folder)
    assert len(study.trials) == 12
    assert study.best_value == result.best_score
    assert study.best_params["learning_rate"] == result.hyperparameters["learning_rate"]
    assert study.best_params["every_step"] in (True, False)


@pytest.mark.parametrize("content", ["{", "[]", "{}", "[" * 100_000, '{"space": 3, "values": {}}'])
def test_a_damaged_sweep_is_no_study_either(finished, tmp_path, content):
    pytest.importorskip("optuna")
    folder, _ = finished
    for name in ("space.json", "sweep.json"):
        if name == "sweep.json" and content.startswith('{"space'):
            continue
        copy = shutil.copytree(folder, tmp_path / name)
        (copy / name).write_text(content)
        with pytest.raises(InputError, match="is damaged"):
            to_optuna_study(copy)


def test_a_folder_without_a_sweep_is_no_study(tmp_path):
    pytest.importorskip("optuna")
    with pytest.raises(InputError, match="holds no sweep"):
        to_optuna_study(tmp_path)


def test_places_are_those_of_the_values(finished):
    from keras_rnncap.tuners.oracles.encoding import SpaceEncoding

    hp = kt.HyperParameters()
    hp.Float("rate", 1e-4, 1e-2, sampling="log")
    hp.Choice("kind", ["a", "b"])
    with hp.conditional_scope("kind", ["a"]):
        hp.Int("more", 1, 100)
    encoding = SpaceEncoding(hp)
    table = encoding.places([{"rate": 1e-3, "kind": "b"}, {"rate": 1e-2, "kind": "a", "more": 1}])
    pd.testing.assert_series_equal(table["rate"], pd.Series([0.5, 1.0], name="rate"), atol=1e-6)
    assert table["kind"].tolist() == [0.75, 0.25]
    assert np.isnan(table["more"][0])
    assert table["more"][1] < 0.01
    assert [text for _, text in encoding.ticks()["kind"]] == ["a", "b"]
    assert [text for _, text in encoding.ticks()["rate"]] == ["0.0001", "0.001", "0.01"]


def test_a_job_of_a_task_counts_its_batches(tmp_path):
    docs = PythonDocs()
    one = Job(docs, UGRNNCell, params=1500, depth=1, steps=10, batch_size=4, seed=0)
    values = one.hyperparameters.values
    population = one.population(values, [one.member(values, seed) for seed in range(2)])
    losses = [one.advance(population, 5) for _ in range(2)]
    assert population.steps_done.tolist() == [10, 10]
    assert np.isfinite(losses).all()
    assert one.progress(population, np.array([1.0, np.nan])).tolist() == [-1.0, -np.inf]


def test_a_new_member_does_not_touch_the_global_seed_where_its_cell_takes_one(monkeypatch):
    """TensorFlow would make every compiled function ready anew, 1.6 MB that it keeps each time."""
    sizes = {"params": 60, "depth": 1, "steps": 1, "batch_size": 8, "seed": 0}
    job = Job(PerceptronSearch(60, 10, 2), RNNCell, **sizes)
    values = {hp.name: hp.default for hp in job.hyperparameters.space}
    monkeypatch.setattr(keras.utils, "set_random_seed", lambda seed: pytest.fail(f"set_random_seed({seed})"))
    one, again = (job.builder(values)(job.member(values, 1)).get_weights() for _ in range(2))
    for first, second in zip(one, again, strict=True):
        np.testing.assert_array_equal(first, second)


def test_members_of_a_cell_without_a_seed_are_reproducible_too():
    class UnseededCell(keras.layers.Layer):
        """Draws a weight that nobody can seed from outside."""

        def __init__(self, units):
            super().__init__()
            self.units = self.state_size = self.output_size = units

        def build(self, shape):
            self.kernel = self.add_weight(shape=(shape[-1], self.units), initializer="random_normal")

        def call(self, inputs, states):
            h = keras.ops.tanh(inputs @ self.kernel) + states[0]
            return h, [h]

    sizes = {"params": 60, "depth": 1, "steps": 1, "batch_size": 8, "seed": 0}
    job = Job(PerceptronSearch(60, 10, 2), UnseededCell, **sizes)
    values = {hp.name: hp.default for hp in job.hyperparameters.space}
    one, again, other = (job.builder(values)(job.member(values, seed)).get_weights()[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert np.abs(one - other).max() > 1e-3


class ListeningSpace(CollinsSpace):
    """Trials halve their rates after an epoch without gain, and stop after two of them."""

    def settings(self, values, steps):
        schedule = Schedule("plateau", epoch_steps=10, stop_patience=2)
        return dataclasses.replace(super().settings(values, steps), schedule=schedule)


def test_trials_follow_schedules_of_their_own_whatever_their_company(tmp_path):
    sizes = {"params": 60, "depth": 1, "steps": 120, "batch_size": 16, "seed": 0, "changes": {"optimizer": "adam"}}
    one = Job(MemoryCapacity(4, 3), RNNCell, space=ListeningSpace(RNNCell), **sizes)
    few, _ = search(one, tmp_path / "a", trials=5, slots=1)
    many, _ = search(one, tmp_path / "b", trials=5, slots=5)
    steps = {ended.number: ended.steps for ended in many}
    assert steps == {ended.number: ended.steps for ended in few}
    assert min(steps.values()) < 120
    assert all(made % 10 == 0 for made in steps.values())
    scores = [sorted((ended.number, ended.measured[one.objective]) for ended in ended_) for ended_ in (few, many)]
    np.testing.assert_allclose(*scores, rtol=1e-3)


def test_patterns_have_no_validation_split_for_a_schedule(tmp_path):
    with pytest.raises(InputError, match="schedule and dropout"):
        search(job(space=ListeningSpace(RNNCell)), tmp_path)


def test_a_trial_that_its_schedule_stops_at_the_end_of_a_round_has_a_score(tmp_path):
    class Hopeless(ListeningSpace):
        def settings(self, values, steps):
            schedule = Schedule("never", epoch_steps=30, stop_patience=1)
            return dataclasses.replace(super().settings(values, steps), schedule=schedule, learning_rate=1e-12)

    sizes = {"params": 60, "depth": 1, "steps": 120, "batch_size": 16, "seed": 0, "changes": {"optimizer": "sgd"}}
    ended, _ = search(Job(MemoryCapacity(4, 3), RNNCell, space=Hopeless(RNNCell), **sizes), tmp_path, trials=2)
    assert [trial.steps for trial in ended] == [60, 60]
    assert all(trial.measured for trial in ended)


class ReluApart(RNNCell):
    """Its step asks which activation it has, which a population cannot answer."""

    def step(self, x, states, w):
        (a,) = w.of_both(x, states[0])
        return (keras.ops.relu(a) * 2 if self.activation is keras.activations.relu else keras.ops.tanh(a),)


def test_a_cell_that_cannot_share_with_a_later_trial_trains_alone_from_then_on(tmp_path):
    sizes = {"params": 60, "depth": 1, "steps": 20, "batch_size": 16, "seed": 0}
    job = Job(MemoryCapacity(4, 3), ReluApart, changes={"optimizer": "adam"}, **sizes)
    ended, _ = search(job, tmp_path, trials=6, slots=3)
    assert len(ended) == 6
    assert {trial.values["activation"] for trial in ended} == {"tanh", "relu"}
    assert [trial.steps for trial in ended] == [20] * 6
