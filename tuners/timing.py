"""How many trials of how many steps a search can make in a given time on this machine."""

import math
import os
import statistics
import time
from pathlib import Path
from typing import Literal, NamedTuple

from keras_tuner.engine.trial import Trial

from keras_rnncap.engines import Engine
from keras_rnncap.errors import check_number
from keras_rnncap.initializers import derived_seed
from keras_rnncap.population.devices import populations_at_once
from keras_rnncap.runs import IDENTITY, columns, read_json, read_rows
from keras_rnncap.runs.columns import checked_rows
from keras_rnncap.terminal.progress import WorkProgress
from keras_rnncap.tuners.jobs import Job
from keras_rnncap.tuners.rounds import Rounds, Running

TIMED_STEPS = 20_000
"""Steps of the trials that are timed; each round of them has a fortieth."""
TIMED_ROUNDS = 30
"""Rounds that are timed at most, before trials end."""
TIMED_PART = 0.02
"""The part of the time that the timing of the pace may take, besides compiling."""
WHOLE = 0.45
"""The part of its steps that a trial makes on average where bad ones are stopped early."""
INITIAL_SHARE = 3
"""A third of all trials, at most, are asked for before the process is; so no more train at the same time."""
MARGIN = 0.85
"""The part of the time left that the steps of trials are to take of which all are to end."""
MOST_TRIALS = 10_000
"""The most trials that a search of given time makes."""
ENDING_S = 5.0
"""Seconds for what comes after the last trial: the best model is saved, and figures are drawn."""


class Pace(NamedTuple):
    """How fast trials train.

    Attributes:
        start_s: Seconds that compiling takes.
        step_s: Seconds for a step of one trial, where as many as allowed train at the same time.
    """

    start_s: float
    step_s: float


