"""Recurrent cells for Keras, and what they can hold."""

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_rnncap.version import __version__

# In a checkout datasets, tuners, zoo and saved_models stand beside this folder, and only an installation puts them into
# it (setup.cfg). Python started in a checkout imports this folder, installed or not: let it find them as well.
if (Path(__file__).parents[1] / "setup.cfg").is_file():
    __path__.append(str(Path(__file__).parents[1]))

# Importing Keras takes seconds. The command line, which imports this package before its own first line runs, does that
# where it needs it; everybody else gets the cells registered with Keras here, so that saved models load.
if TYPE_CHECKING or Path(sys.argv[0] if sys.argv else "").stem != "rnncap":
    from keras_rnncap import api
    from keras_rnncap.api import *  # noqa: F403

    __all__ = [*api.__all__, "__version__"]
else:
    FUNCTIONS = (
        "bits_per_parameter",
        "count_parameters",
        "mutual_information_bits",
        "sequence_model",
        "units_for_budget",
    )

    def __getattr__(name: str) -> Any:
        if not name.startswith("_") and (name[0].isupper() or name in FUNCTIONS):
            return getattr(importlib.import_module("keras_rnncap.api"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
