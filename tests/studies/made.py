"""Made rows of studies, as `run_study` would write them."""

import itertools
import json

import numpy as np
import pandas as pd

from keras_rnncap.runs import IDENTITY
from keras_rnncap.studies.run import PIECES, TRIALS

CELLS = ("rnn", "irnn", "ugrnn", "gru", "lstm", "+rnn")


def write_study(folder, name, pieces, trials):
    """Writes rows as a study's folder."""
    folder.mkdir(parents=True)
    identity = {"command": "study", "study": name, "profile": "laptop"}
    (folder / IDENTITY).write_text(json.dumps(identity))
    versions = json.dumps({"python": "3.11", "keras": "3.15"})
    pieces = pieces.assign(seed=0) if "seed" not in pieces else pieces
    pieces.assign(wall_s=60.0, versions=versions, settings="{}", machine="2 cores, cpu").to_csv(
        folder / PIECES, index=False
    )
    trials.to_csv(folder / TRIALS, index=False, compression="xz")
    return folder


def trainability(levels=None, depths=(1, 8), settings=40, infeasible=0.2, spread=0.3, seed=0):
    """A search at random for every cell and depth, with so much loss on average."""
    rng = np.random.default_rng(seed)
    levels = levels or dict(zip(CELLS, (3.0, 2.6, 2.2, 2.0, 2.1, 1.8), strict=True))
    pieces, trials = [], []
    for cell, level in levels.items():
        for depth in depths:
            if cell == "+rnn" and depth == 1:
                continue
            name = f"random-{cell}-{depth}"
            pieces.append(
                {"piece": name, "part": "random", "cell": cell, "depth": depth, "task": "parentheses", "params": 5000}
                | {"objective": "cross_entropy_nats", "direction": "min", "best_score": level}
            )
            share = 0.5 if cell == "irnn" else infeasible
            for trial in range(settings):
                bad = trial < share * settings
                score = np.nan if bad else level + spread * rng.normal()
                row = {"piece": name, "trial": trial, "status": "infeasible" if bad else "completed"}
                trials.append(row | {"cross_entropy_nats": score, "elapsed_s": 1.0, "steps": 100})
    return pd.DataFrame(pieces), pd.DataFrame(trials)


def memory(off=0.0):
    """The subspace's error, and a little more."""
    rows = [
        {"piece": f"memory-{cell}-{units}", "part": "memory", "cell": cell, "depth": 1, "units": units, "input_dim": 64}
        | {
            "params": 64 * units,
            "parameters": 64 * units,
            "best_score": max(0.0, 1 - units / 64) + off,
            "task": "memory",
        }
        | {"objective": "mean_squared_error", "direction": "min", "elapsed_s": 10.0}
        for cell in CELLS
        for units in (16, 48, 64, 80)
    ]
    trials = pd.DataFrame({"piece": [row["piece"] for row in rows], "trial": 0, "status": "completed"})
    return pd.DataFrame(rows), trials


def scaling(by="parameters"):
    """Losses that depend on parameters alone, or on units alone."""
    per_unit = {"rnn": 1, "irnn": 1, "ugrnn": 2, "gru": 3, "lstm": 4}
    rng = np.random.default_rng(0)
    rows = []
    for task, part in (("text8", "text"), ("random-function", "function")):
        for cell, factor in per_unit.items():
            for params in (1_000, 4_000, 16_000):
                units = np.sqrt(params / factor)
                x = params if by == "parameters" else units**2
                score = 5 - 0.3 * np.log(x) + 0.01 * rng.normal()
                row = {"piece": f"{task}-{cell}-{params}", "part": part, "task": task, "cell": cell, "depth": 1}
                row |= {"params": params, "parameters": params, "units": units, "best_score": score}
                rows.append(row | {"objective": "bits_per_character", "direction": "min", "elapsed_s": 10.0})
    trials = pd.DataFrame({"piece": [row["piece"] for row in rows], "trial": 0, "status": "completed"})
    return pd.DataFrame(rows), trials


STORED = {"rnn": 4.0, "ugrnn": 3.6, "gru": 3.2, "lstm": 2.8, "+rnn": 2.4, "irnn": 2.0}


def stored(
    levels=STORED, part="size", depths=(1, 2, 4), params=(100, 300, 1000), lengths=(5,), noise=0.02, exponent=1.0
):
    """A row for each piece: so many bits per parameter, a little more or less."""
    rng = np.random.default_rng(list(part.encode()))
    rows = []
    for cell, level in levels.items():
        for depth in depths:
            for budget in params:
                for length in lengths:
                    parameters = budget - 7
                    bits = level * parameters**exponent * np.exp(noise * rng.normal())
                    rows.append(
                        {
                            "piece": f"{part}-{cell}-{budget}x{depth}-T{length}",
                            "part": part,
                            "cell": cell,
                            "depth": depth,
                        }
                        | {"params": budget, "length": length, "parameters": parameters, "units": 5, "seed": 0}
                        | {"mutual_information_bits": bits, "bits_per_parameter": bits / parameters}
                        | {"patterns": (1.1 + noise * rng.normal()) * bits}
                    )
    return pd.DataFrame(rows)


