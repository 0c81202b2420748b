"""The numbers of the memory, scaling, trainability and robustness studies, on made tables whose answers are known."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from studies.made import memory, reruns, scaling, trainability

from keras_rnncap.analysis.exhibits import StudyRows
from keras_rnncap.analysis.memory_study import claim_one_number_per_unit, compute_memory, memory_exhibits
from keras_rnncap.analysis.robustness_study import claim_reruns, compute_reruns, robustness_exhibits
from keras_rnncap.analysis.scaling_study import (
    claim_parameters_decide,
    compute_scaling,
    compute_spread,
    scaling_exhibits,
)
from keras_rnncap.analysis.trainability_study import (
    claim_gated_train,
    claim_intersection_deep,
    claim_irnn_infeasible,
    compute_infeasible,
    compute_progress,
    compute_welch,
    of_one_budget,
    plot_progress,
    plot_random,
    trainability_exhibits,
    with_pieces,
)


def random_trials(**options):
    return with_pieces(StudyRows(*trainability(**options)), "random")


# ---- memory


@pytest.mark.parametrize(
    ("off", "verdict"), [(0.0, "holds"), (0.04, "holds"), (0.2, "does not hold"), (-0.2, "does not hold")]
)
def test_one_number_per_unit(off, verdict):
    table = compute_memory(memory(off)[0])
    assert claim_one_number_per_unit(table).verdict == verdict


def test_one_cell_off_the_curve_leaves_it_undecided():
    pieces, _ = memory()
    pieces.loc[pieces["cell"] == "lstm", "best_score"] += 0.3
    claim = claim_one_number_per_unit(compute_memory(pieces))
    assert claim.verdict == "undecided"
    assert "lstm 0.30" in claim.ours


def test_the_subspace_keeps_its_share_of_the_variance():
    table = compute_memory(memory()[0])
    assert table.set_index("units")["subspace"].groupby("units").first().to_dict() == {16: 0.75, 48: 0.25, 64: 0, 80: 0}


def test_memory_shows_a_figure_and_its_numbers():
    shown = memory_exhibits(StudyRows(*memory()))
    assert [exhibit.name for exhibit in shown.exhibits] == ["memory", "memory-table"]
    assert shown.exhibits[1].content.loc[0, "subspace"] == 0.75
    axes = shown.exhibits[0].content.axes[0]
    assert {line.get_label() for line in axes.lines} >= {"rnn", "lstm", "subspace of n_h dimensions"}


# ---- scaling


@pytest.mark.parametrize(("by", "verdict"), [("parameters", "holds"), ("units", "does not hold")])
def test_parameters_or_units_decide(by, verdict):
    table = compute_scaling(scaling(by)[0])
    tables = {str(task): own for task, own in table.groupby("task")}
    assert claim_parameters_decide(tables).verdict == verdict


def test_spread_is_the_part_that_a_line_leaves():
    x = np.exp(np.arange(5.0))
    y = np.array([1.0, 3.0, 2.0, 5.0, 4.0])
    fit = stats.linregress(np.log(x), y)
    made = pd.DataFrame({"parameters": x, "best_score": y})
    assert compute_spread(made, "parameters") == pytest.approx(np.sqrt(1 - fit.rvalue**2))


def test_scaling_shows_each_task_against_parameters_and_units():
    shown = scaling_exhibits(StudyRows(*scaling()))
    assert [exhibit.name for exhibit in shown.exhibits] == [
        "scaling-random-function",
        "scaling-random-function-table",
        "scaling-text8",
        "scaling-text8-table",
    ]
    assert [axes.get_xlabel() for axes in shown.exhibits[0].content.axes] == ["parameters", "units (misleading)"]


# ---- trainability


def test_infeasible_shares_have_wilsons_interval_and_the_papers_number_beside():
    table = compute_infeasible(random_trials()).set_index(["depth", "cell"])
    assert table.loc[(1, "irnn"), "infeasible %"] == 50
    assert table["untrained %"].isna().all()  # of earlier versions, that called both the same
    trials = random_trials()
    trials["status"] = trials["status"].replace("infeasible", "diverged")
    trials.loc[trials[trials["status"] == "completed"].groupby(["depth", "cell"]).head(4).index, "status"] = "untrained"
    apart = compute_infeasible(trials).set_index(["depth", "cell"])
    assert (apart["infeasible %"] == table["infeasible %"]).all()
    assert (apart["untrained %"] == 10).all()
    interval = stats.binomtest(20, 40).proportion_ci(method="wilson")
    assert table.loc[(1, "irnn"), "low %"] == round(100 * interval.low, 1)
    assert table.loc[(8, "+rnn"), "paper %"] == 8.8
    assert table.loc[(1, "gru"), "paper %"] == 15.5
    assert (1, "+rnn") not in table.index


def test_welchs_test_is_scipys_and_leaves_infeasible_trials_out():
    trials = random_trials()
    table = compute_welch(trials).set_index(["depth", "pair"])
    rnn, gru = (trials[(trials["cell"] == c) & (trials["depth"] == 8)]["score"].dropna() for c in ("rnn", "gru"))
    assert len(rnn) == 32
    assert table.loc[(8, "rnn / gru"), "t"] == pytest.approx(stats.ttest_ind(rnn, gru, equal_var=False).statistic)
    assert len(table.loc[1]) == 10
    assert len(table.loc[8]) == 15


def test_holms_correction_is_monotonous_and_never_below_the_p_value():
    table = compute_welch(random_trials(levels=dict.fromkeys(("rnn", "gru", "lstm", "ugrnn"), 2.0))).sort_values("p")
    for _, own in table.groupby("depth"):
        corrected = own["p (Holm)"].to_numpy()
        assert (np.diff(corrected) >= 0).all()
        assert (corrected >= own["p"]).all()
        assert corrected[0] == pytest.approx(min(1.0, 6 * own["p"].iloc[0]))


BETTER = dict(zip(("rnn", "irnn", "ugrnn", "gru", "lstm", "+rnn"), (3.0, 2.5, 2.0, 2.0, 2.0, 1.5), strict=True))


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [({}, "holds"), ({"gru": 3.5}, "does not hold"), ({"ugrnn": 3.0}, "undecided")],
)
def test_gated_cells_train_better(changes, verdict):
    assert claim_gated_train(random_trials(levels={**BETTER, **changes})).verdict == verdict


def test_a_pair_alone_does_not_make_a_claim_hold():
    assert claim_gated_train(random_trials(levels={"rnn": 3.0, "gru": 2.0}, depths=(1,))).verdict == "undecided"
    assert claim_gated_train(random_trials(levels={"rnn": 3.0})).verdict == "undecided"


def irnn(depth_1, deep, settings=200):
    """Trials of the IRNN with so many percent infeasible."""
    rows = [
        {"cell": "irnn", "depth": depth, "status": "infeasible" if trial < share * settings / 100 else "completed"}
        for depth, share in ((1, depth_1), (8, deep))
        for trial in range(settings)
    ]
    return pd.DataFrame(rows).assign(score=1.0)


@pytest.mark.parametrize(
    ("shares", "verdict"),
    [((56.7, 44.6), "holds"), ((50, 50), "holds"), ((50, 35), "undecided"), ((50, 10), "does not hold")],
)
def test_the_irnn_is_infeasible_half_the_time(shares, verdict):
    """The paper's own shares hold, with as many settings as the laptop has."""
    assert claim_irnn_infeasible(irnn(*shares)).verdict == verdict


