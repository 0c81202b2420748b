"""What strangers wrote reaches the screen as letters, and nothing else of it does."""

import dataclasses
import hashlib
import io
import sys
import time

import pandas as pd
import pytest
from rich.table import Table
from studies.made import memory, trainability, write_study

from keras_rnncap import cli, sequence_model, zoo
from keras_rnncap.terminal.texts import PlainConsole, printable
from keras_rnncap.zoo import handles

ODD = "A\x1b[31mB\x1b]0;title\x07C\x1b]8;;http://x\x1b\\D\x9b2JE\x08F\x0bG\u202eH\u2066I\x7fJ\x1bcK\x00L"
LETTERS = "ABCDEFGHIJKL"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (ODD, LETTERS),
        ("one\n\ttwo\rthree", "one\n\ttwothree"),
        ("café, 日本, ⟨x⟩, 👩\u200d🔬", "café, 日本, ⟨x⟩, 👩\u200d🔬"),
        ("\x1b]0;without an end\nand more", "0;without an end\nand more"),
        ("\x1b", ""),
        ("\x9d0;title\x9cx", "x"),
        ("\x1bP1$r\x1b\\x", "x"),
        ("folder\udcff", "folder?"),
    ],
)
def test_only_letters_tabs_and_newlines_are_printable(text, shown):
    assert printable(text) == shown


@pytest.mark.parametrize("start", ["\x1b]", "\x9d", "\x1b[", "\x1b", "\x1b[1;"])
def test_long_texts_that_mean_harm_take_no_long_time(start):
    began = time.process_time()
    printable(start * 100_000)
    assert time.process_time() - began < 5


def test_a_console_shows_texts_as_they_were_typed_in_lines_and_in_tables():
    console = PlainConsole(file=io.StringIO(), width=200)
    text = f"[red]x[/] :smile: [/b] {ODD}"
    table = Table(title=text)
    table.add_column(text)
    table.add_row(text)
    console.print(text)
    console.print(table)
    assert console.file.getvalue().count(f"[red]x[/] :smile: [/b] {LETTERS}") == 4
    assert "\x1b" not in console.file.getvalue()


def is_plain(text):
    return not {*"\x1b\x07\x08\r\x9b\x9d\u202e\u2066"} & {*text} and "😄" not in text


def odd_preset(folder, name="gru-odd-1"):
    """A preset of a stranger who wrote odd texts wherever there are some, with checksums that are right."""
    facts = zoo.PresetFacts(name=name, task="memory:input_dim=3,length=2", cell=f"[red]{ODD}", data=f"{ODD} :smile:")
    facts = dataclasses.replace(facts, score=1.0, score_name=f"score_{ODD}", hyperparameters={ODD: ODD})
    zoo.save(sequence_model("gru", 2, input_dim=3, output_dim=3), folder, facts)
    (folder / "README.md").write_text(f"# {ODD} :smile: [red]\n\tand more\n")
    sums = (folder / "SHA256SUMS").read_text().splitlines()
    digest = hashlib.sha256((folder / "README.md").read_bytes()).hexdigest()
    sums = [f"{digest}  README.md" if line.endswith("  README.md") else line for line in sums]
    (folder / "SHA256SUMS").write_text("\n".join(sums) + "\n")
    return folder


def test_a_strangers_preset_reaches_no_terminal(tmp_path, invoke, monkeypatch):
    preset = odd_preset(tmp_path / "house" / "gru-odd-1" / "v1")
    shown = invoke("zoo", "show", preset)
    assert shown.output == f"# {LETTERS} :smile: [red]\n        and more\n\n"
    assert all(is_plain(invoke("zoo", command, preset).output) for command in ("verify", "predict"))
    monkeypatch.setattr(handles, "HOUSE", tmp_path / "house")
    listed = invoke("zoo", "list").output
    assert is_plain(listed)
    assert f"[red]{LETTERS}" in listed
    assert f"score {LETTERS}" in listed


def test_errors_show_what_was_typed_without_what_it_would_do(monkeypatch, capfd, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["rnncap", "zoo", "show", f"[/b]:smile:{ODD}"])
    with pytest.raises(SystemExit):
        cli.main()
    said = capfd.readouterr().err
    assert is_plain(said)
    assert "[/b]:smile:" in said


def test_a_strangers_study_reaches_no_terminal(tmp_path, invoke):
    pieces, trials = trainability()
    odd = pieces.assign(cell=pieces["cell"] + ODD, parameters=5000, steps=100, elapsed_s=9.0, data="parentheses")
    study = write_study(tmp_path / "t", "trainability", odd, trials)
    answer = invoke("recommend", "--task", "parentheses", "--params", 5000, "--results", study)
    assert answer.exit_code == 0, answer.output
    assert is_plain(answer.output)
    assert f"gru{LETTERS}" in answer.output


def test_a_report_of_a_strangers_study_has_letters_only(tmp_path, invoke):
    pieces, trials = memory()
    odd = pieces.assign(cell=pieces["cell"] + ODD, piece=pieces["piece"] + ODD)
    study = write_study(tmp_path / "m", "memory", pd.concat([pieces, odd]), trials)
    invoke("report", study, "--out", tmp_path / "report")
    for file in ("index.html", "README.md"):
        text = (tmp_path / "report" / file).read_text()
        assert f"gru{LETTERS}" in text
        assert is_plain(text)
