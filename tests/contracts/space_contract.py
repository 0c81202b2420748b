"""What every search space promises. A space joins by subclassing `SpaceContract` and naming its class."""

import keras
import numpy as np
import pytest
from keras_tuner.engine import hyperparameters as kinds
from toy_cells import DiagonalCell

from keras_rnncap import sequence_model
from keras_rnncap.cells import CELLS
from keras_rnncap.errors import InputError
from keras_rnncap.training import compile_model
from keras_rnncap.tuners.oracles.encoding import SpaceEncoding
from keras_rnncap.tuners.spaces import SPACES, edit_space

EVERY_CELL = pytest.mark.parametrize(
    "cell", [*CELLS.values(), DiagonalCell, keras.layers.GRUCell, keras.layers.SimpleRNNCell], ids=lambda c: c.__name__
)


def in_space(hyperparameters, values):
    """Whether values are those of a point: of all active hyperparameters, of no other, each in its range."""
    hyperparameters.values = dict(values)
    active = [hp for hp in hyperparameters.space if hyperparameters.is_active(hp)]
    return {hp.name for hp in active} == set(values) and all(in_range(hp, values[hp.name]) for hp in active)


def in_range(hp, value):
    if isinstance(hp, kinds.Float | kinds.Int):
        return hp.min_value * (1 - 1e-9) <= value <= hp.max_value * (1 + 1e-9) if hp.min_value > 0 else (
            hp.min_value <= value <= hp.max_value
        )  # fmt: skip
    return value in ([hp.value] if isinstance(hp, kinds.Fixed) else hp.values)


class SpaceContract:
    """Joined as `class TestMySpace(SpaceContract): space = MySpace`."""

    space = None

    def make(self, cell):
        return self.space.for_search(cell, 500, 3)

    def points(self, hyperparameters, count):
        """The values of a few random points, and of the corners."""
        encoding = SpaceEncoding(hyperparameters)
        corners = np.array([[0.0], [1.0]]) * np.ones(encoding.dimensions)
        random = np.random.default_rng(0).random((count, encoding.dimensions))
        return [encoding.values(point) for point in np.concatenate([corners, random])]

    @EVERY_CELL
    def test_default_values_and_all_that_is_proposed_are_points_of_the_space(self, cell):
        space = self.make(cell)
        defaults = space.hyperparameters()
        assert in_space(space.hyperparameters(), {
            hp.name: defaults.values[hp.name] for hp in defaults.space if defaults.is_active(hp)
        })  # fmt: skip
        for values in self.points(defaults, 20):
            assert in_space(space.hyperparameters(), values)

    @EVERY_CELL
    def test_points_build_models_that_train_a_step(self, cell):
        space = self.make(cell)
        rng = np.random.default_rng(1)
        x, y = rng.normal(size=(4, 2, 2)).astype("float32"), rng.normal(size=(4, 2)).astype("float32")
        for values in [space.hyperparameters().values, *self.points(space.hyperparameters(), 2)]:
            settings = space.settings(values, 7)
            assert settings.steps == 7
            options = {"cell_options": space.cell_options(values), "readout_options": space.readout_options(values)}
            model = sequence_model(cell, 3, min(values.get("depth", 1), 2), input_dim=2, output_dim=2, **options)
            compile_model(model, keras.losses.MeanSquaredError(), settings)
            model.run_eagerly = True
            before = model.get_weights()
            model.train_on_batch(x, y)
            assert any((old != new).any() for old, new in zip(before, model.get_weights(), strict=True))

    def test_the_same_values_give_the_same_training_and_others_another(self):
        space = self.make(CELLS["gru"])
        settings = [space.settings(values, 7) for values in self.points(space.hyperparameters(), 2)]
        assert settings == [space.settings(values, 7) for values in self.points(space.hyperparameters(), 2)]
        assert all(one != other for place, one in enumerate(settings) for other in settings[:place])

    def test_unknown_names_are_refused(self):
        hyperparameters = self.make(CELLS["gru"]).hyperparameters()
        with pytest.raises(InputError, match="no hyperparameter 'no_such' in this space"):
            edit_space(hyperparameters, {"no_such": 1})
        with pytest.raises(InputError, match="unknown cell 'no such'"):
            self.make("no such")

    def test_it_is_found_by_its_name(self):
        assert SPACES[self.space.name] is self.space
