from typing import ClassVar

import pytest
from cells.reference import sigmoid
from contracts.cell_contract import CellContract

from keras_rnncap import LEMCell


class TestLEM(CellContract):
    cell = LEMCell
    gates = ("d", "e", "z", "y")
    blocks = ("memory_step", "hidden_step", "memory", "hidden")
    states = ("y", "z")
    learned = ("y", "z")
    activations = ("tanh",)
    constants: ClassVar[dict] = {"dt": 0.6}

    def equation(self, a, s, x, y, z):
        d = 0.6 * sigmoid(a("d", y, x))  # Rusch et al. (2021), eq. 3
        e = 0.6 * sigmoid(a("e", y, x))
        z = (1 - d) * z + d * s(a("z", y, x))
        return ((1 - e) * y + e * s(a("y", z, x)), z)

    @pytest.mark.parametrize("dt", [0.0, 1.5])
    def test_a_time_step_is_between_0_and_1(self, dt):
        with pytest.raises(ValueError, match="dt must be"):
            LEMCell(3, dt=dt)
