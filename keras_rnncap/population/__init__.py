"""Populations: hundreds of models trained as one."""

from keras_rnncap.population.alone import AlonePopulation as AlonePopulation
from keras_rnncap.population.epochs import due as due, fit_epochs as fit_epochs, listen as listen
from keras_rnncap.population.epochs import steps_to_epoch_end as steps_to_epoch_end
from keras_rnncap.population.epochs import validation_scores as validation_scores
from keras_rnncap.population.slots import CannotShareError as CannotShareError
from keras_rnncap.population.member import Member as Member, MemberBuilder as MemberBuilder
from keras_rnncap.population.model import Population as Population
from keras_rnncap.population.optimizer import RowOptimizer as RowOptimizer
from keras_rnncap.population.rows import PatternTable as PatternTable
from keras_rnncap.population.shuffling import check_patterns as check_patterns
