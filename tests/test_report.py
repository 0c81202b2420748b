"""A report is one page that needs nothing else, and the same as Markdown and files."""

import base64
import html
import html.parser
import json
import os
import re
import shlex
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pandas as pd
import pytest
from markdown_it import MarkdownIt
from studies.made import memory, scaling, trainability, write_study
from studies.made_words import landscape

from keras_rnncap.errors import InputError
from keras_rnncap.recommend import recommend
from keras_rnncap.report import write_report
from keras_rnncap.report.report import read_part
from keras_rnncap.runs import temporary_folder


class Page(html.parser.HTMLParser):
    """Collects a page's tags, and fails on one that is not closed."""

    VOID = ("meta", "link", "img", "br", "hr", "input")

    def __init__(self, text):
        super().__init__()
        self.tags, self.open = [], []
        self.feed(text)
        assert not self.open, self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("studies")
    studies = [
        write_study(folder / "t", "trainability", *trainability()),
        write_study(folder / "m", "memory", *memory()),
        write_study(folder / "s", "scaling", *scaling()),
    ]
    return write_report(studies, folder / "report")


def test_the_page_is_well_formed_and_needs_no_network(written):
    text = written.read_text()
    page = Page(text)
    assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", text)
    assert ("html", {"lang": "en"}) in page.tags
    assert any(attributes.get("name") == "viewport" for tag, attributes in page.tags if tag == "meta")


def test_every_picture_is_in_the_page_and_has_words(written):
    pictures = [attributes for tag, attributes in Page(written.read_text()).tags if tag == "img"]
    assert len(pictures) == 4
    for picture in pictures:
        assert len(picture["alt"]) > 20
        ET.fromstring(base64.b64decode(picture["src"].partition(",")[2]))


def test_what_proposed_the_best_trials_and_the_time_of_one_core_are_told(tmp_path):
    pieces, trials = memory()
    pieces["best_proposed_by"] = ["start", "process", "process"] * (len(pieces) // 3) + ["process"] * (len(pieces) % 3)
    folder = write_study(tmp_path / "m", "memory", pieces, trials)
    write_report([folder], tmp_path / "report")
    started = (pieces["best_proposed_by"] == "start").sum()
    said = f"; the best trials were proposed {len(pieces) - started} by process, {started} by start"
    assert said in (tmp_path / "report" / "README.md").read_text()
    assert said in (tmp_path / "report" / "index.html").read_text()
    part = read_part(write_study(tmp_path / "l", "landscape", *landscape()))  # a minute each
    assert (part.spent, part.winners) == ("8 min and 4 min of one core", "")


def test_figures_are_files_too(written):
    names = sorted(file.name for file in (written.parent / "figures").iterdir())
    assert names == sorted(
        f"{name}.{kind}"
        for name in ("memory", "scaling-text8", "scaling-random-function", "trainability-random")
        for kind in ("svg", "png")
    )


def test_claims_stand_before_the_studies_with_their_verdicts(written):
    text = written.read_text()
    assert text.index("Claim by claim") < text.index('id="study-memory"') < text.index('id="study-trainability"')
    cards = re.findall(r'<div class="claim">.*?</div>', text, re.S)
    assert len(cards) == 5
    assert '<span class="verdict holds">holds</span>' in next(card for card in cards if "per hidden unit" in card)


def test_how_to_make_the_rows_again_stands_beside_them(written):
    text = html.unescape(written.read_text())
    assert re.search(r"rnncap study memory --profile laptop --units 16,48,64,80 --out \S+/m<", text)
    assert re.search(r"rnncap study trainability --profile laptop --depths 1,8 --out \S+/t<", text)


def test_the_command_can_be_copied_whatever_the_folder_is_called(tmp_path):
    study = write_study(tmp_path / "my $(folder)", "memory", *memory())
    words = shlex.split(read_part(study).command)
    assert words[:5] == ["rnncap", "study", "memory", "--profile", "laptop"]
    assert words[-2:] == ["--out", str(study)]


def test_no_name_is_given_twice_in_the_page(written):
    names = [attributes["id"] for _, attributes in Page(written.read_text()).tags if "id" in attributes]
    assert len(names) == len({*names})


def test_files_of_others_are_not_replaced(tmp_path):
    study = write_study(tmp_path / "m", "memory", *memory())
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "README.md").write_text("# My project")
    with pytest.raises(InputError, match=r"README.md is no report of ours"):
        write_report([study], tmp_path / "out")
    assert (tmp_path / "out" / "README.md").read_text() == "# My project"
    write_report([study], tmp_path / "new")
    write_report([study], tmp_path / "new")


def test_numbers_of_tables_can_be_sorted(written):
    values = re.findall(r'<td class="number" data-value="([^"]*)">', written.read_text())
    assert len(values) > 50
    assert all(isinstance(float(value), float) for value in values)


