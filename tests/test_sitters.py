"""What each number of `desk/people.py` is for: a little inside of it, and a little outside."""

from __future__ import annotations

import pytest

from edge.config import Config, ObserveConfig, SeatConfig
from edge.desk.people import Sitter, raised, seated
from edge.domain import PERSON, WHOLE_PICTURE, Box, Detection, Thresholds

THERE = Box(0.2, 0.3, 0.8, 0.7)
SOMEBODY = Sitter(THERE, 0.0)
EYES = Thresholds(0.1, {PERSON: 0.5})


def after(box: Box, score: float, window: Box = WHOLE_PICTURE) -> Sitter:
    """Whoever sits there after a look that saw them so."""
    found = [Detection(PERSON, score, box)]
    (sitter,) = seated((SOMEBODY,), found, window, 1.0, Config(), EYES)
    return sitter


def test_of_all_that_is_seen_the_surest_person_of_each_seat_sits_there():
    seats = (
        SeatConfig(name="left", box=Box(0, 0, 1, 0.45)),
        SeatConfig(name="right", box=Box(0, 0.55, 1, 1)),
    )
    left, right = Box(0.1, 0.05, 0.9, 0.4), Box(0.2, 0.6, 0.9, 0.95)
    found = [
        Detection("chair", 0.95, Box(0.1, 0.1, 0.9, 0.3)),
        Detection(PERSON, 0.05, right),
        Detection(PERSON, 0.92, Box(0.1, 0.46, 0.9, 0.54)),  # at neither
        Detection(PERSON, 0.3, Box(0.3, 0.7, 0.5, 0.9)),
        Detection(PERSON, 0.6, left),
        Detection(PERSON, 0.9, right),
        Detection(PERSON, 0.7, Box(0.4, 0.6, 0.9, 0.8)),
    ]
    sitters = (Sitter(),) * 2
    for order in (found, found[::-1]):
        seen = seated(sitters, order, WHOLE_PICTURE, 1.0, Config(seats=seats), EYES)
        assert seen == (Sitter(left, 1.0), Sitter(right, 1.0))


@pytest.mark.parametrize(("passed_s", "there"), [(2.0, True), (5.0, False)])
def test_somebody_sits_there_through_two_seconds_of_misses_and_not_through_five(passed_s, there):
    assert (SOMEBODY.at(passed_s) is not None) is there


@pytest.mark.parametrize(("shared", "same"), [(0.75, True), (0.57, False)])
def test_weak_evidence_is_of_whoever_sat_there_where_most_of_both_boxes_is_shared(shared, same):
    aside = THERE.width * (1 - shared)
    box = Box(THERE.ymin, THERE.xmin + aside, THERE.ymax, THERE.xmax + aside)
    assert box.iou(THERE) == pytest.approx(0.6 if same else 0.4, abs=0.01)
    assert (after(box, 0.2).seen_s == 1.0) is same


@pytest.mark.parametrize(("share", "whole"), [(0.6, True), (0.4, False)])
def test_three_fifths_of_what_a_window_shows_of_somebody_are_them_and_two_fifths_a_limb(
    share, whole
):
    window = Box(0.1, 0.2, 0.6, 0.8)
    box = Box(0.2, 0.3, 0.6, 0.3 + share * THERE.width)
    assert (after(box, 0.9, window).seen_s == 1.0) is whole


@pytest.mark.parametrize(("short_of_it", "goes_on"), [(0.015, True), (0.03, False)])
def test_somebody_who_all_but_reaches_the_edge_of_a_window_goes_on_beyond_it(short_of_it, goes_on):
    window = Box(0.1, 0.2, 0.6, 0.8)
    box = Box(0.2, 0.3, 0.6 - short_of_it, 0.7)
    known = after(box, 0.9, window).box
    assert known is not None
    assert known.ymax == (THERE.ymax if goes_on else box.ymax)


@pytest.mark.parametrize(
    ("height", "aside", "where"),
    [
        pytest.param(0.35, 0.0, "at the face", id="at the ear"),
        pytest.param(0.5, 0.0, "raised", id="before the chest"),
        pytest.param(0.5, 0.08, "raised", id="at arm's width"),
        pytest.param(0.5, 0.15, "", id="beside them"),
    ],
)
def test_a_phone_is_raised_before_somebody_or_hardly_beside_them(height, aside, where):
    y, x = THERE.ymin + height * THERE.height, THERE.xmax + aside * THERE.width
    held = Box(y - 0.05, x - 0.02, y + 0.05, x + 0.02)
    assert raised(held, SOMEBODY, 0.0, ObserveConfig()) == where


def test_somebody_outside_every_seat_sits_at_none():
    desk = Config(seats=(SeatConfig(name="desk", box=Box(0.0, 0.0, 1.0, 0.2)),))
    found = [Detection(PERSON, 0.9, THERE)]
    (sitter,) = seated((Sitter(),), found, WHOLE_PICTURE, 1.0, desk, EYES)
    assert sitter == Sitter()
