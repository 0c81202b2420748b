"""The oracle: what it proposes, and what it still knows in another process."""

import itertools
import json
import math
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import keras
import keras_tuner as kt
import numpy as np
import pytest
from keras_tuner.engine.base_tuner import BaseTuner
from keras_tuner.engine.trial import Trial
from scipy import integrate, stats
from threadpoolctl import threadpool_info, threadpool_limits

import keras_rnncap.tuners.oracles.gp_bandit as oracle_module
from keras_rnncap.errors import InputError
from keras_rnncap.tuners import GPBanditOracle
from keras_rnncap.tuners.oracles.encoding import SpaceEncoding
from keras_rnncap.tuners.oracles.gaussian_process import GaussianProcess
from keras_rnncap.tuners.oracles.gp_bandit import expected_improvement
from keras_rnncap.tuners.oracles.warping import WARPINGS, is_telling, robust_scores


def space():
    hp = kt.HyperParameters()
    hp.Float("rate", 1e-4, 1e-1, sampling="log")
    hp.Int("layers", 1, 4)
    hp.Choice("optimizer", ["sgd", "momentum", "adam"], ordered=False)
    with hp.conditional_scope("optimizer", ["momentum", "adam"]):
        hp.Float("momentum", 0.0, 0.99)
    hp.Boolean("bias")
    return hp


def make(folder, hp=None, direction="max", **options):
    options = {"max_trials": 40, "initial_trials": 6, "seed": 0, "max_consecutive_failed_trials": 10**9, **options}
    oracle = GPBanditOracle(kt.Objective("score", direction), hyperparameters=hp or space(), **options)
    BaseTuner(oracle, directory=folder, project_name="sweep")
    oracle.verbose = 0
    return oracle


def score(values):
    """Best near rate 0.01 with adam and momentum 0.9."""
    kind = {"sgd": -1.0, "momentum": -0.3, "adam": 0.0}[values["optimizer"]]
    return kind - (math.log10(values["rate"]) + 2) ** 2 - (values.get("momentum", 0.5) - 0.9) ** 2


def end(oracle, trial, result):
    if result is None:
        trial.status = "FAILED"
    else:
        oracle.update_trial(trial.trial_id, {"score": result})
        trial.status = "COMPLETED"
    oracle.end_trial(trial)


def run(oracle, trials, function=score, batch=1):
    seen = []
    while len(seen) < trials:
        running = [oracle.create_trial(f"tuner{index}") for index in range(min(batch, trials - len(seen)))]
        running = [trial for trial in running if trial.status != "STOPPED"]
        if not running:
            break
        seen += [dict(trial.hyperparameters.values) for trial in running]
        for trial in running:
            end(oracle, trial, function(trial.hyperparameters.values))
    return seen


@pytest.mark.parametrize("batch", [1, 8])
@pytest.mark.parametrize("sign", [1, -1])
def test_it_finds_what_is_good_whether_more_or_less_is_better(tmp_path, batch, sign):
    oracle = make(tmp_path, direction="max" if sign > 0 else "min")
    run(oracle, 40, lambda values: sign * score(values), batch)
    best = oracle.get_best_trials(1)[0].hyperparameters.values
    assert best["optimizer"] == "adam"
    assert abs(math.log10(best["rate"]) + 2) < 0.15
    assert abs(best["momentum"] - 0.9) < 0.15


def score_or_failure(values):
    return None if values["layers"] == 2 else score(values)


