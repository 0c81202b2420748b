"""Models for use elsewhere: SavedModel with the whole sequence and one step, LiteRT, `.keras`, ONNX."""

import importlib.util
import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras

from keras_rnncap.errors import InputError, unknown
from keras_rnncap.runs import remove_leftovers, replacing, temporary_folder, write_json
from keras_rnncap.saving import quiet
from keras_rnncap.zoo.stepping import Stepper
from keras_rnncap.zoo.writing import writing_to

FILES = {"keras": "model.keras", "saved_model": "saved_model"}
FILES |= {"litert": "step.tflite", "litert-int8": "step_int8.tflite"}
USUAL = tuple(FILES)
"""The formats that need no converter of another package."""
FILES |= {"onnx": "model.onnx", "onnx-step": "step.onnx"}
FORMATS = tuple(FILES)
OPSET = 17
"""The version of ONNX' operators."""


def export(model: keras.Model, directory: str | os.PathLike[str], formats: Sequence[str] = USUAL) -> dict[str, Path]:
    """Writes a model in several formats; all but `keras` need no code of this package.

    - `keras`: `model.keras`.
    - `saved_model`: `saved_model/`, for TensorFlow, with `serve(inputs)` for any batch and length, `step(x, *states)`
      for one time step, which returns `output` and `state_0`, `state_1`, ..., and `initial_state(batch_size)`.
    - `litert`, `litert-int8`: `step.tflite`, `step_int8.tflite`: one time step of a batch of one, in float32, and with
      matrices of at least 1,024 weights in eight bits. `step.json` lists the states, their sizes and initial values.
    - `onnx`: `model.onnx`, the whole sequence; it needs the package tf2onnx.
    - `onnx-step`: `step.onnx`, one time step of any batch in float32: inputs `x`, `state_0`, ..., outputs `output`,
      `new_state_0`, ...; for `step.json`, see above. It needs tf2onnx, too.

    Args:
        model: A built model, such as those of `sequence_model`, that keeps no state between calls.
        directory: The folder; it is created if need be. What it has is replaced in one step, or not at all.
        formats: Some of `FORMATS`.

    Returns:
        The path of each format.

    Raises:
        InputError: If a format is unknown or lacks its converter, or the model or the folder cannot be used.

    Example:
    >>> from keras_rnncap import sequence_model
    >>> model = sequence_model("gru", 4, input_dim=3, output_dim=2)
    >>> sorted(file.name for file in export(model, tmp_path / "gru", ["keras", "litert"]).values())
    ['model.keras', 'step.tflite']
    """
    for name in formats:
        if name not in FORMATS:
            raise unknown("format", name, FORMATS)
    if (onnx := {*formats} - {*USUAL}) and importlib.util.find_spec("tf2onnx") is None:
        raise InputError(f"format {min(onnx)!r} needs a converter: pip install tf2onnx onnx")
    if keras.backend.backend() != "tensorflow" and {*formats} - {"keras"}:
        raise InputError(f"formats other than 'keras' need the TensorFlow backend; got {keras.backend.backend()}")
    check_stateless(model)
    stepper = Stepper(model) if {*formats} - {"keras", "onnx"} else None
    folder = Path(directory)
    with writing_to(folder):
        folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(folder)
        return write_formats(model, stepper, folder, formats)


def write_formats(model: keras.Model, stepper: Stepper | None, folder: Path, formats: Sequence[str]) -> dict[str, Path]:
    """Writes a model into a folder that is there; see `export`."""
    litert = [name for name in formats if name.startswith("litert")]
    with quiet():
        plain = Stepper(_in_float32(model)) if litert or "onnx-step" in formats else None
        converted = _litert(plain, folder, litert) if plain and litert else {}
        if plain and "onnx-step" in formats:
            converted["onnx-step"] = _onnx(plain)
        for name in formats:
            with replacing(folder / FILES[name]) as new:
                if name == "keras":
                    model.save(new)
                elif name == "onnx":
                    model.export(new, format="onnx", verbose=False)
                elif name in converted:
                    new.write_bytes(converted[name])
                elif stepper:
                    _write_saved_model(stepper, new)
    if plain:
        states = [{"name": s.name, "size": s.size, "initial": s.initial.tolist()} for s in plain.states]
        write_json(folder / "step.json", {"input_dim": plain.input_dim, "states": states})
    return {name: folder / FILES[name] for name in formats}