def test_the_intersection_cell_is_best_deep():
    assert claim_intersection_deep(random_trials(levels=BETTER, spread=0.05)).verdict == "holds"
    worse = claim_intersection_deep(random_trials(levels={**BETTER, "+rnn": 3.5}, spread=0.05))
    assert worse.verdict == "does not hold"
    assert "better than 0 of 5 cells, worse than 5" in worse.statistic
    assert claim_intersection_deep(random_trials(levels=dict.fromkeys(BETTER, 2.0))).verdict == "undecided"
    assert claim_intersection_deep(random_trials(depths=(1,))).verdict == "undecided"
    assert claim_intersection_deep(random_trials(levels={"rnn": 2.0, "+rnn": 1.0})).verdict == "undecided"


def papers_reruns():
    """Table App.1."""
    return pd.DataFrame(
        [
            ("rnn", 1.16e-2, 1.41e-2, 8.21e-2),
            ("irnn", 4.20e-4, 2.24e-4, 5.02e-4),
            ("ugrnn", 1.02e-4, 3.66e-5, 2.71e-4),
            ("gru", 2.80e-4, 7.66e-5, 1.89e-4),
            ("lstm", 7.96e-4, 8.10e-4, 2.02e-3),
        ],
        columns=["cell", "original", "min", "mean"],
    )


