"""The oracle and the metric with a plain KerasTuner tuner and a stock Keras model: the most bits about its targets."""

import keras
import keras_tuner as kt
import numpy as np

from keras_rnncap import MutualInformationBits
from keras_rnncap.tuners import GPBanditOracle


def build(hp):
    """A recurrent layer for the sum of a sequence."""
    layers = {"gru": keras.layers.GRU, "lstm": keras.layers.LSTM, "rnn": keras.layers.SimpleRNN}
    layer = layers[hp.Choice("layer", list(layers), ordered=False)]
    model = keras.Sequential([keras.Input((10, 1)), layer(hp.Int("units", 4, 16)), keras.layers.Dense(1)])
    rate = hp.Float("learning_rate", 1e-4, 1e-1, sampling="log")
    model.compile(keras.optimizers.Adam(rate), "mse", metrics=[MutualInformationBits("regression")])
    return model


def main(trials=6, folder="runs/stock-tuner"):
    """Searches, and prints the best values."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (512, 10, 1)).astype("float32")
    y = x.sum(axis=1)
    oracle = GPBanditOracle(kt.Objective("val_mutual_information_bits", "max"), max_trials=trials, seed=0)
    tuner = kt.Tuner(oracle, build, directory=folder)
    tuner.search(x, y, validation_split=0.25, epochs=5, verbose=0)
    best = oracle.get_best_trials(1)[0]
    print(f"{best.score:.2f} bits of each sum", best.hyperparameters.values)


if __name__ == "__main__":
    main()
