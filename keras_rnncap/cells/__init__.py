"""Recurrent cells, in the order in which tables list them; a new cell is a file and a line here."""

import inspect

from keras_rnncap.by_name import by_name as _by_name
from keras_rnncap.cells.algebra import CellWeights as CellWeights, State as State, Weight as Weight
from keras_rnncap.cells.base import RecurrentCell as RecurrentCell
from keras_rnncap.cells.families import GatedCell as GatedCell, ProjectingCell as ProjectingCell
from keras_rnncap.cells.lookup import CELLS as CELLS, CellFactory as CellFactory, cell_class as cell_class
from keras_rnncap.cells.lookup import (
    cell_name as cell_name,
    constructor_options as constructor_options,
    get_cell as get_cell,
)
from keras_rnncap.cells.lookup import is_graph as is_graph, make_cell as make_cell, one_name as one_name
from keras_rnncap.cells.lookup import same_cell as same_cell, starts_of as starts_of
from keras_rnncap.cells.lookup import searched_numbers as searched_numbers
from keras_rnncap.cells.parallel import ParallelRNN as ParallelRNN
from keras_rnncap.cells.rnn import RNNCell as RNNCell, IRNNCell as IRNNCell
from keras_rnncap.cells.gru import UGRNNCell as UGRNNCell
from keras_rnncap.cells.gru import GRUCell as GRUCell
from keras_rnncap.cells.lstm import LSTMCell as LSTMCell
from keras_rnncap.cells.intersection import IntersectionRNNCell as IntersectionRNNCell
from keras_rnncap.cells.mut import MUT1Cell as MUT1Cell, MUT2Cell as MUT2Cell, MUT3Cell as MUT3Cell
from keras_rnncap.cells.lstm import TanhLSTMCell as TanhLSTMCell, ForgetBiasLSTMCell as ForgetBiasLSTMCell
from keras_rnncap.cells.lstm import NoInputGateLSTMCell as NoInputGateLSTMCell
from keras_rnncap.cells.lstm import NoOutputGateLSTMCell as NoOutputGateLSTMCell
from keras_rnncap.cells.lstm import NoForgetGateLSTMCell as NoForgetGateLSTMCell
from keras_rnncap.cells.gru import ResetAfterGRUCell as ResetAfterGRUCell
from keras_rnncap.cells.rnn import TwoBiasRNNCell as TwoBiasRNNCell
from keras_rnncap.cells.mgu import MGUCell as MGUCell
from keras_rnncap.cells.janet import JANETCell as JANETCell
from keras_rnncap.cells.fastgrnn import FastGRNNCell as FastGRNNCell
from keras_rnncap.cells.indrnn import IndRNNCell as IndRNNCell
from keras_rnncap.cells.lem import LEMCell as LEMCell
from keras_rnncap.cells.minimal import MinGRUCell as MinGRUCell, MinLSTMCell as MinLSTMCell
from keras_rnncap.cells.lru import LRUCell as LRUCell, RGLRUCell as RGLRUCell
from keras_rnncap.cells.s6 import S6Cell as S6Cell
from keras_rnncap.cells.xlstm import SLSTMCell as SLSTMCell, MLSTMCell as MLSTMCell
from keras_rnncap.cells.deltanet import GatedDeltaNetCell as GatedDeltaNetCell
from keras_rnncap.cells.graph import GraphCell as GraphCell

CELLS |= _by_name(globals(), RecurrentCell, "known_as")

__all__ = [name for name, value in globals().items() if name[0] != "_" and not inspect.ismodule(value)]
