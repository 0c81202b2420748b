"""Writes what studies found as a page that needs no network, as Markdown, and as files of the figures."""

import base64
import contextlib
import dataclasses
import html
import io
import itertools
import json
import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
import matplotlib
import pandas as pd
from markdown_it import MarkdownIt
from markupsafe import Markup
from matplotlib.figure import Figure

from keras_rnncap.analysis.exhibits import Exhibits, StudyRows, reading_tables
from keras_rnncap.analysis.style import cell_order
from keras_rnncap.errors import InputError
from keras_rnncap.runs import IDENTITY, read_json, remove_leftovers, replacing
from keras_rnncap.studies import STUDIES, Study, in_words, read_study
from keras_rnncap.terminal.texts import printable
from keras_rnncap.version import __version__
from keras_rnncap.zoo import card
from keras_rnncap.zoo.handles import resolve
from keras_rnncap.zoo.writing import writing_to

HTML, MARKDOWN, FIGURES, CARDS = "index.html", "README.md", "figures", "cards"
MARK = "<!-- written by rnncap report -->"
"""Stands in what a report writes, and in nothing else that it may replace."""


@dataclasses.dataclass(frozen=True)
class StudyPart:
    """A study in a report: how its rows were made, what they took, and what they show."""

    study: Study
    profile: str
    command: str
    searches: int
    trials: int
    spent: str
    winners: str
    versions: str
    shown: Exhibits


def read_part(folder: Path) -> StudyPart:
    """Reads a study's folder; raises `InputError` if it holds no study, or none of its searches ended."""
    file, identity = folder / IDENTITY, {}
    with contextlib.suppress(OSError):
        identity = read_json(file, "restore it")
    if identity.get("study") not in [*STUDIES]:
        raise InputError(f"{folder} is not the folder of a study; make one with: rnncap study")
    study, profile = STUDIES[identity["study"]](), identity.get("profile")
    if profile not in [*study.profiles]:
        raise InputError(f"{file} names no profile: {', '.join(study.profiles)}; got {profile!r:.80}")
    with reading_tables(folder):
        rows = read_study(folder)
        if rows.pieces.empty:
            raise InputError(f"no search of the study in {folder} has ended yet; go on with: rnncap study {study.name}")
        return StudyPart(
            study=study,
            profile=profile,
            command=_command(study, profile, rows.pieces, folder),
            searches=len(rows.pieces),
            trials=len(rows.trials),
            spent=_spent(study, rows.pieces),
            winners=_winners(rows.pieces),
            versions=_versions(rows, folder),
            shown=study.exhibits(rows),
        )


def write_report(folders: Sequence[str | os.PathLike[str]], out: str | os.PathLike[str]) -> Path:
    """Writes `index.html`, `README.md` and `figures/` (each figure as SVG and PNG) from the folders of studies.

    The page needs no other file. With the study `zoo`, the cards of the bundled presets are pages in `cards/`.

    Args:
        folders: Folders that `run_study` made, finished or not.
        out: The folder to write to.

    Returns:
        The page.

    Raises:
        InputError: If a folder holds no study, one study comes twice, or `out` cannot be written.
    """
    parts = [read_part(Path(folder)) for folder in folders]
    parts.sort(key=lambda part: list(STUDIES).index(part.study.name))
    for part, following in itertools.pairwise(parts):
        if part.study.name == following.study.name:
            raise InputError(f"two of the folders hold the {part.study.name} study; a report has each once")
    target = Path(out)
    _take(target)
    with writing_to(target):
        return _write(parts, target)


def _write(parts: Sequence[StudyPart], target: Path) -> Path:
    environment = _environment()
    exhibits = [exhibit for part in parts for exhibit in part.shown.exhibits]
    verdicts = [claim.verdict for part in parts for claim in part.shown.claims]
    facts: dict[str, Any] = {
        "parts": parts,
        "pictures": {
            exhibit.name: _write_figure(exhibit.content, target / FIGURES / _file_name(exhibit.name))
            for exhibit in exhibits
            if isinstance(exhibit.content, Figure)
        },
        "cards": {handle: _write_card(handle, target, environment) for part in parts for handle in part.shown.presets},
        "version": __version__,
        "mark": MARK,
        "counts": {verdict: verdicts.count(verdict) for verdict in ("holds", "does not hold", "undecided")},
    }
    for file, filled in ((HTML, environment), (MARKDOWN, _environment(markdown=True))):
        with replacing(target / file) as new:
            new.write_text(filled.get_template(f"{file}.j2").render(facts), encoding="utf-8")
    return target / HTML


def _take(target: Path) -> None:
    """Makes the folder ready; raises `InputError` if it cannot be written, or holds a page of somebody else."""
    for file in (HTML, MARKDOWN):
        if (target / file).exists() and MARK not in (target / file).read_text(encoding="utf-8", errors="replace"):
            raise InputError(f"{target / file} is no report of ours and would be replaced; choose another --out")
    try:
        (target / FIGURES).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write to {target}: {error.strerror or error}; choose another --out") from error
    for folder in (target, target / FIGURES, target / CARDS):
        remove_leftovers(folder)


