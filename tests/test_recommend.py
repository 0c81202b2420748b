"""A recommendation follows from rows, says how sure it is, and what it is of."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from studies.made import scaling, stored, trainability, write_study
from studies.made_words import words

from keras_rnncap.analysis.cell_choice import compute_expected, compute_recommendation, compute_settings
from keras_rnncap.analysis.exhibits import StudyRows
from keras_rnncap.datasets import make_task
from keras_rnncap.errors import InputError
from keras_rnncap.recommend import default_directory, probe, recommend, stored_rows


def points(levels, sizes=(100, 1_000, 10_000), slope=-0.5, noise=0.0):
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        {"cell": cell, "parameters": size, "params": size, "score": level + slope * np.log(size) + noise * rng.normal()}
        for cell, level in levels.items()
        for size in sizes
    )


def test_expected_scores_lie_on_the_line():
    table = compute_expected(points({"rnn": 5.0, "gru": 4.0}), 500).set_index("cell")
    assert table.loc["rnn", "expected"] == pytest.approx(5 - 0.5 * np.log(500))
    assert table.loc["gru", "expected"] == pytest.approx(4 - 0.5 * np.log(500))


def test_the_interval_is_of_what_leaving_a_point_out_misses():
    own = pd.concat([points({"rnn": 5.0}, noise=0.3), points({"gru": 4.0}, noise=0.3)])
    errors = []
    for _, cell in own.groupby("cell"):
        first, middle, last = cell["score"]
        errors.append(middle - (first + last) / 2)
    half = np.sqrt(np.mean(np.square(errors))) * stats.t.ppf(0.975, 2)
    found = compute_expected(own, 500).set_index("cell").loc["rnn"]
    assert found["high"] - found["expected"] == pytest.approx(half)
    assert found["expected"] - found["low"] == pytest.approx(half)


def test_outside_the_sizes_the_nearest_stands_without_an_interval():
    own = points({"rnn": 5.0, "gru": 4.0}, noise=0.1)
    found = compute_expected(own, 10**6).set_index("cell")
    assert found.loc["rnn", "expected"] == own[own["cell"] == "rnn"]["score"].iloc[-1]
    assert found["low"].isna().all()


def test_one_size_has_no_interval():
    found = compute_expected(points({"rnn": 5.0, "gru": 4.0}, sizes=(100,)), 100)
    assert found["low"].isna().all()


def test_infeasible_settings_count_as_worst():
    trials = pd.DataFrame(
        {"cell": "rnn", "status": ["completed"] * 2 + ["infeasible"] * 3, "loss": [1.0, 2.0, np.nan, np.nan, np.nan]}
    )
    found = compute_settings(trials, "loss", "min").iloc[0]
    assert found["feasible"] == 0.4
    assert found["median"] == np.inf
    assert compute_settings(trials, "loss", "max").iloc[0]["median"] == -np.inf


def random_rows(**options):
    pieces, trials = trainability(depths=(1,), **options)
    known = {"parameters": 5_000, "elapsed_s": 40.0, "data": "parentheses (a)", "steps": 100}
    return StudyRows(pieces.assign(**known), trials)


def test_the_best_and_the_easiest_may_differ():
    rows = random_rows(levels={"rnn": 3.0, "gru": 2.0, "lstm": 2.5})
    rows.pieces.loc[rows.pieces["cell"] == "rnn", "best_score"] = 0.5
    found = compute_recommendation(rows, "parentheses", 5_000)
    assert found.best == "rnn"
    assert found.easiest == "gru"
    assert found.candidates["cell"].tolist() == ["rnn", "gru", "lstm"]
    assert found.candidates["ms_per_step"].tolist() == [10.0, 10.0, 10.0]
    assert any("too few sizes" in remark for remark in found.remarks)


def test_a_cell_that_never_trains_is_shown_last_with_its_share():
    rows = random_rows(levels={"rnn": 3.0, "gru": 2.0})
    name = rows.pieces.loc[rows.pieces["cell"] == "gru", "piece"].item()
    rows.pieces.loc[rows.pieces["cell"] == "gru", "best_score"] = np.nan
    mine = rows.trials["piece"] == name
    trials = rows.trials.assign(status=rows.trials["status"].mask(mine, "infeasible"))
    found = compute_recommendation(StudyRows(rows.pieces, trials), "parentheses", 5_000)
    assert found.candidates["cell"].tolist() == ["rnn", "gru"]
    assert found.candidates["feasible"].tolist() == [0.8, 0.0]
    assert found.best == found.easiest == "rnn"


def test_among_cells_that_mostly_fail_the_easiest_fails_least():
    rows = random_rows(levels={"rnn": 3.0, "gru": 2.0}, infeasible=0.9)
    name = rows.pieces.loc[rows.pieces["cell"] == "rnn", "piece"].item()
    some = (rows.trials["piece"] == name) & (rows.trials["trial"] >= 24)
    trials = rows.trials.assign(status=rows.trials["status"].mask(some, "completed"))
    found = compute_recommendation(StudyRows(rows.pieces, trials), "parentheses", 5_000)
    assert np.isinf(found.candidates["median"]).all()
    assert found.easiest == "rnn"


def test_where_no_cell_trains_none_is_best():
    rows = random_rows()
    pieces = rows.pieces.assign(best_score=np.nan)
    found = compute_recommendation(StudyRows(pieces, rows.trials.assign(status="infeasible")), "parentheses", 5_000)
    assert found.best is None
    assert found.easiest is None
    assert found.as_good == []


def test_without_random_settings_no_cell_is_the_easiest():
    rows = random_rows()
    found = compute_recommendation(StudyRows(rows.pieces.assign(part="search"), rows.trials), "parentheses", 5_000)
    assert found.easiest is None
    assert found.candidates[["median", "feasible"]].isna().all().all()
    assert any("no random settings" in remark for remark in found.remarks)


def test_searches_that_spent_more_are_not_compared_with_others():
    rows = random_rows()
    more = rows.pieces[rows.pieces["cell"] == "rnn"].assign(piece="more", part="search", steps=9_000, best_score=0.1)
    found = compute_recommendation(StudyRows(pd.concat([rows.pieces, more]), rows.trials), "parentheses", 5_000)
    assert found.best != "rnn"


def scaled(by="parameters"):
    pieces, trials = scaling(by)
    return StudyRows(pieces.assign(data=pieces["task"], steps=100), trials.assign(bits_per_character=1.0, steps=100))


def test_cells_that_cannot_be_told_apart_are_named():
    assert len(compute_recommendation(scaled(), "text8", 4_000).as_good) >= 1
    apart = compute_recommendation(scaled("units"), "text8", 4_000)
    assert {apart.best, *apart.as_good} <= {"rnn", "irnn"}


@pytest.mark.parametrize(
    ("params", "depth", "data", "remark"),
    [
        (5_000, 4, None, "the rows have no depth 4; these are of depth 1"),
        (50_000, 1, None, "50,000 parameters are outside the sizes of all cells (5,000 to 5,000 in all)"),
        (5_000, 1, "parentheses (b)", "the rows are of parentheses (a), not of parentheses (b)"),
    ],
)
def test_what_the_rows_are_not_is_said(params, depth, data, remark):
    found = compute_recommendation(random_rows(), "parentheses", params, depth, data)
    assert any(remark in one for one in found.remarks)


def test_nothing_is_said_of_what_rows_have():
    found = compute_recommendation(random_rows(), "parentheses", 5_000, 1, "parentheses (a)")
    assert not any("rows are of" in one or "depth" in one for one in found.remarks)


def test_other_data_of_the_same_task_do_not_count():
    rows = random_rows()
    other = rows.pieces.assign(piece="b-" + rows.pieces["piece"], data="parentheses (b)", best_score=0.1)
    both = StudyRows(pd.concat([rows.pieces, other]), rows.trials)
    found = compute_recommendation(both, "parentheses", 5_000, 1, "parentheses (a)")
    assert (found.candidates["expected"].dropna() > 1).all()


def test_perceptron_capacity_is_answered_from_what_cells_store(tmp_path):
    pieces = stored().assign(direction="max", elapsed_s=10.0, steps=100)
    trials = pd.DataFrame({"piece": pieces["piece"], "status": "completed", "steps": 100, "bits_per_parameter": 2.0})
    folder = write_study(tmp_path / "c", "capacity", pieces, trials)
    found = recommend("perceptron", 500, results=[folder])
    assert found.best == "rnn"
    assert found.direction == "max"
    assert found.candidates["expected"].iloc[0] == pytest.approx(4.0, abs=0.1)


def test_rows_of_several_studies_do_not_mix(tmp_path):
    folders = [write_study(tmp_path / name / "same", "trainability", *trainability()) for name in "ab"]
    rows = stored_rows(folders)
    assert rows.pieces["piece"].is_unique
    assert {*rows.trials["piece"]} == {*rows.pieces["piece"]}


def test_trainings_without_a_search_do_not_count(tmp_path):
    folder = write_study(tmp_path / "words", "words", *words())
    with pytest.raises(InputError, match=r"no rows of sentiment; there are rows of no task. .* --probe"):
        recommend("sentiment", 200, results=[folder])


def test_bad_input_is_an_error(tmp_path):
    folder = write_study(tmp_path / "t", "trainability", *trainability())
    with pytest.raises(InputError, match="there are no rows of arithmetic; there are rows of parentheses"):
        recommend("arithmetic", 100, results=[folder])
    with pytest.raises(InputError, match="rnncap capacity CELL --params 100"):
        recommend("perceptron", 100, results=[folder])
    with pytest.raises(InputError, match="did you mean 'arithmetic'"):
        recommend("arithmetik", 100, results=[folder])
    with pytest.raises(InputError, match="params must be an integer"):
        recommend("memory", 0, results=[folder])
    with pytest.raises(InputError, match="is not the folder of a study"):
        recommend("memory", 100, results=[tmp_path])
    with pytest.raises(InputError, match="measured, not probed"):
        probe(make_task("perceptron"), 100, out=tmp_path / "probe")
    with pytest.raises(InputError, match="params=20 is too small for the lstm x 1"):
        probe(make_task("memory:input_dim=2,length=2"), 20, cells=["rnn", "lstm"], out=tmp_path / "probe")
    assert not (tmp_path / "probe").exists()


def test_a_probe_has_a_folder_of_its_own_for_each_task_and_size():
    tasks = [make_task("parentheses:length=5"), make_task("parentheses:length=6")]
    assert len({default_directory(task, params, 1, 0) for task in tasks for params in (10, 20)}) == 4


def test_a_probe_goes_on_with_what_is_there(tmp_path):
    task = make_task("memory:input_dim=2,length=2")
    options = {"cells": ["rnn", "RNN"], "steps": 20, "out": tmp_path / "probe"}
    probe(task, 60, trials=4, **options)
    found = probe(task, 60, trials=5, **options)
    assert len(pd.read_csv(tmp_path / "probe" / "rnn" / "trials.csv")) == 5
    assert found.best == found.easiest == "rnn"
