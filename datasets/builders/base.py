"""What the builders share."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

import tensorflow_datasets as tfds
from etils import epath


class CorpusBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Base of the builders: its examples are numbered, and have the features that a subclass names.

    Attributes:
        features: The features of an example: by default the whole text of its split.
        homepage: Where the data are described.
        ordered: Whether examples keep their order.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar = {"1.0.0": "The first release."}
    features: ClassVar[dict[str, Any]] = {"text": tfds.features.Text()}
    homepage: ClassVar[str]
    ordered: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        # In a checkout the file is not where TensorFlow Datasets infers from the module's name that it is.
        cls.code_path = epath.Path(sys.modules[cls.__module__].__file__)
        cls.pkg_dir_path = cls.code_path.parent
        super().__init_subclass__(**kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(self.features),
            supervised_keys=None,
            homepage=self.homepage,
            disable_shuffling=self.ordered,
        )

    def _generate_examples(self, examples: Iterable[dict[str, Any]]) -> Iterator[tuple[int, Any]]:
        return enumerate(examples)
