import itertools

import keras
import numpy as np
import pytest

from keras_rnncap import initializers
from keras_rnncap.initializers import bias_initializer, derived_seed, initialize_blocks, matrix_initializer, reseeded


def draw(initializer, shape):
    return np.asarray(keras.ops.convert_to_numpy(initializer(shape, dtype="float32")), float)


@pytest.mark.parametrize("scale", [0.01, 1.0, 2.0])
class TestMatrices:
    def test_identity_is_scaled(self, scale):
        np.testing.assert_allclose(draw(matrix_initializer("identity", scale), (4, 4)), scale * np.eye(4))

    def test_orthogonal_has_scaled_orthonormal_columns(self, scale):
        Q = draw(matrix_initializer("orthogonal", scale, seed=1), (40, 40))
        np.testing.assert_allclose(Q.T @ Q, scale**2 * np.eye(40), atol=1e-5 * scale**2)
        assert np.abs(Q - np.diag(np.diag(Q))).max() > 0.1 * scale

    @pytest.mark.parametrize(("rows", "columns"), [(16, 2000), (400, 100)])
    def test_normal_has_standard_deviation_scale_by_root_n(self, scale, rows, columns):
        W = draw(matrix_initializer("normal", scale, seed=1), (rows, columns))
        size = W.size  # the standard error of a standard deviation is 1 / sqrt(2 n) of it
        assert np.std(W) * np.sqrt(rows) == pytest.approx(scale, rel=4 / np.sqrt(2 * size))
        assert abs(np.mean(W)) * np.sqrt(rows) < 4 * scale / np.sqrt(size)
        # A truncated normal has no draws beyond 2 standard deviations, a uniform one none beyond sqrt(3).
        assert np.mean(np.abs(W) > 2 * scale / np.sqrt(rows)) == pytest.approx(0.0455, abs=0.006)


@pytest.mark.parametrize("scale", [-2.0, 0.5])
def test_constant_biases_are_the_scale(scale):
    np.testing.assert_array_equal(draw(bias_initializer("constant", scale), (3,)), scale)


@pytest.mark.parametrize("scale", [-2.0, 0.5])
def test_normal_biases_have_the_scale_as_standard_deviation(scale):
    b = draw(bias_initializer("normal", scale, seed=1), (20_000,))
    assert np.std(b) == pytest.approx(abs(scale), rel=0.02)
    assert np.mean(b) == pytest.approx(0, abs=0.03 * abs(scale))


def test_a_seed_fixes_the_draw():
    for make in (
        lambda seed: matrix_initializer("normal", 1.0, seed),
        lambda seed: bias_initializer("normal", 1.0, seed),
    ):
        np.testing.assert_array_equal(draw(make(3), (5, 5)), draw(make(3), (5, 5)))
        assert (draw(make(3), (5, 5)) != draw(make(4), (5, 5))).all()


def test_unknown_kinds_name_the_valid_ones():
    with pytest.raises(ValueError, match="identity, orthogonal, normal; got 'diagonal'"):
        matrix_initializer("diagonal")
    with pytest.raises(ValueError, match="constant, normal; got 'uniform'"):
        bias_initializer("uniform", 1.0)


def test_derived_seeds_depend_on_every_part_and_do_not_collide():
    entropies = [*itertools.product(range(40), repeat=2), (2**40, 1), (1, 2**40)]
    seeds = [derived_seed(*entropy) for entropy in entropies]
    assert len(set(seeds)) == len(entropies)
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert seeds == [derived_seed(*entropy) for entropy in entropies]


@pytest.mark.parametrize(("one", "other"), [((3,), (3, 0)), ((3, 1), (3, 1, 0)), ((0,), (0, 0)), ((-3,), (3,))])
def test_derived_seeds_tell_a_zero_from_nothing_and_a_sign(one, other):
    assert derived_seed(*one) != derived_seed(*other)


def test_reseeded_derives_from_the_own_seed_before_the_given_one():
    own, free = keras.initializers.RandomNormal(seed=7), keras.initializers.RandomNormal()
    assert reseeded(own, (1, 2), 0) is own
    assert reseeded(own, (1, 2), 1).seed == reseeded(own, (3, 4), 1).seed == derived_seed(7, 1)
    assert reseeded(free, (1, 2), 0).seed == derived_seed(1, 2, 0)
    assert reseeded(free, (1, 2), 1).seed != reseeded(free, (1, 2), 0).seed


def test_reseeded_keeps_everything_but_the_seed():
    scaled = keras.initializers.RandomNormal(mean=2.0, stddev=0.3)
    assert reseeded(scaled, (1,), 0).get_config() == {**scaled.get_config(), "seed": derived_seed(1, 0)}


def test_reseeded_without_any_seed_draws_anew():
    free = keras.initializers.RandomNormal()
    draws = [draw(reseeded(free, None, 0), (4,)) for _ in range(2)]
    assert (draws[0] != draws[1]).all()


def test_reseeded_leaves_alone_what_draws_nothing_or_moves_on_by_itself():
    generator = keras.initializers.RandomNormal(seed=keras.random.SeedGenerator(1))
    for initializer in (keras.initializers.Zeros(), generator, keras.ops.ones):
        assert reseeded(initializer, (1,), 2) is initializer


def test_every_block_is_orthogonal_on_its_own():
    W = initialize_blocks(keras.initializers.Orthogonal(), ("a", "b", "c"), (8, 24), "float32", (5,))
    parts = np.split(keras.ops.convert_to_numpy(W), 3, axis=1)
    for Q, R in itertools.combinations(parts, 2):
        np.testing.assert_allclose(Q.T @ Q, np.eye(8), atol=1e-5)
        np.testing.assert_allclose(R.T @ R, np.eye(8), atol=1e-5)
        assert np.abs(Q - R).max() > 0.1


def test_blocks_stand_in_the_order_of_their_names_with_leading_axes():
    mapping = {"b": keras.initializers.Constant(2.0), "a": keras.initializers.Constant(1.0)}
    W = initialize_blocks(mapping, ("a", "b"), (3, 2, 4), "float32", None)
    np.testing.assert_array_equal(W, np.broadcast_to([1.0, 1.0, 2.0, 2.0], (3, 2, 4)))


def test_a_serialized_initializer_is_one_and_not_a_mapping_of_blocks():
    config = initializers.serialize(keras.initializers.Constant(0.5))
    assert initializers.get(config, ("a", "b"), "kernel_initializer").value == 0.5


def test_mappings_survive_serialization():
    mapping = initializers.get({"a": "zeros", "b": matrix_initializer("normal", 0.3)}, ("a", "b"), "kernel_initializer")
    again = initializers.get(initializers.serialize(mapping), ("a", "b"), "kernel_initializer")
    assert {name: (type(one), one.get_config()) for name, one in again.items()} == {
        name: (type(one), one.get_config()) for name, one in mapping.items()
    }
