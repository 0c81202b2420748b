import keras
import pytest
from cells.reference import assert_trains_like, sigmoid
from contracts.cell_contract import CellContract

from keras_rnncap import GRUCell


class TestGRU(CellContract):
    cell = GRUCell
    gates = ("u", "r", "c")
    blocks = ("update", "reset", "candidate")

    def equation(self, a, s, x, h):
        r = sigmoid(a("r", h, x))  # Collins et al. (2017), eq. 5-8
        u = sigmoid(a("u", h, x) + 0.7)
        c = s(a("c", r * h, x))
        return (u * h + (1 - u) * c,)

    @pytest.mark.parametrize("activation", ["tanh", "relu"])
    def test_without_forget_bias_it_is_the_gru_of_keras(self, activation):
        ours = keras.layers.RNN(GRUCell(4, activation=activation, forget_bias=0), return_sequences=True)
        theirs = keras.layers.GRU(4, activation=activation, reset_after=False, return_sequences=True)
        assert_trains_like(ours, theirs)
