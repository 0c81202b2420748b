"""The training loop against one written in NumPy from the papers' formulas."""

import dataclasses
import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from keras_rnncap.errors import InputError
from keras_rnncap.training import STEPS_PER_EXECUTION, SaturatedLoss, TrainingSettings, compile_model, fit

OPTIMIZERS = ("sgd", "momentum", "rmsprop", "adam")
START = np.array([0.7, -1.3, 0.4, 0.2])  # three weights and the bias


def linear_model():
    layer = keras.layers.Dense(1)
    model = keras.Sequential([keras.Input((3,)), layer])
    layer.set_weights([START[:3, np.newaxis].astype("float32"), START[3:].astype("float32")])
    return model


def batches(steps, size=5):
    rng = np.random.default_rng(1)
    return [
        (rng.normal(size=(size, 3)).astype("float32"), rng.normal(size=(size, 1)).astype("float32"))
        for _ in range(steps)
    ]


def train(settings, data):
    """Trains the linear model; returns its weights, the loss that `fit` reports, and the optimizer's steps."""
    model = linear_model()
    compile_model(model, keras.losses.MeanSquaredError(), settings)
    loss = fit(model, dataset(data))
    return np.concatenate([weight.numpy().ravel() for weight in model.weights]), loss, int(model.optimizer.iterations)


def dataset(data):
    signature = tuple(tf.TensorSpec(part.shape, part.dtype) for part in data[0])
    batches = tf.data.Dataset.from_generator(lambda: iter(data), output_signature=signature)
    return batches.apply(tf.data.experimental.assert_cardinality(len(data)))


def reference(settings, data):
    """The same in NumPy. RMSProp: Tieleman, Hinton (2012), with momentum; Adam: Kingma and Ba (2014), algorithm 1."""
    w, m, v, losses = START.copy(), np.zeros(4), np.zeros(4), []
    for t, (x, y) in enumerate(data):
        inputs = np.concatenate([x, np.ones((len(x), 1))], axis=1).astype(float)
        residual = inputs @ w - y[:, 0]
        each, share = residual**2, np.exp(-settings.loss_saturation * residual**2)  # share: the saturated loss' slope
        if settings.loss_saturation:
            each = (1 - share) / settings.loss_saturation
        losses.append(each.mean())
        g = 2 * inputs.T @ (share * residual) / len(x) + 2 * settings.l2 * w
        g *= min(1.0, settings.clip_norm / np.linalg.norm(g))
        rate = settings.learning_rate * settings.learning_rate_decay ** (t / settings.steps)
        if settings.optimizer == "sgd":
            w = w - rate * g
        elif settings.optimizer == "momentum":
            m = settings.momentum * m + rate * g
            w = w - m
        elif settings.optimizer == "rmsprop":
            v = 0.9 * v + 0.1 * g**2
            m = settings.momentum * m + rate * g / np.sqrt(v + 1e-7)
            w = w - m
        else:
            m = settings.momentum * m + (1 - settings.momentum) * g
            v = 0.999 * v + 0.001 * g**2
            m_hat, v_hat = m / (1 - settings.momentum ** (t + 1)), v / (1 - 0.999 ** (t + 1))
            w = w - rate * m_hat / (np.sqrt(v_hat) + 1e-7)
    return w, np.mean(losses)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(("l2", "loss_saturation"), [(0.0, 0.0), (0.3, 0.0), (0.3, 0.6)])
