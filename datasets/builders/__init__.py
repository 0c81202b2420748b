"""TensorFlow Datasets builders of real corpora; importing one registers it with `tfds.load`."""
