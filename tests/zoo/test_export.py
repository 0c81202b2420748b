"""A model steps as it runs, and does so in every format that it is exported to."""

import importlib.util
import json
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_rnncap import sequence_model
from keras_rnncap.cells import CELLS
from keras_rnncap.errors import InputError
from keras_rnncap.zoo import FORMATS, Stepper, export
from keras_rnncap.zoo.exporting import USUAL

LENGTH, WIDTH = 11, 9
LITERT = """
import json, sys
import numpy as np
from ai_edge_litert.interpreter import Interpreter

folder, file = sys.argv[1:]
known = json.load(open(f"{folder}/step.json"))
states = {f"state_{i}": np.array([s["initial"]], "float32") for i, s in enumerate(known["states"])}
step = Interpreter(f"{folder}/{file}").get_signature_runner("step")
outputs = []
for x in np.load(f"{folder}/inputs.npy"):
    states = step(x=x[None], **states)
    outputs.append(states.pop("output")[0])
np.save(f"{folder}/outputs.npy", outputs)
assert not {"keras", "tensorflow", "keras_rnncap"} & {*sys.modules}
"""
QUICK = ("+rnn", "lstm", "mut1")


def build(cell, depth=2, units=33):
    """A model whose weights, initial states among them, are all different."""
    model = sequence_model(cell, units, depth, input_dim=WIDTH, output_dim=5, return_sequences=True, seed=3)
    rng = np.random.default_rng(0)
    for weight in model.trainable_variables:
        weight.assign(weight + 0.1 * rng.normal(size=weight.shape))
    return model


def inputs(batch=3):
    return np.random.default_rng(1).normal(size=(batch, LENGTH, WIDTH)).astype("float32")


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_stepping_equals_the_sequence(cell, depth):
    model = build(cell, depth)
    x = inputs()
    stepper, outputs = Stepper(model), []
    states = stepper.initial_states(len(x))
    for t in range(LENGTH):
        output, states = stepper(x[:, t], states)
        outputs.append(keras.ops.convert_to_numpy(output))
    np.testing.assert_allclose(np.stack(outputs, 1), model(x), atol=1e-5)


@pytest.mark.parametrize("layer", [keras.layers.LSTM, keras.layers.GRU, keras.layers.SimpleRNN])
def test_keras_own_layers_step_too(layer):
    model = keras.Sequential([keras.Input((None, WIDTH)), layer(6, return_sequences=True), keras.layers.Dense(2)])
    x, stepper = inputs(), Stepper(model)
    states = stepper.initial_states(len(x))
    for t in range(LENGTH):
        output, states = stepper(x[:, t], states)
    np.testing.assert_allclose(output, model(x)[:, -1], atol=1e-5)


def test_a_sequential_model_that_was_loaded_steps_too(tmp_path):
    """Keras builds it twice, so that its first layer has been called twice."""
    layers = [keras.layers.GRU(6), keras.layers.Dense(2)]
    keras.Sequential([keras.Input((None, WIDTH)), *layers]).save(tmp_path / "model.keras")
    model = keras.saving.load_model(tmp_path / "model.keras")
    x, stepper = inputs(), Stepper(model)
    states = stepper.initial_states(len(x))
    for t in range(LENGTH):
        output, states = stepper(x[:, t], states)
    np.testing.assert_allclose(output, model(x), atol=1e-5)


def litert(folder, file, x):
    np.save(folder / "inputs.npy", x)
    subprocess.run([sys.executable, "-c", LITERT, str(folder), file], check=True, capture_output=True)
    return np.load(folder / "outputs.npy")


