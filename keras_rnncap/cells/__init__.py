"""Recurrent cells for `keras.layers.RNN`, and how to find one by name."""

from keras_rnncap.cells.algebra import CellWeights
from keras_rnncap.cells.base import GatedCell, ProjectingCell, RecurrentCell
from keras_rnncap.cells.gru import GRUCell
from keras_rnncap.cells.intersection import IntersectionRNNCell
from keras_rnncap.cells.irnn import IRNNCell
from keras_rnncap.cells.lookup import CELLS, CellFactory, cell_name, get_cell, make_cell
from keras_rnncap.cells.lstm import LSTMCell
from keras_rnncap.cells.mut import MUT1Cell, MUT2Cell, MUT3Cell
from keras_rnncap.cells.options import constructor_options
from keras_rnncap.cells.reset_after_gru import ResetAfterGRUCell
from keras_rnncap.cells.rnn import RNNCell
from keras_rnncap.cells.tanh_lstm import (
    ForgetBiasLSTMCell,
    NoForgetGateLSTMCell,
    NoInputGateLSTMCell,
    NoOutputGateLSTMCell,
    TanhLSTMCell,
)
from keras_rnncap.cells.ugrnn import UGRNNCell

__all__ = [
    "CELLS",
    "CellFactory",
    "CellWeights",
    "ForgetBiasLSTMCell",
    "GRUCell",
    "GatedCell",
    "IRNNCell",
    "IntersectionRNNCell",
    "LSTMCell",
    "MUT1Cell",
    "MUT2Cell",
    "MUT3Cell",
    "NoForgetGateLSTMCell",
    "NoInputGateLSTMCell",
    "NoOutputGateLSTMCell",
    "ProjectingCell",
    "RNNCell",
    "RecurrentCell",
    "ResetAfterGRUCell",
    "State",
    "TanhLSTMCell",
    "UGRNNCell",
    "Weight",
    "cell_name",
    "constructor_options",
    "get_cell",
    "make_cell",
]
