"""Pretrained models: folders that are written once, and verified whenever they are read."""

import contextlib
import dataclasses
import hashlib
import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import keras
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from keras_rnncap.errors import InputError, check_integer
from keras_rnncap.runs import read_json, remove_leftovers, replacing
from keras_rnncap.saving import export_saved_model, write_weights
from keras_rnncap.zoo.exporting import check_stateless, write_formats
from keras_rnncap.zoo.facts import PICTURE, PresetFacts, render_card
from keras_rnncap.zoo.handles import bundled, first_line, resolve
from keras_rnncap.zoo.stepping import Stepper
from keras_rnncap.zoo.writing import writing_to

FORMAT = 1
"""Number of the layout of a preset's folder."""
TYPES = {"name": str, "task": str, "cell": str, "version": int, "hyperparameters": dict, "training": dict}
TYPES |= {"depth": int, "units": int, "parameters": int}
"""What some of the facts must be."""
CONFIG, WEIGHTS, METADATA, CARD = "config.json", "model.weights.h5", "metadata.json", "README.md"
SUMS = "SHA256SUMS"
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+")
FINE_TUNING_RATE = 1e-3
ANEW = "load the preset anew"


def save(
    model: keras.Model,
    directory: str | os.PathLike[str],
    facts: PresetFacts,
    pictures: Mapping[str, Figure] = MappingProxyType({}),
) -> Path:
    """Writes a model as a preset, whole or not at all: a folder in the layout of Keras' presets, ready for a hub.

    In it are `config.json` and `model.weights.h5` (the model, for `load`), `saved_model/` (see `export`; on the
    TensorFlow backend only, and without single steps where the model cannot be stepped), `metadata.json` (the facts),
    `README.md` (the card), a picture of the learning curve if there is one, and `SHA256SUMS` of all of these.

    Args:
        model: A built model, such as those of `sequence_model`, that keeps no state between calls.
        directory: The folder, which must not exist: what is published under a version stays.
        facts: What the model is.
        pictures: Further pictures of the card, by their captions.

    Raises:
        InputError: If the folder exists or cannot be written, or the name, the version or the model cannot be used.

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
    check_new(folder, facts.name, facts.version)
    if not (isinstance(model, keras.Model) and model.built):
        raise InputError(f"model must be a built Keras model; got {model!r}")
    check_stateless(model)
    with writing_to(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(folder.parent)
        try:
            with replacing(folder, once=True) as new:
                new.mkdir()
                _write(model, new, facts, pictures)
        except OSError:
            check_new(folder, facts.name, facts.version)  # another process was faster
            raise
    return folder


def check_new(folder: Path, name: str, version: int) -> None:
    """Raises `InputError` if no preset of this name and version can be written to a folder."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise InputError(f"name must be CELL-TASK-SIZE in small letters, digits and hyphens; got {name!r}")
    check_integer("version", version, 1)
    if folder.exists():
        raise InputError(
            f"{folder} is there, and a preset that is published does not change: choose another folder, and if it is "
            f"to replace {name}@v{version}, version {version + 1}"
        )


