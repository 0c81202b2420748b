"""What every job promises: what a sweep trains. One joins by subclassing `JobContract` and naming its class."""

import math

import numpy as np
import pytest

from keras_rnncap.cells import get_cell
from keras_rnncap.datasets import BITS, make_task
from keras_rnncap.errors import InputError

SIZES = {"params": 300, "depth": 1, "steps": 4, "batch_size": 8, "seed": 0}


class JobContract:
    """Joined as `class TestMyJob(JobContract): job = MyJob`, for tasks of each kind."""

    job = None
    task = "memory:input_dim=3,length=2"
    cell = "gru"

    def make(self, **options):
        task = make_task(self.task).for_budget(SIZES["params"], SIZES["seed"])
        return self.job(task, get_cell(self.cell), **SIZES, **options)

    def trained(self, job, *changes):
        """Values of some trials, and what is measured of them after all steps."""
        values = [job.hyperparameters.values | change for change in changes]
        population = job.population(values[0], [job.member(one, seed) for seed, one in enumerate(values)])
        losses = job.advance(population, SIZES["steps"])
        assert np.shape(job.progress(population, losses)) == (len(values),)
        return job.measure(population, range(len(values)), values, losses)

    def test_default_values_make_a_member_of_the_budget(self):
        job = self.make()
        job.check()
        values = job.hyperparameters.values
        model = job.builder(values)(job.member(values, 3))
        assert sum(math.prod(weight.shape) for weight in model.trainable_weights) == job.budget(values).parameters
        assert job.budget(values).parameters <= SIZES["params"]
        assert job.member(values, 3).settings.steps == SIZES["steps"]
        assert hash(job.shape(values)) == hash(job.shape(values | {"learning_rate": 0.02}))

    def test_the_same_values_and_seed_make_the_same_member(self):
        job = self.make()
        values = job.hyperparameters.values | {"bias_kind": "normal", "bias_scale": 1.0}
        one, same, other = (
            np.concatenate([weight.ravel() for weight in job.builder(values)(job.member(values, seed)).get_weights()])
            for seed in (3, 3, 4)
        )
        np.testing.assert_array_equal(one, same)
        assert (one != other).any()

    def test_what_is_measured_has_the_same_columns_for_all_and_does_not_depend_on_company(self):
        job = self.make(objective=BITS)
        assert job.direction == job.task.objectives[BITS] == "max"
        measured = self.trained(job, {}, {"learning_rate": 0.001})
        assert set(measured[0]) == set(measured[1]) >= {job.task.score_name, BITS, "bits_per_parameter", "loss"}
        assert all(math.isfinite(value) for one in measured for value in one.values())
        assert measured[0] != measured[1]
        (alone,) = self.trained(job, {})
        assert alone == pytest.approx(measured[0], rel=1e-4, abs=1e-5)
        facts = job.facts(job.member(job.hyperparameters.values, 0))
        assert not set(facts) & set(alone)
        assert ("patterns" in facts) == (job.task.patterns > 0)

    def test_what_diverged_is_infeasible_and_its_neighbour_is_not(self):
        wild = {"optimizer": "sgd", "learning_rate": 1e30, "clip_norm": 1e30, "loss_saturation": 0.0}
        bad, good = self.trained(self.make(), wild, {})
        assert bad is None
        assert good is not None

    def test_other_objectives_and_hyperparameters_are_refused(self):
        with pytest.raises(InputError, match="unknown objective 'beauty'"):
            self.make(objective="beauty")
        with pytest.raises(InputError, match="no hyperparameter 'beauty' in this space"):
            self.make(changes={"beauty": 1})
