"""Searches of a given time: how many trials of how many steps, and that they end."""

import tempfile
import time
import types

import pandas as pd
import pytest

import keras_rnncap.tuners.capacity as capacity_module
import keras_rnncap.tuners.timing as timing_module
from keras_rnncap.cells import RNNCell
from keras_rnncap.datasets import PerceptronSearch
from keras_rnncap.errors import InputError
from keras_rnncap.population.devices import populations_at_once
from keras_rnncap.terminal.progress import WorkProgress
from keras_rnncap.tuners import GPBanditOracle, Job, PopulationTuner, measure_capacity
from keras_rnncap.tuners.capacity import capacity_job
from keras_rnncap.tuners.rounds import closing_workers
from keras_rnncap.tuners.timing import Pace, Spent, at_once, make_plan, measure_pace


@pytest.mark.parametrize(("slots", "trials", "expected"), [(16, 12, 4), (16, 2, 1), (4, 60, 4), (16, 48, 16)])
def test_no_more_than_a_third_of_all_trials_train_at_the_same_time(slots, trials, expected):
    assert at_once(slots, trials) == expected


def plan(monkeypatch, step_s, minutes=1.0, steps=None, spent=None, fewest=10_000, start_s=0.0, cores=2, **options):
    asked = []

    def measure_pace(job, slots, engine, seconds):
        asked.append(slots)
        return Pace(start_s, step_s)

    monkeypatch.setattr(timing_module, "measure_pace", measure_pace)
    monkeypatch.setattr(timing_module, "populations_at_once", lambda: cores)
    usual = (10_000, fewest, (12, 64))
    job = types.SimpleNamespace(with_steps=lambda steps: steps)
    made = make_plan(job, minutes, 16, None, steps, *usual, spent or Spent(), **options)
    return made, asked


def test_a_plan_spends_its_time_on_trials_of_the_usual_steps_or_of_fewer_or_more(monkeypatch):
    usual, _ = plan(monkeypatch, 2e-4)
    assert usual.steps == pytest.approx(10_000, rel=0.1)
    assert usual.trials * usual.steps * 2e-4 * timing_module.WHOLE == pytest.approx(55, rel=0.1)
    assert 0 < usual.deadline - time.monotonic() <= 55
    slower, slots = plan(monkeypatch, 4e-4)
    assert at_once(16, slower.trials) < 16
    assert slots == [16]  # about as many: what a second timing takes is better spent on trials
    few, slots = plan(monkeypatch, 2e-2)
    assert 12 <= few.trials <= 15
    assert few.steps < 1000
    assert slots == [16, 4]  # timed once more with as many as then train at the same time
    many, _ = plan(monkeypatch, 1e-6)
    assert many.trials == 64
    assert many.steps > 100_000
    given, _ = plan(monkeypatch, 2e-4, steps=2_000)
    assert (given.steps, given.trials > 100) == (2_000, True)


def test_a_plan_fills_the_slots_with_shorter_trials_where_there_is_time_for_few_long_ones(monkeypatch):
    few, slots = plan(monkeypatch, 8e-4)
    assert (few.trials < 24, slots) == (True, [16, 5])
    many, slots = plan(monkeypatch, 8e-4, fewest=3_000)
    assert (at_once(16, many.trials), slots) == (16, [16])
    assert 3_000 <= many.steps < 4_000
    given, _ = plan(monkeypatch, 8e-4, steps=10_000, fewest=3_000)
    assert (given.steps, given.trials) == (10_000, few.trials)


