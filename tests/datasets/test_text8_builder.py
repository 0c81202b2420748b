"""The TensorFlow Datasets builder of text8, by TFDS' own test case; and `Text8()` through it, without a network."""

import functools
from pathlib import Path

import pytest
import tensorflow_datasets as tfds

from keras_rnncap.datasets import Text8, decode
from keras_rnncap.datasets.builders import text8

FOLDER = Path(text8.__file__).parent
URL = "http://mattmahoney.net/dc/text8.zip"


class TestText8Builder(tfds.testing.DatasetBuilderTestCase):
    DATASET_CLASS = text8.Builder
    SPLITS = {"train": 1, "validation": 1, "test": 1}  # noqa: RUF012  TFDS' own form
    EXAMPLE_DIR = FOLDER / "dummy_data"


def test_the_checksum_of_the_download_is_recorded():
    info = text8.Builder.url_infos[URL]
    assert info.size == 31_344_016
    assert info.checksum == "a6640522afe85d1963ad56c05b0ede0a0c000dddc9671758a6cc09b7a38e5232"
    assert info.filename == "text8.zip"


@pytest.fixture
def dummy_download(tmp_path, monkeypatch):
    """Lets TFDS find the dummy data where it would have downloaded the archive, and keep its files in `tmp_path`."""
    asked = []

    def download_and_extract(self, url):
        asked.append(url)
        return FOLDER / "dummy_data"

    monkeypatch.setattr(tfds.download.DownloadManager, "download_and_extract", download_and_extract)
    monkeypatch.setattr(tfds, "builder", functools.partial(tfds.builder, data_dir=tmp_path))
    monkeypatch.delenv("RNNCAP_DATA_DIR", raising=False)
    return asked


def test_text8_comes_through_tensorflow_datasets_and_is_downloaded_once(dummy_download):
    whole = (FOLDER / "dummy_data" / "text8").read_text()
    for _ in range(2):
        corpus = Text8().corpus
        assert "".join(decode(part) for part in corpus[1:]) == whole
    assert dummy_download == [URL]


def test_the_builder_splits_as_the_task_does(dummy_download, tmp_path):
    builder = tfds.builder("text8")
    builder.download_and_prepare()
    corpus = Text8(FOLDER / "dummy_data" / "text8").corpus
    for split in ("train", "validation", "test"):
        (example,) = tfds.as_numpy(builder.as_dataset(split=split))
        assert example["text"].decode() == decode(corpus.split(split))
