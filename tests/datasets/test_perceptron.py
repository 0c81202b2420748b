"""Perceptron capacity: the patterns, the labels, and the bits of models whose answers are known."""

import math

import numpy as np
import pytest
from contracts.task_contract import TaskContract
from scipy import stats

from keras_rnncap.datasets import PerceptronCapacity, PerceptronSearch, capacity_input_dim, make_task
from keras_rnncap.errors import InputError


class TestPerceptronCapacity(TaskContract):
    expression = "PerceptronCapacity(patterns=500, input_dim=16)"
    others = tuple(
        f"PerceptronCapacity({more})"
        for more in ("501, 16", "500, 17", "500, 16, length=4", "500, 16, every_step=True", "500, 16, seed=1")
    )
    splits_are_one = True
    chance_tolerance = 8.0  # guesses store about 0.72 bits by the estimate, and more than 8 once in 10^3


class TestPerceptronCapacityAtEveryStep(TaskContract):
    expression = "PerceptronCapacity(patterns=300, input_dim=24, length=3, every_step=True, seed=5)"
    splits_are_one = True
    chance_tolerance = 8.0


class TestPerceptronSearch(TaskContract):
    expression = "PerceptronSearch(50)"
    splits_are_one = True
    chance_tolerance = 8.0

    def test_a_trial_has_the_first_patterns_of_the_largest_task(self, task):
        assert (task.patterns, task.name, task.data) == (500, "perceptron", "perceptron")
        trial = task.with_values({"patterns_per_parameter": 2.5, "every_step": True}, parameters=41)
        assert (trial.patterns, trial.every_step, trial.length) == (102, True, 5)
        for part, whole in zip(trial.table(), task.table(), strict=True):
            np.testing.assert_array_equal(part, whole[:102])

    @pytest.mark.parametrize(
        ("wrong", "said"),
        [
            ({"input_dim": 8}, "allows 256 distinct patterns; up to 10 for each of 50 parameters .* at least 9"),
            ({"params": 0}, "params must be"),
            ({"length": 0}, "length must be"),
            ({"params": 10**9}, r"patterns \(10 for each of params=1,000,000,000\)"),
        ],
    )
    def test_bad_sizes_are_named_before_anything_is_drawn(self, wrong, said):
        with pytest.raises(InputError, match=said):
            PerceptronSearch(**{"params": 50, **wrong})

    def test_a_task_whose_size_was_not_chosen_takes_one_from_the_budget(self):
        chosen = make_task("perceptron").for_budget(300, seed=4)
        assert (chosen.patterns, chosen.input_dim, chosen.length, chosen.seed) == (3000, 16, 5, 4)
        fixed = make_task("perceptron:patterns=20,input_dim=8")
        assert fixed.for_budget(300, seed=4) is fixed
        assert make_task("perceptron").data == "perceptron (1,000 patterns of 16, 5 steps, seed 0)"


class KnowsByHeart:
    """Stands for a model: the right logit for all patterns but the first `wrong`."""

    def __init__(self, task, wrong=0, wrong_logit=None):
        self.logits = {
            pattern.tobytes(): (2 * label - 1) * (-1 if index < wrong else 1)
            for index, (pattern, label) in enumerate(zip(task.inputs, task.targets, strict=True))
        }
        if wrong_logit is not None:
            self.logits |= {task.inputs[index].tobytes(): np.array([wrong_logit]) for index in range(wrong)}

    def __call__(self, inputs, training):
        assert not training
        return np.stack([self.logits[pattern.tobytes()] for pattern in inputs]).astype("float32")


def rows_of(task):
    return task.inputs[:, 0].astype(int)


@pytest.mark.parametrize(("width", "patterns"), [(16, 40_000), (20, 20_000), (21, 20_000), (70, 5_000)])
def test_patterns_are_distinct_and_binary(width, patterns):
    rows = rows_of(PerceptronCapacity(patterns, width, length=1, seed=3))
    assert rows.shape == (patterns, width)
    assert len(np.unique(rows, axis=0)) == patterns
    assert set(np.unique(rows)) == {0, 1}


