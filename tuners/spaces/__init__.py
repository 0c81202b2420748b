"""Search spaces, a file for each paper, and how to change them."""

from keras_rnncap.tuners.spaces.collins import CollinsSpace
from keras_rnncap.tuners.spaces.edit import as_today, edit_space, in_words, parse_changes
from keras_rnncap.tuners.spaces.jozefowicz import JozefowiczSpace

__all__ = [
    "CollinsSpace",
    "JozefowiczSpace",
    "as_today",
    "edit_space",
    "in_words",
    "parse_changes",
]
