"""Which cell holds what: numbers and verdicts on made rows, and a small run."""

import pandas as pd
import pytest
from scipy import stats
from studies.made import cells

from keras_rnncap.analysis.cells_study import (
    BLIND,
    SEEING,
    compute_capacity,
    compute_cells,
    compute_kept,
    compute_learned,
)
from keras_rnncap.analysis.exhibits import StudyRows
from keras_rnncap.cells import CELLS, get_cell
from keras_rnncap.studies import get_study, read_study, run_study
from keras_rnncap.studies.cells import state_numbers, units_for_state


def verdicts(rows):
    return [claim.verdict for claim in get_study("cells").exhibits(StudyRows(*rows)).claims]


def test_capacity_is_the_mean_over_seeds_with_students_interval():
    table = compute_capacity(cells({"gru": 3.0})[0]).set_index("params")
    low, high = stats.t.interval(0.95, 2, 3.25, stats.sem([3.15, 3.25, 3.35]))
    assert table.loc[300, ["bits", "low", "high"]].tolist() == pytest.approx([3.25, low, high])


def test_a_state_keeps_what_it_explains_of_the_inputs():
    table = compute_kept(cells({"lstm": 3.0}, kept=0.75)[0]).set_index("state")
    assert table["kept"].to_dict() == pytest.approx({32: 24.0, 64: 48.0})
    assert table["could"].to_dict() == {32: 32, 64: 64}


def test_settings_that_learn_are_counted_with_wilsons_interval():
    rows = StudyRows(*cells({"gru": 3.0, "rnn": 3.0}, learn={"gru": 0.8, "rnn": 0.1}))
    table = compute_learned(rows, "random").set_index("cell")
    assert table["share"].to_dict() == pytest.approx({"rnn": 0.1, "gru": 0.8})
    interval = stats.binomtest(16, 20).proportion_ci(method="wilson")
    assert table.loc["gru", ["low", "high"]].tolist() == pytest.approx([interval.low, interval.high])
    everything = compute_cells(rows).set_index("cell")
    assert everything.loc["gru", "learning rates, decades"] == "4.0"  # 0.8 of five decades
    assert list(everything.columns[:2]) == ["bits per parameter, 300", "bits per parameter, 1,000"]
    assert everything.loc["rnn", "bits per character, 20,000"] == "2.500"


def test_blind_gates_are_judged_by_ranks_and_matrices_by_what_they_keep():
    high, low = dict.fromkeys(SEEING, 3.0), dict.fromkeys(BLIND, 2.0)
    assert verdicts(cells(high | low)) == ["holds", "holds"]
    assert verdicts(cells(high | dict.fromkeys(BLIND, 4.0), kept=0.3)) == ["does not hold"] * 2
    assert verdicts(cells(high | dict.fromkeys(BLIND, 3.0), kept=0.7)) == ["undecided"] * 2
    assert verdicts(cells({"gru": 3.0, "lru": 2.0})) == ["undecided"] * 2


def test_every_cell_is_of_at_most_one_kind_and_known():
    assert not {*BLIND} & {*SEEING}
    assert {*BLIND, *SEEING} <= {*CELLS}


@pytest.mark.parametrize("cell", CELLS)
def test_units_are_the_most_whose_state_has_so_many_numbers(cell):
    for numbers in (16, 64):
        units = units_for_state(cell, numbers)
        assert state_numbers(cell, units + 1) > numbers
        assert units == 0 or state_numbers(cell, units) <= numbers


def test_an_output_is_not_counted_where_the_next_step_does_not_read_it():
    import keras
    import numpy as np

    for name in CELLS:
        cell = get_cell(name)(4)
        states = cell.declare_states()
        x, before = np.ones((1, 4), "float32"), [np.full((1, state.size), 0.5, "float32") for state in states]
        other = [before[0] + 1.0, *before[1:]]
        after = [cell(x, given)[1] for given in (before, other)]
        after = [one if isinstance(one, list | tuple) else [one] for one in after]
        same = all(np.allclose(*map(keras.ops.convert_to_numpy, pair)) for pair in zip(*after, strict=True))
        assert same == (states[0].name == "output"), name


def test_a_small_run_has_all_parts_and_makes_the_table(tmp_path):
    rows = run_study("cells", profile="smoke", cells=["mingru"], out=tmp_path)
    assert {*rows.pieces["part"]} == {"size", "memory", "random", "rates", "text"}
    rates = rows.trials[rows.trials["piece"].str.startswith("rates")]
    varied = rates.drop(columns=["trial"]).nunique()
    assert varied["hp.learning_rate"] == len(rates) == 2
    table = compute_cells(read_study(tmp_path))
    assert isinstance(table, pd.DataFrame)
    assert table["cell"].tolist() == ["mingru"]
