"""What each number of the attention is for: a little inside of it, and a little outside."""

from __future__ import annotations

import pytest

from edge.desk.attention import (
    Turn,
    around_person,
    around_thing,
    around_upper,
    exciting,
    next_glance,
    shows_nothing_new,
    taken,
)
from edge.desk.evidence import Heard, log_odds
from edge.desk.people import Sitter
from edge.desk.pixels import Pixels
from edge.desk.tracks import New, Track, born
from edge.domain import Box, Glance, Look, PhoneUse
from tests.desk import ON_DESK, SITTER, phone

PERSON = SITTER.box


def a_track(held: bool, score: float = 0.8, **known) -> Track:
    track = born(1, New(phone(ON_DESK, score), 1, held), Look(()), Pixels(), 0.0, ())
    return track._replace(level=log_odds(score), **known)


@pytest.mark.parametrize(
    ("ages_s", "next_one"),
    [  # how long ago each was looked at; what was just now is due last
        ({"": 0.8, "seat 0": 0.4}, ""),
        ({"": 0.6, "seat 0": 0.45}, "seat 0"),
        ({"seat 0": 0.4, "upper 0": 0.23}, "upper 0"),
        ({"seat 0": 0.45, "upper 0": 0.2}, "seat 0"),
        ({"upper 0": 0.2, "thing 1": 0.18}, "thing 1"),
        ({"upper 0": 0.23, "thing 1": 0.15}, "upper 0"),
    ],
)
def test_what_may_be_a_phone_is_looked_at_four_times_as_often_as_the_whole(ages_s, next_one):
    turns = tuple(
        Turn(at, 10 - ages_s.get(at, 0.0), 0) for at in ("", "seat 0", "upper 0", "thing 1")
    )
    sitters, tracks = (Sitter(PERSON, 10.0),), (a_track(held=True),)
    assert next_glance(tracks, sitters, turns, 2, 10.0, closely=True).at == next_one


@pytest.mark.parametrize(
    ("held", "score", "looked_at"),
    [(True, 0.8, True), (True, 0.04, False), (False, 0.8, False), (False, 0.04, False)],
)
def test_what_is_held_and_may_be_a_phone_is_looked_at_closely_and_nothing_else(
    held, score, looked_at
):
    turns = (Turn("", 9.9, 0),)
    glance = next_glance((a_track(held, score),), (Sitter(),), turns, 2, 10.0, closely=True)
    assert glance.at == ("thing 1" if looked_at else "")
    assert glance.eye == (0 if looked_at else 1), "the other eye, the second time"


@pytest.mark.parametrize(("age_s", "exciting_"), [(2.0, True), (4.0, False)])
def test_what_is_new_is_looked_at_in_every_frame_for_two_seconds_and_not_for_four(age_s, exciting_):
    assert exciting(a_track(held=False), age_s) is exciting_


@pytest.mark.parametrize(("age_s", "exciting_"), [(4.0, True), (7.0, False)])
def test_what_is_missing_where_it_lay_is_looked_for_for_four_seconds_and_not_for_seven(
    age_s, exciting_
):
    missed = (Heard(age_s, log_odds(0.0), 1.0, seen=False),)
    lay = a_track(held=False, confirmed=True, heard=missed, use=PhoneUse.PARKED)
    assert exciting(lay, age_s) is exciting_


@pytest.mark.parametrize(("score", "exciting_"), [(0.12, True), (0.04, False)])
def test_one_in_eight_is_worth_a_look_of_its_own_and_one_in_25_is_not(score, exciting_):
    assert exciting(a_track(held=True, score=score), 1.0) is exciting_


def test_a_thing_fills_between_a_third_and_half_of_its_window():
    box = Box(0.4, 0.4, 0.6, 0.5)
    assert 1 / 3 < box.height / around_thing(box).height < 1 / 2


def test_what_is_tiny_is_enlarged_by_three_to_five_times():
    assert 3 < 1 / around_thing(Box(0.50, 0.50, 0.52, 0.51)).height < 5


