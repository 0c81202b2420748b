"""What every cell does, checked against the equation that its test writes in NumPy."""

import inspect
import itertools
import json
from typing import ClassVar

import keras
import numpy as np
import pytest
from cells.reference import S, Weights, array, dropout_factors, run
from keras import constraints, initializers, layers, regularizers

from keras_rnncap import ParallelRNN, RecurrentCell

UNITS, INPUT_DIM, BATCH, LENGTH = 4, 3, 6, 5
MATRICES = ("kernel", "recurrent_kernel", "bias")
MASK = np.array(
    [
        [1, 1, 1, 1, 1],
        [0, 0, 1, 1, 1],  # padded left
        [1, 1, 1, 0, 0],  # right
        [1, 0, 0, 1, 1],  # in the middle
        [0, 1, 0, 1, 0],
        [1, 0, 0, 0, 0],
    ],
    bool,
)


class CellContract:
    """A cell joins with a subclass that names these; all but `equation` are what its documentation says."""

    cell = None
    gates = ()  # the paper's names of the blocks, in their order
    blocks = ()  # the cell's names of them
    kernel_gates = recurrent_gates = None  # the gates with a W^kx, a W^kh, where that is not all of them
    states = ("h",)  # the first one is the output
    learned = ("h",)  # the states that start from a row of `initial_state`
    activations = ("tanh", "relu")
    constants: ClassVar[dict] = {"forget_bias": 0.7}  # constructor arguments with the numbers that `equation` uses
    more_arguments: ClassVar[dict] = {}  # values other than the default for further arguments of the cell's own
    projects = False  # whether inputs of another width than units are projected
    sizes: ClassVar[dict] = {}  # of states that are not of `units`
    positive = ()  # the states that must be
    without_effect: ClassVar[tuple] = ()  # weights and blocks of them, by number, on which no output depends
    dtypes = ("mixed_bfloat16", "mixed_float16")

    def equation(self, a, s, x, *states):
        """Returns the states at t from the input and the states at t - 1; `a("k", h, x)` is W^kh h + W^kx x + b^k."""
        raise NotImplementedError

    @property
    def optional(self):
        """Names of the weights that the arguments for the kernel, the recurrent kernel and the bias are for."""
        return self.matrices

    def option_of(self, name):
        """Which of the three."""
        return name

    # Tools.

    def weights(self, seed=0, input_dim=INPUT_DIM):
        width = UNITS if self.projects else input_dim
        return Weights(self.gates, self.learned, UNITS, input_dim, width, seed, *self.gates_of_matrices())

    def gates_of_matrices(self):
        recurrent = self.gates if self.recurrent_gates is None else self.recurrent_gates
        return self.kernel_gates or self.gates, recurrent

    @property
    def matrices(self):
        """Names of the weights that the cell's blocks stand side by side in."""
        return [matrix for matrix in MATRICES if self.blocks_of(matrix)]

    @property
    def weight_names(self):
        """Names of all weights."""
        return {*self.matrices, "initial_state"} | ({"projection"} if self.projects else set())

    @property
    def dropped(self):
        """Dropout of inputs and states, as far as the cell has matrices for it."""
        return {"dropout": 0.5} | ({"recurrent_dropout": 0.5} if "recurrent_kernel" in self.matrices else {})

    def blocks_of(self, matrix):
        """The cell's names of the blocks of a matrix."""
        kernel, recurrent = self.gates_of_matrices()
        gates = {"kernel": kernel, "recurrent_kernel": recurrent}.get(matrix, self.gates)
        return [self.blocks[self.gates.index(gate)] for gate in gates]

    def make(self, **options):
        return self.cell(UNITS, **{"activation": self.activations[0], **self.constants, **options})

    def with_weights(self, weights, input_dim=INPUT_DIM, **options):
        cell = self.make(**options)
        cell.build((None, input_dim))
        weights.install(cell)
        return cell

    def expected(self, weights, x, activation=None, initial=None, **options):
        start = weights.initial if initial is None else initial
        states = [start.get(name, np.zeros((self.sizes.get(name, UNITS), 1))) for name in self.states]
        s = S[activation or self.activations[0]]
        return run(lambda *now: self.equation(weights, s, *now), weights, x, states, **options)

    def inputs(self, batch=BATCH, length=LENGTH, input_dim=INPUT_DIM, seed=5):
        return np.random.default_rng(seed).normal(size=(batch, length, input_dim)).astype("float32")

    def trained(self, cell, run_eagerly=True):
        """Trains one step; returns the weights before and after, by name."""
        model = keras.Sequential([keras.Input((None, INPUT_DIM)), layers.RNN(cell, return_sequences=True)])
        before = {weight.name: array(weight) for weight in cell.trainable_weights}
        model.compile(optimizer=keras.optimizers.SGD(0.5), loss="mse", run_eagerly=run_eagerly)
        model.train_on_batch(self.inputs(), self.inputs(input_dim=UNITS, seed=6))
        return before, {weight.name: array(weight) for weight in cell.trainable_weights}

    def drawn(self, **options):
        """All blocks of a new cell, in arrays of one shape for matrices and of one for vectors."""
        cell = self.make(bias_initializer="random_normal", initial_state_initializer="random_normal", **options)
        cell.build((None, UNITS))
        split = {
            name: np.split(array(getattr(cell, name)), len(self.blocks_of(name)), axis=-1) for name in self.matrices
        }
        return np.stack(split["kernel"] + split.get("recurrent_kernel", [])), np.stack(
            [*split["bias"], *array(cell.initial_state)]
        )

    # The equation, in every setting of keras.layers.RNN.

    def test_outputs_and_states_follow_the_equation(self):
        weights, x = self.weights(), self.inputs()
        sizes = {name: self.sizes.get(name, UNITS) for name in self.states}
        initial = {name: np.random.default_rng(9).normal(size=(size, BATCH)) for name, size in sizes.items()}
        initial |= {name: np.abs(initial[name]) for name in self.positive}
        for activation, start in ((self.activations[0], None), (self.activations[-1], initial)):
            layer = layers.RNN(
                self.with_weights(weights, activation=activation), return_sequences=True, return_state=True
            )
            given = None if start is None else [start[name].T.astype("float32") for name in self.states]
            outputs, *states = layer(x, initial_state=given)
            expected, last = self.expected(weights, x, activation, start)
            np.testing.assert_allclose(outputs, expected, atol=1e-5, err_msg=activation)
            for state, end in zip(states, last, strict=True):
                np.testing.assert_allclose(state, end, atol=1e-5, err_msg=activation)

    def test_without_a_bias_the_equation_has_none(self):
        weights, x = self.weights().without_bias(), self.inputs()
        cell = self.with_weights(weights, use_bias=False)
        assert "bias" not in [weight.name for weight in cell.weights]
        np.testing.assert_allclose(layers.RNN(cell)(x), self.expected(weights, x)[0][:, -1], atol=1e-5)

    def test_one_call_gives_the_output_and_states_nested_as_they_came(self):
        weights, x = self.weights(), self.inputs(length=1)
        cell = self.with_weights(weights)
        states = cell.get_initial_state(batch_size=BATCH)
        output, new = cell(x[:, 0], states)
        assert isinstance(new, list)
        assert len(new) == len(self.states)
        np.testing.assert_allclose(output, self.expected(weights, x)[0][:, 0], atol=1e-5)
        if len(states) == 1:
            output, new = cell(x[:, 0], states[0])
            np.testing.assert_array_equal(output, new)

    @pytest.mark.parametrize("unroll", [False, True])
    @pytest.mark.parametrize("return_sequences", [False, True])
    def test_masked_steps_are_skipped(self, return_sequences, unroll):
        weights, x = self.weights(), self.inputs()
        layer = layers.RNN(
            self.with_weights(weights), return_sequences=return_sequences, return_state=True, unroll=unroll
        )
        outputs, *states = layer(x, mask=MASK)
        expected, last = self.expected(weights, x, mask=MASK)
        for state, end in zip(states, last, strict=True):
            np.testing.assert_allclose(state, end, atol=1e-5)
        if return_sequences:
            begun = np.cumsum(MASK, axis=1) > 0  # before the first unmasked step outputs mean nothing
            np.testing.assert_allclose(array(outputs)[begun], expected[begun], atol=1e-5)
        else:
            np.testing.assert_allclose(outputs, expected[:, -1], atol=1e-5)

    def test_masked_outputs_can_be_zero(self):
        weights, x = self.weights(), self.inputs()
        layer = layers.RNN(self.with_weights(weights), return_sequences=True, zero_output_for_mask=True)
        expected = self.expected(weights, x, mask=MASK)[0] * MASK[..., None]
        np.testing.assert_allclose(layer(x, mask=MASK), expected, atol=1e-5)

    def test_a_masking_layer_in_front_works(self):
        weights, x = self.weights(), self.inputs()
        x[~MASK] = 0.0
        model = keras.Sequential([layers.Masking(), layers.RNN(self.with_weights(weights))])
        np.testing.assert_allclose(model(x), self.expected(weights, x, mask=MASK)[0][:, -1], atol=1e-5)

    @pytest.mark.parametrize("unroll", [False, True])
    def test_unrolled_and_backwards(self, unroll):
        weights, x = self.weights(), self.inputs()
        for go_backwards in (False, True):
            layer = layers.RNN(
                self.with_weights(weights), return_sequences=True, unroll=unroll, go_backwards=go_backwards
            )
            np.testing.assert_allclose(
                layer(x), self.expected(weights, x, go_backwards=go_backwards)[0], atol=1e-5, err_msg=str(go_backwards)
            )

    @pytest.mark.parametrize("learned", [False, True])
    def test_stateful_goes_on_where_it_stopped_and_restarts_from_zeros(self, learned):
        weights, x = self.weights(), self.inputs(length=6)
        cell = self.with_weights(weights, learned_initial_state=learned)
        layer = layers.RNN(cell, return_sequences=True, stateful=True)
        for initial in (None if learned else {}, {}):
            outputs = np.concatenate([array(layer(x[:, :2])), array(layer(x[:, 2:]))], axis=1)
            np.testing.assert_allclose(outputs, self.expected(weights, x, initial=initial)[0], atol=1e-5)
            layer.reset_state()

    def test_stacked_cells_are_stacked_layers(self):
        lower, upper, x = self.weights(), self.weights(1, UNITS), self.inputs()
        cells = [self.with_weights(lower), self.with_weights(upper, UNITS, **self.dropped)]
        stack = layers.RNN(layers.StackedRNNCells(cells), return_sequences=True)
        expected = self.expected(upper, self.expected(lower, x)[0])[0]
        np.testing.assert_allclose(stack(x), expected, atol=1e-5)
        assert np.abs(array(stack(x, training=True)) - expected).max() > 1e-3

    def test_bidirectional_runs_both_ways(self):
        forward, backward, x = self.weights(), self.weights(1), self.inputs()
        layer = layers.Bidirectional(layers.RNN(self.make(), return_sequences=True))
        layer(x)
        forward.install(layer.forward_layer.cell)
        backward.install(layer.backward_layer.cell)
        there, back = self.expected(forward, x)[0], self.expected(backward, x, go_backwards=True)[0][:, ::-1]
        np.testing.assert_allclose(layer(x), np.concatenate([there, back], axis=-1), atol=1e-5)

    # Training.

    def test_a_gradient_step_changes_every_block_of_every_weight(self):
        before, after = self.trained(self.with_weights(self.weights()), run_eagerly=False)
        assert set(before) == self.weight_names
        for name, old in before.items():
            parts = len(self.blocks_of(name)) if name in self.matrices else 1
            for index, change in enumerate(np.split(np.atleast_1d(after[name] - old), parts, axis=-1)):
                changed = np.abs(change).max() > 1e-5
                assert changed == ((name, index) not in self.without_effect), f"block {index} of {name}"
        assert np.atleast_2d(before["initial_state"] != after["initial_state"]).any(axis=1).all()

    def test_the_initial_state_can_be_fixed_at_zero(self):
        weights, x = self.weights(), self.inputs()
        cell = self.with_weights(weights, learned_initial_state=False)
        assert "initial_state" not in [weight.name for weight in cell.weights]
        assert not any(array(state).any() for state in cell.get_initial_state(batch_size=2))
        np.testing.assert_allclose(layers.RNN(cell)(x), self.expected(weights, x, initial={})[0][:, -1], atol=1e-5)

    def test_dropout_drops_the_same_entries_at_all_steps_and_only_in_training(self):
        weights, x = self.weights(), self.inputs(batch=24)
        recurrent = "recurrent_dropout" in self.dropped
        options = self.dropped | {"dropout": 0.25, "seed": 3}
        layer = layers.RNN(self.with_weights(weights, **options), return_sequences=True)
        np.testing.assert_allclose(layer(x), self.expected(weights, x)[0], atol=1e-5)
        of_states = dropout_factors(UNITS, 0.5) if recurrent else [np.ones(UNITS)]
        pairs = list(itertools.product(dropout_factors(INPUT_DIM, 0.25), of_states))
        possible = np.stack([self.expected(weights.dropping(*pair), x)[0] for pair in pairs])
        distances = np.abs(possible - array(layer(x, training=True))).max(axis=(2, 3))  # (pair, sample)
        assert (distances.min(axis=0) < 1e-4).all()
        inputs, states = zip(*(pairs[index] for index in distances.argmin(axis=0)), strict=True)
        assert len({tuple(factors) for factors in inputs}) > 2
        assert len({tuple(factors) for factors in states}) > 2 or not recurrent

    def test_dropout_masks_are_seeded_and_new_for_each_batch(self):
        weights, x = self.weights(), self.inputs()
        runs = []
        for seed in (3, 3, 4):
            layer = layers.RNN(self.with_weights(weights, seed=seed, **self.dropped))
            runs.append([array(layer(x, training=True)) for _ in range(2)])
        np.testing.assert_array_equal(runs[0], runs[1])
        assert np.abs(runs[0][0] - runs[0][1]).max() > 1e-3
        assert np.abs(runs[0][0] - runs[2][0]).max() > 1e-3

    def test_regularizers_count_each_matrix_once(self):
        cell = self.with_weights(
            self.weights(),
            kernel_regularizer=regularizers.L2(0.1),
            recurrent_regularizer=regularizers.L1(0.2),
            bias_regularizer=regularizers.L2(0.3),
        )
        layer = layers.RNN(cell)
        layer(self.inputs())
        sizes = {"kernel": lambda a: 0.1 * np.sum(a**2), "recurrent_kernel": lambda a: 0.2 * np.sum(np.abs(a))}
        sizes["bias"] = lambda a: 0.3 * np.sum(a**2)
        expected = [sizes[self.option_of(name)](array(getattr(cell, name))) for name in self.optional]
        np.testing.assert_allclose(sorted(map(float, layer.losses)), sorted(expected), rtol=1e-5)

    def test_constraints_hold_after_a_step(self):
        cell = self.with_weights(
            self.weights(),
            kernel_constraint=constraints.NonNeg(),
            recurrent_constraint=constraints.UnitNorm(axis=0),
            bias_constraint=constraints.MaxNorm(0.1, axis=0),
        )
        before, after = self.trained(cell)
        for name in self.optional:
            if self.option_of(name) == "kernel":
                assert before[name].min() < 0 <= after[name].min()
            elif self.option_of(name) == "recurrent_kernel":
                assert after[name].min() < 0
                np.testing.assert_allclose(np.linalg.norm(after[name], axis=0), 1.0, atol=1e-5)
            else:
                assert np.linalg.norm(before[name]) > 0.2
                assert np.linalg.norm(after[name]) == pytest.approx(0.1, abs=1e-5)

    @pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
    def test_mixed_precision_computes_in_16_bits_and_keeps_float32_weights(self, dtype):
        if dtype not in self.dtypes:
            pytest.skip("the documentation says that it does not")
        weights, x = self.weights(), self.inputs()
        cell = self.with_weights(weights, dtype=dtype, **self.dropped)
        layer = layers.RNN(cell, return_sequences=True, return_state=True, dtype=dtype)
        outputs, *states = layer(x)
        assert {keras.backend.standardize_dtype(t.dtype) for t in (outputs, *states)} == {dtype.removeprefix("mixed_")}
        assert {weight.dtype for weight in cell.trainable_weights} == {"float32"}
        outputs = array(keras.ops.cast(outputs, "float32"))
        np.testing.assert_allclose(outputs, self.expected(weights, x)[0], atol=0.1)
        trained = keras.ops.cast(layer(x, training=True)[0], "float32")
        assert np.isfinite(array(trained)).all()

    # Initial weights.

    def test_initializers_take_effect(self):
        values = {"kernel": 0.1, "recurrent": 0.2, "bias": 0.3, "initial_state": 0.4}
        cell = self.make(**{f"{name}_initializer": initializers.Constant(value) for name, value in values.items()})
        cell.build((None, INPUT_DIM))
        for name in [*self.optional, "initial_state"]:
            option = "initial_state" if name == "initial_state" else self.option_of(name).removesuffix("_kernel")
            np.testing.assert_allclose(getattr(cell, name), values[option], err_msg=name)

    @pytest.mark.parametrize("matrix", MATRICES)
    def test_each_block_can_have_its_own_initializer(self, matrix):
        argument = f"{matrix.removesuffix('_kernel')}_initializer"
        if not (blocks := self.blocks_of(matrix)):
            pytest.skip("it has no such matrix")
        own = {block: initializers.Constant(index + 1) for index, block in reversed(list(enumerate(blocks)))}
        cell = self.make(**{argument: own})
        cell.build((None, INPUT_DIM))
        for row in np.atleast_2d(array(getattr(cell, matrix))):
            np.testing.assert_allclose(row, np.repeat(np.arange(len(own)) + 1, UNITS))
        for wrong in ({**own, "gat": "zeros"}, dict(list(own.items())[1:]), {}):
            with pytest.raises(ValueError, match=f"{argument}.*{', '.join(blocks)}"):
                self.make(**{argument: wrong})

    def test_all_blocks_are_drawn_differently_and_from_the_seed(self):
        for kernel in ("random_normal", None):
            options = {"recurrent_initializer": "random_normal", "kernel_initializer": kernel}
            draws = [self.drawn(seed=seed, **options) for seed in (1, 1, 2, None, None)]
            for kind in range(2):
                first, again, other, unseeded, another = (draw[kind] for draw in draws)
                np.testing.assert_array_equal(first, again)
                everything = np.concatenate([first, other, unseeded, another])
                assert len(np.unique(np.round(everything, 4), axis=0)) == len(everything)

    def test_blocks_of_an_initializer_with_a_seed_differ(self):
        one = initializers.RandomNormal(seed=7)
        matrices, _ = self.drawn(kernel_initializer=one, recurrent_initializer="zeros")
        again, _ = self.drawn(kernel_initializer=initializers.RandomNormal(seed=7), recurrent_initializer="zeros")
        np.testing.assert_array_equal(matrices, again)
        count = len(self.blocks_of("kernel"))
        assert len(np.unique(matrices[:count], axis=0)) == count

    # Configuration, files, errors.

    def every_argument(self):
        """A value other than the default for each argument but units."""
        blocks = self.blocks_of("kernel")
        per_block = {block: initializers.Constant(0.1 * index) for index, block in enumerate(blocks)}
        return {
            "activation": "sigmoid",
            "use_bias": False,
            "kernel_initializer": per_block or initializers.Constant(0.1),
            "recurrent_initializer": initializers.RandomNormal(stddev=0.2, seed=5),
            "bias_initializer": initializers.Constant(0.3),
            "initial_state_initializer": initializers.Constant(0.4),
            "kernel_regularizer": regularizers.L2(0.01),
            "recurrent_regularizer": regularizers.L2(0.02),
            "bias_regularizer": regularizers.L2(0.03),
            "kernel_constraint": constraints.MaxNorm(1.0),
            "recurrent_constraint": constraints.MaxNorm(2.0),
            "bias_constraint": constraints.MaxNorm(3.0),
            "learned_initial_state": False,
            "dropout": 0.1,
            "recurrent_dropout": 0.2,
            "seed": 11,
            "name": "one_of_mine",
            "trainable": False,
            "dtype": "mixed_bfloat16",
            **self.constants,
            **self.more_arguments,
        }

    def test_the_configuration_has_every_argument_and_makes_the_same_cell(self):
        arguments = self.every_argument()
        config = self.cell(UNITS, **arguments).get_config()
        assert set(config) == {"units", *arguments}
        for one in self.cell.__mro__[: self.cell.__mro__.index(layers.Layer)]:
            parameters = inspect.signature(one.__init__).parameters.values()
            assert {p.name for p in parameters if p.kind is not p.VAR_KEYWORD} <= {"self", *config}
        default = self.cell(UNITS).get_config()
        for name, value in arguments.items():
            plain = isinstance(value, str | bool | float | int)
            per_block = isinstance(value, dict)
            serialize = keras.saving.serialize_keras_object
            expected = (
                value if plain else {k: serialize(v) for k, v in value.items()} if per_block else serialize(value)
            )
            assert config[name] == (serialize(keras.DTypePolicy(value)) if name == "dtype" else expected), name
            assert default[name] != config[name] or (name == "activation" and len(self.activations) == 1), name
        again = self.cell.from_config(json.loads(json.dumps(config)))
        assert again.get_config() == config

    def test_a_saved_model_loads_and_gives_the_same_outputs(self, tmp_path):
        left_out = {"use_bias", "learned_initial_state", "dtype"} | {"dropout", "recurrent_dropout"} - {*self.dropped}
        more = {k: v for k, v in self.every_argument().items() if k not in left_out}
        cell = self.make(**more)
        cell.build((None, INPUT_DIM))
        self.weights().install(cell)
        model = keras.Sequential([keras.Input((None, INPUT_DIM)), layers.RNN(cell), layers.Dense(2)])
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        np.testing.assert_allclose(loaded(self.inputs()), model(self.inputs()), atol=1e-6)
        assert loaded.layers[0].cell.get_config() == cell.get_config()

    @pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="a SavedModel needs the TensorFlow backend")
    def test_an_exported_model_runs_in_plain_tensorflow(self, tmp_path):
        import tensorflow as tf

        layer = layers.RNN(self.with_weights(self.weights(), dropout=0.5))
        model = keras.Sequential([keras.Input((None, INPUT_DIM)), layer])
        model.export(tmp_path / "model", verbose=False)
        served = tf.saved_model.load(tmp_path / "model")
        for batch, length in ((2, 3), (5, 8)):
            x = self.inputs(batch, length)
            np.testing.assert_allclose(served.serve(x), self.expected(self.weights(), x)[0][:, -1], atol=1e-5)

    def test_an_unknown_argument_names_the_valid_ones(self):
        with pytest.raises(TypeError, match=r"unitz.*recurrent_dropout.*units"):
            self.make(unitz=3)

    @pytest.mark.parametrize("units", [0, -1, 2.5, True, "4", None])
    def test_units_must_be_a_positive_integer(self, units):
        with pytest.raises(ValueError, match="units must be an integer of at least 1"):
            self.cell(units)

    @pytest.mark.parametrize("name", ["dropout", "recurrent_dropout"])
    @pytest.mark.parametrize("rate", [-0.1, 1.0, float("nan")])
    def test_dropout_must_be_a_fraction(self, name, rate):
        with pytest.raises(ValueError, match=rf"^{name} must be in \[0, 1\)"):
            self.make(**{name: rate})

    def test_dropout_of_states_needs_a_matrix_for_them(self):
        if "recurrent_dropout" in self.dropped:
            pytest.skip("it has one")
        with pytest.raises(ValueError, match="recurrent_dropout must be 0"):
            self.make(recurrent_dropout=0.1).build((None, INPUT_DIM))

    def test_all_time_steps_at_once_are_the_loop(self):
        """Outputs, states and gradients, with an initial state; where the cell has a parallel form."""
        if self.cell.scan is RecurrentCell.scan:
            pytest.skip("it depends on its state by more than a product and a sum")
        weights, x = self.weights(), self.inputs()
        results = []
        for layer in (layers.RNN, ParallelRNN):
            cell = self.with_weights(weights)
            model = keras.Sequential([keras.Input((LENGTH, INPUT_DIM)), layer(cell, return_sequences=True)])
            outputs = array(model(x))
            model.compile(optimizer=keras.optimizers.SGD(0.5), loss="mse", run_eagerly=True)
            model.train_on_batch(x, self.inputs(input_dim=UNITS, seed=6))
            results.append((outputs, *map(array, cell.trainable_weights)))
        np.testing.assert_allclose(results[1][0], self.expected(weights, x)[0], atol=1e-5)
        for one, other in zip(*results, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5)
