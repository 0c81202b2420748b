"""Every bundled preset on freshly drawn data, beside what its card says. `python -m benchmarks.zoo`.

Where a task draws its samples, 40,000 that neither the training nor the card has seen; else what there is: the patterns
that were stored, the test split of a text. `agrees` is whether two scores differ by no more than their 95% intervals
allow, or by a thousandth where the data are the same. Presets of texts need `RNNCAP_DATA_DIR`; without it they are left
out, and the last line says so. Exits with 1 if one disagrees.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from rich.console import Console
from rich.table import Table

from keras_rnncap.datasets import get_task_class, make_task
from keras_rnncap.datasets.corpus import data_dir
from keras_rnncap.zoo import Evaluation, PresetFacts, describe, evaluate, list_presets, load


def agrees(facts: PresetFacts, found: Evaluation) -> bool:
    """Returns whether two scores of a model differ by no more than chance."""
    assert facts.score is not None
    allowed = 1e-3 * abs(facts.score)
    if facts.interval and found.interval:
        allowed = math.hypot(*((high - low) / 2 for low, high in (facts.interval, found.interval)))
    return abs(found.score - facts.score) <= allowed


def written(score: float | None, interval: tuple[float, float] | None) -> str:
    """Returns a score with its interval."""
    return f"{score:.4g}" + (f" ({interval[0]:.4g} to {interval[1]:.4g})" if interval else "")


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("presets", nargs="*", help="all that are bundled if none is named")
    parser.add_argument("--seed", type=int, default=1, help="of the samples; those of the cards have 0")
    arguments = parser.parse_args()
    table = Table(title="Presets on fresh data")
    for column in ("preset", "score", "card", "here", "agrees", "loaded in, s"):
        table.add_column(column, justify="left" if column in ("preset", "score") else "right")
    left, wrong = [], []
    for handle in arguments.presets or list_presets().index:
        facts = describe(handle)
        if get_task_class(facts.task.partition(":")[0]).needs_data and data_dir() is None:
            left.append(facts.handle)
            continue
        start = time.perf_counter()
        model = load(handle)
        seconds = time.perf_counter() - start
        found = evaluate(model, make_task(facts.task), arguments.seed)
        same = agrees(facts, found)
        wrong += [] if same else [facts.handle]
        scores = (written(facts.score, facts.interval), written(*found))
        table.add_row(
            facts.handle, facts.score_name.replace("_", " "), *scores, "yes" if same else "no", f"{seconds:.2f}"
        )
    console = Console(width=150)
    console.print(table)
    if left:
        console.print(f"left out, as RNNCAP_DATA_DIR is not set: {', '.join(left)}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
