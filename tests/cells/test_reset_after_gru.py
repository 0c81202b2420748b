import keras
import numpy as np
import pytest
from cells.reference import array, sigmoid
from contracts.cell_contract import CellContract

from keras_rnncap import ResetAfterGRUCell


class TestResetAfterGRU(CellContract):
    cell = ResetAfterGRUCell
    gates = ("z", "r", "n", "hz", "hr", "hn")
    blocks = ("update", "reset", "candidate", "update_recurrent", "reset_recurrent", "candidate_recurrent")
    kernel_gates = recurrent_gates = ("z", "r", "n")

    def equation(self, a, s, x, h):
        r = sigmoid(a("r", h, x) + a.b["hr"])  # Mehta, eq. 3-6
        z = sigmoid(a("z", h, x) + a.b["hz"] + 0.7)
        n = s(a.x["n"] @ x + a.b["n"] + r * (a.h["n"] @ h + a.b["hn"]))
        return ((1 - z) * n + z * h,)

    @pytest.mark.parametrize("activation", ["tanh", "relu"])
    def test_without_forget_bias_it_is_the_gru_of_keras(self, activation):
        rng = np.random.default_rng(0)
        x = rng.normal(size=(5, 6, 3)).astype("float32")
        ours = keras.layers.RNN(ResetAfterGRUCell(4, activation=activation), return_sequences=True)
        theirs = keras.layers.GRU(4, activation=activation, return_sequences=True)
        for layer in (ours, theirs):
            layer(x)
            draw = np.random.default_rng(1)
            for weight in (layer.cell.kernel, layer.cell.recurrent_kernel, layer.cell.bias):
                weight.assign(0.7 * draw.normal(size=int(np.prod(weight.shape))).reshape(weight.shape))
        np.testing.assert_allclose(array(ours(x)), array(theirs(x)), atol=1e-5)
