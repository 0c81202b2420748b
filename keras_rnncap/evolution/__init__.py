"""Jozefowicz et al. (2015): the problems on which architectures are compared, and the search for better ones."""

from keras_rnncap.evolution.problems import Measures as Measures, Problem as Problem, Training as Training
