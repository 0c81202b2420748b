"""The Penn Treebank, as preprocessed by Mikolov et al."""

from keras_rnncap.datasets.builders.penn_treebank.penn_treebank_dataset_builder import Builder as Builder
