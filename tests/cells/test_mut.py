from typing import ClassVar

import keras
import numpy as np
import pytest
from cells.reference import array, sigmoid
from contracts.cell_contract import UNITS, CellContract

from keras_rnncap import GRUCell, MUT1Cell, MUT2Cell, MUT3Cell

PROJECTION = {
    "input_projection": True,
    "projection_initializer": keras.initializers.Constant(0.5),
    "projection_regularizer": keras.regularizers.L2(0.04),
    "projection_constraint": keras.constraints.MaxNorm(4.0),
}


class TestMUT1(CellContract):
    cell = MUT1Cell
    gates = ("z", "r", "h")
    blocks = ("update", "reset", "candidate")
    kernel_gates = ("z", "r")
    recurrent_gates = ("r", "h")
    activations = ("tanh",)
    constants: ClassVar[dict] = {}
    more_arguments: ClassVar[dict] = PROJECTION
    projects = True

    def equation(self, a, s, x, h):
        z = sigmoid(a.x["z"] @ x + a.b["z"])  # Jozefowicz et al. (2015), section 4
        r = sigmoid(a.x["r"] @ x + a.h["r"] @ h + a.b["r"])
        return (s(a.h["h"] @ (r * h) + np.tanh(x) + a.b["h"]) * z + h * (1 - z),)


class TestMUT2(CellContract):
    cell = MUT2Cell
    gates = ("z", "h", "r")
    blocks = ("update", "candidate", "reset")
    kernel_gates = ("z", "h")
    activations = ("tanh",)
    constants: ClassVar[dict] = {}
    more_arguments: ClassVar[dict] = PROJECTION
    projects = True

    def equation(self, a, s, x, h):
        z = sigmoid(a.x["z"] @ x + a.h["z"] @ h + a.b["z"])  # Jozefowicz et al. (2015), section 4
        r = sigmoid(x + a.h["r"] @ h + a.b["r"])
        return (s(a.h["h"] @ (r * h) + a.x["h"] @ x + a.b["h"]) * z + h * (1 - z),)


class TestMUT3(CellContract):
    cell = MUT3Cell
    gates = ("z", "r", "h")
    blocks = ("update", "reset", "candidate")
    activations = ("tanh",)
    constants: ClassVar[dict] = {}

    def equation(self, a, s, x, h):
        z = sigmoid(a.x["z"] @ x + a.h["z"] @ np.tanh(h) + a.b["z"])  # Jozefowicz et al. (2015), section 4
        r = sigmoid(a.x["r"] @ x + a.h["r"] @ h + a.b["r"])
        return (s(a.h["h"] @ (r * h) + a.x["h"] @ x + a.b["h"]) * z + h * (1 - z),)


@pytest.mark.parametrize("cell", [MUT1Cell, MUT2Cell])
def test_inputs_as_wide_as_the_cell_need_no_projection(cell):
    made = cell(UNITS)
    made.build((None, UNITS))
    assert made.projection is None
    with pytest.raises(ValueError, match=f"units = {UNITS}"):
        cell(UNITS, input_projection=False).build((None, UNITS + 1))


def test_mut2_is_not_the_gru():
    """No gate of the GRU sees its input without a matrix: the same matrices, with a W^rx of 0 or 1, tell them apart."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 5, UNITS)).astype("float32")
    mut2 = MUT2Cell(UNITS, learned_initial_state=False)
    layer = keras.layers.RNN(mut2)
    layer(x)
    matrices = {
        name: [rng.normal(size=(UNITS, UNITS)) for _ in range(count)]
        for name, count in (("kernel", 2), ("recurrent_kernel", 3))
    }
    for name, parts in matrices.items():
        getattr(mut2, name).assign(np.hstack(parts))
    zx, cx = matrices["kernel"]
    zh, ch, rh = matrices["recurrent_kernel"]

    def gru(wrx, sign):
        """A GRU whose u is 1 - z with sign -1, so that it is MUT2 but for its reset gate, and z with sign 1."""
        cell = GRUCell(UNITS, forget_bias=0, learned_initial_state=False)
        other = keras.layers.RNN(cell)
        other(x)
        cell.kernel.assign(np.hstack([sign * zx, wrx, cx]))
        cell.recurrent_kernel.assign(np.hstack([sign * zh, rh, ch]))
        return array(other(x))

    outputs = array(layer(x))
    np.testing.assert_allclose(outputs, gru(np.eye(UNITS), -1), atol=1e-5)  # the input itself is a W^rx of 1
    assert np.abs(outputs - gru(np.zeros((UNITS, UNITS)), -1)).max() > 0.05
    assert np.abs(outputs - gru(np.eye(UNITS), 1)).max() > 0.05
