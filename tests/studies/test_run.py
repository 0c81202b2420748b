"""A study runs its pieces, cheapest first, keeps each, and never runs one twice."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from studies.pieces_made import WaitingPiece

from keras_rnncap.errors import InputError
from keras_rnncap.recommend import recommend
from keras_rnncap.report import write_report
from keras_rnncap.studies import STUDIES, Plan, get_study, in_words, read_study, run_study
from keras_rnncap.studies.study import Piece


class Counted:
    """A study's pieces without their training: what was run, and a stop at one of them."""

    def __init__(self, monkeypatch):
        self.ran, self.stop_at, self.feasible = [], None, True
        monkeypatch.setattr(Piece, "run", lambda piece, *rest: self.run(piece, *rest))

    def run(self, piece, folder, rows, progress):
        del progress
        if self.stop_at is not None and len(self.ran) == self.stop_at:
            raise KeyboardInterrupt
        if piece.best_of is not None and piece.best_of not in rows:
            return None
        self.ran.append(piece.name)
        folder.mkdir(parents=True, exist_ok=True)
        trials = [{"trial": 0, "status": "completed", "elapsed_s": 2.0, "bits_per_parameter": 3.0 + len(self.ran)}]
        pd.DataFrame(trials).to_csv(folder / "trials.csv", index=False)
        found = {"bits_per_parameter": 3.0} if self.feasible else {}
        return {"piece": piece.name, **piece.labels, **found, "elapsed_s": 2.0, **_sizes(piece)}


def _sizes(piece):
    return {name: piece.settings[name] for name in ("cell", "depth", "params", "seed")}


@pytest.fixture
def counted(monkeypatch):
    return Counted(monkeypatch)


def small(tmp_path, **more):
    options = {"cells": ["rnn"], "params": [60, 100], "depths": [1, 2], **more}
    return run_study("capacity", profile="smoke", out=tmp_path / "study", **options)


def test_pieces_run_from_the_cheapest_and_are_kept(counted, tmp_path):
    rows = small(tmp_path)
    assert len(counted.ran) == len({*counted.ran}) == len(rows.pieces) == len(rows.trials)
    works = {piece.name: piece.work for piece in get_study("capacity").pieces(_grid(), "smoke", 0)}
    assert [works[name] for name in counted.ran] == sorted(works.values())
    assert list(rows.trials["piece"]) == counted.ran


def _grid():
    return get_study("capacity").grid("smoke", cells=["rnn"], params=[60, 100], depths=[1, 2])


def test_an_interrupted_study_goes_on_where_it_was(counted, tmp_path):
    counted.stop_at = 2
    with pytest.raises(KeyboardInterrupt):
        small(tmp_path)
    assert len(read_study(tmp_path / "study").pieces) == 2
    counted.stop_at = None
    small(tmp_path)
    assert len(counted.ran) == len({*counted.ran})
    ended = len(counted.ran)
    small(tmp_path)
    assert len(counted.ran) == ended


def test_the_two_tables_are_enough_to_go_on(counted, tmp_path):
    small(tmp_path)
    shutil.rmtree(tmp_path / "study" / "pieces")
    before = len(counted.ran)
    rows = small(tmp_path, params=[60, 100, 120])
    added = counted.ran[before:]
    assert added
    assert all("120" in name for name in added)
    assert len(rows.pieces) == len(counted.ran)


def test_trials_whose_piece_has_no_row_are_dropped(counted, tmp_path):
    small(tmp_path)
    file = tmp_path / "study" / "pieces.csv"
    table = pd.read_csv(file)
    table.iloc[:-1].to_csv(file, index=False)
    rows = read_study(tmp_path / "study")
    assert len(rows.trials) == len(rows.pieces) == len(table) - 1
    small(tmp_path)
    assert counted.ran[-1] == table["piece"].iloc[-1]


TRAINED = {"words", "initializations", "landscape", "architectures", "evolution"}
"""Studies that train without a search."""


@pytest.mark.parametrize("name", sorted({*STUDIES} - TRAINED))
def test_a_study_without_a_feasible_trial_still_has_a_report(counted, name, tmp_path):
    counted.feasible = False
    cells = ["gru"]
    run_study(name, profile="smoke", cells=cells, out=tmp_path / "study")
    rows = read_study(tmp_path / "study")
    assert rows.pieces["best_score"].isna().all()
    get_study(name).exhibits(rows)
    write_report([tmp_path / "study"], tmp_path / "report")
    with pytest.raises(InputError, match="there are no rows of sentiment"):
        recommend("sentiment", 100, results=[tmp_path / "study"])


