"""A preset is written once and whole, verified when it is read, and what it loads is what was saved."""

import dataclasses
import hashlib
import importlib.machinery
import json
import os
import re
import subprocess
import sys
import types

import keras
import numpy as np
import pytest

from keras_rnncap import sequence_model, zoo
from keras_rnncap.errors import InputError
from keras_rnncap.zoo import handles, presets

FACTS = zoo.PresetFacts(
    name="ugrnn-memory-tiny",
    task="memory:input_dim=3,length=4",
    cell="ugrnn",
    units=5,
    parameters=100,
    score=0.25,
    interval=(0.24, 0.26),
    score_name="mean_squared_error",
    score_direction="min",
    chance_score=1.0,
    curve=[(100, 1.0), (200, 0.5)],
    hyperparameters={"learning_rate": 0.01},
    training={"steps": 200},
    cost={"seconds": 12.0},
    loss=keras.losses.serialize(keras.losses.MeanSquaredError()),
    versions={"keras": keras.__version__},
)


@pytest.fixture(scope="module")
def model():
    return sequence_model("ugrnn", 5, input_dim=3, output_dim=3, seed=0)


@pytest.fixture(scope="module")
def written(model, tmp_path_factory):
    return zoo.save(model, tmp_path_factory.mktemp("presets") / "one", FACTS)


@pytest.fixture
def folder(written, tmp_path):
    subprocess.run(["cp", "-r", written, tmp_path / "copy"], check=True)
    return tmp_path / "copy"


@pytest.fixture
def house(model, tmp_path, monkeypatch):
    """A house of bundled presets with two names, one of them in two versions."""
    for name, version in (("ugrnn-memory-tiny", 1), ("ugrnn-memory-tiny", 10), ("gru-memory-tiny", 2)):
        facts = dataclasses.replace(FACTS, name=name, version=version)
        zoo.save(model, tmp_path / "house" / name / f"v{version}", facts)
    monkeypatch.setattr(handles, "HOUSE", tmp_path / "house")
    return tmp_path / "house"


X = np.random.default_rng(0).normal(size=(2, 7, 3)).astype("float32")


def test_what_is_loaded_predicts_what_was_saved_and_goes_on_training(model, written):
    loaded = zoo.load(written)
    np.testing.assert_array_equal(loaded.predict(X, verbose=0), model.predict(X, verbose=0))
    before = loaded.evaluate(X, X[:, 0], verbose=0)
    loaded.fit(X, X[:, 0], epochs=20, verbose=0)
    assert loaded.evaluate(X, X[:, 0], verbose=0) < before


def test_the_saved_model_in_it_needs_tensorflow_alone(model, written, tmp_path):
    np.save(tmp_path / "x.npy", X)
    script = (
        "import sys, numpy, tensorflow as tf\n"
        f"model = tf.saved_model.load({str(written / 'saved_model')!r})\n"
        "numpy.save('y.npy', model.serve(numpy.load('x.npy')))\n"
        "assert 'keras_rnncap' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, capture_output=True)
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), model.predict(X, verbose=0), rtol=1e-5, atol=1e-6)


def test_facts_and_card_come_back(written):
    assert json.loads(json.dumps(zoo.describe(written).interval)) == [0.24, 0.26]
    assert zoo.describe(written).handle == "ugrnn-memory-tiny@v1"
    card = zoo.card(written)
    for said in (
        "0.25 (0.24 to 0.26, 95%)",
        "| chance | 1 |",
        "g_t = sigmoid(W^gh h_{t-1} + W^gx x_t + b^g + b^fg)",
        'zoo.load("ugrnn-memory-tiny@v1")',
        "| learning_rate | 0.01 |",
        "inputs: (batch, time, 3)",
    ):
        assert said in card


def test_the_card_counts_the_parameters(model, written):
    assert f"{model.count_params()} in all." in zoo.card(written)


def test_a_preset_is_never_overwritten(model, written):
    with pytest.raises(InputError, match=r"does not change: choose another folder.*version 2"):
        zoo.save(model, written, FACTS)


@pytest.mark.parametrize("name", ["", "ugrnn", "UGRNN-memory-9k", "a-b/c", "../a-b", "a-b@v1"])
def test_names_are_cell_task_and_size(model, name, tmp_path):
    facts = zoo.PresetFacts(name=name, task="memory")
    with pytest.raises(InputError, match="name must be CELL-TASK-SIZE"):
        zoo.save(model, tmp_path / "new", facts)
    assert not (tmp_path / "new").exists()


