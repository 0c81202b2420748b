"""The cell of a graph: its equation, known cells as graphs, its name, and all that other cells can do."""

import functools
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from cells.reference import array
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_rnncap import GraphCell, sequence_model
from keras_rnncap.cells import CELLS, cell_class, constructor_options, get_cell, make_cell
from keras_rnncap.datasets import make_task
from keras_rnncap.errors import InputError
from keras_rnncap.graphs import Graph, Node, evaluate, known_graphs, mutate
from keras_rnncap.tuners import measure_capacity, run_sweep
from keras_rnncap.tuners.spaces import CollinsSpace, RowSOAPSpace
from keras_rnncap.zoo import export

KNOWN = known_graphs()
UNITS, BATCH, LENGTH = 4, 6, 5
LSTM = ("candidate", "input", "forget", "output")
BLOCKS = {
    "rnn": ("hidden",),
    "ugrnn": ("candidate", "gate"),
    "gru": ("update", "reset", "candidate"),
    "mut1": ("update", "reset", "candidate"),
    "mut2": ("update", "reset", "candidate"),
    "mut3": ("update", "reset", "candidate"),
    "lstm": LSTM,
    "tanh-lstm": LSTM,
    "lstm-i": ("candidate", "forget", "output"),
    "lstm-o": ("candidate", "input", "forget"),
    "lstm-f": ("candidate", "input", "output"),
}
"""The blocks in the order in which the graphs have their affine maps."""


def filled(cell, seed=0):
    """Returns a cell with random weights."""
    cell.build((None, UNITS))
    rng = np.random.default_rng(seed)
    for weight in cell.trainable_weights:
        weight.assign(rng.normal(size=weight.shape) / 2)
    return cell


def inputs(seed=1):
    return np.random.default_rng(seed).normal(size=(BATCH, LENGTH, UNITS)).astype("float32")


def weights_of(cell):
    """Returns W and b of each linear node of a cell, by its index."""
    linears, found = cell.graph.linears(), {}
    for name in ("kernel", "recurrent_kernel"):
        own = [index for index in linears if (cell.graph.inputs_of(index) == (cell.graph.x,)) == (name == "kernel")]
        for place, index in enumerate(own):
            matrix = array(getattr(cell, name))[:, place * UNITS : (place + 1) * UNITS]
            first = linears.index(index) * UNITS
            found[index] = (matrix, np.zeros(UNITS) if cell.bias is None else array(cell.bias)[first : first + UNITS])
    return found


def expected(cell, x):
    """Returns the outputs of the cell's graph, in NumPy."""
    rows = iter([] if cell.initial_state is None else array(cell.initial_state))
    starts = [next(rows) if state.learned else np.zeros(UNITS) for state in cell.declare_states()]
    states, outputs = [np.repeat(start[None], len(x), 0) for start in starts], []
    for now in x.swapaxes(0, 1):
        states = evaluate(cell.graph, states, now, weights_of(cell))
        outputs.append(states[0])
        if max(np.abs(state).max() for state in states) > 1e2:  # they square their states: another step cannot agree
            break
    return np.stack(outputs, 1)


def with_weights_of(cell, graph_cell, order):
    """Gives a graph's cell the weights of a cell of the same equation."""
    kernel = dict(zip(cell.kernel_blocks, np.split(array(cell.kernel), len(cell.kernel_blocks), 1), strict=True))
    parts = np.split(array(cell.recurrent_kernel), len(cell.recurrent_blocks), 1)
    recurrent = dict(zip(cell.recurrent_blocks, parts, strict=True))
    bias = dict(zip(cell.blocks, np.split(array(cell.bias), len(cell.blocks)), strict=True))
    graph, found = graph_cell.graph, {}
    of_x = iter([block for block in order if block in kernel])
    of_state = iter([block for block in order if block in recurrent])
    for index in sorted(graph.linears()):
        seen = graph.inputs_of(index)[0] == graph.x
        block = next(of_x if seen else of_state)
        has_bias = seen or block not in kernel
        found[index] = ((kernel if seen else recurrent)[block], bias[block] if has_bias else np.zeros(UNITS))
    for name in ("kernel", "recurrent_kernel"):
        own = [index for index in graph.linears() if (graph.inputs_of(index) == (graph.x,)) == (name == "kernel")]
        getattr(graph_cell, name).assign(np.concatenate([found[index][0] for index in own], axis=1))
    graph_cell.bias.assign(np.concatenate([found[index][1] for index in graph.linears()]))
    graph_cell.initial_state.assign(array(cell.initial_state))


