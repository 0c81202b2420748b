"""Checks of numbers: what they let through, and the sentence for what they do not."""

import keras
import numpy as np
import pytest

from keras_rnncap.cells import CELLS
from keras_rnncap.errors import MOST, InputError, check_integer, check_seed

TOO_LARGE = 2**32


def test_integers_within_their_limits_are_returned_as_python_s():
    assert check_integer("n", np.int64(3), 1, 3) == 3
    assert type(check_integer("n", np.int64(3), 1)) is int


@pytest.mark.parametrize("value", [0, True, 1.0, "3", None, float("nan"), 1j])
def test_what_is_no_integer_or_too_small_is_named(value):
    with pytest.raises(InputError, match="n must be an integer of at least 1; got"):
        check_integer("n", value, 1, 10)


@pytest.mark.parametrize(("maximum", "said"), [((10,), "10; got 11"), ((), f"{MOST:,}; got 1,000,000,000,000,001")])
def test_too_large_an_integer_is_named_with_the_maximum(maximum, said):
    with pytest.raises(InputError, match=f"n must be at most {said}"):
        check_integer("n", 11 if maximum else MOST + 1, 1, *maximum)


def test_the_largest_seed_is_one_that_all_take():
    seed = check_seed(TOO_LARGE - 1)
    np.random.default_rng(seed)
    keras.utils.set_random_seed(seed)
    keras.random.uniform((2,), seed=keras.random.SeedGenerator(seed))
    CELLS["gru"](3, seed=seed).build((None, 2))


@pytest.mark.parametrize("seed", [-1, TOO_LARGE, 1.0, True, "0"])
def test_other_seeds_are_refused_by_name(seed):
    with pytest.raises(InputError, match="--seed must be"):
        check_seed(seed, "--seed")
    with pytest.raises(InputError, match="seed must be"):
        CELLS["gru"](3, seed=seed)
