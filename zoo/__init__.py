"""Pretrained models, and models for use elsewhere."""

from keras_rnncap.zoo.evaluation import Evaluation as Evaluation, evaluate as evaluate
from keras_rnncap.zoo.exporting import FORMATS as FORMATS, export as export
from keras_rnncap.zoo.facts import PresetFacts as PresetFacts
from keras_rnncap.zoo.presets import card as card, describe as describe, list_presets as list_presets, load as load
from keras_rnncap.zoo.presets import save as save, verify as verify
from keras_rnncap.zoo.stepping import StateSpec as StateSpec, Stepper as Stepper
