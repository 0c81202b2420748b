"""text8: where it is looked for, in which order, how it is split, and what is said when it is nowhere."""

import gzip
import hashlib
import os
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from contracts.task_contract import TextContract

import keras_rnncap.datasets.characters as characters_module
from keras_rnncap.datasets import Text8, decode
from keras_rnncap.datasets.builders import text8 as builder_package
from keras_rnncap.errors import InputError

DUMMY = Path(builder_package.__file__).parent / "dummy_data" / "text8"


class TestText8(TextContract):
    expression = f"Text8({str(DUMMY)!r})"

    def whole_text(self):
        return DUMMY.read_text()


def text_saying(word):
    return (f"{word} " * 1000)[:4000].encode()


def put(folder, name, word):
    path = folder / "text8" / name
    path.parent.mkdir(exist_ok=True)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("text8", text_saying(word))
    else:
        path.write_bytes(gzip.compress(text_saying(word)) if path.suffix == ".gz" else text_saying(word))
    return path


def word_of(task):
    return decode(task.corpus.train).split()[0]


@pytest.fixture
def no_network(monkeypatch):
    """Makes TensorFlow Datasets fail as it does without a network; returns the builders it was asked for."""
    asked = []

    def builder(name, **options):
        asked.append(name)
        raise ConnectionError("no route to host\nand a second line")

    monkeypatch.setattr(tfds, "builder", builder)
    monkeypatch.delenv("RNNCAP_DATA_DIR", raising=False)
    return asked


@pytest.mark.parametrize("name", ["mine", "mine.gz", "mine.zip"])
def test_a_path_goes_before_all_else(tmp_path, monkeypatch, no_network, name):
    put(tmp_path, "text8", "folder")
    monkeypatch.setenv("RNNCAP_DATA_DIR", str(tmp_path))
    path = put(tmp_path, name, "path")
    assert word_of(Text8(path)) == word_of(Text8(str(path))) == word_of(Text8.load(path)) == "path"
    assert word_of(Text8()) == word_of(Text8.load()) == "folder"
    assert no_network == []


@pytest.mark.parametrize("name", ["text8", "text8.zip", "text8.gz", "text8.prefix123.txt.gz"])
def test_each_layout_of_the_data_folder_is_found(tmp_path, monkeypatch, no_network, name):
    put(tmp_path, name, "found")
    monkeypatch.setenv("RNNCAP_DATA_DIR", str(tmp_path))
    assert word_of(Text8()) == "found"
    assert no_network == []


def test_the_whole_text_goes_before_a_prefix(tmp_path, monkeypatch, no_network):
    put(tmp_path, "text8.prefix9.txt.gz", "prefix")
    put(tmp_path, "text8.zip", "whole")
    monkeypatch.setenv("RNNCAP_DATA_DIR", str(tmp_path))
    assert word_of(Text8()) == "whole"


@pytest.mark.parametrize("folder", [None, "", "/no/such/folder", os.path.dirname(__file__)])
def test_without_a_file_or_a_network_the_error_names_three_ways_and_why_the_last_one_failed(
    monkeypatch, no_network, folder
):
    if folder is not None:
        monkeypatch.setenv("RNNCAP_DATA_DIR", folder)
    with pytest.raises(InputError) as caught:
        Text8()
    message = str(caught.value)
    assert no_network == ["text8"]
    ways = (
        "RNNCAP_DATA_DIR",
        "--data",
        "TensorFlow Datasets",
        "http://mattmahoney.net",
        "no route to host",
        "python-docs",
    )
    assert [way for way in ways if way not in message] == []
    assert "\n" not in message
    assert isinstance(caught.value.__cause__, ConnectionError)


def test_a_missing_and_a_damaged_file_are_errors_and_nothing_else_is_tried(tmp_path, monkeypatch, no_network):
    with pytest.raises(InputError, match=r"cannot read .*gone"):
        Text8(tmp_path / "gone")
    path = put(tmp_path, "text8.gz", "cut")
    path.write_bytes(path.read_bytes()[:-10])
    monkeypatch.setenv("RNNCAP_DATA_DIR", str(tmp_path))
    with pytest.raises(InputError, match="truncated or damaged"):
        Text8()
    assert no_network == []


@pytest.mark.parametrize(
    ("text", "said"),
    [(b"", "is empty"), (b"one two" * 200, "1,400 characters, too few"), (b"a" * 3000 + b"A", "offset 3,000")],
)
def test_texts_that_cannot_be_used_say_why(tmp_path, text, said):
    path = tmp_path / "mine"
    path.write_bytes(text)
    with pytest.raises(InputError, match=said):
        Text8(path)


@pytest.mark.parametrize(
    ("size", "held_out", "data"),
    [
        (100_000_000, 5_000_000, "text8 (100,000,000 characters)"),
        (12_549_840, 500_000, "text8 prefix, 12.5 MB (12,549,840 characters)"),
        (2_000, 100, "text8 prefix, 0.0 MB (2,000 characters)"),
    ],
)
def test_the_whole_is_split_as_in_the_literature_and_a_prefix_is_called_one(monkeypatch, size, held_out, data):
    text = np.tile(np.frombuffer(b"abcdefg ", np.uint8), -(-size // 8))[:size].tobytes()
    monkeypatch.setattr(characters_module, "read_bytes", lambda _: text)
    task = Text8("somewhere")
    assert [len(part) for part in task.corpus[1:]] == [size - 2 * held_out, held_out, held_out]
    assert task.data == data


@pytest.mark.real_data
@pytest.mark.skipif(not os.environ.get("RNNCAP_DATA_DIR"), reason="RNNCAP_DATA_DIR is not set: no text8 to read")
def test_the_real_prefix_reads_whole_and_has_the_entropy_its_readme_states():
    task = Text8()
    whole = decode(np.concatenate(task.corpus[1:])).encode()
    assert hashlib.sha256(whole).hexdigest() == "1b40ab68e13d520469aa90315b92b1466810394246571fadf742c971c3b65a25"
    assert [len(part) for part in task.corpus[1:]] == [11_549_840, 500_000, 500_000]
    assert whole.startswith(b" anarchism originated as a term of abuse")
    counts = np.bincount(task.corpus.train)
    entropy = -(counts / counts.sum() * np.log2(counts / counts.sum())).sum()
    assert entropy == pytest.approx(4.117, abs=0.01)
    baselines = task.baselines()
    assert baselines["unigram"] == pytest.approx(entropy, abs=0.05)
    assert 3.3 < baselines["bigram"] < 3.6
    assert re.search(r" the ", decode(task.corpus.test))
