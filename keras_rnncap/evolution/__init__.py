"""Jozefowicz et al. (2015): the problems on which architectures are compared, and the search for better ones."""

from keras_rnncap.evolution.problems import Measures as Measures, Problem as Problem, Training as Training
from keras_rnncap.evolution.history import Candidate as Candidate, Evaluation as Evaluation, History as History
from keras_rnncap.evolution.rows import read_history as read_history, rules_of as rules_of
from keras_rnncap.evolution.rules import Rules as Rules, get_rules as get_rules
from keras_rnncap.evolution.search import run_evolution as run_evolution
