"""What `import keras_rnncap` offers."""

import inspect

from keras_rnncap.budget import Budget as Budget
from keras_rnncap.budget import count_parameters as count_parameters
from keras_rnncap.budget import units_for_budget as units_for_budget
from keras_rnncap.cells import *  # noqa: F403
from keras_rnncap.information import bits_per_parameter as bits_per_parameter
from keras_rnncap.information import mutual_information_bits as mutual_information_bits
from keras_rnncap.metrics import MutualInformationBits as MutualInformationBits
from keras_rnncap.models import sequence_model as sequence_model

__all__: list[str] = sorted(
    name for name, value in globals().items() if inspect.isclass(value) or inspect.isfunction(value)
)