def _write(model: keras.Model, folder: Path, facts: PresetFacts, pictures: Mapping[str, Figure]) -> None:
    config = keras.saving.serialize_keras_object(model)
    config.pop("compile_config", None)
    (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    write_weights(model, folder / WEIGHTS)
    steps = None  # whether the SavedModel has them; None where there is none
    if keras.config.backend() == "tensorflow":
        stepper = None
        with contextlib.suppress(InputError):
            stepper = Stepper(model)
        if steps := stepper is not None:
            write_formats(model, stepper, folder, ["saved_model"])
        else:  # it can be run whole
            export_saved_model(model, folder / "saved_model")
    known = {"format": FORMAT, "keras_version": keras.__version__, "parameter_count": int(model.count_params())}
    content = json.dumps(known | dataclasses.asdict(facts), indent=2, default=_plain)
    (folder / METADATA).write_text(content + "\n", encoding="utf-8")
    if figure := facts.learning_curve():
        figure.savefig(folder / PICTURE, dpi=100)
    files_of = {caption: f"{re.sub(r'[^a-z0-9]+', '_', caption.lower())}.png" for caption in pictures}
    for caption, drawn in pictures.items():
        drawn.savefig(folder / files_of[caption], dpi=100)
    (folder / CARD).write_text(render_card(facts, model, steps, files_of), encoding="utf-8")
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    sums = "".join(f"{_digest(file)}  {file.relative_to(folder).as_posix()}\n" for file in files)
    (folder / SUMS).write_text(sums, encoding="utf-8")


def load(handle: str | os.PathLike[str]) -> keras.Model:
    """Returns a pretrained model, compiled with its task's loss and Adam.

    Every file is verified first, and no code of the preset is run.

    Args:
        handle: A bundled preset's name (`"ugrnn-memory-9k"`, or one version of it, `"ugrnn-memory-9k@v1"`), a folder
            that `save` wrote, or `hf://OWNER/NAME` or `kaggle://OWNER/MODEL/keras/VARIATION`.

    Raises:
        InputError: If there is no such preset, or it is incomplete, changed, or newer than this package.
    """
    folder = resolve(handle)
    facts = _verified(folder)
    config = read_json(folder / CONFIG, ANEW)
    check_modules(config, folder / CONFIG)
    check_modules(facts.loss, folder / METADATA)
    try:
        model = keras.saving.deserialize_keras_object(config, safe_mode=True)
        if not isinstance(model, keras.Model):
            raise TypeError(f"it is a {type(model).__name__}, not a model")
        model.load_weights(folder / WEIGHTS)
        if facts.loss is not None:
            loss = keras.losses.deserialize(facts.loss)
            if not isinstance(loss, keras.losses.Loss):
                raise TypeError(f"{loss!r} is not a loss")
            model.compile(keras.optimizers.Adam(FINE_TUNING_RATE), loss)
    except Exception as error:  # what Keras raises depends on what it stumbles over
        raise InputError(
            f"{folder / CONFIG} and {WEIGHTS} cannot be made into a model: {first_line(error)}; if it has a layer of "
            "your own, register it with keras.saving.register_keras_serializable"
        ) from error
    return model


def check_modules(config: Any, file: Path) -> None:
    """Raises `InputError` if a configuration names a module that Keras would import: its code would run."""
    module = config.get("module") if isinstance(config, dict) else None
    known = ("builtins", "keras", "keras_rnncap")
    if isinstance(module, str) and module.partition(".")[0] not in known and module not in sys.modules:
        raise InputError(f"{file} has parts of the module {module}; import it before, if it is yours and you trust it")
    for part in config.values() if isinstance(config, dict) else config if isinstance(config, list) else ():
        check_modules(part, file)


def describe(handle: str | os.PathLike[str]) -> PresetFacts:
    """Returns the facts of a preset, verified; see `load`."""
    return _verified(resolve(handle))


def card(handle: str | os.PathLike[str]) -> str:
    """Returns the card of a preset, as Markdown; see `load`."""
    folder = resolve(handle)
    _verified(folder)
    return (folder / CARD).read_text(encoding="utf-8", errors="replace")


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
    for line in sums.read_text(encoding="utf-8", errors="replace").splitlines():
        digest, gap, name = line.partition("  ")
        if not gap or len(digest) != 64:
            raise InputError(f"{sums} is damaged: a line of it is {line[:80]!r}; {ANEW}")
        known[name] = digest
    if missing := [name for name in (CONFIG, WEIGHTS, METADATA, CARD) if name not in known]:
        raise InputError(f"{sums} is damaged: {missing[0]} is not in it; {ANEW}")
    files = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}
    others = sorted(name for name in files - {*known, SUMS} if not name.startswith("."))  # hubs add hidden ones
    if others:
        raise InputError(f"{folder / others[0]} is not of the preset: {SUMS} does not list it; {ANEW}")
    for name, digest in known.items():
        if name not in files:
            raise InputError(f"{folder / name} is missing; {ANEW}")
        if _digest(folder / name) != digest:
            raise InputError(f"{folder / name} has changed since it was published (or {SUMS} has): load it anew")
    return list(known)


def list_presets() -> pd.DataFrame:
    """Returns a table of the bundled presets: what each is, its score, that of chance, and its size, by its handle."""
    rows = {}
    for folder in bundled():
        facts = _read_facts(folder)
        size = round(sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1000)
        known = [facts.cell, facts.depth, facts.parameters, facts.score, facts.score_name, facts.chance_score]
        rows[facts.handle] = [facts.task.partition(":")[0], *known, size]
    columns = ["task", "cell", "depth", "parameters", "score", "score_name", "chance", "size_kb"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("preset")


def _verified(folder: Path) -> PresetFacts:
    facts = _read_facts(folder)  # first: of a newer format, checksums may be elsewhere
    verify(folder)
    return facts


def _read_facts(folder: Path) -> PresetFacts:
    file = folder / METADATA
    if not file.is_file():
        raise InputError(f"{folder} is not a whole preset: it has no {METADATA}")
    content = read_json(file, ANEW)
    changed = f"{file} has changed since it was published"
    layout = content.get("format")
    if not isinstance(layout, int):
        raise InputError(f"{changed}: format is {layout!r:.80}")
    if layout > FORMAT:
        raise InputError(
            f"{file}: made by a newer version of keras-rnncap (format {layout}; this one reads {FORMAT}): "
            "pip install --upgrade keras-rnncap"
        )
    fields = {field.name for field in dataclasses.fields(PresetFacts)}
    try:
        facts = PresetFacts(**{key: value for key, value in content.items() if key in fields})
    except TypeError as error:
        raise InputError(f"{changed}: {error}") from error
    for key, kind in TYPES.items():
        if not isinstance(getattr(facts, key), kind):
            raise InputError(f"{changed}: {key} is {getattr(facts, key)!r:.80}")
    if not NAME.fullmatch(facts.name):  # it becomes part of paths
        raise InputError(f"{changed}: name is {facts.name!r}")
    return facts


def _plain(value: Any) -> Any:
    """Returns a NumPy number as one that JSON has."""
    if isinstance(value, np.generic):
        return value.item()
    raise InputError(f"facts of a preset are texts, numbers, lists and dictionaries; got {value!r}")


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