@pytest.mark.parametrize("function", [score, score_or_failure])
def test_the_same_seed_gives_the_same_proposals_also_after_a_reload_and_zero_is_a_seed(tmp_path, function):
    whole = run(make(tmp_path / "a"), 16, function)
    assert run(make(tmp_path / "b"), 16, function) == whole
    assert run(make(tmp_path / "d", seed=1), 3, function) != whole[:3]
    first = run(make(tmp_path / "c"), 11, function)
    program = f"""
from tuners.test_oracle import make, run, {function.__name__}
import json
oracle = make({str(tmp_path / "c")!r})
oracle.reload()
print("PROPOSED", json.dumps(run(oracle, 5, {function.__name__})))
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[1])
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("PROPOSED"))
    assert first + json.loads(line.removeprefix("PROPOSED")) == whole


def test_many_asked_for_at_once_are_many_different_points(tmp_path):
    oracle = make(tmp_path, max_trials=60)
    run(oracle, 12)
    asked = [oracle.create_trial(f"tuner{index}").hyperparameters.values for index in range(32)]
    places = SpaceEncoding(space()).features(np.stack([SpaceEncoding(space()).point(values) for values in asked]))
    for one, other in itertools.combinations(places, 2):
        assert np.abs(one - other).max() > 1e-3


@pytest.mark.parametrize("limit", [-1.7, -2.2])  # beside the best rate, -2; and where it fails
def test_failures_teach_it_where_not_to_go(tmp_path, limit):
    def fails_at_high_rates(values):
        return None if values["rate"] > 10**limit else score(values)

    late, rates, scores = [], [], []
    for seed in range(13):
        oracle = make(tmp_path / str(seed), max_trials=50, seed=seed)
        failed = [fails_at_high_rates(values) is None for values in run(oracle, 50, fails_at_high_rates)]
        assert sum(failed[:6]) >= 1
        late.append(sum(failed[30:]))
        best = oracle.get_best_trials(1)[0]
        rates.append(math.log10(best.hyperparameters.values["rate"]))
        scores.append(best.score)
    assert np.median(late) < (4 if limit > -2 else 8)
    assert np.median(rates) == pytest.approx(min(limit, -2), abs=0.03)
    assert np.median(scores) > -((min(limit, -2) + 2) ** 2) - 0.01


def blas_threads():
    return {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}


def test_proposals_compute_with_one_thread_beside_those_that_train(tmp_path, monkeypatch):
    threads = set()

    def process(*given, **options):
        threads.update(blas_threads())
        return GaussianProcess(*given, **options)

    monkeypatch.setattr(oracle_module, "GaussianProcess", process)
    with threadpool_limits(2, "blas"):
        run(make(tmp_path, max_trials=60), 12)
        assert (threads, blas_threads()) == ({1}, {2})


def square():
    hp = kt.HyperParameters()
    hp.Float("x", 0.0, 1.0)
    hp.Float("y", 0.0, 1.0)
    return hp


def bump(values):
    """Best, 0, at (0.3, 0.6)."""
    return -((values["x"] - 0.3) ** 2) - (values["y"] - 0.6) ** 2


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_failures_by_chance_cost_little(tmp_path, seed):
    rng = np.random.default_rng(seed)
    oracle = make(tmp_path, square(), seed=seed)
    run(oracle, 30, lambda values: None if rng.random() < 0.2 else bump(values))
    assert oracle.get_best_trials(1)[0].score > -1e-4


def test_feasibility_is_1_without_failures_near_1_where_chance_fails_and_near_0_where_all_fail(tmp_path):
    places = np.random.default_rng(0).random((80, 2))
    by_chance = np.random.default_rng(1).random(80) < 0.2

    def feasibility(failed):
        return make(tmp_path, square())._feasibility(places, ~failed, True)[0]

    assert feasibility(np.zeros(80, bool))(places) == 1.0
    assert np.median(feasibility(by_chance)(places)) > 0.95
    assert feasibility(by_chance)(places).min() > 0.7
    by_place = feasibility(places[:, 0] > 0.8)
    assert by_place(np.array([[0.9, 0.2], [0.9, 0.5], [0.9, 0.8]])).max() < 0.01
    assert by_place(np.array([[0.3, 0.2], [0.6, 0.5], [0.5, 0.8]])).min() > 0.99
    both = feasibility((places[:, 0] > 0.7) | by_chance)
    assert both(np.array([[0.9, 0.3], [0.9, 0.6]])).max() < 0.05
    assert both(np.array([[0.3, 0.3], [0.4, 0.6]])).min() > 0.9


LARGEST = sys.float_info.max


@pytest.mark.parametrize("direction", ["min", "max"])
@pytest.mark.parametrize(
    "far", [[LARGEST], [-LARGEST], [LARGEST, -LARGEST], [1e300, 1e-300], [1e300, -1e290, 0.0, 5e-324], [1e160, LARGEST]]
)
def test_scores_of_any_size_leave_the_oracle_at_work(tmp_path, direction, far):
    oracle, given = make(tmp_path, square(), direction=direction), itertools.cycle(far)
    seen = run(oracle, 20, lambda values: next(given) if values["x"] > 0.6 else bump(values))
    assert len(seen) == 20
    assert all(trial.status == "COMPLETED" for trial in oracle.trials.values())


@pytest.mark.parametrize("worst", [1e30, LARGEST])
def test_absurd_scores_only_say_that_the_trial_failed(tmp_path, worst):
    oracle = make(tmp_path / "absurd", square())
    absurd = run(oracle, 25, lambda values: -worst if values["x"] > 0.6 else bump(values))
    failing = run(make(tmp_path / "failing", square()), 25, lambda v: None if v["x"] > 0.6 else bump(v))
    assert absurd == failing
    assert is_telling(np.array([1.0, 2.0, 3.0, -worst, math.nan])).tolist() == [True, True, True, False, False]


def test_of_many_trials_the_process_sees_the_best_and_the_newest(tmp_path, monkeypatch):
    monkeypatch.setattr(oracle_module, "MOST_TRIALS", 12)
    seen, real = [], GPBanditOracle._process
    monkeypatch.setattr(GPBanditOracle, "_process", lambda *arguments: seen.append(arguments[2]) or real(*arguments))
    oracle = make(tmp_path, max_trials=40)
    run(oracle, 40)
    assert [len(goodness) for goodness in seen] == [*range(6, 13), *[12] * 27]
    goodness = np.array([trial.score for trial in oracle.trials.values()][:39])
    assert seen[-1].max() == pytest.approx(goodness.max())
    assert seen[-1][-6:] == pytest.approx(goodness[-6:])


@pytest.mark.filterwarnings("ignore:All-NaN axis")  # KerasTuner's look at such a score
def test_nan_and_infinite_scores_are_failures(tmp_path):
    oracle = make(tmp_path, direction="min")
    for result in (math.inf, math.nan, 1.0):
        end(oracle, oracle.create_trial("tuner"), result)
    assert [trial.status for trial in oracle.trials.values()] == ["FAILED", "FAILED", "COMPLETED"]
    assert oracle.get_best_trials(1)[0].score == 1.0


def test_no_point_twice_and_an_exhausted_space_stops(tmp_path):
    hp = kt.HyperParameters()
    hp.Choice("a", [1, 2, 3])
    hp.Boolean("b")
    with hp.conditional_scope("b", [True]):
        hp.Int("c", 0, 1)
    seen = run(make(tmp_path, hp), 30, lambda values: values["a"], batch=4)
    assert len(seen) == 9  # 3 without c, 6 with
    assert len({tuple(sorted(values.items())) for values in seen}) == 9


def test_a_state_that_still_lists_an_ended_trial_as_running_does_not_run_it_again(tmp_path):
    """What a process leaves that is killed between the two files that KerasTuner writes."""
    oracle = make(tmp_path)
    run(oracle, 3)
    running, other = oracle.create_trial("tuner0"), oracle.create_trial("tuner1")
    state = (tmp_path / "sweep" / "oracle.json").read_text()
    end(oracle, running, 1.0)
    written = json.loads((tmp_path / "sweep" / "oracle.json").read_text())
    assert running.trial_id not in written["ongoing_trials"].values()
    (tmp_path / "sweep" / "oracle.json").write_text(state)
    again = make(tmp_path)
    again.reload()
    assert again.trials[running.trial_id].score == 1.0
    assert again.create_trial("tuner0").trial_id == other.trial_id
    assert again.create_trial("tuner1").trial_id not in (running.trial_id, other.trial_id)
    assert sorted(again.end_order) == sorted(["00", "01", "02", running.trial_id])


def test_a_state_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    oracle = make(tmp_path)
    run(oracle, 2)
    before = (tmp_path / "sweep" / "oracle.json").read_text()
    monkeypatch.setattr(oracle, "get_state", lambda: {"half": object()})
    with pytest.raises(TypeError):
        oracle.save()
    assert (tmp_path / "sweep" / "oracle.json").read_text() == before


@pytest.mark.parametrize(
    ("wrong", "said"), [({"max_trials": 0}, "max_trials"), ({"seed": -1}, "seed"), ({"initial_trials": 0}, "initial_")]
)
def test_bad_arguments_are_named(wrong, said):
    with pytest.raises(InputError, match=said):
        GPBanditOracle(kt.Objective("score", "max"), **wrong)


def test_expected_improvement_is_the_integral():
    for mean, deviation, best in [(0.0, 1.0, 0.5), (1.0, 0.3, 0.2), (-2.0, 0.7, 0.0)]:
        law = stats.norm(mean, deviation)
        integral = integrate.quad(lambda f, best=best, law=law: (f - best) * law.pdf(f), best, 20)[0]
        assert expected_improvement(np.array(mean), np.array(deviation), best) == pytest.approx(integral, abs=1e-9)


def test_robust_scores_keep_the_order_and_tame_outliers():
    scores = np.array([1.0, 2.0, 3.0, -1e9, math.nan, 2.5])
    robust = robust_scores(scores)
    assert np.argsort(robust).tolist() == [4, 3, 0, 1, 5, 2]
    assert np.ptp(robust) < 30
    assert np.isfinite(robust).all()
    assert robust_scores(np.array([math.nan, math.nan])).tolist() == [0.0, 0.0]
    np.testing.assert_allclose(robust_scores(np.ones(3)), 0)


@pytest.mark.parametrize("name", WARPINGS)
@pytest.mark.parametrize(
    "scores", [[LARGEST, -LARGEST], [1e300, 1.0, 2.0, 3.0], [-1e300, 1.0, 2.0, 3.0], [5e-324, 0.0]]
)
def test_warped_scores_are_finite_and_keep_the_order(name, scores):
    warped = WARPINGS[name](np.array(scores))
    assert np.isfinite(warped.scores).all()
    assert math.isfinite(warped.log_slope)
    assert (np.argsort(warped.scores, kind="stable") == np.argsort(scores)).all()


@pytest.mark.parametrize("name", WARPINGS)
def test_warpings_keep_the_order_and_know_their_slopes(name):
    scores = np.random.default_rng(0).normal(size=20) ** 3
    warped = WARPINGS[name](scores)
    assert (np.argsort(warped.scores) == np.argsort(scores)).all()
    doubled = WARPINGS[name](2 * scores)
    np.testing.assert_allclose(doubled.scores, warped.scores, rtol=1e-9)
    assert doubled.log_slope == pytest.approx(warped.log_slope - 20 * math.log(2))
    # The warped scores as a function of the scores, with center and unit as they are: its slopes, by differences.
    order = np.argsort(scores)
    x, z = scores[order], warped.scores[order]
    if name == "robust":
        median = np.median(x)
        unit = np.sqrt(np.mean((x[x >= median] - median) ** 2))
        slopes = np.where(x < median, 1 / (unit * (1 + (median - x) / unit)), 1 / unit)
    else:
        softening = 0.1 * np.median(x[-1] - x)
        slopes = 1 / (np.std(np.log(softening + x[-1] - x)) * (softening + x[-1] - x))
    assert warped.log_slope == pytest.approx(np.log(slopes).sum())
    means = np.diff(z) / np.diff(x)  # between a slope and the next
    assert (means <= np.maximum(slopes[1:], slopes[:-1]) * (1 + 1e-9)).all()
    assert (means >= np.minimum(slopes[1:], slopes[:-1]) * (1 - 1e-9)).all()


def test_a_narrow_valley_is_seen_near_the_best_and_a_plain_hill_as_it_is(tmp_path):
    def valley(x, y):
        return -100 * (y - x**2) ** 2 - (1 - x) ** 2

    def hill(x, y):
        return -((x - 0.3) ** 2) - 0.5 * (y - 0.2) ** 2

    for function, warping in ((valley, "near_best"), (hill, "robust")):
        space = kt.HyperParameters()
        space.Float("x", -2.0, 2.0)
        space.Float("y", -2.0, 2.0)
        oracle = GPBanditOracle(kt.Objective("score", "max"), max_trials=25, hyperparameters=space, seed=0)
        BaseTuner(oracle, directory=tmp_path / warping, overwrite=True)
        for _ in range(25):
            trial = oracle.create_trial("tuner")
            end(oracle, trial, function(**trial.hyperparameters.values))
        assert oracle.get_state()["warping"] == warping


# One process imports KerasTuner; forks of it are searches that can be killed.
KILLED = """
import json, os, pathlib, random, signal, sys, time
from tuners.test_oracle import end, make, score
folder = pathlib.Path(sys.argv[1])

