"""How well a small budget ranks cells. `python -m benchmarks.recipes`.

A sample of the recipes of NAS-Bench-NLP (Klyuchnikov et al. 2020), different as graphs, which have logs of 50 epochs on
WikiText-2 with 15 million parameters. Each is trained here on frequent words with the 20 settings and the budget of
`rnncap evolve`, and ranked by its best loss or accuracy on the validation split: Spearman's correlation with the best
validation loss of the logs, with a bootstrap interval over cells. And within our own trainings: the correlation of the
best after a part of the epochs with the best at the end. Rows are kept in `--out`, so that the same command continues.

It needs `nas-bench-nlp/wikitext2.jsonl.gz` in the folder that `RNNCAP_DATA_DIR` names.
"""

import argparse
import gzip
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from benchmarks.common import parser, show
from keras_rnncap.datasets.corpus import in_data_dir
from keras_rnncap.engines import make_engine
from keras_rnncap.errors import InputError
from keras_rnncap.evolution import Measures, Training, get_rules
from keras_rnncap.evolution.proposals import all_settings
from keras_rnncap.evolution.worker import graph_factory
from keras_rnncap.graphs import from_recipe, graph_hash
from keras_rnncap.population import CannotShareError
from keras_rnncap.runs import append_rows, read_rows

PARTS = (0.1, 0.3, 0.5)
"""Of the epochs, after which a ranking is compared with that at the end."""
DRAWS = 2_000
"""Of the bootstrap."""


def published() -> list[dict[str, Any]]:
    """Returns different graphs with the best validation loss of their logs, in nats per word."""
    file = in_data_dir("nas-bench-nlp/wikitext2.jsonl.gz")
    if file is None:
        raise InputError("RNNCAP_DATA_DIR must name a folder with nas-bench-nlp/wikitext2.jsonl.gz")
    found: dict[str, dict[str, Any]] = {}
    with gzip.open(file, "rt") as lines:
        for known in map(json.loads, lines):
            losses = [loss for loss in known["val_losses"] if loss is not None and math.isfinite(loss)]
            graph = from_recipe(known["recipe"])
            if known["status"] == "OK" and losses:
                found.setdefault(graph_hash(graph), {"id": known["id"], "graph": graph, "published": min(losses)})
    return list(found.values())


class RecipeWork:
    """The training of a recipe."""

    def __init__(self, piece: "RecipePiece") -> None:
        self._piece = piece

    def run(self) -> None:
        """Trains; keeps the best accuracy and loss after each epoch."""
        rules = get_rules("laptop")
        problem = rules.problems[-1]
        grid, rng = all_settings(problem), np.random.default_rng([self._piece.seed, 6])
        drawn = [dict(grid[place]) for place in rng.permutation(len(grid))[: rules.settings].tolist()]
        self._best: list[dict[str, float]] = []

        def note(epoch: int, best: Measures) -> None:
            with np.errstate(invalid="ignore"):
                known = {"accuracy": float(np.nanmax(best.accuracy)), "loss": float(np.nanmin(best.loss))}
            self._best.append({"epoch": epoch, **known})

        try:
            Training(problem, graph_factory(self._piece.graph), drawn, range(len(drawn)), self._piece.seed).run(note)
        except CannotShareError:  # its outputs are too large from the start
            self._best = [{"epoch": 1, "accuracy": 0.0, "loss": 1e3}]

    def stop(self) -> None:
        """Does nothing: the process ends."""

    def result(self) -> list[dict[str, float]]:
        """Returns the best after each epoch."""
        return self._best


class RecipePiece:
    """A recipe to be trained."""

    def __init__(self, known: dict[str, Any], seed: int) -> None:
        self.key, self.seed, self.graph = str(known["id"]), seed, known["graph"].to_json()


class RecipeWorker:
    """Takes up recipes."""

    def begin(self, piece: RecipePiece) -> RecipeWork:
        """Takes up one."""
        return RecipeWork(piece)


def correlation(one: np.ndarray, other: np.ndarray, seed: int = 0) -> str:
    """Returns Spearman's correlation with a 95% bootstrap interval over cells."""
    rng, drawn = np.random.default_rng(seed), []
    for _ in range(DRAWS):
        places = rng.integers(0, len(one), len(one))
        if len({*one[places]}) > 1 and len({*other[places]}) > 1:
            drawn.append(stats.spearmanr(one[places], other[places]).statistic)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return f"{stats.spearmanr(one, other).statistic:.2f} ({low:.2f} to {high:.2f})"


def sample(count: int, seed: int) -> list[dict[str, Any]]:
    """Returns so many different graphs, drawn at random."""
    known = published()
    places = np.random.default_rng(seed).permutation(len(known))[:count]
    return [known[place] for place in places.tolist()]


def summary(rows: pd.DataFrame, published_losses: dict[str, float]) -> list[dict[str, str]]:
    """Returns correlations, given the best of each cell after each epoch."""
    last = int(rows["epoch"].max())
    tables = {
        name: rows.pivot_table(index="id", columns="epoch", values=name).ffill(axis=1) for name in ("loss", "accuracy")
    }
    logs = np.array([published_losses[str(name)] for name in tables["loss"].index])
    found = []
    for name, sign in (("loss", 1), ("accuracy", -1)):
        end = sign * tables[name][last].to_numpy()
        row = {"ranked by": name, "with published losses": correlation(end, logs)}
        for part in PARTS:
            epoch = max(1, round(part * last))
            row[f"{part:.0%} of the epochs with the end"] = correlation(sign * tables[name][epoch].to_numpy(), end)
        found.append(row)
    return found


def main() -> None:
    """Trains what is missing, and prints the correlations."""
    arguments = parser(__doc__)
    arguments.add_argument("--recipes", type=int, default=40)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--engine", default="processes")
    arguments.add_argument("--out", type=Path, default=Path("runs/recipes.csv"))
    options: argparse.Namespace = arguments.parse_args()
    chosen = {str(known["id"]): known for known in sample(options.recipes, options.seed)}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    rows = read_rows(options.out, growing=True)
    last = {str(row["id"]) for row in rows}
    engine = make_engine(options.engine, RecipeWorker, 16)
    missing = [known for name, known in chosen.items() if name not in last]
    try:
        for known in missing:
            engine.submit(RecipePiece(known, options.seed))
        for _ in missing:
            piece, best = engine.completed()
            append_rows(options.out, [{"id": int(piece.key), **each} for each in best])
            print(f"{piece.key}  {best[-1]}", flush=True)
    finally:
        engine.cancel()
    table = pd.DataFrame(read_rows(options.out))
    table = table[table["id"].astype(str).isin(chosen)]
    title = f"{len(chosen)} recipes of NAS-Bench-NLP: Spearman's correlation, 95% bootstrap interval over cells"
    show(title, summary(table, {name: known["published"] for name, known in chosen.items()}))


if __name__ == "__main__":
    main()
