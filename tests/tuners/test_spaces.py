"""The space of Jozefowicz et al. (2015), section 3.7, and changes of spaces."""

import math

import keras
import keras_tuner as kt
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_rnncap import sequence_model
from keras_rnncap.cells import CELLS
from keras_rnncap.errors import InputError
from keras_rnncap.tuners.oracles.encoding import SpaceEncoding
from keras_rnncap.tuners.spaces import CollinsSpace, JozefowiczSpace, edit_space, parse_changes


def names(space):
    return {hp.name: hp for hp in space.space}


def test_the_grid_of_the_paper():
    space = JozefowiczSpace("lstm", (250_000, 1_000_000)).hyperparameters()
    assert {name: set(hp.values) for name, hp in names(space).items()} == {
        "init_scale": {0.3, 0.7, 1.0, 1.4, 2.0, 2.8},
        "learning_rate": {0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0},
        "clip_norm": {1.0, 2.5, 5.0, 10.0, 20.0},
        "depth": {1, 2, 3, 4},
        "params": {250_000, 1_000_000},
    }
    assert len(SpaceEncoding(space).all_points()) == 6 * 7 * 5 * 4 * 2
    assert "params" not in names(JozefowiczSpace("lstm", (100,)).hyperparameters())


@pytest.mark.parametrize("cell", ["lstm", "+rnn", keras.layers.GRUCell])
def test_all_matrices_start_uniform_within_scale_over_the_root_of_units(cell):
    space = JozefowiczSpace(cell, (100,))
    values = space.hyperparameters().values | {"init_scale": 1.4}
    model = sequence_model(
        cell,
        100,
        input_dim=50,
        output_dim=80,
        cell_options=space.cell_options(values),
        readout_options=space.readout_options(values),
        seed=0,
    )
    matrices = [weight for weight in model.trainable_weights if weight.path.endswith("kernel")]
    assert len(matrices) >= 3
    for weight in matrices:
        largest = np.abs(keras.ops.convert_to_numpy(weight)).max()
        # Keras' own cells draw the input matrices of all gates as one, which is as wide as all of them.
        as_one = not isinstance(cell, str) and weight.shape[0] == 50
        expected = 1.4 / math.sqrt(300 if as_one else 100)
        assert 0.97 * expected < largest <= expected * (1 + 1e-6), weight.path


def test_training_is_sgd_whose_rate_and_clipping_are_of_the_loss_summed_over_time():
    space = JozefowiczSpace("gru", (100,), scored_steps=35)
    settings = space.settings({"learning_rate": 0.5, "clip_norm": 5.0, "init_scale": 1.0}, 100)
    assert (settings.optimizer, settings.momentum, settings.l2) == ("sgd", 0.0, 0.0)
    # lr * min(1, clip / |35 g|) * 35 g = (35 lr) * min(1, (clip / 35) / |g|) * g
    assert settings.learning_rate == pytest.approx(0.5 * 35)
    assert settings.clip_norm == pytest.approx(5.0 / 35)
    assert settings.learning_rate_decay == pytest.approx(0.5**4)


def test_schedules_are_those_of_the_paper():
    values = {"learning_rate": 0.5, "clip_norm": 5.0, "init_scale": 1.0, "max_epoch": 7, "decay": 0.65, "dropout": 0.3}
    made = {
        procedure: JozefowiczSpace("gru", (100,), 35, procedure=procedure, epoch_steps=10).settings(values, 100)
        for procedure in ("search", "music", "words")
    }
    assert {settings.learning_rate for settings in made.values()} == {0.5 * 35}
    search, music, words = (settings.schedule for settings in made.values())
    assert (search.rule, search.factor, search.patience, search.lowerings) == ("after_plateau", 0.5, 3, 4)
    assert (music.rule, music.factor, music.patience) == ("plateau", 0.8, 10)
    assert music.lowest_rate == pytest.approx(1e-3 * 35)  # 0.001 for the loss summed over time
    assert (words.rule, words.factor, words.constant_epochs) == ("always", 0.65, 7)
    assert made["words"].dropout == 0.3


def test_what_the_paper_searches_for_words_and_for_music_with_dropout():
    words = names(JozefowiczSpace("gru", (100,), procedure="words").hyperparameters())
    assert {name: hp.values for name, hp in words.items() if name in ("max_epoch", "decay", "dropout")} == {
        "max_epoch": [4, 7, 11],
        "decay": [0.5, 0.65, 0.8],
        "dropout": [0.0, 0.1, 0.3, 0.5],
    }
    music = JozefowiczSpace("gru", (100,), procedure="music", dropouts=(0.1, 0.3))
    assert names(music.hyperparameters())["dropout"].values == [0.1, 0.3]
    with pytest.raises(InputError, match="procedure must be one of decay, search, music, words; got 'sgdr'"):
        JozefowiczSpace("gru", (100,), procedure="sgdr")


