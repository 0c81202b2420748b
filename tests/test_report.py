"""A report is one page that needs nothing else, and the same as Markdown and files."""

import base64
import html
import html.parser
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pandas as pd
import pytest
from studies.made import memory, scaling, trainability, write_study

from keras_rnncap.errors import InputError
from keras_rnncap.report import write_report
from keras_rnncap.report.report import read_part


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
