"""The oracles that a sweep can ask for, and what every one promises."""

from contracts.oracle_contract import OracleContract


class TestGaussianProcess(OracleContract):
    oracle = "gp"


class TestRandom(OracleContract):
    oracle = "random"


class TestBayesian(OracleContract):
    oracle = "bayesian"


class TestRepeat(OracleContract):
    oracle = "repeat"
    searches = False
