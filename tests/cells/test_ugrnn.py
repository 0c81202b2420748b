from cells.reference import sigmoid
from contracts.cell_contract import CellContract

from keras_rnncap import UGRNNCell


class TestUGRNN(CellContract):
    cell = UGRNNCell
    gates = ("c", "g")
    blocks = ("candidate", "gate")

    def equation(self, a, s, x, h):
        c = s(a("c", h, x))  # Collins et al. (2017), eq. 2-4
        g = sigmoid(a("g", h, x) + 0.7)
        return (g * h + (1 - g) * c,)
