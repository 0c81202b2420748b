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


def initializations(shares=None, gap=0.0, models=30, others=(("lstm", 0.6),), draws=1, easier=0, vectors=None):
    """So large a share of trainings above 90%, by rule and cell; the best RNN so far behind the best GRU.

    In so many draws, of which so many of the last have no gap; `vectors` are shares with trained word vectors, by cell.
    """
    shares = shares or {("first", RNN): 0.3, ("first", GRU): 0.8, ("xor", RNN): 0.05, ("xor", GRU): 0.5}
    shares = shares | {("first", cell): share for cell, share in others}
    pieces, trials = [], []
    for (rule, cell), share in shares.items():
        of_paper = cell in (RNN, GRU)
        for (word_dim, units), draw in itertools.product(SHAPES, range(draws)):
            of_first = word_dim != 4 or of_paper  # figures 5 and 6 have more shapes of the paper's cells
            if not (of_first if draw == 0 else of_paper and max(word_dim, units) <= 4):
                continue
            name = f"{rule}-{cell}-{word_dim}-{units}-{draw}"
            part = "paper" if of_paper else "cells"
            shape = {"cell": cell, "rule": rule, "word_dim": word_dim, "units": units, "draw": draw or np.nan}
            best = 1.0 - gap * (cell == RNN and draw < draws - easier)
            pieces.append({"piece": name, "part": part, **shape, "best_score": best})
            trials += _trainings(name, best, share * models, models)
            if vectors and of_paper and draw == 0 and max(word_dim, units) <= 4:
                # The RNN is as good as the GRU with trained word vectors, whatever it is with fixed ones.
                pieces.append(pieces[-1] | {"piece": f"{name}-trained", "part": "trained", "vectors": "trained"})
                trials += _trainings(f"{name}-trained", 1.0, vectors[cell] * models, models)
    return _tables(pieces, trials)


def _trainings(name, best, good, models):
    for trial in range(models):
        accuracy = (best if trial == 0 else min(best, 0.95)) if trial < good else 0.6
        row = {"piece": name, "trial": trial, "status": "completed", "accuracy": accuracy, "epochs": 20}
        yield row | {"last_accuracy": accuracy - 0.01, "loss": 0.2}


def landscape(shift=0.0, rougher=0.2, straighter=0.2, recovers=(0.7, 0.95), returns=0.9, models=12, solutions=(40, 40)):
    """Accuracies of untrained GRUs lower by so much; RNN paths rougher, GRU paths straighter; accuracies after k = 1.

    So many untrained settings of RNN and GRU are solutions, unless GRUs are lower.
    """
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
                count = int(1e6 * np.exp(-(((place - 100) / 20) ** 2)))
                trials.append(row | {"count": solutions[not is_rnn] if place == 185 else count})
        for word_dim, units in ((2, 4), (4, 8)):
            name = f"trained-{cell}-{word_dim}-{units}"
            piece = {"piece": name, "part": "trained", "cell": cell, "word_dim": word_dim, "units": units}
            pieces.append(piece | {"rule": "first", "best_score": 0.99})
            for trial, epoch in itertools.product(range(models), range(1, 31)):
                cosine = 0.5 + straighter * (not is_rnn) + (0.1 + rougher * is_rnn) * rng.uniform(-1, 1)
                row = {"piece": name, "trial": trial, "status": "completed", "kind": "path", "epoch": epoch}
                trials.append(row | {"accuracy": 0.97, "loss": 0.1, "cosine": cosine})
            for trial, factor, epoch in itertools.product(range(models), (0.1, 1.0), range(31)):
                accuracy = recovers[not is_rnn] + 0.02 * rng.uniform(-1, 1)
                row = {"piece": name, "trial": trial, "status": "completed", "kind": "perturbation", "epoch": epoch}
                away = factor * (1 + (returns - 1) * epoch / 30)
                row |= {"accuracy": accuracy, "loss": 0.1, "factor": factor, "distance": away}
                trials.append(row | {"trained_accuracy": 0.99, "trained_loss": 0.05})
    return _tables(pieces, trials)


def words(
    stop=0.5,
    apart=1.0,
    remembers=(15, 2000),
    long=(0.7, 0.95),
    models=8,
    left=(0.8, 0.1),
    swapped=(0.9, 0.7),
    across=0.0,
):
    """Products of stop words so long, of others 1; good and bad words so far apart; words remembered for so long.

    Where good and bad words are not apart, the segments between them cross. So accurate at ten times the length. So
    much left of first words, and so accurate on swapped pairs; stop words so far to both sides of their line.
    """
    rng, pieces, trials = np.random.default_rng(0), [], []

    for cell in (RNN, GRU):
        for part, word_dim in (("words", 2), ("states", 4)):
            name = f"{part}-{cell}"
            piece = {"piece": name, "part": part, "cell": cell, "word_dim": word_dim, "units": 2, "rule": "count"}
            pieces.append(piece | {"best_score": 0.99})
            common = {"piece": name, "trial": 0, "status": "completed", "accuracy": 0.99}
            for word in range(10):
                drawn = rng.normal(size=word_dim)
                if word >= 6:  # apart, whatever becomes of them
                    drawn[:2], drawn[2:] = (1 if word < 8 else -1, 0.1 * (word % 2)), 0
                row = {"kind": "word", "word": word, "vector": _text(*drawn / np.linalg.norm(drawn))}
                x, y = _product(word, stop, apart)
                y += across * (-1) ** word * (word < 6)
                # Where words are not apart, what is read out is on no line either.
                row |= {"product": _text(x, y), "read_out": _text(x, -x if apart else y)}
                trials.append(common | row)
            for pair, side, step in itertools.product(range(4), range(2), range(11)):
                away = side * (step > 0) * (pair == 0 or step < 8)  # from word 8 on together, but for the first pair
                row = {"kind": "path", "pair": pair, "side": side, "step": step, "state": _text(away, 0.1 * step)}
                trials.append(common | row | {"positive": not side, "right": pair != 1})
            for value in (0.5, 1.5):
                row = {"kind": "fixed point", "state": _text(value, 0), "speed": 1e-9}
                trials.append(common | row | {"eigenvalues": json.dumps([[value, 0.0], [0.1, 0.0]])})
        for trial, word in itertools.product(range(models), range(6, 10)):
            until = remembers[cell == GRU] * (1 + 0.1 * trial)
            row = {"piece": name, "trial": trial, "status": "completed", "accuracy": 0.99, "kind": "probe"}
            trials.append(row | {"word": word, "until": until if until < 4096 else np.nan, "probed": 4096})
        for trial, length in itertools.product(range(models), (10, 100)):
            row = {"piece": name, "trial": trial, "status": "completed", "accuracy": 0.99, "kind": "length"}
            right = 0.99 if length == 10 else long[cell == GRU] + 0.001 * trial
            trials.append(row | {"length": length, "accuracy_at_length": right})
        for trial in range(models):
            row = {"piece": name, "trial": trial, "status": "completed", "accuracy": 0.99, "kind": "pairs"}
            row |= {"swapped_right": swapped[cell == GRU] + 0.001 * trial}
            trials.append(row | {"left_of_first": left[cell == GRU] + 0.001 * trial})
    return _tables(pieces, trials)


def _text(*values):
    return json.dumps([float(value) for value in values])


def _product(word, stop, apart):
    if word < 6:
        return (stop, 0.0)
    if apart == 0:
        return {6: (1.0, 0.0), 7: (-1.0, 0.5), 8: (0.1, -1.0), 9: (0.1, 1.0)}[word]
    return (apart * (1 if word < 8 else -1), np.sqrt(1 - apart**2))
