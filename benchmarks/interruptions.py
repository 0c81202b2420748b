"""Which searches of studies were interrupted and drawn anew. `python -m benchmarks.interruptions [FOLDER ...]`.

Until trials were noted as they are asked for, those that were in training at an interrupt were thrown away, and others
drawn for them. A search that ran in one piece has trials number 0 to N - 1, which their seeds tell; a random search has
also, trial for trial, the values that its oracle draws in one piece. Both are checked.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import pandas as pd
from rich.console import Console

from keras_rnncap.cells import get_cell
from keras_rnncap.datasets import make_task
from keras_rnncap.initializers import derived_seed
from keras_rnncap.studies import read_study
from keras_rnncap.tuners.jobs import Job
from keras_rnncap.tuners.oracles.continued import make_oracle

RESULTS = Path(__file__).parents[1] / "docs" / "results"


def numbers(trials: pd.DataFrame, seed: int) -> list[int | None]:
    """Returns the number that each trial was asked for with; `None` where no number up to thrice as many gives it."""
    known = {derived_seed(seed, number): number for number in range(3 * len(trials) + 50)}
    return [known.get(int(trial_seed)) for trial_seed in trials["seed"]]


def redrawn(settings: dict, seed: int, trials: pd.DataFrame, asked: list[int | None]) -> int:
    """Returns how many trials of a random search have the learning rate that one oracle draws for their number."""
    options = {key: settings[key] for key in ("params", "depth", "steps", "batch_size")}
    job = Job(make_task(settings["task"]), get_cell(settings["cell"]), seed=seed, **options)
    oracle = make_oracle("random", job.kt_objective, job.hyperparameters, len(trials), seed)
    oracle.verbose = 0
    with tempfile.TemporaryDirectory() as folder:
        oracle._set_project_dir(folder, "draws")
        trials_drawn = [oracle.create_trial(str(number)) for number in range(len(trials))]
    rates = dict(enumerate(trial.hyperparameters.values["learning_rate"] for trial in trials_drawn))
    column = "hp.learning_rate" if "hp.learning_rate" in trials else "learning_rate"  # the latter in older tables
    pairs = zip(asked, trials[column], strict=True)
    return sum(abs(rates.get(number, 0.0) / rate - 1) < 1e-5 for number, rate in pairs)


def main() -> None:
    """Prints a line for each study, and one for each of its searches that was interrupted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, default=sorted(RESULTS.glob("*/")))
    console = Console(highlight=False, soft_wrap=True)
    for folder in parser.parse_args().folders:
        rows = read_study(folder)
        if rows.pieces.empty or "seed" not in rows.trials:
            continue
        checked, drawn = 0, 0
        pieces = rows.pieces.set_index("piece")
        for name, trials in rows.trials.groupby("piece", sort=False):
            seed, settings = int(pieces.loc[name, "seed"]), json.loads(pieces.loc[name, "settings"])
            asked = numbers(trials, seed)
            missing = len(trials) - len({*range(len(trials))} & {*asked})
            agree = redrawn(settings, seed, trials, asked) if settings.get("oracle") == "random" else len(trials)
            checked, drawn = checked + 1, drawn + (settings.get("oracle") == "random" and agree == len(trials))
            if missing or agree < len(trials):
                console.print(f"  {name}: {missing} of {len(trials)} trials are not of an uninterrupted search")
        console.print(f"{folder.name}: {checked} searches looked at; {drawn} random ones have all values of one oracle")


if __name__ == "__main__":
    main()
