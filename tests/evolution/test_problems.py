"""One architecture with many settings: what is trained, measured and kept."""

import dataclasses
import math

import numpy as np
import pytest

from keras_rnncap.cells import get_cell
from keras_rnncap.errors import InputError
from keras_rnncap.evolution import Problem, Training
from keras_rnncap.evolution.problems import BATCH, check_problem, measure
from keras_rnncap.evolution.proposals import all_settings
from keras_rnncap.evolution.worker import GraphWorker, Piece
from keras_rnncap.graphs import Graph, Node, known_graphs
from keras_rnncap.models import sequence_model
from keras_rnncap.training import compile_model

SETTING = {"init_scale": 1.0, "learning_rate": 0.5, "clip_norm": 5.0}
SMALL = {"params": 400, "epoch_steps": 3, "epochs": 2, "held_out": 1_400}


def training(problem, settings, cell="gru", **options):
    made = Training(problem, get_cell(cell), settings, range(len(settings)), **options)
    return made


@pytest.mark.parametrize("task", ["xml", "distractor-arithmetic", "memorization:symbols=2"])
def test_all_models_are_measured_as_each_is_alone(task):
    problem = Problem(task, **SMALL)
    made = training(problem, [SETTING, SETTING | {"init_scale": 2.8}])
    made.run()
    found = measure(made._population, problem.made(), "validation", 1_400)
    for index in range(2):
        alone = problem.made().measures(made._population.member(index), "validation", 1_400)
        assert found.accuracy[index] == pytest.approx(alone["accuracy"], abs=1e-9)
        if "bits_per" in problem.made().score_name:
            assert found.loss[index] / math.log(2) == pytest.approx(alone[problem.made().score_name], rel=1e-5)
    assert found.loss[0] != pytest.approx(found.loss[1], rel=1e-3)


def test_probability_is_the_mean_of_that_of_the_right_symbol():
    problem = Problem("xml", **SMALL)
    made = training(problem, [SETTING])
    found, total, count = measure(made._population, problem.made(), "validation", 700), 0.0, 0.0
    for targets, outputs, weights in problem.made().judged(made._population.member(0), "validation", 700):
        shares = np.exp(outputs) / np.exp(outputs).sum(axis=-1, keepdims=True)
        total += float((np.take_along_axis(shares, targets[..., None], -1)[..., 0] * weights).sum())
        count += weights.sum()
    assert found.probability[0] == pytest.approx(total / count, rel=1e-5)


def test_a_model_trains_as_a_stateful_keras_model_with_the_same_batches():
    problem = Problem("xml", params=400, epoch_steps=5, epochs=1, held_out=700)
    made = training(problem, [SETTING], data_seed=3)
    task, member = problem.made(), made._population.members[0]
    model = sequence_model(
        "gru", made.budget.units, input_dim=31, output_dim=31, return_sequences=True, stateful_batch=BATCH, seed=0,
        cell_options=member.cell_options, readout_options=member.readout_options,
    )  # fmt: skip
    for one, other in zip(model.trainable_weights, made._population.member(0).trainable_weights, strict=True):
        np.testing.assert_array_equal(one, other)
    compile_model(model, task.loss(), dataclasses.replace(member.settings, schedule=None))
    for _, (inputs, targets) in zip(range(5), task.batches(BATCH, 3), strict=False):
        model.train_on_batch(inputs, targets)
    made.run()
    for one, other in zip(model.trainable_weights, made._population.member(0).trainable_weights, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5)


def test_the_weights_of_the_best_epoch_are_kept():
    problem = Problem("xml", params=400, epoch_steps=5, epochs=4, held_out=700)
    made, seen = training(problem, [SETTING, SETTING | {"learning_rate": 5.0}]), []
    made.run(lambda *_: seen.append(measure(made._population, problem.made(), "validation", 700).accuracy))
    best = np.max(seen, axis=0)
    np.testing.assert_allclose(made.validation.accuracy, best)
    np.testing.assert_allclose(made.score, best)
    made._population.rows.assign(made._best)
    np.testing.assert_allclose(measure(made._population, problem.made(), "validation", 700).accuracy, best)
    alone = problem.made().measures(made.model(0), "test")["accuracy"]
    assert made.test().accuracy[0] == pytest.approx(alone, abs=1e-9)


def test_training_ends_when_it_is_enough_or_all_schedules_have_ended():
    enough = training(Problem("xml", **SMALL, enough=0.01), [SETTING])
    enough.run()
    assert enough.epochs.tolist() == [1]
    # Nothing is learned at such a rate: after the first epoch three without gain, then four more.
    still = Problem("memorization:symbols=2", params=200, epoch_steps=1, epochs=30, procedure="search")
    made = training(still, [SETTING | {"learning_rate": 0.0}])
    made.run()
    assert made.epochs.tolist() == [1 + 3 + 4]


def test_a_model_that_diverges_keeps_what_it_had():
    problem = Problem("xml", params=400, epoch_steps=20, epochs=3, held_out=700)
    grows = Graph(1, [Node("linear", (1,)), Node("add", (0, 0)), Node("multiply", (3, 3)), Node("add", (2, 4))], [5])
    settings = tuple(SETTING | {"learning_rate": rate} for rate in (0.1, 5.0))
    work = GraphWorker().begin(Piece("0 0 0", grows.to_json(), problem, settings, (0, 1), 0))
    work.run()
    found = work.result()
    assert found.diverged.any()
    assert np.isfinite(found.accuracy).all()
    assert (found.accuracy[found.diverged] <= found.accuracy.max()).all()


def test_a_worker_trains_graphs_as_anyone():
    problem = Problem("memorization:symbols=2", params=300, epoch_steps=10, epochs=2)
    work = GraphWorker().begin(Piece("0 0 0", known_graphs()["gru"].to_json(), problem, (SETTING,), (7,), 3))
    work.run()
    found = work.result()
    assert found.epochs.tolist() == [2]
    assert found.seconds > 0
    again = GraphWorker().begin(Piece("0 0 0", known_graphs()["gru"].to_json(), problem, (SETTING,), (7,), 3))
    again.run()
    assert again.result().accuracy.tolist() == found.accuracy.tolist()


def test_the_grid_is_the_papers():
    assert len(all_settings(Problem("xml", 1_000))) == 6 * 7 * 5
    assert len(all_settings(Problem("xml", 1_000, procedure="words"))) == 6 * 7 * 5 * 3 * 3 * 4


def test_what_cannot_be_trained_is_said_before():
    with pytest.raises(InputError, match=r"parameters|too small"):
        check_problem(Problem("xml", 20), "gru")
    with pytest.raises(InputError, match="task must have a validation split; got perceptron"):
        check_problem(Problem("perceptron:patterns=10,input_dim=4", 100), "gru")
