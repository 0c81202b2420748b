"""The metric against NumPy and SciPy: whole, in batches, weighted, masked, compiled, saved."""

import json

import keras
import numpy as np
import pytest
from scipy.special import expit, log_softmax, softmax

from keras_rnncap.datasets import Numbers, Symbols, YesOrNo
from keras_rnncap.errors import InputError
from keras_rnncap.information import prediction_bits, reconstruction_bits
from keras_rnncap.metrics import MutualInformationBits

RNG = np.random.default_rng(7)
STEPS = (60, 5)
KINDS = ("binary", "categorical", "one-hot", "regression")


def data(kind, outputs=4):
    """Targets, outputs and weights of 60 samples of 5 steps, the outputs better than chance."""
    weights = RNG.uniform(0.2, 2.0, STEPS).astype("float32")
    noise = RNG.normal(size=(*STEPS, outputs))
    if kind == "regression":
        targets = 5 + 2 * RNG.normal(size=noise.shape)
        return targets.astype("float32"), (targets + noise).astype("float32"), weights
    if kind == "binary":
        targets = (RNG.random(noise.shape) < 0.3).astype("float32")
        return targets, (4 * targets - 2.5 + noise).astype("float32"), weights
    symbols = RNG.integers(0, outputs, STEPS)
    logits = (3 * np.eye(outputs)[symbols] + noise).astype("float32")
    return (symbols if kind == "categorical" else np.eye(outputs, dtype="float32")[symbols]), logits, weights


def by_hand(kind, targets, outputs, weights):
    """The bits by the package's NumPy functions, on whole data."""
    w = weights.ravel().astype(float)
    rows = outputs.reshape(len(w), -1).astype(float)
    if kind == "regression":
        y = targets.reshape(rows.shape).astype(float)
        mean = np.average(y, axis=0, weights=w)
        variance = np.average((y - mean) ** 2, axis=0, weights=w)
        return reconstruction_bits(variance, np.average((rows - y) ** 2, axis=0, weights=w)).sum()
    if kind == "binary":
        y = targets.reshape(rows.shape)
        nats = -(y * np.log(expit(rows)) + (1 - y) * np.log(1 - expit(rows)))
        return prediction_bits(np.stack([w @ (1 - y), w @ y], -1), np.average(nats, axis=0, weights=w)).sum()
    symbols = (targets if kind == "categorical" else targets.argmax(axis=-1)).ravel()
    nats = -log_softmax(rows, axis=1)[np.arange(len(w)), symbols]
    return prediction_bits(np.bincount(symbols, w), np.average(nats, weights=w))


def metric_of(kind, **options):
    return MutualInformationBits("categorical" if kind == "one-hot" else kind, kind != "regression", **options)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weighted", [False, True])
