"""Populations: hundreds of models trained as one."""

from keras_rnncap.population.alone import AlonePopulation
from keras_rnncap.population.epochs import due, fit_epochs, listen, steps_to_epoch_end, validation_scores
from keras_rnncap.population.forward import CannotShareError
from keras_rnncap.population.history import MemberHistory
from keras_rnncap.population.member import Member, MemberBuilder
from keras_rnncap.population.model import PatternTable, Population
from keras_rnncap.population.optimizer import RowOptimizer
from keras_rnncap.population.parallel import ParallelPopulation

__all__ = [
    "AlonePopulation",
    "CannotShareError",
    "Member",
    "MemberBuilder",
    "MemberHistory",
    "ParallelPopulation",
    "PatternTable",
    "Population",
    "RowOptimizer",
    "due",
    "fit_epochs",
    "listen",
    "steps_to_epoch_end",
    "validation_scores",
]
