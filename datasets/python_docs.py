"""Text that every Python brings along, for work without a network."""

from __future__ import annotations

import platform
import pydoc_data.topics
import re
from pathlib import Path

from keras_rnncap.datasets.characters import CharacterModelling
from keras_rnncap.datasets.corpus import encode, split_corpus
from keras_rnncap.errors import InputError


class PythonDocs(CharacterModelling):
    """Character modelling of Python's own documentation, as `help("topics")` shows it.

    The texts of `pydoc_data.topics`, in the order of their titles, are made to look like text8: lower case, and runs of
    anything but letters are one space. They are about 0.38 million characters, a little different in each Python
    version; the last 5% are the test text, the 5% before them the validation text.

    Example:
    >>> PythonDocs().input_dim
    27
    """

    name = "python-docs"

    def __init__(self) -> None:
        topics = pydoc_data.topics.topics
        text = re.sub(r"[^a-z]+", " ", " ".join(topics[title] for title in sorted(topics)).lower()).strip()
        ids = encode(text.encode("ascii"), "pydoc_data.topics")
        super().__init__(split_corpus(f"Python {platform.python_version()} documentation", ids, len(ids) // 20))

    @classmethod
    def load(cls, path: Path | None = None) -> PythonDocs:
        """Returns the task; there is no file to name."""
        if path is not None:
            raise InputError(f"python-docs takes its text from Python itself, not from a file; got {path}")
        return cls()
