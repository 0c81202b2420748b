"""How many populations train at the same time: one for each core, one on a GPU or TPU."""

import sys
import types

import keras
import pytest
import tensorflow as tf

from keras_rnncap.cells import RNNCell
from keras_rnncap.datasets import PerceptronSearch
from keras_rnncap.population.devices import cores, populations_at_once
from keras_rnncap.tuners import GPBanditOracle, Job, PopulationTuner


@pytest.fixture
def two_cores(monkeypatch):
    monkeypatch.setattr("keras_rnncap.population.devices.cores", lambda: 2)


def jax_on(device):
    return types.SimpleNamespace(default_backend=lambda: device)


@pytest.mark.parametrize(("devices", "at_once"), [({}, 2), ({"GPU": ["a GPU"]}, 1), ({"TPU": ["a TPU"]}, 1)], ids=str)
def test_tensorflow_says_what_there_is(monkeypatch, two_cores, devices, at_once):
    monkeypatch.setattr(keras.backend, "backend", lambda: "tensorflow")
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: devices.get(kind, []))
    assert populations_at_once() == at_once


@pytest.mark.parametrize(("device", "at_once"), [("cpu", 2), ("gpu", 1), ("tpu", 1)])
def test_jax_says_what_there_is_and_tensorflow_is_not_imported(monkeypatch, two_cores, device, at_once):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    monkeypatch.setitem(sys.modules, "jax", jax_on(device))
    monkeypatch.setitem(sys.modules, "tensorflow", None)  # importing it would fail
    assert populations_at_once() == at_once


def test_another_backend_takes_the_cores(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    assert populations_at_once() == cores()


def test_on_a_gpu_a_search_takes_one_population(monkeypatch, two_cores, tmp_path):
    sizes, real = [], Job.population

    def population(job, values, members, kind):
        sizes.append(len(members))
        return real(job, values, members, kind)

    monkeypatch.setattr(Job, "population", population)
    search = PerceptronSearch(60, input_dim=10, length=2)
    job = Job(search, RNNCell, params=60, depth=1, steps=2, batch_size=8, seed=0)
    for number, devices in enumerate([[], ["a GPU"]]):
        monkeypatch.setattr(tf.config, "list_physical_devices", lambda *_, devices=devices: devices)
        oracle = GPBanditOracle(job.kt_objective, max_trials=4, hyperparameters=job.hyperparameters, seed=0)
        PopulationTuner(oracle, job, slots=4, directory=tmp_path / str(number)).search()
    assert sizes == [2, 2, 4]