def reruns(mean=1.05):
    """Reruns of two cells, and the searches, of score 1, that they came from."""
    pieces, trials = trainability({"rnn": mean, "gru": mean}, depths=(1,), infeasible=0.1, spread=0.1)
    searched = pieces.assign(piece="search-" + pieces["cell"], part="search", best_score=1.0)
    return pd.concat([pieces.assign(part="rerun"), searched]), trials


NEEDS = {"rnn": (2.5, 3), "gru": (3.1, 6)}


def quantization(needs=NEEDS):
    """Rows of cells that keep all they store from so many bits on, and half of it below."""
    pieces, trials = [], []
    for cell, (stored, needed) in needs.items():
        pieces.append({"piece": cell, "cell": cell, "depth": 1, "parameters": 100})
        for bits in (2, 3, 4, 5, 6, 32):
            left = stored if bits >= needed else stored / 2
            trials.append({"piece": cell, "weight_bits": bits, "bits_per_parameter": left})
    return pd.DataFrame(pieces), pd.DataFrame(trials)


def zoo():
    """A search and a training of a preset."""
    row = {"cell": "gru", "preset": "gru-memory-9k", "params": 9000, "parameters": 8950, "depth": 1, "best_score": 0.6}
    row |= {"objective": "mean_squared_error", "bits_per_parameter": None, "elapsed_s": 30.0}
    pieces = pd.DataFrame([row | {"piece": f"{part}-gru", "part": part} for part in ("search", "train")])
    return pieces, pd.DataFrame({"piece": pieces["piece"], "trial": 0, "status": "completed"})


def cells(bits=None, kept=1.0, seeds=(0, 1, 2), settings=20, learn=None, gates=None):
    """What cells store, keep, learn and read: so many bits for each, a part of what a state could keep, and a share.

    Cells in `gates` are ahead of their twins by so many bits.
    """
    gates = {"gru": 0.5, "mgu": 0.4, "ugrnn": 0.45} if gates is None else gates
    bits = bits or {cell: 3.0 - place / 10 for place, cell in enumerate((*CELLS, "mgu", "mingru", "lru", "mlstm"))}
    pieces, trials = [], []

    def add(part, cell, seed, **columns):
        name = f"{part}-{cell}-{columns.get('params', '')}-{columns.get('state', '')}-{seed}"
        row = {"piece": name, "part": part, "cell": cell, "depth": 1, "seed": seed, "elapsed_s": 30.0}
        pieces.append(row | {"parameters": columns.get("params")} | columns)
        return name

    errors = {"objective": "mean_squared_error", "direction": "min", "task": "memory"}
    for cell, stored in bits.items():
        for seed in seeds:
            for params in (300, 1_000):
                add("size", cell, seed, params=params, bits_per_parameter=stored + seed / 10 + params / 2_000)
        for state in (32, 64):
            for seed in seeds:
                shown = {"of_cell": cell, "state": state, "at_most": state, "numbers": 64}
                whole = f"keras_rnncap.studies.whole_state:{cell}"
                add("memory", whole, seed, params=5_000, best_score=1 - kept * state / 64, **shown, **errors)
        for part in ("random", "rates"):
            losses = {"task": "parentheses", "objective": "cross_entropy_nats", "direction": "min", "best_score": 0.1}
            name = add(part, cell, 0, params=5_000, learned_at=1.0, **losses)
            share = (learn or {}).get(cell, 0.5)
            for trial in range(settings):
                learned = trial < share * settings
                row = {"piece": name, "trial": trial, "status": "completed"}
                trials.append(row | {"cross_entropy_nats": 0.1 if learned else 1.5, "steps": 100, "elapsed_s": 1.0})
        texts = {"task": "text8", "objective": "bits_per_character", "direction": "min"}
        add("text", cell, 0, params=20_000, best_score=2.5, **texts)
    for (cell, ahead), sees, seed in itertools.product(gates.items(), (True, False), seeds):
        bits = 2.0 + ahead * sees * (1 + seed / 10)
        name = cell if sees else f"twins:{cell}"
        add("gates", name, seed, params=300, of_cell=cell, sees_state=sees, bits_per_parameter=bits)
    return pd.DataFrame(pieces), pd.DataFrame(trials)
