"""What every oracle promises that a sweep can ask for. It joins by subclassing `OracleContract` with its name."""

import json
import math

import keras_tuner as kt
import numpy as np
import pytest
from contracts.space_contract import in_space
from keras_tuner.engine.base_tuner import BaseTuner

from keras_rnncap.errors import InputError
from keras_rnncap.tuners.oracles.continued import PastTrial, make_oracle


def space():
    hp = kt.HyperParameters()
    hp.Float("rate", 1e-4, 1e-1, sampling="log")
    hp.Int("layers", 1, 4)
    hp.Choice("optimizer", ["sgd", "momentum", "adam"], ordered=False)
    with hp.conditional_scope("optimizer", ["momentum", "adam"]):
        hp.Float("momentum", 0.0, 0.99)
    return hp


def score(values):
    """More where the rate is near 0.01; a trial of two layers fails."""
    return None if values["layers"] == 2 else -((math.log10(values["rate"]) + 2) ** 2)


class OracleContract:
    """Joined as `class TestMyOracle(OracleContract): oracle = "mine"`."""

    oracle = None
    searches = True
    """Whether proposals differ from one another, and with the seed."""

    @pytest.fixture(autouse=True)
    def in_a_folder(self, tmp_path):
        self.folder = tmp_path

    def make(self, trials=30, seed=0, **options):
        oracle = make_oracle(self.oracle, kt.Objective("score", "max"), space(), trials, seed, **options)
        BaseTuner(oracle, directory=self.folder, project_name="oracle")
        oracle.verbose, oracle.max_consecutive_failed_trials = 0, trials
        return oracle

    def asked(self, oracle, count):
        """Trials that were asked for and have not ended; NumPy's numbers are Python's."""
        trials = [oracle.create_trial(f"tuner{len(oracle.trials)}") for _ in range(count)]
        return [trial for trial in trials if trial.status != "STOPPED"]

    def values(self, trial):
        values = trial.hyperparameters.values.items()
        return {name: value.item() if isinstance(value, np.generic) else value for name, value in values}

    def end(self, oracle, trial):
        result = score(trial.hyperparameters.values)
        if result is not None:
            oracle.update_trial(trial.trial_id, {"score": result})
        trial.status = "FAILED" if result is None else "COMPLETED"
        oracle.end_trial(trial)

    def run(self, oracle, count):
        """Asks for trials one after another, each of which ends; returns their values."""
        seen = []
        for _ in range(count):
            for trial in self.asked(oracle, 1):
                seen.append(self.values(trial))
                self.end(oracle, trial)
        return seen

    def test_proposals_are_points_of_the_space(self):
        for values in self.run(self.make(), 25):
            assert in_space(space(), values)
            json.dumps(values)

    def test_the_same_seed_gives_the_same_proposals_and_another_others(self):
        first = self.run(self.make(), 8)
        assert self.run(self.make(), 8) == first
        assert (self.run(self.make(seed=1), 8) != first) == self.searches

    def test_several_wait_at_the_same_time(self):
        oracle = self.make()
        waiting = self.asked(oracle, 6)
        assert len({trial.trial_id for trial in waiting}) == len(oracle.ongoing_trials) == 6
        assert len({json.dumps(self.values(trial)) for trial in waiting}) == (6 if self.searches else 1)
        for trial in reversed(waiting):
            self.end(oracle, trial)
        assert oracle.ongoing_trials == {}

    @pytest.mark.parametrize("known", [5, 12])
    def test_told_of_the_past_and_its_state_it_goes_on_as_one_that_was_never_interrupted(self, known):
        whole = self.make()
        before = self.run(whole, known)
        state = json.loads(json.dumps(whole.proposal_state()))
        rows = [{"status": "infeasible" if score(one) is None else "completed", "score": score(one)} for one in before]
        past = [PastTrial(number, *both) for number, both in enumerate(zip(before, rows, strict=True))]
        assert self.run(self.make(past=past, state=state), 4) == self.run(whole, 4)

    def test_it_stops_after_all_trials_those_of_the_past_included(self):
        oracle = self.make(trials=4, past=[PastTrial(0, space().values, {"status": "completed", "score": -1.0})])
        assert len(self.run(oracle, 10)) == 3
        assert oracle.create_trial("tuner").status == "STOPPED"

    def test_a_failed_trial_is_never_the_best(self):
        start = {"layers": 2, "rate": 0.01}
        oracle = self.make(starts=[start])
        assert self.run(oracle, 12)[0] == space().values | start
        completed = [trial for trial in oracle.trials.values() if trial.status == "COMPLETED"]
        assert 0 < len(completed) < 12
        best = oracle.get_best_trials(len(completed))
        assert [trial.score for trial in best] == sorted(
            (score(self.values(trial)) for trial in completed), reverse=True
        )

    def test_another_name_is_refused(self):
        with pytest.raises(InputError, match=rf"oracle must be one of .*{self.oracle}.*; got '{self.oracle}er'"):
            make_oracle(f"{self.oracle}er", kt.Objective("score", "max"), space(), 3, 0)
