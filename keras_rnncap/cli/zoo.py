"""`rnncap zoo`: list, show, verify, use, export, train and publish pretrained models."""

import zipfile
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box

from keras_rnncap.cli import common
from keras_rnncap.defaults import SEED, run_folder
from keras_rnncap.errors import InputError, check_seed

zoo_app = typer.Typer(help="Pretrained models: list, show, verify, use, export, train.", no_args_is_help=True)

Preset = Annotated[
    str, typer.Argument(help="A name from `rnncap zoo list`, a folder, hf://OWNER/NAME or kaggle://OWNER/MODEL/...")
]
Folder = Annotated[Path, typer.Argument(help="Folder to write to")]
Version = Annotated[int, typer.Option(help="From 1")]
CellModules = Annotated[
    list[str] | None,
    typer.Option("--cell-module", help="Module of a cell of yours, my_cells of my_cells:Mine: its code is run"),
]


@zoo_app.command("list")
def zoo_list() -> None:
    """List the bundled presets."""
    common.import_keras()
    import pandas as pd

    from keras_rnncap.zoo import list_presets

    presets = list_presets()
    if presets.empty:
        common.console.print("no preset is bundled with this version; rnncap zoo save makes one of a finished run")
        return
    for (task, score_name), rows in presets.groupby(["task", "score_name"], sort=False):
        chance = {f"{value:.4g}" for value in rows["chance"].dropna()}
        title = f"{task}: {str(score_name).replace('_', ' ')}{f' (chance {chance.pop()})' if len(chance) == 1 else ''}"
        columns = ("preset", "cell", "depth", "parameters", "score", "kB")
        style: dict[str, Any] = {"box": box.SIMPLE_HEAD, "padding": (0, 1, 0, 0)}
        table = common.new_table(title, *columns, left=(0, 1), no_wrap=range(len(columns)), **style)
        for handle, row in rows.iterrows():
            score = "-" if pd.isna(row["score"]) else f"{row['score']:.4g}"
            sizes = (str(row["depth"]), f"{row['parameters']:,}")
            table.add_row(str(handle), row["cell"], *sizes, score, f"{row['size_kb']:,}")
        common.console.print(table)
    common.say("rnncap zoo show PRESET prints the card of one")


@zoo_app.command("show")
def zoo_show(preset: Preset) -> None:
    """Print a preset's card."""
    common.import_keras()
    from keras_rnncap.zoo import card

    common.say(card(preset))


@zoo_app.command("verify")
def zoo_verify(
    presets: Annotated[list[str] | None, typer.Argument(help="Presets; all that are bundled if none is named")] = None,
) -> None:
    """Compare every file of presets with its checksum."""
    common.import_keras()
    from keras_rnncap.zoo import list_presets, verify

    for preset in presets or list(list_presets().index):
        common.say(f"{preset}: {len(verify(preset))} files are as published")


@zoo_app.command("export")
def zoo_export(
    preset: Preset,
    directory: Folder,
    formats: Annotated[
        str, typer.Option(help="Some of keras, saved_model, litert, litert-int8, onnx, onnx-step, with commas between")
    ] = "keras,saved_model,litert,litert-int8",
) -> None:
    """Write a preset in other formats; all but keras need no code of this package."""
    common.import_keras()
    from keras_rnncap.zoo import export, load

    written = export(load(preset), directory, common.split(formats) or [])
    for name, path in written.items():
        size = sum(file.stat().st_size for file in [path, *path.rglob("*")] if file.is_file())
        common.say(f"{name}: {path}, {size / 1000:,.1f} kB")


@zoo_app.command("predict")
def zoo_predict(
    preset: Preset,
    inputs: Annotated[
        Path | None, typer.Argument(help=".npy file of inputs, (batch, time, features) or (time, features)")
    ] = None,
    out: Annotated[Path | None, typer.Option(help=".npy file for the outputs; they are printed if not given")] = None,
    seed: common.Seed = SEED,
    data: common.Data = None,
) -> None:
    """Run a preset on inputs of yours, or on samples of its task, beside what they should give."""
    common.import_keras()
    import numpy as np

    from keras_rnncap.datasets import make_task
    from keras_rnncap.zoo import describe, load
    from keras_rnncap.zoo.writing import writing

    check_seed(seed, "--seed")
    if out is not None and (out.suffix != ".npy" or not out.absolute().parent.is_dir()):
        raise InputError(f"--out must be a .npy file in a folder that exists; got {out}")
    model, targets = load(preset), None
    if inputs is None:
        task = make_task(describe(preset).task, data)
        values, targets = task.sample(np.random.default_rng(seed), 3, "test")
    else:
        values = _inputs(inputs, model.input_shape)
    outputs = np.asarray(model.predict(values, verbose=0))
    if out is not None:
        with writing(out) as new:
            np.save(new, outputs)
        common.say(f"outputs {outputs.shape} are in {out}")
        return
    for row, output in enumerate(outputs):
        if targets is not None:
            target = targets[row]
            if np.issubdtype(target.dtype, np.integer):  # classes, and logits of each
                output = output.reshape(*target.shape, -1).argmax(axis=-1)
            common.say(f"target {np.array2string(target, precision=3)}")
        common.say(f"output {np.array2string(output, precision=3)}")


