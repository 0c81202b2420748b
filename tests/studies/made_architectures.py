"""Made rows of the study of Jozefowicz et al."""

import numpy as np
import pandas as pd

PAPER = {
    "distractor-arithmetic": {
        **{"rnn": 0.29493, "tanh-lstm": 0.89228, "lstm-f": 0.29292, "lstm-i": 0.75109, "lstm-o": 0.86747},
        **{"lstm-b": 0.90163, "gru": 0.89565, "mut1": 0.92135, "mut2": 0.89735, "mut3": 0.90728},
    },
    "xml": {
        **{"rnn": 0.32050, "tanh-lstm": 0.42470, "lstm-f": 0.23356, "lstm-i": 0.41371, "lstm-o": 0.42117},
        **{"lstm-b": 0.44434, "gru": 0.45963, "mut1": 0.47483, "mut2": 0.47324, "mut3": 0.46478},
    },
    "frequent-words": {
        **{"rnn": 0.08782, "tanh-lstm": 0.08912, "lstm-f": 0.08808, "lstm-i": 0.08662, "lstm-o": 0.08933},
        **{"lstm-b": 0.08952, "gru": 0.09069, "mut1": 0.08968, "mut2": 0.09036, "mut3": 0.09161},
    },
}
MUSIC = {
    "polyphonic-music-nottingham": (3.612, 3.492, 3.732, 3.426, 3.406, 3.419, 3.410, 3.254, 3.372, 3.337),
    "polyphonic-music-nottingham-dropout": (3.267, 3.403, 3.420, 3.252, 3.253, 3.345, 3.427, 3.376, 3.429, 3.505),
    "polyphonic-music-piano_midi": (6.809, 6.866, 6.813, 6.856, 6.870, 6.820, 6.876, 6.792, 6.852, 6.840),
}
SIZES = {10_000: 1.0, 20_000: 0.995, 50_000: 0.99}


def architectures(accuracy=PAPER, music=MUSIC, sizes=SIZES, memorizes=18, spread=1e-4, lstm_words=0.97):
    """The means of the paper, with so large differences among seeds; words' losses by size, less for LSTMs."""
    rng = np.random.default_rng(0)
    pieces, trials = [], []
    cells = [*PAPER["xml"]]

    def add(part, column, cell, params, measure, mean):
        name = f"{part}-{column}-{cell}-{params}"
        piece = {"piece": name, "part": part, "column": column, "cell": cell, "params": params, "parameters": params}
        pieces.append(piece | {"task": column, "depth": 1, "units": 9, "seed": 0, "elapsed_s": 1.0, "best_score": mean})
        for seed in range(3):
            values = {"accuracy": np.nan, "loss": 2.0, "probability": 0.3}
            values[measure] = mean * (1 + spread * rng.normal())
            trials.append({"piece": name, "trial": 20 + seed, "kind": "rerun", "status": "completed", **values})

    for cell in cells:
        for column, means in accuracy.items():
            add("accuracy", column, cell, 10_000, "accuracy", means[cell])
        for column, losses in music.items():
            add("music", column, cell, 20_000, "loss", losses[cells.index(cell)])
        for params, loss in sizes.items():
            add("words", "frequent-words", cell, params, "loss", 4.0 * loss * (lstm_words if "lstm" in cell else 1.0))
        add("memorization", "memorization", cell, 25_000, "accuracy", 0.99)
        for trial in range(20):
            row = {"piece": pieces[-1]["piece"], "trial": trial, "kind": "setting", "status": "completed"}
            until = 12.0 if trial < memorizes else np.nan
            trials.append(row | {"accuracy": 0.9, "loss": 1.0, "elapsed_s": 5.0, "epochs_until_right": until})
    objective = {"objective": "accuracy", "direction": "max"}
    return pd.DataFrame([objective | piece for piece in pieces]), pd.DataFrame(trials)
