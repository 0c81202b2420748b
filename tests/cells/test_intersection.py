from typing import ClassVar

import keras
import numpy as np
import pytest
from cells.reference import array, relu, sigmoid
from contracts.cell_contract import INPUT_DIM, UNITS, CellContract

from keras_rnncap import IntersectionRNNCell


class TestIntersectionRNN(CellContract):
    cell = IntersectionRNNCell
    gates = ("y", "h", "gy", "gh")
    blocks = ("output", "hidden", "output_gate", "hidden_gate")
    states = ("y", "h")
    learned = ("h",)
    activations = ("tanh",)
    constants: ClassVar[dict] = {"forget_bias": 0.7, "depth_forget_bias": -0.4}
    more_arguments: ClassVar[dict] = {
        "output_activation": "elu",
        "input_projection": True,
        "projection_initializer": keras.initializers.Constant(0.5),
        "projection_regularizer": keras.regularizers.L2(0.04),
        "projection_constraint": keras.constraints.MaxNorm(4.0),
    }
    projects = True

    def equation(self, a, s, x, _y, h):
        y_in = relu(a("y", h, x))  # Collins et al. (2017), eq. 15-20
        h_in = s(a("h", h, x))
        g_y = sigmoid(a("gy", h, x) - 0.4)
        g_h = sigmoid(a("gh", h, x) + 0.7)
        return (g_y * x + (1 - g_y) * y_in, g_h * h + (1 - g_h) * h_in)

    def test_no_output_depends_on_the_carried_output(self):
        cell, x = self.with_weights(self.weights()), self.inputs()[:, 0]
        h = np.ones((len(x), UNITS), "float32")
        for one, other in zip(*(cell(x, [y * h, h])[1] for y in (0.0, 9.0)), strict=True):
            np.testing.assert_array_equal(one, other)

    def unprojected(self, **options):
        """A cell for inputs as wide as it is, and the weights that it has."""
        self.projects = False
        weights = self.weights(2, UNITS)
        return self.with_weights(weights, UNITS, **options), weights

    @pytest.mark.parametrize("input_projection", [None, False])
    def test_inputs_of_its_width_are_not_projected(self, input_projection):
        cell, weights = self.unprojected(input_projection=input_projection)
        assert "projection" not in [weight.name for weight in cell.weights]
        x = self.inputs(input_dim=UNITS)
        outputs = keras.layers.RNN(cell, return_sequences=True)(x)
        np.testing.assert_allclose(outputs, self.expected(weights, x)[0], atol=1e-5)

    def test_without_a_projection_dropout_leaves_the_input_of_eq_19_whole(self):
        cell, weights = self.unprojected(dropout=0.5, seed=1)
        x = self.inputs(batch=1, input_dim=UNITS)
        masks = [2.0 * np.array(list(f"{mask:0{UNITS}b}"), float) for mask in range(2**UNITS)]
        possible = [self.expected(weights.dropping(mask, 1.0), x)[0] for mask in masks]
        outputs = array(keras.layers.RNN(cell, return_sequences=True)(x, training=True))
        assert min(np.abs(one - outputs).max() for one in possible) < 1e-4

    def test_a_projection_can_be_had_at_any_width(self):
        cell = IntersectionRNNCell(UNITS, input_projection=True, projection_initializer="identity")
        cell.build((None, UNITS))
        np.testing.assert_array_equal(cell.projection, np.eye(UNITS))

    def test_refusing_the_projection_that_is_needed_says_what_to_do(self):
        cell = IntersectionRNNCell(UNITS, input_projection=False)
        with pytest.raises(ValueError, match=rf"units = {UNITS}; got {INPUT_DIM}.*units={INPUT_DIM}"):
            cell.build((None, INPUT_DIM))

    def test_the_projection_has_its_own_initializer_regularizer_and_constraint(self):
        cell = self.make(
            projection_initializer=keras.initializers.Constant(-0.5),
            projection_regularizer=keras.regularizers.L2(0.1),
            projection_constraint=keras.constraints.NonNeg(),
        )
        layer = keras.layers.RNN(cell)
        layer(self.inputs())
        np.testing.assert_array_equal(cell.projection, np.full((INPUT_DIM, UNITS), -0.5))
        assert [float(loss) for loss in layer.losses] == pytest.approx([0.1 * 0.25 * INPUT_DIM * UNITS])
        assert array(self.trained(cell)[1]["projection"]).min() == 0.0

    def test_the_projection_is_drawn_from_the_seed(self):
        draws = []
        for seed in (1, 1, 2):
            cell = self.make(seed=seed)
            cell.build((None, 300))
            draws.append(array(cell.projection))
        np.testing.assert_array_equal(draws[0], draws[1])
        assert np.abs(draws[0] - draws[2]).max() > 1e-3
        assert np.std(draws[0]) == pytest.approx(300**-0.5, rel=0.1)
