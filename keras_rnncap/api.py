"""What `import keras_rnncap` offers."""

from keras_rnncap.budget import Budget, count_parameters, units_for_budget
from keras_rnncap.cells import (
    ForgetBiasLSTMCell,
    GatedCell,
    GRUCell,
    IntersectionRNNCell,
    IRNNCell,
    LSTMCell,
    MUT1Cell,
    MUT2Cell,
    MUT3Cell,
    NoForgetGateLSTMCell,
    NoInputGateLSTMCell,
    NoOutputGateLSTMCell,
    ProjectingCell,
    RecurrentCell,
    ResetAfterGRUCell,
    RNNCell,
    TanhLSTMCell,
    UGRNNCell,
)
from keras_rnncap.information import bits_per_parameter, mutual_information_bits
from keras_rnncap.models import sequence_model

__all__ = [
    "Budget",
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
    "TanhLSTMCell",
    "UGRNNCell",
    "bits_per_parameter",
    "count_parameters",
    "mutual_information_bits",
    "sequence_model",
    "units_for_budget",
]