def test_where_there_is_no_time_for_a_search_the_starts_get_all_of_it_on_every_core(monkeypatch):
    search, _ = plan(monkeypatch, 1e-2)
    assert search.trials >= 12
    options = {"search_steps": 9_000}
    few, slots = plan(monkeypatch, 2e-3, **options)
    assert (few.trials, at_once(16, few.trials), slots) == (6, 2, [16, 2])
    assert 2 * few.steps * 2e-3 == pytest.approx(timing_module.MARGIN * 55, rel=0.02)
    for enough_or_hopeless in (1e-3, 4e-3):
        made, _ = plan(monkeypatch, enough_or_hopeless, **options)
        assert made == plan(monkeypatch, enough_or_hopeless)[0]._replace(deadline=made.deadline)
    filled, _ = plan(monkeypatch, 8e-4, fewest=3_000, search_steps=9_000)
    assert at_once(16, filled.trials) == 16


def test_a_single_core_trains_two_starts_one_after_another_rather_than_one_for_twice_as_long(monkeypatch):
    few, _ = plan(monkeypatch, 2e-3, cores=1, search_steps=9_000)
    assert few.steps == pytest.approx(timing_module.MARGIN * 55 / 2e-3 / 2, rel=0.02)


def test_a_plan_leaves_time_to_compile_where_other_sizes_train_than_were_timed(monkeypatch):
    for step_s, spent_s in ((2e-4, 0.0), (4e-4, 20.0)):  # 16 at a time as timed, and 11
        with_time, _ = plan(monkeypatch, step_s, start_s=20.0)
        all_s = with_time.trials * with_time.steps * step_s * timing_module.WHOLE
        assert all_s == pytest.approx(55 - spent_s, rel=0.1)


@pytest.mark.parametrize("engine", ["inline", "processes"])
def test_trials_after_timing_are_those_of_new_workers_and_compile_nothing(tmp_path, engine, monkeypatch):
    task = PerceptronSearch(60, 10, length=2)
    job = capacity_job(RNNCell, task, params=60, depth=1, steps=400, batch_size=32)

    def rows_of(engine):
        oracle = GPBanditOracle(job.kt_objective, max_trials=4, hyperparameters=job.hyperparameters.copy(), seed=0)
        ended = []
        folder = tempfile.mkdtemp(dir=tmp_path)
        PopulationTuner(oracle, job, slots=4, engine=engine, on_end=ended.append, directory=folder).search()
        return [repr((one.values, one.measured, one.history)) for one in ended]

    made, population = [], Job.population
    monkeypatch.setattr(Job, "population", lambda self, *rest: made.append(self.steps) or population(self, *rest))
    with closing_workers(job, engine) as workers:
        measure_pace(job.with_steps(2_000), 4, workers)
        timed = len(made)
        assert rows_of(workers) == rows_of(engine)
    if engine == "inline":
        assert timed == populations_at_once()
        assert len(made) == 2 * timed


def test_no_core_is_idle_where_few_trials_are_asked_for_by_their_steps(monkeypatch):
    long, _ = plan(monkeypatch, 1e-3, steps=50_000)
    assert (long.steps, long.trials, at_once(16, long.trials)) == (50_000, 6, 2)


def test_a_plan_counts_what_was_done_before(monkeypatch):
    usual, _ = plan(monkeypatch, 2e-4)
    more, _ = plan(monkeypatch, 2e-4, minutes=2.0, spent=Spent(20, 60.0, 5_000))
    assert more.steps == 5_000
    assert more.trials > 20
    over, slots = plan(monkeypatch, 2e-4, spent=Spent(20, 60.0, 5_000))
    assert (over.trials, over.most, over.steps, slots) == (20, 20, 5_000, [])
    assert (usual.limited(9).trials, usual.limited(9).most, usual.limited(None)) == (9, 9, usual)
    assert usual.trials < usual.limited(1_000).most == 1_000
    with pytest.raises(InputError, match="minutes must be"):
        plan(monkeypatch, 2e-4, minutes=0)


