from typing import ClassVar

import keras
import numpy as np
from cells.reference import array
from contracts.cell_contract import CellContract

from keras_rnncap import TwoBiasRNNCell


class TestTwoBiasRNN(CellContract):
    cell = TwoBiasRNNCell
    gates = ("h", "hh")
    blocks = ("hidden", "hidden_recurrent")
    kernel_gates = recurrent_gates = ("h",)
    constants: ClassVar[dict] = {}

    def equation(self, a, s, x, h):
        return (s(a("h", h, x) + a.b["hh"]),)  # Mehta, eq. 1

    def test_with_the_sum_of_its_biases_it_is_the_rnn_of_keras(self):
        rng = np.random.default_rng(0)
        x = rng.normal(size=(5, 6, 3)).astype("float32")
        ours = keras.layers.RNN(TwoBiasRNNCell(4, bias_initializer="normal"), return_sequences=True)
        theirs = keras.layers.SimpleRNN(4, return_sequences=True)
        ours(x), theirs(x)
        cell = ours.cell
        bias = array(cell.bias)
        theirs.set_weights([array(cell.kernel), array(cell.recurrent_kernel), bias[:4] + bias[4:]])
        assert np.abs(bias).min() > 0
        np.testing.assert_allclose(array(ours(x)), array(theirs(x)), atol=1e-6)
