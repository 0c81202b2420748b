"""Numbers of the figures on rows with known answers; the drawings are only looked at for their labels."""

import io
import math

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from studies.made import memory, scaling, trainability

from keras_rnncap.analysis.capacity import PAPER_RANGE, compute_capacity, plot_capacity
from keras_rnncap.analysis.capacity_study import plot_capacity_by_size, plot_data_set_size, plot_time
from keras_rnncap.analysis.exhibits import StudyRows
from keras_rnncap.analysis.learning_curve import compute_learning_curve, plot_learning_curve
from keras_rnncap.analysis.quantization_study import plot_quantization
from keras_rnncap.analysis.robustness_study import plot_reruns
from keras_rnncap.analysis.style import CELL_COLORS, OTHER_COLORS, cell_color
from keras_rnncap.analysis.sweep import plot_importance, plot_parallel_coordinates, plot_slices
from keras_rnncap.analysis.task import plot_sample
from keras_rnncap.cells import CELLS
from keras_rnncap.datasets import make_task
from keras_rnncap.studies import STUDIES
from keras_rnncap.zoo import PresetFacts

NAN = math.nan
TRIALS = [
    {"trial": 0, "status": "diverged", "patterns": 90},
    {"trial": 1, "status": "completed", "patterns": 30, "bits_per_parameter": 1.0},
    {"trial": 2, "status": "completed", "patterns": 60, "bits_per_parameter": 0.5},
    {"trial": 3, "status": "diverged", "patterns": 300},
    {"trial": 4, "status": "completed", "patterns": 75, "bits_per_parameter": 2.5},
]
HISTORY = [
    {"step": 50, "train_loss": 3.0, "validation_bits_per_character": 4.5, "elapsed_s": 1.0},
    {"step": 100, "train_loss": 2.5, "validation_bits_per_character": 3.75, "elapsed_s": 1.0},
]


def draw(figure):
    figure.savefig(stream := io.BytesIO(), dpi=40)
    assert stream.getvalue().startswith(b"\x89PNG")
    for axes in figure.axes:
        assert axes.get_xlabel()
        assert axes.get_ylabel()
    return figure.axes


def line(axes, label):
    (found,) = [one for one in axes.lines if one.get_label() == label]
    return found


def test_capacity_curve_counts_trials_from_one_and_keeps_the_best_so_far():
    curve = compute_capacity(TRIALS)
    np.testing.assert_array_equal(curve.trial, [1, 2, 3, 4, 5])
    np.testing.assert_array_equal(curve.patterns, [90, 30, 60, 300, 75])
    np.testing.assert_array_equal(curve.bits_per_parameter, [NAN, 1.0, 0.5, NAN, 2.5])
    np.testing.assert_array_equal(curve.best, [NAN, 1.0, 1.0, 1.0, 2.5])


@pytest.mark.parametrize("rows", [[], TRIALS[:1], TRIALS[3:4] * 3])
def test_capacity_curve_without_a_feasible_trial_has_no_best(rows):
    curve = compute_capacity(rows)
    assert len(curve.trial) == len(curve.best) == len(rows)
    assert np.isnan(curve.best).all()
    draw(plot_capacity(rows, parameters=30, cell="rnn"))


def test_capacity_figure_shows_bits_against_trials_and_against_patterns():
    left, right = draw(plot_capacity(TRIALS, parameters=30, cell="ugrnn"))
    assert (left.get_xlabel(), left.get_ylabel()) == ("trial", "bits per parameter")
    assert (right.get_xlabel(), right.get_ylabel()) == ("patterns per parameter", "bits per parameter")
    np.testing.assert_array_equal(line(left, "best so far").get_ydata(), [NAN, 1.0, 1.0, 1.0, 2.5])
    np.testing.assert_array_equal(line(left, "diverged").get_xdata(), [1, 4])
    np.testing.assert_allclose(right.lines[-1].get_xdata(), [3.0, 1.0, 2.0, 10.0, 2.5])
    assert {one.get_color() for one in (line(left, "trial"), right.lines[-1])} == {CELL_COLORS["ugrnn"]}
    assert PAPER_RANGE == (3.0, 6.0)


def test_a_trial_that_was_stopped_has_no_score_in_the_figure_and_a_mark_of_its_own():
    rows = [*TRIALS, {"trial": 5, "status": "stopped", "patterns": 80, "bits_per_parameter": 9.0}]
    curve = compute_capacity(rows)
    assert np.isnan(curve.bits_per_parameter[5])
    assert curve.best[5] == 2.5
    left, _ = draw(plot_capacity(rows, parameters=30, cell="ugrnn"))
    np.testing.assert_array_equal(line(left, "stopped early").get_xdata(), [6])


