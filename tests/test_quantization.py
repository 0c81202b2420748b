"""Rounding weights to few bits, and what the study of it makes of its rows."""

import keras
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from studies.made import quantization

from keras_rnncap import sequence_model
from keras_rnncap.analysis.exhibits import StudyRows
from keras_rnncap.analysis.quantization_study import (
    claim_bits_of_a_weight,
    compute_needed,
    compute_quantization,
    quantization_exhibits,
)
from keras_rnncap.errors import InputError
from keras_rnncap.quantization import quantize, quantize_model

NUMBERS = arrays.arrays("float64", st.integers(1, 40), elements=st.floats(-100, 100))


@given(NUMBERS, st.integers(1, 16))
@example(np.array([5e-324, 0.0]), 2)
def test_rounding_keeps_the_ends_moves_by_half_a_step_and_has_so_many_values(values, bits):
    rounded = quantize(values, bits)
    span = np.ptp(values)
    assert np.abs(rounded - values).max() <= span / (2**bits - 1) / 2 + 1e-12 * np.abs(values).max()
    assert len(np.unique(rounded)) <= 2**bits
    np.testing.assert_allclose([rounded.min(), rounded.max()], [values.min(), values.max()], rtol=1e-12, atol=1e-12)


@given(NUMBERS, st.integers(1, 8))
def test_rounding_again_changes_nothing(values, bits):
    once = quantize(values, bits)
    np.testing.assert_allclose(quantize(once, bits), once, rtol=1e-9, atol=1e-9 * max(np.ptp(values), 1e-300))


def test_rounding_is_to_the_nearest_of_an_even_grid():
    np.testing.assert_allclose(quantize(np.array([-1.0, -0.4, 0.3, 0.9, 2.0]), 2), [-1, 0, 0, 1, 2])


@pytest.mark.parametrize("bits", [0, 33, 2.0, True, None])
def test_bits_out_of_range_are_an_error(bits):
    with pytest.raises(InputError, match="bits"):
        quantize(np.zeros(3), bits)


def test_a_model_is_copied_and_each_of_its_weights_rounded_by_itself():
    model = sequence_model("lstm", 6, 2, input_dim=3, output_dim=2, seed=1)
    before = model.get_weights()
    rounded = quantize_model(model, 2)
    for weight, old in zip(rounded.trainable_variables, [w for w in model.trainable_variables], strict=True):
        np.testing.assert_array_equal(weight, quantize(keras.ops.convert_to_numpy(old), 2))
    for weight, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)
    x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
    assert np.abs(rounded(x) - model(x)).max() > 1e-3
    np.testing.assert_allclose(quantize_model(model, 16)(x), model(x), atol=1e-3)


def test_needed_bits_are_those_from_which_on_nothing_is_lost():
    rows = StudyRows(*quantization({"rnn": (2.5, 3), "gru": (3.1, 6)}))
    rows.trials.loc[(rows.trials["piece"] == "gru") & (rows.trials["weight_bits"] == 3), "bits_per_parameter"] = 3.1
    needed = compute_needed(compute_quantization(rows)).set_index("cell")
    assert needed["needed"].to_dict() == {"rnn": 3, "gru": 6}  # three bits are luck, as four lose again
    assert needed["estimate"].to_dict() == {"rnn": 3, "gru": 4}


@pytest.mark.parametrize(
    ("needs", "verdict"),
    [
        ({"rnn": (2.5, 4), "gru": (3.1, 4)}, "holds"),
        ({"rnn": (2.5, 5), "gru": (1.1, 5)}, "does not hold"),
        ({"rnn": (2.5, 3), "gru": (1.1, 6)}, "undecided"),
    ],
)
def test_the_remark_holds_if_weights_need_what_they_store(needs, verdict):
    claim = claim_bits_of_a_weight(compute_needed(compute_quantization(StudyRows(*quantization(needs)))))
    assert claim.verdict == verdict
    assert "rnn stores 2.50 and needs" in claim.ours


def test_the_study_shows_a_curve_its_numbers_and_what_is_needed():
    shown = quantization_exhibits(StudyRows(*quantization({"rnn": (2.5, 3), "gru": (3.1, 6)})))
    assert [one.name for one in shown.exhibits] == ["quantization", "quantization-table", "quantization-needed"]
    assert shown.exhibits[1].content["weight_bits"].tolist() == ["2", "3", "4", "5", "6", "as trained"]
    labels = {line.get_label() for line in shown.exhibits[0].content.axes[0].lines}
    assert labels >= {"rnn", "gru", "as many as it stores"}


def test_a_bundled_preset_is_measured(tmp_path):
    from keras_rnncap.studies import run_study
    from keras_rnncap.zoo import describe

    rows = run_study("quantization", cells=["rnn"], out=tmp_path / "study")
    whole = rows.trials.set_index("weight_bits")["mutual_information_bits"]
    assert whole[32] == pytest.approx(describe("rnn-perceptron-1k").score, abs=15)
    assert whole[2] < 0.2 * whole[32] < whole[10]
    with pytest.raises(InputError, match="preset"):
        run_study("quantization", cells=["mut1"], out=tmp_path / "other")
