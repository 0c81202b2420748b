"""The order in which models draw patterns: permutations, others in each epoch, in which any two meet equally often."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_rnncap.errors import InputError
from keras_rnncap.population import Member, MemberBuilder, PatternTable, Population
from keras_rnncap.population.shuffling import FACTORS, MOST_PATTERNS, check_patterns, shuffled
from keras_rnncap.training import TrainingSettings
from keras_rnncap.tuners import measure_capacity


def epoch(number, size, patterns):
    count = -(-patterns // size)
    batches = number * count + np.arange(count)[:, None]
    return np.asarray(shuffled(batches, size, np.full_like(batches, patterns)))


@given(st.integers(1, 3000), st.integers(1, 300), st.integers(0, 10_000))
def test_each_pattern_comes_once_in_an_epoch(patterns, size, number):
    places = np.ravel(epoch(number, size, patterns))
    assert sorted(places[:patterns]) == list(range(patterns))
    assert places[patterns:].tolist() == [places[place % patterns] for place in range(patterns, len(places))]


@pytest.mark.parametrize("patterns", [MOST_PATTERNS, MOST_PATTERNS - 1, 2**15, int(FACTORS[0]), 31 * int(FACTORS[5])])
def test_so_it_does_in_large_tables_and_where_a_factor_divides_the_number(patterns):
    for number in range(5):
        places = np.ravel(epoch(number, 4096, patterns))[:patterns]
        assert np.array_equal(np.sort(places), np.arange(patterns))
        steps = np.unique(np.diff(places.astype("int64")) % patterns)
        assert len(steps) == 1  # no product has overflown


def test_the_factors_are_primes():
    assert all(np.all(factor % np.arange(2, 257)) for factor in FACTORS)
    assert (len(FACTORS), FACTORS[0], FACTORS[-1]) == (3030, 32771, 65521)  # pi(2^16) - pi(2^15) = 6542 - 3512


def test_any_two_patterns_meet_in_a_batch_equally_often():
    patterns, size, epochs = 67, 8, 4000
    meetings = np.zeros((patterns, patterns), int)
    batches = np.arange(9 * epochs)[:, None]
    for number, batch in enumerate(np.asarray(shuffled(batches, size, np.full_like(batches, patterns)))):
        meetings[np.ix_(batch, batch)] += number % 9 < 8  # the last of an epoch is not whole
    pairs = meetings[np.triu_indices(patterns, 1)]
    expected = epochs * 8 * size * (size - 1) / (patterns * (patterns - 1))
    assert pairs.mean() == pytest.approx(expected)
    # Epochs in order would have thousands for neighbours and 0 for others.
    assert expected / 2 < pairs.min() <= pairs.max() < 2 * expected


def test_members_with_other_numbers_of_patterns_have_orders_of_their_own():
    together = np.asarray(shuffled(np.array([[3], [9]]), 5, np.array([[20], [35]])))
    for row, batches, patterns in ((0, 3, 20), (1, 9, 35)):
        assert (
            together[row].tolist() == np.asarray(shuffled(np.array([[batches]]), 5, np.array([[patterns]])))[0].tolist()
        )


def test_too_large_a_table_is_refused_before_any_work(tmp_path):
    with pytest.raises(InputError, match="at most 1,048,576; got 1,048,577"):
        check_patterns(MOST_PATTERNS + 1)
    table = PatternTable(np.zeros((MOST_PATTERNS + 1, 1), "float32"), np.zeros((MOST_PATTERNS + 1, 1), "float32"), 2, 8)
    with pytest.raises(InputError, match="at most 1,048,576"):
        Population(MemberBuilder("rnn", 2, 1, 1, 1), [Member(TrainingSettings(1))], table)
    with pytest.raises(InputError, match="at most 1,048,576"):
        measure_capacity("rnn", params=200_000, trials=1, steps=1, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