def test_a_measurement_of_a_given_time_ends_with_a_result_and_says_how_it_came_about(tmp_path):
    began = time.monotonic()
    result = measure_capacity("rnn", params=60, minutes=0.5, steps=1_000, out=tmp_path / "run")
    assert time.monotonic() - began < 120  # compiling and saving are not counted on a busy machine
    rows = pd.read_csv(tmp_path / "run" / "trials.csv")
    assert result.trials == len(rows) >= 4
    assert sum(result.proposed_by.values()) == result.trials
    assert (result.space, result.centered, result.batch_size) == ("row-soap", True, 256)
    assert 1.0 < result.bits_per_parameter < 6.0
    again = measure_capacity("rnn", params=60, minutes=0.5, out=tmp_path / "run")
    assert again.trials >= result.trials
    assert again.steps == result.steps
    numbers = {*pd.read_csv(tmp_path / "run" / "trials.csv")["trial"]}  # without those left in training
    more = measure_capacity("rnn", params=60, trials=again.trials + 2, steps=again.steps, out=tmp_path / "run")
    assert more.trials == len(numbers | {*range(again.trials + 2)})


def test_a_search_goes_on_past_its_plan_while_there_is_time_unless_trials_are_given(tmp_path, monkeypatch):
    monkeypatch.setattr(timing_module, "measure_pace", lambda *_: Pace(0.0, 1e-2))  # as beside much other work
    options = {"params": 60, "minutes": 0.5, "length": 2}
    planned = make_plan_of(monkeypatch, lambda: measure_capacity("rnn", trials=3, out=tmp_path / "given", **options))
    assert len(pd.read_csv(tmp_path / "given" / "trials.csv")) == 3
    began = time.monotonic()
    result = measure_capacity("rnn", out=tmp_path / "run", **options)
    assert result.trials > 2 * planned.trials
    assert time.monotonic() - began < 120
    assert {*pd.read_csv(tmp_path / "run" / "trials.csv")["status"]} >= {"completed", "stopped"}


def make_plan_of(monkeypatch, measure):
    """Returns the plan of a measurement."""
    plans = []
    monkeypatch.setattr(capacity_module, "make_plan", lambda *given: plans.append(make_plan(*given)) or plans[-1])
    measure()
    return plans[-1]


@pytest.mark.parametrize(("params", "trials"), [(300, (12, 200)), (1_000, (12, 24)), (10_000, (12, 12))])
def test_larger_models_have_fewer_and_longer_trials(tmp_path, monkeypatch, params, trials):
    class PlannedError(Exception):
        pass

    def plan_of(job, minutes, slots, engine, steps, usual_steps, fewest_steps, allowed, *rest):
        raise PlannedError(usual_steps, allowed)

    monkeypatch.setattr(capacity_module, "make_plan", plan_of)
    with pytest.raises(PlannedError) as planned:
        measure_capacity("rnn", params=params, out=tmp_path / "run")
    assert planned.value.args == (300 * params, trials)


@pytest.mark.parametrize("wrong", ["soon", "nan", ""])
def test_a_time_that_is_damaged_is_named_before_any_work(tmp_path, wrong):
    options = {"params": 60, "steps": 5, "length": 2, "out": tmp_path / "run"}
    measure_capacity("rnn", trials=1, **options)
    file = tmp_path / "run" / "trials.csv"
    rows = pd.read_csv(file, dtype=str)
    rows["elapsed_s"] = wrong
    rows.to_csv(file, index=False)
    with pytest.raises(InputError, match=r"trials.csv is damaged .*elapsed_s"):
        measure_capacity("rnn", minutes=1, **options)


def test_the_time_left_is_never_more_than_to_the_deadline():
    now = time.monotonic()
    assert WorkProgress(100, enabled=False).time_left() == "?"
    progress = WorkProgress(100, enabled=False, deadline=now + 90.5)
    assert progress.time_left() in ("1:30", "1:29")
    progress.to(1)
    progress._started_at = now - 50
    assert progress.time_left() in ("1:30", "1:29")  # the pace says more than an hour
    progress.to(99)
    assert progress.time_left() == "0:00"
