"""Tasks on streams: against slow readers, and how windows follow each other."""

import collections
import itertools
import re
from pathlib import Path
from pydoc_data.topics import topics
from xml.etree import ElementTree

import keras
import numpy as np
import pytest
from contracts.stream_contract import StreamContract, step_losses

from keras_rnncap.datasets import DistractorArithmetic, FrequentWords, PolyphonicMusic, XMLModelling
from keras_rnncap.datasets.frequent_words import OTHER
from keras_rnncap.errors import InputError

BUILDERS = Path(__import__("keras_rnncap.datasets.builders", fromlist=["x"]).__file__).parent
PTB = BUILDERS / "penn_treebank" / "dummy_data"
MUSIC = Path(__file__).parent / "data" / "nottingham.npz"


class TestDistractorArithmetic(StreamContract):
    expression = "DistractorArithmetic()"

    def test_answers_are_right_and_only_they_are_scored(self):
        task = DistractorArithmetic()
        problems = 0
        for split in ("train", "validation", "test"):
            text, weights = task.text(np.random.default_rng(3), 5000, split)
            scored = "".join("x" if weight else " " for weight in weights)
            assert len(text) == len(scored)
            for found in re.finditer(r"[^.]*\.", text):
                problem, answer = found[0].split("=")
                assert scored[found.start() : found.end()] == " " * (len(problem) + 1) + "x" * len(answer)
                digits = re.sub("[a-z]", "", problem)
                first, operation, second = re.fullmatch(r"(-?\d{1,8})([+-])(\d{1,8})", digits).groups()
                assert str(int(first) + (1 if operation == "+" else -1) * int(second)) + "." == answer
                assert problem[0] in "-0123456789"
                problems += 1
        assert problems == 15_000

    def test_no_problem_is_in_two_splits(self):
        pairs = [
            {tuple(pair) for pair in DistractorArithmetic().numbers(np.random.default_rng(0), 20_000, split).tolist()}
            for split in ("train", "validation", "test")
        ]
        assert not any(one & other for one, other in itertools.combinations(pairs, 2))
        assert {len(str(first)) for first, _ in pairs[0]} == set(range(1, 9))

    def test_numbers_have_at_most_so_many_digits(self):
        numbers = DistractorArithmetic(digits=3).numbers(np.random.default_rng(0), 5_000, "train")
        assert {len(str(number)) for number in numbers.ravel()} == {1, 2, 3}
        assert DistractorArithmetic(digits=3).data == "distractor-arithmetic (3 digits)"

    def test_the_papers_instance_has_the_form(self):
        assert set("3e36d9-h1h39f94eeh43keg3c=-13991064.") <= set(DistractorArithmetic.symbols)
        assert len(DistractorArithmetic.symbols) == 40


class TestXML(StreamContract):
    expression = "XMLModelling()"

    def test_texts_are_well_formed_and_in_one_split_only(self):
        task, first_tags = XMLModelling(), []
        for split in ("train", "validation", "test"):
            text = task.text(np.random.default_rng(5), 200_000, split)
            documents = text.splitlines()
            assert text.endswith("\n")
            assert len(documents) > 500
            first_tags.append({document.split(">")[0] for document in documents})
            for document in documents:
                ElementTree.fromstring(f"<all>{document}</all>")
                open_tags, openings = [], 0
                for closing, name in re.findall(r"<(/?)([a-z]{2,10})>", document):
                    if closing:
                        assert open_tags.pop() == name
                    else:
                        open_tags.append(name)
                        openings += 1
                assert not open_tags
                assert openings <= 50
                assert re.fullmatch(r"(</?[a-z]{2,10}>)( </?[a-z]{2,10}>)*", document)
        assert not any(one & other for one, other in itertools.combinations(first_tags, 2))

    def test_half_of_the_iterations_open_a_tag(self):
        documents = XMLModelling().text(np.random.default_rng(0), 600_000, "train").splitlines()
        alone = np.mean([document.count("<") == 2 for document in documents])
        # After the first tag: close it with 1/2, then stop with 1/2.
        assert alone == pytest.approx(0.25, abs=0.02)


class TestPennTreebank(StreamContract):
    expression = f"PennTreebank({str(PTB)!r})"


class TestFrequentWords(StreamContract):
    expression = "FrequentWords(vocabulary=50)"

    def test_symbols_are_the_most_frequent_words_of_python(self):
        letters = re.sub("[^a-z]+", " ", " ".join(text for _, text in sorted(topics.items())).lower()).strip()
        words = letters[: len(letters) - 2 * (len(letters) // 20)].split()
        times = collections.Counter(words)
        task = FrequentWords(vocabulary=50)
        assert task.words.vocabulary == (OTHER, *sorted(times, key=lambda word: (-times[word], word))[:49])
        expected = [word if word in task.words.vocabulary else OTHER for word in words]
        assert [task.words.vocabulary[index] for index in task.words.splits["train"]] == expected

    def test_other_words_are_read_and_not_predicted(self):
        ids, weights = FrequentWords(vocabulary=50).stream("train", 3, 0)
        np.testing.assert_array_equal(weights, ids != 0)
        assert 0.3 < weights.mean() < 0.6

    def test_it_takes_words_that_there_are(self, monkeypatch):
        monkeypatch.setenv("RNNCAP_DATA_DIR", str(PTB.parent / "nowhere"))
        with pytest.raises(InputError, match="vocabulary=5000 is too large: the text has 3,"):
            FrequentWords(vocabulary=5000)
        with pytest.raises(InputError, match="unknown text 'penn'"):
            FrequentWords("penn")

    def test_the_penn_treebank_has_its_words(self, monkeypatch, tmp_path):
        (tmp_path / "ptb").symlink_to(PTB)
        monkeypatch.setenv("RNNCAP_DATA_DIR", str(tmp_path))
        task = FrequentWords("penn-treebank", vocabulary=20)
        assert {"<eos>", "the"} <= {*task.words.vocabulary}
        assert task.data.startswith("penn-treebank (")


class TestPolyphonicMusic(StreamContract):
    expression = f"PolyphonicMusic('nottingham', {str(MUSIC)!r})"

    def test_all_but_first_steps_of_pieces_are_predicted(self):
        task = PolyphonicMusic("nottingham", MUSIC)
        entries, weights = task.stream("test", 0, 0)
        assert np.flatnonzero(weights == 0).tolist() == [0, 100, 250]
        assert len(entries) == len(weights) == 310

    def test_the_loss_is_the_sum_of_kerass_own(self):
        task, rng = PolyphonicMusic("nottingham", MUSIC), np.random.default_rng(0)
        targets, outputs = (
            rng.integers(0, 2, (3, 5, 88)).astype("float32"),
            rng.normal(size=(3, 5, 88)).astype("float32"),
        )
        expected = 88 * np.array(keras.losses.binary_crossentropy(targets, outputs, from_logits=True))
        np.testing.assert_allclose(step_losses(task, targets, outputs), expected, rtol=1e-5)
        np.testing.assert_allclose(np.array(task.loss().call(targets, outputs)), expected, rtol=1e-5)

    def test_training_pieces_come_in_another_order_in_each_epoch(self):
        task = PolyphonicMusic("nottingham", MUSIC)
        orders = [tuple(np.diff(np.flatnonzero(task.stream("train", 0, epoch)[1] == 0))) for epoch in range(6)]
        assert len(set(orders)) > 2
        assert sorted(len(piece) for piece in task.pieces["train"]) == [40, 700, 800, 900]
