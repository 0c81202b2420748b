"""Sentiment sequences and memorization: against slow programs."""

import itertools

import numpy as np
import pytest
from contracts.task_contract import TaskContract

from keras_rnncap.datasets import Memorization, SentimentSequences
from keras_rnncap.errors import InputError


def label_slowly(words, rule):
    """What the paper says, word by word; None where it says nothing."""
    feelings = ["+" if word in (6, 7) else "-" for word in words if word >= 6]
    if rule == "count":
        difference = feelings.count("+") - feelings.count("-")
        return None if difference == 0 else difference > 0
    if rule == "first":
        return feelings[0] == "+" if feelings else None
    return feelings[0] != feelings[1] if len(feelings) > 1 else None


class TestSentiment(TaskContract):
    expression = "SentimentSequences()"
    others = ("SentimentSequences('xor')", "SentimentSequences(length=11)", "SentimentSequences(seed=1)")


class TestSentimentOfWordVectors(TaskContract):
    expression = "SentimentSequences('first', word_dim=4, classes=2)"
    others = ("SentimentSequences('first', word_dim=4, classes=2, seed=1)",)


class TestSentimentXor(TaskContract):
    expression = "SentimentSequences('xor', length=20, seed=3)"


@pytest.mark.parametrize("rule", ["count", "first", "xor"])
@pytest.mark.parametrize("length", [10, 30])
def test_labels_equal_those_of_a_slow_reader(rule, length):
    task = SentimentSequences(rule, length)
    seen = set()
    for split, size in (("train", 8000), ("validation", 2000), ("test", 3000)):
        words = task.words(split)
        assert words.shape == (size, length)
        targets = np.concatenate([batch.targets for batch in task.held_out(split)])
        inputs = np.concatenate([batch.inputs for batch in task.held_out(split)])
        np.testing.assert_array_equal(inputs.argmax(axis=-1), words)
        assert [label_slowly(row, rule) for row in words] == (targets[:, 0] > 0.5).tolist()
        assert 0.4 < targets.mean() < 0.6
        seen |= {row.tobytes() for row in words}
    assert len(seen) == 13_000


def test_word_vectors_are_fixed_draws_and_two_logits_say_the_same_as_one():
    one, two = SentimentSequences("first"), SentimentSequences("first", word_dim=3, classes=2)
    assert (two.input_dim, two.output_dim, two.data) == (
        3,
        2,
        "sentiment (first, length 10, words of 3, two logits, seed 0)",
    )
    wide = SentimentSequences(word_dim=1000)
    assert abs(wide.vectors.mean()) < 0.05
    assert abs(wide.vectors.std() - 1) < 0.05
    for plain, vectors in zip(one.held_out("test", 600), two.held_out("test", 600), strict=True):
        words = plain.inputs.argmax(axis=-1)
        np.testing.assert_array_equal(vectors.inputs, two.vectors[words])
        np.testing.assert_array_equal(vectors.targets, plain.targets)
        logits = np.random.default_rng(0).normal(size=plain.targets.shape)
        logits[:3] = 0.0  # undecided
        pairs = np.concatenate([np.ones_like(logits), 1 + logits], axis=1)
        np.testing.assert_array_equal(
            one.sample_scores(plain.targets, logits), two.sample_scores(vectors.targets, pairs)
        )
        losses = one.answers().losses(plain.targets, logits)
        np.testing.assert_allclose(two.answers().losses(vectors.targets, pairs), losses, rtol=1e-12)


def test_the_rule_says_nothing_where_the_slow_reader_does_not():
    words = np.random.default_rng(0).integers(0, 10, (5000, 6))
    for rule in ("count", "first", "xor"):
        labels = SentimentSequences(rule).labels(words)
        slow = [label_slowly(row, rule) for row in words]
        assert [None if label == 0 else bool(label > 0) for label in labels] == slow
        assert None in slow


def test_rules_and_lengths_are_checked():
    with pytest.raises(InputError, match="did you mean 'count'"):
        SentimentSequences("counts")
    with pytest.raises(InputError, match=r"length must be at least 6.*got 4"):
        SentimentSequences(length=4)
    with pytest.raises(InputError, match=r"word_dim must be .*got -1"):
        SentimentSequences(word_dim=-1)
    with pytest.raises(InputError, match=r"classes must be .*got 3"):
        SentimentSequences(classes=3)


class TestMemorization(TaskContract):
    expression = "Memorization()"
    others = ("Memorization(4)",)
    chance_tolerance = 0.012

    def test_the_symbols_are_said_in_the_order_read_with_those_before_given(self, task):
        inputs, targets = task.sample(np.random.default_rng(0), 2000)
        letters = inputs.argmax(axis=-1)
        assert (letters[:, 5] == 26).all()
        np.testing.assert_array_equal(targets[:, 5:], letters[:, :5])
        np.testing.assert_array_equal(letters[:, 6:], letters[:, :4])
        assert set(letters[:, :5].ravel()) == set(range(26))

    def test_only_what_is_said_is_scored(self, task):
        _, targets = task.sample(np.random.default_rng(0), 100)
        outputs = np.eye(26)[targets]
        outputs[:, :5] = np.eye(26)[(targets[:, :5] + 1) % 26]
        assert (task.sample_scores(targets, outputs) == 1).all()
        outputs[:, 9] = np.eye(26)[(targets[:, 9] + 1) % 26]
        np.testing.assert_allclose(task.sample_scores(targets, outputs), 0.8)

    @pytest.mark.parametrize("symbols", [2, 5, 40])
    def test_splits_share_no_sequence(self, symbols):
        task = Memorization(symbols)
        splits = [
            {row.tobytes() for row in task.sample(np.random.default_rng(0), 500, split).inputs}
            for split in ("train", "validation", "test")
        ]
        assert not any(one & other for one, other in itertools.combinations(splits, 2))
