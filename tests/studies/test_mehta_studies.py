"""The studies of Mehta: verdicts on made rows, and small runs of everything."""

import dataclasses
import itertools
import json
import re

import keras
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats
from studies.made_words import GRU, RNN, initializations, landscape, words

from keras_rnncap.analysis.exhibits import StudyRows
from keras_rnncap.analysis.initializations_study import compute_shares, compute_trainings, compute_vectors, of_part
from keras_rnncap.analysis.landscape_claims import within_draws
from keras_rnncap.analysis.landscape_study import compute_distances, compute_roughness
from keras_rnncap.analysis.words_study import (
    compute_fixed_points,
    compute_lengths,
    compute_memory,
    compute_pairs,
    compute_words,
    separation,
)
from keras_rnncap.cells import CELLS, get_cell
from keras_rnncap.errors import InputError
from keras_rnncap.initializers import derived_seed
from keras_rnncap.population import MemberBuilder, Population
from keras_rnncap.population.untrained import UntrainedModels, uniform_settings
from keras_rnncap.report import write_report
from keras_rnncap.studies import get_study, read_study, run_study
from keras_rnncap.studies import run as run_module
from keras_rnncap.studies.initializations import MATRIX_CELLS
from keras_rnncap.studies.landscape import CHUNK, perturbation
from keras_rnncap.studies.word_models import paper_task, train_word_models, with_word_vectors, word_members
from keras_rnncap.studies.words import STOPS_FIRST, SWAPPED


def verdicts(name, rows):
    return [claim.verdict for claim in get_study(name).exhibits(StudyRows(*rows)).claims]


def test_initializations_are_judged_by_fisher_and_by_the_best():
    assert verdicts("initializations", initializations()) == ["holds"] * 3 + ["undecided"] * 4
    worse = {("first", RNN): 0.8, ("first", GRU): 0.3, ("xor", RNN): 0.9, ("xor", GRU): 0.5}
    assert verdicts("initializations", initializations(worse))[0:3:2] == ["does not hold"] * 2
    assert verdicts("initializations", initializations(gap=0.2))[1] == "does not hold"
    same = dict.fromkeys(worse, 0.5)
    assert verdicts("initializations", initializations(same, gap=0.06)) == ["undecided"] * 7


def test_trained_word_vectors_are_judged_apart_from_fixed_ones():
    own = {RNN: 0.7, GRU: 0.2}
    found = verdicts("initializations", initializations(gap=0.2, vectors=own))
    assert found == ["holds", "does not hold", "undecided", "does not hold", "holds", "undecided", "undecided"]
    assert verdicts("initializations", initializations(vectors={RNN: 0.2, GRU: 0.7}))[3] == "holds"
    rows = StudyRows(*initializations(vectors=own))
    shares = {exhibit.name: exhibit.content for exhibit in get_study("initializations").exhibits(rows).exhibits}
    without = StudyRows(*initializations())
    other = {exhibit.name: exhibit.content for exhibit in get_study("initializations").exhibits(without).exhibits}
    pd.testing.assert_frame_equal(shares["initializations-shares-table"], other["initializations-shares-table"])


def test_a_gap_in_one_draw_of_words_is_not_one_of_capacity():
    assert verdicts("initializations", initializations(gap=0.2, draws=3))[1] == "does not hold"
    assert verdicts("initializations", initializations(gap=0.2, draws=3, easier=1))[1] == "holds"
    some = initializations(gap=0.2, draws=3, easier=1)
    some[1].loc[some[1]["piece"].str.endswith("-2") & some[1]["piece"].str.contains(RNN), "accuracy"] -= 0.06
    assert verdicts("initializations", some)[1] == "undecided"


def test_rules_that_nothing_learned_are_left_out_of_more_initializations():
    none = {("first", RNN): 0.1, ("first", GRU): 0.8, ("xor", RNN): 0.0, ("xor", GRU): 0.0}
    (claim, *_) = get_study("initializations").exhibits(StudyRows(*initializations(none))).claims
    assert claim.verdict == "holds"
    assert claim.ours.endswith("nothing learned xor at these shapes")
    none = {key: 0.0 for key in none}
    assert verdicts("initializations", initializations(none))[0] == "undecided"


def test_only_shapes_and_draws_that_both_cells_have_are_compared():
    pieces, trials = initializations(draws=2)
    late = pieces["piece"].str.startswith(f"first-{GRU}-15") | pieces["piece"].str.startswith(f"first-{GRU}-10")
    late |= pieces["piece"] == f"first-{GRU}-2-2-1"
    (claim, *_) = get_study("initializations").exhibits(StudyRows(pieces[~late], trials)).claims
    assert "first: GRU 312 of 390, RNN 117 of 390" in claim.ours  # ten shapes of one draw, three of another
    assert "xor: GRU 330 of 660, RNN 44 of 660" in claim.ours


