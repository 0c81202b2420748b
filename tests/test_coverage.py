"""A public class that joins no contract is a class that nobody checks."""

import ast
import inspect
import types
from pathlib import Path

import keras_tuner as kt

import keras_rnncap
import keras_rnncap.datasets
from keras_rnncap import studies, tuners
from keras_rnncap.tuners import spaces
from keras_rnncap.tuners.oracles import ORACLES

TESTS = Path(__file__).parent
ANALYSIS = TESTS.parent / "keras_rnncap" / "analysis"


def classes(files) -> list[tuple[ast.ClassDef, set[str]]]:
    """Classes in some files, and the names of their bases."""
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.ClassDef)]
    return [(node, {ast.unparse(base).split(".")[-1] for base in node.bases}) for node in nodes]


def text(value: ast.expr) -> str:
    """What an expression, or a string or f-string of one, starts with."""
    if isinstance(value, ast.JoinedStr):
        value = value.values[0]
    return value.value if isinstance(value, ast.Constant) else ast.unparse(value)


def joined(contract: str, attribute: str, tests: Path = TESTS) -> set[str]:
    """Names of the classes that test classes with this contract have in `attribute`, alone or at the head of a call."""
    contracts = {contract} | {n.name for n, bases in classes((TESTS / "contracts").glob("*.py")) if contract in bases}
    found = set()
    for node, bases in classes(tests.rglob("test_*.py")):
        for line in node.body if bases & contracts else []:
            if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == attribute:
                found.add(text(line.value).split("(")[0].split(".")[-1])
    return found


def public(module, base) -> set[str]:
    """Names of the concrete subclasses of `base` that a module offers."""
    classes = [one for name, one in vars(module).items() if inspect.isclass(one) and name[0] != "_"]
    return {one.__name__ for one in classes if issubclass(one, base) and not inspect.isabstract(one)}


def test_every_cell_joins_the_cell_contract():
    bases = {"RecurrentCell", "GatedCell", "ProjectingCell"} | {
        "GraphCell"
    }  # whose equation is any: tests/cells/test_graph.py
    assert public(keras_rnncap, keras_rnncap.RecurrentCell) - bases == joined("CellContract", "cell")


def test_every_cell_has_a_name_on_the_command_line():
    from keras_rnncap.cells import CELLS

    assert {cell.__name__ for cell in CELLS.values()} == joined("CellContract", "cell")


def test_every_task_joins_the_task_contract():
    assert public(keras_rnncap.datasets, keras_rnncap.datasets.Task) == joined("TaskContract", "expression")


def test_every_space_joins_the_space_contract():
    assert public(spaces, spaces.Space) == joined("SpaceContract", "space")


def test_every_oracle_joins_the_oracle_contract():
    assert set(ORACLES) == joined("OracleContract", "oracle")
    assert public(tuners, kt.Oracle) <= {oracle.__name__ for oracle in ORACLES.values()}


def test_every_job_joins_the_job_contract():
    assert public(tuners, tuners.Job) == joined("JobContract", "job")


def test_every_study_joins_the_study_contract():
    assert public(studies, studies.Study) == joined("StudyContract", "study")


def test_every_figure_joins_the_figure_contract():
    defined = [
        node.name
        for file in ANALYSIS.glob("*.py")
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.FunctionDef)
    ]
    assert {name for name in defined if name.startswith("plot_")} == joined("FigureContract", "plot")


def test_a_class_that_has_joined_none_would_be_found(tmp_path):
    made = {name: type(name, (keras_rnncap.RecurrentCell,), {"step": lambda *_: ()}) for name in ("Mine", "Forgotten")}
    module = types.SimpleNamespace(**made, number=1)
    (tmp_path / "test_mine.py").write_text(
        "class TestMine(CellContract):\n    cell = Mine\n\nclass TestOther(Other):\n    cell = Forgotten\n"
        "class Said(TextContract):\n    expression = 'Mine(3)'\n"
    )
    assert joined("CellContract", "cell", tmp_path) == {"Mine"}
    assert joined("TaskContract", "expression", tmp_path) == {"Mine"}
    assert public(module, keras_rnncap.RecurrentCell) - joined("CellContract", "cell", tmp_path) == {"Forgotten"}
