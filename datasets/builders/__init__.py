"""TensorFlow Datasets builders of real corpora; importing this registers them with `tfds.load`."""

from keras_rnncap.datasets.builders import penn_treebank as penn_treebank, polyphonic_music as polyphonic_music
from keras_rnncap.datasets.builders import text8 as text8