def log(event, trial):
    with (folder / "log").open("a") as stream:
        stream.write(json.dumps([event, trial.trial_id, trial.hyperparameters.values]) + chr(10))

def search():
    oracle = make(folder, max_trials=60)
    while (trial := oracle.create_trial("tuner0")).status != "STOPPED":
        log("began", trial)
        time.sleep(0.01)
        end(oracle, trial, score(trial.hyperparameters.values))
        log("ended", trial)

rng = random.Random(5)
for attempt in range(41):
    child = os.fork()
    if not child:
        search()
        os._exit(0)
    if attempt < 40:
        time.sleep(rng.uniform(0.0, 0.15))
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
"""


def test_killed_at_any_moment_no_ended_trial_is_lost_or_run_again(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[1],
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    ended = [(name, json.dumps(values, sort_keys=True)) for event, name, values in events if event == "ended"]
    assert len(set(ended)) == len(ended)  # none reported twice
    oracle = make(tmp_path, max_trials=60)
    assert oracle.create_trial("tuner0").status == "STOPPED"
    assert len(oracle.end_order) == len(set(oracle.end_order)) == 60
    for name, values in ended:
        trial = oracle.trials[name]
        assert trial.status == "COMPLETED"
        assert json.dumps(trial.hyperparameters.values, sort_keys=True) == values
    for before, (event, name, _) in enumerate(events):
        if event == "began":
            assert ["ended", name] not in [one[:2] for one in events[:before]]
    began = [name for event, name, _ in events if event == "began"]
    assert len(began) > len(set(began))  # some were killed while they ran, and ran again


def sent(trial):
    """The copy that another process has of a trial since it was created."""
    return Trial.from_proto(trial.to_proto())


def test_a_copy_of_a_trial_ends_it_by_what_the_oracle_was_told(tmp_path):
    oracle = make(tmp_path)
    trial = oracle.create_trial("tuner")
    proposed, copy = dict(trial.hyperparameters.values), sent(trial)
    oracle.update_trial(trial.trial_id, {"score": 3.0})
    copy.hyperparameters.Int("further", 1, 4)
    copy.status = "COMPLETED"
    oracle.end_trial(copy)
    assert (trial.status, trial.score) == ("COMPLETED", 3.0)
    assert trial.hyperparameters.values == {**proposed, "further": 1}
    assert "further" in [one.name for one in oracle.get_space().space]


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("status", [None, "COMPLETED", "FAILED"])
def test_an_id_and_a_status_end_a_trial_as_in_older_scripts(tmp_path, named, status):
    oracle = make(tmp_path)
    trial = oracle.create_trial("tuner")
    proposed = dict(trial.hyperparameters.values)
    oracle.update_trial(trial.trial_id, {"score": 3.0})
    further = () if status is None else (status,)
    if named:
        oracle.end_trial(trial_id=trial.trial_id, **({"status": status} if status else {}))
    else:
        oracle.end_trial(trial.trial_id, *further)
    assert trial.status == (status or "COMPLETED")
    assert trial.score == (None if status == "FAILED" else 3.0)
    assert trial.hyperparameters.values == proposed
    assert oracle.ongoing_trials == {}


def in_another_thread(function):
    """What a function returns in a thread that must end."""
    results = []
    thread = threading.Thread(target=lambda: results.append(function()), name="another", daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive(), "the lock is held"
    return results[0]


def _fail(*arguments):
    raise RuntimeError("wrong inside")


def _propose(oracle, trial, monkeypatch):
    monkeypatch.setattr(oracle, "populate_space", _fail)
    oracle.create_trial("other")


def _end_three_failures(oracle, trial, monkeypatch):
    monkeypatch.setattr(oracle, "max_consecutive_failed_trials", 3)
    for _ in range(3):
        end(oracle, oracle.create_trial("other"), None)


def _write(oracle, trial, monkeypatch):
    monkeypatch.setattr(oracle, "save", _fail)
    end(oracle, trial, 1.0)


def _end_with_no_score(oracle, trial, monkeypatch):
    monkeypatch.setattr(oracle, "score_trial", lambda _: None)
    end(oracle, trial, 1.0)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (_propose, "wrong inside"),
        (_write, "wrong inside"),
        (_end_three_failures, "Number of consecutive failures exceeded"),
        (_end_with_no_score, "a completed trial must have a value of 'score', and trial 00 has none"),
        (lambda oracle, trial, _: oracle.update_trial(trial.trial_id, {"other": 1.0}), "Objective value missing"),
        (lambda oracle, *_: oracle.update_trial("unknown", {"score": 1.0}), "trial_id must be .* got 'unknown'"),
        (lambda oracle, *_: oracle.end_trial("unknown"), "trial_id must be .* got 'unknown'"),
        (lambda oracle, trial, _: oracle.end_trial(trial.trial_id), "Unknown metric: score"),
        (lambda oracle, trial, _: oracle.end_trial(trial), "status .* must be .* got 'RUNNING'"),
        (lambda oracle, trial, _: oracle.end_trial(trial, "DONE"), "status .* must be .* got 'DONE'"),
    ],
)
def test_an_error_leaves_the_lock_free(tmp_path, monkeypatch, wrong, said):
    oracle = make(tmp_path)
    trial = oracle.create_trial("tuner")
    with monkeypatch.context() as patch, pytest.raises((ValueError, RuntimeError), match=said):
        wrong(oracle, trial, patch)
    assert in_another_thread(lambda: oracle.create_trial("third")).status == "RUNNING"
    in_another_thread(lambda: end(oracle, oracle.create_trial("third"), 1.0))
    assert "third" not in oracle.ongoing_trials


def test_a_trial_that_was_one_failure_too_many_has_ended_also_on_disk(tmp_path):
    oracle = make(tmp_path, max_consecutive_failed_trials=2)
    end(oracle, oracle.create_trial("tuner"), None)
    with pytest.raises(RuntimeError, match="consecutive"):
        end(oracle, oracle.create_trial("tuner"), None)
    assert oracle.ongoing_trials == {}
    again = make(tmp_path)
    again.reload()
    assert [trial.status for trial in again.trials.values()] == ["FAILED", "FAILED"]
    assert again._retry_queue == []


def stock_tuner(folder, objective, build, **options):
    oracle = GPBanditOracle(kt.Objective(objective, "min"), max_trials=5, seed=0, **options)
    return kt.Tuner(oracle, build, directory=folder)


def linear(hp):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(hp.Float("rate", 1e-3, 1e-1)), "mse", metrics=["mae"])
    return model


def test_a_misspelt_objective_ends_the_search_with_the_metrics_that_there_are(tmp_path):
    tuner = stock_tuner(tmp_path, "val_los", linear)
    x = np.ones((8, 3))
    said = "'val_los' is not among the metrics: they are loss, mae, val_loss, val_mae"
    with pytest.raises(kt.errors.FatalValueError, match=said):
        tuner.search(x, x[:, :1], validation_split=0.25, epochs=1, verbose=0)
    assert tuner.oracle.get_best_trials(3) == []


def test_three_failures_in_a_row_end_a_stock_search_unless_asked_otherwise_and_none_is_the_best(tmp_path):
    tuner, data = stock_tuner(tmp_path / "a", "loss", linear), (np.ones((8, 2)), np.ones((8, 1)))  # of another width
    with pytest.raises(RuntimeError, match=r"(?s)consecutive failures exceeded the limit of 3.*incompatible"):
        tuner.search(*data, verbose=0)
    assert [trial.status for trial in tuner.oracle.trials.values()] == ["FAILED"] * 3
    assert tuner.get_best_hyperparameters() == []
    patient = stock_tuner(tmp_path / "b", "loss", linear, max_consecutive_failed_trials=10**9)
    patient.search(*data, verbose=0)
    assert len(patient.oracle.trials) == 5


@pytest.mark.filterwarnings("ignore:All-NaN axis")  # KerasTuner's look at such a score
@pytest.mark.parametrize("result", [math.nan, math.inf, "INVALID"])
def test_an_invalid_trial_is_run_again_and_its_new_score_counts(tmp_path, result):
    oracle = make(tmp_path, max_retries_per_trial=1)
    trial = oracle.create_trial("tuner")
    if result == "INVALID":
        oracle.end_trial(trial, result)
    else:
        end(oracle, trial, result)
    assert oracle.end_order == []
    again = make(tmp_path, max_retries_per_trial=1)
    again.reload()
    for one in (oracle, again):
        retried = one.create_trial("tuner")
        assert (retried.trial_id, retried.status) == (trial.trial_id, "RUNNING")
        end(one, retried, 2.0)
        assert (one.trials[trial.trial_id].status, one.trials[trial.trial_id].score) == ("COMPLETED", 2.0)
    trial = oracle.create_trial("tuner")
    for _ in range(2):
        oracle.end_trial(trial, "INVALID")
    assert trial.status == "FAILED"


def test_a_trial_ended_twice_is_counted_once_and_is_what_was_said_last(tmp_path):
    oracle = make(tmp_path)
    trial = oracle.create_trial("tuner")
    end(oracle, trial, 1.0)
    oracle.end_trial(trial)
    assert (trial.status, oracle.end_order) == ("COMPLETED", [trial.trial_id])
    oracle.end_trial(trial, "FAILED")
    assert (trial.status, trial.score, oracle.end_order) == ("FAILED", None, [trial.trial_id])


DISTRIBUTED = """
import json, pathlib, sys, time
import keras_tuner as kt
from keras_rnncap.tuners import GPBanditOracle