@pytest.mark.parametrize(("gated", "ungated", "verdict"), [(0.8, 0.2, "holds"), (0.2, 0.8, "does not hold")])
def test_kinds_of_cells_are_judged_over_cells(gated, ungated, verdict):
    names = ("lstm", "gru", "mgu", "mut1", "lem", "janet", "mingru", "slstm")
    others = [(cell, gated + 0.03 * place) for place, cell in enumerate(names)]
    others += [(cell, ungated - 0.03 * place) for place, cell in enumerate(("rnn", "irnn", "indrnn", "lru"))]
    shares = {("first", RNN): ungated, ("first", GRU): gated, ("xor", RNN): 0.1, ("xor", GRU): 0.2}
    assert verdicts("initializations", initializations(shares, others=others))[-1] == verdict
    assert verdicts("initializations", initializations(shares, others=others[:8]))[-1] == "undecided"
    # Variants of a cell are one family: four of them do not make a difference significant.
    variants = [*others[:1], *((f"lstm-{kind}", gated) for kind in "bifo"), *others[-3:]]
    assert verdicts("initializations", initializations(shares, others=variants))[-1] == "undecided"


def test_shares_are_over_the_shapes_and_draws_that_all_cells_have():
    shares = compute_shares(compute_trainings(StudyRows(*initializations(draws=2))))
    first = shares[shares["rule"] == "first"].set_index("cell")
    assert list(first.index) == [GRU, "lstm", RNN]
    assert first["trainings"].tolist() == [480] * 3
    interval = stats.binomtest(480 * 3 // 10, 480).proportion_ci(method="wilson")
    assert first.loc[RNN, ["low", "high"]].tolist() == pytest.approx([interval.low, interval.high])
    of_lstm, of_rnn = (stats.fisher_exact([[384, 96], [good, 480 - good]]).pvalue for good in (288, 144))
    assert first["fewer"].tolist() == pytest.approx([np.nan, of_lstm, 2 * of_rnn], nan_ok=True, rel=1e-6)
    assert shares[shares["rule"] == "xor"]["trainings"].tolist() == [540 + 120] * 2


def test_trained_word_vectors_stand_beside_fixed_ones_of_the_same_shape():
    rows = initializations(draws=2, gap=0.2, vectors={RNN: 0.5, GRU: 0.9})
    table = compute_vectors(compute_trainings(StudyRows(*rows))).set_index(["rule", "cell", "word_dim", "units"])
    assert len(table) == 2 * 2 * 4
    both = table.loc[("first", RNN, 2, 4)]
    assert both[["trained: share", "fixed: share"]].tolist() == pytest.approx([0.5, 0.0])
    assert both[["trained: best", "fixed: best"]].tolist() == [1.0, 0.8]
    assert (table[["trained: trainings", "fixed: trainings"]] == [30, 60]).all(axis=None)
    interval = stats.binomtest(27, 30).proportion_ci(method="wilson")
    own = table.loc[("xor", GRU, 2, 2), ["trained: low", "trained: high"]]
    assert own.tolist() == pytest.approx([interval.low, interval.high])
    assert compute_vectors(compute_trainings(StudyRows(*initializations()))).empty


def test_the_landscape_is_judged_by_distances_and_permutations():
    of_trained = ["undecided"] * 3
    assert verdicts("landscape", landscape()) == ["holds"] * 5 + of_trained + ["holds"] * 2
    other = landscape(0.2, rougher=-0.08, straighter=-0.2, recovers=(0.95, 0.7), returns=0.2)
    assert verdicts("landscape", other) == ["does not hold"] * 5 + of_trained + ["does not hold"] * 2
    alike = landscape(shift=0.03, rougher=0.0, straighter=0.005, recovers=(0.9, 0.9), returns=0.52)
    assert verdicts("landscape", alike)[2:5] == ["undecided"] * 3
    assert verdicts("landscape", alike)[-2:] == ["holds", "undecided"]
    few = landscape(models=4)
    assert verdicts("landscape", few)[2:5] == ["undecided"] * 3
    pieces, trials = landscape()
    some = trials["piece"].str.endswith(f"{RNN}-2-4") & (trials["trial"] > 3) & trials["kind"].notna()
    claims = get_study("landscape").exhibits(StudyRows(pieces, trials[~some])).claims
    assert [claim.verdict for claim in claims[2:5]] == ["undecided"] * 3
    assert all("too few at 2 x 4: n = 12 and 4" in claim.ours for claim in claims[2:5])


def test_models_with_trained_word_vectors_are_compared_apart():
    pieces, trials = landscape()
    other = [table.assign(piece=table["piece"] + "-vectors") for table in landscape(rougher=-0.08)]
    other[0]["vectors"] = "trained"
    of_trained = other[0]["part"] == "trained"
    rows = StudyRows(pd.concat([pieces, other[0][of_trained]]), pd.concat([trials, other[1]]))
    claims = get_study("landscape").exhibits(rows).claims
    alone = get_study("landscape").exhibits(StudyRows(pieces, trials)).claims
    assert claims[2:5] == alone[2:5]
    assert [claim.verdict for claim in claims[5:8]] == ["does not hold", "holds", "holds"]
    assert claims[5].ours.startswith("2 x 4 with trained word vectors: GRU")


def test_shapes_of_which_nothing_ended_good_are_told():
    pieces, trials = landscape()
    none = trials["piece"].str.endswith("-2-4") & trials["kind"].notna()
    smoother = get_study("landscape").exhibits(StudyRows(pieces, trials[~none])).claims[2]
    assert smoother.verdict == "undecided"
    assert smoother.ours.endswith("too few at 2 x 4: n = 0 and 0")
    pieces, trials = landscape(rougher=-0.08)
    reverse = get_study("landscape").exhibits(StudyRows(pieces, trials[~none])).claims[2]
    assert reverse.verdict == "does not hold"


def test_recovery_is_by_what_models_were_before():
    pieces, trials = landscape(recovers=(0.8, 0.9))
    is_gru = trials["piece"].str.contains(GRU)
    trials.loc[is_gru, "trained_accuracy"] = 1.0
    trials.loc[~is_gru, "trained_accuracy"] = 0.85
    assert get_study("landscape").exhibits(StudyRows(pieces, trials)).claims[4].verdict == "does not hold"


def test_a_little_change_is_small_both_ways():
    for returns, verdict in ((1.2, "holds"), (0.85, "holds"), (1.6, "undecided"), (2.5, "does not hold")):
        assert verdicts("landscape", landscape(returns=returns))[-1] == verdict


def test_as_many_solutions_are_seen_in_solutions_alone():
    assert verdicts("landscape", landscape(solutions=(40, 40)))[1] == "holds"
    pieces, trials = landscape(solutions=(40, 4000))
    # Without the many settings just above 90%, those at 92.5% are all the solutions there are.
    rare = trials[trials["count"].isna() | (trials["accuracy"] <= 0.9) | (trials["trial"] == 185)]
    assert verdicts("landscape", (pieces, rare))[:2] == ["holds", "does not hold"]
    none = trials[trials["count"].isna() | (trials["accuracy"] <= 0.9)]
    assert verdicts("landscape", (pieces, none))[1] == "undecided"


def test_cells_are_compared_within_draws():
    noise = 0.01 * np.random.default_rng(0).normal(size=44)
    table = pd.DataFrame({"cell": [RNN] * 22 + [GRU] * 22, "draw": [1] * 20 + [0] * 2 + [1] * 2 + [0] * 20})
    # In the hard draw are the RNNs. Both cells are as good in each draw; then GRUs are worse in each.
    table["score"] = np.where(table["draw"] == 1, 0.2, 0.9) + noise
    difference, p_value = within_draws(table, "score")
    assert abs(difference) < 0.02
    assert p_value > 0.05
    worse = table.assign(score=table["score"] - 0.1 * (table["cell"] == GRU))
    difference, p_value = within_draws(worse, "score")
    assert difference == pytest.approx(-0.1, abs=0.02)
    assert p_value < 0.01
    alone = pd.concat([worse, pd.DataFrame({"cell": GRU, "draw": 2, "score": [5.0] * 30})])
    assert within_draws(alone, "score") == pytest.approx((difference, p_value), abs=1e-3)
    assert np.isnan(within_draws(table[(table["cell"] == GRU) == (table["draw"] == 0)], "score")[0])
    # Of one draw it is the test of SciPy.
    one = table.assign(draw=0, score=noise + 0.004 * (table["cell"] == GRU))
    (gru, rnn) = (one[one["cell"] == cell]["score"] for cell in (GRU, RNN))
    theirs = stats.permutation_test((gru, rnn), lambda a, b: a.mean() - b.mean(), n_resamples=5_000, rng=1).pvalue
    assert 0.02 < theirs < 0.9
    assert within_draws(one, "score") == pytest.approx((gru.mean() - rnn.mean(), theirs), abs=0.03)


def test_draws_of_several_seeds_are_several():
    pieces, trials = landscape()
    tables = [
        (
            pieces.assign(piece=pieces["piece"] + f"-{place}", **labels),
            trials.assign(piece=trials["piece"] + f"-{place}"),
        )
        for place, labels in enumerate(({"seed": 0}, {"seed": 0, "draw": 1.0}, {"seed": 1, "draw": 0.0}))
    ]
    rows = StudyRows(*(pd.concat(each, ignore_index=True) for each in zip(*tables, strict=True)))
    of_all = of_part(rows, "trained")
    draws = of_all.groupby(of_all["piece"].str[-1])["draw"].unique().str[0]
    assert draws.to_dict() == {"0": 0, "1": 1, "2": 2}
    found = compute_roughness(of_all[of_all["kind"] == "path"])
    assert found.groupby(["cell", "word_dim", "draw"]).size().tolist() == [12] * 12


def test_trainings_of_several_pieces_are_not_taken_for_one():
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
    assert row[f"{GRU} top"] == samples[GRU].max()


def test_the_top_is_what_one_setting_in_ten_thousand_reaches():
    values = np.sort(np.random.default_rng(0).normal(size=40_000))
    table = pd.DataFrame({"cell": RNN, "word_dim": 2, "units": 2, "accuracy": values, "count": 1})
    (row,) = compute_distances(table).to_dict("records")
    assert (values >= row[f"{RNN} top"]).sum() in (4, 5)


def test_words_are_judged_by_norms_margins_and_ranks():
    assert verdicts("words", words()) == ["holds"] * 8
    worse = words(stop=0.01, apart=0.0, remembers=(2000, 15), long=(0.95, 0.7), left=(0.1, 0.8), swapped=(0.7, 0.9))
    assert verdicts("words", worse) == ["does not hold", "holds", *["does not hold"] * 6]
    alike = words(stop=0.07, remembers=(100, 100), long=(0.8, 0.8), left=(0.5, 0.5), swapped=(0.9, 0.9))
    assert verdicts("words", alike) == ["undecided", *["holds"] * 3, *["undecided"] * 4]
    assert verdicts("words", words(models=2))[4:] == ["undecided"] * 4
    assert verdicts("words", words(across=0.5))[1] == "does not hold"
    assert verdicts("words", words(across=0.2))[1] == "undecided"


def _in_draws(*draws):
    tables = [
        (
            pieces.assign(piece=pieces["piece"] + f"-{draw}", draw=draw),
            trials.assign(piece=trials["piece"] + f"-{draw}"),
        )
        for draw, (pieces, trials) in enumerate(draws)
    ]
    return tuple(pd.concat(each, ignore_index=True) for each in zip(*tables, strict=True))


def test_words_are_compared_within_the_draws_that_both_cells_have():
    pieces, trials = words()
    none = trials["piece"].str.endswith(RNN) & trials["kind"].isin(("probe", "length", "pairs"))
    no_rnn = (pieces, trials.assign(accuracy=trials["accuracy"].where(~none, 0.9)))
    # In the draw without good RNNs, GRUs forget at once; that says nothing.
    forgetful = words(remembers=(15, 2), long=(0.7, 0.6))
    without = (forgetful[0], forgetful[1].assign(accuracy=forgetful[1]["accuracy"].where(~none, 0.9)))
    assert verdicts("words", _in_draws(words(), without)) == ["holds"] * 8
    assert verdicts("words", _in_draws(no_rnn, no_rnn))[4:] == ["undecided"] * 4
    (*_, generalizes) = get_study("words").exhibits(StudyRows(*_in_draws(words(), without))).claims
    assert generalizes.ours.endswith("(n = 8), of 1 draws")
    both = get_study("words").exhibits(StudyRows(*_in_draws(words(), words()))).claims
    assert both[-1].ours.endswith("(n = 16), of 2 draws")


def test_figure_1_is_judged_by_medians_over_draws_whose_words_are_apart():
    apart, crossed = words(), words(apart=0.0, across=0.5)
    assert verdicts("words", _in_draws(apart, apart, crossed))[1:4] == ["holds", "undecided", "holds"]
    assert verdicts("words", _in_draws(apart, crossed, crossed))[1:4] == ["does not hold"] * 3
    pieces, trials = crossed
    drawn_so = trials.assign(vector=trials["product"].where(trials["kind"] == "word", trials["vector"]))
    lost = get_study("words").exhibits(StudyRows(pieces, drawn_so)).claims[2]
    assert (lost.verdict, lost.statistic) == ("undecided", "no draw of which the words themselves are 0.1 apart")


def test_cells_with_more_draws_are_shown_with_those_of_the_others():
    pieces, trials = _in_draws(words(), words(remembers=(30, 3000)))
    of_first = pieces["piece"].str.contains(GRU) & (pieces["draw"] == 1)
    names = set(pieces.loc[~of_first, "piece"])
    rows = StudyRows(pieces[~of_first], trials[trials["piece"].isin(names)])
    shown = {exhibit.name: exhibit.content for exhibit in get_study("words").exhibits(rows).exhibits}
    assert shown["words-memory"]["models"].tolist() == [8, 8]
    assert shown["words-table"]["draw"].tolist() == [0, 0, 1]


def test_numbers_of_words_are_those_by_hand():
    rows = StudyRows(*words(stop=0.5, apart=0.8, remembers=(100, 3900)))
    table = compute_words(of_part(rows, "words")).set_index("cell")
    assert table["stop norm"].tolist() == pytest.approx([0.5, 0.5])
    assert table["margin"].tolist() == pytest.approx([1.0, 1.0])
    assert table["collinear"].tolist() == pytest.approx([1.0, 1.0])
    assert table["stop line"].tolist() == pytest.approx([1.0, 1.0])
    apart = compute_words(of_part(StudyRows(*words(stop=0.5, across=0.3)), "words"))
    assert apart["stop line"].tolist() == pytest.approx([0.5**2 / (0.5**2 + 0.3**2)] * 2)
    states = of_part(rows, "states")
    memory = compute_memory(states[states["kind"] == "probe"]).set_index("cell")
    assert memory.loc[RNN, "median"] == pytest.approx(np.median(100 * (1 + 0.1 * np.arange(8))))
    fixed = compute_fixed_points(states).set_index("cell")
    assert fixed.loc[RNN, ["fixed points", "stable", "slowest"]].tolist() == [2, 1, 0.5]
    assert memory["never wrong"].to_dict() == {RNN: 0, GRU: 7}
    lengths = compute_lengths(states[states["kind"] == "length"]).set_index("cell")
    assert lengths.loc[GRU].to_dict() == {"models": 8, "10 words": 0.99, "100 words": pytest.approx(0.9535)}
    pairs = compute_pairs(states).set_index(["cell", "pair"])
    assert pairs.loc[RNN, "together from"].fillna(-1).tolist() == [-1, 8, 8, 8]
    assert pairs.loc[(GRU, "two words swapped"), ["solid", "dashed"]].tolist() == ["positive, wrong", "negative, wrong"]


def test_a_memory_is_of_the_word_to_which_the_answer_is_wrong_first():
    common = {"cell": RNN, "draw": 0, "accuracy": 1.0, "probed": 100}
    untils = {0: [10, np.nan, np.nan, 30], 1: [20, 20, 40, np.nan], 2: [np.nan] * 4, 3: [9, 9, np.nan, np.nan]}
    rows = [{**common, "trial": trial, "until": until} for trial, each in untils.items() for until in each]
    rows.append({**common, "cell": GRU, "trial": 0, "until": 20, "accuracy": 0.9})
    table = compute_memory(pd.DataFrame(rows)).set_index("cell")
    assert (table.loc[GRU, "models"], table.loc[GRU, "median"]) == (0, pytest.approx(np.nan, nan_ok=True))
    memory = table.loc[RNN]
    assert memory[["models", "median", "never wrong"]].tolist() == [4, 15, 1]


def test_of_several_seeds_models_are_all_counted_and_the_best_is_shown():
    pieces, trials = words()
    later = [table.assign(piece=table["piece"] + "-seed1") for table in (pieces, trials)]
    later[1]["accuracy"] += 0.005
    both = StudyRows(*(pd.concat(each, ignore_index=True) for each in zip((pieces, trials), later, strict=True)))
    shown = {exhibit.name: exhibit.content for exhibit in get_study("words").exhibits(both).exhibits}
    assert shown["words-memory"]["models"].tolist() == [16] * 2
    assert shown["words-lengths"]["models"].tolist() == [16] * 2
    assert shown["words-table"]["accuracy"].tolist() == [0.995] * 2
    assert shown["words-fixed-points"]["fixed points"].tolist() == [2] * 2
    assert len(shown["words-pairs"]) == 8


def test_parts_of_a_study_have_a_report():
    pieces, trials = words()
    others = (table.assign(piece=table["piece"].str.replace(GRU, "lstm")) for table in (pieces, trials))
    pieces, trials = others
    pieces = pieces.assign(cell=pieces["cell"].replace(GRU, "lstm"))
    lstm = StudyRows(pieces[pieces["cell"] == "lstm"], trials)
    assert "words-memory" in {exhibit.name for exhibit in get_study("words").exhibits(lstm).exhibits}
    pieces, trials = initializations()
    trained = StudyRows(pieces[:1].assign(part="trained", vectors="trained"), trials)
    assert verdicts("initializations", trained) == ["undecided"] * 7


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=4, max_size=4, unique=True))
def test_pairs_are_separable_where_a_line_is_between_them(points):
    one, other = np.array(points[:2], float), np.array(points[2:], float)
    if not (one.mean(axis=0) == other.mean(axis=0)).all():
        signed = np.concatenate([np.c_[one, np.ones(2)], -np.c_[other, np.ones(2)]])
        found = optimize.linprog(np.zeros(3), -signed, -np.ones(4), bounds=[(None, None)] * 3)
        assert (separation(one, other) > 1e-5) == (found.status == 0)


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


