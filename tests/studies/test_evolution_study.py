"""Claims on what searches found, on made rows; and a whole study, small."""

import json

import numpy as np
import pandas as pd
import pytest
from studies.made_evolution import evolution

from keras_rnncap.analysis.evolution import Retrained, compute_progress, compute_retrained, evolution_exhibits
from keras_rnncap.analysis.exhibits import StudyRows
from keras_rnncap.graphs import Graph, graph_hash
from keras_rnncap.studies import run_study


def verdicts(**changes):
    return [claim.verdict for claim in evolution_exhibits(StudyRows(*evolution(**changes))).claims]


def test_claims_hold_where_what_was_found_is_better():
    assert verdicts() == ["holds", "holds", "holds", "holds"]


@pytest.mark.parametrize(
    ("place", "changes"),
    [
        (0, {"found": 0.9}),
        (1, {"found": 1.0, "random": 1.1}),
        (2, {"unseen": 0.9}),
        (3, {"nearest": "tanh-lstm"}),
    ],
)
def test_each_claim_can_fail(place, changes):
    assert verdicts(**changes)[place] == "does not hold"


def test_nothing_is_decided_by_noise_or_by_too_few():
    assert verdicts(spread=0.5)[0] == verdicts(spread=0.5)[2] == "undecided"
    assert verdicts(best=2)[1] == verdicts(best=2)[3] == "undecided"


def test_a_score_is_the_least_part_of_the_grus_mean():
    pieces, trials = evolution(spread=0.02)
    retrained = Retrained(StudyRows(pieces, trials))
    table = trials.merge(pieces[["piece", "cell", "column", "seen"]], on="piece")
    means = table.groupby(["cell", "column"])[["accuracy", "loss"]].mean()
    ratios = [
        means.loc[("found-1", column), "accuracy"] / means.loc[("gru", column), "accuracy"]
        for column in retrained.columns("seen")
    ]
    assert retrained.score("found-1") == pytest.approx(min(ratios))
    music = means.loc[("gru", "polyphonic-music"), "loss"] / means.loc[("found-1", "polyphonic-music"), "loss"]
    assert retrained.ratio("found-1", "polyphonic-music") == pytest.approx(music)
    shown = compute_retrained(StudyRows(pieces, trials)).set_index("architecture")
    assert shown.loc["gru", "least part of the GRU's"] == 1


def test_progress_is_the_best_so_far():
    table = pd.DataFrame({"seconds": [1.0, 2.0, 3.0], "score": [1.0, 0.5, np.nan]})
    assert compute_progress(table)["best"].tolist() == [1.0, 1.0, 1.0]


@pytest.mark.slow
def test_a_small_study_searches_retrains_what_it_found_and_continues(tmp_path):
    rows = run_study("evolution", profile="smoke", out=tmp_path / "found", cells=["gru"], isolate=True)
    pieces = rows.pieces.set_index("piece")
    found = pieces.loc["search-found-seed0"]
    graphs = [Graph.from_dict(graph) for graph in json.loads(found["graphs"])]
    trials = rows.trials[rows.trials["piece"] == "search-found-seed0"]
    assert {f"g{graph_hash(graph)}" for graph in graphs} <= {*trials["architecture"]}
    cost = {name: pieces.loc[f"search-{name}-seed0", "seconds_of_training"] for name in ("found", "random")}
    assert cost["random"] >= cost["found"]
    again = run_study("evolution", profile="smoke", out=tmp_path / "found", cells=["gru"], isolate=True)
    pd.testing.assert_frame_equal(again.pieces, rows.pieces)
    assert {*pieces["part"]} == {"search", "retrained"}
