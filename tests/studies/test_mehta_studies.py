"""The studies of Mehta: verdicts on made rows, and small runs of everything."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from studies.made_words import GRU, RNN, initializations, landscape, words

from keras_rnncap.analysis.exhibits import StudyRows
from keras_rnncap.analysis.initializations_study import compute_shares, compute_trained, compute_trainings, of_part
from keras_rnncap.analysis.landscape_study import compute_distances
from keras_rnncap.analysis.words_study import compute_fixed_points, compute_memory, compute_words
from keras_rnncap.cells import CELLS, get_cell
from keras_rnncap.errors import InputError
from keras_rnncap.report import write_report
from keras_rnncap.studies import get_study, read_study, run_study
from keras_rnncap.studies import run as run_module
from keras_rnncap.studies.initializations import MATRIX_CELLS
from keras_rnncap.studies.landscape import CHUNK


def verdicts(name, rows):
    return [claim.verdict for claim in get_study(name).exhibits(StudyRows(*rows)).claims]


def test_initializations_are_judged_by_fisher_and_by_the_best():
    assert verdicts("initializations", initializations()) == ["holds", "holds", "holds"]
    worse = {("first", RNN): 0.8, ("first", GRU): 0.3, ("xor", RNN): 0.9, ("xor", GRU): 0.5}
    assert verdicts("initializations", initializations(worse))[0::2] == ["does not hold"] * 2
    assert verdicts("initializations", initializations(gap=0.2))[1] == "does not hold"
    same = dict.fromkeys(worse, 0.5)
    assert verdicts("initializations", initializations(same, gap=0.06)) == ["undecided"] * 3


def test_shares_are_over_the_shapes_that_all_cells_have():
    shares = compute_shares(compute_trainings(StudyRows(*initializations())))
    first = shares[shares["rule"] == "first"].set_index("cell")
    assert list(first.index) == [GRU, "lstm", RNN]
    assert first["trainings"].tolist() == [480] * 3
    interval = stats.binomtest(480 * 3 // 10, 480).proportion_ci(method="wilson")
    assert first.loc[RNN, ["low", "high"]].tolist() == pytest.approx([interval.low, interval.high])
    assert shares[shares["rule"] == "xor"]["trainings"].tolist() == [540] * 2


def test_trained_word_vectors_stand_beside_fixed_ones_of_as_many_units():
    fixed = compute_trainings(StudyRows(*initializations()))
    trained = fixed[(fixed["word_dim"] == 2) & (fixed["rule"] == "first") & (fixed["cell"] != "lstm")]
    table = compute_trained(trained.assign(word_dim=0), fixed).set_index(["cell", "units"])
    assert table.loc[(GRU, 2), ["trained", "fixed"]].tolist() == pytest.approx([0.8, 0.8])
    counts = table[["trained: trainings", "fixed: trainings"]]
    assert counts.loc[(RNN, 2)].tolist() == [30, 5 * 30]
    assert counts.loc[(RNN, 16)].tolist() == [30, 4 * 30]
    assert compute_trained(trained, fixed[:0]).empty


def test_the_landscape_is_judged_by_distances_and_permutations():
    assert verdicts("landscape", landscape()) == ["holds"] * 4
    other = landscape(shift=0.2, rougher=-0.08, recovers=(0.95, 0.7), returns=0.2)
    assert verdicts("landscape", other) == ["does not hold"] * 4
    alike = landscape(shift=0.03, rougher=0.0, recovers=(0.9, 0.9), returns=0.45)
    assert verdicts("landscape", alike)[1:3] == ["undecided"] * 2
    few = landscape(models=4)
    assert verdicts("landscape", few)[1:3] == ["undecided"] * 2


def test_trainings_of_several_draws_are_not_taken_for_one():
    pieces, trials = landscape()
    again = [table.assign(piece=table["piece"] + "-again") for table in (pieces, trials)]
    both = [pd.concat(tables, ignore_index=True) for tables in zip((pieces, trials), again, strict=True)]
    for name, counted in (("landscape-roughness", "trainings"), ("landscape-recovery", "models")):
        once, twice = (
            next(
                exhibit.content
                for exhibit in get_study("landscape").exhibits(StudyRows(*rows)).exhibits
                if exhibit.name == name
            )
            for rows in ((pieces, trials), both)
        )
        assert twice[counted].tolist() == (2 * once[counted]).tolist()


def test_distances_of_counted_accuracies_are_those_of_the_accuracies():
    rng = np.random.default_rng(0)
    table, samples = [], {}
    for cell, size, shift in ((RNN, 300, 0), (GRU, 500, 3)):
        samples[cell] = rng.binomial(40, 0.6, size) / 40 - shift / 40
        values, counts = np.unique(samples[cell], return_counts=True)
        columns = {"cell": cell, "word_dim": 2, "units": 2, "accuracy": values, "count": counts}
        table.append(pd.DataFrame(columns))
    (row,) = compute_distances(pd.concat(table)).to_dict("records")
    assert row["distance"] == pytest.approx(stats.ks_2samp(*samples.values()).statistic)
    assert row[f"{RNN} mean"] == pytest.approx(samples[RNN].mean())


def test_words_are_judged_by_norms_margins_and_ranks():
    assert verdicts("words", words()) == ["holds"] * 3
    assert verdicts("words", words(stop=0.01, apart=-1.0, remembers=(2000, 15)))[0::2] == ["does not hold"] * 2
    assert verdicts("words", words(stop=0.07, remembers=(100, 100))) == ["undecided", "holds", "undecided"]


def test_numbers_of_words_are_those_by_hand():
    rows = StudyRows(*words(stop=0.5, apart=0.8, remembers=(100, 3900)))
    table = compute_words(of_part(rows, "words")).set_index("cell")
    assert table["stop norm"].tolist() == pytest.approx([0.5, 0.5])
    assert table["margin"].tolist() == pytest.approx([1.0, 1.0])
    assert table["collinear"].tolist() == pytest.approx([1.0, 1.0])
    states = of_part(rows, "states")
    memory = compute_memory(states[states["kind"] == "probe"]).set_index("cell")
    assert memory.loc[RNN, "median"] == pytest.approx(np.median(100 * (1 + 0.1 * np.arange(8))))
    fixed = compute_fixed_points(states).set_index("cell")
    assert fixed.loc[RNN, ["fixed points", "stable", "slowest"]].tolist() == [2, 1, 0.5]
    assert memory["never change"].to_dict() == {RNN: 0, GRU: 7}


def test_the_shortest_memory_is_of_the_word_whose_answer_changes_first():
    common = {"cell": RNN, "accuracy": 1.0, "right": True, "probed": 100}
    untils = {0: [10, np.nan, np.nan, 30], 1: [20, 20, 40, np.nan], 2: [np.nan] * 4}
    rows = [{**common, "trial": trial, "until": until} for trial, each in untils.items() for until in each]
    memory = compute_memory(pd.DataFrame(rows)).set_index("cell").loc[RNN]
    assert memory[["shortest", "median", "never change"]].tolist() == [20, 65, 1]


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    folder = tmp_path_factory.mktemp("studies")
    names = ("words", "initializations", "landscape")
    return {name: run_study(name, profile="smoke", out=folder / name) and folder / name for name in names}


@pytest.mark.parametrize("name", ["words", "initializations", "landscape"])
def test_a_small_run_has_rows_a_report_and_nothing_to_do_again(smoke, name, tmp_path):
    rows = read_study(smoke[name])
    pieces = get_study(name).pieces(get_study(name).grid("smoke"), "smoke", 0)
    assert sorted(rows.pieces["piece"]) == sorted(piece.name for piece in pieces)
    assert set(rows.trials["piece"]) == set(rows.pieces["piece"])
    assert rows.pieces["best_score"].between(0, 1).all()
    before = (smoke[name] / "pieces.csv").read_bytes()
    run_study(name, profile="smoke", out=smoke[name])
    assert (smoke[name] / "pieces.csv").read_bytes() == before
    page = write_report([smoke[name]], tmp_path / "report").read_text()
    assert get_study(name).title in page


def test_settings_are_counted_once_also_after_an_interruption(smoke, tmp_path, monkeypatch):
    rows = read_study(smoke["landscape"])
    counted = rows.trials.merge(rows.pieces[["piece", "part"]], on="piece").query("part == 'untrained'")
    assert counted.groupby("piece")["count"].sum().tolist() == [2 * CHUNK] * 2
    (piece, _) = [piece for piece in get_study("landscape").pieces(_grid(), "smoke", 0) if "untrained" in piece.name]
    bar_to = "keras_rnncap.studies.landscape.WorkProgress.to"

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("keras_rnncap.studies.landscape.populations_at_once", lambda: 1)
    monkeypatch.setattr("keras_rnncap.studies.landscape.AT_ONCE", 1)
    with monkeypatch.context() as patched:
        patched.setattr(bar_to, interrupt)
        with pytest.raises(KeyboardInterrupt):
            piece.run(tmp_path, {}, False)
    assert int(np.load(tmp_path / "counts.npz")["done"]) == 1
    piece.run(tmp_path, {}, False)
    again = pd.read_csv(tmp_path / "trials.csv")
    whole = counted[counted["piece"] == piece.name]
    assert again[["accuracy", "count"]].to_numpy().tolist() == whole[["accuracy", "count"]].to_numpy().tolist()
    (tmp_path / "counts.npz").write_bytes(b"no archive")
    with pytest.raises(InputError, match=r"counts\.npz is damaged"):
        piece.run(tmp_path, {}, False)


def _grid():
    return get_study("landscape").grid("smoke")


def test_fixed_points_and_paths_are_of_one_model(smoke):
    study = read_study(smoke["words"])
    assert set(of_part(study, "words")["kind"]) == {"word"}
    rows = of_part(study, "states")
    for _, own in rows[rows["kind"] != "probe"].groupby("cell"):
        assert own["trial"].nunique() == 1
        assert "path" in set(own["kind"])
        assert all(len(json.loads(state)) == 2 for state in own["state"].dropna())


def test_pieces_on_several_cores_give_the_rows_of_one_and_continue(tmp_path, monkeypatch):
    monkeypatch.setattr(run_module, "populations_at_once", lambda: 2)
    sizes = {"profile": "smoke", "cells": [RNN]}
    alone = run_study("initializations", **sizes, out=tmp_path / "alone")
    side_by_side = run_study("initializations", **sizes, out=tmp_path / "both", isolate=True)
    assert sorted(side_by_side.pieces["piece"]) == sorted(alone.pieces["piece"])
    assert len(alone.pieces) == 3
    numbers = ["piece", "trial", "accuracy", "last_accuracy", "epochs", "loss"]
    ordered = (
        rows.trials[numbers].sort_values(["piece", "trial"], ignore_index=True) for rows in (alone, side_by_side)
    )
    pd.testing.assert_frame_equal(*ordered, rtol=1e-5)
    file = tmp_path / "both" / "pieces.csv"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:-1]))  # as if killed before the last
    again = run_study("initializations", **sizes, out=tmp_path / "both", isolate=True)
    assert sorted(again.pieces["piece"]) == sorted(alone.pieces["piece"])


def test_cells_with_matrix_states_are_known_by_name():
    matrices = [name for name in CELLS if any(len(state.shape) > 1 for state in get_cell(name)(1).declare_states())]
    assert matrices == list(MATRIX_CELLS)