def _piece(part, cell, vectors=None, **changes):
    pieces = [one for one in get_study("landscape").pieces(_grid(), "smoke", 0) if one.labels["part"] == part]
    (piece,) = [one for one in pieces if (one.settings["cell"], one.settings.get("vectors")) == (cell, vectors)]
    return dataclasses.replace(piece, settings={**piece.settings, **changes})


def _numpy_answers(cell, weights, inputs):
    """Whether models answer yes."""
    logits = _numpy_logits(cell, weights, inputs)
    return logits[:, 1] > logits[:, 0]


def _numpy_logits(cell, weights, inputs):
    """The answers of models, from the paper's equations 1 to 6; `weights` by name."""
    h = np.zeros((len(inputs), weights["recurrent_kernel"].shape[0]))
    names = ("hidden",) if cell == RNN else ("update", "reset", "candidate")
    parts = {key: np.split(weights[key], len(names), -1) for key in ("kernel", "recurrent_kernel")}
    of_input, of_state = np.split(weights["bias"], 2)
    biases = (np.split(of_input, len(names)), np.split(of_state, len(names)))
    for step in np.moveaxis(inputs, 1, 0):
        x = [step @ kernel + bias for kernel, bias in zip(parts["kernel"], biases[0], strict=True)]
        u = [h @ kernel + bias for kernel, bias in zip(parts["recurrent_kernel"], biases[1], strict=True)]
        if cell == RNN:
            h = np.tanh(x[0] + u[0])
        else:
            z, r = (1 / (1 + np.exp(-x[gate] - u[gate])) for gate in (0, 1))
            h = (1 - z) * np.tanh(x[2] + r * u[2]) + z * h
    return h @ weights["readout_kernel"] + weights["readout_bias"]


