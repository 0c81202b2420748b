"""Builder of the Penn Treebank corpus."""

from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from keras_rnncap.datasets.builders.base import CorpusBuilder
from keras_rnncap.datasets.corpus import in_data_dir, read_bytes

URL = "https://raw.githubusercontent.com/locuslab/TCN/2f8c2b817050206397458dfd1f5a25ce8a32fe65/TCN/word_cnn/data/penn/"
FILES = {"train": "train.txt", "validation": "valid.txt", "test": "test.txt"}


class Builder(CorpusBuilder):
    """One example for each split, with the whole text of it, a sentence a line.

    The files come from `ptb/` in the folder that `RNNCAP_DATA_DIR` names, from TensorFlow Datasets' manual folder, or
    from the network.
    """

    homepage = "https://catalog.ldc.upenn.edu/LDC99T42"

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        files: dict[str, Any] = {
            split: in_data_dir(f"ptb/ptb.{name}") or in_data_dir(f"ptb/ptb.{name}.gz") for split, name in FILES.items()
        }
        if not all(files.values()):
            files = dl_manager.download({split: URL + name for split, name in FILES.items()})
        return {split: self._generate_examples([{"text": read_bytes(Path(file))}]) for split, file in files.items()}