folder = pathlib.Path(sys.argv[1])
hp = kt.HyperParameters()
hp.Float("x", 0.0, 1.0)
hp.Choice("y", [0.1, 0.2])

class Quick(kt.Tuner):
    def run_trial(self, trial, verbose):
        (folder / f"{self.tuner_id} is here").touch()
        deadline = time.monotonic() + 60
        while len(list(folder.glob("* is here"))) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)  # else one of them could find that all is done before it asks
        values = trial.hyperparameters.values
        return (values["x"] - 0.3) ** 2 + values["y"]

oracle = GPBanditOracle(kt.Objective("score", "min"), max_trials=10, initial_trials=4, hyperparameters=hp, seed=0)
Quick(oracle, directory=folder, project_name="search").search(verbose=0)
print("ENDED", json.dumps([[trial.status, trial.score] for trial in oracle.trials.values()]))
"""


def test_a_chief_and_two_workers(tmp_path):
    """KerasTuner's own distribution: the script runs three times, the first serves its oracle to the others."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    where = {"KERASTUNER_ORACLE_IP": "127.0.0.1", "KERASTUNER_ORACLE_PORT": port}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", DISTRIBUTED, str(tmp_path)],
            env={**os.environ, **where, "KERASTUNER_TUNER_ID": name},
            cwd=Path(__file__).parents[1],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ("chief", "worker0", "worker1")
    ]
    deadline = time.monotonic() + 150
    try:
        # The workers first: without them, the chief would wait.
        said = {place: processes[place].communicate(timeout=deadline - time.monotonic()) for place in (1, 2, 0)}
    finally:
        for process in processes:
            process.kill()
    for place, process in enumerate(processes):
        assert process.returncode == 0, said[place][1]
    line = next(line for line in said[0][0].splitlines() if line.startswith("ENDED"))
    ended = json.loads(line.removeprefix("ENDED"))
    assert [status for status, _ in ended] == ["COMPLETED"] * 10
    assert min(score for _, score in ended) < 0.11
