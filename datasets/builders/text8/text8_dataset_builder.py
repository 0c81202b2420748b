"""Builder of the text8 corpus."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds
from etils import epath

URL = "http://mattmahoney.net/dc/text8.zip"
HELD_OUT = 0.05


class Builder(tfds.core.GeneratorBasedBuilder):
    """One example for each split, with the whole text of it: 90, 5 and 5 million characters."""

    # In a checkout this file is not where TensorFlow Datasets infers from the module's name that it is.
    code_path = epath.Path(__file__)
    pkg_dir_path = code_path.parent
    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "The first release."}  # noqa: RUF012  TensorFlow Datasets reads it from the class

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict({"text": tfds.features.Text()}),
            supervised_keys=None,
            homepage="http://mattmahoney.net/dc/textdata.html",
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator[tuple[int, Any]]]:
        text = (Path(dl_manager.download_and_extract(URL)) / "text8").read_text("ascii")
        held_out = round(HELD_OUT * len(text))
        train, validation = len(text) - 2 * held_out, len(text) - held_out
        return {
            "train": self._generate_examples(text[:train]),
            "validation": self._generate_examples(text[train:validation]),
            "test": self._generate_examples(text[validation:]),
        }

    def _generate_examples(self, text: str) -> Iterator[tuple[int, Any]]:
        yield 0, {"text": text}
