"""The numbers of the capacity study, on made tables whose answers are known."""

import re

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from studies.made import STORED, stored

from keras_rnncap.analysis.capacity_numbers import (
    PAPER_ORDER,
    claim_data_set_size,
    claim_five_bits,
    claim_linear,
    claim_order,
    claim_relu,
    claim_time,
    compute_by_cell,
    compute_equivalent_parameters,
    compute_exponent,
    compute_points,
)
from keras_rnncap.analysis.capacity_study import capacity_exhibits
from keras_rnncap.analysis.exhibits import StudyRows, of_paper
from keras_rnncap.analysis.statistics import Estimate, compute_mean, verdict_within
from keras_rnncap.studies import CapacityStudy


def test_mean_and_interval_are_those_of_scipy():
    values = [3.0, 4.5, 2.0, 5.0]
    found = compute_mean(values)
    low, high = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    assert found == pytest.approx((np.mean(values), low, high, 4))


def test_one_value_has_no_interval_and_none_has_no_mean():
    assert compute_mean([2.0])[0] == 2.0
    assert np.isnan(compute_mean([2.0]).low)
    assert np.isnan(compute_mean([]).value)


@pytest.mark.parametrize(
    ("low", "high", "verdict"), [(0.95, 1.05, "holds"), (0.8, 1.05, "undecided"), (1.2, 1.4, "does not hold")]
)
def test_a_verdict_is_where_the_interval_lies(low, high, verdict):
    assert verdict_within(Estimate((low + high) / 2, low, high, 5), 0.9, 1.1) == verdict
    assert verdict_within(Estimate(1.0, np.nan, np.nan, 1), 0.9, 1.1) == "undecided"


def test_several_seeds_of_a_point_become_one_with_an_interval():
    table = pd.concat([stored({"rnn": level}, depths=(1,), params=(100,), noise=0) for level in (3.0, 4.0, 5.0)])
    points = compute_points(table)
    assert len(points) == 1
    assert points["bits_per_parameter"].item() == pytest.approx(4.0)
    assert points["low"].item() < 4 < points["high"].item()


def test_points_without_a_feasible_trial_are_left_out():
    table = stored()
    table.loc[0, "bits_per_parameter"] = np.nan
    assert len(compute_points(table)) == len(table) - 1


def test_equivalent_parameters_are_ratios_of_means():
    by_cell = compute_by_cell(compute_points(stored(noise=0)))
    table = compute_equivalent_parameters(by_cell)
    assert list(table.columns) == ["rnn", "irnn", "ugrnn", "gru", "lstm", "+rnn"]
    assert table.loc["rnn", "irnn"] == pytest.approx(2.0)
    assert table.loc["irnn", "rnn"] == pytest.approx(0.5)
    assert np.allclose(np.diag(table), 1)


def test_cells_are_compared_on_the_points_that_both_have():
    both = pd.DataFrame({"rnn": [4.0, 8.0], "+rnn": [np.nan, 4.0]})
    assert compute_equivalent_parameters(both).loc["rnn", "+rnn"] == 2.0


@pytest.mark.parametrize("exponent", [0.7, 1.0, 1.2])
def test_the_exponent_is_found_whatever_the_factors_of_cells(exponent):
    found = compute_exponent(compute_points(stored(exponent=exponent)))
    assert found.low < exponent < found.high
    assert found.high - found.low < 0.05


def test_the_exponents_interval_is_that_of_a_regression_where_there_is_one_group():
    points = compute_points(stored({"rnn": 4.0}, depths=(1,), params=(50, 100, 300, 1000), noise=0.2))
    fit = stats.linregress(np.log(points["parameters"]), np.log(points["bits"]))
    found = compute_exponent(points)
    half = fit.stderr * stats.t.ppf(0.975, 2)
    assert found == pytest.approx((fit.slope, fit.slope - half, fit.slope + half, 4))


def test_claims_hold_where_the_paper_is_right():
    points = compute_points(stored({cell: level + 1.9 for cell, level in STORED.items()}))
    assert claim_five_bits(points).verdict == "holds"
    assert claim_linear(points).verdict == "holds"
    assert claim_data_set_size(points).verdict == "holds"
    assert claim_order(compute_by_cell(points)).verdict == "holds"


def test_claims_do_not_hold_where_it_is_wrong():
    upside_down = dict(zip(PAPER_ORDER, (2.0, 2.4, 2.8, 3.2, 3.6), strict=True))
    points = compute_points(stored(upside_down, exponent=0.5))
    assert claim_five_bits(points).verdict == "does not hold"
    assert claim_linear(points).verdict == "does not hold"
    order = claim_order(compute_by_cell(points))
    assert order.verdict == "does not hold"
    assert "ugrnn > rnn" in order.statistic


