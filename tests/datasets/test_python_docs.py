"""The text that Python brings along; and, on a small text, what all character tasks compute, against plain Python."""

import itertools
import math
import platform
import pydoc_data.topics
from collections import Counter

import keras
import numpy as np
import pytest
from contracts.task_contract import TextContract

from keras_rnncap import sequence_model
from keras_rnncap.datasets import ALPHABET, CharacterModelling, Corpus, PythonDocs, decode, encode
from keras_rnncap.errors import InputError

WORDS = ["so", "it", "goes", "and", "the", "owl", "in", "a", "quiz", "box", "jumps", "over", "my", "dark", "vale"]


class TestPythonDocs(TextContract):
    expression = "PythonDocs()"

    def whole_text(self):
        topics = pydoc_data.topics.topics
        letters = [c if "a" <= c <= "z" else " " for title in sorted(topics) for c in (topics[title] + " ").lower()]
        return " ".join("".join(letters).split())


def test_python_docs_name_the_python_version_and_their_size():
    task = PythonDocs()
    assert task.data.startswith(f"Python {platform.python_version()} documentation (")
    assert sum(map(len, task.corpus[1:])) > 300_000
    assert len(task.corpus.test) == sum(map(len, task.corpus[1:])) // 20


def test_python_docs_take_no_file(tmp_path):
    with pytest.raises(InputError, match="python-docs takes its text from Python itself"):
        PythonDocs.load(tmp_path)
    assert PythonDocs.load().data == PythonDocs().data


class Letters(CharacterModelling):
    """A text given as it is."""

    name = "letters"

    @classmethod
    def load(cls, path=None):
        raise NotImplementedError

    @classmethod
    def of(cls, train, validation, test):
        return cls(Corpus("letters", *(encode(text.encode(), "letters") for text in (train, validation, test))))


def words(count, seed):
    return " ".join(np.random.default_rng(seed).choice(WORDS, count))


@pytest.fixture(scope="module")
def task():
    return Letters.of(words(200, 1), words(60, 2), words(80, 3))


class Constant:
    """Stands for a model that outputs the same logits everywhere."""

    def __init__(self, logits):
        self.logits = np.asarray(logits, "float32")
        self.windows = 0

    def predict_on_batch(self, inputs):
        self.windows += len(inputs)
        return np.broadcast_to(self.logits, (*inputs.shape[:2], len(ALPHABET)))


def times_scored(length):
    """Finds out from scores alone how often each character of a held-out text is scored: z costs bits, a nothing."""
    logits = np.full(27, -1000.0)
    logits[1], logits[26] = 0.0, -20.0
    texts = ("a" * position + "z" + "a" * (length - position - 1) for position in range(length))
    scores = np.array([Letters.of("a" * 60, "a" * 60, text).score(Constant(logits)) for text in texts])
    count = int((scores > 1e-6).sum())
    return np.rint(scores * count * math.log(2) / 20), count


@pytest.mark.parametrize("length", [51, 125, 130, 160])
def test_every_scored_character_is_scored_once_from_the_14th_step_on_without_a_gap(length):
    times, count = times_scored(length)
    assert times[:14].tolist() == [0] * 14  # the first character is never a target, 13 more are warm-up
    assert times[14 : 14 + count].tolist() == [1] * count
    assert not times[14 + count :].any()
    assert count % 37 == 0


def scored_pairs(text):
    """Characters before and at each scored place, in plain Python."""
    return [
        (text[start + step], text[start + step + 1]) for start in range(0, len(text) - 50, 37) for step in range(13, 50)
    ]


def log_unigram(train):
    counts = Counter(train)
    return [math.log((counts[c] + 1) / (len(train) + 27)) for c in ALPHABET]


def log_bigram(train):
    pairs = Counter(itertools.pairwise(train))
    before = Counter(train[:-1])
    return [[math.log((pairs[a, b] + 1) / (before[a] + 27)) for b in ALPHABET] for a in ALPHABET]


@pytest.mark.parametrize("split", ["validation", "test"])
def test_baselines_equal_a_slow_count_in_plain_python(task, split):
    train, pairs = decode(task.corpus.train), scored_pairs(decode(task.corpus.split(split)))
    unigram, bigram = log_unigram(train), log_bigram(train)
    expected = {
        "uniform": math.log2(27),
        "unigram": -sum(unigram[ALPHABET.index(b)] for _, b in pairs) / len(pairs) / math.log(2),
        "bigram": -sum(bigram[ALPHABET.index(a)][ALPHABET.index(b)] for a, b in pairs) / len(pairs) / math.log(2),
    }
    assert task.baselines(split) == pytest.approx(expected, rel=1e-12)


def test_a_model_that_is_a_baseline_scores_what_the_baseline_does(task):
    train = decode(task.corpus.train)
    assert task.score(Constant(log_unigram(train))) == pytest.approx(task.baselines()["unigram"], rel=1e-6)
    readout = keras.layers.Dense(27, use_bias=False)
    model = keras.Sequential([keras.Input((None, 27)), readout])
    readout.set_weights([np.array(log_bigram(train))])
    assert task.score(model) == pytest.approx(task.baselines()["bigram"], rel=1e-6)


def test_score_is_the_log_likelihood_of_the_scored_characters(task):
    model = sequence_model("rnn", 5, input_dim=27, output_dim=27, return_sequences=True, seed=3)
    text, nats, count = decode(task.corpus.test), 0.0, 0
    for start in range(0, len(text) - 50, 37):
        window = np.eye(27)[[ALPHABET.index(c) for c in text[start : start + 50]]]
        for step, logits in enumerate(np.asarray(model(window[np.newaxis]), "float64")[0]):
            if step >= 13:
                total = math.log(sum(math.exp(z) for z in logits))
                nats += total - logits[ALPHABET.index(text[start + step + 1])]
                count += 1
    assert task.score(model) == pytest.approx(nats / count / math.log(2), rel=1e-6)


def test_score_does_not_depend_on_the_size_of_the_logits_or_a_constant_in_them(task):
    logits = np.random.default_rng(0).normal(size=27)
    assert task.score(Constant(logits + 80)) == pytest.approx(task.score(Constant(logits)), rel=1e-4)


def test_validation_score_reads_at_most_512_windows_of_the_validation_text():
    task = Letters.of("ab" * 100, "ab" * 15_000, "ab" * 15_000)
    model = Constant(np.zeros(27))
    task.validation_score(model)
    assert model.windows == 512
    model.windows = 0
    task.score(model, "validation")
    assert model.windows == len(range(0, 30_000 - 50, 37))


def test_a_window_may_be_the_last_of_the_split():
    task = Letters.of("a" * 60, "a" * 52, "a" * 60)
    starts = {"train": 10, "validation": 2}
    for split, count in starts.items():
        drawn = []
        task._windows = lambda _, starts, drawn=drawn: drawn.extend(starts.tolist())
        task.sample(np.random.default_rng(0), 500, split)
        assert sorted(set(drawn)) == list(range(count))
