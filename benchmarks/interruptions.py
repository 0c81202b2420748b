"""Which searches of studies were interrupted and drawn anew. `python -m benchmarks.interruptions [FOLDER ...]`.

A search that ran in one piece has trials number 0 to N - 1, which their seeds tell; a random search has also, trial for
trial, the values that its oracle draws in one piece. Both are checked. Searches of before trials were noted as they are
asked for lost those in training at an interrupt, and drew others for them.
"""

import json
import tempfile
from pathlib import Path

import pandas as pd

from benchmarks.common import parser
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
    arguments = parser(__doc__)
    arguments.add_argument("folders", nargs="*", type=Path, default=sorted(RESULTS.glob("*/")))
    for folder in arguments.parse_args().folders:
        study = read_study(folder)
        if study.pieces.empty or "seed" not in study.trials:
            continue
        drawn, searches = 0, study.trials.groupby("piece", sort=False)
        for name, trials in searches:
            piece = study.pieces.set_index("piece").loc[name]
            seed, settings = int(piece["seed"]), json.loads(piece["settings"])
            asked, is_random = numbers(trials, seed), settings.get("oracle") == "random"
            missing = len(trials) - len({*range(len(trials))} & {*asked})
            agree = redrawn(settings, seed, trials, asked) if is_random else len(trials)
            drawn += is_random and agree == len(trials)
            if missing or agree < len(trials):
                print(f"  {name}: {missing} of {len(trials)} trials are not of an uninterrupted search")
        print(f"{folder.name}: {len(searches)} searches looked at; {drawn} random ones have all values of one oracle")


if __name__ == "__main__":
    main()
