"""Is there a better cell? The search of Jozefowicz et al. (2015), one without selection, and what both found."""

import dataclasses
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from keras_rnncap.analysis.evolution import RANDOM, SEARCHED, evolution_exhibits
from keras_rnncap.cells import CellFactory
from keras_rnncap.datasets.corpus import in_data_dir
from keras_rnncap.evolution import get_rules, run_evolution
from keras_rnncap.evolution.problems import check_problem
from keras_rnncap.evolution.rows import CANDIDATES, EVALUATIONS
from keras_rnncap.evolution.tables import architectures
from keras_rnncap.evolution.worker import graph_factory
from keras_rnncap.graphs import nearest_known
from keras_rnncap.graphs.known import known_graphs
from keras_rnncap.runs import write_rows
from keras_rnncap.studies.architectures import ArchitecturePiece, paper_cell
from keras_rnncap.studies.study import Grid, Piece, Progress, Study, piece_name
from keras_rnncap.versions import versions


@dataclasses.dataclass(frozen=True)
class SearchPiece(Piece):
    """A search for architectures; one that is to cost as much as another takes the seconds from its row."""

    own_processes: ClassVar[bool] = True

    def check(self) -> None:
        """There is nothing to check: the sizes are those of the profile."""

    def run(self, folder: Path, rows: Mapping[str, Mapping[str, Any]], progress: Progress) -> dict[str, Any] | None:
        """Searches, and returns the row: the graphs of the best, and what they are."""
        began, settings = time.monotonic(), self.settings
        limits: dict[str, Any] = {"graphs": settings.get("graphs")}
        if self.best_of is not None:
            limits = {"cost": float(rows[self.best_of]["seconds_of_training"])}
        options = {name: settings[name] for name in ("profile", "strategy", "seed", "engine")}
        folder.mkdir(parents=True, exist_ok=True)
        history = run_evolution(**options, **limits, out=folder / "search", progress=bool(progress))
        table = architectures(history)
        new = table[(table["kind"] != "base") & table["score"].notna()]
        best = [history.known[name].first.graph for name in new["architecture"][: settings["best"]]]
        candidates = pd.read_csv(folder / "search" / CANDIDATES)
        evaluations = pd.read_csv(folder / "search" / EVALUATIONS)
        order = {name: place for place, name in enumerate(table["architecture"])}
        trials: list[dict[str, Any]] = [
            {"trial": order[row["architecture"]], "status": "completed", "elapsed_s": 0.0}
            | {"seconds": float(candidates.loc[candidates["architecture"] == row["architecture"], "elapsed_s"].sum())}
            | {str(key): value for key, value in row.items()}
            | {"graph": history.known[row["architecture"]].first.graph.to_json()}
            for row in table.to_dict("records")
        ]
        write_rows(folder / "trials.csv", trials)
        near = [nearest_known(graph) for graph in best]
        return {
            "piece": self.name,
            **self.labels,
            "graphs": json.dumps([graph.to_dict() for graph in best]),
            "nearest": json.dumps([[name, edits] for name, edits in near]),
            "new_architectures": int((table["kind"] != "base").sum()),
            "past_filter": int(table[table["kind"] != "base"]["passed"].sum()),
            "on_all_tasks": len(new),
            "seconds_of_training": round(float(evaluations["elapsed_s"].sum()), 1),
            "best_score": float(new["score"].max()) if len(new) else None,
            **{"objective": "score", "direction": "max", "task": "evolution", "seed": settings["seed"]},
            **{"cell": self.labels["source"], "depth": 1, "parameters": None, "units": None},
            **{"elapsed_s": round(time.monotonic() - began, 3), "versions": json.dumps(versions())},
        }


@dataclasses.dataclass(frozen=True)
class RetrainedPiece(ArchitecturePiece):
    """An architecture on a problem, with fresh settings and seeds; one that was found comes from the row of a search.

    Known ones are graphs, too, with a projection of the input and a bias for each matrix, but for `lstm-b`.
    """

    def check(self) -> None:
        """Raises `InputError` if the budget buys no unit, or data are missing."""
        for problem in self.problems():
            check_problem(problem, graph_factory(known_graphs()["gru"]))

    def run(self, folder: Path, rows: Mapping[str, Mapping[str, Any]], progress: Progress) -> dict[str, Any] | None:
        """Trains it; returns its row, or `None` where the search found fewer."""
        del progress
        cell = self._factory(rows)
        return None if cell is None else self.trained(folder, cell) | {"cell": self.settings["architecture"]}

    def _factory(self, rows: Mapping[str, Mapping[str, Any]]) -> CellFactory | None:
        name = self.settings["architecture"]
        if self.best_of is None:
            graphs = known_graphs()
            return graph_factory(graphs[name]) if name in graphs else paper_cell(name)
        found = json.loads(rows[self.best_of]["graphs"])
        rank = int(name.rpartition("-")[2]) - 1
        return graph_factory(json.dumps(found[rank])) if rank < len(found) else None


