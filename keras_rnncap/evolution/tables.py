"""What a search found, as tables."""

import math

import pandas as pd

from keras_rnncap.evolution.history import History
from keras_rnncap.evolution.rows import Ended


def architectures(history: History) -> pd.DataFrame:
    """Returns a row for each architecture, the best first; the score and ratios of those evaluated on all tasks.

    Columns: `architecture`, `parent`, `kind`, `candidate` (the number of its first), `passed` (the filter), `score`,
    a ratio for each task, `evaluations`, `nodes`, `linears`, `states`.
    """
    rows = []
    for name, known in history.known.items():
        scored, graph = name in history.scored, known.first.graph
        rows.append(
            {"architecture": name, "parent": known.first.parent, "kind": known.first.kind}
            | {"candidate": known.first.number, "passed": known.passed}
            | {"score": history.score(name) if scored else math.nan}
            | {task: history.ratio(name, task) if scored else math.nan for task in history.tasks}
            | {"evaluations": known.evaluations, "nodes": len(graph.nodes)}
            | {"linears": len(graph.linears()), "states": graph.states}
        )
    return pd.DataFrame(rows).sort_values(["score", "candidate"], ascending=[False, True], ignore_index=True)


def progress(history: History, ended: list[Ended]) -> pd.DataFrame:
    """Returns for each candidate in order the `seconds` of its trainings and the `score` of its architecture then."""
    so_far, rows = History(history.rules), []
    for each in ended:
        so_far.add(*each)
        name = each.candidate.name
        seconds = sum(evaluation.seconds for stage in each.stages for evaluation in stage)
        score = so_far.score(name) if name in so_far.scored and len(so_far.scored) > 1 else math.nan
        rows.append({"candidate": each.candidate.number, "seconds": seconds, "score": score})
    return pd.DataFrame(rows)