def test_what_fails_half_way_leaves_nothing(model, tmp_path, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(presets, "render_card", full)
    with pytest.raises(InputError, match="No space left on device"):
        zoo.save(model, tmp_path / "new", FACTS)
    assert list(tmp_path.iterdir()) == []


def test_a_changed_byte_in_any_file_is_an_error_that_names_it(folder):
    names = [file.relative_to(folder) for file in folder.rglob("*") if file.is_file()]
    assert len(names) >= 9
    for name in names:
        file = folder / name
        whole = file.read_bytes()
        place = len(whole) // 2
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(InputError) as caught:
            zoo.load(folder)
        said = str(caught.value)
        # A changed checksum cannot be told from a changed file: both are named.
        assert name.name in said, (name, said)
        file.write_bytes(whole)
    zoo.load(folder)


def test_every_missing_file_is_an_error_that_names_it(folder):
    for file in [file for file in folder.rglob("*") if file.is_file()]:
        whole = file.read_bytes()
        file.unlink()
        with pytest.raises(InputError, match=re.escape(file.name)):
            zoo.load(folder)
        file.write_bytes(whole)


def test_the_checksums_are_those_of_sha256sum(folder):
    subprocess.run(["sha256sum", "--check", "--strict", presets.SUMS], cwd=folder, check=True, capture_output=True)
    assert {*zoo.verify(folder)} == {
        file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()
    } - {presets.SUMS}


def rewrite(folder, name, change):
    """Changes a JSON file of a preset, and its checksum, as someone would who means harm."""
    content = json.loads((folder / name).read_text())
    change(content)
    (folder / name).write_text(json.dumps(content))
    lines = (folder / presets.SUMS).read_text().splitlines()
    digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    lines = [f"{digest}  {name}" if line.endswith(f"  {name}") else line for line in lines]
    (folder / presets.SUMS).write_text("\n".join(lines) + "\n")


def test_a_file_too_many_is_an_error_that_names_it_unless_a_hub_hid_it_there(folder):
    (folder / ".gitattributes").touch()
    zoo.load(folder)
    (folder / "extra.py").touch()
    with pytest.raises(InputError, match=r"extra\.py is not of the preset"):
        zoo.load(folder)


def test_a_line_less_or_more_in_the_checksums_is_an_error(folder):
    sums = folder / presets.SUMS
    whole = sums.read_text()
    for line in whole.splitlines():
        sums.write_text(whole.replace(line + "\n", ""))
        with pytest.raises(InputError, match=re.escape(line.split("  ")[1])):
            zoo.load(folder)
    (folder.parent / "outside").write_text("x")
    sums.write_text(whole + hashlib.sha256(b"x").hexdigest() + "  ../outside\n")
    with pytest.raises(InputError, match="outside is missing"):
        zoo.load(folder)


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        ("config.json", lambda c: c.update(module="evil"), "parts of the module evil; import it before"),
        ("metadata.json", lambda c: c["loss"].update(module="evil.losses"), "module evil.losses; import it before"),
        ("metadata.json", lambda c: c["loss"].update(class_name="NoSuchLoss"), "NoSuchLoss"),
        ("metadata.json", lambda c: c.update(loss={"a": 1}), "cannot be made into a model"),
        ("metadata.json", lambda c: c.update(name="a-b/../../c"), "name is 'a-b/../../c'"),
        ("metadata.json", lambda c: c.update(training=[]), r"training is \[\]"),
        ("metadata.json", lambda c: c.update(version="1"), "version is '1'"),
        ("metadata.json", lambda c: c.update(format=float("inf")), "has changed since it was published"),
        ("config.json", lambda c: c.update(class_name="Dense", module="keras.layers"), "cannot be made into a model"),
    ],
)
def test_a_preset_that_means_harm_is_refused_before_it_runs_anything(folder, file, change, said, monkeypatch):
    (folder.parent / "evil.py").write_text("raise SystemExit('it ran')")
    monkeypatch.chdir(folder.parent)
    monkeypatch.syspath_prepend(folder.parent)
    rewrite(folder, file, change)
    with pytest.raises(InputError, match=said):
        zoo.load(folder)


@pytest.mark.parametrize("handle", [None, 3, "x" * 300, ""])
def test_what_is_no_handle_is_an_error(handle):
    with pytest.raises(InputError):
        zoo.load(handle)


