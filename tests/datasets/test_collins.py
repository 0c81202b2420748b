"""Memory, random functions, parentheses, arithmetic: against slow programs that do nothing but what the paper says."""

import math

import numpy as np
import pytest
from contracts.task_contract import TaskContract
from scipy.special import log_softmax

from keras_rnncap.datasets import Arithmetic, ParenthesesCounting, RandomContinuousFunction, SpreadMemory
from keras_rnncap.datasets.losses import SumOfCrossEntropies
from keras_rnncap.datasets.parentheses import SYMBOLS
from keras_rnncap.errors import InputError


class TestSpreadMemory(TaskContract):
    expression = "SpreadMemory()"
    others = ("SpreadMemory(numbers=6, writes=3)", "SpreadMemory(writes=2)", "SpreadMemory(length=9)")
    chance_tolerance = 0.02

    def test_the_numbers_are_shown_one_after_another_each_with_its_number(self):
        inputs, targets = SpreadMemory(numbers=6, writes=3, length=4).sample(np.random.default_rng(0), 5)
        np.testing.assert_array_equal(inputs[:, :3, :2].reshape(5, 6), targets)
        np.testing.assert_array_equal(inputs[:, :3, 2:], np.tile(np.eye(3), (5, 1, 1)))
        assert not inputs[:, 3].any()

    @pytest.mark.parametrize(
        ("wrong", "said"),
        [
            ({"numbers": 5, "writes": 2}, "numbers must be a multiple of writes=2; got 5"),
            ({"writes": 65}, "writes must be at most 64; got 65"),
            ({"length": 7}, "length must be an integer of at least 8; got 7"),
        ],
    )
    def test_wrong_sizes_are_named(self, wrong, said):
        with pytest.raises(InputError, match=said):
            SpreadMemory(**wrong)


class TestMemoryCapacity(TaskContract):
    expression = "MemoryCapacity()"
    others = ("MemoryCapacity(input_dim=3)", "MemoryCapacity(length=3)")
    chance_tolerance = 0.02

    def test_the_target_is_the_input_of_the_first_step_and_nothing_follows(self, task):
        inputs, targets = task.sample(np.random.default_rng(0), 1000)
        np.testing.assert_array_equal(inputs[:, 0], targets)
        assert not inputs[:, 1:].any()
        assert (task.length, task.input_dim, task.output_dim) == (12, 64, 64)
        assert np.abs(targets).max() <= math.sqrt(3)
        assert np.abs(targets).max() > 1.73
        assert targets.var() == pytest.approx(1, abs=0.01)
        assert targets.mean() == pytest.approx(0, abs=0.01)

    def test_a_projection_on_so_many_dimensions_reaches_the_linear_bound(self, task):
        inputs, targets = task.sample(np.random.default_rng(0), 20_000)
        kept = np.linalg.qr(np.random.default_rng(1).normal(size=(64, 48)))[0]
        errors = task.sample_scores(targets, inputs[:, 0] @ kept @ kept.T)
        assert errors.mean() == pytest.approx(task.linear_bound(48), abs=0.005)
        assert task.linear_bound(48) == 0.25
        assert task.linear_bound(100) == 0.0


class TestRandomContinuousFunction(TaskContract):
    expression = "RandomContinuousFunction(samples=2000)"
    others = tuple(
        f"RandomContinuousFunction({more})"
        for more in (
            "2001",
            *("2000, " + one for one in ("input_dim=3", "length=3", "tau=3.0", "every_step=True", "seed=3")),
        )
    )
    splits_are_one = True
    chance_tolerance = 0.15

    def test_samples_come_as_often_as_they_weigh(self):
        task = RandomContinuousFunction(samples=50, input_dim=3, length=2, tau=5.0)
        weights = np.array([1 / (i + 5) for i in range(1, 51)])
        np.testing.assert_allclose(task.weights, weights / weights.sum())
        inputs, targets = task.sample(np.random.default_rng(0), 200_000)
        rows = {task.vectors[i].tobytes(): i for i in range(50)}
        drawn = np.array([rows[row.tobytes()] for row in inputs[:, 0]])
        np.testing.assert_array_equal(targets, task.values[drawn])
        np.testing.assert_allclose(np.bincount(drawn) / 200_000, task.weights, atol=4 * math.sqrt(0.1 / 200_000))
        assert not inputs[:, 1].any()

    def test_the_vector_can_be_given_at_every_step(self):
        task = RandomContinuousFunction(samples=50, every_step=True)
        inputs = task.sample(np.random.default_rng(0), 4).inputs
        np.testing.assert_array_equal(inputs, np.repeat(inputs[:, :1], 50, axis=1))

    def test_the_papers_size_is_the_default(self):
        task = RandomContinuousFunction()
        assert (task.samples, task.input_dim, task.length, task.tau) == (1_000_000, 50, 50, 5000)


def count_slowly(text, kind):
    """Reads one stream, character by character."""
    count = 0
    for character in text:
        if character == kind[0]:
            count = min(count + 1, 9)
        elif character == kind[1]:
            count = max(count - 1, 0)
    return count