@pytest.mark.parametrize("cell", [RNN, GRU])
def test_untrained_settings_are_as_right_as_the_equations_say(cell, tmp_path):
    piece = _piece("untrained", cell, settings=40)
    piece.run(tmp_path, {}, False)
    rows = pd.read_csv(tmp_path / "trials.csv")
    task = paper_task("first", 2, 0)
    words = task.words("validation")
    positive = words[np.arange(len(words)), (words >= 6).argmax(axis=1)] < 8
    names = ("kernel", "recurrent_kernel", "bias", "readout_kernel", "readout_bias")
    model = MemberBuilder(cell, 2, 1, 2, 2)(word_members(2, [0])[0])
    shapes = [weight.shape for weight in model.trainable_weights]
    assert [weight.name for weight in model.trainable_weights] == [name.removeprefix("readout_") for name in names]

    def accuracies(settings):
        for setting in settings.astype(float):
            parts = np.split(setting, np.cumsum([np.prod(shape) for shape in shapes])[:-1])
            weights = {name: part.reshape(shape) for name, part, shape in zip(names, parts, shapes, strict=True)}
            yield (_numpy_answers(cell, weights, task.vectors[words].astype(float)) == positive).mean()

    drawn = uniform_settings(0, 0, CHUNK, model, 1 / np.sqrt(2))
    found = np.repeat(rows["accuracy"], rows["count"])
    expected = np.sort([*accuracies(drawn[:40])])
    np.testing.assert_allclose(np.sort(found), expected, atol=2e-3)  # logits that are nearly equal
    wide = UntrainedModels(model, task.vectors, words, positive).accuracies(6 * drawn)[:40]
    np.testing.assert_allclose(wide, [*accuracies(6 * drawn[:40])], atol=2e-3)
    assert np.ptp(wide) > 0.02


