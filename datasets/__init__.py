"""Tasks: what a recurrent model is trained on and how it is scored."""

from keras_rnncap.datasets.characters import CharacterModelling
from keras_rnncap.datasets.corpus import ALPHABET, Corpus, decode, encode
from keras_rnncap.datasets.lookup import TASKS, TEXTS, get_text_class
from keras_rnncap.datasets.perceptron import PerceptronCapacity, capacity_input_dim
from keras_rnncap.datasets.python_docs import PythonDocs
from keras_rnncap.datasets.task import Sample, Split, Task
from keras_rnncap.datasets.text8 import Text8

__all__ = [
    "ALPHABET",
    "TASKS",
    "TEXTS",
    "CharacterModelling",
    "Corpus",
    "PerceptronCapacity",
    "PythonDocs",
    "Sample",
    "Split",
    "Task",
    "Text8",
    "capacity_input_dim",
    "decode",
    "encode",
    "get_text_class",
]
