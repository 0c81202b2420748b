from typing import ClassVar

from cells.reference import sigmoid
from contracts.cell_contract import CellContract

from keras_rnncap import MinGRUCell, MinLSTMCell


class TestMinGRU(CellContract):
    cell = MinGRUCell
    gates = ("z", "c")
    blocks = ("gate", "candidate")
    recurrent_gates = ()
    activations = ("linear",)
    constants: ClassVar[dict] = {}

    def equation(self, a, s, x, h):
        z = sigmoid(a.x["z"] @ x + a.b["z"])  # Feng et al. (2024), section 3.1
        return ((1 - z) * h + z * s(a.x["c"] @ x + a.b["c"]),)


class TestMinLSTM(CellContract):
    cell = MinLSTMCell
    gates = ("f", "i", "c")
    blocks = ("forget", "input", "candidate")
    recurrent_gates = ()
    activations = ("linear",)
    constants: ClassVar[dict] = {}

    def equation(self, a, s, x, h):
        f = sigmoid(a.x["f"] @ x + a.b["f"])  # Feng et al. (2024), section 3.2
        i = sigmoid(a.x["i"] @ x + a.b["i"])
        return ((f * h + i * s(a.x["c"] @ x + a.b["c"])) / (f + i),)
