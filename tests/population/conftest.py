import functools

import keras
import pytest

from keras_rnncap.population import Population


@pytest.fixture(autouse=keras.backend.backend() == "tensorflow")
def only_where_marked_with_xla(request, monkeypatch):
    """XLA takes twice as long to compile as all else here; tests marked `xla` have it, as users do."""
    if request.node.get_closest_marker("xla") is None:
        without = functools.partialmethod(Population.compile_population, jit=False)
        monkeypatch.setattr(Population, "compile_population", without)