@pytest.mark.parametrize("width", [16, 21, 40])
def test_patterns_and_labels_are_uniform_and_unordered(width):
    task = PerceptronCapacity(20_000, width, length=1, seed=11)
    rows, labels = rows_of(task), task.targets[:, 0].astype(int)
    five_sigma = 5 * 0.5 / math.sqrt(len(rows))
    assert np.abs(rows.mean(axis=0) - 0.5).max() < five_sigma
    assert abs(labels.mean() - 0.5) < five_sigma
    codes = rows[:, [0, 1, width // 2, width - 1]] @ [8, 4, 2, 1]
    for counted in (codes, 2 * codes + labels):
        assert stats.chisquare(np.bincount(counted)).pvalue > 1e-6
    order = np.arange(len(rows))
    for column in (rows[:, 0], rows[:, -1], labels):
        assert abs(np.corrcoef(order, column)[0, 1]) < 5 / math.sqrt(len(rows))


def test_as_many_patterns_as_there_are_inputs_takes_them_all():
    rows = rows_of(PerceptronCapacity(16, 4))
    assert sorted(map(tuple, rows)) == [tuple(int(bit) for bit in f"{code:04b}") for code in range(16)]


@pytest.mark.parametrize(("patterns", "width", "least"), [(9, 3, 4), (3, 1, 2), (1_000_001, 19, 20)])
def test_too_few_distinct_inputs_is_an_error_that_says_how_many_would_do(patterns, width, least):
    with pytest.raises(InputError, match=rf"input_dim={width} allows .* patterns={patterns}; .* at least {least}$"):
        PerceptronCapacity(patterns, width)
    PerceptronCapacity(min(patterns, 10), max(least, 4))


@pytest.mark.parametrize(
    "wrong", [{"patterns": 0}, {"patterns": 2.5}, {"input_dim": 0}, {"length": 0}, {"length": True}, {"patterns": "9"}]
)
def test_numbers_out_of_range_are_named(wrong):
    with pytest.raises(InputError, match=f"{next(iter(wrong))} must be an integer of at least 1"):
        PerceptronCapacity(**{"patterns": 10, "input_dim": 8, **wrong})


def test_input_is_at_the_first_step_only_or_at_every_step():
    first = PerceptronCapacity(50, 8, length=4, seed=1)
    every = PerceptronCapacity(50, 8, length=4, seed=1, every_step=True)
    assert first.inputs[:, 0].any()
    assert not first.inputs[:, 1:].any()
    np.testing.assert_array_equal(every.inputs, np.repeat(first.inputs[:, :1], 4, axis=1))
    np.testing.assert_array_equal(every.targets, first.targets)


def test_samples_are_patterns_with_their_own_labels_and_all_of_them_come():
    task = PerceptronCapacity(40, 8)
    label_of = {pattern.tobytes(): label.item() for pattern, label in zip(task.inputs, task.targets, strict=True)}
    inputs, targets = task.sample(np.random.default_rng(0), 1000)
    assert [label_of[pattern.tobytes()] for pattern in inputs] == targets[:, 0].tolist()
    assert len({pattern.tobytes() for pattern in inputs}) == 40


def test_full_batches_are_the_whole_set_each_time():
    task = PerceptronCapacity(40, 8)
    batches = list(task.full_batches(3))
    assert len(batches) == 3
    for inputs, targets in batches:
        np.testing.assert_array_equal(inputs, task.inputs)
        np.testing.assert_array_equal(targets, task.targets)


def test_a_model_that_knows_all_patterns_scores_one_bit_each():
    task = PerceptronCapacity(200, 12)
    assert task.accuracy(KnowsByHeart(task)) == 1.0
    assert task.score(KnowsByHeart(task)) == task.perfect_score == 200.0


@pytest.mark.parametrize("wrong", [1, 20, 100])
def test_a_model_that_gets_some_wrong_scores_equation_22(wrong):
    task, p = PerceptronCapacity(200, 12), (200 - wrong) / 200
    entropy = -p * math.log2(p) - (1 - p) * math.log2(1 - p)
    assert task.accuracy(KnowsByHeart(task, wrong)) == p
    assert task.score(KnowsByHeart(task, wrong)) == pytest.approx(200 * (1 - entropy), abs=1e-9)


@pytest.mark.parametrize("logit", [math.nan, math.inf, -math.inf])
def test_an_undefined_logit_is_wrong(logit):
    task = PerceptronCapacity(100, 12)
    assert task.accuracy(KnowsByHeart(task, wrong=10, wrong_logit=logit)) == 0.9


@pytest.mark.parametrize("parameters", [1, 60, 300, 1638, 1639, 10_000, 1_000_000])
def test_capacity_input_dim_leaves_ten_patterns_for_each_parameter_distinct(parameters):
    width = capacity_input_dim(parameters)
    assert 2**width >= 10 * parameters
    assert (width == 16) == (parameters <= 1638)