class EvolutionStudy(Study):
    """The search of the paper, a search of equal cost without selection, and the best of both trained again.

    Parts: `search`; and `retrained`: the five best of each search, the GRU, the LSTM, LSTM-b and MUT1 to MUT3, with the
    same 20 fresh settings each, the best of them with three fresh seeds, on the three problems of the search and on
    music and text that no search saw.
    """

    name = "evolution"
    title = "Is there a better cell?"
    source = "Jozefowicz et al. 2015, sections 3 and 4"
    differences = (
        "300 new architectures, not 10,000, of 5,000 and 10,000 parameters, one layer, at most 1,000 training steps; "
        "problems are smaller, and the filter compares with the GRU, as docs/evolution.md says. The paper has no "
        "search without selection and no fresh seeds. Known cells are trained as graphs, with a projection of the "
        "input, as those that are found; LSTM-b, which has a forget bias, is the cell of this package."
    )
    profiles: ClassVar = {
        "smoke": Grid(("gru", "mut1"), (), ()),
        "laptop": Grid(("gru", "tanh-lstm", "lstm-b", "mut1", "mut2", "mut3"), (), ()),
        "paper": Grid(("gru", "tanh-lstm", "lstm-b", "mut1", "mut2", "mut3"), (), ()),
    }
    one_core = ("retrained",)
    graphs: ClassVar = {"smoke": 3, "laptop": 300, "paper": 10_000}
    best: ClassVar = {"smoke": 1, "laptop": 5, "paper": 5}
    counts: ClassVar = {"smoke": (2, 2), "laptop": (20, 3), "paper": (220, 5)}
    """Settings, and reruns of the best."""
    training: ClassVar = {"smoke": (2, 2), "laptop": (100, 20), "paper": (1_000, 100)}
    """Steps of an epoch, and epochs."""
    music_params: ClassVar = {"smoke": 3_000, "laptop": 10_000, "paper": 100_000}

    def pieces(self, grid: Grid, profile: str, seed: int) -> list[Piece]:
        """Returns what is to be run; music only where its data are at hand."""
        rules = get_rules(profile)
        pieces: list[Piece] = []
        names = {source: piece_name("search", source, f"seed{seed}") for source in (SEARCHED, RANDOM)}
        steps = rules.problems[0].epoch_steps * rules.problems[0].epochs
        work = 3.0 * rules.problems[0].params * 35 * 20 * steps * self.graphs[profile] * rules.settings
        for source, strategy in ((SEARCHED, "paper"), (RANDOM, "random")):
            settings = {"profile": profile, "strategy": strategy, "seed": seed, "engine": "processes"}
            settings |= {"best": self.best[profile]} | ({"graphs": self.graphs[profile]} if source == SEARCHED else {})
            labels = {"part": "search", "source": source}
            best_of = None if source == SEARCHED else names[SEARCHED]
            pieces.append(SearchPiece(names[source], settings, labels, work, best_of))
        tasks = [(problem.task, problem.params, "seen") for problem in rules.problems]
        if in_data_dir("music/nottingham.npz"):
            tasks.append(("polyphonic-music:collection=nottingham", self.music_params[profile], "unseen"))
        if in_data_dir("ptb") and profile != "smoke":
            tasks.append(("frequent-words:text=penn-treebank,vocabulary=200", 10_000, "unseen"))
        found = [
            (f"{source}-{rank + 1}", names[source])
            for source in (SEARCHED, RANDOM)
            for rank in range(self.best[profile])
        ]
        for architecture, best_of in [*((cell, None) for cell in grid.cells), *found]:
            for task, params, kind in tasks:
                pieces.append(self._retrained(architecture, best_of, task, params, kind, profile, seed))
        return pieces

    def _retrained(
        self, architecture: str, best_of: str | None, task: str, params: int, kind: str, profile: str, seed: int
    ) -> RetrainedPiece:
        epoch_steps, epochs = self.training[profile]
        problem = {"task": task, "procedure": "search", "epoch_steps": epoch_steps, "epochs": epochs}
        count, reruns = self.counts[profile]
        settings = {"architecture": architecture, "problem": problem, "params": params, "depths": [1]}
        settings |= {"settings": count, "reruns": reruns, "seed": seed}
        column = task.partition(":")[0] + ("-penn-treebank" if "penn" in task else "")
        labels = {"part": "retrained", "column": column, "seen": kind, "search": best_of or ""}
        work = 3.0 * params * 35 * 20 * epoch_steps * epochs * (count + reruns)
        name = piece_name("retrained", column, architecture, f"seed{seed}")
        return RetrainedPiece(name, settings, labels, work, best_of)

    def of_grid(self, pieces: pd.DataFrame) -> pd.DataFrame:
        """Returns the rows of known cells."""
        return pieces[(pieces["part"] == "retrained") & pieces["search"].fillna("").eq("")]

    shown_by = staticmethod(evolution_exhibits)
