"""TensorFlow Datasets builders of real corpora; importing this registers them with `tfds.load`."""

from keras_rnncap.datasets.builders import penn_treebank, polyphonic_music, text8

__all__ = ["penn_treebank", "polyphonic_music", "text8"]
