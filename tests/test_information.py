import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax
from scipy.stats import entropy
from sklearn.metrics import mutual_info_score

from keras_rnncap import bits_per_parameter, mutual_information_bits
from keras_rnncap.errors import InputError
from keras_rnncap.information import prediction_bits, reconstruction_bits

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


@pytest.mark.parametrize("flipped", [0.0, 0.02, 0.11, 0.5])
def test_predictions_behind_a_binary_symmetric_channel_hold_its_capacity(flipped):
    rng = np.random.default_rng(0)
    symbols = rng.integers(0, 2, 200_000)
    received = symbols ^ (rng.random(len(symbols)) < flipped)
    p = np.where(received == symbols, 1 - flipped, flipped)  # of the right symbol, by who knows the channel
    found = prediction_bits(np.bincount(symbols), -np.log(p).mean())
    assert found == pytest.approx(1 - entropy([flipped, 1 - flipped], base=2), abs=0.01)


def test_predictions_by_true_frequencies_hold_the_mutual_information_and_others_less():
    rng = np.random.default_rng(1)
    joint = rng.dirichlet(np.ones(12)).reshape(3, 4)  # of what is seen and the symbol
    places = rng.choice(12, 100_000, p=joint.ravel())
    seen, symbols = places // 4, places % 4
    counts = np.bincount(symbols)
    expected = mutual_info_score(seen, symbols) / math.log(2)
    by_frequency = np.bincount(places, minlength=12).reshape(3, 4)
    nats = -np.log((by_frequency / by_frequency.sum(axis=1, keepdims=True))[seen, symbols]).mean()
    assert prediction_bits(counts, nats) == pytest.approx(expected, rel=1e-9)
    logits = rng.normal(size=(3, 4)) + np.log(joint)
    worse = -log_softmax(logits, axis=1)[seen, symbols].mean()
    assert prediction_bits(counts, worse) < expected


@given(st.lists(st.integers(0, 50), min_size=2, max_size=6), st.integers(0, 1000))
def test_predictions_without_an_input_hold_nothing(counts, seed):
    q = np.random.default_rng(seed).dirichlet(np.ones(len(counts)))
    total = max(sum(counts), 1)
    assert prediction_bits(counts, -(counts @ np.log(q)) / total) == pytest.approx(0, abs=1e-9)
    assert prediction_bits(counts, 0.0) == pytest.approx(entropy(counts, base=2) if sum(counts) else 0, abs=1e-9)


def test_the_entropy_is_too_small_by_as_much_as_is_documented():
    rng, samples, classes = np.random.default_rng(0), 500, 20
    found = [prediction_bits(np.bincount(rng.integers(0, classes, samples), minlength=classes), 0) for _ in range(2000)]
    assert math.log2(classes) - np.mean(found) == pytest.approx((classes - 1) / (2 * samples * math.log(2)), rel=0.05)


@pytest.mark.parametrize("snr", [0.0, 0.1, 1.0, 30.0])
def test_the_best_reconstruction_behind_a_gaussian_channel_holds_its_capacity(snr):
    rng = np.random.default_rng(0)
    sent = rng.normal(2.0, 3.0, (200_000, 2))
    received = math.sqrt(snr) * (sent - 2.0) / 3.0 + rng.normal(size=sent.shape)
    best = 2.0 + 3.0 * math.sqrt(snr) / (1 + snr) * received
    found = reconstruction_bits(sent.var(axis=0), ((best - sent) ** 2).mean(axis=0))
    np.testing.assert_allclose(found, 0.5 * math.log2(1 + snr), atol=0.01)


def test_a_reconstruction_of_uniform_numbers_may_need_a_quarter_of_a_bit_less():
    # A quantizer of n levels holds log2 n bits and has n^2 times less error than the variance.
    assert reconstruction_bits(1.0, 1 / 8**2) == pytest.approx(math.log2(8))
    assert 0.5 * math.log2(2 * math.pi * math.e / 12) == pytest.approx(0.2546, abs=1e-4)


@pytest.mark.parametrize(("variance", "error", "bits"), [(1, 1, 0), (1, 5, 0), (0, 0, 0), (0, 1, 0), (4, 1, 1)])
def test_errors_as_large_as_the_variance_hold_nothing(variance, error, bits):
    assert reconstruction_bits(variance, error) == bits


def test_no_error_is_as_good_as_float32_and_an_undefined_one_is_undefined():
    assert reconstruction_bits(2.0, 0.0) == pytest.approx(23)
    assert math.isnan(reconstruction_bits(1.0, math.nan))
    assert math.isnan(prediction_bits([1, 1], math.nan))
