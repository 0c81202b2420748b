"""Builder of the Penn Treebank corpus."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds
from etils import epath

from keras_rnncap.datasets.corpus import data_dir, read_bytes

URL = "https://raw.githubusercontent.com/locuslab/TCN/2f8c2b817050206397458dfd1f5a25ce8a32fe65/TCN/word_cnn/data/penn/"
FILES = {"train": "train.txt", "validation": "valid.txt", "test": "test.txt"}


class Builder(tfds.core.GeneratorBasedBuilder):
    """One example for each split, with the whole text of it, a sentence a line.

    The files come from `ptb/` in the folder that `RNNCAP_DATA_DIR` names, from TensorFlow Datasets' manual folder, or
    from the network.
    """

    # In a checkout this file is not where TensorFlow Datasets infers from the module's name that it is.
    code_path = epath.Path(__file__)
    pkg_dir_path = code_path.parent
    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "The first release."}  # noqa: RUF012  TensorFlow Datasets reads it from the class

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict({"text": tfds.features.Text()}),
            supervised_keys=None,
            homepage="https://catalog.ldc.upenn.edu/LDC99T42",
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator[tuple[int, Any]]]:
        folder = data_dir()
        local = {} if folder is None else {split: _find(folder / "ptb", name) for split, name in FILES.items()}
        if local and all(local.values()):
            found: dict[str, Any] = local
        else:
            found = dl_manager.download({split: URL + name for split, name in FILES.items()})
        return {split: self._generate_examples(Path(file)) for split, file in found.items()}

    def _generate_examples(self, file: Path) -> Iterator[tuple[int, Any]]:
        yield 0, {"text": read_bytes(file)}


def _find(folder: Path, name: str) -> Path | None:
    return next((file for file in (folder / f"ptb.{name}", folder / f"ptb.{name}.gz") if file.is_file()), None)
