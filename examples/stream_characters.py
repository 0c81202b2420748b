"""Streams text from a pretrained model, character by character: `python stream_characters.py [PRESET] [CHARACTERS]`.

The preset is exported first; after that TensorFlow alone runs it, one time step at a time, its states in and out.
"""

import sys
import tempfile

import numpy as np
import tensorflow as tf

from keras_rnncap import zoo

ALPHABET = " abcdefghijklmnopqrstuvwxyz"
TEMPERATURE = 0.7


def stream(preset="lstm-text8-100k", characters=300, prompt="the history of ", seed=0):
    """Yields the prompt, and then what the model writes after it."""
    with tempfile.TemporaryDirectory() as folder:
        zoo.export(zoo.load(preset), folder, ["saved_model"])
        model = tf.saved_model.load(f"{folder}/saved_model")
        states, rng, likely = model.initial_state(1), np.random.default_rng(seed), None
        for place in range(len(prompt) + characters):
            character = prompt[place] if place < len(prompt) else rng.choice(list(ALPHABET), p=likely)
            yield character
            x = tf.one_hot([ALPHABET.index(character)], len(ALPHABET))
            outputs = model.step(x, *(states[f"state_{index}"] for index in range(len(states))))
            states = {name: state for name, state in outputs.items() if name != "output"}
            likely = tf.nn.softmax(tf.cast(outputs["output"][0], tf.float64) / TEMPERATURE).numpy()


if __name__ == "__main__":
    arguments = dict(zip(("preset", "characters"), sys.argv[1:], strict=False))
    for character in stream(**arguments | {"characters": int(arguments.get("characters", 300))}):
        print(character, end="", flush=True)
    print()