@pytest.mark.parametrize("name", KNOWN)
def test_known_cells_as_graphs_have_the_same_outputs(name):
    options = {"forget_bias": 0.0} if "forget_bias" in constructor_options(CELLS[name]) else {}
    cell = filled(CELLS[name](UNITS, **options))
    graph_cell = GraphCell(UNITS, KNOWN[name])
    graph_cell.build((None, UNITS))
    with_weights_of(cell, graph_cell, BLOCKS[name])
    outputs = keras.layers.RNN(graph_cell, return_sequences=True)(inputs())
    np.testing.assert_allclose(outputs, keras.layers.RNN(cell, return_sequences=True)(inputs()), atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(sorted(KNOWN)), st.integers(0, 2**32), st.booleans())
def test_outputs_are_those_of_the_graph(name, seed, use_bias):
    graph = mutate(KNOWN[name], np.random.default_rng(seed))
    cell = filled(GraphCell(UNITS, graph, use_bias=use_bias), seed)
    outputs, told = array(keras.layers.RNN(cell, return_sequences=True)(inputs())), expected(cell, inputs())
    np.testing.assert_allclose(outputs[:, : told.shape[1]], told, rtol=1e-3, atol=1e-3)


def test_matrices_of_a_model_with_a_seed_start_differently():
    cell = sequence_model(functools.partial(GraphCell, graph=KNOWN["gru"]), UNITS, input_dim=3, output_dim=1, seed=0)
    cell = cell.layers[1].cell
    matrices = [*np.split(array(cell.kernel), 3, 1), *np.split(array(cell.recurrent_kernel), 3, 1)]
    assert len(np.unique(np.stack(matrices), axis=0)) == 6
    assert [weight.name for weight in cell.trainable_weights][-3:] == ["kernel", "recurrent_kernel", "bias"]


def test_what_no_output_depends_on_has_no_weights():
    dead = Graph(2, (Node("linear", (2,)), Node("linear", (1,))), (3, 4))
    cell = GraphCell(UNITS, dead)
    cell.build((None, UNITS))
    assert cell.graph == Graph(1, (Node("linear", (1,)),), (2,))
    assert sorted(weight.name for weight in cell.trainable_weights) == ["bias", "kernel"]  # no state is read


def test_an_activation_beside_those_of_the_graph_is_refused():
    with pytest.raises(InputError, match="activation must be left out"):
        GraphCell(UNITS, KNOWN["gru"], activation="tanh")


def test_a_is_added_to_the_diagonal():
    graph = Graph(1, (Node("linear", (0,), 0.9), Node("linear", (1,)), Node("add", (2, 3))), (4,))
    cell = GraphCell(UNITS, graph, recurrent_initializer="zeros")
    cell.build((None, UNITS))
    cell.initial_state.assign(np.ones((1, UNITS)))
    x = np.zeros((1, 3, UNITS), "float32")
    np.testing.assert_allclose(keras.layers.RNN(cell)(x)[0], np.full(UNITS, 0.9**3), rtol=1e-6)


def test_inputs_of_another_width_are_projected():
    outputs = keras.layers.RNN(cell := GraphCell(UNITS, KNOWN["gru"]))(inputs()[..., :3])
    assert outputs.shape == (BATCH, UNITS)
    assert cell.projection.shape == (3, UNITS)


def test_a_graph_without_weights_of_its_own_is_a_cell():
    graph = Graph(1, (Node("tanh", (0,)), Node("add", (1, 2))), (3,))
    cell = GraphCell(UNITS, graph)
    np.testing.assert_allclose(keras.layers.RNN(cell)(inputs()[:, :1]), inputs()[:, 0], rtol=1e-6)
    assert [weight.name for weight in cell.trainable_weights] == ["initial_state"]


