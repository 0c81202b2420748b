"""The space around what stores much: where a search starts."""

import math

import pytest
from keras_tuner.engine import hyperparameters as kinds

from keras_rnncap.cells import CELLS, get_cell
from keras_rnncap.tuners.capacity import capacity_job, capacity_starts, capacity_task
from keras_rnncap.tuners.spaces import CollinsSpace, RowSOAPSpace


def start_of(cell, params, depth=1):
    factory = get_cell(cell)
    job = capacity_job(factory, capacity_task(factory, params), params, depth, steps=100)
    return job, job.hyperparameters.values | capacity_starts(job)[0]


@pytest.mark.parametrize(
    ("cell", "params", "rate"),
    [
        ("rnn", 300, 0.8 / math.sqrt(300)),
        ("rnn", 1200, 0.4 / math.sqrt(300)),
        ("ugrnn", 1000, 0.8 / math.sqrt(500)),
        ("rnn", 3600, 0.8 * 40 / 60**2),  # above 40 units, with their square
        ("lstm", 300, 0.06),  # at most
        ("rnn", 10_000_000, 3e-3),  # the least of the range
        ("+rnn", 300, 0.03),  # the cell's own
        ("keras.layers:GRUCell", 1000, 0.8 / math.sqrt(1000)),  # has no blocks
    ],
)
def test_the_learning_rate_starts_lower_where_a_layer_has_more_units(cell, params, rate):
    space = RowSOAPSpace.for_search(get_cell(cell), params, scored_steps=1, logits=True)
    assert space.hyperparameters().get("learning_rate") == pytest.approx(rate)


@pytest.mark.parametrize("cell", ["rnn", "irnn", "ugrnn", "gru", "lstm", "+rnn"])
def test_a_measurement_starts_inside_its_space_and_with_more_patterns_where_there_are_more_parameters(cell):
    usual = get_cell(cell).start["patterns_per_parameter"]
    for params in (300, 1000, 3000):
        job, start = start_of(cell, params)
        power = 0.1 if cell == "rnn" else 0.15  # as measured: an RNN of 3,000 parameters stores most at 8.2
        assert start["patterns_per_parameter"] == pytest.approx(usual * (params / 300) ** power)
        for hp in job.hyperparameters.space:
            if isinstance(hp, kinds.Float):
                assert hp.min_value <= start[hp.name] <= hp.max_value
        assert 10 * job.budget(start).parameters <= 2**job.task.input_dim < 40 * params


@pytest.mark.parametrize("cell", CELLS)
def test_of_every_cell_the_scales_of_kernels_are_searched(cell):
    for space in (RowSOAPSpace(cell), CollinsSpace(cell)):
        names = [hp.name for hp in space.hyperparameters().space if hp.name.endswith("kernel_scale")]
        assert names
        values = space.hyperparameters().values
        kernel = get_cell(cell)(3, **space.cell_options(values | dict.fromkeys(names, 0.5))).kernel_initializer
        (drawn, *_) = kernel.values() if isinstance(kernel, dict) else (kernel,)
        assert drawn.scale == 0.25


def test_a_measurement_searches_a_quarter_of_each_range_around_its_start_unless_told_otherwise():
    factory = get_cell("lstm")
    task = capacity_task(factory, 300)
    job = capacity_job(factory, task, 300, 1, steps=100, changes={"weight_decay": (1e-6, 1.0), "forget_bias": 3.0})
    start, hps = job.hyperparameters.values | capacity_starts(job)[0], {hp.name: hp for hp in job.hyperparameters.space}
    rate = hps["learning_rate"]
    assert rate.max_value == pytest.approx(start["learning_rate"] * (0.1 / 3e-3) ** (1 / 8))
    assert rate.min_value == pytest.approx(start["learning_rate"] / (0.1 / 3e-3) ** (1 / 8))
    patterns = hps["patterns_per_parameter"]
    assert (patterns.min_value, patterns.max_value) == pytest.approx((6.2 - 7 / 8, 6.2 + 7 / 8))
    assert (hps["weight_decay"].min_value, hps["weight_decay"].max_value) == (1e-6, 1.0)
    assert start["forget_bias"] == 3.0