def test_paths_and_perturbations_are_those_of_the_trained_weights(tmp_path, monkeypatch):
    monkeypatch.setattr("keras_rnncap.studies.landscape.GOOD_PATH", 0.0)
    monkeypatch.setattr("keras_rnncap.studies.landscape.GOOD_MINIMUM", 0.0)
    assert _piece("trained", GRU, perturbed=2).run(tmp_path, {}, False)["draw"] == 0
    table = pd.read_csv(tmp_path / "trials.csv")
    paths, rows = (table[table["kind"] == kind] for kind in ("path", "perturbation"))
    seeds = [derived_seed(0, number) for number in range(3)]
    trained = train_word_models(GRU, 2, paper_task("first", 2, 0), seeds, epochs=2, keep=True)
    for number in range(3):
        start, *after = trained.weights[:, number]
        for epoch, (one, other) in enumerate(itertools.pairwise((start, *after)), 1):
            update, whole = other - one, after[-1] - start
            (row,) = paths[(paths["trial"] == number) & (paths["epoch"] == epoch)].to_dict("records")
            cosine = update @ whole / np.linalg.norm(update) / np.linalg.norm(whole)
            assert row["cosine"] == pytest.approx(cosine, abs=1e-4)
    last = trained.weights[-1]
    for number, k in itertools.product((0, 1), (0.1, 1.0)):
        own = rows[(rows["trial"] == number) & (rows["factor"] == k)].sort_values("epoch")
        assert own["epoch"].tolist() == [0, 1, 2]
        noise = k * perturbation(last[number], trained.population.slots, 2, [0, 3, number])
        assert own["distance"].iloc[0] == pytest.approx(np.linalg.norm(noise), rel=1e-3)
        assert own["trained_accuracy"].tolist() == pytest.approx([trained.last[number]] * 3)
        assert own["trained_loss"].tolist() == pytest.approx([trained.loss[-1, number]] * 3, rel=1e-4)
    assert rows["trial"].nunique() == 2


