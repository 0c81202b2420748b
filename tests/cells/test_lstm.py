import keras
import numpy as np
from cells.reference import assert_trains_like, sigmoid
from contracts.cell_contract import CellContract

from keras_rnncap import LSTMCell


class TestLSTM(CellContract):
    cell = LSTMCell
    gates = ("i", "f", "c", "o")
    blocks = ("input", "forget", "candidate", "output")
    states = learned = ("h", "c")

    def equation(self, a, s, x, h, c):
        i = sigmoid(a("i", h, x))  # Collins et al. (2017), eq. 9-14
        f = sigmoid(a("f", h, x) + 0.7)
        c_in = s(a("c", h, x))
        c = f * c + i * c_in
        o = sigmoid(a("o", h, x))
        return (o * np.tanh(c), c)

    def test_without_forget_bias_it_is_the_lstm_of_keras(self):
        ours = keras.layers.RNN(LSTMCell(4, forget_bias=0), return_sequences=True)
        assert_trains_like(ours, keras.layers.LSTM(4, return_sequences=True))
