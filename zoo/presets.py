"""Pretrained models: folders that are written once, and verified whenever they are read."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
from pathlib import Path

import keras
import pandas as pd
from keras_rnncap.zoo.cards import PICTURE, render_card
from keras_rnncap.zoo.exporting import export
from keras_rnncap.zoo.facts import PresetFacts
from keras_rnncap.zoo.handles import bundled, resolve

from keras_rnncap.errors import InputError, check_integer
from keras_rnncap.runs import replacing
from keras_rnncap.saving import export_saved_model

FORMAT = 1
"""Number of the layout of a preset's folder."""
CONFIG, WEIGHTS, METADATA, CARD = "config.json", "model.weights.h5", "metadata.json", "README.md"
SUMS = "SHA256SUMS"
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+")
FINE_TUNING_RATE = 1e-3


def save(model: keras.Model, directory: str | os.PathLike[str], facts: PresetFacts) -> Path:
    """Writes a model as a preset, whole or not at all: a folder in the layout of Keras' presets.

    In it are `config.json` and `model.weights.h5` (the model, for `load`), `saved_model/` (for TensorFlow alone, see
    `export`, without the single steps where the model cannot be stepped; written on the TensorFlow backend only),
    `metadata.json` (the facts), `README.md` (the card), a picture of the learning curve if there is one, and
    `SHA256SUMS` of all of these, which `sha256sum --check` reads as well. Such a folder can be uploaded to a hub as it
    is.

    Args:
        model: A built model, such as those of `sequence_model`.
        directory: The folder, which must not be there: what is published under a version stays.
        facts: What the model is.

    Raises:
        InputError: If the folder is there or cannot be written, or the name, the version or the model cannot be used.

    Example:
    >>> from keras_rnncap import sequence_model
    >>> model = sequence_model("gru", 4, input_dim=3, output_dim=2)
    >>> folder = save(model, tmp_path / "mine", PresetFacts(name="gru-mine-tiny", task="mine", cell="gru"))
    >>> sorted(file.name for file in folder.iterdir())
    ['README.md', 'SHA256SUMS', 'config.json', 'metadata.json', 'model.weights.h5', 'saved_model']
    >>> load(folder).count_params() == model.count_params()
    True
    """
    folder = Path(directory)
    if not NAME.fullmatch(facts.name):
        raise InputError(f"name must be CELL-TASK-SIZE in small letters, digits and hyphens; got {facts.name!r}")
    check_integer("version", facts.version, 1)
    if folder.exists():
        raise InputError(
            f"{folder} is there, and a preset that is published does not change: choose another folder, and if it is "
            f"to replace {facts.handle}, version {facts.version + 1}"
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with replacing(folder) as new:
            new.mkdir()
            _write(model, new, facts)
    except OSError as error:
        raise InputError(f"cannot write to {folder}: {error.strerror or error}") from error
    return folder


def _write(model: keras.Model, folder: Path, facts: PresetFacts) -> None:
    config = keras.saving.serialize_keras_object(model)
    config.pop("compile_config", None)
    (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n")
    model.save_weights(folder / WEIGHTS)
    if keras.config.backend() == "tensorflow":
        try:
            export(model, folder, ["saved_model"])
        except InputError:  # a model that cannot be stepped can be run whole
            export_saved_model(model, folder / "saved_model")
    known = {"format": FORMAT, "keras_version": keras.__version__, "parameter_count": int(model.count_params())}
    (folder / METADATA).write_text(json.dumps(known | dataclasses.asdict(facts), indent=2) + "\n")
    if figure := facts.learning_curve():
        figure.savefig(folder / PICTURE, dpi=100)
    (folder / CARD).write_text(render_card(facts, model))
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    (folder / SUMS).write_text("".join(f"{_digest(file)}  {file.relative_to(folder).as_posix()}\n" for file in files))


def load(handle: str | os.PathLike[str]) -> keras.Model:
    """Returns a pretrained model, compiled with its task's loss and Adam, ready to predict or to be trained further.

    Every file is verified first. Nothing that is loaded can run code of its own.

    Args:
        handle: A bundled preset's name (`"ugrnn-memory-9k"`, or one version of it, `"ugrnn-memory-9k@v1"`), a folder
            that `save` wrote, or `hf://OWNER/NAME` or `kaggle://OWNER/MODEL/keras/VARIATION`, for which the hub's
            client must be installed.

    Raises:
        InputError: If there is no such preset, or it is incomplete, changed, or newer than this package.
    """
    folder = resolve(handle)
    facts = _verified(folder)
    try:
        model = keras.saving.deserialize_keras_object(json.loads((folder / CONFIG).read_text()), safe_mode=True)
    except (TypeError, ValueError) as error:
        cause = str(error).splitlines()[0][:300]
        raise InputError(
            f"{folder / CONFIG} cannot be made into a model: {cause}; if it has a cell of your own, import its module "
            "before, where it is registered with keras.saving.register_keras_serializable"
        ) from error
    model.load_weights(folder / WEIGHTS)
    if facts.loss is not None:
        model.compile(keras.optimizers.Adam(FINE_TUNING_RATE), keras.losses.deserialize(facts.loss))
    return model


def describe(handle: str | os.PathLike[str]) -> PresetFacts:
    """Returns the facts of a preset, verified; see `load`."""
    return _verified(resolve(handle))


def card(handle: str | os.PathLike[str]) -> str:
    """Returns the card of a preset, as Markdown; see `load`."""
    folder = resolve(handle)
    _verified(folder)
    return (folder / CARD).read_text()


def verify(handle: str | os.PathLike[str]) -> list[str]:
    """Compares every file of a preset with its checksum, and returns the files.

    Raises:
        InputError: That names the first file which is missing, changed, or not of the preset.
    """
    folder = resolve(handle)
    sums = folder / SUMS
    if not sums.is_file():
        raise InputError(f"{folder} is not a whole preset: it has no {SUMS}")
    known = {}
    for line in sums.read_text(errors="replace").splitlines():
        digest, gap, name = line.partition("  ")
        if not gap or len(digest) != 64:
            raise InputError(f"{sums} is damaged: a line of it is {line[:80]!r}; load the preset anew")
        known[name] = digest
    for name in (CONFIG, WEIGHTS, METADATA, CARD):
        if name not in known:
            raise InputError(f"{sums} is damaged: {name} is not in it; load the preset anew")
    there = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}
    for name, digest in known.items():
        if name not in there:
            raise InputError(f"{folder / name} is missing; load the preset anew")
        if _digest(folder / name) != digest:
            raise InputError(f"{folder / name} has changed since it was published (or {SUMS} has): load it anew")
    return list(known)


def list_presets() -> pd.DataFrame:
    """Returns a table of the bundled presets: a row for each, by its handle.

    Its columns are `task`, `cell`, `depth`, `parameters`, `score` on data that it has not seen, `score_name`, the score
    of `chance`, and `size_kb`, of all its files.
    """
    rows = {}
    for folder in bundled():
        facts = _read_facts(folder)
        rows[facts.handle] = {
            "task": facts.task.partition(":")[0],
            "cell": facts.cell,
            "depth": facts.depth,
            "parameters": facts.parameters,
            "score": facts.score,
            "score_name": facts.score_name,
            "chance": facts.chance_score,
            "size_kb": round(sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1000),
        }
    columns = ["task", "cell", "depth", "parameters", "score", "score_name", "chance", "size_kb"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("preset")


def _verified(folder: Path) -> PresetFacts:
    facts = _read_facts(folder)  # first: of a newer format, checksums may be elsewhere
    verify(folder)
    return facts


def _read_facts(folder: Path) -> PresetFacts:
    file = folder / METADATA
    try:
        content = json.loads(file.read_text())
        there = int(content["format"])
    except FileNotFoundError as error:
        raise InputError(f"{folder} is not a whole preset: it has no {METADATA}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{file} has changed since it was published: {error}") from error
    if there > FORMAT:
        raise InputError(
            f"{folder} was made by a newer version of keras-rnncap (format {there}; this one reads {FORMAT}): "
            "pip install --upgrade keras-rnncap"
        )
    fields = {field.name for field in dataclasses.fields(PresetFacts)}
    try:
        return PresetFacts(**{key: value for key, value in content.items() if key in fields})
    except TypeError as error:
        raise InputError(f"{file} has changed since it was published: {error}") from error


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
