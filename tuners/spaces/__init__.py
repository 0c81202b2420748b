"""Search spaces, a file for each paper."""

from keras_rnncap.tuners.spaces.collins import CollinsSpace, add_capacity_hyperparameters

__all__ = ["CollinsSpace", "add_capacity_hyperparameters"]
