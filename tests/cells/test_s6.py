from typing import ClassVar

import numpy as np
from cells.reference import array
from cells.test_mut import PROJECTION
from contracts.cell_contract import UNITS
from contracts.declared_contract import DeclaredCellContract

from keras_rnncap import S6Cell

COLUMNS = 3


class TestS6(DeclaredCellContract):
    cell = S6Cell
    states = ("y", "memory")
    learned = ("memory",)
    sizes: ClassVar[dict] = {"memory": UNITS * COLUMNS}
    activations = ("linear",)
    constants: ClassVar[dict] = {"columns": COLUMNS}
    more_arguments: ClassVar[dict] = PROJECTION
    projects = True
    size = 0.15  # outputs are cubic in it
    shapes: ClassVar[dict] = {
        "selection": (UNITS, 2 * COLUMNS),
        "step_kernel": (UNITS, 1),
        "step_bias": (UNITS,),
        "log_decay": (UNITS, COLUMNS),
        "skip": (UNITS,),
    }
    inputs_of = ("selection", "step_kernel")
    options: ClassVar[dict] = {"selection": "kernel", "step_kernel": "kernel"}
    not_drawn = ("log_decay", "skip")

    def equation(self, a, s, x, _y, memory):
        H = memory.reshape(UNITS, COLUMNS, -1)  # Gu, Dao (2023), algorithm 2
        B, C = np.split(a.times("selection", x), 2)
        step = np.log1p(np.exp(a.times("step_kernel", x) + a.bias("step_bias")))
        A = -np.exp(a["log_decay"])[..., None]
        H = np.exp(step[:, None] * A) * H + (step * x)[:, None] * B[None]
        y = s((H * C[None]).sum(axis=1) + a.bias("skip") * x)
        return (y, H.reshape(UNITS * COLUMNS, -1))

    def test_it_starts_with_steps_of_all_sizes_and_decays_of_s4d(self):
        cell = S6Cell(3000, columns=2)
        cell.build((None, 3000))
        steps = np.log1p(np.exp(array(cell.step_bias).astype("float64")))
        assert 0.001 <= steps.min() * 1.001 < 0.0011 < 0.09 < steps.max() < 0.1001
        assert abs(np.median(np.log10(steps)) + 2) < 0.05
        np.testing.assert_allclose(np.exp(array(cell.log_decay))[:2], [[1, 2], [1, 2]], rtol=1e-6)
        assert (array(cell.skip) == 1).all()
