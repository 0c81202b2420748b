"""Every task trains with every cell, and easy ones are learned."""

import itertools
import os
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_rnncap.cells import CELLS
from keras_rnncap.datasets import TASKS, PerceptronCapacity, make_task
from keras_rnncap.datasets.builders import penn_treebank, text8
from keras_rnncap.population import Member, MemberBuilder, Population
from keras_rnncap.terminal.progress import StepCallback
from keras_rnncap.training import TrainingSettings, compile_model
from keras_rnncap.training.train import train_model

HERE = Path(__file__).parent
DATA = {
    "text8": Path(text8.__file__).parent / "dummy_data" / "text8",
    "penn-treebank": Path(penn_treebank.__file__).parent / "dummy_data",
    "polyphonic-music": HERE / "datasets" / "data" / "nottingham.npz",
}
SMALL = {
    "random-function": "random-function:samples=500,length=5",
    "parentheses": "parentheses:length=9,streams=2",
    "memory": "memory:input_dim=4,length=3",
}


def small(name):
    return make_task(SMALL.get(name, name), DATA.get(name))


# One of each kind: an answer at the end, several of them, a mask, a kept state with weights.
KINDS = ("memory", "parentheses", "memorization", "distractor-arithmetic")
PAIRS = [
    pytest.param(name, cell, marks=() if cell == "+rnn" and name in KINDS else pytest.mark.slow)
    for name in TASKS
    for cell in CELLS
    if name != PerceptronCapacity.name
]


@pytest.mark.parametrize(("name", "cell"), PAIRS)
def test_every_task_trains_with_every_cell(name, cell, tmp_path, monkeypatch):
    task = small(name)
    # What is tested is training, with masks, weights, kept states and several answers at once; not long scores.
    monkeypatch.setattr(type(task), "score", lambda *_, **__: task.chance_score)
    # Nor whether three steps are enough to be no worse than chance.
    monkeypatch.setattr(type(task), "infeasible_above", float("inf"))
    before = {}
    real = keras.Model.fit

    def fit(model, *arguments, **options):
        before.setdefault("weights", [np.array(weight) for weight in model.trainable_weights])
        found = real(model, *arguments, **options)
        before["stateful"] = [layer.stateful for layer in model.layers if hasattr(layer, "stateful")]
        before["after"] = [np.array(weight) for weight in model.trainable_weights]
        return found

    monkeypatch.setattr(keras.Model, "fit", fit)
    settings = TrainingSettings(steps=3, learning_rate=0.01)
    result = train_model(task, cell, params=4000, settings=settings, batch_size=4, out=tmp_path / "run")
    assert result.test_score is not None
    assert before["stateful"] == [task.carries_state]
    changed = [np.abs(after - old).max() for old, after in zip(before["weights"], before["after"], strict=True)]
    assert min(changed) > 0, "a weight got no gradient"
    # What is saved takes any number of sequences of any length.
    saved = keras.saving.load_model(tmp_path / "run" / "model.keras")
    outputs = saved(np.zeros((2, 7, task.input_dim), "float32"))
    assert outputs.shape == ((2, 7, task.output_dim) if task.return_sequences else (2, task.output_dim))
    assert (tmp_path / "run" / "saved_model").is_dir()


@pytest.mark.parametrize("batch_size", [3, 30])
def test_a_stream_can_be_trained_with_any_batch_size(batch_size, tmp_path):
    settings = TrainingSettings(steps=30, learning_rate=0.05)
    result = train_model(
        small("polyphonic-music"), "gru", params=1000, settings=settings, batch_size=batch_size, out=tmp_path / "run"
    )
    assert result.test_score < 0.8 * result.baselines["uniform"]


