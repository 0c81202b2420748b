from typing import ClassVar

import numpy as np
from cells.reference import array, sigmoid
from contracts.cell_contract import UNITS
from contracts.declared_contract import DeclaredCellContract

from keras_rnncap import GatedDeltaNetCell

KEYS = 3


class TestGatedDeltaNet(DeclaredCellContract):
    cell = GatedDeltaNetCell
    states = ("y", "memory")
    learned = ("memory",)
    sizes: ClassVar[dict] = {"memory": KEYS * UNITS}
    activations = ("linear",)
    constants: ClassVar[dict] = {"keys": KEYS}
    shapes: ClassVar[dict] = {
        "key_kernel": ("input", 2 * KEYS),
        "value_kernel": ("input", UNITS),
        "gate_kernel": ("input", 2),
        "log_decay": (),
        "decay_bias": (),
    }
    inputs_of = ("key_kernel", "value_kernel", "gate_kernel")
    options: ClassVar[dict] = {name: "kernel" for name in inputs_of}

    def equation(self, a, s, x, _y, memory):
        S = memory.reshape(KEYS, UNITS, -1)  # Yang et al. (2024), eq. 10
        k, q = (part / np.sqrt((part**2).sum(axis=0) + 1e-6) for part in np.split(a.times("key_kernel", x), 2))
        decay, step = a.times("gate_kernel", x)
        S = np.exp(-np.exp(a["log_decay"]) * np.log1p(np.exp(decay + a["decay_bias"]))) * S
        error = a.times("value_kernel", x) - (S * k[:, None]).sum(axis=0)
        S = S + k[:, None] * (sigmoid(step) * error)[None]
        return (s((S * q[:, None]).sum(axis=0)), S.reshape(KEYS * UNITS, -1))


def test_a_whole_step_stores_a_value_under_its_key():
    cell = GatedDeltaNetCell(3, keys=2)
    cell.build((None, 2))
    cell.key_kernel.assign(np.hstack([np.eye(2), np.eye(2)]))
    cell.value_kernel.assign([[1, 2, 3], [4, 5, 6]])
    cell.gate_kernel.assign([[-90, 90], [-90, 90]])  # nothing fades, and the step is 1
    x = np.array([[1, 0]], "float32")
    states = [np.ones((1, 3), "float32"), np.full((1, 6), 7, "float32")]
    output, (_, memory) = cell(x, states)
    np.testing.assert_allclose(output, [[1, 2, 3]], atol=1e-4)
    np.testing.assert_allclose(array(memory).reshape(2, 3), [[1, 2, 3], [7, 7, 7]], atol=1e-4)