def test_searches_without_their_trials_are_an_error_and_are_kept(counted, tmp_path):
    small(tmp_path)
    file = tmp_path / "study" / "trials.csv.xz"
    whole, pieces = file.read_bytes(), (tmp_path / "study" / "pieces.csv").read_bytes()
    for damaged in (None, b"", b"version https://git-lfs", whole[: len(whole) // 2]):
        file.unlink(missing_ok=True)
        if damaged is not None:
            file.write_bytes(damaged)
        with pytest.raises(InputError, match="is damaged"):
            small(tmp_path)
        assert (tmp_path / "study" / "pieces.csv").read_bytes() == pieces
    file.write_bytes(whole)
    assert len(small(tmp_path).trials) == len(counted.ran)


def test_names_of_cells_are_the_same_in_any_letters(counted, tmp_path):
    small(tmp_path)
    before = len(counted.ran)
    small(tmp_path, cells=["RNN", "rnn"], params=[np.int64(60), 100])
    assert len(counted.ran) == before


def test_another_seed_adds_to_the_rows(counted, tmp_path):
    small(tmp_path)
    rows = small(tmp_path, seed=1)
    assert sorted({*rows.pieces["seed"]}) == [0, 1]
    assert len(counted.ran) == len({*counted.ran}) == len(rows.pieces)


def test_the_papers_parts_of_the_capacity_study_train_by_cross_entropy():
    study = get_study("capacity")
    changes = {}
    for piece in study.pieces(study.grid("laptop"), "laptop", 0):
        changes.setdefault(piece.labels["part"], []).append(dict(piece.settings.get("changes", {})))
    zero = {"loss_saturation": 0}
    expected = {"size": zero, "time": zero, "relu": {"activation": "relu"} | zero, "saturated": {}}
    assert {part: found[0] for part, found in changes.items()} == expected
    assert all(one == found[0] for found in changes.values() for one in found)


def test_reruns_have_other_seeds_than_their_search():
    study = get_study("robustness")
    pieces = {piece.name: piece for piece in study.pieces(study.grid("laptop"), "laptop", 0)}
    for piece in pieces.values():
        if piece.best_of:
            assert piece.settings["seed"] != pieces[piece.best_of].settings["seed"]


def test_the_papers_depth_1_has_no_intersection_cell(tmp_path):
    with pytest.raises(InputError, match=r"no search for these: cells \+rnn, depths 1"):
        run_study("trainability", profile="smoke", cells=["+rnn"], depths=[1], out=tmp_path / "study")


def test_a_piece_with_other_settings_is_an_error(counted, tmp_path):
    small(tmp_path)
    file = tmp_path / "study" / "pieces.csv"
    table = pd.read_csv(file)
    settings = json.loads(table.loc[0, "settings"]) | {"steps": 999}
    table.loc[0, "settings"] = json.dumps(settings)
    table.to_csv(file, index=False)
    with pytest.raises(InputError, match="steps 999 there, 20 here"):
        small(tmp_path)


def test_reruns_come_after_the_search_that_they_take_from(counted, tmp_path):
    run_study("robustness", profile="smoke", cells=["rnn", "gru"], out=tmp_path / "study")
    for cell in ("rnn", "gru"):
        search = f"search-parentheses-{cell}-300x1-seed0"
        rerun = f"rerun-parentheses-{cell}-300x1-seed1"
        assert counted.ran.index(search) < counted.ran.index(rerun)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("capacit", {}, "did you mean 'capacity'"),
        ("capacity", {"cells": ["rnnn"]}, "did you mean 'rnn'"),
        ("capacity", {"params": [0]}, "params must be an integer of at least 1"),
        ("capacity", {"params": []}, "params must name at least one"),
        ("capacity", {"units": [3]}, "the capacity study has no units; it has cells, params, depths"),
        ("memory", {"params": [3]}, "the memory study has no params; it has cells, depths, units"),
        ("capacity", {"profile": "huge"}, "profile must be one of"),
        ("capacity", {"seed": -1}, "seed must be an integer of at least 0"),
        (
            "capacity",
            {"cells": ["rnn"], "params": [10]},
            "params=10 is too small for the rnn x 1 with 7 inputs and 1 outputs: one unit needs",
        ),
    ],
)
def test_bad_input_is_an_error_before_any_work(name, options, message, tmp_path):
    with pytest.raises(InputError, match=message):
        run_study(name, **{"profile": "smoke", **options}, out=tmp_path / "study")
    assert not (tmp_path / "study").exists()


def test_time_left_follows_the_pieces_that_ended():
    study = get_study("capacity")
    plan = Plan(study, _grid(), "smoke", 0, [])
    before = plan.seconds_left()
    first = plan.missing[0]
    plan.ended(first, 10 * plan.seconds(first))
    assert plan.seconds_left() > before
    for piece in list(plan.missing):
        plan.ended(piece, 1.0)
    assert plan.seconds_left() == 0


@pytest.mark.parametrize(("seconds", "words"), [(3, "3 s"), (61, "1 min"), (7200, "2.0 h")])
def test_lengths_of_time_in_words(seconds, words):
    assert in_words(seconds) == words


@pytest.mark.parametrize("isolate", [False, True])
def test_pieces_that_wait_run_after_those_that_they_wait_for_and_have_their_rows(monkeypatch, tmp_path, isolate):
    waits = {"last": "second", "first": None, "second": "first", "other": "first"}
    pieces = [
        WaitingPiece(name, {"seed": 0}, {"part": "one" if name != "second" else "two"}, 1.0, best_of)
        for name, best_of in waits.items()
    ]
    study = get_study("memory")
    monkeypatch.setattr(type(study), "pieces", lambda *_: pieces)
    monkeypatch.setattr(type(study), "one_core", ("one",))
    rows = run_study("memory", profile="smoke", out=tmp_path / "study", isolate=isolate).pieces.set_index("piece")
    assert rows["waited_for"].dropna().to_dict() == {"second": "first", "other": "first", "last": "second"}
    order = list(rows.index)
    assert order.index("first") < order.index("second") < order.index("last")
