"""Every bundled preset on freshly drawn data, beside what its card says. `python -m benchmarks.zoo`.

Where a task draws its samples, 40,000 that neither the training nor the card has seen; else what there is: the patterns
that were stored, the test split of a text. `agrees` is whether two scores differ by no more than their 95% intervals
allow, or by a thousandth where the data are the same. Presets of texts need `RNNCAP_DATA_DIR`; without it they are left
out, and the last line says so. Exits with 1 if one disagrees.
"""

import math
import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from benchmarks.common import parser, show
from keras_rnncap.datasets import get_task_class, make_task
from keras_rnncap.datasets.corpus import data_dir
from keras_rnncap.zoo import Evaluation, PresetFacts, describe, evaluate, list_presets, load


def agrees(facts: PresetFacts, fresh: Evaluation) -> bool:
    """Returns whether two scores of a model differ by no more than chance."""
    assert facts.score is not None
    allowed = 1e-3 * abs(facts.score)
    if facts.interval and fresh.interval:
        allowed = math.hypot(*((high - low) / 2 for low, high in (facts.interval, fresh.interval)))
    return abs(fresh.score - facts.score) <= allowed


def written(score: float | None, interval: tuple[float, float] | None) -> str:
    """Returns a score with its interval."""
    return f"{score:.4g}" + (f" ({interval[0]:.4g} to {interval[1]:.4g})" if interval else "")


def main() -> None:
    """Prints a table."""
    arguments = parser(__doc__)
    arguments.add_argument("presets", nargs="*", help="all that are bundled if none is named")
    arguments.add_argument("--seed", type=int, default=1, help="of the samples; those of the cards have 0")
    options = arguments.parse_args()
    rows, left_out = [], []
    for handle in options.presets or list_presets().index:
        facts = describe(handle)
        if get_task_class(facts.task.partition(":")[0]).needs_data and data_dir() is None:
            left_out.append(facts.handle)
            continue
        start = time.perf_counter()
        model = load(handle)
        seconds = time.perf_counter() - start
        fresh = evaluate(model, make_task(facts.task), options.seed)
        row = {"preset": facts.handle, "score": facts.score_name.replace("_", " ")}
        row |= {"card": written(facts.score, facts.interval), "here": written(*fresh)}
        rows.append(row | {"agrees": "yes" if agrees(facts, fresh) else "no", "loaded in, s": f"{seconds:.2f}"})
    show("Presets on fresh data", rows, texts=2, width=150)
    if left_out:
        print(f"left out, as RNNCAP_DATA_DIR is not set: {', '.join(left_out)}")
    sys.exit(any(row["agrees"] == "no" for row in rows))


if __name__ == "__main__":
    main()
