"""Made rows of the studies of Mehta."""

import itertools
import json

import numpy as np
import pandas as pd

RNN, GRU = "two-bias-rnn", "reset-after-gru"
SHAPES = (*itertools.product((2, 5, 10, 15), (2, 4, 8, 16)), (4, 2), (4, 4))


def _tables(pieces, trials):
    common = {"objective": "accuracy", "direction": "max", "task": "sentiment", "depth": 1, "parameters": 20}
    return pd.DataFrame([common | {"elapsed_s": 1.0} | piece for piece in pieces]), pd.DataFrame(trials)


def initializations(shares=None, gap=0.0, models=30):
    """So large a share of trainings above 90%, by rule and cell; the best RNN so far behind the best GRU."""
    shares = shares or {("first", RNN): 0.3, ("first", GRU): 0.8, ("xor", RNN): 0.05, ("xor", GRU): 0.5}
    shares = shares | {("first", "lstm"): 0.6}
    pieces, trials = [], []
    for (rule, cell), share in shares.items():
        for word_dim, units in SHAPES:
            if cell == "lstm" and word_dim == 4:
                continue
            name = f"{rule}-{cell}-{word_dim}-{units}"
            part = "cells" if cell == "lstm" else "paper"
            shape = {"cell": cell, "rule": rule, "word_dim": word_dim, "units": units}
            best = 1.0 - gap * (cell == RNN)
            pieces.append({"piece": name, "part": part, **shape, "best_score": best})
            for trial in range(models):
                accuracy = (best if trial == 0 else min(best, 0.95)) if trial < share * models else 0.6
                row = {"piece": name, "trial": trial, "status": "completed", "accuracy": accuracy, "epochs": 20}
                trials.append(row | {"last_accuracy": accuracy - 0.01, "loss": 0.2})
    return _tables(pieces, trials)


def landscape(shift=0.0, rougher=0.2, recovers=(0.7, 0.95), returns=0.9, models=12):
    """Accuracies of untrained GRUs lower by so much; RNN paths rougher; accuracies of both after k = 1."""
    rng, pieces, trials = np.random.default_rng(0), [], []
    for cell in (RNN, GRU):
        is_rnn = cell == RNN
        for word_dim, units in itertools.product((2, 4), (2, 4)):
            name = f"untrained-{cell}-{word_dim}-{units}"
            piece = {"piece": name, "part": "untrained", "cell": cell, "word_dim": word_dim, "units": units}
            pieces.append(piece | {"rule": "first", "best_score": 0.9})
            for place in range(100, 190):
                accuracy = place / 200 - shift * (not is_rnn)
                row = {"piece": name, "trial": place, "status": "completed", "accuracy": accuracy}
                trials.append(row | {"count": int(1e6 * np.exp(-(((place - 100) / 20) ** 2)))})
        for word_dim, units in ((2, 4), (4, 8)):
            name = f"path-{cell}-{word_dim}-{units}"
            piece = {"piece": name, "part": "path", "cell": cell, "word_dim": word_dim, "units": units}
            pieces.append(piece | {"rule": "first", "best_score": 0.99})
            for trial, epoch in itertools.product(range(models), range(1, 31)):
                cosine = 0.5 + (0.1 + rougher * is_rnn) * rng.uniform(-1, 1)
                row = {"piece": name, "trial": trial, "status": "completed", "accuracy": 0.97, "loss": 0.1}
                trials.append(row | {"epoch": epoch, "cosine": cosine})
        name = f"perturbation-{cell}-2-4"
        piece = {"piece": name, "part": "perturbation", "cell": cell, "word_dim": 2, "units": 4}
        pieces.append(piece | {"rule": "first", "best_score": 0.99})
        for trial, factor, epoch in itertools.product(range(models), (0.1, 1.0), range(31)):
            accuracy = recovers[not is_rnn] + 0.02 * rng.uniform(-1, 1)
            row = {"piece": name, "trial": trial, "status": "completed", "accuracy": accuracy, "loss": 0.1}
            away = factor * (1 + (returns - 1) * epoch / 30)
            trials.append(row | {"factor": factor, "epoch": epoch, "distance": away, "trained_accuracy": 0.99})
    return _tables(pieces, trials)


def words(stop=0.5, apart=1.0, remembers=(15, 2000), models=8):
    """Products of stop words so long, of others 1; good and bad words so far apart; words remembered for so long."""
    rng, pieces, trials = np.random.default_rng(0), [], []

    def text(*values):
        return json.dumps([float(value) for value in values])

    for cell in (RNN, GRU):
        for part, word_dim in (("words", 2), ("states", 4)):
            name = f"{part}-{cell}"
            piece = {"piece": name, "part": part, "cell": cell, "word_dim": word_dim, "units": 2, "rule": "count"}
            pieces.append(piece | {"best_score": 0.99})
            common = {"piece": name, "trial": 0, "status": "completed", "accuracy": 0.99}
            for word in range(10):
                product = (stop, 0.0) if word < 6 else (apart * (1 if word < 8 else -1), np.sqrt(1 - apart**2))
                row = {"kind": "word", "word": word, "vector": text(*rng.normal(size=word_dim))}
                trials.append(common | row | {"product": text(*product), "read_out": text(product[0], -product[0])})
            for pair, side, step in itertools.product(range(3), range(2), range(11)):
                row = {"kind": "path", "pair": pair, "side": side, "step": step, "state": text(*rng.normal(size=2))}
                trials.append(common | row)
            for value in (0.5, 1.5):
                row = {"kind": "fixed point", "state": text(value, 0), "speed": 1e-9}
                trials.append(common | row | {"eigenvalues": json.dumps([[value, 0.0], [0.1, 0.0]])})
        for trial, word in itertools.product(range(models), range(6, 10)):
            until = remembers[cell == GRU] * (1 + 0.1 * trial)
            row = {"piece": name, "trial": trial, "status": "completed", "accuracy": 0.99, "kind": "probe"}
            trials.append(
                row | {"word": word, "right": True, "until": until if until < 4096 else np.nan, "probed": 4096}
            )
    return _tables(pieces, trials)
