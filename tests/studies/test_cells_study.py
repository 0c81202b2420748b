"""Which cell holds what: numbers and verdicts on made rows, and a small run."""

import json

import keras
import numpy as np
import pandas as pd
import pytest
from keras.layers import RNN
from scipy import stats
from studies.made import cells

from keras_rnncap.analysis.cells_study import (
    compute_capacity,
    compute_cells,
    compute_gates,
    compute_kept,
    compute_learned,
)
from keras_rnncap.analysis.exhibits import StudyRows
from keras_rnncap.cells import CELLS, get_cell
from keras_rnncap.datasets import make_task
from keras_rnncap.population import Member, MemberBuilder, Population
from keras_rnncap.studies import get_study, read_study, run_study
from keras_rnncap.studies.blind_gates import TWINS
from keras_rnncap.studies.cells import state_numbers, units_for_state
from keras_rnncap.studies.whole_state import whole_state
from keras_rnncap.training import TrainingSettings


def grid():
    return get_study("cells").grid("smoke")


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
    assert everything.loc["gru", "learning rates, decades"].startswith("4.0 (")  # 0.8 of five decades
    assert list(everything.columns[:2]) == ["bits per parameter, 300", "bits per parameter, 1,000"]
    assert everything.loc["rnn", "bits per character, 20,000"] == "2.500"


def test_a_setting_that_knows_only_how_frequent_answers_are_did_not_learn():
    pieces, trials = cells({"gru": 3.0})
    trials.loc[trials["cross_entropy_nats"] > 1, "cross_entropy_nats"] = 1.01  # near the limit of the made rows
    assert compute_learned(StudyRows(pieces, trials), "random")["share"].tolist() == [0.5]
    piece = next(one for one in get_study("cells").pieces(grid(), "smoke", 0) if one.labels["part"] == "random")
    task = make_task(piece.settings["task"])
    assert piece.labels["learned_at"] == 0.5 * task.baselines()["frequencies"]


def test_blind_gates_are_judged_by_pairs_and_matrices_by_what_they_keep():
    ahead = {"gru": 0.5, "mgu": 0.4, "ugrnn": 0.45, "lstm": 0.6}
    assert verdicts(cells(gates=ahead)) == ["holds", "holds"]
    behind = {cell: -bits for cell, bits in ahead.items()}
    assert verdicts(cells(gates=behind, kept=0.3)) == ["does not hold"] * 2
    assert verdicts(cells(gates=ahead | {"gru": -0.5}, kept=0.7)) == ["undecided"] * 2
    few = cells({"gru": 3.0}, gates={"gru": 0.5, "mgu": 0.5})
    assert verdicts(few) == ["undecided"] * 2
    assert verdicts(cells(gates=ahead, seeds=(0,)))[0] == "undecided"


def test_gates_are_compared_within_seeds():
    table = compute_gates(cells(gates={"gru": 0.5})[0])
    differences = [0.5, 0.55, 0.6]
    low, high = stats.t.interval(0.95, 2, 0.55, stats.sem(differences))
    assert table.loc[0, ["difference", "low", "high"]].tolist() == pytest.approx([0.55, low, high])
    assert table.loc[0, ["sees the state", "does not", "seeds"]].tolist() == pytest.approx([2.55, 2.0, 3])


@pytest.mark.parametrize("name", TWINS)
def test_a_twin_is_the_cell_whose_gates_have_no_weights_of_the_state(name):
    cell, twin = (RNN(kind(3), return_sequences=True) for kind in (get_cell(name), TWINS[name]))
    x = np.random.default_rng(0).normal(size=(2, 5, 4)).astype("float32")
    cell(x), twin(x)
    rng, blocks = np.random.default_rng(1), get_cell(name).blocks
    for mine, theirs in ((weight, weight.name) for weight in twin.cell.trainable_weights):
        mine.assign(rng.normal(size=mine.shape))
        other = getattr(cell.cell, theirs)
        if theirs != "recurrent_kernel":
            other.assign(mine)
            continue
        parts = [np.array(mine) if block == "candidate" else np.zeros((3, 3)) for block in blocks]
        other.assign(np.concatenate(parts, axis=1))
    np.testing.assert_allclose(twin(x), cell(x), atol=1e-6)
    assert twin.count_params() < cell.count_params()


@pytest.mark.parametrize("name", CELLS)
def test_the_whole_state_is_the_output_also_in_populations(name):
    whole = get_cell(whole_state(name))
    layer = RNN(whole(3), return_state=True)
    output, again, *states = layer(np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32"))
    kept = [
        state
        for state, declared in zip(states, get_cell(name)(3).declare_states(), strict=True)
        if declared.name != "output"
    ]
    np.testing.assert_array_equal(output, np.concatenate([np.reshape(state, (2, -1)) for state in kept], axis=1))
    np.testing.assert_array_equal(output, again)
    assert output.shape[1] == state_numbers(name, 3)
    build = MemberBuilder(whole, 3, 1, 3, 2)
    member = Member(TrainingSettings(10, "adam", 0.01), seed=0)
    population = Population(build, [member, member])
    x = np.random.default_rng(1).normal(size=(5, 4, 3)).astype("float32")
    np.testing.assert_allclose(population.outputs(x)[0][1], build(member)(x), atol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_units_are_the_most_whose_state_has_so_many_numbers(cell):
    for numbers in (16, 64):
        units = units_for_state(cell, numbers)
        assert state_numbers(cell, units + 1) > numbers
        assert units == 0 or state_numbers(cell, units) <= numbers


def test_an_output_is_not_counted_where_the_next_step_does_not_read_it():
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
    rows = run_study("cells", profile="smoke", cells=["mgu"], out=tmp_path)
    assert {*rows.pieces["part"]} == {"size", "memory", "random", "rates", "text", "gates"}
    gates = rows.pieces[rows.pieces["part"] == "gates"]
    assert gates["cell"].tolist() == ["mgu", "keras_rnncap.studies.blind_gates:BlindMGUCell"]
    at_every_step = rows.trials[rows.trials["piece"].isin(gates["piece"])]["hp.every_step"]
    assert at_every_step.isna().all() or at_every_step.all()
    assert all(json.loads(settings)["changes"] == {"every_step": True} for settings in gates["settings"])
    rates = rows.trials[rows.trials["piece"].str.startswith("rates")]
    varied = rates.drop(columns=["trial"]).nunique()
    assert varied["hp.learning_rate"] == len(rates) == 2
    table = compute_cells(read_study(tmp_path))
    assert isinstance(table, pd.DataFrame)
    assert table["cell"].tolist() == ["mgu"]
    (model,) = (tmp_path / "pieces").glob("memory-*/best/model.keras")
    assert keras.saving.load_model(model).layers[1].cell.output_size == 4