def _inputs(file: Path, shape: tuple[int | None, ...]) -> Any:
    import numpy as np

    try:
        values = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{file} is not a .npy file of numbers: {error}") from error
    if not isinstance(values, np.ndarray):
        values.close()
        raise InputError(f"{file} is an archive; save one array with numpy.save")
    values = values[np.newaxis] if values.ndim == 2 else values
    good = values.ndim == 3 == len(shape) and values.dtype.kind in "iuf"
    if not good or any(size not in (None, given) for size, given in zip(shape[1:], values.shape[1:], strict=True)):
        wanted = "(batch, {}, {})".format(*(("time" if size is None else size) for size in shape[1:]))
        raise InputError(f"{file} holds {values.dtype} {values.shape}; the model takes numbers of {wanted}")
    return values.astype("float32")


@zoo_app.command("train")
def zoo_train(
    preset: Preset,
    trials: Annotated[int, typer.Option(help="How often to train it; the best is kept")] = 1,
    seed: Annotated[int | None, typer.Option(help="Seed of everything random; the preset's if not given")] = None,
    data: common.Data = None,
    out: common.Out = None,
) -> None:
    """Train a preset again from its card, without the search for its hyperparameters."""
    common.import_keras()
    from keras_rnncap.publish import retrain
    from keras_rnncap.zoo import describe

    facts = describe(preset)
    seed = facts.training.get("seed", SEED) if seed is None else seed
    directory = out or run_folder("zoo", facts.name, f"seed{seed}")
    common.interruptible(retrain, preset, trials=trials, seed=seed, data=data, out=directory)
    common.say(
        f"In {directory}; rnncap zoo save {directory} FOLDER --name {facts.name} --version {facts.version + 1}"
        f"{'' if facts.task.startswith('perceptron') else f' --task {facts.task}'} makes a preset of it"
    )


@zoo_app.command("save")
def zoo_save(
    run: Annotated[Path, typer.Argument(help="Folder of a finished rnncap capacity, sweep or train")],
    directory: Folder,
    name: Annotated[str, typer.Option(help="CELL-TASK-SIZE")],
    version: Version = 1,
    task: Annotated[str | None, typer.Option(help="The task, if the run was given arguments of it")] = None,
    searches: Annotated[
        list[Path] | None, typer.Option("--search", help="Folder of a sweep that found the hyperparameters")
    ] = None,
    origin: Annotated[str, typer.Option(help="Where the data come from, and under which licence")] = "",
    paper: Annotated[str, typer.Option(help="What a paper reports")] = "",
    cell_modules: CellModules = None,
    data: common.Data = None,
) -> None:
    """Publish the model of a run as a preset in a folder, scored on fresh data; upload that to a hub, or load it."""
    common.import_keras()
    from keras_rnncap.publish import pack
    from keras_rnncap.zoo import describe

    options: dict[str, Any] = {"name": name, "version": version, "origin": origin, "paper": paper, "task": task}
    options |= {"searches": searches or [], "cell_modules": cell_modules or [], "data": data}
    folder = pack(run, directory, **options)
    facts = describe(folder)
    common.say(f"{facts.handle} is in {folder}: {facts.score:.4g} {facts.score_name.replace('_', ' ')}")


@zoo_app.command("bundle")
def zoo_bundle(
    study: Annotated[
        Path, typer.Argument(help="Folder of rnncap study zoo, capacity, cells or words, finished or not")
    ],
    presets: Annotated[Path, typer.Argument(help="Folder of presets, such as saved_models of a checkout")],
    version: Version = 1,
    cell_modules: CellModules = None,
) -> None:
    """Make presets of the trainings of a study that ended, but those that are there."""
    common.import_keras()
    from keras_rnncap.publish import bundle

    written = bundle(study, presets, version=version, cell_modules=cell_modules or [])
    for folder in written:
        common.say(str(folder))
    common.say(f"{len(written)} presets written")