@pytest.mark.parametrize(
    "cell", [cell if cell in QUICK else pytest.param(cell, marks=pytest.mark.slow) for cell in CELLS]
)
def test_every_format_gives_what_the_model_gives(cell, tmp_path):
    import tensorflow as tf

    model, x = build(cell), inputs()
    wanted = keras.ops.convert_to_numpy(model(x))
    export(model, tmp_path)
    loaded = tf.saved_model.load(str(tmp_path / "saved_model"))
    rounding = {"atol": 1e-5, "rtol": 2e-6 if cell == "s6" else 1e-7}  # the outputs of S6 are larger than 20
    np.testing.assert_allclose(loaded.serve(x), wanted, **rounding)
    np.testing.assert_allclose(loaded.serve(x[:1, :4]), wanted[:1, :4], **rounding)
    found = loaded.initial_state(len(x))  # in no order: the names count
    states, outputs = [found[f"state_{index}"] for index in range(len(found))], []
    for t in range(LENGTH):
        found = loaded.step(x[:, t], *states)
        outputs.append(found["output"])
        states = [found[f"state_{index}"] for index in range(len(states))]
    np.testing.assert_allclose(np.stack(outputs, 1), wanted, **rounding)
    np.testing.assert_allclose(litert(tmp_path, "step.tflite", x[0]), wanted[0], **rounding)
    # Eight bits: a weight is off by at most 1/254 of the largest; over a few steps outputs by a tenth of their range.
    np.testing.assert_allclose(litert(tmp_path, "step_int8.tflite", x[0]), wanted[0], atol=0.1 * np.ptp(wanted))
    assert (tmp_path / "step_int8.tflite").stat().st_size < (tmp_path / "step.tflite").stat().st_size
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again(x), wanted, **rounding | {"atol": 1e-6})


def test_a_step_has_no_loop(tmp_path):
    import tensorflow as tf

    export(build("ugrnn", 2), tmp_path, ["saved_model"])
    loaded = tf.saved_model.load(str(tmp_path / "saved_model"))
    operations = {node.op for f in loaded.step.concrete_functions for node in f.graph.as_graph_def().node}
    operations |= {
        node.op
        for f in loaded.step.concrete_functions
        for function in f.graph.as_graph_def().library.function
        for node in function.node_def
    }
    assert "MatMul" in operations
    assert not {one for one in operations if "While" in one}


