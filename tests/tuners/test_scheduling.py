"""Which trial trains in which population: all slots are busy, whatever shapes an oracle asks for in whatever order."""

import keras_tuner as kt
import numpy as np
import pytest
from keras_tuner.engine.trial import TrialStatus

from keras_rnncap.population import Member
from keras_rnncap.training import TrainingSettings
from keras_rnncap.tuners import PopulationTuner
from keras_rnncap.tuners.scheduling import Schedule
from keras_rnncap.tuners.worker import IDLE, Piece, Placed, Worker

STEPS, ROUND = 6, 2
HOSTILE = {
    "one shape, then many": [0] + [shape for shape in range(1, 6) for _ in range(8)],
    "one at first, then all of it": [1] + [0] * 30,
    "all of one, then one of each": [0] * 8 + list(range(1, 25)),
    "in turn": list(range(4)) * 8,
    "never the same": list(range(30)),
    "always the same": [0] * 30,
}


class FakePopulation:
    """Counts steps; members train as long as their settings say."""

    def __init__(self, members):
        self.members = list(members)
        self.done = np.zeros(len(self.members), int)

    def replace(self, slot, member):
        self.members[slot], self.done[slot] = member, 0

    def restore(self, slot, state):
        self.done[slot] = state["done"]

    def states(self):
        return [{"done": done} for done in self.done]

    @property
    def alive(self):
        return np.ones(len(self.members), bool)

    @property
    def steps_done(self):
        return self.done.copy()

    @property
    def ended(self):
        return self.done >= [member.settings.steps for member in self.members]

    def member(self, _):
        return self

    def get_weights(self):
        return []


class FakeJob:
    """A job whose trials have the shape that they are given, and which counts those in training."""

    objective, direction = "score", "max"
    kt_objective = kt.Objective("score", "max")
    steps, round_steps = STEPS, ROUND
    hyperparameters = kt.HyperParameters()

    def __init__(self, many_shapes=True):
        self.many_shapes, self.sizes, self.busy = many_shapes, [], []

    def shape(self, values):
        return values["shape"]

    def status(self, measured):
        return "completed" if measured else "diverged"

    def member(self, _, seed):
        return Member(TrainingSettings(self.steps), seed=seed)

    def population(self, _, members, __):
        self.sizes.append(len(members))
        return FakePopulation(members)

    def advance(self, population, steps):
        training = [slot for slot, member in enumerate(population.members) if member.settings.steps == self.steps]
        self.busy += [population.members[slot].seed for slot in training if population.done[slot] < self.steps]
        population.done += steps
        return np.zeros(len(population.members))

    def measure(self, population, slots, *_):
        assert all(population.done[slot] == self.steps for slot in slots)
        return [{"score": float(population.members[slot].seed)} for slot in slots]


class ShapesOracle(kt.Oracle):
    """Asks for given shapes."""

    def __init__(self, shapes):
        super().__init__(objective=FakeJob.kt_objective, max_trials=len(shapes))
        self.shapes = shapes

    def populate_space(self, trial_id):
        return {"status": TrialStatus.RUNNING, "values": {"shape": self.shapes[int(trial_id)]}}


def busy_in_each_round(job, shapes, slots, tmp_path):
    """Runs a search; returns the seeds of the trials in training in each round, and whether there were more to come."""
    oracle, rounds = ShapesOracle(shapes), []

    def on_round():
        rounds.append((job.busy, len(oracle.trials) < len(shapes)))
        job.busy = []

    ended = []
    options = {"on_round": on_round, "on_end": ended.append, "directory": tmp_path}
    PopulationTuner(oracle, job, slots=slots, **options).search()
    assert sorted(trial.number for trial in ended) == list(range(len(shapes)))
    assert {trial.steps for trial in ended} == {STEPS}
    return rounds