def test_a_bundled_name_wins_over_a_folder_of_that_name(house, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gru-memory-tiny").mkdir()
    assert zoo.describe("gru-memory-tiny").version == 2


def test_of_two_that_publish_at_once_one_stays(model, tmp_path, monkeypatch):
    real = presets._write

    def slow(model, folder, facts, pictures):
        real(model, folder, facts, pictures)
        monkeypatch.setattr(presets, "_write", real)
        zoo.save(model, tmp_path / "one", dataclasses.replace(facts, paper="the other's"))

    monkeypatch.setattr(presets, "_write", slow)
    with pytest.raises(InputError, match="does not change"):
        zoo.save(model, tmp_path / "one", FACTS)
    assert zoo.describe(tmp_path / "one").paper == "the other's"
    assert [file.name for file in tmp_path.iterdir()] == ["one"]


def test_facts_may_be_numpys_numbers_and_must_be_plain(model, tmp_path):
    zoo.save(model, tmp_path / "numpy", dataclasses.replace(FACTS, score=np.float32(0.5), units=np.int64(5)))
    assert zoo.describe(tmp_path / "numpy").score == 0.5
    with pytest.raises(InputError, match="facts of a preset are"):
        zoo.save(model, tmp_path / "odd", dataclasses.replace(FACTS, cost={"x": object()}))
    with pytest.raises(InputError, match="model must be a built Keras model"):
        zoo.save(keras.Sequential([keras.layers.Dense(1)]), tmp_path / "unbuilt", FACTS)


def test_a_preset_loads_and_predicts_on_jax(model, written, tmp_path):
    np.save(tmp_path / "x.npy", X)
    script = (
        "import sys, numpy\n"
        "sys.modules |= {'tensorflow': None, 'tensorflow_datasets': None}\n"  # as if they were not installed
        "from keras_rnncap import zoo\n"
        "model = zoo.load(sys.argv[1])\n"
        "numpy.save('y.npy', numpy.asarray(model(numpy.load('x.npy'))))\n"
        "facts = zoo.describe(sys.argv[1])\n"
        "zoo.save(model, 'again', facts)\n"
        "assert 'saved_model' not in zoo.card('again')\n"
    )
    environment = os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", script, str(written)]
    subprocess.run(command, cwd=tmp_path, check=True, env=environment, capture_output=True)
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), model.predict(X, verbose=0), rtol=1e-5, atol=1e-6)
    assert zoo.load(tmp_path / "again").count_params() == model.count_params()


def test_a_preset_of_a_newer_format_says_so(folder):
    content = json.loads((folder / presets.METADATA).read_text())
    (folder / presets.METADATA).write_text(json.dumps(content | {"format": presets.FORMAT + 1, "files": {}}))
    with pytest.raises(
        InputError, match=r"metadata.json: made by a newer version of keras-rnncap.*pip install --upgrade"
    ):
        zoo.load(folder)


def test_names_take_the_latest_version_or_the_one_asked_for(house):
    assert handles.resolve("ugrnn-memory-tiny") == house / "ugrnn-memory-tiny" / "v10"
    assert handles.resolve("ugrnn-memory-tiny@v1") == house / "ugrnn-memory-tiny" / "v1"
    assert zoo.describe("gru-memory-tiny").handle == "gru-memory-tiny@v2"


def test_the_list_has_a_row_for_each(house):
    table = zoo.list_presets()
    assert list(table.index) == ["gru-memory-tiny@v2", "ugrnn-memory-tiny@v1", "ugrnn-memory-tiny@v10"]
    row = table.loc["gru-memory-tiny@v2"]
    assert (row["task"], row["cell"], row["depth"], row["parameters"], row["score"]) == (
        "memory",
        "ugrnn",
        1,
        100,
        0.25,
    )
    files = [file for file in (house / "gru-memory-tiny").rglob("*") if file.is_file()]
    assert row["size_kb"] == round(sum(file.stat().st_size for file in files) / 1000)


@pytest.mark.parametrize(
    ("handle", "said"),
    [
        ("ugrnn-memory-tin", "did you mean 'ugrnn-memory-tiny'"),
        ("gru-memory-tiny@v1", "gru-memory-tiny has no version 'v1'; it has v2"),
        ("s3://bucket/name", "begins with hf:// or kaggle://"),
    ],
)
def test_unknown_handles_say_what_there_is(house, handle, said):
    with pytest.raises(InputError, match=said):
        zoo.load(handle)


