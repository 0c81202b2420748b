"""What every task promises. A task joins by subclassing `TaskContract` and saying how it is made."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import itertools
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import keras
import numpy as np
import pytest
from scipy.stats import entropy

import keras_rnncap.datasets
from keras_rnncap.datasets import (
    ALPHABET,
    CharacterModelling,
    Numbers,
    StoredLabels,
    Task,
    YesOrNo,
    decode,
    get_task_class,
    make_task,
    task_spec,
)
from keras_rnncap.errors import InputError

TESTS = Path(__file__).parents[1]
SPLITS = ("train", "validation", "test")
EXPRESSIONS: list[str] = []
_elsewhere: dict[str, str] = {}


def make(expression: str) -> Task:
    """Makes a task from an expression over the names of `keras_rnncap.datasets`, here or in another process."""
    return eval(expression, dict(vars(keras_rnncap.datasets)))


made_once = functools.cache(make)


def digest(expression: str) -> str:
    """Returns a hash of the dtypes, shapes and bytes of a few batches of all splits."""
    found = hashlib.sha256()
    for split in SPLITS:
        for batch in itertools.islice(make(expression).batches(5, seed=3, split=split), 3):
            for part in batch:
                found.update(f"{part.dtype} {part.shape}".encode() + np.ascontiguousarray(part).tobytes())
    return found.hexdigest()


def digest_elsewhere(expression: str) -> str:
    """Returns the same from another process, on the other backend if that is at hand; one process serves all tasks."""
    if expression not in _elsewhere:
        code = "import json, sys; from contracts.task_contract import digest\n"
        code += "print(json.dumps({one: digest(one) for one in json.loads(sys.argv[1])}))"
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])}
        if importlib.util.find_spec("jax") and keras.backend.backend() == "tensorflow":
            environment |= {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
        command = [sys.executable, "-c", code, json.dumps(EXPRESSIONS)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        _elsewhere.update(json.loads(done.stdout.splitlines()[-1]))
    return _elsewhere[expression]


def know_nothing(task: Task) -> keras.Model:
    """Returns a model whose output is zero whatever its input."""
    layers = [keras.Input((task.length, task.input_dim))]
    if not task.return_sequences:
        layers.append(keras.layers.GlobalAveragePooling1D())
    return keras.Sequential([*layers, keras.layers.Dense(task.output_dim, kernel_initializer="zeros")])


def answer_always_the_same(task: Task, seed: int) -> keras.Model:
    """Returns a model with random outputs that are the same whatever its input."""
    model, rng = know_nothing(task), np.random.default_rng(seed)
    model.layers[-1].set_weights([np.zeros((task.input_dim, task.output_dim)), rng.normal(size=task.output_dim)])
    return model


def know_all(task: Task, targets: np.ndarray) -> np.ndarray:
    """Returns the outputs of a model that is certain of the right answers."""
    answers = task.answers()
    if isinstance(answers, Numbers):
        return targets
    return 80 * (targets - 0.5) if isinstance(answers, YesOrNo) else 40 * np.eye(answers.classes)[targets]


def all_there_is(task: Task, targets: np.ndarray, weights: np.ndarray | None) -> float:
    """Returns the entropy of targets in bits, by SciPy; of numbers what float32 can hold."""
    answers = task.answers()
    if isinstance(answers, Numbers):
        return 23.0 * answers.columns
    if isinstance(answers, StoredLabels):
        return float(len(targets))
    columns = targets.reshape(-1, answers.columns).astype(int).T
    each = None if weights is None else weights.ravel()
    return sum(entropy(np.bincount(column, each), base=2) for column in columns)


class TaskContract:
    """Joined as `class TestMyTask(TaskContract): expression = "MyTask(3)"`."""

    expression: ClassVar[str]
    chance_tolerance: ClassVar[float] = 1e-5
    """How far a know-nothing model may be from `chance_score`: what the estimator is off by at random."""
    others: ClassVar[tuple[str, ...]] = ()
    """Tasks that differ from this one in one argument."""
    splits_are_one: ClassVar[bool] = False
    """Whether what is trained on is what is measured on, as the paper has it."""

    def __init_subclass__(cls) -> None:
        if "expression" in vars(cls):
            EXPRESSIONS.append(cls.expression)

    @pytest.fixture
    def task(self) -> Task:
        return made_once(self.expression)

    def test_same_seed_gives_the_same_bytes_in_another_process(self):
        assert digest(self.expression) == digest(self.expression) == digest_elsewhere(self.expression)

    @pytest.mark.parametrize("split", SPLITS)
    def test_sizes_and_types_are_as_declared(self, task, split):
        sample = task.sample(np.random.default_rng(0), 6, split)
        assert sample.inputs.shape == (6, task.length, task.input_dim)
        assert sample.inputs.dtype == np.float32
        assert len(sample.targets) == 6
        if task.return_sequences:
            assert sample.targets.shape[1] == task.length
        if sample.targets.dtype.kind == "i":  # the numbers of classes
            assert 0 <= sample.targets.min() <= sample.targets.max() < task.output_dim
        else:
            assert sample.targets.shape[-1] == task.output_dim
        assert np.isfinite(sample.inputs).all()
        assert np.isfinite(sample.targets).all()

    def test_samples_vary_with_the_generator(self, task):
        one, other = (task.sample(np.random.default_rng(seed), 20).targets for seed in (0, 1))
        assert (one != other).any()

    def test_splits_share_no_sample(self, task):
        drawn = [task.sample(np.random.default_rng(0), 200, split) for split in SPLITS]
        seen = [{row.tobytes() for row in np.concatenate([part.reshape(200, -1) for part in one], 1)} for one in drawn]
        assert all(len(one) > 20 for one in seen)
        shared = [one & other for one, other in itertools.combinations(seen, 2)]
        assert any(shared) == self.splits_are_one
        with pytest.raises(InputError, match="train, validation or test; got 'dev'"):
            task.score(know_nothing(task), "dev")
        with pytest.raises(InputError, match="train, validation or test; got 'dev'"):
            task.sample(np.random.default_rng(0), 1, "dev")

    def test_a_worked_example_is_text_that_depends_on_the_seed(self, task):
        examples = [task.worked_example(seed) for seed in (0, 0, 1)]
        assert examples[0] == examples[1] != examples[2]
        assert len(examples[0]) > 20

    def test_sizes_and_scores_are_known_without_data(self, task):
        described = type(task).described()
        assert described.length > 0
        assert described.input_dim > 0
        assert described.output_dim > 0
        assert math.isfinite(described.chance_score)
        assert (described.perfect_score > described.chance_score) == (described.score_direction == "max")

    def test_loss_is_finite_scalar_and_a_mean_over_samples(self, task):
        _, targets, *weights = next(task.batches(4, seed=0))
        shape = (4, task.length, task.output_dim) if task.return_sequences else (4, task.output_dim)
        outputs = np.random.default_rng(1).normal(size=shape).astype("float32")
        loss, twice = task.loss(), [np.concatenate([part, part]) for part in (targets, outputs, *weights)]
        once = loss(targets, outputs, *weights)
        assert tuple(once.shape) == ()
        assert math.isfinite(float(once))
        assert float(loss(*twice)) == pytest.approx(float(once), rel=1e-5)

    def test_a_model_that_knows_nothing_is_feasible_and_scores_chance(self, task):
        model = know_nothing(task)
        inputs, targets, *weights = next(task.batches(64, seed=0))
        assert float(task.loss()(targets, model(inputs), *weights)) < task.infeasible_above
        for split in SPLITS:
            assert task.score(model, split) == pytest.approx(task.chance_score, abs=self.chance_tolerance)
            assert task.validation_score(model) == pytest.approx(task.chance_score, abs=self.chance_tolerance)

    def test_its_data_set_ends_without_delay(self, task):
        sets = task.dataset(4, 0, 0, 2), task.member_dataset(4, [0, 1], [0, 0], 2)
        assert [one.options().autotune.enabled for one in sets] == [False, False]

    def test_all_that_is_measured_comes_at_once_and_can_be_searched_for(self, task):
        model = answer_always_the_same(task, seed=0)
        measured = task.measures(model, "validation", task.validation_limit)
        assert measured[task.score_name] == task.validation_score(model)
        assert set(task.objectives) <= set(measured)
        assert task.objectives[task.score_name] == task.score_direction
        assert task.objectives["mutual_information_bits"] == "max"
        assert next(iter(task.objectives)) == task.score_name
        assert all(type(value) is float for value in measured.values())

    def test_outputs_that_do_not_depend_on_the_input_hold_no_information(self, task):
        stored = self.chance_tolerance if issubclass(type(task.answers()), StoredLabels) else 1e-9
        for model in (know_nothing(task), *(answer_always_the_same(task, seed) for seed in range(2))):
            measured = task.measures(model, "validation", task.validation_limit)
            assert 0 <= measured["mutual_information_bits"] <= stored

    def test_certainty_of_the_right_answers_holds_all_information_there_is(self, task):
        _, targets, *given = next(task.batches(50, seed=0))
        weights = given[0] if given else None
        measured = task.measures_of([(targets, know_all(task, targets), weights)])
        assert measured["mutual_information_bits"] == pytest.approx(all_there_is(task, targets, weights), rel=1e-6)
        assert measured["mutual_information_bits"] > 0
        assert measured.get("accuracy", 1.0) == pytest.approx(1.0)

    def test_only_scored_steps_count_in_what_is_measured(self, task):
        _, targets, *weights = next(task.batches(20, seed=0))
        assert 1 <= task.scored_steps <= task.length
        if not weights:
            assert task.scored_steps == (task.length if task.return_sequences else 1)
            return
        outputs = np.random.default_rng(1).normal(size=(20, task.length, task.output_dim))
        others = np.where(weights[0][..., np.newaxis] > 0, outputs, -outputs)
        one, other = (task.answers() for _ in range(2))
        one.add(targets, outputs, weights[0])
        other.add(targets, others, weights[0])
        assert one.measures() == other.measures()
        many = np.concatenate([batch[2] for batch in itertools.islice(task.batches(50, seed=0), 20)])
        assert task.scored_steps == pytest.approx(many.sum(axis=1).mean(), rel=0.05, abs=0.5)

    def test_perfect_is_better_than_chance_in_the_direction_declared(self, task):
        assert task.score_direction in ("min", "max")
        assert (task.perfect_score > task.chance_score) == (task.score_direction == "max")
        assert task.perfect_score != task.chance_score

    def test_baselines_are_in_increasing_order_of_difficulty(self, task):
        for split in SPLITS:
            scores = list(task.baselines(split).values())
            assert scores[0] == task.chance_score
            assert scores == sorted(scores, reverse=task.score_direction == "min")

    def test_mask_weighs_time_steps_and_stands_in_every_batch(self, task):
        batch = next(task.batches(3, seed=0))
        assert len(batch) == (2 if task.mask is None and not task.weighted else 3)
        assert not (task.weighted and task.mask is not None)
        if task.weighted:
            assert batch[2].shape == (3, task.length)
            assert set(np.unique(batch[2])) <= {0.0, 1.0}
        if task.mask is not None:
            assert task.mask.shape == (task.length,)
            np.testing.assert_array_equal(batch[2], np.tile(task.mask, (3, 1)))

    def test_start_k_equals_skipping_k_batches(self, task):
        all_of_them = list(itertools.islice(task.batches(4, seed=7), 6))
        late = list(itertools.islice(task.batches(4, seed=7, start=4), 2))
        for expected, batch in zip(all_of_them[4:], late, strict=True):
            assert all(np.array_equal(one, other) for one, other in zip(expected, batch, strict=True))
        for one, other in itertools.combinations(all_of_them, 2):
            assert not all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
        elsewhere = next(task.batches(4, seed=8))
        assert not all(np.array_equal(a, b) for a, b in zip(all_of_them[0], elsewhere, strict=True))

    @pytest.mark.parametrize("split", ["train", "validation"])
    def test_dataset_equals_batches_and_knows_its_size(self, task, split):
        dataset = task.dataset(4, seed=7, start=2, stop=5, split=split)
        assert int(dataset.cardinality()) == 3
        batches = list(itertools.islice(task.batches(4, seed=7, start=2, split=split), 3))
        for expected, batch in zip(batches, dataset, strict=True):
            for one, other in zip(expected, batch, strict=True):
                assert one.dtype == other.dtype
                np.testing.assert_array_equal(one, other)

    def test_its_spec_makes_it_again(self, task):
        if task.needs_data or get_task_class(task.name) is not type(task):
            pytest.skip("its data are named apart from its spec, or it is made by searches alone")
        assert make_task(task_spec(task)).data == task.data

    def test_other_arguments_are_other_data(self):
        """`data` tells runs apart."""
        expressions = (self.expression, *self.others)
        assert len({make(expression).data for expression in expressions}) == len(expressions)

    def test_names_and_units_are_stated(self, task):
        assert task.name
        assert task.name in keras_rnncap.datasets.TASKS
        assert task.source
        assert task.score_name == task.score_name.lower()
        assert task.data


class TextContract(TaskContract):
    """What every task on a text promises besides."""

    def test_targets_are_inputs_shifted_by_one(self, task: CharacterModelling):
        sample = task.sample(np.random.default_rng(0), 30)
        assert (sample.inputs.sum(axis=-1) == 1).all()
        np.testing.assert_array_equal(sample.inputs.argmax(axis=-1)[:, 1:], sample.targets[:, :-1])

    @pytest.mark.parametrize("split", SPLITS)
    def test_samples_are_stretches_of_their_split(self, task: CharacterModelling, split):
        sample, text = task.sample(np.random.default_rng(0), 30, split), decode(task.corpus.split(split))
        for inputs, targets in zip(sample.inputs.argmax(axis=-1), sample.targets, strict=True):
            assert decode(inputs[:1]) + decode(targets) in text

    def test_the_first_13_of_50_steps_are_not_scored(self, task: CharacterModelling):
        assert task.mask.tolist() == [0.0] * 13 + [1.0] * 37
        _, targets, weights = next(task.batches(4, seed=0))
        outputs = np.random.default_rng(1).normal(size=(4, 50, 27)).astype("float32")
        before, scored = np.array(outputs), np.array(outputs)
        before[:, :13] += np.random.default_rng(2).normal(size=(4, 13, 27))
        scored[:, 13] += np.random.default_rng(2).normal(size=(4, 27))
        expected = float(task.loss()(targets, outputs, weights))
        assert float(task.loss()(targets, before, weights)) == expected
        assert float(task.loss()(targets, scored, weights)) != expected

    def test_splits_are_disjoint_stretches_in_order(self, task: CharacterModelling):
        train, validation, test = task.corpus[1:]
        assert len(validation) == len(test) >= 100
        assert len(train) > len(validation) + len(test)
        whole = self.whole_text()
        assert decode(np.concatenate([train, validation, test])) == whole
        assert set(whole) <= set(ALPHABET)

    def whole_text(self) -> str:
        """Returns the text, read independently of the task."""
        raise NotImplementedError