def test_capacity_figure_has_room_for_the_best_trial():
    rows = [{"status": "completed", "patterns": 240, "bits_per_parameter": 7.5}]
    for axes in draw(plot_capacity(rows, parameters=30, cell="rnn")):
        assert axes.get_ylim()[1] >= 7.5


def test_learning_curve_has_an_entry_for_each_record():
    curve = compute_learning_curve(HISTORY, "bits_per_character")
    np.testing.assert_array_equal(curve.step, [50, 100])
    np.testing.assert_array_equal(curve.train_loss, [3.0, 2.5])
    np.testing.assert_array_equal(curve.score, [4.5, 3.75])


def test_learning_curve_figure_names_the_score_and_its_baselines():
    baselines = {"uniform": 4.75, "unigram": 4.1}
    (axes,) = draw(plot_learning_curve(HISTORY, "bits_per_character", baselines, "the title", "gru"))
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("training steps", "bits per character")
    assert axes.get_title() == "the title"
    assert [text.get_text() for text in axes.texts] == ["uniform", "unigram"]
    assert [float(one.get_ydata()[0]) for one in axes.lines[1:]] == [4.75, 4.1]
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), [4.5, 3.75])


def test_every_cell_has_a_colour_of_its_own_and_others_share_one():
    colors = [cell_color(cell) for cell in CELLS]
    assert len(set(colors)) == len(CELLS)
    assert not {*OTHER_COLORS} & {*colors}
    assert cell_color("mine:Cell") == cell_color("mine:Cell")
    assert cell_color("mine:Cell") in OTHER_COLORS


ODD = "_my $cells$:My"


def texts(figure):
    """All texts of a figure as they are drawn."""
    figure.savefig(io.BytesIO(), dpi=40)
    found = figure.findobj(Text)
    for text in found:
        drawn, is_formula = text._preprocess_math(text.get_text())
        if "cells" in drawn:
            assert not is_formula
            yield drawn.strip()


def sweep_figures():
    places = pd.DataFrame({ODD: [0.1, 0.9], "b": [0.5, 0.2]})
    ticks = {name: [(0.0, ODD), (1.0, "b")] for name in places}
    scores = pd.Series([1.0, 2.0], name=f"{ODD} units")
    yield plot_parallel_coordinates(places, ticks, scores, "max")
    yield plot_slices(places, ticks, scores)
    yield plot_importance(pd.DataFrame({"first_order": [0.1], "total": [0.2]}, index=[ODD]))


def study_figures():
    pieces, trials = memory()
    for name, (pieces, trials) in (("memory", memory()), ("scaling", scaling()), ("trainability", trainability())):
        pieces = pieces.assign(cell=pieces["cell"].replace({"gru": ODD}))
        shown = STUDIES[name]().exhibits(StudyRows(pieces, trials))
        yield from (exhibit.content for exhibit in shown.exhibits if isinstance(exhibit.content, Figure))
    row = {"cell": ODD, "depth": 1, "params": 60, "parameters": 60, "length": 5, "bits": 100.0, "patterns": 120}
    points = pd.DataFrame([row | {"bits_per_parameter": 3.0, "low": 2.0, "high": 4.0}])
    yield plot_capacity_by_size(points)
    yield plot_time(points)
    yield plot_data_set_size(points)
    bits = {"cell": ODD, "weight_bits": [4, 32], "bits_per_parameter": [1.0, 2.0]}
    yield plot_quantization(pd.DataFrame(bits))
    reruns = pd.DataFrame({"cell": ODD, "score": [1.0, 2.0], "objective": "x"})
    yield plot_reruns(reruns)


def run_figures():
    yield plot_capacity(TRIALS, parameters=30, cell=ODD)
    yield plot_learning_curve(HISTORY, "bits_per_character", {ODD: 4.0}, ODD, ODD)
    facts = PresetFacts(name=ODD, task="x", curve=[(1, 2.0), (2, 1.0)])
    yield facts.learning_curve()


@pytest.mark.parametrize("figures", [sweep_figures, study_figures, run_figures])
def test_dollars_and_underscores_in_names_are_drawn_as_they_are(figures):
    for figure in figures():
        drawn = {*texts(figure)}
        assert drawn, "the name is not drawn"
        assert all(ODD in text or ODD.replace("_", " ").strip() in text for text in drawn)


def test_the_name_of_a_task_is_drawn_as_it_is(monkeypatch):
    task = make_task("memory:input_dim=3,length=2")
    monkeypatch.setattr(task, "data", ODD)
    assert {*texts(plot_sample(task))} == {ODD}
