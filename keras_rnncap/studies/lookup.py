"""Finds a study by name."""

from __future__ import annotations

from keras_rnncap.errors import unknown
from keras_rnncap.studies.capacity import CapacityStudy
from keras_rnncap.studies.memory import MemoryStudy
from keras_rnncap.studies.quantization import QuantizationStudy
from keras_rnncap.studies.scaling import ScalingStudy
from keras_rnncap.studies.study import Study
from keras_rnncap.studies.trainability import RobustnessStudy, TrainabilityStudy
from keras_rnncap.studies.zoo import ZooStudy

STUDIES: dict[str, type[Study]] = {
    study.name: study
    for study in (
        CapacityStudy,
        MemoryStudy,
        ScalingStudy,
        TrainabilityStudy,
        RobustnessStudy,
        QuantizationStudy,
        ZooStudy,
    )
}


def get_study(name: str) -> Study:
    """Returns the study of this name.

    Raises:
        InputError: If there is none.

    Example:
    >>> get_study("capacity").source
    'Collins et al. 2017, figures 1, 2a, 2b and App.1'
    """
    if name not in STUDIES:
        raise unknown("study", name, STUDIES)
    return STUDIES[name]()
