"""Four collections of polyphonic music."""

from keras_rnncap.datasets.builders.polyphonic_music.polyphonic_music_dataset_builder import Builder as Builder