@pytest.mark.parametrize("shapes", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("slots", [1, 5, 8])
def test_all_slots_are_busy_until_the_oracle_has_no_more(tmp_path, shapes, slots):
    rounds = busy_in_each_round(FakeJob(), shapes, slots, tmp_path)
    assert sum(len(busy) for busy, _ in rounds) == len(shapes) * STEPS // ROUND
    for busy, more_to_come in rounds:
        assert len({*busy}) == len(busy) <= slots
        assert len(busy) == slots or not more_to_come


def places(schedule):
    return {trial: (place.key, place.slot, place.size) for trial, place in schedule}


def test_a_population_grows_to_the_next_power_of_two_and_its_trials_stay_in_their_slots():
    schedule = Schedule(largest=6, elastic=True)
    for count, size in enumerate([1, 2, 4, 4, 6, 6], 1):
        schedule.put(count, "a")
        schedule.settle()
        assert places(schedule) == {trial: (("a", 0), trial - 1, size) for trial in range(1, count + 1)}
    schedule.put(7, "a")
    schedule.settle()
    assert places(schedule)[7] == (("a", 1), 0, 1)


def test_it_shrinks_where_it_is_more_than_twice_as_large_as_it_needs_to_be_and_is_forgotten_when_empty():
    schedule = Schedule(largest=8, elastic=True)
    for trial in range(8):
        schedule.put(trial, "a")
    schedule.settle()
    for trial, size in enumerate([8, 8, 8, 8, 8, 2, 2]):
        schedule.drop(trial)
        schedule.settle()
        assert {place.size for _, place in schedule} == {size}
    assert places(schedule) == {7: (("a", 0), 1, 2)}
    schedule.drop(7)
    assert not schedule.groups
    schedule.put(8, "a")
    schedule.settle()
    assert places(schedule) == {8: (("a", 0), 0, 1)}


def test_where_all_trials_have_one_shape_a_population_has_its_full_size_from_first_to_last():
    schedule = Schedule(largest=4, elastic=False)
    for trial in range(6):
        schedule.put(trial, "a")
    schedule.settle()
    assert {place.size for _, place in schedule} == {4}
    for trial in (1, 4):
        schedule.drop(trial)
    schedule.put(6, "a")
    schedule.settle()
    assert places(schedule)[6] == (("a", 0), 1, 4)


@pytest.mark.parametrize("elastic", [True, False])
def test_places_that_are_kept_give_the_same_schedule_again(elastic):
    rng = np.random.default_rng(0)
    schedule, running = Schedule(largest=4, elastic=elastic), []
    for trial in range(200):
        schedule.put(trial, int(rng.integers(3)))
        running.append(trial)
        if trial % 3 == 0:
            schedule.settle()
            kept = {one: (place.key[0], schedule.kept(place)) for one, place in schedule}
            while len(running) > rng.integers(8):
                running.remove(gone := int(rng.choice(running)))
                schedule.drop(gone)
            again = Schedule(largest=4, elastic=elastic)
            for one in rng.permutation(running).tolist():
                again.put(one, *kept[one])
            assert again.groups == schedule.groups
            schedule = again


def test_a_place_that_is_taken_or_out_of_reach_is_another():
    schedule = Schedule(largest=4, elastic=True)
    schedule.put("first", "a", had=(2, 4))
    schedule.put("second", "a", had=(2, 4))
    schedule.put("third", "a", had=(13, 8))
    assert places(schedule) == {"first": (("a", 0), 2, 4), "second": (("a", 0), 0, 4), "third": (("a", 3), 1, 4)}


def work(worker, piece):
    held = worker.begin(piece)
    held.run()
    return held.result()


def test_a_search_that_was_interrupted_within_a_round_goes_on_from_the_round_before(tmp_path, monkeypatch):
    job, real, calls = FakeJob(), FakeJob.advance, []

    def advance(self, population, steps):
        losses = real(self, population, steps)
        calls.append(steps)
        if len(calls) in (3, 8):
            raise KeyboardInterrupt
        return losses

    monkeypatch.setattr(FakeJob, "advance", advance)
    ended = []
    shapes = list(range(3)) * 4
    tuner = PopulationTuner(ShapesOracle(shapes), job, slots=4, on_end=ended.append, directory=tmp_path)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            tuner.search()
    tuner.search()
    assert sorted(trial.number for trial in ended) == list(range(len(shapes)))
    assert {trial.steps for trial in ended} == {STEPS}  # and `measure` has seen that they made no more


def placed(number, done):
    return Placed(number, number, {"shape": 0}, done, {"done": done} if done else {})


def test_a_trial_goes_on_from_its_own_steps_wherever_it_was_in_between():
    worker, key = Worker(FakeJob()), (0, 0)
    both = work(worker, Piece(key, False, (placed(1, 0), placed(2, 0)), 1, steps=2))
    assert [both[slot].arrays["done"] for slot in (0, 1)] == [2, 2]
    work(worker, Piece(key, False, (placed(1, 2), None), 2, steps=2))  # the other trains as well, and nobody counts
    again = work(worker, Piece(key, False, (placed(1, 4), placed(2, 2)), 3, steps=2))
    assert [again[slot].arrays["done"] for slot in (0, 1)] == [6, 4]
    assert work(Worker(FakeJob()), Piece(key, False, (placed(1, 4), placed(2, 2)), 3, steps=2)) == again
    assert len(worker.job.sizes) == 1


def test_idle_populations_are_used_again_and_only_a_few_are_kept():
    worker = Worker(FakeJob())
    for turn in range(IDLE + 6):
        work(worker, Piece((turn, 0), False, (placed(turn, 0),), turn, steps=2))
    kept = IDLE + 2  # the idle ones, that of the turn before and that of this one
    assert len(worker._populations) == kept
    work(worker, Piece((turn - 3, 1), False, (placed(99, 0),), turn + 1, steps=2))
    work(worker, Piece((0, 0), False, (placed(100, 0),), turn + 1, steps=2))
    assert len(worker.job.sizes) == IDLE + 7
