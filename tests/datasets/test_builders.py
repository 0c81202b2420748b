"""The TensorFlow Datasets builders of words and music, by TFDS' own test case, and the tasks through them."""

import functools
import hashlib
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from scipy import io

from keras_rnncap.datasets import PennTreebank, PolyphonicMusic
from keras_rnncap.datasets.builders import penn_treebank, polyphonic_music
from keras_rnncap.datasets.builders.polyphonic_music import polyphonic_music_dataset_builder as music_module
from keras_rnncap.errors import InputError

PTB = Path(penn_treebank.__file__).parent
MUSIC = Path(polyphonic_music.__file__).parent
REAL = {name: checksum for name, checksum in music_module.FILES.values()}


@pytest.fixture(autouse=True)
def no_data_folder(monkeypatch):
    monkeypatch.delenv("RNNCAP_DATA_DIR", raising=False)
    dummy = MUSIC / "dummy_data" / "Nottingham.mat"
    changed = {"nottingham": ("Nottingham.mat", hashlib.sha256(dummy.read_bytes()).hexdigest())}
    monkeypatch.setattr(music_module, "FILES", music_module.FILES | changed)


class TestPennTreebankBuilder(tfds.testing.DatasetBuilderTestCase):
    DATASET_CLASS = penn_treebank.Builder
    SPLITS = {"train": 1, "validation": 1, "test": 1}  # noqa: RUF012  TFDS' own form
    EXAMPLE_DIR = PTB / "dummy_data"
    DL_EXTRACT_RESULT = {split: f"ptb.{name}" for split, name in {  # noqa: RUF012
        "train": "train.txt", "validation": "valid.txt", "test": "test.txt"}.items()}  # fmt: skip
    DL_DOWNLOAD_RESULT = DL_EXTRACT_RESULT


class TestPolyphonicMusicBuilder(tfds.testing.DatasetBuilderTestCase):
    DATASET_CLASS = polyphonic_music.Builder
    BUILDER_CONFIG_NAMES_TO_TEST = ["nottingham"]  # noqa: RUF012
    SPLITS = {"train": 3, "validation": 2, "test": 2}  # noqa: RUF012
    EXAMPLE_DIR = MUSIC / "dummy_data"
    DL_DOWNLOAD_RESULT = "Nottingham.mat"
    SKIP_CHECKSUMS = True  # they stand in the builder, which checks them


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """TFDS keeps its files in `tmp_path`, and finds what it would download in its manual folder or not at all."""
    (tmp_path / "downloads" / "manual").mkdir(parents=True)
    monkeypatch.setattr(tfds, "builder", functools.partial(tfds.builder, data_dir=tmp_path))
    monkeypatch.setattr(
        tfds.download.DownloadManager,
        "_download_or_get_cache",
        lambda *_, **__: pytest.fail("it went to the network"),
        raising=False,
    )
    return tmp_path


def test_checksums_of_all_downloads_are_recorded():
    infos = penn_treebank.Builder.url_infos
    assert {Path(url).name: info.size for url, info in infos.items()} == {
        "train.txt": 5_101_618,
        "valid.txt": 399_782,
        "test.txt": 449_945,
    }
    assert all(len(info.checksum) == 64 for info in infos.values())
    assert sorted(REAL) == ["JSB_Chorales.mat", "MuseData.mat", "Nottingham.mat", "Piano_midi.mat"]
    assert all(len(checksum) == 64 for checksum in REAL.values())


def test_music_comes_from_the_manual_folder(offline):
    dummy = MUSIC / "dummy_data" / "Nottingham.mat"
    (offline / "downloads" / "manual" / "Nottingham.mat").write_bytes(dummy.read_bytes())
    task = PolyphonicMusic()
    arrays = io.loadmat(dummy)
    for split, key in (("train", "traindata"), ("validation", "validdata"), ("test", "testdata")):
        expected = arrays[key].ravel()
        assert len(task.pieces[split]) == len(expected)
        for piece, roll in zip(task.pieces[split], expected, strict=True):
            np.testing.assert_array_equal(piece, roll)


def test_a_changed_file_is_an_error(offline):
    data = bytearray((MUSIC / "dummy_data" / "Nottingham.mat").read_bytes())
    data[200] ^= 1
    (offline / "downloads" / "manual" / "Nottingham.mat").write_bytes(data)
    with pytest.raises(InputError, match=r"Nottingham.mat is not Nottingham.mat as it was published"):
        PolyphonicMusic()


def test_builders_take_the_data_folder(offline, monkeypatch, tmp_path):
    (tmp_path / "data" / "ptb").mkdir(parents=True)
    for file in (PTB / "dummy_data").iterdir():
        (tmp_path / "data" / "ptb" / file.name).write_bytes(file.read_bytes())
    monkeypatch.setenv("RNNCAP_DATA_DIR", str(tmp_path / "data"))
    builder = tfds.builder("penn_treebank")
    builder.download_and_prepare()
    (example,) = tfds.as_numpy(builder.as_dataset(split="test"))
    assert example["text"] == (PTB / "dummy_data" / "ptb.test.txt").read_bytes()
    monkeypatch.delenv("RNNCAP_DATA_DIR")
    assert PennTreebank().words.vocabulary == PennTreebank(PTB / "dummy_data").words.vocabulary  # prepared before
