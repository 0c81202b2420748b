from typing import ClassVar

import keras
import numpy as np
import pytest
from cells.reference import array
from contracts.cell_contract import CellContract

from keras_rnncap import IRNNCell
from keras_rnncap.initializers import matrix_initializer


class TestIRNN(CellContract):
    cell = IRNNCell
    gates = ("h",)
    blocks = ("hidden",)
    activations = ("relu",)
    constants: ClassVar[dict] = {}
    more_arguments: ClassVar[dict] = {"activation": "relu"}

    def equation(self, a, s, x, h):
        return (s(a("h", h, x)),)  # Collins et al. (2017), eq. 1

    def test_it_starts_at_the_identity_with_zero_biases_and_relu(self):
        cell = IRNNCell(5)
        cell.build((None, 3))
        np.testing.assert_array_equal(cell.recurrent_kernel, np.eye(5))
        assert not array(cell.bias).any()
        x = np.random.default_rng(0).normal(size=(6, 1, 3)).astype("float32")
        np.testing.assert_allclose(keras.layers.RNN(cell)(x), np.maximum(x[:, 0] @ array(cell.kernel), 0), atol=1e-6)

    def test_the_identity_can_be_scaled(self):
        cell = IRNNCell(3, recurrent_initializer=matrix_initializer("identity", 0.5))
        cell.build((None, 3))
        np.testing.assert_array_equal(cell.recurrent_kernel, 0.5 * np.eye(3))

    @pytest.mark.parametrize("activation", ["tanh", None, keras.activations.leaky_relu])
    def test_it_refuses_other_activations(self, activation):
        with pytest.raises(ValueError, match="must be 'relu'"):
            IRNNCell(3, activation=activation)