def check_stateless(model: keras.Model) -> None:
    """Raises `InputError` if a model keeps a state between calls: equal calls of what is exported would differ."""
    layers = model._flatten_layers(include_self=False)
    kept = list(dict.fromkeys(layer.name for layer in layers if getattr(layer, "stateful", False)))
    if kept:
        raise InputError(
            f"the model keeps its state between calls (stateful: {', '.join(kept)}), and equal calls would answer "
            "differently: build it again without stateful=True (stateful_batch of sequence_model), and give it the "
            "weights with new.set_weights(model.get_weights())"
        )


def _write_saved_model(stepper: Stepper, path: Path) -> None:
    import tensorflow as tf

    model = stepper.model
    archive = keras.export.ExportArchive()
    archive.track(model)
    inputs = tf.TensorSpec((None, *model.input_shape[1:]), model.compute_dtype, name="inputs")
    archive.add_endpoint("serve", model.__call__, [inputs])  # the first is the default of TensorFlow Serving
    _add_step(archive, stepper, None)
    batch_size = tf.TensorSpec((), "int32", name="batch_size")
    archive.add_endpoint("initial_state", lambda batch_size: _named(stepper.initial_states(batch_size)), [batch_size])
    archive.write_out(path, verbose=False)


def _add_step(archive: Any, stepper: Stepper, batch: int | None) -> None:
    archive.add_endpoint("step", *_step(stepper, batch))


def _step(stepper: Stepper, batch: int | None, new: str = "state") -> tuple[Callable[..., dict[str, Any]], list[Any]]:
    """Returns a function that makes one time step, with new states by names that start so, and what it takes."""
    import tensorflow as tf

    def step(x: Any, *states: Any) -> dict[str, Any]:
        output, after = stepper(x, states)
        return {"output": output, **_named(after, new)}

    sizes = {"x": stepper.input_dim, **_named([state.size for state in stepper.states])}
    dtype = stepper.model.compute_dtype
    return step, [tf.TensorSpec((batch, size), dtype, name=name) for name, size in sizes.items()]


def _named(states: Sequence[Any], name: str = "state") -> dict[str, Any]:
    return {f"{name}_{index}": state for index, state in enumerate(states)}


def _litert(stepper: Stepper, folder: Path, formats: Sequence[str]) -> dict[str, bytes]:
    """Returns one time step of a batch of one as LiteRT models."""
    import tensorflow as tf

    archive = keras.export.ExportArchive()
    archive.track(stepper.model)
    _add_step(archive, stepper, 1)
    scratch = temporary_folder(folder)  # not the system's, where one of a process that was killed would stay for ever
    try:
        archive.write_out(scratch, verbose=False)
        models = {}
        for name in formats:
            converter = tf.lite.TFLiteConverter.from_saved_model(str(scratch), signature_keys=["step"])
            converter.optimizations = [tf.lite.Optimize.DEFAULT] if name == "litert-int8" else []
            models[name] = bytes(converter.convert())
        return models
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _onnx(stepper: Stepper) -> bytes:
    """Returns one time step of any batch as an ONNX model."""
    import tensorflow as tf
    import tf2onnx

    step, specs = _step(stepper, None, "new_state")  # ONNX has one name for one tensor
    step_function = tf.function(step, input_signature=specs)
    model, _ = tf2onnx.convert.from_function(step_function, input_signature=specs, opset=OPSET)
    return bytes(model.SerializeToString())


def _in_float32(model: keras.Model) -> keras.Model:
    """Returns a model that computes in float32, with the weights of another; LiteRT multiplies no other matrices."""
    if {layer.compute_dtype for layer in model._flatten_layers()} == {"float32"}:
        return model
    kinds = {type(layer.cell) for layer in model.layers if isinstance(layer, keras.layers.RNN)}
    try:
        with keras.saving.custom_object_scope({kind.__name__: kind for kind in kinds}):
            config = json.dumps(keras.saving.serialize_keras_object(model))
            copy = keras.saving.deserialize_keras_object(json.loads(config, object_hook=_with_float32))
        copy.set_weights(model.get_weights())
    except Exception as error:  # what Keras raises depends on what it stumbles over
        raise InputError(
            f"LiteRT computes in float32, and the model, of {model.compute_dtype}, cannot be made anew in it: {error}"
        ) from error
    return copy


def _with_float32(config: dict[str, Any]) -> dict[str, Any]:
    """Returns a part of a configuration of Keras with float32 for other types of floating-point numbers."""
    if config.get("class_name") == "DTypePolicy":
        return config | {"config": {"name": "float32"}}
    dtype = config.get("dtype")
    return config | {"dtype": "float32"} if isinstance(dtype, str) and "float" in dtype else config
