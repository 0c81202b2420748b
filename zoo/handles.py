"""From a handle to a folder: a bundled preset, a folder, or a hub."""

import importlib
import importlib.util
import os
import re
from pathlib import Path
from typing import Any

from keras_rnncap import saved_models
from keras_rnncap.errors import InputError, unknown

HOUSE = Path(saved_models.__file__).parent
"""Where the bundled presets are: `NAME/vVERSION`."""
HUBS = {"hf": "huggingface_hub", "kaggle": "kagglehub"}


def bundled() -> list[Path]:
    """Returns the folders of the bundled presets, by name and version."""
    folders = [folder for folder in HOUSE.glob("*/v*") if re.fullmatch(r"v\d+", folder.name) and folder.is_dir()]
    return sorted(folders, key=lambda folder: (folder.parent.name, int(folder.name[1:])))


def resolve(handle: str | os.PathLike[str]) -> Path:
    """Returns the folder that a handle means; raises `InputError` if there is none, or a hub's client fails."""
    if not isinstance(handle, str | os.PathLike):
        raise InputError(f"a preset is named by a text or a path; got {handle!r}")
    text = os.fspath(handle)
    hub, separator, rest = text.partition("://")
    if separator:
        return _from_hub(hub, rest, text)
    name, _, version = text.partition("@")
    versions = {folder.name: folder for folder in bundled() if folder.parent.name == name}
    if not versions:
        if os.path.isdir(text):
            return Path(text)
        names = list(dict.fromkeys(folder.parent.name for folder in bundled()))
        if not names:
            raise InputError(f"no preset is bundled, and {text!r} is no folder; a folder or hf://OWNER/NAME will do")
        raise unknown("preset", text, names, "; a folder, hf://OWNER/NAME and kaggle://... will do as well")
    if not version:
        return list(versions.values())[-1]
    if version not in versions:
        raise InputError(f"{name} has no version {version!r}; it has {', '.join(versions)}")
    return versions[version]


def _from_hub(hub: str, rest: str, handle: str) -> Path:
    if hub not in HUBS:
        raise InputError(f"a handle begins with hf:// or kaggle://, or is a name or a folder; got {handle!r}")
    client = HUBS[hub]
    if importlib.util.find_spec(client) is None:
        raise InputError(f"{handle} needs the hub's client: pip install {client}")
    try:
        module: Any = importlib.import_module(client)
        if hub == "hf":
            name, _, revision = rest.partition("@")
            return Path(module.snapshot_download(name, revision=revision or None))
        return Path(module.model_download(rest))
    except Exception as error:  # each client has errors of its own
        raise InputError(f"{handle} cannot be had from its hub: {first_line(error)}") from error


def first_line(error: Exception) -> str:
    """Returns what an error says first."""
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
