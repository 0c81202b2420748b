from typing import ClassVar

import keras
import numpy as np
from cells.reference import array, assert_trains_like
from contracts.cell_contract import CellContract

from keras_rnncap import RNNCell


class TestRNN(CellContract):
    cell = RNNCell
    gates = ("h",)
    blocks = ("hidden",)
    constants: ClassVar[dict] = {}

    def equation(self, a, s, x, h):
        return (s(a("h", h, x)),)  # Collins et al. (2017), eq. 1

    def test_it_is_the_simple_rnn_of_keras(self):
        theirs = keras.layers.SimpleRNN(4, return_sequences=True)
        assert_trains_like(keras.layers.RNN(RNNCell(4), return_sequences=True), theirs)

    def test_it_starts_normal_and_orthogonal_with_zero_biases(self):
        cell = RNNCell(64, seed=2)
        cell.build((None, 256))
        np.testing.assert_allclose(np.std(array(cell.kernel)), 1 / 16, rtol=0.03)
        np.testing.assert_allclose(array(cell.recurrent_kernel).T @ array(cell.recurrent_kernel), np.eye(64), atol=1e-5)
        assert not array(cell.bias).any()
        assert not array(cell.initial_state).any()
