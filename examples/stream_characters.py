"""Writes text one character at a time with an exported model, without its code: TensorFlow alone runs the steps.

Trains a small model on Python's documentation first, exports it, and forgets it.
"""

import keras
import numpy as np
import tensorflow as tf
from keras_rnncap.datasets import PythonDocs

from keras_rnncap import zoo
from keras_rnncap.train import train_model
from keras_rnncap.training import TrainingSettings

ALPHABET = " abcdefghijklmnopqrstuvwxyz"

settings = TrainingSettings(steps=200, learning_rate=0.02)
train_model(PythonDocs(), "gru", params=5_000, settings=settings, out="runs/stream")
zoo.export(keras.saving.load_model("runs/stream/model.keras"), "exported", formats=["saved_model"])

model = tf.saved_model.load("exported/saved_model")
states = model.initial_state(1)
rng = np.random.default_rng(0)
character = 0
for _ in range(200):
    x = tf.one_hot([character], len(ALPHABET))
    found = model.step(x, *(states[f"state_{i}"] for i in range(len(states))))
    states = {name: state for name, state in found.items() if name != "output"}
    character = rng.choice(len(ALPHABET), p=tf.nn.softmax(tf.cast(found["output"][0], tf.float64)).numpy())
    print(ALPHABET[character], end="", flush=True)
print()
