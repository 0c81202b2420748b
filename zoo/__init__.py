"""Models for use elsewhere. Pretrained ones are not published yet."""

from keras_rnncap.zoo.exporting import FORMATS, export
from keras_rnncap.zoo.stepping import StateSpec, Stepper

__all__ = ["FORMATS", "StateSpec", "Stepper", "export"]
