"""A sweep for other people's dashboards: TensorBoard's HParams, Optuna."""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras_tuner as kt
from keras_tuner.engine import hyperparameters as kinds

from keras_rnncap.errors import InputError
from keras_rnncap.runs import read_json, read_rows
from keras_rnncap.runs.rows import values_of

if TYPE_CHECKING:
    import optuna

SWEEP_FILE, SPACE_FILE = "sweep.json", "space.json"
"""In a sweep's folder: what was found, and where."""


def write_hparams(
    folder: Path, rows: Sequence[Mapping[str, Any]], values: Sequence[Mapping[str, Any]], objective: str
) -> None:
    """Writes a run for each trial that has none yet, as TensorBoard's HParams dashboard reads them.

    `tensorboard --logdir FOLDER` shows them. Without TensorFlow nothing is written.
    """
    try:
        import tensorflow as tf
        from tensorboard.plugins.hparams import api
    except ImportError:
        return
    for row, trial_values in zip(rows, values, strict=True):
        run = folder / f"trial-{row['trial']:05d}"
        if run.exists():
            continue
        half = folder / f".{run.name}"
        shutil.rmtree(half, ignore_errors=True)
        writer = tf.summary.create_file_writer(str(half))
        with writer.as_default():
            api.hparams(dict(trial_values), trial_id=run.name)
            if objective in row:
                tf.summary.scalar(objective, row[objective], step=int(row.get("steps", 0)))
        writer.close()
        half.rename(run)


def to_optuna_study(folder: str | os.PathLike[str], **options: Any) -> "optuna.Study":
    """Returns a sweep as an Optuna study, for Optuna's plots and dashboard. It needs `pip install optuna`.

    Args:
        folder: The sweep's folder.
        **options: Further arguments of `optuna.create_study`, such as `storage` and `study_name`.

    Raises:
        InputError: If there is no finished sweep in the folder, or Optuna is missing.
    """
    try:
        import optuna
    except ImportError:
        raise InputError("to_optuna_study needs Optuna: pip install optuna") from None
    path, states = Path(folder), optuna.trial.TrialState
    space, objective, direction = _read_sweep(path)
    study = optuna.create_study(direction="maximize" if direction == "max" else "minimize", **options)
    distributions = {hp.name: _distribution(hp) for hp in space.space}
    for row in read_rows(path / "trials.csv"):
        params = {
            name: int(value) if isinstance(distributions[name], optuna.distributions.IntDistribution) else value
            for name, value in values_of(row, distributions).items()
        }
        trial = optuna.trial.create_trial(
            state=states.COMPLETE if objective in row else states.FAIL,
            value=row.get(objective),
            params=params,
            distributions={name: distributions[name] for name in params},
            user_attrs={name: row[name] for name in ("trial", "seed", "steps", "elapsed_s") if name in row},
        )
        study.add_trial(trial)
    return study


def _read_sweep(folder: Path) -> tuple[kt.HyperParameters, str, str]:
    mend = "run the same sweep again"
    try:
        space, result = read_json(folder / SPACE_FILE, mend), read_json(folder / SWEEP_FILE, mend)
    except OSError as error:
        raise InputError(f"{folder} holds no sweep that ended: {error}") from error
    try:
        return kt.HyperParameters.from_config(space), result["objective"], result["direction"]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{folder / SPACE_FILE} or {SWEEP_FILE} is damaged ({error!r}); {mend}") from error


def _distribution(hp: Any) -> Any:
    from optuna import distributions

    if isinstance(hp, kinds.Float | kinds.Int):
        kind = distributions.FloatDistribution if isinstance(hp, kinds.Float) else distributions.IntDistribution
        return kind(hp.min_value, hp.max_value, log=hp.sampling == "log")
    return distributions.CategoricalDistribution(list(hp.values))