def test_claims_are_undecided_where_noise_rules():
    points = compute_points(stored(dict.fromkeys(PAPER_ORDER, 4.5), noise=0.3))
    assert claim_order(compute_by_cell(points)).verdict == "undecided"
    assert claim_five_bits(points).verdict == "undecided"


def test_relu_is_compared_with_the_same_points():
    points = compute_points(stored())
    relu = compute_points(stored({"rnn": 2.8, "ugrnn": 2.52}, part="relu", depths=(1,)), "relu")
    claim = claim_relu(points, relu)
    assert claim.verdict == "holds"
    assert float(claim.ours.split()[0]) == pytest.approx(0.7, abs=0.02)
    same = compute_points(stored({"rnn": 8.0, "ugrnn": 7.2}, part="relu", depths=(1,)), "relu")
    assert claim_relu(points, same).verdict == "does not hold"


def over_time(levels):
    tables = [stored({c: v * f for c, v in STORED.items()}, "time", (1,), (300,), (t,)) for t, f in levels.items()]
    return compute_points(pd.concat(tables), "time")


def test_time_saturates():
    assert claim_time(over_time({1: 0.5, 2: 0.8, 5: 1.0, 12: 1.05})).verdict == "holds"
    assert claim_time(over_time({1: 1.0, 5: 0.8, 12: 0.7})).verdict == "does not hold"
    assert claim_time(over_time({1: 0.5, 5: 1.0, 12: 1.8})).verdict == "does not hold"
    assert claim_time(over_time({1: 1.0, 5: 1.0})).verdict == "undecided"


def test_a_search_that_stored_nothing_decides_nothing():
    points = compute_points(stored())
    relu = compute_points(stored({"rnn": 2.8, "ugrnn": 2.5}, part="relu", depths=(1,)), "relu")
    nothing = relu.assign(bits_per_parameter=0.0)
    assert claim_relu(points, nothing).verdict == "undecided"
    relu.loc[0, "bits_per_parameter"] = 0.0
    assert claim_relu(points, relu).verdict == "holds"


def test_claims_are_about_the_papers_cells_alone():
    mine = stored({**STORED, "mine:Cell": 0.1})
    with_mine = capacity_exhibits(StudyRows(mine, pd.DataFrame())).claims
    assert with_mine == capacity_exhibits(StudyRows(of_paper(mine), pd.DataFrame())).claims
    assert "mine:Cell" in capacity_exhibits(StudyRows(mine, pd.DataFrame())).exhibits[1].content


def test_an_order_of_some_cells_is_no_order_of_all():
    some = {cell: level for cell, level in STORED.items() if cell != "gru"}
    assert claim_order(compute_by_cell(compute_points(stored(some)))).verdict == "undecided"


def test_the_exhibits_are_those_that_rows_allow():
    pieces = pd.concat(
        [
            stored(),
            stored({"rnn": 2.0}, "relu", (1,)),
            stored({"rnn": 2 * STORED["rnn"]}, "saturated", (1,)),
            stored({"rnn": 2.0}, "time", (1,), (300,), (1, 12)),
        ]
    )
    shown = capacity_exhibits(StudyRows(pieces, pd.DataFrame()))
    names = [exhibit.name for exhibit in shown.exhibits]
    assert names == [
        "capacity-size",
        "capacity-table",
        "equivalent-parameters",
        "capacity-patterns",
        "capacity-relu",
        "capacity-saturated",
        "capacity-time",
    ]
    saturated = shown.exhibits[names.index("capacity-saturated")]
    assert re.search(r"stores (1\.9\d|2\.0\d) times as much", saturated.caption)
    solid, dashed = saturated.content.axes[0].lines[:2]
    assert np.allclose(solid.get_ydata(), 2 * dashed.get_ydata(), rtol=0.1)
    part = capacity_exhibits(StudyRows(stored({"rnn": 3.0}, depths=(1,), params=(100,)), pd.DataFrame()))
    assert [exhibit.name for exhibit in part.exhibits] == names[:4]


def test_lines_run_through_the_points():
    shown = capacity_exhibits(StudyRows(stored(noise=1e-3), pd.DataFrame()))
    figure = shown.exhibits[0].content
    below = figure.axes[3]  # depth 1, bits per parameter
    line = next(line for line in below.lines if len(line.get_xdata()) == 3)
    assert line.get_xdata().tolist() == [93, 293, 993]
    assert np.allclose(line.get_ydata(), STORED["rnn"], rtol=0.01)


def test_no_rows_no_exhibits():
    shown = CapacityStudy().exhibits(StudyRows(pd.DataFrame(columns=["part", "bits_per_parameter"]), pd.DataFrame()))
    assert not shown.exhibits
