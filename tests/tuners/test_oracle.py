"""The oracle: what it proposes, and what it still knows in another process."""

import itertools
import json
import math
import subprocess
import sys
from pathlib import Path

import keras_rnncap.tuners.oracle as oracle_module
import keras_tuner as kt
import numpy as np
import pytest
from keras_rnncap.tuners import GPBanditOracle
from keras_rnncap.tuners.encoding import SpaceEncoding
from keras_rnncap.tuners.oracle import WARPINGS, expected_improvement, robust_scores
from keras_tuner.engine.base_tuner import BaseTuner
from scipy import integrate, stats

from keras_rnncap.errors import InputError


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
    options = {"max_trials": 40, "initial_trials": 6, "seed": 0, **options}
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


def test_active_hyperparameters_only_and_python_values(tmp_path):
    for values in run(make(tmp_path), 25):
        assert set(values) - {"momentum"} == {"rate", "layers", "optimizer", "bias"}
        assert ("momentum" in values) == (values["optimizer"] != "sgd")
        assert 1e-4 <= values["rate"] <= 1e-1
        assert values["layers"] in (1, 2, 3, 4)
        json.dumps(values)


def test_the_same_seed_gives_the_same_proposals_also_after_a_reload_and_zero_is_a_seed(tmp_path):
    whole = run(make(tmp_path / "a"), 16)
    assert run(make(tmp_path / "b"), 16) == whole
    assert run(make(tmp_path / "d", seed=1), 3) != whole[:3]
    first = run(make(tmp_path / "c"), 11)
    program = f"""
from tuners.test_oracle import make, run
import json
oracle = make({str(tmp_path / "c")!r})
oracle.reload()
print("PROPOSED", json.dumps(run(oracle, 5)))
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


def test_failures_teach_it_where_not_to_go(tmp_path):
    oracle = make(tmp_path, max_trials=50)

    def fails_at_high_rates(values):
        return None if values["rate"] > 10**-2.2 else score(values)

    seen = run(oracle, 50, fails_at_high_rates)
    failed = [fails_at_high_rates(values) is None for values in seen]
    assert sum(failed[:6]) >= 1
    assert sum(failed[30:]) < 8
    assert -2.8 < math.log10(oracle.get_best_trials(1)[0].hyperparameters.values["rate"]) <= -2.2


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
def test_warpings_keep_the_order_and_know_their_slopes(name):
    scores = np.random.default_rng(0).normal(size=21) ** 3
    scores[3] = math.nan
    known = np.isfinite(scores)
    warped = WARPINGS[name](scores)
    assert (np.argsort(warped.scores[known]) == np.argsort(scores[known])).all()
    assert warped.scores[3] == warped.scores[known].min() - 0.5
    doubled = WARPINGS[name](2 * scores)
    np.testing.assert_allclose(doubled.scores, warped.scores, rtol=1e-9)
    assert doubled.log_slope == pytest.approx(warped.log_slope - 20 * math.log(2))
    # The warped scores as a function of the scores, with center and unit as they are: its slopes, by differences.
    order = np.argsort(scores[known])
    x, z = scores[known][order], warped.scores[known][order]
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
