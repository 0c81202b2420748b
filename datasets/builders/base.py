"""What the builders share, and how TensorFlow Datasets loads what a task needs."""

import logging
import sys
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

import tensorflow_datasets as tfds
from etils import epath
from tensorflow_datasets.core.download import downloader

from keras_rnncap.datasets.generated import SPLITS
from keras_rnncap.errors import InputError

RETRIES = 3
"""TensorFlow Datasets tries 10 times, over three minutes, before it says that there is no network."""


class CorpusBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):  # type: ignore[call-arg]
    """Base of the builders, by default of an example for each split, with the whole text of it."""

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


def load_examples(name: str, other_ways: str, source: str) -> dict[Any, list[dict[str, Any]]]:
    """Returns the examples of each split, downloaded once.

    Args:
        name: The builder's name, with its configuration: `"polyphonic_music/nottingham"`.
        other_ways: What a user can do instead, for the `InputError` if they cannot be had.
        source: Where TensorFlow Datasets downloads it from, for the same.
    """
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # a line for each of many tries says nothing more
    tries, downloader.MAX_RETRIES = downloader.MAX_RETRIES, RETRIES
    try:
        builder = tfds.builder(name)
        builder.download_and_prepare()
    except Exception as error:  # what a failed download raises depends on how it failed
        cause = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
        raise InputError(
            f"{name} is not at hand. There are these ways to it: {other_ways}; or let TensorFlow Datasets "
            f"download it from {source}, which failed just now: {cause}"
        ) from error
    finally:
        downloader.MAX_RETRIES = tries
    return {split: list(tfds.as_numpy(builder.as_dataset(split=split))) for split in SPLITS}
