"""A search for the most information with a plain KerasTuner tuner and a plain Keras model."""

import keras
import keras_tuner as kt
import numpy as np

from keras_rnncap import MutualInformationBits
from keras_rnncap.tuners import GPBanditOracle


def build(hp):
    """A recurrent layer that says whether a sequence sums to more than 0, and a metric of what it knows of that."""
    layers = [keras.Input((10, 1)), keras.layers.GRU(hp.Int("units", 2, 12)), keras.layers.Dense(1)]
    model = keras.Sequential(layers)
    model.compile(
        keras.optimizers.Adam(hp.Float("learning_rate", 1e-3, 1e-1, sampling="log")),
        keras.losses.BinaryCrossentropy(from_logits=True),
        metrics=[MutualInformationBits("binary", from_logits=True)],
    )
    return model


def main(trials=5, folder="runs/information-tuner"):
    """Searches, and prints the bits of the best trial and its values."""
    x = np.random.default_rng(0).uniform(-1, 1, (512, 10, 1)).astype("float32")
    y = (x.sum(axis=1) > 0).astype("float32")
    oracle = GPBanditOracle(kt.Objective("val_mutual_information_bits", "max"), max_trials=trials, seed=0)
    tuner = kt.Tuner(oracle, build, directory=folder)
    tuner.search(x, y, validation_split=0.25, epochs=5, verbose=0)
    best = oracle.get_best_trials(1)[0]
    print(f"{best.score:.2f} of 1 bit", best.hyperparameters.values)


if __name__ == "__main__":
    main()
