"""text8: the first 100 million characters of cleaned Wikipedia, or a prefix of them."""

from __future__ import annotations

import os
from pathlib import Path

from keras_rnncap.datasets.characters import CharacterModelling
from keras_rnncap.datasets.corpus import Corpus, encode, in_data_dir, read_bytes, split_corpus

WHOLE = 100_000_000


class Text8(CharacterModelling):
    """Character modelling of text8 (Mahoney, 2011), as Collins et al. (2017), appendix B, and `CharacterModelling` say.

    The whole file is split 90M / 5M / 5M as in the literature. Of a prefix the last 500,000 characters are the test
    text and the 500,000 before them the validation text; its results cannot be compared with published ones.

    Args:
        path: A plain, gzip or zip file with text8 or a prefix. `None` looks into the folder that `RNNCAP_DATA_DIR`
            names, for `text8/text8`, `text8/text8.zip` or `text8/text8*.gz`; then has TensorFlow Datasets load it,
            which downloads it once.

    Raises:
        InputError: If none of the three has it, or the file is truncated, damaged or has other characters.

    Example:
    >>> Text8(path="/no/such/file")
    Traceback (most recent call last):
    keras_rnncap.errors.InputError: cannot read /no/such/file: No such file or directory
    """

    name = "text8"
    needs_data = True

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        super().__init__(_load(None if path is None else Path(path)))

    @classmethod
    def load(cls, path: Path | None = None) -> Text8:
        """Returns the task, with its text from a file if one is named."""
        return cls(path)

    @staticmethod
    def at_hand() -> bool:
        """Whether `RNNCAP_DATA_DIR` has it."""
        return _find() is not None


def _load(path: Path | None) -> Corpus:
    path = path or _find()
    text = read_bytes(path) if path else _from_tensorflow_datasets()
    ids = encode(text, str(path or "text8"))
    whole = len(ids) == WHOLE
    name = "text8" if whole else f"text8 prefix, {len(ids) / 1e6:.1f} MB"
    return split_corpus(name, ids, 5_000_000 if whole else min(500_000, len(ids) // 20))


def _find() -> Path | None:
    folder = in_data_dir("text8")
    if folder is None:
        return None
    files = [folder / name for name in ("text8", "text8.zip", "text8.gz")]
    return next((file for file in [*files, *sorted(folder.glob("text8*.gz"))] if file.is_file()), None)


def _from_tensorflow_datasets() -> bytes:
    from keras_rnncap.datasets.builders.loading import load_examples

    examples = load_examples(
        "text8",
        "set RNNCAP_DATA_DIR to a folder with text8/text8.zip, text8/text8 or a prefix text8/text8*.gz; name such a "
        "file with --data (in Python: Text8(path)); take the task python-docs, which needs no data",
        "http://mattmahoney.net/dc/textdata.html",
    )
    return b"".join(examples[split][0]["text"] for split in examples)