def test_whole_and_in_batches_it_is_what_numpy_finds(kind, weighted):
    targets, outputs, weights = data(kind)
    expected = by_hand(kind, targets, outputs, weights if weighted else np.ones_like(weights))
    assert expected > 0.3
    whole, parts = metric_of(kind), metric_of(kind)
    whole.update_state(targets, outputs, weights if weighted else None)
    for chunk in np.split(np.arange(60), [1, 20, 47]):
        parts.update_state(targets[chunk], outputs[chunk], weights[chunk] if weighted else None)
    assert float(whole.result()) == pytest.approx(expected, rel=1e-5)
    assert float(parts.result()) == pytest.approx(expected, rel=1e-5)
    parts.reset_state()
    assert float(parts.result()) == 0.0
    parts.update_state(targets, outputs, weights if weighted else None)
    assert float(parts.result()) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_information_of_tasks(kind):
    targets, outputs, weights = data(kind)
    answers = {"binary": YesOrNo(4), "regression": Numbers(4)}.get(kind, Symbols(4))
    answers.add(targets.argmax(axis=-1) if kind == "one-hot" else targets, outputs, weights)
    metric = metric_of(kind)
    metric.update_state(targets, outputs, weights)
    assert float(metric.result()) == pytest.approx(answers.bits, rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_probabilities_count_as_their_logits(kind):
    targets, outputs, _ = data(kind)
    one, other = metric_of(kind), MutualInformationBits("categorical" if kind == "one-hot" else kind)
    one.update_state(targets, outputs)
    other.update_state(targets, {"binary": expit, "regression": np.array}.get(kind, lambda z: softmax(z, -1))(outputs))
    assert float(other.result()) == pytest.approx(float(one.result()), rel=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_that_are_always_the_same_hold_nothing(kind):
    targets, outputs, _ = data(kind)
    metric = metric_of(kind)
    assert float(metric.result()) == 0.0
    metric.update_state(targets, np.broadcast_to(outputs[0, 0], outputs.shape))
    assert float(metric.result()) == pytest.approx(0, abs=1e-6)


def test_targets_far_from_zero_keep_their_variance():
    targets = (1e4 + RNG.normal(size=(3000, 1))).astype("float32")
    outputs = targets + RNG.normal(size=targets.shape).astype("float32") / 2
    metric = MutualInformationBits("regression")
    for chunk in np.split(np.arange(3000), 10):
        metric.update_state(targets[chunk], outputs[chunk])
    assert float(metric.result()) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("shape", [(60,), (60, 1), (60, 5), (60, 5, 1)])
def test_weights_may_be_of_samples_or_of_steps(shape):
    targets, outputs, _ = data("categorical")
    weights = RNG.uniform(0.5, 1.5, shape).astype("float32")
    metric = metric_of("categorical")
    metric.update_state(targets, outputs, weights)
    full = np.broadcast_to(weights.reshape(60, -1), STEPS)
    assert float(metric.result()) == pytest.approx(by_hand("categorical", targets, outputs, full), rel=1e-5)


@pytest.mark.parametrize(("targets", "outputs"), [((60,), (60, 1)), ((60, 1), (60, 1)), ((60, 1), (60, 4))])
def test_targets_may_lack_the_axis_of_outputs(targets, outputs):
    kind = "binary" if outputs[-1] == 1 else "categorical"
    y, z = RNG.integers(0, 2, 60), RNG.normal(size=outputs).astype("float32")
    z[:, 0] += 3 * y if kind == "binary" else -3 * y
    metric = metric_of(kind)
    metric.update_state(y.reshape(targets), z)
    expected = by_hand(kind, y, z, np.ones(60))
    assert float(metric.result()) == pytest.approx(expected, rel=1e-4)


def test_masked_steps_do_not_count():
    targets, outputs, _ = data("categorical")
    mask = RNG.random(STEPS) < 0.5
    tensor = keras.ops.convert_to_tensor(outputs)
    tensor._keras_mask = keras.ops.convert_to_tensor(mask)
    metric = metric_of("categorical")
    metric.update_state(targets, tensor)
    assert float(metric.result()) == pytest.approx(by_hand("categorical", targets, outputs, 1.0 * mask), rel=1e-5)


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_compiled_model_that_is_saved_and_loaded_reports_it(kind, jit, tmp_path):
    targets, _, weights = data(kind)
    keras.utils.set_random_seed(0)
    inputs = np.repeat(targets.reshape(*STEPS, -1), 2, axis=-1).astype("float32")
    model = keras.Sequential([keras.Input((5, inputs.shape[-1])), keras.layers.Dense(4)])
    losses = keras.losses
    loss = {
        "binary": losses.BinaryCrossentropy(from_logits=True),
        "categorical": losses.SparseCategoricalCrossentropy(from_logits=True),
        "one-hot": losses.CategoricalCrossentropy(from_logits=True),
        "regression": losses.MeanSquaredError(),
    }[kind]
    model.compile(loss=loss, weighted_metrics=[metric_of(kind)], jit_compile=jit)
    model.fit(inputs, targets, sample_weight=weights, batch_size=16, verbose=0)
    expected = by_hand(kind, targets, model.predict(inputs, verbose=0), weights)
    assert np.isfinite(expected)
    model.save(tmp_path / "model.keras")
    for one in (model, keras.saving.load_model(tmp_path / "model.keras")):
        found = one.evaluate(inputs, targets, sample_weight=weights, batch_size=16, verbose=0, return_dict=True)
        assert found["mutual_information_bits"] == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_its_configuration_is_complete_and_bad_arguments_are_named():
    metric = MutualInformationBits("binary", from_logits=True, name="bits", dtype="float32")
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(metric)))
    again = keras.saving.deserialize_keras_object(config)
    assert again.get_config() == metric.get_config()
    assert (config["registered_name"], again.kind, again.from_logits) == (
        "keras_rnncap>MutualInformationBits", "binary", True,
    )  # fmt: skip
    with pytest.raises(InputError, match="kind must be one of binary, categorical, regression; got 'sparse'"):
        MutualInformationBits("sparse")
    with pytest.raises(InputError, match="from_logits"):
        MutualInformationBits("binary", from_logits=2)


def test_callbacks_know_that_more_is_better():
    stop = keras.callbacks.EarlyStopping("val_mutual_information_bits")
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(loss="mse", metrics=[MutualInformationBits("regression")])
    model.fit(np.ones((8, 2)), RNG.normal(size=(8, 1)), validation_split=0.5, callbacks=[stop], verbose=0)
    assert stop.monitor_op is keras.ops.greater