def test_a_hub_without_its_client_says_what_to_install(monkeypatch):
    monkeypatch.setattr(handles, "HUBS", {"hf": "no_such_client", "kaggle": "nor_this_one"})
    for handle, client in (("hf://me/mine", "no_such_client"), ("kaggle://me/mine/keras/v", "nor_this_one")):
        with pytest.raises(InputError, match=f"pip install {client}"):
            zoo.load(handle)


def fake_client(monkeypatch, name, **functions):
    client = types.ModuleType(name)
    client.__spec__ = importlib.machinery.ModuleSpec(name, None)
    vars(client).update(functions)
    monkeypatch.setitem(sys.modules, name, client)


def test_a_hub_gives_a_folder_and_its_errors_are_told(folder, monkeypatch):
    asked = []

    def snapshot_download(name, revision):
        asked.append((name, revision))
        return str(folder)

    def model_download(name):
        raise OSError(f"403 Forbidden: {name}\nand more")

    fake_client(monkeypatch, "huggingface_hub", snapshot_download=snapshot_download)
    fake_client(monkeypatch, "kagglehub", model_download=model_download)
    assert zoo.load("hf://me/mine@main").count_params() > 0
    assert zoo.load("hf://me/mine").count_params() > 0
    assert asked == [("me/mine", "main"), ("me/mine", None)]
    with pytest.raises(
        InputError, match=r"kaggle://me/mine/keras/v cannot be had from its hub: 403 Forbidden: me/mine/keras/v$"
    ):
        zoo.load("kaggle://me/mine/keras/v")


def test_a_config_that_asks_for_code_is_refused(model, tmp_path):
    """A lambda layer holds code; Keras' safe mode does not run it."""
    inputs = keras.Input((None, 3))
    outputs = keras.layers.Lambda(lambda x: x)(inputs)
    folder = zoo.save(keras.Model(inputs, outputs), tmp_path / "code", FACTS)
    with pytest.raises(InputError, match=r"cannot be made into a model: .*[Ll]ambda"):
        zoo.load(folder)


def test_a_model_that_cannot_be_stepped_can_be_saved_and_run_whole(tmp_path):
    inputs = keras.Input((None, 3))
    both = keras.Model(inputs, keras.layers.Bidirectional(keras.layers.GRU(4))(inputs))
    folder = zoo.save(both, tmp_path / "both", FACTS)
    np.testing.assert_allclose(zoo.load(folder).predict(X, verbose=0), both.predict(X, verbose=0), rtol=1e-6)
    assert (folder / "saved_model" / "saved_model.pb").is_file()


def test_fresh_data_give_a_score_and_an_interval_that_holds_others(model):
    from keras_rnncap.datasets import make_task

    task = make_task("memory:input_dim=3,length=4")
    found = [zoo.evaluate(model, task, seed=seed, samples=1_000) for seed in range(100)]
    assert len({one.score for one in found}) == 100
    truth = zoo.evaluate(model, task, seed=100, samples=200_000).score
    # Of a hundred 95% intervals 88 to 99 hold it but once in a thousand times.
    assert 88 <= sum(one.interval[0] < truth < one.interval[1] for one in found) <= 99
    assert zoo.evaluate(model, task, seed=3, samples=1_000) == found[3]


def test_a_fixed_test_split_is_scored_whole():
    from keras_rnncap.datasets import make_task

    task, one = make_task("sentiment"), sequence_model("rnn", 3, input_dim=10, output_dim=1, seed=0)
    found = zoo.evaluate(one, task)
    assert found == zoo.evaluate(one, task, seed=1)
    assert found.score == pytest.approx(task.score(one))
    p, n = found.score, 3_000
    assert found.interval[1] - found.interval[0] == pytest.approx(2 * 1.96 * (p * (1 - p) / n) ** 0.5, rel=0.01)


def test_a_score_without_an_error_says_what_so_many_samples_leave_possible(monkeypatch, model):
    from keras_rnncap.datasets import make_task

    task = make_task("memory:input_dim=3,length=4")
    for score, interval in ((1.0, (1 - 3 / 500, 1.0)), (0.0, (0.0, 3 / 500))):
        monkeypatch.setattr(task, "sample_scores", lambda targets, _, score=score: np.full(len(targets), score))
        found = zoo.evaluate(model, task, samples=500)
        assert found.score == score
        assert found.interval == pytest.approx(interval, rel=0.01)


