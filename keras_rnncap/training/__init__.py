"""How a model is trained: its settings, losses and loop; `keras_rnncap.training.train` does it from start to finish."""

from keras_rnncap.training.loop import STEPS_PER_EXECUTION as STEPS_PER_EXECUTION, StopWhenDiverged as StopWhenDiverged
from keras_rnncap.training.loop import compile_model as compile_model, fit as fit
from keras_rnncap.training.losses import (
    SaturatedLoss as SaturatedLoss,
    saturate as saturate,
    takes_logits as takes_logits,
)
from keras_rnncap.training.schedules import Rule as Rule, Schedule as Schedule, ScheduleState as ScheduleState
from keras_rnncap.training.settings import OptimizerName as OptimizerName, TrainingSettings as TrainingSettings