class TestParentheses(TaskContract):
    expression = "ParenthesesCounting(length=60, streams=4)"
    others = ("ParenthesesCounting(length=60, streams=3)", "ParenthesesCounting(length=6, streams=4)")

    def test_the_papers_example(self):
        assert count_slowly("(a<a<bcb>[[[]]", "<>") == 1
        task = ParenthesesCounting(length=14, streams=4)
        symbols = np.array([[SYMBOLS.index(character) for character in "(a<a<bcb>[[[]]"]])
        np.testing.assert_array_equal(task.count(np.repeat(symbols[..., None], 4, axis=2)), [[1, 1, 0, 1]])

    @pytest.mark.parametrize("length", [1, 175, 2000])
    def test_counts_equal_those_of_a_slow_reader(self, length):
        task = ParenthesesCounting(length=length)
        inputs, targets = task.sample(np.random.default_rng(1), 200 if length < 500 else 20)
        assert inputs.shape[2] == 300
        symbols = inputs.reshape(len(inputs), length, 10, 30).argmax(axis=-1)
        assert (inputs.sum(axis=2) == 10).all()
        for sample, counts in zip(symbols, targets, strict=True):
            for stream in range(10):
                text = "".join(SYMBOLS[symbol] for symbol in sample[:, stream])
                assert counts[stream] == count_slowly(text, SYMBOLS[10 + 2 * stream : 12 + 2 * stream])
        if length == 2000:
            assert targets.max() == 9  # and stays there, or the slow reader would have found another

    def test_half_is_noise_and_all_kinds_are_as_frequent(self):
        symbols = ParenthesesCounting().draw(np.random.default_rng(0), 300)
        shares = np.bincount(symbols.ravel(), minlength=30) / symbols.size
        np.testing.assert_allclose(shares[:10], 0.05, atol=0.002)
        np.testing.assert_allclose(shares[10:], 0.025, atol=0.002)

    def test_the_loss_and_the_score_are_the_sum_of_ten_cross_entropies(self):
        task, rng = ParenthesesCounting(), np.random.default_rng(0)
        targets, logits = rng.integers(0, 10, (7, 10)), rng.normal(size=(7, 100)).astype("float32")
        expected = [
            -sum(log_softmax(logits[i, 10 * k : 10 * k + 10].astype(float))[targets[i, k]] for k in range(10))
            for i in range(7)
        ]
        np.testing.assert_allclose(task.sample_scores(targets, logits), expected, rtol=1e-6)
        np.testing.assert_allclose(float(task.loss()(targets, logits)), np.mean(expected), rtol=1e-5)
        members = np.stack([logits, 2 * logits])  # as populations ask
        each = np.array(SumOfCrossEntropies(10, 10).call(np.stack([targets, targets]), members))
        np.testing.assert_allclose(each[0], expected, rtol=1e-5)
        assert each.shape == (2, 7)

    @pytest.mark.parametrize("streams", [0, 11])
    def test_streams_must_be_one_to_ten(self, streams):
        with pytest.raises(InputError, match="streams must be"):
            ParenthesesCounting(streams=streams)


class TestArithmetic(TaskContract):
    expression = "Arithmetic(compute_steps=2)"
    others = ("Arithmetic(compute_steps=3)",)

    def test_targets_are_what_a_person_would_write(self, task):
        inputs, targets = task.sample(np.random.default_rng(0), 3000)
        signs = set()
        for hot, target in zip(inputs, targets, strict=True):
            problem = "".join(" 0123456789+-="[index] for index in hot.argmax(axis=-1))
            answer = "".join(" 0123456789+-="[index] for index in target)
            read, _, nothing = problem.partition("=")
            assert not nothing.strip()
            sign = read.startswith("-")
            first, _, second = read[sign:].partition("+")
            total = int(first) * (-1 if sign else 1) + int(second)
            assert answer.strip() == str(total)
            assert len(answer) == 36
            assert answer.index(answer.strip()) - problem.index("=") - 1 == task.compute_steps
            signs.add((sign, int(second) < 0))
        assert len(signs) == 4

    def test_the_longest_problem_and_answer_fit_into_36_steps(self):
        problem, answer = Arithmetic(compute_steps=6).texts(-(10**7), -(10**7))
        assert len(problem) == len(answer) == 36
        assert answer.strip() == "-20000000"

    @pytest.mark.parametrize("steps", [0, 7, 1.5])
    def test_compute_steps_must_be_one_to_six(self, steps):
        with pytest.raises(InputError, match="compute_steps must be"):
            Arithmetic(steps)

    def test_who_knows_the_step_but_not_the_problem_has_no_information(self, task):
        targets = np.concatenate([batch.targets for batch in task.held_out("validation", 1000)])
        frequencies = np.stack([np.bincount(column, minlength=14) / len(targets) for column in targets.T])
        outputs = np.broadcast_to(np.log(frequencies + 1e-30), (*targets.shape, 14))
        measured = task.measures_of([(targets, outputs, None)])
        assert measured["mutual_information_bits"] == pytest.approx(0, abs=1e-9)
        assert measured[task.score_name] < 1  # though it knows where spaces are
        assert measured["accuracy"] > 0.7
