from typing import ClassVar

import numpy as np
import pytest
from cells.reference import array, sigmoid
from contracts.cell_contract import CellContract

from keras_rnncap import JANETCell
from keras_rnncap.tuners.spaces import CollinsSpace


class TestJANET(CellContract):
    cell = JANETCell
    gates = ("s", "c")
    blocks = ("forget", "candidate")
    constants: ClassVar[dict] = {"beta": 0.6}
    more_arguments: ClassVar[dict] = {"longest": 20}

    def equation(self, a, s, x, h):
        f = a("s", h, x)  # van der Westhuizen, Lasenby (2018)
        return (sigmoid(f) * h + (1 - sigmoid(f - 0.6)) * s(a("c", h, x)),)

    def test_its_gates_start_with_memories_of_all_lengths_up_to_the_longest(self):
        cell = JANETCell(1000, longest=50, seed=1)
        cell.build((None, 2))
        forget, candidate = np.split(array(cell.bias), 2)
        assert not candidate.any()
        steps = np.exp(forget)
        assert 1 <= steps.min() < 2
        assert 48 < steps.max() <= 49
        assert abs(steps.mean() - 25) < 1.5
        assert "bias_initializer" not in CollinsSpace("janet").cell_options({})

    def test_the_longest_memory_has_room_for_a_gate(self):
        with pytest.raises(ValueError, match="longest must be an integer of at least 3"):
            JANETCell(3, longest=2)
