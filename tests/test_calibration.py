"""The meter, on a model whose capacity is known: a linear threshold unit (Cover 1965)."""

import numpy as np
import pytest

from keras_rnncap.calibration import calibrate_meter
from keras_rnncap.errors import InputError


@pytest.fixture(scope="module")
def rows():
    return calibrate_meter(inputs=60, patterns_per_weight=(0.5, 1.5, 3.0), steps=1500, seed=0)


def test_below_covers_limit_everything_is_stored(rows):
    for row in rows[:2]:
        assert row.accuracy == 1.0
        assert row.bits_per_weight == pytest.approx(row.patterns_per_weight, rel=0.02)


def test_above_it_not():
    """At 3 patterns for each weight the most that can be right is about 92% (Gardner and Derrida 1988)."""
    rows = [calibrate_meter(inputs=60, patterns_per_weight=(3.0,), steps=1500, seed=seed)[0] for seed in range(5)]
    assert 0.75 < np.mean([row.accuracy for row in rows]) < 0.97
    assert 0.5 < np.mean([row.bits_per_weight for row in rows]) < 2.4


def test_one_row_for_each_ratio_in_order(rows):
    assert [row.patterns_per_weight for row in rows] == [0.5, 1.5, 3.0]


@pytest.mark.parametrize("wrong", [{"inputs": 0}, {"seed": -1}, {"steps": 0}, {"inputs": 2.5}])
def test_numbers_out_of_range_are_named(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        calibrate_meter(**{"inputs": 5, "patterns_per_weight": (1.0,), "steps": 5, **wrong})


@pytest.mark.slow
def test_the_unit_stores_near_two_bits_for_each_weight():
    rows = calibrate_meter(inputs=200, patterns_per_weight=(1.6, 1.8, 2.0, 2.4), steps=20_000)
    assert rows[0].accuracy == 1.0
    assert max(row.bits_per_weight for row in rows) == pytest.approx(2.0, abs=0.3)
    assert rows[-1].accuracy < 1.0