def test_an_interrupted_run_on_a_stream_ends_as_an_uninterrupted_one(tmp_path, monkeypatch):
    monkeypatch.setattr("keras_rnncap.training.train.RECORDS", 2)
    monkeypatch.setattr("keras_rnncap.training.loop.STEPS_PER_EXECUTION", 2)
    settings = TrainingSettings(steps=20, learning_rate=0.05)
    arguments = {"params": 1000, "settings": settings, "batch_size": 3}
    train_model(small("polyphonic-music"), "gru", **arguments, out=tmp_path / "whole")
    real, calls = StepCallback.on_train_batch_end, []

    def interrupt(callback, batch, logs=None):
        real(callback, batch, logs)
        calls.append(batch)
        if len(calls) == 8:  # 16 steps, 6 after the record in the middle
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(StepCallback, "on_train_batch_end", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train_model(small("polyphonic-music"), "gru", **arguments, out=tmp_path / "stopped")
    train_model(small("polyphonic-music"), "gru", **arguments, out=tmp_path / "stopped")
    whole, stopped = (keras.saving.load_model(tmp_path / name / "model.keras") for name in ("whole", "stopped"))
    for one, other in zip(whole.trainable_weights, stopped.trainable_weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("name", ["parentheses", "memorization", "distractor-arithmetic", "polyphonic-music"])
def test_populations_lose_what_single_models_do(name):
    """Several answers at once, masks, weights of batches: the loss of each member is the task's own."""
    task = small(name)
    build = MemberBuilder("ugrnn", 3, 1, task.input_dim, task.output_dim, return_sequences=task.return_sequences)
    chosen = [Member(TrainingSettings(5, "sgd", 0.1 * (index + 1)), seed=index) for index in range(2)]
    population = Population(build, chosen)
    population.compile_population(task.loss(), steps_per_execution=1)
    batches = list(itertools.islice(task.batches(4, seed=0), 3))
    models = [build(member) for member in chosen]
    for model, member in zip(models, chosen, strict=True):
        compile_model(model, task.loss(), member.settings)
    for batch in batches:
        population.train_on_batch(*batch)
        alone = [model.train_on_batch(*batch) for model in models]
        np.testing.assert_allclose(population.take_losses(), np.ravel(alone), rtol=1e-4)
        for model in models:
            model.reset_metrics()


# What is learned: cell, parameters, steps, learning rate, batch size, and a score that is better by a margin than the
# best of the task's baselines, the second number in the comments.
LEARNED = {
    "memory": ("rnn", 20_000, 3000, 3e-3, 64, 0.1),  # 1: the mean squared error of always answering 0
    "sentiment:rule=count": ("gru", 500, 3000, 2e-2, 64, 0.95),  # 0.5
    "sentiment:rule=first": ("gru", 500, 3000, 2e-2, 64, 0.95),  # 0.5
    "memorization": ("lstm-b", 25_000, 4000, 1e-2, 64, 0.95),  # 0.04
    "xml": ("gru", 20_000, 3000, 1e-2, 20, 3.3),  # 4.7: the characters' frequencies
    "parentheses:length=60,streams=5": ("gru", 20_000, 2000, 1e-2, 64, 2.5),  # 6.6: the counts' frequencies
    "penn-treebank": ("gru", 300_000, 1500, 1e-2, 20, 500.0),  # 640: the words' frequencies
    "polyphonic-music": ("gru", 20_000, 2000, 1e-2, 20, 5.0),  # 10: the notes' frequencies
}


@pytest.mark.slow
@pytest.mark.parametrize("spec", LEARNED)
def test_easy_tasks_are_learned(spec, tmp_path):
    cell, params, steps, rate, batch_size, bound = LEARNED[spec]
    if TASKS[spec.partition(":")[0]].needs_data and not os.environ.get("RNNCAP_DATA_DIR"):
        pytest.skip("RNNCAP_DATA_DIR is not set")
    task = make_task(spec)
    settings = TrainingSettings(steps=steps, learning_rate=rate, learning_rate_decay=0.01, clip_norm=1.0)
    result = train_model(task, cell, params=params, settings=settings, batch_size=batch_size, out=tmp_path / "run")
    baseline = list(result.baselines.values())[-1]
    print(f"{spec}: {result.test_score:.4g}, baseline {baseline:.4g}, {result.elapsed_s:.0f} s")
    better = result.test_score - bound if task.score_direction == "max" else bound - result.test_score
    assert better > 0
    assert bound < baseline if task.score_direction == "min" else bound > baseline
