from typing import ClassVar

import numpy as np
from cells.reference import sigmoid
from contracts.cell_contract import CellContract

from keras_rnncap import (
    ForgetBiasLSTMCell,
    NoForgetGateLSTMCell,
    NoInputGateLSTMCell,
    NoOutputGateLSTMCell,
    TanhLSTMCell,
)


class TestTanhLSTM(CellContract):
    cell = TanhLSTMCell
    gates = ("j", "f", "i", "o")  # the paper's j is the gate, its i what is let in
    blocks = ("input", "forget", "candidate", "output")
    states = learned = ("h", "c")
    activations = ("tanh",)

    def equation(self, a, s, x, h, c):
        i = s(a("i", h, x))  # Jozefowicz et al. (2015), section 2
        j = sigmoid(a("j", h, x))
        f = sigmoid(a("f", h, x) + 0.7)
        o = np.tanh(a("o", h, x))
        c = c * f + i * j
        return (np.tanh(c) * o, c)


class TestForgetBiasLSTM(TestTanhLSTM, CellContract):
    cell = ForgetBiasLSTMCell

    def test_its_forget_bias_is_one_and_that_of_the_others_zero(self):
        biases = [cell(4).forget_bias for cell in (ForgetBiasLSTMCell, TanhLSTMCell, NoInputGateLSTMCell)]
        assert biases == [1.0, 0.0, 0.0]


class TestNoInputGateLSTM(CellContract):
    cell = NoInputGateLSTMCell
    gates = ("f", "i", "o")
    blocks = ("forget", "candidate", "output")
    states = learned = ("h", "c")
    activations = ("tanh",)

    def equation(self, a, s, x, h, c):
        c = c * sigmoid(a("f", h, x) + 0.7) + s(a("i", h, x))
        return (np.tanh(c) * np.tanh(a("o", h, x)), c)


class TestNoOutputGateLSTM(CellContract):
    cell = NoOutputGateLSTMCell
    gates = ("j", "f", "i")
    blocks = ("input", "forget", "candidate")
    states = learned = ("h", "c")
    activations = ("tanh",)

    def equation(self, a, s, x, h, c):
        c = c * sigmoid(a("f", h, x) + 0.7) + s(a("i", h, x)) * sigmoid(a("j", h, x))
        return (np.tanh(c), c)


class TestNoForgetGateLSTM(CellContract):
    cell = NoForgetGateLSTMCell
    gates = ("j", "i", "o")
    blocks = ("input", "candidate", "output")
    states = learned = ("h", "c")
    activations = ("tanh",)
    constants: ClassVar[dict] = {}

    def equation(self, a, s, x, h, c):
        c = c + s(a("i", h, x)) * sigmoid(a("j", h, x))
        return (np.tanh(c) * np.tanh(a("o", h, x)), c)
