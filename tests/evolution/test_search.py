"""The search for architectures: its rows depend on rules and seed alone, whatever happens to the process."""

import dataclasses
import itertools

import numpy as np
import pandas as pd
import pytest
from evolution.made_evolution import FakeEngine

from keras_rnncap.errors import InputError
from keras_rnncap.evolution import History, get_rules, read_history, rules_of, run_evolution
from keras_rnncap.evolution.history import base_hash
from keras_rnncap.evolution.proposals import Proposer, all_settings
from keras_rnncap.evolution.rows import CANDIDATES, EVALUATIONS
from keras_rnncap.evolution.rules import BASES
from keras_rnncap.runs import IDENTITY, read_json

GRAPHS = 12


def search(out, engine, **options):
    return run_evolution(profile="smoke", engine=engine, out=out, **{"graphs": GRAPHS, **options})


def rows(folder):
    return [(folder / name).read_text() for name in (CANDIDATES, EVALUATIONS)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "found"
    history = search(folder, FakeEngine())
    return folder, history


@pytest.mark.parametrize("strategy", ["paper", "regularized", "random"])
def test_rows_do_not_depend_on_what_ends_first(strategy, tmp_path):
    for name, seed in (("one", 1), ("other", 2)):
        search(tmp_path / name, FakeEngine(seed), strategy=strategy)
    assert rows(tmp_path / "one") == rows(tmp_path / "other")


def test_rows_are_the_same_after_interrupts_at_any_time_and_nothing_is_trained_twice(whole, tmp_path):
    folder, rng, did = tmp_path / "found", np.random.default_rng(0), []
    for attempt in itertools.count():
        engine = FakeEngine(attempt, stops_after=int(rng.integers(1, 9)))
        try:
            search(folder, engine)
            break
        except KeyboardInterrupt:
            did += engine.did
            for name in (CANDIDATES, EVALUATIONS):  # a kill while a line is written
                if (folder / name).exists() and attempt % 3 == 2:
                    text = (folder / name).read_text()
                    cut = text.rstrip("\n").rfind("\n") + 3
                    if name == EVALUATIONS or cut > 10:
                        (folder / name).write_text(text[: cut - 2] + text[cut - 2 : cut])
    assert attempt > 8
    assert rows(folder) == rows(whole[0])


def test_more_graphs_add_to_what_is_there(whole, tmp_path):
    search(tmp_path / "found", FakeEngine(), graphs=5)
    engine = FakeEngine(3)
    search(tmp_path / "found", engine)
    assert rows(tmp_path / "found") == rows(whole[0])
    earlier = FakeEngine()
    search(tmp_path / "found", earlier)
    assert not earlier.did


def test_time_that_is_over_keeps_the_stages_that_ended(tmp_path, whole):
    class Slow(FakeEngine):
        def completed(self):
            clock[0] += 30.0
            return super().completed()

    clock = [0.0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("keras_rnncap.evolution.search.time.monotonic", lambda: clock[0])
        history = search(tmp_path / "found", Slow(), graphs=None, minutes=16)
    count = len(pd.read_csv(tmp_path / "found" / EVALUATIONS).groupby(["candidate", "task"]))
    assert 10 <= count <= 32
    assert history.base().evaluations > 0
    search(tmp_path / "found", FakeEngine())
    assert rows(tmp_path / "found") == rows(whole[0])


def test_cost_is_the_seconds_of_all_trainings(tmp_path, whole):
    search(tmp_path / "found", FakeEngine(), graphs=None, cost=20.0)
    seconds = pd.read_csv(tmp_path / "found" / EVALUATIONS)["elapsed_s"].sum()
    assert 20 <= seconds <= 20 + 4 * 2.0  # those that were in training meanwhile
    search(tmp_path / "found", FakeEngine())
    assert rows(tmp_path / "found") == rows(whole[0])


def test_other_rules_or_another_seed_are_another_run(whole):
    for options in ({"seed": 1}, {"strategy": "random"}, {"tasks": ["xml"]}):
        with pytest.raises(InputError, match="holds another run"):
            search(whole[0], FakeEngine(), **options)


def test_what_is_read_is_what_was_found(whole):
    folder, history = whole
    read = read_history(folder, rules_of(read_json(folder / IDENTITY, "")))
    assert read.best() == history.best()
    assert [read.score(name) for name in read.best()] == [history.score(name) for name in history.best()]
    assert {name: known.by_task for name, known in read.known.items()}.keys() == history.known.keys()


def test_the_score_is_equation_1(whole):
    folder, history = whole
    table = pd.read_csv(folder / EVALUATIONS)
    names = pd.read_csv(folder / CANDIDATES).set_index("candidate")["architecture"]
    table["architecture"] = table["candidate"].map(names)
    best = table.groupby(["task", "architecture"])["accuracy"].max()
    gru = table[table["candidate"] == 0].groupby("task")["accuracy"].max()
    for name in history.best():
        ratios = [best[task, name] / gru[task] for task in history.tasks]
        assert history.score(name) == pytest.approx(min(ratios))


def test_mutants_meet_the_papers_stages(whole):
    folder, history = whole
    rules = history.rules
    table = pd.read_csv(folder / EVALUATIONS)
    kinds = pd.read_csv(folder / CANDIDATES).set_index("candidate")
    gru = table[table["candidate"] == 0]
    hp = [name for name in table if name.startswith("hp.")]
    reached = set()
    for number, own in table.groupby("candidate", sort=False):
        kind, tasks = kinds.loc[number, "kind"], list(dict.fromkeys(own["task"]))
        stages = [problem.task for problem in (rules.stages if kind in ("base", "mutant") else rules.problems)]
        assert tasks == stages[: len(tasks)]
        if kind != "mutant":
            assert tasks == stages
            continue
        reached.add(len(tasks))
        for place, task in enumerate(tasks):
            here = own[own["task"] == task]
            of_gru = gru[gru["task"] == task]
            if place == 0:
                assert len(here) == 1
                same = of_gru.merge(here[hp], on=hp)
                least = rules.passes * same["accuracy"].iloc[0]
                assert same["accuracy"].iloc[0] >= rules.filters * of_gru["accuracy"].max()
            else:
                assert len(here) == rules.settings
                least = rules.enough * of_gru["accuracy"].max()
            goes_on = place + 1 < len(tasks) or len(tasks) == len(stages)
            if place + 1 < len(stages):
                assert (here["accuracy"].max() >= least) == goes_on
    assert len(reached) > 1


def test_no_architecture_has_a_setting_twice_on_a_task(whole):
    folder, _ = whole
    table = pd.read_csv(folder / EVALUATIONS)
    names = pd.read_csv(folder / CANDIDATES).set_index("candidate")["architecture"]
    table["architecture"] = table["candidate"].map(names)
    hp = [name for name in table if name.startswith("hp.")]
    assert not table.duplicated(["architecture", "task", *hp]).any()
    assert (table.groupby(["architecture", "task", *hp])["seed"].nunique() == 1).all()


def test_bases_have_the_same_settings_and_others_draw_for_each_task_apart(whole):
    folder, history = whole
    table = pd.read_csv(folder / EVALUATIONS)
    hp = [name for name in table if name.startswith("hp.")]
    one, other = (table[table["candidate"] == number][["task", *hp]].to_numpy().tolist() for number in (0, 1))
    assert one == other
    fresh = (
        table[~table["candidate"].isin([0, 1])]
        .groupby(["candidate", "task"])[hp]
        .apply(lambda t: t.to_numpy().tolist())
    )
    by_candidate = {}
    for (number, task), settings in fresh.items():
        if task in history.tasks:
            by_candidate.setdefault(number, []).append(settings)
    pairs = [found for found in by_candidate.values() if len(found) == 2]
    assert any(first != second for first, second in pairs)


def history_with(evaluations, rules):
    """A history of the bases alone, with accuracies that rise with the place of the setting in the grid."""
    engine, history = FakeEngine(), History(rules)
    del engine
    proposer = Proposer(rules, 0)
    from keras_rnncap.evolution.history import Evaluation

    for number in range(len(BASES)):
        proposal = proposer.propose(number, history, [])
        stages = []
        for stage in proposal.stages:
            place = {setting: spot for spot, setting in enumerate(all_settings(stage.problem))}
            stages.append(
                [Evaluation(each, 0.1 + place[each] / 300, 1.0, 0.5, 3, False, 0, 0.1) for each in stage.settings]
            )
        history.add(proposal.candidate, stages, proposal.filtered)
    return history


@pytest.mark.parametrize("many", [1, 10_000])
def test_settings_of_a_child_follow_section_3_3(many):
    rules = dataclasses.replace(
        get_rules("laptop"), many=many, inherited=10, settings=20, mutants=1.0, base_settings=60
    )
    history = history_with(None, rules)
    proposal = Proposer(rules, 0).propose(5, history, [])
    parent = history.known[proposal.candidate.parent]
    for stage in proposal.stages[1:]:
        task = stage.problem.task
        best = {*parent.best_settings(task, rules.inherited)}
        of_bases = {s for base in BASES for s in history.base(base).best_settings(task, rules.inherited)}
        tried = {*parent.best_settings(task, 1_000)}
        assert len({*stage.settings}) == 20
        if many == 1:  # 80% from the best of the parent, as far as there are so many
            assert best <= {*stage.settings}
        else:
            assert len({*stage.settings[:7]} & of_bases) == 7
            assert {*stage.settings[7:14]} <= tried
    assert len(proposal.stages[0].settings) == 1


def test_a_search_refuses_what_it_cannot_do(tmp_path):
    for options, said in (
        ({"strategy": "best"}, "strategy must be one of paper, regularized, random; got 'best'"),
        ({"graphs": 0}, "graphs must be an integer of at least 1; got 0"),
        ({"minutes": -1}, "minutes must be a finite number"),
        ({"tasks": ["xmll"]}, "unknown task 'xmll': did you mean 'xml'"),
        ({"tasks": ["xml", "xml"]}, "tasks must differ; got xml, xml"),
        ({"tasks": []}, "tasks must name at least one"),
        ({"engine": "threads"}, "unknown engine 'threads'"),
    ):
        with pytest.raises(InputError, match=said):
            run_evolution(**{"profile": "smoke", "engine": FakeEngine(), "out": tmp_path / "never", **options})
    assert not (tmp_path / "never").exists()


def test_a_damaged_table_is_one_sentence(whole, tmp_path):
    for name, old, new, said in (
        (CANDIDATES, "mutant", "mutation", "kind or architecture"),
        (EVALUATIONS, "completed", "fine", "status is 'fine'"),
        (CANDIDATES, '""op"": ""tanh""', '""op"": ""tan""', "op of node"),
    ):
        folder = tmp_path / f"{name}{new}"[:20].replace('"', "")
        folder.mkdir()
        for file in (CANDIDATES, EVALUATIONS, IDENTITY):
            text = (whole[0] / file).read_text()
            (folder / file).write_text(text.replace(old, new) if file == name else text)
        with pytest.raises(InputError, match=said):
            search(folder, FakeEngine())


def test_the_base_is_the_gru():
    assert base_hash("gru") == "g42d10021b3bc0806"
