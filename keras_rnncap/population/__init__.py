"""Populations: hundreds of models trained as one."""

from keras_rnncap.population.member import Member, MemberBuilder
from keras_rnncap.population.model import PatternTable, Population
from keras_rnncap.population.optimizer import RowOptimizer

__all__ = ["Member", "MemberBuilder", "PatternTable", "Population", "RowOptimizer"]
