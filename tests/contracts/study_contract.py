"""What every study promises. One joins by subclassing `StudyContract`, naming its class and giving made rows."""

import typing

import pandas as pd
import pytest
from matplotlib.figure import Figure

from keras_rnncap.analysis.exhibits import StudyRows, Verdict
from keras_rnncap.studies import STUDIES, Plan, get_study, read_study


class StudyContract:
    """Joined as `class TestMyStudy(StudyContract): study = MyStudy`, with `rows`."""

    study = None
    shows = ()
    """Names of the figures and tables that follow from `rows`."""
    claims = 0
    """How many claims."""

    def rows(self):
        """Returns made tables: of searches, and of their trials."""
        raise NotImplementedError

    def pieces(self, profile):
        return self.study().pieces(self.study.grid(profile), profile, 0)

    @pytest.mark.parametrize("profile", ["smoke", "laptop", "paper"])
    def test_pieces_have_names_of_their_own_that_a_file_system_takes(self, profile):
        pieces = self.pieces(profile)
        names = [piece.name for piece in pieces]
        assert len(names) == len({*names}) > 0
        assert all("/" not in name and ":" not in name for name in names)
        assert all(piece.work > 0 and piece.labels["part"] for piece in pieces)
        assert {piece.best_of for piece in pieces} - {None} <= {*names}

    def test_the_cheapest_run_first_and_reruns_last(self):
        plan = Plan(self.study(), self.study.grid("smoke"), "smoke", 0, [])
        waits = {piece.name: piece.best_of for piece in plan.missing}

        def level(name):
            return 0 if waits[name] is None else 1 + level(waits[name])

        order = [(level(piece.name), piece.work) for piece in plan.missing]
        assert order == sorted(order)
        assert {piece.name for piece in plan.missing} == {piece.name for piece in self.pieces("smoke")}

    def test_smoke_is_small_and_each_profile_more_work_than_the_one_before(self):
        for piece in self.pieces("smoke"):
            assert piece.settings.get("trials", 1) * piece.settings.get("steps", 1) <= 200
        smoke, laptop, paper = (sum(piece.work for piece in self.pieces(p)) for p in ("smoke", "laptop", "paper"))
        assert smoke <= laptop <= paper

    def test_rows_make_figures_tables_and_claims(self):
        shown = self.study().exhibits(StudyRows(*self.rows()))
        assert [exhibit.name for exhibit in shown.exhibits] == list(self.shows)
        assert len(shown.claims) == self.claims
        for exhibit in shown.exhibits:
            assert exhibit.title
            assert exhibit.caption
            assert isinstance(exhibit.content, Figure) or not exhibit.content.empty
        assert all(claim.verdict in typing.get_args(Verdict) and "{" not in " ".join(claim) for claim in shown.claims)

    def test_some_of_the_rows_make_some_of_them_and_none_nothing(self, tmp_path):
        pieces, trials = self.rows()
        some = StudyRows(pieces[:1], trials[trials["piece"].isin(pieces["piece"][:1])] if len(trials) else trials)
        assert {exhibit.name for exhibit in self.study().exhibits(some).exhibits} <= set(self.shows)
        assert self.study().exhibits(read_study(tmp_path)).exhibits == []
        assert isinstance(pieces, pd.DataFrame)

    def test_it_is_found_by_its_name_and_says_what_it_asks(self):
        assert type(get_study(self.study.name)) is STUDIES[self.study.name] is self.study
        assert all((self.study.title, self.study.source, self.study.differences, self.study.__doc__))