@pytest.mark.parametrize("clip_norm", [0.5, 1e6])
def test_training_equals_a_numpy_loop(optimizer, l2, loss_saturation, clip_norm):
    settings = TrainingSettings(13, optimizer, 0.05, 0.01, 0.7, clip_norm, l2, loss_saturation)
    data = batches(13)
    weights, loss, steps = train(settings, data)
    expected, expected_loss = reference(settings, data)
    np.testing.assert_allclose(weights, expected, rtol=2e-4, atol=2e-5)
    assert loss == pytest.approx(expected_loss, rel=1e-4)
    assert steps == 13
    other, _ = reference(dataclasses.replace(settings, learning_rate_decay=0.02), data)
    assert np.abs(other - expected).max() > 2e-3  # the check sees a decay of another size


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_learning_rate_decays_exponentially_over_the_steps(optimizer):
    settings = TrainingSettings(200, optimizer, learning_rate=0.04, learning_rate_decay=0.01)
    made = settings.make_optimizer()
    made.build([keras.Variable([1.0])])
    for step in (0, 1, 50, 199, 200):
        made.iterations.assign(step)
        assert float(made.learning_rate) == pytest.approx(0.04 * 0.01 ** (step / 200), rel=1e-5)
    assert made.global_clipnorm == settings.clip_norm


@pytest.mark.parametrize("steps", [1, 7, 99, 100, 101, 250])
def test_the_number_of_steps_is_exact(steps):
    data = batches(steps, size=2)
    weights, _, done = train(TrainingSettings(steps, "sgd", 0.01, clip_norm=1e6), data)
    assert done == steps
    expected, _ = reference(TrainingSettings(steps, "sgd", 0.01, clip_norm=1e6), data)
    np.testing.assert_allclose(weights, expected, rtol=1e-4, atol=1e-5)


@given(logits=st.lists(st.floats(-12, 12), min_size=1, max_size=5), saturation=st.floats(1e-8, 1), right=st.booleans())
def test_a_saturated_cross_entropy_is_the_generalized_one_of_zhang_and_sabuncu(logits, saturation, right):
    logits = np.array(logits)[:, np.newaxis]
    targets = np.full(logits.shape, float(right))
    probability = 1 / (1 + np.exp(-logits if right else logits))
    each = SaturatedLoss(keras.losses.BinaryCrossentropy(from_logits=True, reduction="none"), saturation)
    np.testing.assert_allclose(
        each(targets, logits), -np.expm1(saturation * np.log(probability[:, 0])) / saturation, rtol=1e-3, atol=1e-6
    )


def test_weights_count_after_saturation_and_the_mean_is_that_of_the_loss_itself():
    loss = keras.losses.MeanSquaredError(reduction="mean_with_sample_weight")
    y, outputs, weight = np.zeros((3, 1)), np.array([[1.0], [2.0], [5.0]]), np.array([1.0, 3.0, 0.0])
    expected = ((1 - np.exp(-0.5)) / 0.5 + 3 * (1 - np.exp(-2.0)) / 0.5) / 4
    assert float(SaturatedLoss(loss, 0.5)(y, outputs, sample_weight=weight)) == pytest.approx(expected, rel=1e-5)


def test_a_model_compiled_with_a_saturated_loss_is_saved_whole(tmp_path):
    model = linear_model()
    compile_model(model, keras.losses.MeanSquaredError(), TrainingSettings(3, loss_saturation=0.3))
    fit(model, dataset(batches(3)))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    ((x, y),) = batches(1)
    assert loaded.loss.saturation == 0.3
    assert loaded.evaluate(x, y, verbose=0) == pytest.approx(model.evaluate(x, y, verbose=0))


def test_so_is_one_that_keeps_its_loss_apart_from_the_penalty_of_its_weights(tmp_path):
    model = linear_model()
    compile_model(model, keras.losses.MeanSquaredError(), TrainingSettings(3, l2=0.1))
    fit(model, dataset(batches(3)))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    ((x, y),) = batches(1)
    total, of_data = model.evaluate(x, y, verbose=0)
    penalty = 0.1 * sum(float(np.square(weight).sum()) for weight in model.get_weights())
    assert total == pytest.approx(of_data + penalty)
    assert loaded.evaluate(x, y, verbose=0)[1] == pytest.approx(of_data)


def test_what_a_loss_counts_in_training():
    assert TrainingSettings(1).saturated(3.0) == 3.0
    assert TrainingSettings(1, loss_saturation=0.5).saturated(3.0) == pytest.approx(2 * (1 - math.exp(-1.5)))