@pytest.mark.parametrize(("area", "nothing_new"), [(0.6, False), (0.8, True)])
def test_a_window_of_four_fifths_of_the_picture_is_spared_and_one_of_three_fifths_is_not(
    area, nothing_new
):
    assert shows_nothing_new(Box(0.0, 0.0, area, 1.0)) is nothing_new


def test_the_upper_part_of_somebody_shows_what_is_before_the_chest_and_not_the_lap():
    upper = around_upper(PERSON)
    assert upper.contains(PERSON.ymin + 0.5 * PERSON.height, 0.5)
    assert not upper.contains(PERSON.ymin + 0.75 * PERSON.height, 0.5)


@pytest.mark.parametrize(("aside", "above", "shown"), [(0.1, 0.04, True), (0.2, 0.07, False)])
def test_a_person_s_window_has_a_tenth_beside_them_and_a_hair_s_breadth_above(aside, above, shown):
    for window in (around_person(PERSON), around_upper(PERSON)):
        assert window.contains(0.4, PERSON.xmin - aside * PERSON.width) is shown
        assert window.contains(0.4, PERSON.xmax + aside * PERSON.width) is shown
        assert window.contains(PERSON.ymin - above * PERSON.height, 0.5) is shown


@pytest.mark.parametrize(("age_s", "known"), [(40, True), (90, False)])
def test_what_was_not_looked_at_for_a_minute_and_a_half_is_forgotten(age_s, known):
    after = taken((Turn("thing 1", 0.0, 1),), Glance(), age_s)
    assert ("thing 1" in {turn.at for turn in after}) is known


def test_a_box_that_looks_no_closer_looks_at_the_whole_picture():
    turns = (Turn("", 9.9, 0), Turn("seat 0", 0.0, 0))
    for closely, at in ((True, "upper 0"), (False, "")):
        glance = next_glance((), (Sitter(PERSON, 10.0),), turns, 1, 10.0, closely=closely)
        assert glance.at == at


@pytest.mark.parametrize(("seat", "follows"), [(0, True), (1, False)])
def test_only_the_window_of_who_holds_it_follows_what_is_held(seat, follows):
    low = Box(0.8, 0.45, 0.88, 0.55)  # held below what the upper window shows
    held = a_track(True)._replace(box=low, seat=seat)
    turns = (Turn("", 10.0, 0), Turn("seat 0", 10.0, 0))
    glance = next_glance((held,), (Sitter(PERSON, 10.0), Sitter()), turns, 1, 10.0, closely=True)
    assert glance.at == "upper 0"
    assert (glance.window == around_upper(PERSON, low)) is follows
    assert (glance.window == around_upper(PERSON)) is not follows


@pytest.mark.parametrize(
    ("box", "at"),
    [
        pytest.param(Box(0.7, 0.45, 0.76, 0.52), "upper 0", id="in somebody's lap"),
        pytest.param(Box(0.7, 0.02, 0.76, 0.09), "thing 1", id="beside them"),
    ],
)
def test_what_a_sitter_s_windows_show_needs_no_look_of_its_own(box, at):
    thing = a_track(True)._replace(box=box, seat=1)  # of the next seat, where nobody sits
    turns = (Turn("", 10.0, 0), Turn("seat 0", 10.0, 0), Turn("upper 0", 9.9, 0))
    glance = next_glance((thing,), (Sitter(PERSON, 10.0), Sitter()), turns, 1, 10.0, closely=True)
    assert glance.at == at


@pytest.mark.parametrize(("last", "eyes", "next_eye"), [(0, 2, 1), (1, 2, 0), (0, 3, 1), (2, 3, 0)])
def test_the_eyes_take_turns(last, eyes, next_eye):
    assert next_glance((), (), (Turn("", 9.0, last),), eyes, 10.0, closely=True).eye == next_eye
    assert next_glance((), (), (), eyes, 10.0, closely=True).eye == 0