def _environment(markdown: bool = False) -> jinja2.Environment:
    """Returns what fills templates. Untrusted names are escaped: no tags, links or control characters."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("keras_rnncap.report", ""),
        autoescape=not markdown,
        finalize=_in_markdown if markdown else _in_html,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"cell": _cell, "code": _code, "file": _file_name}
    environment.filters["pipe"] = lambda text: str(text).replace("|", "\\|")
    environment.tests["figure"] = lambda content: isinstance(content, Figure)
    return environment


def _in_html(value: Any) -> Any:
    """Returns a value as jinja is to escape it."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _in_markdown(value: Any) -> Any:
    """Returns a value as Markdown shows it letter by letter."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return re.sub(r"[\[\]]", r"\\\g<0>", html.escape(printable(value), quote=False)).replace("\n", " ")


def _code(text: str) -> Markup:
    """Returns a text to stand between backticks, where Markdown has no escapes."""
    return Markup(printable(text).replace("`", "'").replace("\n", " "))


def _file_name(name: str) -> str:
    """Returns the name of an exhibit, which may have any task's name in it, as a file name."""
    return re.sub(r"[^\w-]+", "-", name)[:100]


def _write_card(handle: str, target: Path, environment: jinja2.Environment) -> str:
    """Writes a preset's card as a page that needs nothing else; returns its address from the report's."""
    folder = resolve(handle)
    text = re.sub(r"\A---\n.*?\n---\n", "", card(handle), flags=re.DOTALL)  # what hubs read, not people
    body = MarkdownIt("commonmark", {"html": False, "xhtmlOut": False}).enable("table").render(text)
    for picture in re.findall(r'<img src="([\w.]+)"', body):
        data = base64.b64encode((folder / picture).read_bytes()).decode()
        body = body.replace(f'<img src="{picture}"', f'<img src="data:image/png;base64,{data}"')
    body = body.replace("<table>", '<div class="wide"><table>').replace("</table>", "</table></div>")
    file = target / CARDS / f"{handle.replace('@', '-')}.html"
    file.parent.mkdir(exist_ok=True)
    with replacing(file) as new:
        page = environment.get_template("card.html.j2").render(handle=handle, body=body, mark=MARK, index=HTML)
        new.write_text(page, encoding="utf-8")
    return f"{CARDS}/{file.name}"


def _write_figure(figure: Figure, stem: Path) -> str:
    """Writes a figure as SVG and PNG; returns the SVG as an address that holds it."""
    stream = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": stem.name}):
        figure.savefig(stream, format="svg", metadata={"Date": None})
    with replacing(stem.with_suffix(".svg")) as new:
        new.write_bytes(stream.getvalue())
    with replacing(stem.with_suffix(".png")) as new:
        figure.savefig(new, dpi=130)
    return "data:image/svg+xml;base64," + base64.b64encode(stream.getvalue()).decode()


def _versions(rows: StudyRows, folder: Path) -> str:
    if "versions" not in rows.pieces or rows.pieces["versions"].isna().all():
        return ""
    try:
        packages = dict(json.loads(str(rows.pieces["versions"].mode().iloc[0])))
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{folder / 'pieces.csv'} is damaged: versions must be a JSON object; restore it") from error
    machines = sorted({*rows.pieces["machine"].dropna()})
    return ", ".join([*(f"{name} {version}" for name, version in packages.items()), *machines])


def _winners(pieces: pd.DataFrame) -> str:
    """Returns what proposed the best trials of searches; nothing where rows do not say."""
    counts = pieces.reindex(columns=["best_proposed_by"])["best_proposed_by"].value_counts()
    ways = ", ".join(f"{count} by {way}" for way, count in counts.items())
    return f"; the best trials were proposed {ways}" if ways else ""


def _spent(study: Study, pieces: pd.DataFrame) -> str:
    """Returns the time that a study took, and apart from it that of searches which used one core each."""
    of_one = pieces["part"].isin(study.one_core)
    times = [(float(pieces["wall_s"][~of_one].sum()), ""), (float(pieces["wall_s"][of_one].sum()), " of one core")]
    return " and ".join(in_words(seconds) + what for seconds, what in times if seconds) or in_words(0)


def _command(study: Study, profile: str, pieces: pd.DataFrame, folder: Path) -> str:
    """Returns the command that makes the rows there are."""
    usual, of_grid = study.profiles[profile], study.of_grid(pieces)
    words = ["rnncap", "study", study.name, "--profile", profile]
    for option, column in {"cells": "cell", "params": "params", "depths": "depth", "units": "units"}.items():
        known = of_grid[column].dropna().unique()
        values: list[Any] = sorted(known, key=cell_order) if option == "cells" else sorted(map(int, known))
        if values and getattr(usual, option) and {*values} != {*getattr(usual, option)}:
            words += [f"--{option}", ",".join(map(str, values))]
    # Reruns have the seed after their search's.
    for seed in sorted({int(seed) for seed in pieces[pieces["part"] != "rerun"]["seed"].dropna()} - {0}):
        words += ["--seed", str(seed)]
    return shlex.join([*words, "--out", str(folder)])


def _cell(value: Any) -> str:
    if pd.isna(value):
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}" if not value.is_integer() else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
