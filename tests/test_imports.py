"""Imports point downward only: each module imports from lower floors, or from its own room."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = [
    ["version", "errors", "defaults", "by_name"],
    [
        "graphs",
        "initializers",
        "dropout",
        "optimizers",
        "information",
        "quantization",
        "versions",
        "terminal",
        "docs",
        "saved_models",
    ],
    ["cells", "datasets", "metrics"],
    ["training", "models", "runs", "dynamics"],
    ["budget", "saving", "analysis"],
    ["population", "training.train", "calibration", "api"],
    ["engines"],
    ["tuners", "zoo"],
    ["evolution"],
    ["studies", "finished_run"],
    ["report", "recommend", "publish"],
    ["cli"],
]
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}


def room_of(module: str) -> str:
    """The room of a module, both below `keras_rnncap`: one of `FLOOR`, of one or two names, or what it is called."""
    return next((room for room in (".".join(module.split(".")[:2]), module) if room in FLOOR), module.split(".")[0])


def sources() -> list[tuple[str, Path]]:
    """Every module's room, and its file; `keras_rnncap/__init__.py` is the door, not a room."""
    found = []
    for file in (ROOT / "keras_rnncap").rglob("*.py"):
        parts = file.relative_to(ROOT / "keras_rnncap").with_suffix("").parts
        if parts != ("__init__",):
            found.append((room_of(".".join(parts)), file))
    for top in ("datasets", "docs", "tuners", "zoo", "saved_models"):
        found += [(top, file) for file in (ROOT / top).rglob("*.py")]
    return found


def imported_rooms(file: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(file.read_text())):
        modules = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{file} has a relative import"
            modules = [node.module]
            if node.module == "keras_rnncap":
                modules = [f"keras_rnncap.{alias.name}" for alias in node.names]
        rooms |= {room_of(name.removeprefix("keras_rnncap.")) for name in modules if name.startswith("keras_rnncap.")}
    return rooms


def test_the_documentation_draws_these_layers():
    text = (ROOT / "docs" / "architecture.md").read_text()
    drawing = text.split("## Layers of the package")[1].split("`keras_rnncap/`")[0]
    lines = [line for line in drawing.splitlines() if line.startswith("    ")]
    drawn = [[room.strip() for room in line.strip().split("   ")[0].split("·")] for line in lines]
    assert drawn == FLOORS[::-1]


def test_every_room_has_a_floor():
    assert {room for room, _ in sources()} == set(FLOOR)


@pytest.mark.parametrize(("room", "file"), sources(), ids=lambda value: getattr(value, "stem", value))
def test_imports_point_downward(room, file):
    for imported in imported_rooms(file) - {room}:
        assert FLOOR[imported] < FLOOR[room], f"{file} imports {imported}"


def test_an_upward_import_would_be_found(tmp_path):
    file = tmp_path / "cell.py"
    file.write_text("def f():\n    from keras_rnncap.tuners import x\n    import keras_rnncap.cli\n")
    assert imported_rooms(file) == {"tuners", "cli"}


def test_tensorflow_is_imported_only_where_a_pipeline_is_made():
    """A machine with JAX alone can train: nothing imports TensorFlow when it is imported itself."""
    at_import = []
    for _, file in sources():
        for node in ast.parse(file.read_text()).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            at_import += [file.name for name in names if name.split(".")[0] == "tensorflow"]
    assert at_import == []
