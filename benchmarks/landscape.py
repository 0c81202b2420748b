"""How fast the accuracies of untrained settings are. `python -m benchmarks.landscape`.

For each of the eight models of Mehta's figure 7: milliseconds for a setting of all weights on 2,000 sequences, with
`UntrainedModels`, one population on each core, and with Keras: `set_weights`, then `predict_on_batch`. The ratio of the
two, the minutes that a million settings take, and the largest memory of the process so far.
"""

import argparse
import itertools
import resource
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from benchmarks.common import median, parser, show
from keras_rnncap.analysis.initializations_study import PAPER_CELLS
from keras_rnncap.population import MemberBuilder
from keras_rnncap.population.devices import populations_at_once
from keras_rnncap.population.untrained import UntrainedModels, uniform_settings
from keras_rnncap.studies.landscape import CHUNK
from keras_rnncap.studies.word_models import SPLIT, paper_task, word_members


def measure(cell: str, word_dim: int, units: int, options: argparse.Namespace) -> dict[str, object]:
    """Returns the row of a model."""
    task = paper_task("first", word_dim)
    model = MemberBuilder(cell, units, 1, word_dim, 2)(word_members(units, [0])[0])
    words = task.words("validation")[:SPLIT]
    untrained = UntrainedModels(model, task.vectors, words, task.labels(words) > 0)
    settings = uniform_settings(0, 0, CHUNK, model, 1.0)
    untrained.accuracies(settings)  # compiles
    with ThreadPoolExecutor(populations_at_once()) as pool:
        began = time.perf_counter()
        list(pool.map(lambda _: untrained.accuracies(settings), range(options.calls)))
        ours = (time.perf_counter() - began) / (options.calls * CHUNK)
    shapes, inputs = [weight.shape for weight in model.trainable_weights], task.vectors[words]

    def alone() -> None:
        model.set_weights([np.zeros(shape) for shape in shapes])
        model.predict_on_batch(inputs)

    alone()
    theirs = median(alone, options.models)
    return (
        {"cell": cell, "words": word_dim, "units": units, "ms, ours": f"{1e3 * ours:.4f}"}
        | {"ms, Keras": f"{1e3 * theirs:.1f}", "ratio": f"{theirs / ours:,.0f}"}
        | {"minutes for a million": f"{ours * 1e6 / 60:.1f}"}
        | {"largest memory, MB": f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f}"}
    )


def main() -> None:
    """Measures each model, and prints a table."""
    arguments = parser(__doc__)
    arguments.add_argument("--calls", type=int, default=8, help=f"calls of {CHUNK:,} settings each, on all cores")
    arguments.add_argument("--models", type=int, default=20, help="settings with Keras")
    options: argparse.Namespace = arguments.parse_args()
    rows = [measure(*shape, options) for shape in itertools.product(PAPER_CELLS, (2, 4), (2, 4))]
    show(f"Accuracies of untrained settings, {SPLIT:,} sequences, {populations_at_once()} at a time", rows)


if __name__ == "__main__":
    main()
