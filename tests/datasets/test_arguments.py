"""Arguments of tasks: what `make_task` reads, and what is refused before anything is allocated."""

import tracemalloc

import pytest

from keras_rnncap import sequence_model, units_for_budget
from keras_rnncap.datasets import TASKS, ParenthesesCounting, PerceptronCapacity, make_task, task_arguments
from keras_rnncap.datasets.task import LARGEST_SAMPLE, LARGEST_SET
from keras_rnncap.defaults import Sweep, Train, params_for
from keras_rnncap.errors import InputError


@pytest.mark.parametrize(
    ("spec", "data"),
    [
        ("memory:length=3", "memory (64 numbers, 3 steps)"),
        ("sentiment:rule=xor,length=20", "sentiment (xor, length 20, seed 0)"),
        ("random-function:samples=9,tau=1e3,every_step=true", "(9 samples of 50, 50 steps, tau 1000, at every step"),
        ("random-function:samples=9,every_step=False", "(9 samples of 50, 50 steps, tau 5000, seed 0)"),
    ],
)
def test_words_numbers_and_truths_are_read(spec, data):
    assert data in make_task(spec).data


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("memory:", "task 'memory:' is not of the form NAME:KEY=VALUE"),
        ("memory:length=3,", "is not of the form"),
        ("memory:,length=3", "is not of the form"),
        ("memory:=3", "unknown argument of memory ''"),
        ("memory:length=", "length must be an integer of at least 1; got ''"),
        ("memory:length=1,length=2", "gives length twice"),
        ("memory:length=True", "length must be an integer of at least 1; got True"),
        ("memory:length=1.0", "length must be an integer of at least 1; got 1.0"),
        ("memory:length=nan", "length must be an integer of at least 1; got nan"),
        ("memory:length=inf", "length must be an integer of at least 1; got inf"),
        ("memory:length=None", "length must be an integer of at least 1; got 'None'"),
        ("memory:length=" + "(" * 5000, "length must be an integer"),
        ("memory:length=" + "9" * 5000, "length must be an integer"),
        ("random-function:tau=nan", r"tau must be a finite number in \[1e-09, 1000000000000.0\]; got nan"),
        ("random-function:tau=-inf", "tau must be a finite number"),
        ("random-function:tau=1j", "tau must be a finite number"),
        ("random-function:every_step=1", "every_step must be true or false; got 1"),
        ("sentiment:rule={}", "unknown rule '{}'"),
        ("sentiment:rule='xor'", "did you mean 'xor'"),
        ("sentiment:rule=[]", "unknown rule"),
        ("polyphonic-music:collection={}", "unknown collection '{}'"),
        ("text8:path=/etc/passwd", "text8 takes no arguments; got 'text8:path=/etc/passwd'"),
        ("python-docs:", "python-docs takes no arguments"),
        ("xml:length=3", "xml takes no arguments"),
    ],
)
def test_what_is_no_argument_is_one_sentence(spec, said):
    with pytest.raises(InputError, match=said):
        make_task(spec)


NUMBERS = [
    (name, key)
    for name in TASKS
    for key, value in task_arguments(name).items()
    if not isinstance(value, bool | str | float)
]


@pytest.mark.parametrize("number", [2**32, 2**32 + 1, 99_999_999_999, 2**63, 2**64 + 1, 10**18, 10**30], ids=str)
@pytest.mark.parametrize(("name", "argument"), NUMBERS)
def test_a_number_that_could_wrap_or_fill_the_memory_is_refused_before_anything_is_made(name, argument, number):
    given = {"patterns": 10, "input_dim": 64} if name == "perceptron" else {}
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=r"must be at most|numbers are .* in all"):
            make_task(f"{name}:" + ",".join(f"{key}={value}" for key, value in {**given, argument: number}.items()))
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_sizes_that_are_fine_each_may_be_too_large_together():
    assert ParenthesesCounting(length=LARGEST_SAMPLE // 300).length == 13_333
    with pytest.raises(InputError, match=r"13,334 time steps of 300 inputs are 4,000,200 numbers a sample, more than"):
        ParenthesesCounting(length=13_334)
    patterns = LARGEST_SET // (5 * 40) + 1
    with pytest.raises(InputError, match=rf"{patterns:,} patterns of 200 numbers are 4,000,000,200 in all"):
        PerceptronCapacity(patterns, 40)
    with pytest.raises(InputError, match="100,000,000 samples of 50 numbers are 5,000,000,000 in all"):
        make_task("random-function:samples=100000000")


@pytest.mark.parametrize("cell", ["rnn", "lstm", "+rnn"])
@pytest.mark.parametrize("name", TASKS)
def test_the_usual_budget_buys_a_model_of_every_task(name, cell):
    task = TASKS[name].described()
    shape = {"input_dim": task.input_dim, "output_dim": task.output_dim, "return_sequences": task.return_sequences}
    for usual in (Sweep.params, Train.params):
        budget = params_for(task, None, usual)
        assert units_for_budget(lambda units: sequence_model(cell, units, **shape), budget).units >= 1
    assert params_for(task, 7, Sweep.params) == 7
