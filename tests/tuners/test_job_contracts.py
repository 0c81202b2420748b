"""What a sweep trains, on each kind of task and cell, and what every job promises."""

from contracts.job_contract import JobContract

from keras_rnncap.tuners import Job


class TestNumbersAtTheEnd(JobContract):
    job = Job


class TestPatternsInATable(JobContract):
    job = Job
    task = "perceptron"


class TestAClassAtEveryStep(JobContract):
    job = Job
    task = "parentheses:length=4,streams=1"


class TestAStream(JobContract):
    job = Job
    task = "distractor-arithmetic"
    cell = "+rnn"
