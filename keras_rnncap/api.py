"""What `import keras_rnncap` offers."""

from keras_rnncap.budget import Budget, count_parameters, units_for_budget
from keras_rnncap.cells import (
    GatedCell,
    GRUCell,
    IntersectionRNNCell,
    IRNNCell,
    LSTMCell,
    ProjectingCell,
    RecurrentCell,
    RNNCell,
    UGRNNCell,
)
from keras_rnncap.information import bits_per_parameter, mutual_information_bits
from keras_rnncap.models import sequence_model

__all__ = [
    "Budget",
    "GRUCell",
    "GatedCell",
    "IRNNCell",
    "IntersectionRNNCell",
    "LSTMCell",
    "ProjectingCell",
    "RNNCell",
    "RecurrentCell",
    "UGRNNCell",
    "bits_per_parameter",
    "count_parameters",
    "mutual_information_bits",
    "sequence_model",
    "units_for_budget",
]
