"""What a study shows: figures, tables, and claims with their verdicts."""

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, TypeAlias

import pandas as pd
from matplotlib.figure import Figure

from keras_rnncap.errors import InputError

Verdict: TypeAlias = Literal["holds", "does not hold", "undecided"]
PAPER_CELLS = ("rnn", "irnn", "ugrnn", "gru", "lstm", "+rnn")
"""The cells of Collins et al. (2017): their claims are about these alone, whatever other cells have rows."""


class StudyRows(NamedTuple):
    """The rows of a study.

    Attributes:
        pieces: A row for each search that ended.
        trials: A row for each of their trials; `piece` names its search.
    """

    pieces: pd.DataFrame
    trials: pd.DataFrame

    def labelled(self, prefix: str) -> "StudyRows":
        """Returns the rows with a prefix before the names of pieces, so that those of several studies differ."""
        return StudyRows(*(table.assign(piece=prefix + table["piece"]) if len(table) else table for table in self))

    def ended(self) -> list[dict[str, Any]]:
        """Returns the rows of the pieces one by one."""
        return [{str(name): value for name, value in row.items()} for row in self.pieces.to_dict(orient="records")]


class Exhibit(NamedTuple):
    """A figure or a table.

    Attributes:
        name: Names its files.
        title: What it is of.
        source: Where the paper has it; empty if it does not.
        caption: What to look for, and how it was computed.
        content: The figure or the table.
    """

    name: str
    title: str
    source: str
    caption: str
    content: Figure | pd.DataFrame


class Claim(NamedTuple):
    """A statement of the paper, tested on rows.

    Attributes:
        claim: The statement.
        paper: What the paper found.
        ours: What the rows show.
        verdict: Whether it holds.
        statistic: What decides.
    """

    claim: str
    paper: str
    ours: str
    verdict: Verdict
    statistic: str


@contextlib.contextmanager
def reading_tables(folder: object) -> Iterator[None]:
    """Turns any error that the tables of a folder cause in the block into an `InputError`."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # damaged tables can lack or hold anything, so any error may come of them
        raise InputError(
            f"the tables in {folder} cannot be read ({type(error).__name__}: {error}): they are damaged, or of another "
            "version of keras-rnncap; restore them, or run the study again in a new folder"
        ) from error


def of_paper(table: pd.DataFrame) -> pd.DataFrame:
    """Returns the rows of the paper's own cells."""
    return table[table["cell"].isin(PAPER_CELLS)]


def decide(holds: bool, fails: bool) -> Verdict:
    """Returns the verdict on a claim that `holds`, or `fails`, or neither."""
    return "does not hold" if fails else "holds" if holds else "undecided"


def told(values: pd.Series, separator: str = ", ") -> str:
    """Returns a value for each cell as text."""
    return separator.join(f"{cell} {value:.2f}" for cell, value in values.items())


def open_claim(claim: str, paper: str, missing: str) -> Claim:
    """Returns a claim for which there are not enough rows yet."""
    return Claim(claim, paper, "not enough rows yet", "undecided", missing)


@dataclasses.dataclass
class Exhibits:
    """All that a study shows.

    Attributes:
        exhibits: Figures and tables, in order.
        claims: Claims of the paper.
        presets: Handles of presets whose cards belong to it.
    """

    exhibits: list[Exhibit] = dataclasses.field(default_factory=list)
    claims: list[Claim] = dataclasses.field(default_factory=list)
    presets: list[str] = dataclasses.field(default_factory=list)

    def add(self, name: str, title: str, source: str, caption: str, content: Figure | pd.DataFrame) -> None:
        """Adds a figure or a table; see `Exhibit`."""
        self.exhibits.append(Exhibit(name, title, source, caption, content))