@pytest.mark.parametrize("given_as", [lambda graph: graph, Graph.to_dict, Graph.to_json])
def test_models_are_saved_and_loaded_with_their_graph(tmp_path, given_as):
    graph = mutate(KNOWN["lstm"], np.random.default_rng(3))
    model = keras.Sequential([keras.Input((LENGTH, UNITS)), keras.layers.RNN(GraphCell(UNITS, given_as(graph)))])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.layers[0].cell.graph == graph
    np.testing.assert_array_equal(loaded(inputs()), model(inputs()))


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("rates", [{"dropout": 0.5}, {"recurrent_dropout": 0.5}])
def test_masks_dropout_and_mixed_precision(rates, policy):
    cell = GraphCell(UNITS, KNOWN["gru"], **rates, seed=0, dtype=policy)
    layer = keras.layers.RNN(cell, return_sequences=True, dtype=policy)
    mask = np.ones((BATCH, LENGTH), bool)
    mask[:, 3:] = False
    outputs = np.array(keras.ops.cast(layer(inputs(), mask=mask, training=True), "float32"))
    np.testing.assert_array_equal(outputs[:, 3], outputs[:, 2])
    plain = np.array(keras.ops.cast(layer(inputs(), mask=mask), "float32"))
    assert not np.allclose(outputs, plain)


# ---- by name


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "found.json"
    path.write_text(KNOWN["gru"].to_json())
    return path


def test_a_file_names_a_cell(file):
    factory = get_cell(f"graph:{file}")
    assert cell_class(factory)[0] is GraphCell
    assert make_cell(factory, UNITS, kernel_initializer="zeros").graph == KNOWN["gru"]
    model = sequence_model(f"graph:{file}", 8, 2, input_dim=3, output_dim=2, seed=0)
    assert model.output_shape == (None, 2)
    with pytest.raises(InputError, match="option of"):
        make_cell(factory, UNITS, forget_bias=1.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [(None, "must name a file with a graph"), ("{", "must be JSON"), ("{}", "a graph is an object")],
)
def test_a_file_that_has_no_graph_is_named(tmp_path, text, message):
    if text is not None:
        (tmp_path / "none.json").write_text(text)
    with pytest.raises(InputError, match=message) as error:
        get_cell(f"graph:{tmp_path / 'none.json'}")
    assert "none.json" in str(error.value)


@pytest.mark.parametrize("space", [CollinsSpace, RowSOAPSpace])
def test_search_spaces_have_one_scale_for_kernels_of_the_input_and_one_for_the_others(file, space):
    hyperparameters = space(f"graph:{file}").hyperparameters()
    names = {hp.name for hp in hyperparameters.space}
    assert {"kernel_scale", "recurrent_scale", "projection_scale"} <= names
    assert not {name for name in names if "activation" in name or "forget" in name}
    options = space(f"graph:{file}").cell_options(hyperparameters.values)
    filled(make_cell(get_cell(f"graph:{file}"), UNITS, **options))


def test_configurations_are_json():
    config = GraphCell(UNITS, KNOWN["gru"]).get_config()
    assert json.loads(json.dumps(config["graph"])) == KNOWN["gru"].to_dict()
    again = GraphCell.from_config(json.loads(json.dumps(config)))
    assert again.graph == KNOWN["gru"]


def test_exported_models_have_the_same_outputs(tmp_path):
    model = sequence_model(functools.partial(GraphCell, graph=KNOWN["lstm"]), UNITS, input_dim=3, output_dim=2, seed=0)
    export(model, tmp_path, ["saved_model"])
    loaded = tf.saved_model.load(str(tmp_path / "saved_model"))
    np.testing.assert_allclose(loaded.serve(inputs()[..., :3]), model(inputs()[..., :3]), atol=1e-6)


def test_a_sweep_of_a_file_goes_on_and_notices_another_graph(file, tmp_path):
    options = {"params": 60, "steps": 5, "oracle": "random", "out": tmp_path / "run"}
    task = make_task("memory:input_dim=2,length=2")
    first = run_sweep(task, f"graph:{file}", trials=2, **options)
    assert first.cell == f"graph:{file}"
    assert run_sweep(task, f"graph:{file}", trials=3, **options).trials == 3
    file.write_text(KNOWN["rnn"].to_json())
    with pytest.raises(InputError):
        run_sweep(task, f"graph:{file}", trials=4, **options)


def test_runs_of_a_file_have_a_folder_of_their_own(file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = measure_capacity("graph:found.json", params=60, trials=1, steps=5, length=2)
    assert result.cell == "graph:found.json"
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name.startswith("capacity-graph.found.json")
