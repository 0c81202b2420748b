from typing import ClassVar

from cells.reference import sigmoid
from contracts.cell_contract import UNITS
from contracts.declared_contract import DeclaredCellContract

from keras_rnncap import FastGRNNCell


class TestFastGRNN(DeclaredCellContract):
    cell = FastGRNNCell
    shapes: ClassVar[dict] = {
        "kernel": ("input", UNITS),
        "recurrent_kernel": (UNITS, UNITS),
        "bias": (2 * UNITS,),
        "zeta": (),
        "nu": (),
    }
    inputs_of = ("kernel",)
    biases = ("bias",)
    blocks_of_matrix: ClassVar[dict] = {
        "kernel": ("gate",),
        "recurrent_kernel": ("gate",),
        "bias": ("gate", "candidate"),
    }
    options: ClassVar[dict] = {"kernel": "kernel", "recurrent_kernel": "recurrent_kernel", "bias": "bias"}
    not_drawn = ("zeta", "nu", "bias")

    def equation(self, a, s, x, h):
        both = a.times("recurrent_kernel", h) + a.times("kernel", x)  # Kusupati et al. (2018), section 3.2
        of_gate, of_candidate = a.bias("bias")[:UNITS], a.bias("bias")[UNITS:]
        z = sigmoid(both + of_gate)
        zeta, nu = sigmoid(a["zeta"]), sigmoid(a["nu"])
        return ((zeta * (1 - z) + nu) * s(both + of_candidate) + z * h,)

    def test_its_numbers_start_as_in_the_paper(self):
        cell = FastGRNNCell(2)
        cell.build((None, 3))
        assert (float(cell.zeta), float(cell.nu)) == (1.0, -4.0)