def collins():
    return CollinsSpace(CELLS["ugrnn"]).hyperparameters()


def test_a_range_a_value_and_a_choice_from_python_and_from_text():
    edited = edit_space(collins(), {"learning_rate": (1e-3, 1.0), "optimizer": "adam", "activation": ["tanh"]})
    rate = names(edited)["learning_rate"]
    assert (rate.min_value, rate.max_value, rate.sampling, rate.default) == (1e-3, 1.0, "log", 0.03)
    assert edited.get("optimizer") == "adam"
    assert edited.get("activation") == "tanh"
    assert [hp.name for hp in edited.space] == [hp.name for hp in collins().space]
    texts = parse_changes(["learning_rate=1e-3..1", "optimizer=adam", "activation=tanh"])
    assert edit_space(collins(), texts).get_config() == edited.get_config()
    some = names(edit_space(collins(), {"optimizer": "adam,sgd"}))["optimizer"]
    assert (list(some.values), some.ordered, some.default) == (["adam", "sgd"], False, "adam")


def test_a_condition_stays_and_the_space_given_too():
    space = collins()
    before = space.get_config()
    edited = edit_space(space, {"momentum_logit": "2..3", "optimizer": "sgd"})
    assert space.get_config() == before
    momentum = names(edited)["momentum_logit"]
    assert not edited.is_active(momentum)
    assert "momentum_logit" not in edited.values
    encoding = SpaceEncoding(edited)
    for point in np.random.default_rng(0).random((50, encoding.dimensions)):
        values = encoding.values(point)
        assert values["optimizer"] == "sgd"
        assert "momentum_logit" not in values


def test_a_default_outside_a_new_range_moves_to_its_edge():
    assert edit_space(collins(), {"learning_rate": "0.05..0.1"}).get("learning_rate") == 0.05


@given(st.floats(1e-6, 1.0), st.floats(1.001, 1e3))
def test_what_is_proposed_is_in_the_new_range(low, factor):
    edited = edit_space(collins(), {"learning_rate": (low, low * factor)})
    encoding = SpaceEncoding(edited)
    for point in np.random.default_rng(0).random((5, encoding.dimensions)):
        assert low * 0.999999 <= encoding.values(point)["learning_rate"] <= low * factor * 1.000001


def test_integers_booleans_and_choices_of_numbers():
    hp = kt.HyperParameters()
    hp.Int("layers", 1, 4)
    hp.Boolean("bias")
    hp.Choice("depth", [1, 2, 3])
    edited = edit_space(hp, {"layers": "2..8", "bias": "true", "depth": "2,5"})
    found = names(edited)
    assert (found["layers"].min_value, found["layers"].max_value) == (2, 8)
    assert edited.get("bias") is True
    assert list(found["depth"].values) == [2, 5]
    assert edit_space(hp, {"layers": "3"}).get("layers") == 3


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"learning_rat": "1"}, "no hyperparameter 'learning_rat' in this space: did you mean 'learning_rate'"),
        ({"learning_rate": "fast"}, "learning_rate must be a number; got 'fast'"),
        ({"learning_rate": "1e-1..1e-3"}, "learning_rate=0.1..0.001: the first must be below the second"),
        ({"learning_rate": "0..1"}, "learning_rate must be above 0"),
        ({"learning_rate": float("nan")}, "learning_rate must be a number"),
        ({"optimizer": "adamw"}, "optimizer must be one of sgd, momentum, rmsprop, adam; got 'adamw'"),
        ({"optimizer": "a..b"}, "optimizer has no range"),
        ({"optimizer": []}, "optimizer needs at least one value"),
    ],
)
def test_a_bad_change_is_named(changes, said):
    with pytest.raises(InputError, match=said):
        edit_space(collins(), changes)


@pytest.mark.parametrize(("setting", "said"), [("a", "--set takes"), ("=1", "--set takes"), ("a=", "--set takes")])
def test_a_setting_that_is_none_is_named(setting, said):
    with pytest.raises(InputError, match=said):
        parse_changes([setting])
    with pytest.raises(InputError, match="twice"):
        parse_changes(["a=1", "a=2"])