def test_markdown_has_the_same_claims_and_whole_tables(written):
    lines = (written.parent / "README.md").read_text().splitlines()
    claims = [line for line in lines if "| **" in line]
    assert len(claims) == 5
    assert all(line.count("|") - line.count("\\|") == 6 for line in claims)
    tables = [index for index, line in enumerate(lines) if re.fullmatch(r"\|( --- \|)+", line)]
    for index in tables:
        assert lines[index - 1].count("|") == lines[index].count("|") == lines[index + 1].count("|")
    assert "![Error of reconstructing 64 numbers](figures/memory.svg)" in lines


def test_the_same_rows_make_the_same_page(written, tmp_path):
    again = write_report([written.parent.parent / name for name in "tms"], tmp_path / "again")
    assert again.read_bytes() == written.read_bytes()


def test_names_of_users_cells_cannot_break_the_page(tmp_path):
    pieces, trials = memory()
    pieces = pieces.assign(cell="<b>my</b>:Cell|x")
    pieces = pd.concat([memory()[0], pieces])
    page = write_report([write_study(tmp_path / "m", "memory", pieces, trials)], tmp_path / "out")
    assert "<b>my</b>" not in page.read_text()
    lines = (page.parent / "README.md").read_text().splitlines()
    row = next(index for index, line in enumerate(lines) if "Cell\\|x" in line)
    assert lines[row].count("|") - 1 == lines[row + 1].count("|")


ODD = "<b>x</b><script>y</script> & [z](http://w) `q` |"


def test_markdown_shows_names_of_strangers_as_they_are(tmp_path):
    """As the page does: no tags, no links."""
    pieces, trials = memory()
    odd = pd.concat([pieces, pieces.assign(cell=pieces["cell"] + ODD)])
    study = write_study(tmp_path / "m", "memory", odd, trials)
    table = pd.read_csv(study / "pieces.csv").assign(machine=ODD)
    table.to_csv(study / "pieces.csv", index=False)
    page = write_report([study], tmp_path / "out")
    text = (page.parent / "README.md").read_text()
    tags = Page(MarkdownIt("commonmark", {"xhtmlOut": False}).enable("table").render(text)).tags
    ours = "h1 h2 h3 p a em strong code ul li img table thead tbody tr th td"
    assert {tag for tag, _ in tags} <= {*ours.split()}
    assert [one["href"] for tag, one in tags if tag == "a"] == ["index.html"]
    for file in (re.sub("`[^`]*`", "", text), page.read_text()):  # between backticks there are no tags
        assert "gru&lt;b&gt;x&lt;/b&gt;&lt;script&gt;" in file
        assert "<b>" not in file


def test_a_tasks_name_may_hold_anything_and_names_files_none_the_less(tmp_path):
    pieces, trials = scaling()
    pieces = pieces.assign(task=pieces["task"].replace({"text8": "../../$my$/<text>"}))
    page = write_report([write_study(tmp_path / "s", "scaling", pieces, trials)], tmp_path / "out")
    files = {file.name for file in (page.parent / "figures").iterdir()}
    assert "scaling--my-text-.svg" in files
    assert "(figures/scaling--my-text-.svg)" in (page.parent / "README.md").read_text()
    Page(page.read_text())


def change(study, **columns):
    """Changes columns of the table of searches; `None` takes one away."""
    table = pd.read_csv(study / "pieces.csv").assign(**columns)
    table.drop(columns=[name for name, value in columns.items() if value is None]).to_csv(
        study / "pieces.csv", index=False
    )


@pytest.mark.parametrize("profile", ["huge", None, [], {}, 3])
def test_an_unknown_profile_is_one_sentence(tmp_path, profile):
    study = write_study(tmp_path / "m", "memory", *memory())
    (study / "run.json").write_text(json.dumps({"study": "memory", "profile": profile}))
    with pytest.raises(InputError, match=r"run\.json names no profile: smoke, laptop, paper; got"):
        write_report([study], tmp_path / "out")


@pytest.mark.parametrize("versions", ["{", "[]x", "3", '"x"', "null", '{"a"', "[1, 2]"])
def test_damaged_versions_are_one_sentence(tmp_path, versions):
    study = write_study(tmp_path / "m", "memory", *memory())
    change(study, versions=versions)
    if versions == "null":  # as a table has what is missing
        write_report([study], tmp_path / "out")
    else:
        with pytest.raises(InputError, match=r"pieces\.csv is damaged: versions must be a JSON object"):
            write_report([study], tmp_path / "out")


