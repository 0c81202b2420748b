"""Made rows of the study of the search for architectures."""

import json

import numpy as np
import pandas as pd

from keras_rnncap.graphs import known_graphs

SEEN = ("distractor-arithmetic", "xml", "frequent-words")
UNSEEN = ("polyphonic-music", "frequent-words-penn-treebank")


def evolution(found=1.1, random=1.02, unseen=1.05, mut1=1.0, nearest="gru", spread=1e-3, best=5):
    """What was found is so many times as good as the GRU, on problems that a search saw or not; losses so much less."""
    rng = np.random.default_rng(0)
    pieces, trials = [], []
    for source in ("found", "random"):
        name = f"search-{source}"
        graphs = [known_graphs()["mut1"].to_dict()] * best
        pieces.append(
            {"piece": name, "part": "search", "source": source, "cell": source, "graphs": json.dumps(graphs)}
            | {"nearest": json.dumps([[nearest, 3]] * best), "new_architectures": 300, "past_filter": 40}
            | {"on_all_tasks": 20, "seconds_of_training": 3600.0, "best_score": 1.1, "depth": 1}
        )
        trials += [
            {"piece": name, "trial": place, "status": "completed", "architecture": f"g{place}", "candidate": place}
            | {"parent": f"g{place - 1}" if place else None, "score": 1.0 + place / 100}
            for place in range(5)
        ]
    better = {"gru": 1.0, "tanh-lstm": 0.95, "mut1": mut1}
    better |= {f"found-{rank + 1}": found for rank in range(best)}
    better |= {f"random-{rank + 1}": random for rank in range(best)}
    for cell, times in better.items():
        for column in (*SEEN, *UNSEEN):
            of_music, name = column == "polyphonic-music", f"retrained-{column}-{cell}"
            factor = unseen if cell.startswith("found") and column in UNSEEN else times
            piece = {"piece": name, "part": "retrained", "column": column, "cell": cell, "params": 5_000, "depth": 1}
            pieces.append(piece | {"seen": "seen" if column in SEEN else "unseen", "best_score": 0.5})
            for seed in range(3):
                noise = 1 + spread * rng.normal()
                accuracy = np.nan if of_music else 0.5 * factor * noise
                row = {"piece": name, "trial": 20 + seed, "kind": "rerun", "status": "completed", "probability": 0.3}
                trials.append(row | {"accuracy": accuracy, "loss": 3.0 / factor * noise})
    common = {"objective": "accuracy", "direction": "max", "task": "x", "parameters": 5_000, "units": 9, "seed": 0}
    return pd.DataFrame([common | {"elapsed_s": 1.0} | piece for piece in pieces]), pd.DataFrame(trials)