def at_once(slots: int, trials: int) -> int:
    """Returns how many of so many trials train at the same time: at most a third, so that most can be proposed."""
    return min(slots, max(1, trials // INITIAL_SHARE))


class Plan(NamedTuple):
    """What a search is to make.

    Attributes:
        trials: Trials in all for which there seems to be time.
        steps: Training steps of each.
        deadline: When it ends, as `time.monotonic()` has it.
        most: Trials in all that are made if there is time: the pace may change, and so does the part that is stopped.
    """

    trials: int
    steps: int
    deadline: float
    most: int = MOST_TRIALS

    def limited(self, trials: int | None) -> "Plan":
        """Returns it with no more than so many trials, if that is a number."""
        return self if trials is None else self._replace(trials=min(trials, self.trials), most=min(trials, self.most))


def say_that_pace_is_measured(progress: bool | Literal["bar", "summary"]) -> None:
    """Says why nothing is shown of a search of given time at first."""
    WorkProgress(1, enabled=progress).say("measuring how fast trials train")


def measure_pace(job: Job, slots: int, engine: Engine, seconds: float = 0.0) -> Pace:
    """Returns how fast as many trials as there are slots train at the same time, by so many seconds of training.

    It is timed in two rounds at least, or in one where training takes 20 s longer. Searches with the same engine and as
    many slots need not compile again.
    """
    rounds = Rounds(job, _size(slots), engine)
    values = dict(job.hyperparameters.values)
    for number in range(slots):
        trial = Trial(job.hyperparameters.copy(), trial_id=str(number))
        rounds.put(Running(trial, values, job.member(values, derived_seed(job.seed, number))))
    started = time.monotonic()
    rounds.find_out_whether_alone()
    count = 1 if rounds.alone else slots
    times: list[float] = []  # of rounds, the first of which compiles
    while len(times) < 3 or (sum(times[1:]) < seconds and len(times) < TIMED_ROUNDS):
        began = time.monotonic()
        for running in rounds.train(lambda *_: False):
            running.state = running.new_state
        times.append(time.monotonic() - began)
        if time.monotonic() - started > 20 + seconds and len(times) > 1:
            break
    round_s = statistics.median(times[1:])
    return Pace(max(times[0] - round_s, 0.0), round_s / (count * job.round_steps))


class Spent(NamedTuple):
    """What an earlier process left in a folder.

    Attributes:
        trials: Trials that ended.
        elapsed_s: Seconds that they took.
        steps: Training steps of a trial; `None` where the folder holds no run.
    """

    trials: int = 0
    elapsed_s: float = 0.0
    steps: int | None = None


def spent_in(folder: str | os.PathLike[str]) -> Spent:
    """Returns what a folder holds of a search."""
    folder = Path(folder)
    if not (folder / IDENTITY).exists():
        return Spent()
    table = folder / "trials.csv"
    rows = checked_rows(table, read_rows(table), {"elapsed_s": columns.NUMBER})
    steps = read_json(folder / IDENTITY, "restore it, or delete its folder").get("steps")
    elapsed_s = sum(row["elapsed_s"] for row in rows)
    return Spent(len(rows), elapsed_s, steps if isinstance(steps, int) and steps > 0 else None)


def make_plan(
    job: Job,
    minutes: float,
    slots: int,
    engine: Engine,
    steps: int | None,
    usual_steps: int,
    fewest_steps: int,
    trials: tuple[int, int],
    spent: Spent,
    search_steps: int | None = None,
) -> Plan:
    """Returns how many trials of how many steps to make in so many minutes, those included that have ended.

    As many trials of the usual number of steps as there is time for; where these are more or fewer than `trials`
    allows, they get more or fewer steps. Where they are so few that most slots would be empty, which is slow, there are
    enough to fill them if each then gets `fewest_steps`. Where the fewest trials would get fewer than
    `search_steps`, as many as there are cores share all the time, if that is `fewest_steps` for each, one after another
    where it is far more than the usual number: longer training then brings more than a search.

    Args:
        job: What is trained, with any number of steps.
        minutes: The time.
        slots: Trials that train at the same time.
        engine: Where they train, as `make_workers` returns it; it has then compiled what they need.
        steps: Training steps of a trial, where they are given.
        usual_steps: Those with which a trial does well.
        fewest_steps: Those with which it still tells how good its values and weights are.
        trials: The fewest trials of a search, and the most.
        spent: What an earlier process did.
        search_steps: Those from which on a search is worth more than longer training with the values from which it
            starts; `None` where these are not known to be good.

    Raises:
        InputError: If `minutes` is not a number above 0.
    """
    began, total = time.monotonic(), 60 * check_number("minutes", minutes, 1e-3)
    steps = steps or spent.steps
    if spent.steps and spent.trials and total < 1.05 * spent.elapsed_s + ENDING_S:
        return Plan(spent.trials, int(spent.steps), began, spent.trials)
    deadline = began + max(total - spent.elapsed_s - ENDING_S, 0.5 * total)
    cores = min(slots, populations_at_once())

    def divided(left: float, pace: Pace, slots: int) -> tuple[int, int]:
        """Returns how many trials of how many steps so many seconds are for."""
        left = max(left, 0.2 * (deadline - began))
        whole = left / (WHOLE * pace.step_s)
        count = min(max(whole / usual_steps, trials[0]), trials[1])
        full = min(INITIAL_SHARE * slots, trials[1])
        if not steps and 2 * at_once(slots, int(count)) <= slots and whole / full >= fewest_steps:
            count = full
        each = whole / count
        share = MARGIN * WHOLE * whole / cores
        few = search_steps is not None and whole / trials[0] < search_steps and share >= fewest_steps
        if few:
            each = share / max(round(share / usual_steps), 1)  # several starts, rather than one for far longer
        taken = steps or max(math.floor(each / 100) * 100, 100)
        # At least so many that no core is idle; those for which there is no time do not begin.
        least = INITIAL_SHARE * cores
        return spent.trials + (least if few else max(math.floor(whole / taken), least)), taken

    while True:
        pace = measure_pace(job.with_steps(TIMED_STEPS), slots, engine, TIMED_PART * total)
        left = deadline - time.monotonic()
        planned = divided(left, pace, slots)
        if 2 * (fewer := at_once(slots, planned[0])) > slots:
            if _size(fewer) != _size(slots):  # what was timed is not what will train
                planned = divided(left - pace.start_s, pace, slots)
            return Plan(*planned, deadline)
        slots = fewer  # populations of far fewer take longer for each; timing compiles, and costs as much as it tells


def _size(slots: int) -> int:
    """Returns the slots of a population where so many trials train at the same time."""
    return math.ceil(slots / populations_at_once())
