"""How a model is trained: its settings, losses and loop; `keras_rnncap.training.train` does it from start to finish."""

from keras_rnncap.training.loop import STEPS_PER_EXECUTION, StopWhenDiverged, compile_model, fit
from keras_rnncap.training.losses import SaturatedLoss, saturate
from keras_rnncap.training.schedules import Rule, Schedule, ScheduleState
from keras_rnncap.training.settings import OptimizerName, TrainingSettings

__all__ = [
    "STEPS_PER_EXECUTION",
    "OptimizerName",
    "Rule",
    "SaturatedLoss",
    "Schedule",
    "ScheduleState",
    "StopWhenDiverged",
    "TrainingSettings",
    "compile_model",
    "fit",
    "saturate",
]