def test_a_model_of_other_sizes_and_numbers_out_of_range_are_errors(model):
    from keras_rnncap.datasets import make_task

    with pytest.raises(InputError, match=r"3 inputs and 3 outputs; memory .* has 4 and 4"):
        zoo.evaluate(model, make_task("memory:input_dim=4,length=3"))
    with pytest.raises(InputError, match="samples must be"):
        zoo.evaluate(model, make_task("memory:input_dim=3,length=3"), samples=1)


def test_what_is_a_fixed_set_has_an_exact_score(model):
    from keras_rnncap.datasets import make_task

    task = make_task("perceptron:patterns=8,input_dim=3")
    one = sequence_model("ugrnn", 5, input_dim=3, output_dim=1, seed=0)
    assert zoo.evaluate(one, task) == (task.score(one), None)


def test_a_model_that_keeps_its_state_between_calls_cannot_be_published(tmp_path):
    kept = sequence_model("gru", 4, input_dim=3, output_dim=2, stateful_batch=2)
    with pytest.raises(InputError, match="keeps its state between calls"):
        zoo.save(kept, tmp_path / "new", FACTS)
    assert list(tmp_path.iterdir()) == []


DAMAGED = [b"", b"{", b"[]", b"3", b"\xff\xfe{}", b"[" * 100_000, b'{"a": 1' + b"0" * 5000 + b"}"]


@pytest.mark.parametrize("content", DAMAGED)
@pytest.mark.parametrize("name", ["config.json", "metadata.json"])
def test_a_file_that_is_no_json_is_one_sentence_even_if_its_checksum_is_right(folder, name, content):
    (folder / name).write_bytes(content)
    lines = (folder / presets.SUMS).read_text().splitlines()
    digest = hashlib.sha256(content).hexdigest()
    lines = [f"{digest}  {name}" if line.endswith(f"  {name}") else line for line in lines]
    (folder / presets.SUMS).write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match=re.escape(name)):
        zoo.load(folder)


def test_a_card_that_is_not_utf8_is_shown_as_far_as_it_can_be(folder):
    content = b"# caf\xe9\n"
    (folder / presets.CARD).write_bytes(content)
    lines = (folder / presets.SUMS).read_text().splitlines()
    digest = hashlib.sha256(content).hexdigest()
    lines = [f"{digest}  README.md" if line.endswith("  README.md") else line for line in lines]
    (folder / presets.SUMS).write_text("\n".join(lines) + "\n")
    assert zoo.card(folder) == "# caf\ufffd\n"