def test_l2_is_on_all_weights_and_off_by_default():
    def losses(l2):
        model = linear_model()
        compile_model(model, keras.losses.MeanSquaredError(), TrainingSettings(1, l2=l2))
        return [float(loss) for loss in model.losses]

    assert sum(losses(0.1)) == pytest.approx(0.1 * (START**2).sum(), rel=1e-6)
    assert losses(0.0) == []


def test_a_diverging_run_returns_nan_and_ends_early():
    settings = TrainingSettings(20 * STEPS_PER_EXECUTION, "sgd", 1e12, 1.0, clip_norm=1e30)
    _, loss, steps = train(settings, batches(settings.steps))
    assert math.isnan(loss)
    assert steps <= 2 * STEPS_PER_EXECUTION


def test_weights_that_overflow_in_the_last_step_are_a_divergence_though_the_loss_is_finite():
    data = [(np.full((5, 3), 1e3, "float32"), np.full((5, 1), -1e3, "float32"))]
    # 1 / clip_norm must be a normal number: TensorFlow takes smaller ones for 0.
    weights, loss, _ = train(TrainingSettings(1, "sgd", 3e38, 1.0, clip_norm=1e37), data)
    assert not np.isfinite(weights).all()
    assert math.isnan(loss)


def test_a_penalty_that_overflows_is_a_divergence_though_the_loss_is_finite():
    _, loss, steps = train(TrainingSettings(20 * STEPS_PER_EXECUTION, l2=1e38), batches(20 * STEPS_PER_EXECUTION))
    assert math.isnan(loss)
    assert steps <= 2 * STEPS_PER_EXECUTION


def test_a_gradient_whose_norm_overflows_is_a_divergence_as_in_keras_clipping():
    data = [(np.full((5, 3), 1e25, "float32"), np.zeros((5, 1), "float32"))]
    model = linear_model()
    compile_model(model, keras.losses.MeanAbsoluteError(), TrainingSettings(1, "sgd", 1e-30, clip_norm=1.0))
    assert math.isnan(fit(model, dataset(data)))


def test_a_loss_that_overflows_is_a_divergence():
    data = [(np.full((5, 3), 3e19, "float32"), np.full((5, 1), -3e19, "float32"))]
    assert math.isnan(train(TrainingSettings(1, "sgd", 1e-30, clip_norm=1.0), data)[1])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"steps": 0}, "steps must be an integer of at least 1"),
        ({"steps": 1.5}, "steps must be an integer"),
        ({"optimizer": "adagrad"}, "optimizer must be one of sgd, momentum, rmsprop, adam, row-soap; got 'adagrad'"),
        ({"learning_rate": -0.1}, "learning_rate must be a finite number of at least 0"),
        ({"learning_rate": math.nan}, "learning_rate must be a finite number"),
        ({"learning_rate": "0.1"}, "learning_rate must be a finite number"),
        ({"learning_rate_decay": 0.0}, "learning_rate_decay must be a finite number in"),
        ({"loss_saturation": 1.1}, "loss_saturation must be a finite number in"),
        ({"learning_rate_decay": 1.1}, "learning_rate_decay must be a finite number in"),
        ({"momentum": 1.0}, "momentum must be a finite number in"),
        ({"momentum": -0.1}, "momentum must be a finite number in"),
        ({"clip_norm": 0.0}, "clip_norm must be a finite number"),
        ({"clip_norm": math.inf}, "clip_norm must be a finite number"),
        ({"l2": -1e-9}, "l2 must be a finite number of at least 0"),
        ({"l2": True}, "l2 must be a finite number"),
    ],
)
def test_settings_out_of_range_are_named(wrong, said):
    with pytest.raises(InputError, match=said):
        TrainingSettings(**{"steps": 10, **wrong})


def test_settings_at_the_papers_limits_are_allowed():
    for rate, decay, logit, clip, l2 in [(1e-4, 1e-3, 1.0, 1.0, 1e-8), (1e-1, 1.0, 7.0, 100.0, 1e-3)]:
        TrainingSettings(50_000, "adam", rate, decay, 1 / (1 + math.exp(-logit)), clip, l2)
