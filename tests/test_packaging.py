"""The package holds what the folders hold: an editable install would hide a folder that the wheel lacks."""

import configparser
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAPPED = ("keras_rnncap", "datasets", "docs/results", "tuners", "zoo", "saved_models")
config = configparser.ConfigParser()
config.read(ROOT / "setup.cfg")


def package_name(folder: Path) -> str:
    parts = folder.relative_to(ROOT).parts
    return ".".join(parts if parts[0] == "keras_rnncap" else ("keras_rnncap", *parts))


def folders_with_code() -> list[Path]:
    return sorted({file.parent for top in MAPPED for file in (ROOT / top).rglob("*.py")})


def test_every_folder_with_code_is_a_listed_package():
    listed = set(config["options"]["packages"].split())
    assert {package_name(folder) for folder in folders_with_code()} == listed


def test_every_package_has_an_init_file():
    assert all((folder / "__init__.py").is_file() for folder in folders_with_code())


def test_top_level_folders_are_mapped_into_the_package():
    mapping = dict(line.split(" = ") for line in config["options"]["package_dir"].strip().splitlines())
    assert mapping == {package_name(ROOT / top): top for top in MAPPED}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel built from a copy of the sources, so that nothing is left in the checkout."""
    import shutil

    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for top in (*MAPPED, "setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        copy = shutil.copytree if (ROOT / top).is_dir() else shutil.copy
        copy(ROOT / top, source / top)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(out), str(source)]
    subprocess.run(command, check=True)
    return zipfile.ZipFile(next(out.glob("*.whl")))


def test_the_wheel_has_every_source_file_and_nothing_at_the_top_but_the_package(wheel):
    names = set(wheel.namelist())
    sources = {
        "/".join([*package_name(file.parent).split("."), file.name])
        for folder in folders_with_code()
        for file in folder.glob("*.py")
    }
    assert sources <= names
    assert {name.split("/")[0] for name in names} == {
        "keras_rnncap",
        next(name.split("/")[0] for name in names if ".dist-info/" in name),
    }


def test_the_wheel_has_the_data_files(wheel):
    names = wheel.namelist()
    assert "keras_rnncap/py.typed" in names
    for builder in ("text8", "penn_treebank", "polyphonic_music"):
        for file in ("checksums.tsv", "CITATIONS.bib", "README.md", "TAGS.txt"):
            assert f"keras_rnncap/datasets/builders/{builder}/{file}" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)


@pytest.mark.parametrize("started_in", [ROOT, Path("/")])
def test_the_folders_are_found_from_anywhere(started_in):
    """Also in a checkout, where Python imports the folder keras_rnncap and not the installed package."""
    code = "import keras_rnncap.datasets, keras_rnncap.tuners.spaces, keras_rnncap.saved_models, keras_rnncap.zoo"
    subprocess.run([sys.executable, "-c", code], cwd=started_in, check=True, capture_output=True)
