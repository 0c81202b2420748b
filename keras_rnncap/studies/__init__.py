"""The studies of Collins et al. (2017), each a command."""

from keras_rnncap.studies.lookup import STUDIES, get_study
from keras_rnncap.studies.run import Plan, in_words, read_study, run_study
from keras_rnncap.studies.study import Grid, Piece, Study

__all__ = ["STUDIES", "Grid", "Piece", "Plan", "Study", "get_study", "in_words", "read_study", "run_study"]