def test_noise_leaves_trained_word_vectors_as_they_are(tmp_path, monkeypatch):
    monkeypatch.setattr("keras_rnncap.studies.landscape.GOOD_MINIMUM", 0.0)
    row = _piece("trained", GRU, vectors="trained", perturbed=1).run(tmp_path, {}, False)
    assert (row["vectors"], row["parameters"]) == ("trained", 20 + 36 + 6)
    population = Population(MemberBuilder(with_word_vectors(GRU, 2), 2, 1, 10, 2), word_members(2, [0]))
    noise = perturbation(np.array(population.rows)[0], population.slots, 2, [0])
    assert population.slots[0].name == "word_vectors"
    assert not noise[:20].any()
    assert noise[20:].all()


@pytest.mark.parametrize("cell", ["+rnn", "lru", "mingru"])
def test_cells_that_read_their_input_elsewhere_have_no_word_vectors(cell):
    with pytest.raises(InputError, match=f"in its step alone, as rnn and gru do; got {re.escape(repr(cell))}"):
        with_word_vectors(cell, 2)


@pytest.mark.parametrize("cell", [RNN, GRU])
def test_trained_word_vectors_are_looked_up_and_move(cell):
    vectors = with_word_vectors(cell, 2)
    trained = train_word_models(vectors, 3, paper_task("first", 0), [4, 5], epochs=1, keep=True)
    model = trained.population.member(0)
    weights = {weight.name: np.array(weight, float) for weight in model.layers[1].cell.trainable_weights}
    weights |= {f"readout_{weight.name}": np.array(weight, float) for weight in model.layers[-1].trainable_weights}
    task = paper_task("first", 0)
    words = task.words("validation")[:200]
    expected = _numpy_logits(cell, weights, weights["word_vectors"][words])
    np.testing.assert_allclose(np.array(model(task.vectors[words])), expected, atol=1e-5)
    start, end = trained.weights[..., :20]
    assert (start != end).all()
    assert (start[0] != start[1]).all()
    assert 0.5 < start.std() < 1.5
    again = train_word_models(vectors, 3, paper_task("first", 0), [5], epochs=1, keep=True)
    np.testing.assert_array_equal(again.weights[0, 0], trained.weights[0, 1])


