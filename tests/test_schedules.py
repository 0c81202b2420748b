"""Schedules as the papers tell them, and what holds for any."""

import dataclasses
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_rnncap.errors import InputError
from keras_rnncap.training import Schedule, ScheduleState, TrainingSettings


def run(schedule, scores, rate=1.0, direction="max"):
    """Returns the rate of each epoch, until there are no more scores or the schedule stops."""
    state, rates = schedule.start(rate), []
    for score in scores:
        if state.stopped:
            break
        rates.append(state.rate)
        state = schedule.after_epoch(state, score, direction)
    return rates, state


def test_zaremba_holds_the_rate_for_some_epochs_and_then_lowers_it_after_each():
    rates, state = run(Schedule("always", 10, factor=0.5, constant_epochs=4), [0.0] * 7)
    assert rates == [1, 1, 1, 1, 0.5, 0.25, 0.125]
    assert not state.stopped
    assert run(Schedule("always", 10, factor=0.8), [1.0] * 3)[0] == pytest.approx([1, 0.8, 0.64])


def test_the_search_of_jozefowicz_halves_for_four_epochs_after_three_without_gain_and_stops():
    schedule = Schedule("after_plateau", 10, factor=0.5, patience=3, lowerings=4)
    rates, state = run(schedule, [9.0, 8.0, 8.5, 8.5, 8.0, 3.0, 2.0, 1.0, 0.5, 0.1], direction="min")
    assert rates == [1, 1, 1, 1, 1, 0.5, 0.25, 0.125, 0.0625]
    assert state.stopped
    assert state.epochs == 9


def test_for_music_the_counter_starts_anew_and_a_low_rate_ends_it():
    schedule = Schedule("plateau", 10, factor=0.8, patience=2, lowest_rate=0.6)
    rates, state = run(schedule, [1, 1, 1, 1, 2, 2, 2, 2, 2, 2], direction="max")
    assert rates == pytest.approx([1, 1, 1, 0.8, 0.8, 0.8, 0.8, 0.64, 0.64])
    assert state.rate == pytest.approx(0.8**3)
    assert state.stopped


def test_mehta_halves_whenever_the_score_falls_and_stops_after_four_epochs_without_gain():
    schedule = Schedule("worse", 10, factor=0.5, stop_patience=4, lowest_rate=1e-6)
    rates, state = run(schedule, [0.5, 0.7, 0.6, 0.6, 0.65, 0.65, 0.9])
    assert rates == [1, 1, 1, 0.5, 0.5, 0.5]
    assert state.stopped


def test_stopping_alone():
    rates, state = run(Schedule("never", 10, stop_patience=2), [3, 2, 1, 2, 0.5], direction="min")
    assert rates == [1] * 5
    assert not state.stopped
    assert run(Schedule("never", 10, stop_patience=2), [3, 3, 4, 1], direction="min")[1].epochs == 3


@pytest.mark.parametrize("rule", ["plateau", "after_plateau", "worse"])
def test_a_score_that_is_nan_is_no_gain(rule):
    schedule = Schedule(rule, 10, patience=1)
    rates, state = run(schedule, [1.0, math.nan, 2.0])
    assert rates == [1, 1, 0.5]
    assert (state.best, state.idle) == (2.0, 0)
    assert run(schedule, [math.nan, 1.0])[1].best == 1.0


schedules = st.builds(
    Schedule,
    rule=st.sampled_from(["always", "plateau", "after_plateau", "worse", "never"]),
    epoch_steps=st.integers(1, 100),
    factor=st.floats(0.1, 1),
    patience=st.integers(1, 4),
    constant_epochs=st.integers(0, 4),
    lowerings=st.none() | st.integers(0, 4),
    lowest_rate=st.floats(0, 1),
    stop_patience=st.none() | st.integers(1, 5),
)
scores = st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=20)


@given(schedule=schedules, scores=scores, rate=st.floats(0, 10), direction=st.sampled_from(["min", "max"]))
def test_what_holds_for_any_schedule(schedule, scores, rate, direction):
    state = schedule.start(rate)
    for count, score in enumerate(scores, 1):
        new = schedule.after_epoch(state, score, direction)
        if state.stopped:
            assert new == state
            continue
        assert new.epochs == count
        assert 0 <= new.rate <= state.rate
        assert new.rate == pytest.approx(rate * schedule.factor**new.lowered)
        assert new.lowered in (state.lowered, state.lowered + 1)
        assert new.waited <= new.idle <= count
        assert schedule.lowerings is None or new.lowered <= schedule.lowerings
        assert count > schedule.constant_epochs or count == schedule.constant_epochs or new.lowered == 0
        assert new.stopped or schedule.stop_patience is None or new.idle < schedule.stop_patience
        assert not any(map(math.isnan, new))
        assert ScheduleState(*map(float, new)) == new
        state = new


@given(schedule=schedules, scores=st.lists(st.integers(-5, 5), max_size=20))
def test_only_the_order_of_scores_counts(schedule, scores):
    def steps(direction, scores):
        state, found = schedule.start(1.0), []
        for score in scores:
            state = schedule.after_epoch(state, score, direction)
            found.append((state.rate, state.stopped))
        return found

    assert steps("max", scores) == steps("min", [-score for score in scores])
    assert steps("max", scores) == steps("max", [10.0 * score - 3 for score in scores])


@given(schedule=schedules)
def test_settings_with_a_schedule_come_back_from_json(schedule):
    settings = TrainingSettings(50, schedule=schedule)
    assert TrainingSettings(**json.loads(json.dumps(settings.identity))) == settings
    assert TrainingSettings(**json.loads(json.dumps(dataclasses.asdict(settings)))) == settings


def test_runs_of_before_there_were_schedules_have_the_identity_that_they_had():
    assert list(TrainingSettings(5).identity) == [
        *("steps", "optimizer", "learning_rate", "learning_rate_decay", "momentum", "clip_norm", "l2"),
        "loss_saturation",
    ]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"rule": "sometimes"}, "rule must be one of always, plateau, after_plateau, worse, never; got 'sometimes'"),
        ({"epoch_steps": 0}, "epoch_steps must be an integer of at least 1"),
        ({"factor": 0.0}, "factor must be a finite number in"),
        ({"factor": 1.5}, "factor must be a finite number in"),
        ({"patience": 0}, "patience must be an integer of at least 1"),
        ({"constant_epochs": -1}, "constant_epochs must be an integer of at least 0"),
        ({"lowerings": 0.5}, "lowerings must be an integer"),
        ({"lowest_rate": -1.0}, "lowest_rate must be a finite number of at least 0"),
        ({"stop_patience": 0}, "stop_patience must be an integer of at least 1"),
    ],
)
def test_schedules_out_of_range_are_named(wrong, said):
    with pytest.raises(InputError, match=said):
        Schedule(**{"rule": "plateau", "epoch_steps": 10, **wrong})
