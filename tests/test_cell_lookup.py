import functools
import importlib
import sys

import keras
import pytest

from keras_rnncap import (
    GRUCell,
    IntersectionRNNCell,
    IRNNCell,
    LSTMCell,
    RecurrentCell,
    RNNCell,
    UGRNNCell,
    sequence_model,
)
from keras_rnncap.cells import cell_name, constructor_options, get_cell, make_cell
from keras_rnncap.errors import InputError

NAMES = {
    "rnn": RNNCell,
    "irnn": IRNNCell,
    "ugrnn": UGRNNCell,
    "gru": GRUCell,
    "lstm": LSTMCell,
    "+rnn": IntersectionRNNCell,
}
OWN = """
import keras
from keras_rnncap import RecurrentCell

class LeakyCell(RecurrentCell):
    blocks = ("hidden",)

    def __init__(self, units, leak=0.5, **kwargs):
        super().__init__(units, **kwargs)
        self.leak = leak

    def step(self, x, states, w):
        (h,) = states
        (a,) = w.of_both(x, h)
        return (self.leak * h + (1 - self.leak) * self.activation(a),)

class Outer:
    Inner = LeakyCell

def twice(units, leak=0.1):
    return LeakyCell(2 * units, leak=leak)

number = 3
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory with the user's file own_cells.py; what importing from there changes is undone."""
    (tmp_path / "own_cells.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    before = set(sys.modules)
    importlib.invalidate_caches()
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.mark.parametrize(("name", "cell"), NAMES.items())
def test_a_cell_has_its_name_in_any_case(name, cell):
    assert get_cell(name) is get_cell(name.upper()) is cell
    assert cell_name(cell) == cell_name(name.upper()) == name


def test_a_class_or_function_is_its_own_cell():
    assert get_cell(keras.layers.GRUCell) is keras.layers.GRUCell
    assert get_cell(print) is print


@pytest.mark.parametrize("cell", [keras.layers.GRUCell, RNNCell])
def test_the_name_of_a_cell_finds_it_again(cell):
    assert get_cell(cell_name(cell)) is cell


def test_a_cell_of_the_users_file_is_found_by_path_and_its_name_finds_it_again(folder):
    cell = get_cell("own_cells:LeakyCell")
    assert issubclass(cell, RecurrentCell)
    assert cell_name(cell) == cell_name("own_cells:LeakyCell") == "own_cells:LeakyCell"
    assert get_cell(cell_name(cell)) is cell is get_cell("own_cells:Outer.Inner")
    model = sequence_model("own_cells:LeakyCell", 3, input_dim=2, output_dim=1, cell_options={"leak": 0.2})
    assert model.get_layer("layer_1").cell.leak == 0.2


def test_a_function_of_the_users_file_is_a_cell(folder):
    made = make_cell(get_cell("own_cells:twice"), 3, leak=0.3)
    assert (made.units, made.leak) == (6, 0.3)


def test_an_unknown_name_gives_the_nearest_and_all(folder):
    with pytest.raises(
        InputError, match=r"'lstn': did you mean 'lstm'\? .*rnn, irnn, ugrnn, gru, lstm, \+rnn, .*; module:Class"
    ):
        get_cell("lstn")


def test_an_unknown_class_names_those_of_the_module(folder):
    with pytest.raises(InputError, match=r"unknown class in own_cells 'LeakCell': did you mean .*LeakyCell"):
        get_cell("own_cells:LeakCell")


def test_what_cannot_be_called_is_no_cell(folder):
    with pytest.raises(InputError, match="'own_cells:number' is a int"):
        get_cell("own_cells:number")


@pytest.mark.parametrize("path", ["no_such_module:Cell", "own_cells.py:LeakyCell", "own_cells.deeper:Cell"])
def test_a_module_that_is_missing_is_named_with_the_form(folder, path):
    with pytest.raises(InputError, match=f"cannot import '{path.split(':')[0]}'.*module:Class"):
        get_cell(path)


@pytest.mark.parametrize("path", [":Cell", ".own_cells:LeakyCell", "own_cells:"])
def test_a_path_of_the_wrong_form_is_an_input_error(folder, path):
    with pytest.raises(InputError):
        get_cell(path)


@pytest.mark.parametrize("missing", ["not_installed", "needs"])
def test_a_module_missing_from_the_users_file_is_not_blamed_on_the_path(folder, missing):
    (folder / "needs_more.py").write_text(f"import {missing}\n")
    with pytest.raises(ModuleNotFoundError, match=f"'{missing}'"):
        get_cell("needs_more:Cell")


def test_constructor_options_are_those_of_the_class_and_of_all_it_hands_them_to():
    options = constructor_options(IntersectionRNNCell)
    assert {"units", "depth_forget_bias", "input_projection", "forget_bias", "dropout", "name", "dtype"} <= options
    assert not options & {"self", "kwargs", "cell"}
    assert "forget_bias" not in constructor_options(RNNCell)
    assert "recurrent_initializer" in constructor_options(IRNNCell)
    assert {"units", "reset_after", "name"} <= constructor_options(keras.layers.GRUCell)


def test_constructor_options_stop_where_no_more_are_handed_on():
    class Fixed(RNNCell):
        def __init__(self, units, leak=0.5):
            super().__init__(units)
            self.leak = leak

    def function(units, leak=0.5):
        return Fixed(units, leak)

    assert constructor_options(Fixed) == {"units", "leak"}
    assert constructor_options(function) == {"units", "leak"}
    assert constructor_options(functools.partial(RNNCell, dropout=0.1)) >= {"units", "dropout"}


def test_a_subclass_may_set_a_layer_argument_that_its_own_constructor_does_not_take():
    class Named(RNNCell):
        def __init__(self, units):
            super().__init__(units, name="mine", dtype="float64")

    assert (Named(3).name, Named(3).compute_dtype) == ("mine", "float64")


def test_make_cell_hands_options_over():
    cell = make_cell(UGRNNCell, 3, forget_bias=2.5, activation="relu")
    assert (cell.units, cell.forget_bias, cell.activation) == (3, 2.5, keras.activations.relu)


def test_an_unknown_option_names_the_valid_ones():
    with pytest.raises(
        InputError, match=r"option of UGRNNCell 'forgetbias': did you mean 'forget_bias'\?.*recurrent_dropout"
    ):
        make_cell(UGRNNCell, 3, forgetbias=2.5)
    with pytest.raises(InputError, match="unknown option of UGRNNCell 'seq'"):
        make_cell(UGRNNCell, 3, seq=1)


@pytest.mark.parametrize("cell", [keras.layers.Dense, lambda units: keras.layers.Dense(units), UGRNNCell(3)])
def test_what_is_no_recurrent_cell_is_refused(cell):
    with pytest.raises(InputError, match="is not a recurrent cell"):
        make_cell(get_cell(cell), 3)