@pytest.mark.parametrize("bound", [16, 64, 130, 180, 240])
def test_a_full_disk_is_one_sentence_and_leaves_nothing(bound, tmp_path):
    """In a process of its own: HDF5 ends the whole process where it cannot write to its end."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={bound}k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small disk cannot be made here")
    script = (
        "import sys, keras\n"
        "from keras_rnncap import sequence_model, zoo\n"
        "from keras_rnncap.errors import InputError\n"
        "model = sequence_model('gru', 60, input_dim=9, output_dim=5)\n"
        "facts = zoo.PresetFacts(name='a-b-c', task='x', curve=[(1, 1.0), (2, 0.5)])\n"
        "for write in (lambda: zoo.save(model, sys.argv[1] + '/new', facts), lambda: zoo.export(model, sys.argv[1])):\n"
        "    try:\n"
        "        write()\n"
        "    except InputError as error:\n"
        "        print(error)\n"
    )
    try:
        command = [sys.executable, "-c", script, str(disk)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
        assert done.returncode == 0, done.stderr
        said = done.stdout.splitlines()
        assert said == [
            f"cannot write to {disk / 'new'}: No space left on device",
            f"cannot write to {disk}: No space left on device",
        ]
        assert not [file for file in disk.iterdir() if file.name.startswith(".") or file.name == "new"]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


class TensorFlowsError(Exception):
    """As TensorFlow and h5py say it, without a number."""


@pytest.mark.parametrize(
    "error",
    [
        OSError("Can't write data (file write failed: errno = 28, error message = 'No space left on device')"),
        RuntimeError("Can't decrement id ref count (errno = 28, error message = 'No space left on device')"),
        TensorFlowsError("{{node SaveV2}} /x.data; No space left on device"),
        OSError(30, "Read-only file system"),
    ],
    ids=str,
)
def test_what_tensorflow_and_h5py_say_of_a_disk_is_one_sentence(model, tmp_path, monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(presets, "write_weights", fail)
    with pytest.raises(InputError, match=r"cannot write to .*/new: (No space left on device|Read-only file system)$"):
        zoo.save(model, tmp_path / "new", FACTS)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(presets, "write_weights", lambda *_: (_ for _ in ()).throw(RuntimeError("something else")))
    with pytest.raises(RuntimeError, match="something else"):
        zoo.save(model, tmp_path / "new", FACTS)


def test_weights_are_those_that_keras_writes(model, written, tmp_path):
    other = sequence_model("ugrnn", 5, input_dim=3, output_dim=3, seed=1)
    other.load_weights(written / presets.WEIGHTS)
    model.save_weights(tmp_path / "keras.weights.h5")
    again = sequence_model("ugrnn", 5, input_dim=3, output_dim=3, seed=2)
    again.load_weights(tmp_path / "keras.weights.h5")
    for ours, theirs in zip(other.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_what_killed_processes_left_goes_the_next_time(model, tmp_path):
    """A process is killed while it writes; nothing of it stays once the same is done again."""
    script = (
        "import os, sys\n"
        "from keras_rnncap import sequence_model, zoo\n"
        "from keras_rnncap.zoo import exporting, presets\n"
        "kill = lambda *_, **__: os.kill(os.getpid(), 9)\n"
        "if sys.argv[1] == 'save':\n"
        "    presets.render_card = kill\n"
        "    zoo.save(sequence_model('rnn', 2, input_dim=3, output_dim=3), 'new', zoo.PresetFacts('a-b-c', 'x'))\n"
        "import tensorflow as tf\n"
        "tf.lite.TFLiteConverter.from_saved_model = kill\n"
        "zoo.export(sequence_model('rnn', 2, input_dim=3, output_dim=3), 'out', ['keras', 'litert'])\n"
    )
    scratch = tmp_path / "temporary"
    scratch.mkdir()
    environment = os.environ | {"TMPDIR": str(scratch)}
    for what in ("save", "export"):
        command = [sys.executable, "-c", script, what]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False)
        assert done.returncode == -9, done.stderr
    assert not [file for file in scratch.iterdir() if file.is_dir()]  # nothing of ours is in the system's folder
    left = [file for folder in (tmp_path, tmp_path / "out") for file in folder.iterdir() if file.name[0] == "."]
    assert len(left) == 2
    zoo.save(model, tmp_path / "new", FACTS)
    zoo.export(model, tmp_path / "out", ["litert"])
    assert sorted(file.name for file in tmp_path.iterdir()) == ["new", "out", "temporary"]
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["step.json", "step.tflite"]


def test_a_saved_model_of_a_stranger_can_write_files_and_no_load_of_ours_runs_it(folder, tmp_path):
    """Checksums are no signatures: whoever made a folder makes those, too."""
    import tensorflow as tf

    class Harm(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None, None, 3))])
        def serve(self, inputs):
            tf.io.write_file(str(tmp_path / "it-ran"), "x")
            return inputs

    tf.saved_model.save(Harm(), str(folder / "saved_model"))
    files = [file for file in sorted(folder.rglob("*")) if file.is_file() and file.name != presets.SUMS]
    sums = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.relative_to(folder)}\n" for file in files]
    (folder / presets.SUMS).write_text("".join(sums))

    zoo.verify(folder)
    zoo.load(folder).predict(X, verbose=0)
    zoo.card(folder)
    zoo.export(zoo.load(folder), tmp_path / "exported", ["saved_model"])
    assert not (tmp_path / "it-ran").exists()
    tf.saved_model.load(str(folder / "saved_model")).serve(X)
    assert (tmp_path / "it-ran").exists()


def test_a_config_that_names_a_saved_model_is_refused(folder, model):
    """Keras has a layer that runs one."""
    layer = {"module": "keras.layers", "class_name": "TFSMLayer", "registered_name": None}
    layer["config"] = {"name": "harm", "filepath": str(folder / "saved_model"), "call_endpoint": "serve"}
    config = {"module": "keras", "class_name": "Sequential", "registered_name": None}
    config["config"] = {"name": "model", "layers": [layer]}
    rewrite(folder, "config.json", lambda content: (content.clear(), content.update(config)))
    with pytest.raises(InputError, match=r"cannot be made into a model: .*TFSMLayer"):
        zoo.load(folder)
