"""Tasks: what a recurrent model is trained on and how it is scored."""

import contextlib

from keras_rnncap.datasets.answers import BITS, Answers, Numbers, StoredLabels, Symbols, YesOrNo
from keras_rnncap.datasets.arithmetic import Arithmetic
from keras_rnncap.datasets.characters import CharacterModelling
from keras_rnncap.datasets.corpus import ALPHABET, Corpus, decode, encode
from keras_rnncap.datasets.distractor_arithmetic import DistractorArithmetic
from keras_rnncap.datasets.generated import GeneratedTask
from keras_rnncap.datasets.lookup import TASKS, get_task_class, make_task, task_arguments, task_spec
from keras_rnncap.datasets.losses import SumOfBinaryCrossEntropies, SumOfCrossEntropies
from keras_rnncap.datasets.memorization import Memorization
from keras_rnncap.datasets.memory import MemoryCapacity
from keras_rnncap.datasets.parentheses import ParenthesesCounting
from keras_rnncap.datasets.penn_treebank import PennTreebank
from keras_rnncap.datasets.perceptron import PerceptronCapacity, PerceptronSearch, capacity_input_dim
from keras_rnncap.datasets.polyphonic_music import PolyphonicMusic
from keras_rnncap.datasets.python_docs import PythonDocs
from keras_rnncap.datasets.random_function import RandomContinuousFunction
from keras_rnncap.datasets.sentiment import SentimentSequences
from keras_rnncap.datasets.stream import StreamTask, SymbolStream
from keras_rnncap.datasets.task import Judged, Sample, Split, Task
from keras_rnncap.datasets.text8 import Text8
from keras_rnncap.datasets.xml_modelling import XMLModelling

with contextlib.suppress(ImportError):  # a machine with JAX alone needs no TensorFlow Datasets
    import keras_rnncap.datasets.builders  # noqa: F401  registers them with `tfds.load`

__all__ = [
    "ALPHABET",
    "BITS",
    "TASKS",
    "Answers",
    "Arithmetic",
    "CharacterModelling",
    "Corpus",
    "DistractorArithmetic",
    "GeneratedTask",
    "Judged",
    "Memorization",
    "MemoryCapacity",
    "Numbers",
    "ParenthesesCounting",
    "PennTreebank",
    "PerceptronCapacity",
    "PerceptronSearch",
    "PolyphonicMusic",
    "PythonDocs",
    "RandomContinuousFunction",
    "Sample",
    "SentimentSequences",
    "Split",
    "StoredLabels",
    "StreamTask",
    "SumOfBinaryCrossEntropies",
    "SumOfCrossEntropies",
    "SymbolStream",
    "Symbols",
    "Task",
    "Text8",
    "XMLModelling",
    "YesOrNo",
    "capacity_input_dim",
    "decode",
    "encode",
    "get_task_class",
    "make_task",
    "task_arguments",
    "task_spec",
]
