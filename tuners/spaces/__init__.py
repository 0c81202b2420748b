"""Search spaces, a file for each paper, and how to change them."""

from keras_rnncap.tuners.spaces.collins import CollinsSpace, add_capacity_hyperparameters
from keras_rnncap.tuners.spaces.edit import edit_space, parse_changes
from keras_rnncap.tuners.spaces.jozefowicz import JozefowiczSpace

__all__ = [
    "CollinsSpace",
    "JozefowiczSpace",
    "add_capacity_hyperparameters",
    "edit_space",
    "parse_changes",
]
