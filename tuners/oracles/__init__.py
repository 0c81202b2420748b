"""Oracles, by the names that a sweep takes; a new oracle is a file and a line here."""

import keras_tuner as _kt

from keras_rnncap.by_name import by_name as _by_name
from keras_rnncap.tuners.oracles.gp_bandit import GPBanditOracle as GPBanditOracle
from keras_rnncap.tuners.oracles.kerastuner import RandomOracle as RandomOracle
from keras_rnncap.tuners.oracles.kerastuner import BayesianOracle as BayesianOracle
from keras_rnncap.tuners.oracles.kerastuner import RepeatOracle as RepeatOracle

ORACLES: dict[str, type[_kt.Oracle]] = _by_name(globals(), _kt.Oracle)
