from typing import ClassVar

from cells.reference import sigmoid
from contracts.cell_contract import CellContract

from keras_rnncap import MGUCell


class TestMGU(CellContract):
    cell = MGUCell
    gates = ("f", "c")
    blocks = ("forget", "candidate")
    constants: ClassVar[dict] = {}

    def equation(self, a, s, x, h):
        f = sigmoid(a("f", h, x))  # Zhou et al. (2016)
        return ((1 - f) * h + f * s(a("c", f * h, x)),)
