import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import mutual_info_score

from keras_rnncap import bits_per_parameter, mutual_information_bits
from keras_rnncap.errors import InputError

patterns = st.integers(0, 10**6)
fractions = st.floats(0, 1)


@given(patterns, fractions)
def test_bits_lie_between_zero_and_the_number_of_patterns(b, p):
    assert 0 <= mutual_information_bits(b, p) <= b


@given(patterns, fractions)
def test_always_wrong_tells_as_much_as_always_right(b, p):
    assert mutual_information_bits(b, p) == pytest.approx(mutual_information_bits(b, 1 - p), rel=1e-9, abs=1e-9 * b)


@given(st.integers(1, 1000), st.floats(0.5, 1), st.floats(0.5, 1))
def test_bits_grow_with_the_distance_from_chance(b, p, q):
    low, high = sorted((p, q))
    assert mutual_information_bits(b, low) <= mutual_information_bits(b, high) + 1e-9
    if high - low > 1e-3:
        assert mutual_information_bits(b, low) < mutual_information_bits(b, high)


@given(st.integers(1, 1000), st.integers(1, 1000), fractions)
def test_bits_are_proportional_to_the_patterns(b, factor, p):
    assert mutual_information_bits(factor * b, p) == pytest.approx(factor * mutual_information_bits(b, p), rel=1e-12)


@pytest.mark.parametrize(("p", "share"), [(0, 1), (0.5, 0), (1, 1)])
def test_certainty_and_chance_are_exact(p, share):
    assert mutual_information_bits(1234, p) == 1234 * share


@given(st.integers(1, 60), st.data())
def test_it_is_the_mutual_information_of_labels_and_answers(half, data):
    """Both labels are equally frequent and have as many errors, so that the formula's assumptions hold exactly."""
    errors = data.draw(st.integers(0, half))
    labels = np.repeat([0, 1], half)
    answers = labels.copy()
    answers[:errors] ^= 1
    answers[half : half + errors] ^= 1
    expected = 2 * half * mutual_info_score(labels, answers) / math.log(2)
    assert mutual_information_bits(2 * half, 1 - errors / half) == pytest.approx(expected, abs=1e-9)


def test_a_hand_computed_value():
    # p = 3/4: 1 + (3/4) (log2 3 - 2) - 1/2 = (3/4) log2 3 - 1 = 0.18872187...
    assert mutual_information_bits(100, 0.75) == pytest.approx(18.872187554086717, rel=1e-12)


def test_the_bias_at_chance_is_as_documented():
    p = np.random.default_rng(0).binomial(2000, 0.5, size=20_000) / 2000
    assert mutual_information_bits(2000, p).mean() == pytest.approx(0.72, abs=0.03)


def test_arrays_broadcast_and_numbers_give_floats():
    bits = mutual_information_bits([10, 20], [[1.0], [0.5], [0.0]])
    np.testing.assert_array_equal(bits, [[10, 20], [0, 0], [10, 20]])
    assert type(mutual_information_bits(np.int64(10), np.float32(1.0))) is float


@pytest.mark.parametrize("b", [-1, math.nan, math.inf, None, [1, -1], "many"])
def test_bad_patterns_are_refused(b):
    with pytest.raises(InputError, match="patterns must be finite and at least 0"):
        mutual_information_bits(b, 0.7)


@pytest.mark.parametrize("p", [-0.01, 1.01, math.nan, 97, [0.5, 2.0], "most"])
def test_bad_accuracies_are_refused(p):
    with pytest.raises(InputError, match=r"accuracy must be in \[0, 1\]"):
        mutual_information_bits(10, p)


def test_bits_per_parameter_divides():
    assert bits_per_parameter(1500.0, 300) == 5.0
    np.testing.assert_array_equal(bits_per_parameter(np.array([10.0, 30.0]), np.array([5, 10])), [2.0, 3.0])


@pytest.mark.parametrize("parameters", [0, -5, math.nan, np.array([3, 0])])
def test_bits_per_no_parameters_are_refused(parameters):
    with pytest.raises(InputError, match="parameters must be at least 1"):
        bits_per_parameter(10.0, parameters)
