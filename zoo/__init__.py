"""Pretrained models, and models for use elsewhere."""

from keras_rnncap.zoo.evaluation import Evaluation, evaluate
from keras_rnncap.zoo.exporting import FORMATS, export
from keras_rnncap.zoo.facts import PresetFacts
from keras_rnncap.zoo.presets import card, describe, list_presets, load, save, verify
from keras_rnncap.zoo.stepping import StateSpec, Stepper

__all__ = [
    "FORMATS",
    "Evaluation",
    "PresetFacts",
    "StateSpec",
    "Stepper",
    "card",
    "describe",
    "evaluate",
    "export",
    "list_presets",
    "load",
    "save",
    "verify",
]
