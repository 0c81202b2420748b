"""The spaces of this package, and what every space promises."""

from contracts.space_contract import SpaceContract

from keras_rnncap.tuners.spaces import CollinsSpace, JozefowiczSpace, RowSOAPSpace


class TestCollinsSpace(SpaceContract):
    space = CollinsSpace


class TestJozefowiczSpace(SpaceContract):
    space = JozefowiczSpace


class TestRowSOAPSpace(SpaceContract):
    space = RowSOAPSpace
