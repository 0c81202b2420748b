"""Builder of the text8 corpus."""

from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from keras_rnncap.datasets.builders.base import CorpusBuilder

URL = "http://mattmahoney.net/dc/text8.zip"


class Builder(CorpusBuilder):
    """One example for each split, with the whole text of it: 90, 5 and 5 million characters."""

    homepage = "http://mattmahoney.net/dc/textdata.html"

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        text = (Path(dl_manager.download_and_extract(URL)) / "text8").read_text("ascii")
        held_out = round(0.05 * len(text))
        train, validation = len(text) - 2 * held_out, len(text) - held_out
        parts = {"train": text[:train], "validation": text[train:validation], "test": text[validation:]}
        return {split: self._generate_examples([{"text": part}]) for split, part in parts.items()}
