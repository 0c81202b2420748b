"""The studies of this package, and what every study promises."""

import pandas as pd
from contracts.study_contract import StudyContract
from studies.made import cells, memory, quantization, reruns, scaling, stored, trainability, zoo
from studies.made_architectures import architectures
from studies.made_evolution import evolution
from studies.made_words import GRU, RNN, initializations, landscape, words

from keras_rnncap.studies import (
    ArchitecturesStudy,
    CapacityStudy,
    CellsStudy,
    EvolutionStudy,
    InitializationsStudy,
    LandscapeStudy,
    MemoryStudy,
    QuantizationStudy,
    RobustnessStudy,
    ScalingStudy,
    TrainabilityStudy,
    WordsStudy,
    ZooStudy,
)


class TestCapacityStudy(StudyContract):
    study = CapacityStudy
    shows = ("capacity-size", "capacity-table", "equivalent-parameters", "capacity-patterns")
    claims = 6

    def rows(self):
        return stored(), pd.DataFrame()


class TestCellsStudy(StudyContract):
    study = CellsStudy
    shows = ("cells", "cells-capacity", "cells-memory", "cells-gates")
    claims = 2

    def rows(self):
        return cells()


class TestMemoryStudy(StudyContract):
    study = MemoryStudy
    shows = ("memory", "memory-table")
    claims = 1

    def rows(self):
        return memory()


class TestScalingStudy(StudyContract):
    study = ScalingStudy
    shows = ("scaling-random-function", "scaling-random-function-table", "scaling-text8", "scaling-text8-table")
    claims = 1

    def rows(self):
        return scaling()


class TestTrainabilityStudy(StudyContract):
    study = TrainabilityStudy
    shows = ("trainability-random", "trainability-infeasible", "trainability-welch")
    claims = 3

    def rows(self):
        return trainability()


class TestRobustnessStudy(StudyContract):
    study = RobustnessStudy
    shows = ("robustness", "robustness-table")
    claims = 1

    def rows(self):
        return reruns()


class TestQuantizationStudy(StudyContract):
    study = QuantizationStudy
    shows = ("quantization", "quantization-table", "quantization-needed")
    claims = 1

    def rows(self):
        return quantization()


class TestZooStudy(StudyContract):
    study = ZooStudy
    shows = ("presets",)

    def rows(self):
        return zoo()


class TestWordsStudy(StudyContract):
    study = WordsStudy
    shows = (
        *("words", "words-table", "words-states", "words-pairs", "words-fixed-points"),
        *("words-memory", "words-lengths"),
    )
    claims = 8

    def rows(self):
        return words()


class TestInitializationsStudy(StudyContract):
    study = InitializationsStudy
    shows = (
        *("initializations-first", "initializations-first-few", "initializations-first-trained"),
        *("initializations-xor", "initializations-xor-few", "initializations-xor-trained"),
        *("initializations-shares", "initializations-shares-table", "initializations-vectors"),
    )
    claims = 7

    def rows(self):
        return initializations(vectors={RNN: 0.2, GRU: 0.7})


class TestArchitecturesStudy(StudyContract):
    study = ArchitecturesStudy
    shows = (
        *("architectures-accuracy", "architectures-accuracy-figure", "architectures-music"),
        *("architectures-music-figure", "architectures-words", "architectures-words-figure"),
        *("architectures-probability", "architectures-ranks", "architectures-memorization"),
    )
    claims = 9

    def rows(self):
        return architectures()


class TestEvolutionStudy(StudyContract):
    study = EvolutionStudy
    shows = ("evolution-searches", "evolution-family-found", "evolution-family-random", "evolution-retrained")
    claims = 4

    def rows(self):
        return evolution()


class TestLandscapeStudy(StudyContract):
    study = LandscapeStudy
    shows = (
        *("landscape-untrained", "landscape-boxes", "landscape-distances", "landscape-paths", "landscape-roughness"),
        *("landscape-perturbations", "landscape-recovery"),
    )
    claims = 10

    def rows(self):
        return landscape()
