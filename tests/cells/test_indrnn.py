from typing import ClassVar

from cells.reference import array
from contracts.cell_contract import UNITS
from contracts.declared_contract import DeclaredCellContract

from keras_rnncap import IndRNNCell


class TestIndRNN(DeclaredCellContract):
    cell = IndRNNCell
    activations = ("relu", "tanh")
    shapes: ClassVar[dict] = {"kernel": ("input", UNITS), "bias": (UNITS,), "recurrent_vector": (UNITS,)}
    inputs_of = ("kernel",)
    biases = ("bias",)
    blocks_of_matrix: ClassVar[dict] = {"kernel": ("hidden",), "bias": ("hidden",)}
    options: ClassVar[dict] = {"kernel": "kernel", "bias": "bias", "recurrent_vector": "recurrent_kernel"}
    not_drawn = ("bias",)

    def equation(self, a, s, x, h):
        return (s(a.times("kernel", x) + a.bias("recurrent_vector") * h + a.bias("bias")),)  # Li et al. (2018), eq. 2

    def test_no_unit_starts_to_grow(self):
        cell = IndRNNCell(500)
        cell.build((None, 3))
        vector = array(cell.recurrent_vector)
        assert 0 <= vector.min() < 0.02 < 0.98 < vector.max() <= 1