def test_the_states_are_listed_with_their_initial_values(tmp_path):
    model = build("lstm", 2)
    export(model, tmp_path, ["litert"])
    known = json.loads((tmp_path / "step.json").read_text())
    assert known["input_dim"] == WIDTH
    assert [state["name"] for state in known["states"]] == ["layer_1.0", "layer_1.1", "layer_2.0", "layer_2.1"]
    states = model.get_layer("layer_2").cell.get_initial_state(batch_size=1)
    np.testing.assert_allclose(known["states"][3]["initial"], keras.ops.convert_to_numpy(states[1])[0])


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([keras.layers.Dense(3)], "has no recurrent layer to step"),
        ([keras.layers.Bidirectional(keras.layers.GRU(3))], r"layer .* \(Bidirectional\) cannot be stepped"),
        ([keras.layers.GRU(3, go_backwards=True)], "cannot be stepped"),
        ([keras.layers.GRU(3, return_sequences=True), keras.layers.Dense(2), keras.layers.GRU(3)], "come first"),
    ],
)
def test_models_that_cannot_be_stepped_are_errors(layers, message, tmp_path):
    model = keras.Sequential([keras.Input((None, 4)), *layers])
    with pytest.raises(InputError, match=message):
        export(model, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_bad_formats_are_errors_before_anything_is_written(tmp_path):
    model = build("rnn", 1)
    with pytest.raises(InputError, match="did you mean 'litert'"):
        export(model, tmp_path / "out", ["litter"])
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write to"):
        export(model, tmp_path / "file" / "out", ["keras"])
    assert not (tmp_path / "out").exists()
    assert "onnx" in FORMATS


@pytest.mark.skipif(importlib.util.find_spec("tf2onnx") is not None, reason="ONNX' converter is installed")
@pytest.mark.parametrize("name", ["onnx", "onnx-step"])
def test_onnx_needs_its_converter(name, tmp_path):
    with pytest.raises(InputError, match=f"format '{name}' needs a converter: pip install tf2onnx"):
        export(build("rnn", 1), tmp_path, [name])


@pytest.mark.parametrize("name", CELLS)
def test_a_step_in_onnx_runtime_is_the_models(name, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("tf2onnx")
    model = build(name, 2)
    session = runtime.InferenceSession(export(model, tmp_path, ["onnx-step"])["onnx-step"])
    known = json.loads((tmp_path / "step.json").read_text())["states"]
    inputs = np.random.default_rng(0).normal(size=(3, 7, model.input_shape[-1])).astype("float32")
    states = {f"state_{i}": np.array([state["initial"]] * 3, "float32") for i, state in enumerate(known)}
    outputs = []
    for time in range(7):
        names = [output.name for output in session.get_outputs()]
        found = dict(zip(names, session.run(None, {"x": inputs[:, time], **states}), strict=True))
        outputs.append(found.pop("output"))
        states = {name.removeprefix("new_"): state for name, state in found.items()}
    whole = np.array(model(inputs))
    last = np.stack(outputs, axis=1) if whole.ndim == 3 else outputs[-1]
    np.testing.assert_allclose(last, whole, rtol=1e-4, atol=1e-4)


def test_what_fails_leaves_what_was_there(tmp_path, monkeypatch):
    model = build("rnn", 1)
    export(model, tmp_path, ["litert"])
    before = (tmp_path / "step.tflite").read_bytes()

    def fail(*_):
        raise OSError("no space left")

    monkeypatch.setattr("keras_rnncap.zoo.exporting._litert", fail)
    with pytest.raises(InputError, match=r"cannot write to .*: no space"):
        export(model, tmp_path, ["litert"])
    assert (tmp_path / "step.tflite").read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["step.json", "step.tflite"]


@pytest.mark.parametrize("formats", [USUAL, ["saved_model"], ["litert"], ["keras"]])
def test_a_model_that_keeps_its_state_between_calls_is_refused(formats, tmp_path):
    """Equal calls of what it became would answer differently."""
    model = sequence_model("gru", 4, input_dim=3, output_dim=2, stateful_batch=2)
    with pytest.raises(InputError, match=r"stateful: layer_1\).*new\.set_weights\(model\.get_weights\(\)\)"):
        export(model, tmp_path / "out", formats)
    assert not (tmp_path / "out").exists()
    stateless = sequence_model("gru", 4, input_dim=3, output_dim=2, cell_options={"learned_initial_state": False})
    stateless.set_weights(model.get_weights())
    export(stateless, tmp_path / "out", formats)


def test_a_state_is_found_wherever_it_is_kept(tmp_path):
    inner = keras.Sequential([keras.Input((None, 3), batch_size=2), keras.layers.LSTM(4, stateful=True)])
    model = keras.Sequential([keras.Input((None, 3), batch_size=2), inner])
    both = keras.layers.Bidirectional(keras.layers.LSTM(4, stateful=True))
    for made in (model, keras.Sequential([keras.Input((None, 3), batch_size=2), both])):
        with pytest.raises(InputError, match="keeps its state between calls"):
            export(made, tmp_path / "out", ["onnx" if importlib.util.find_spec("tf2onnx") else "keras"])


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float16", "float64"])
def test_a_model_of_another_precision_becomes_litert_in_float32(policy, tmp_path):
    keras.config.set_dtype_policy(policy)
    try:
        model = build("gru", 1)
    finally:
        keras.config.set_dtype_policy("float32")
    same = build("gru", 1)
    same.set_weights(model.get_weights())
    export(model, tmp_path, ["saved_model", "litert", "litert-int8"])
    x = inputs(1)[0]
    wanted = keras.ops.convert_to_numpy(same(x[None]))[0]
    np.testing.assert_allclose(litert(tmp_path, "step.tflite", x), wanted, atol=1e-5)
    np.testing.assert_allclose(litert(tmp_path, "step_int8.tflite", x), wanted, atol=0.1 * np.ptp(wanted))
    cell = model.get_layer("layer_1").cell
    assert cell.compute_dtype == keras.dtype_policies.get(policy).compute_dtype  # as it was


def test_a_cell_that_is_not_registered_becomes_litert_in_another_precision_too(tmp_path):
    class Mine(keras.layers.SimpleRNNCell):
        pass

    layers = [keras.layers.RNN(Mine(4, dtype="mixed_float16")), keras.layers.Dense(2, dtype="mixed_float16")]
    model = keras.Sequential([keras.Input((None, 3)), *layers])
    export(model, tmp_path, ["litert"])
    assert litert(tmp_path, "step.tflite", np.ones((5, 3), "float32")).shape == (5, 2)
