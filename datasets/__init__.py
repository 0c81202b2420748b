"""Tasks, in the order in which tables list them; a new task is a file and a line here."""

import contextlib

from keras_rnncap.by_name import by_name as _by_name
from keras_rnncap.datasets.answers import BITS as BITS, Answers as Answers, Numbers as Numbers
from keras_rnncap.datasets.answers import StoredLabels as StoredLabels, Symbols as Symbols, YesOrNo as YesOrNo
from keras_rnncap.datasets.characters import CharacterModelling as CharacterModelling
from keras_rnncap.datasets.corpus import ALPHABET as ALPHABET, Corpus as Corpus, decode as decode, encode as encode
from keras_rnncap.datasets.generated import GeneratedTask as GeneratedTask
from keras_rnncap.datasets.lookup import TASKS as TASKS, get_task_class as get_task_class, make_task as make_task
from keras_rnncap.datasets.lookup import task_arguments as task_arguments, task_spec as task_spec
from keras_rnncap.datasets.losses import SumOfBinaryCrossEntropies as SumOfBinaryCrossEntropies
from keras_rnncap.datasets.losses import SumOfCrossEntropies as SumOfCrossEntropies
from keras_rnncap.datasets.stream import StreamTask as StreamTask, SymbolStream as SymbolStream
from keras_rnncap.datasets.task import Judged as Judged, Sample as Sample, Split as Split, Task as Task
from keras_rnncap.datasets.perceptron import PerceptronCapacity as PerceptronCapacity
from keras_rnncap.datasets.perceptron import PerceptronSearch as PerceptronSearch
from keras_rnncap.datasets.perceptron import capacity_input_dim as capacity_input_dim
from keras_rnncap.datasets.squared_error import MemoryCapacity as MemoryCapacity, SpreadMemory as SpreadMemory
from keras_rnncap.datasets.squared_error import RandomContinuousFunction as RandomContinuousFunction
from keras_rnncap.datasets.characters import Text8 as Text8
from keras_rnncap.datasets.parentheses import ParenthesesCounting as ParenthesesCounting
from keras_rnncap.datasets.arithmetic import Arithmetic as Arithmetic
from keras_rnncap.datasets.generated_text import DistractorArithmetic as DistractorArithmetic
from keras_rnncap.datasets.generated_text import XMLModelling as XMLModelling
from keras_rnncap.datasets.penn_treebank import PennTreebank as PennTreebank
from keras_rnncap.datasets.frequent_words import FrequentWords as FrequentWords
from keras_rnncap.datasets.polyphonic_music import PolyphonicMusic as PolyphonicMusic
from keras_rnncap.datasets.memorization import Memorization as Memorization
from keras_rnncap.datasets.sentiment import SentimentSequences as SentimentSequences
from keras_rnncap.datasets.characters import PythonDocs as PythonDocs

TASKS |= _by_name(globals(), Task)

with contextlib.suppress(ImportError):  # a machine with JAX alone needs no TensorFlow Datasets
    import keras_rnncap.datasets.builders  # noqa: F401  registers them with `tfds.load`