def test_noise_is_of_any_cell():
    for cell in ("fastgrnn", "s6", "lru"):
        population = Population(MemberBuilder(cell, 3, 1, 2, 2), word_members(3, [0]))
        row = np.array(population.rows)[0]
        noise = perturbation(row, population.slots, 3, [0])
        assert noise.any()
        np.testing.assert_allclose(perturbation(2 * row, population.slots, 3, [0]), 2 * noise)


def test_noise_has_the_deviation_of_each_matrix_of_the_equations():
    population = Population(MemberBuilder(GRU, 200, 1, 100, 2), word_members(200, [0]))
    model = population.member(0)
    kernel, bias = model.layers[1].cell.kernel, model.layers[1].cell.bias
    kernel.assign(np.array(kernel) * np.repeat([1.0, 3.0, 9.0], 200))
    bias.assign(np.array(bias) * np.repeat([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 200))
    weights = model.trainable_weights
    row = np.concatenate([slot.to_row(np.array(one)) for slot, one in zip(population.slots, weights, strict=True)])
    noise = perturbation(row, population.slots, 200, [0])
    parts = np.split(noise, np.cumsum([slot.size for slot in population.slots])[:-1])
    of_kernel, of_bias = (
        slot.from_row(part)
        for slot, part in zip(population.slots, parts, strict=True)
        if slot.layer == 0 and slot.name in ("kernel", "bias")
    )
    for noisy, weight, count in ((of_kernel, kernel, 3), (of_bias, bias, 6)):
        for one, other in zip(np.split(noisy, count, -1), np.split(np.array(weight), count, -1), strict=True):
            assert one.std() == pytest.approx(other.std(), rel=0.2)


def test_answers_to_one_word_and_at_other_lengths_are_those_of_the_best_model(smoke):
    rows = of_part(read_study(smoke["words"]), "states")
    for cell, own in rows.groupby("cell"):
        piece, best = own["piece"].iloc[0], own.loc[own["kind"] == "path", "trial"].iloc[0]
        model = keras.saving.load_model(smoke["words"] / "pieces" / piece / "best" / "model.keras")
        task = paper_task("count", 4, 0)
        stops = np.random.default_rng([0, 5]).integers(0, 6, 20)
        for _, probe in own[(own["kind"] == "probe") & (own["trial"] == best)].iterrows():
            until = np.nan
            for count in range(20, 8, -1):
                (logits,) = np.array(model(task.vectors[[[int(probe["word"]), *stops[:count]]]]))
                if (logits[1] > logits[0]) != (probe["word"] < 8):
                    until = count
            assert probe["until"] == pytest.approx(until, nan_ok=True), cell
        longer = own[(own["kind"] == "length") & (own["trial"] == best) & (own["length"] == 20)]
        score = paper_task("count", 4, 0, length=20).score(model, "validation")
        assert longer["accuracy_at_length"].tolist() == pytest.approx([score], abs=1e-3)


@pytest.mark.parametrize("cell", [RNN, GRU])
def test_many_pairs_are_read_by_each_good_model(cell, tmp_path, monkeypatch):
    monkeypatch.setattr("keras_rnncap.studies.words.GOOD", 0.0)
    study = get_study("words")
    pieces = study.pieces(study.grid("smoke"), "smoke", 0)
    (piece,) = [one for one in pieces if one.labels["part"] == "states" and one.settings["cell"] == cell]
    piece.run(tmp_path, {}, False)
    table = pd.read_csv(tmp_path / "trials.csv")
    rows = table[table["kind"] == "pairs"].set_index("trial")
    assert rows.index.tolist() == [0, 1, 2]
    task, rng = paper_task("count", 4, 0), np.random.default_rng([0, 7])
    first, swapped = (np.concatenate([pair.drawn(task, rng) for _ in range(200)]) for pair in (STOPS_FIRST, SWAPPED))
    assert (first[0::2, :3] < 6).all()
    assert (first[1::2, :3] >= 6).all()
    assert (first[0::2, 3:] == first[1::2, 3:]).all()
    assert (swapped[0::2, [1, 0]] == swapped[1::2, :2]).all()
    positive = np.isin(swapped, (6, 7)).sum(axis=1) > np.isin(swapped, (8, 9)).sum(axis=1)
    trained = train_word_models(cell, 2, task, [derived_seed(0, number) for number in range(3)], epochs=2)
    for number in range(3):
        model = trained.population.member(number)
        own = {weight.name: np.array(weight, float) for weight in model.layers[1].cell.trainable_weights}
        readout = {f"readout_{weight.name}": np.array(weight, float) for weight in model.layers[-1].trainable_weights}
        right = (_numpy_answers(cell, own | readout, task.vectors[swapped]) == positive).mean()
        assert rows.loc[number, "swapped_right"] == pytest.approx(right, abs=0.006)  # logits that are nearly equal
        states = {"readout_kernel": np.eye(2), "readout_bias": np.zeros(2)}
        apart = [
            np.linalg.norm(
                np.subtract(*(_numpy_logits(cell, own | states, task.vectors[side]) for side in sides)), axis=1
            )
            for sides in ((first[0::2, :3], first[1::2, :3]), (first[0::2], first[1::2]))
        ]
        assert rows.loc[number, "left_of_first"] == pytest.approx(np.median(apart[1] / apart[0]), rel=1e-3, abs=1e-6)


def test_fixed_points_and_paths_are_of_one_model(smoke):
    study = read_study(smoke["words"])
    assert set(of_part(study, "words")["kind"]) == {"word"}
    rows = of_part(study, "states")
    for _, own in rows[rows["kind"].isin(("path", "fixed point"))].groupby("cell"):
        assert own["trial"].nunique() == 1
        assert "path" in set(own["kind"])
        assert all(len(json.loads(state)) == 2 for state in own["state"].dropna())


def test_pieces_on_several_cores_give_the_rows_of_one_and_continue(tmp_path, monkeypatch):
    monkeypatch.setattr(run_module, "populations_at_once", lambda: 2)
    sizes = {"profile": "smoke", "cells": [RNN]}
    alone = run_study("initializations", **sizes, out=tmp_path / "alone")
    side_by_side = run_study("initializations", **sizes, out=tmp_path / "both", isolate=True)
    assert sorted(side_by_side.pieces["piece"]) == sorted(alone.pieces["piece"])
    assert len(alone.pieces) == 4
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