def test_the_papers_own_reruns_hold():
    table = papers_reruns()
    assert claim_reruns(table).verdict == "holds"
    assert claim_reruns(table.assign(min=2 * table["original"])).verdict == "does not hold"
    assert claim_reruns(table.assign(mean=5 * table["mean"])).verdict == "does not hold"
    assert claim_reruns(table.assign(mean=2 * table["mean"])).verdict == "undecided"
    assert claim_reruns(table[:2]).verdict == "undecided"


def test_the_papers_t_values_stand_beside_ours_with_their_sign():
    table = compute_welch(random_trials(levels=BETTER)).set_index(["depth", "pair"])
    assert table["paper's t"].notna().all()
    assert table.loc[(1, "rnn / gru"), "paper's t"] == 26.5
    assert table.loc[(8, "gru / +rnn"), "paper's t"] == 23.6
    assert table.loc[(8, "rnn / lstm"), "paper's t"] == -1.53


def test_budgets_are_not_mixed():
    trials = random_trials()
    both = pd.concat([trials, trials[trials["trial"] < 10].assign(params=9_000, score=99.0)])
    assert of_one_budget(both)["params"].unique().tolist() == [5_000]


def test_progress_counts_infeasible_trials_as_worst():
    trials = pd.DataFrame(
        {"piece": "a", "task": "t", "cell": "rnn", "depth": 1, "objective": "loss", "direction": "min"}
        | {"trial": [0, 1, 2, 3], "score": [np.nan, 3.0, 1.0, 2.0]}
    )
    found = compute_progress(trials)
    assert found["best"].tolist()[1:] == [3.0, 1.0, 1.0]
    assert np.isnan(found["best"][0])
    assert found["median"].tolist()[2:] == [3.0, 2.5]
    up = compute_progress(trials.assign(direction="max"))
    assert up["best"].tolist()[1:] == [3.0, 3.0, 3.0]
    assert up["median"].tolist()[2:] == [1.0, 1.5]


def test_pictures_of_trials_have_all_cells():
    trials = random_trials()
    boxes = plot_random(trials)
    assert next(label.get_text() for label in boxes.axes[1].get_xticklabels()) == "+rnn"
    lines = plot_progress(compute_progress(trials))
    assert len(lines.axes) == 4


def test_trainability_shows_what_rows_allow():
    shown = trainability_exhibits(StudyRows(*trainability()))
    assert [e.name for e in shown.exhibits] == [
        "trainability-random",
        "trainability-infeasible",
        "trainability-welch",
    ]
    assert len(shown.claims) == 3


def test_reruns_are_compared_with_the_search_that_they_came_from():
    rows = StudyRows(*reruns(1.05))
    table = compute_reruns(rows)
    assert table["original"].tolist() == [1.0, 1.0]
    assert table["infeasible %"].tolist() == [10.0, 10.0]
    assert table["mean"].tolist() == pytest.approx([1.05, 1.05], abs=0.05)
    assert (table["s.d."] / table["mean"]).tolist() == pytest.approx(table["s.d. / mean"].tolist())
    assert table["paper's mean"].tolist() == [8.21e-2, 1.89e-4]
    assert len(robustness_exhibits(rows).claims) == 1
