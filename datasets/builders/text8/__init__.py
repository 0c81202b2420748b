"""The text8 corpus."""

from keras_rnncap.datasets.builders.text8.text8_dataset_builder import Builder as Builder