@pytest.mark.parametrize("columns", [{"versions": None}, {"versions": float("nan")}, {"machine": float("nan")}])
def test_rows_without_versions_are_shown_without_them(tmp_path, columns):
    study = write_study(tmp_path / "m", "memory", *memory())
    change(study, **columns)
    assert "fig. 2c" in write_report([study], tmp_path / "out").read_text()


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff\xfe", b"[" * 100_000])
def test_a_damaged_identity_is_one_sentence(tmp_path, content):
    study = write_study(tmp_path / "m", "memory", *memory())
    (study / "run.json").write_bytes(content)
    with pytest.raises(InputError, match=r"run\.json is damaged"):
        write_report([study], tmp_path / "out")


@pytest.mark.parametrize(("name", "make"), [("memory", memory), ("scaling", scaling), ("trainability", trainability)])
@pytest.mark.parametrize("what", [{"depth": "x"}, {"best_score": "x"}, {"seed": "x"}, {"wall_s": "x"}, {"params": "x"}])
def test_tables_that_hold_other_things_are_one_sentence(tmp_path, name, make, what):
    study = write_study(tmp_path / "s", name, *make())
    change(study, **what)
    try:
        write_report([study], tmp_path / "out")
    except InputError as error:
        assert f"the tables in {study} cannot be read" in str(error)  # noqa: PT017  # not all columns matter to all


def test_trials_without_the_names_of_searches_are_one_sentence(tmp_path):
    pieces, trials = trainability()
    for columns in ("piece", "status"):
        study = write_study(tmp_path / columns, "trainability", pieces, trials.drop(columns=columns))
        with pytest.raises(InputError, match=r"the tables in .* cannot be read \(\w+Error"):
            write_report([study], tmp_path / "out")
        with pytest.raises(InputError, match=r"the tables in .* cannot be read \(\w+Error"):
            recommend("parentheses", 5_000, results=[study])


def test_a_full_disk_is_one_sentence(tmp_path, monkeypatch):
    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    study = write_study(tmp_path / "m", "memory", *memory())
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", full)
    with pytest.raises(InputError, match=r"cannot write to .*out: No space left on device"):
        write_report([study], tmp_path / "out")


def test_what_a_killed_report_left_goes(tmp_path):
    study = write_study(tmp_path / "m", "memory", *memory())
    write_report([study], tmp_path / "out")
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    for folder in (tmp_path / "out", tmp_path / "out" / "figures"):
        left = temporary_folder(folder)
        left.rename(left.with_name(left.name.replace(f"-{os.getpid()}-", f"-{process.pid}-")))
    write_report([study], tmp_path / "out")
    assert not [file for file in (tmp_path / "out").rglob("*") if file.name.startswith(".")]


def test_folders_that_are_no_studies_are_errors(tmp_path):
    with pytest.raises(InputError, match="is not the folder of a study"):
        write_report([tmp_path], tmp_path / "out")
    empty = write_study(tmp_path / "m", "memory", pd.DataFrame({"piece": []}), pd.DataFrame({"piece": []}))
    with pytest.raises(InputError, match="no search of the study"):
        write_report([empty], tmp_path / "out")
    one, two = (write_study(tmp_path / name, "memory", *memory()) for name in "ab")
    with pytest.raises(InputError, match="two of the folders hold the memory study"):
        write_report([one, two], tmp_path / "out")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        write_report([one], tmp_path / "file" / "out")


def test_cards_of_presets_are_pages_of_their_own(tmp_path):
    pieces = pd.DataFrame(
        {"piece": ["train-gru"], "part": ["train"], "preset": ["gru-memory-9k"], "cell": ["gru"], "params": [9000]}
        | {"parameters": [8950], "depth": [1], "best_score": [0.6], "objective": ["mean_squared_error"]}
        | {"bits_per_parameter": [None], "elapsed_s": [60.0]}
    )
    trials = pd.DataFrame({"piece": ["train-gru"], "trial": [0], "status": ["completed"]})
    page = write_report([write_study(tmp_path / "z", "zoo", pieces, trials)], tmp_path / "report")
    links = [attributes["href"] for tag, attributes in Page(page.read_text()).tags if tag == "a"]
    cards = [link for link in links if link.startswith("cards/")]
    assert len(cards) >= 24
    assert all(f"]({card})" in (page.parent / "README.md").read_text() for card in cards)
    text = (page.parent / "cards" / "gru-memory-9k-v1.html").read_text()
    card = Page(text)
    assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", text)
    assert {"table", "pre", "h1"} <= {tag for tag, _ in card.tags}
    assert [one["src"][:22] for tag, one in card.tags if tag == "img"] == ["data:image/png;base64,"]
    assert "library_name" not in text  # what hubs read


def test_no_text_of_a_claim_was_left_unfilled():
    root = Path(__file__).parents[1] / "docs" / "results"
    studies = sorted(file.parent for file in root.glob("*/run.json"))
    claims = [claim for folder in studies for claim in read_part(folder).shown.claims]
    assert len(claims) >= 12
    for claim in claims:
        assert "{" not in " ".join(claim), claim
