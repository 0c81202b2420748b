"""The command line: a few things in a process of its own, the rest through typer's runner."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import keras_rnncap.calibration
import keras_rnncap.training.train
from keras_rnncap import cli
from keras_rnncap.analysis.task import plot_sample
from keras_rnncap.cells import CELLS
from keras_rnncap.datasets import TASKS, make_task
from keras_rnncap.errors import InputError
from keras_rnncap.models import sequence_model
from keras_rnncap.tuners.search_run import SearchRun
from keras_rnncap.version import __version__

SCRIPT = Path(sys.executable).parent / "rnncap"
HEAVY = {"keras", "tensorflow", "tensorflow_datasets", "keras_tuner", "pandas", "scipy", "matplotlib", "numpy", "jax"}
CELL = """
import keras
from keras_rnncap import RecurrentCell

@keras.saving.register_keras_serializable(package="tests")
class Mine(RecurrentCell):
    blocks = ("hidden",)

    def step(self, x, states, w):
        (a,) = w.of_both(x, states[0])
        return (self.activation(a),)
"""


def start(*arguments, cwd, **options):
    environment = {**os.environ, "COLUMNS": "150", "NO_COLOR": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([str(SCRIPT), *arguments], cwd=cwd, env=environment, **pipes, **options)


def run(*arguments, cwd):
    process = start(*arguments, cwd=cwd)
    output, errors = process.communicate(timeout=120)
    return process.returncode, output, errors


def all_diverge(monkeypatch):
    real = SearchRun.record
    nothing = {"measured": None, "status": "diverged"}
    monkeypatch.setattr(SearchRun, "record", lambda run, ended: real(run, ended._replace(**nothing)))


def words(text):
    return " ".join(re.sub(r"[│┃┏┓┗┛┡┩└┘─━┳┴╇┬┼╭╮╰╯]", " ", text).split())


@pytest.mark.parametrize("arguments", [["--help"], ["capacity", "--help"], ["--version"]])
def test_help_is_fast_because_it_imports_nothing_heavy(arguments, tmp_path):
    command = [sys.executable, "-X", "importtime", str(SCRIPT), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True)
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "keras_rnncap" in imported
    assert imported & HEAVY == set()
    assert done.stdout.strip()


def test_budget_prints_a_table_and_nothing_on_stderr(tmp_path):
    code, output, errors = run(
        "budget", "ugrnn", "--params", "300", "--input-dim", "16", "--output-dim", "1", cwd=tmp_path
    )
    assert (code, errors) == (0, "")
    assert "ugrnn: 6 units per layer, 289 of 300 parameters" in output  # 2 (6x16 + 6x6 + 6) + 6 + 7
    assert "layer_1 192 72 12 6 0 282" in words(output)
    assert "readout 0 0 0 0 7 7" in words(output)
    assert "total 192 72 12 6 7 289" in words(output)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["lstn", "lstn[/b]", "lstn[red]"])
def test_bad_input_exits_with_2_and_one_line_that_shows_it_as_it_was_typed(monkeypatch, capfd, name):
    monkeypatch.setattr(sys, "argv", ["rnncap", "budget", name])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    output, errors = capfd.readouterr()
    assert (caught.value.code, output) == (2, "")
    assert errors.startswith(f"rnncap: unknown cell '{name}'")
    assert "rnn, irnn, ugrnn, gru, lstm, +rnn" in errors
    assert errors.count("\n") == 1


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_closed_standard_streams_are_no_trouble(tmp_path, closed):
    def call(*arguments):
        command = f'"$0" "$@" {closed}'
        done = subprocess.run(
            ["bash", "-c", command, str(SCRIPT), *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert "Traceback" not in done.stderr
        return done.returncode

    assert call("capacity", "nope") == 2
    assert call("budget", "rnn", "--params", "1000") == 0


def wait_for_rows(process, table, rows, timeout=90):
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline and process.poll() is None:
        if table.exists() and table.read_text().count("\n") > rows:
            return
        time.sleep(0.05)
    process.kill()
    pytest.fail(f"no row within {timeout} s: {process.communicate()}")


def test_an_interrupted_measurement_exits_with_130_says_how_to_go_on_and_keeps_its_rows(tmp_path):
    arguments = ["capacity", "rnn", "--params", "60", "--steps", "20", "--trials", "500", "--out", "run"]
    process = start(*arguments, cwd=tmp_path)
    table = tmp_path / "run" / "trials.csv"
    wait_for_rows(process, table, 2)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert errors == "rnncap: stopped. What was finished is in run; the same command continues from there\n"
    rows = table.read_text().count("\n") - 1
    assert rows >= 2
    assert output.splitlines()[0] == "500 trials of 20 steps, 16 at a time, in run"
    assert len(output.splitlines()) <= 3  # how far it is, now and then; not a line for each trial
    result = json.loads((tmp_path / "run" / "capacity.json").read_text())
    assert result["trials"] == rows


def test_an_interrupt_before_the_work_starts_exits_with_130_too(monkeypatch, capfd):
    def interrupt():
        raise KeyboardInterrupt

    monkeypatch.setattr("keras_rnncap.cli.common.import_keras", interrupt)
    monkeypatch.setattr(sys, "argv", ["rnncap", "budget", "rnn"])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 130
    assert "Traceback" not in capfd.readouterr().err


def test_version_is_printed(invoke):
    assert invoke("--version").output.strip() == __version__


def test_without_a_command_there_is_help(invoke):
    done = invoke()
    assert done.exit_code == 2
    assert all(command in done.output for command in ("capacity", "train", "budget", "calibrate"))


@pytest.mark.parametrize(
    "arguments",
    [["capacity"], ["capacity", "rnn", "--nope", "1"], ["capacity", "rnn", "--params", "many"], ["measure"], ["train"]],
)
def test_wrong_usage_exits_with_2(invoke, arguments):
    assert invoke(*arguments).exit_code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["capacity", "rnn"],
        ["train", "python-docs", "rnn"],
        ["sweep", "memory", "rnn"],
        ["calibrate"],
        ["tasks", "show", "memory"],
        ["zoo", "predict", "rnn-memory-9k"],
        ["zoo", "train", "rnn-memory-9k"],
        ["recommend", "--task", "memory", "--params", "999", "--probe"],
    ],
    ids=" ".join,
)
def test_a_seed_that_not_all_libraries_take_is_refused_before_any_work(invoke, arguments):
    done = invoke(*arguments, "--seed", 2**32)
    assert isinstance(done.exception, InputError)
    assert "seed must be at most 4,294,967,295; got 4,294,967,296" in str(done.exception)
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["capacity", "ugrn"], "unknown cell 'ugrn': did you mean 'ugrnn'"),
        (["budget", "IRN"], "unknown cell 'IRN': did you mean 'irnn'"),
        (["budget", "nothing:Here"], "cannot import 'nothing' for cell 'nothing:Here'"),
        (["budget", "rnn", "--params", "0"], "--params must be an integer of at least 1"),
        (["budget", "rnn", "--params", str(10**16)], "--params must be at most 1,000,000,000,000,000"),
        (["budget", "rnn", "--depth", "1000"], "depth must be at most 100; got 1,000"),
        (["budget", "rnn", "--input-dim", str(10**30)], "input_dim must be at most"),
        (["budget", "rnn", "--params", "9"], "a budget of 9 parameters is too small"),
        (["train", "text9", "rnn"], "unknown task 'text9': did you mean 'text8'"),
        (["train", "python-docs", "rnn", "--data", "x"], "python-docs takes its text from Python itself"),
        (["train", "text8", "rnn", "--data", "missing"], "cannot read missing: No such file"),
        (["train", "memory", "rnn", "--data", "x"], "memory takes no data from files; got x"),
        (["train", "memory:input_dim=4,size=3", "rnn"], "unknown argument of memory 'size'"),
        (["train", "memory:4", "rnn"], "task 'memory:4' is not of the form NAME:KEY=VALUE"),
        (["train", "memory:length=no", "rnn"], "length must be an integer of at least 1; got 'no'"),
        (["train", "perceptron:patterns=3", "rnn"], "must say input_dim, too: perceptron:input_dim=NUMBER"),
        (["train", "penn-treebank", "rnn", "--data", "missing"], "there is no ptb.train.txt or ptb.train.txt.gz in"),
        (["tasks", "show", "parenthese"], "unknown task 'parenthese': did you mean 'parentheses'"),
        (["train", "python-docs", "rnn", "--optimizer", "adagrad"], "optimizer must be one of"),
        (["train", "python-docs", "rnn", "--learning-rate-decay", "2"], "learning_rate_decay must be"),
        (["capacity", "rnn", "--params", "60", "--input-dim", "5"], "input_dim=5 allows 32"),
    ],
)
def test_bad_input_is_an_input_error_that_says_what_is_allowed(invoke, arguments, said):
    done = invoke(*arguments)
    assert isinstance(done.exception, InputError)
    assert said in str(done.exception)
    assert not Path("runs").exists()


def test_tasks_lists_all_of_them_with_what_chance_scores_and_needs_no_data(invoke, monkeypatch):
    monkeypatch.delenv("RNNCAP_DATA_DIR", raising=False)
    monkeypatch.setattr("keras_rnncap.cli.common.console.width", 220)
    lines = invoke("tasks").output.splitlines()
    for name, task in TASKS.items():
        (line,) = [line for line in lines if line.split("│")[1:2] and line.split("│")[1].split()[:1] == [name]]
        assert task.source in line
        assert ("needs data" in line) == task.needs_data
    parentheses = next(line for line in lines if "│ parentheses" in line)
    assert [part.strip() for part in parentheses.split("│")][2:8] == [
        "175",
        "300",
        "100",
        "cross entropy nats, less is better",
        "23.03",
        "0",
    ]


def test_show_prints_an_example_as_text_and_draws_it(invoke, tmp_path):
    done = invoke("tasks", "show", "parentheses:length=40,streams=2", "--seed", 1, "--plot", "sample.png")
    lines = done.output.splitlines()
    assert lines[0] == "parentheses (2 streams of 40), Collins et al. 2017, appendix B"
    assert "takes arguments, here with their defaults: parentheses:length=175,streams=10" in done.output
    streams = [line.split() for line in lines[2:4]]
    assert [kind for kind, _, _ in streams] == ["()", "[]"]
    for kind, text, count in streams:
        assert len(text) == 40
        opened = 0
        for character in text:
            opened = min(9, max(0, opened + (character == kind[0]) - (character == kind[1])))
        assert int(count) == opened
    assert "uniform: 4.605 cross entropy nats" in done.output
    assert (tmp_path / "sample.png").stat().st_size > 5000


@pytest.mark.parametrize("name", [name for name, task in TASKS.items() if not task.needs_data])
def test_a_picture_of_every_task_can_be_drawn(name):
    figure = plot_sample(make_task(name if name != "random-function" else "random-function:samples=100"))
    assert len(figure.axes) == 2
    assert all(axes.has_data() for axes in figure.axes)


def test_cells_lists_all_of_them_with_their_sizes(invoke, monkeypatch):
    monkeypatch.setattr("keras_rnncap.cli.common.console.width", 220)
    output = invoke("cells", "--params", 500).output
    for name, cell in CELLS.items():
        (line,) = [line for line in output.splitlines() if cell.__name__ in line and f"│ {name} " in line]
        units, parameters = (int(part) for part in line.split("│")[3:5])
        assert parameters <= 500
        model = sequence_model(name, units, input_dim=16, output_dim=1)
        assert model.count_params() == parameters


def test_train_on_a_task_with_arguments(invoke, tmp_path):
    done = invoke("train", "memory:input_dim=3,length=2", "ugrnn", "--params", 200, "--steps", 300, "--out", "here")
    assert done.exit_code == 0, done.output
    result = json.loads((tmp_path / "here" / "train.json").read_text())
    assert result["score_name"] == "mean_squared_error"
    assert result["test_score"] < 0.5 < result["baselines"]["chance"]


@pytest.mark.parametrize("cell", CELLS)
def test_budget_knows_every_cell_and_adds_up(invoke, cell):
    output = words(invoke("budget", cell, "--params", 5000, "--depth", 2).output)
    units, parameters = (
        int(found.replace(",", "")) for found in re.findall(r": ([\d,]+) units per layer, ([\d,]+)", output)[0]
    )
    assert units > 1
    assert parameters <= 5000
    totals = [
        int(one.replace(",", ""))
        for one in re.findall(r"(?:layer_1|layer_2|readout|total) [\d, ]*?([\d,]+)(?= [a-z]|$)", output)
    ]
    assert len(totals) == 4
    assert sum(totals[:3]) == totals[3] == parameters


def test_capacity_prints_the_answer_beside_the_papers_and_writes_its_files(invoke, tmp_path):
    (tmp_path / "cli_cells.py").write_text(CELL)
    arguments = ["capacity", "cli_cells:Mine", "--params", 60, "--steps", 5, "--trials", 1, "--seed", 3]
    done = invoke(*arguments)
    assert done.exit_code == 0, done.output
    folder = Path("runs/capacity-cli_cells.Mine-60x1-row-soap-steps5-seed3")
    result, output = json.loads((folder / "capacity.json").read_text()), words(done.output)
    assert output.startswith(f"1 trials of 5 steps, 1 at a time, in {folder}")
    assert f"bits per parameter {result['bits_per_parameter']:.2f} 3 to 6, about 5" in output
    assert f"patterns {result['patterns']:,}" in output
    assert f"parameters {result['parameters']} (budget 60)" in output
    assert f"trials 1{', 1 untrained' if result['untrained'] else ''} over 1,000" in output
    assert "proposed by 1 by start; the best by start" in output
    assert str(folder) in output
    again = invoke(*arguments)
    assert again.exit_code == 0
    assert "continuing in" in again.output
    sys.path.remove(str(tmp_path))


@pytest.mark.parametrize("name", ["runs[red]", "runs[/red]"])
def test_a_folder_with_brackets_in_its_name_is_shown_as_it_is(invoke, monkeypatch, name):
    all_diverge(monkeypatch)
    done = invoke("capacity", "rnn", "--params", 60, "--steps", 5, "--trials", 1, "--out", name)
    assert done.exit_code == 1
    assert f"In {name}: capacity.json" in done.output
    assert (Path(name) / "capacity.json").exists()


def test_a_name_in_capitals_means_the_same_run(invoke, monkeypatch):
    all_diverge(monkeypatch)
    for name in ("RNN", "rnn"):
        invoke("capacity", name, "--params", 60, "--steps", 5, "--trials", 1)
    assert os.listdir("runs") == ["capacity-rnn-60x1-row-soap-steps5-seed0"]


def test_capacity_without_a_feasible_trial_exits_with_1_and_says_so(invoke, monkeypatch):
    all_diverge(monkeypatch)
    done = invoke("capacity", "rnn", "--params", 60, "--steps", 5, "--trials", 2)
    assert done.exit_code == 1
    assert "no trial was feasible" in done.output
    assert "bits per parameter - 3 to 6" in words(done.output)
    assert "2, 2 diverged" in words(done.output)


def test_train_prints_the_score_beside_the_baselines_and_hands_on_all_options(invoke, monkeypatch):
    options = {"steps": 2, "batch-size": 2, "optimizer": "momentum", "learning-rate": 0.01, "learning-rate-decay": 0.5}
    options |= {"momentum": 0.8, "clip-norm": 2.0, "l2": 1e-4, "loss-saturation": 0.2, "params": 300, "seed": 4}
    options["out"] = "here"
    done = invoke(
        "train", "python-docs", "gru", *(part for name, value in options.items() for part in (f"--{name}", value))
    )
    assert done.exit_code == 0, done.output
    result, output = json.loads(Path("here/train.json").read_text()), words(done.output)
    assert result["settings"] == {
        "steps": 2,
        "optimizer": "momentum",
        "learning_rate": 0.01,
        "learning_rate_decay": 0.5,
        "momentum": 0.8,
        "clip_norm": 2.0,
        "l2": 1e-4,
        "loss_saturation": 0.2,
    }
    assert (result["batch_size"], result["seed"], result["cell"]) == (2, 4, "gru")
    assert result["parameters"] <= 300
    for name, score in {**result["baselines"], f"{result['parameters']} parameters": result["test_score"]}.items():
        assert f"{name} {score:.3f}" in output


def test_train_that_diverges_exits_with_1_and_says_what_may_help(invoke):
    arguments = ["--steps", 20, "--batch-size", 2, "--optimizer", "sgd", "--learning-rate", 3e38, "--clip-norm", 1e30]
    done = invoke("train", "python-docs", "rnn", "--params", 300, "--out", "here", *arguments)
    assert done.exit_code == 1
    assert "training diverged; try a smaller --learning-rate or --clip-norm" in done.output


def test_calibrate_prints_a_row_for_each_ratio(invoke, monkeypatch):
    asked = {}

    def calibrate_meter(**options):
        asked.update(options)
        return [keras_rnncap.calibration.Calibration(2.0, 0.975, 1.66)]

    monkeypatch.setattr(keras_rnncap.calibration, "calibrate_meter", calibrate_meter)
    output = words(invoke("calibrate", "--inputs", 7, "--steps", 9, "--seed", 3).output)
    assert asked == {"inputs": 7, "steps": 9, "seed": 3}
    assert "2 0.975 1.66" in output
    assert "threshold unit of 8 weights" in output


def test_a_sweep_prints_its_best_trial_and_goes_on_with_more_trials(invoke, tmp_path):
    arguments = ["sweep", "perceptron", "rnn", "--params", 60, "--steps", 20, "--profile", "smoke", "--out", "run"]
    arguments += ["--set", "optimizer=adam", "--set", "learning_rate=0.01..0.02"]
    done = invoke(*arguments, "--trials", 2)
    assert done.exit_code == 0, done.output
    said, result = words(done.stdout), json.loads((tmp_path / "run" / "sweep.json").read_text())
    ended = f"2, {result['untrained']} untrained" if result["untrained"] else "2"
    assert f"trials {ended} proposed by 2 by initial; the best by initial" in said
    assert "optimizer adam" in said
    assert f"mutual information bits {result['best_score']:.4g}" in said
    assert 0.01 <= result["hyperparameters"]["learning_rate"] <= 0.02
    more = invoke(*arguments, "--trials", 3, "--resume")
    assert "continuing in run: 2 trials are there" in more.stdout
    assert json.loads((tmp_path / "run" / "sweep.json").read_text())["trials"] == 3


def test_a_sweep_on_text(invoke, tmp_path):
    arguments = ["--params", 2000, "--steps", 10, "--trials", 2, "--profile", "smoke", "--oracle", "random"]
    done = invoke("sweep", "python-docs", "ugrnn", *arguments)
    assert done.exit_code == 0, done.output
    assert "bits per character" in done.stdout
    assert (tmp_path / "runs" / "sweep-python-docs-ugrnn-2000x1-random-seed0" / "best" / "model.keras").exists()


def test_a_sweep_for_information_has_a_folder_of_its_own(invoke, tmp_path):
    arguments = ["--params", 200, "--steps", 10, "--trials", 2, "--profile", "smoke", "--oracle", "random"]
    done = invoke("sweep", "memory:input_dim=2,length=2", "gru", *arguments, "--objective", "mutual_information_bits")
    assert done.exit_code == 0, done.output
    assert "mutual information bits" in words(done.stdout)
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name.endswith("-random-mutual_information_bits-seed0")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["sweep", "perceptro", "rnn"], "unknown task 'perceptro': did you mean 'perceptron'"),
        (["sweep", "perceptron", "rnn", "--resume"], "there is nothing to resume in runs"),
        (["sweep", "perceptron", "rnn", "--set", "x"], "--set takes NAME=VALUE"),
        (
            ["sweep", "perceptron", "rnn", "--set", "momentum=1"],
            "no hyperparameter 'momentum' in this space: did you mean",
        ),
        (["sweep", "perceptron", "rnn", "--oracle", "grid"], "oracle must be one of gp, random, bayesian"),
        (["sweep", "memory", "rnn", "--objective", "bits"], "unknown objective 'bits'"),
        (["sweep", "perceptron", "rnn", "--profile", "huge"], "profile must be one of smoke, laptop, paper"),
    ],
)
def test_bad_input_to_a_sweep_is_named_and_makes_no_folder(invoke, tmp_path, arguments, said):
    done = invoke(*arguments)
    assert isinstance(done.exception, InputError)
    assert said in str(done.exception)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["study", "capacit"], "did you mean 'capacity'"),
        (["study", "capacity", "--params", "100;300"], "--params takes integers with commas between them"),
        (["study", "memory", "--params", "100"], "the memory study has no params"),
        (["study", "capacity", "--cells", "rnn,grue"], "did you mean 'gru'"),
        (["report", "nowhere"], "nowhere is not the folder of a study"),
        (["recommend", "--task", "arithmetik", "--params", "100"], "did you mean 'arithmetic'"),
        (["recommend", "--task", "memory", "--params", "0"], "params must be an integer of at least 1"),
        (["recommend", "--task", "memory", "--params", "9", "--trials", "3"], "--trials is of a probe: give --probe"),
        (["recommend", "--task", "memory", "--params", "9", "--probe", "--results", "x"], "two ways to an answer"),
    ],
)
def test_studies_and_recommendations_explain_bad_input(invoke, arguments, message):
    result = invoke(*arguments)
    assert isinstance(result.exception, InputError)
    assert message in str(result.exception)


def test_a_plan_says_what_a_study_would_run_and_runs_nothing(invoke, tmp_path):
    options = ["--profile", "smoke", "--cells", "rnn", "--params", "60", "--depths", "1"]
    result = invoke("study", "capacity", *options, "--plan", "--out", tmp_path / "study")
    assert result.exit_code == 0, result.output
    assert "size-rnn-60x1-T5-seed0" in result.output
    assert "4 of 4 searches to run" in result.output
    assert not (tmp_path / "study").exists()


def test_a_study_of_a_users_cell_a_report_of_it_and_a_recommendation(invoke, tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(CELL)
    monkeypatch.syspath_prepend(tmp_path)
    study = ["study", "robustness", "--profile", "smoke", "--cells", "mine:Mine", "--out", "study"]
    result = invoke(*study)
    assert result.exit_code == 0, result.output
    assert "rerun-parentheses-mine.Mine-300x1-seed1" in result.output
    assert "0 of 2 searches to run" in invoke(*study).output
    result = invoke("report", "study", "--out", "report")
    assert result.exit_code == 0, result.output
    assert "mine:Mine" in (tmp_path / "report" / "index.html").read_text()
    result = invoke("recommend", "--task", "parentheses:length=5,streams=1", "--params", 300, "--results", "study")
    assert result.exit_code == 0, result.output
    assert "If you search hyperparameters: mine:Mine" in words(result.output)
