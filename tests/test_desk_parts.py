"""The small parts of the judgement, each by itself: where a window goes, what a look says."""

from __future__ import annotations

from dataclasses import astuple, replace
from math import log

import pytest

from edge.config import ObserveConfig
from edge.desk.attention import around_person, around_thing, around_upper, shows_nothing_new
from edge.desk.evidence import Heard, against_rivals, level, log_odds, probability, weight_of
from edge.desk.geometry import apart, clipped, of_one, shows
from edge.desk.view import Sight, looked_through
from edge.domain import PERSON, PHONE, Box, Detection, SceneStats, View
from tests.desk import AT_CHEST, Desk, phone

WHOLE = Box(0, 0, 1, 1)


def near(box: Box, *edges: float) -> bool:
    return astuple(box) == pytest.approx(edges, abs=1e-9)


# ---------------------------------------------------------------- windows


@pytest.mark.parametrize(
    ("person", "expected"),
    [
        pytest.param(Box(0.2, 0.3, 0.6, 0.7), (0.18, 0.24, 0.62, 0.76), id="with some margin"),
        pytest.param(Box(0.0, 0.0, 1.0, 0.4), (0.0, 0.0, 1.0, 0.46), id="within the picture"),
        pytest.param(Box(0.1, 0.7, 0.9, 1.0), (0.06, 0.655, 0.94, 1.0), id="at the right"),
    ],
)
def test_a_person_is_looked_at_with_what_is_beside(person, expected):
    assert near(around_person(person), *expected)


@pytest.mark.parametrize(
    ("held", "expected"),
    [  # the upper six tenths of a person from 0.2 to 0.7, and a twentieth of it above
        pytest.param(None, (0.175, 0.24, 0.5, 0.76), id="nothing in the hand"),
        pytest.param(Box(0.3, 0.4, 0.4, 0.5), (0.175, 0.24, 0.5, 0.76), id="held high"),
        pytest.param(Box(0.5, 0.4, 0.6, 0.5), (0.3, 0.24, 0.625, 0.76), id="held low"),
        pytest.param(Box(0.6, 0.4, 0.9, 0.5), (0.375, 0.24, 0.7, 0.76), id="no lower than he is"),
    ],
)
def test_the_part_before_which_a_phone_is_held_goes_down_with_it(held, expected):
    assert near(around_upper(Box(0.2, 0.3, 0.7, 0.7), held), *expected)


@pytest.mark.parametrize(
    ("thing", "expected"),
    [
        pytest.param(Box(0.4, 0.45, 0.6, 0.55), (0.25, 0.25, 0.75, 0.75), id="2.5 times as large"),
        pytest.param(
            Box(0.5, 0.5, 0.52, 0.51), (0.385, 0.38, 0.635, 0.63), id="a quarter at least"
        ),
        pytest.param(Box(0.9, 0.0, 1.0, 0.05), (0.75, 0.0, 1.0, 0.25), id="within the picture"),
        pytest.param(Box(0.1, 0.1, 0.7, 0.3), (0.0, 0.0, 1.0, 1.0), id="no larger than that"),
    ],
)
def test_the_window_around_a_thing_has_the_proportions_of_the_picture(thing, expected):
    assert near(around_thing(thing), *expected)


def test_a_window_of_most_of_the_picture_shows_nothing_new():
    assert shows_nothing_new(Box(0, 0, 1, 0.7))
    assert not shows_nothing_new(Box(0, 0, 1, 0.69))


# ---------------------------------------------------------------- boxes


def test_a_box_is_clipped_to_the_picture():
    assert near(clipped(Box(-0.1, -0.2, 1.1, 1.2)), 0, 0, 1, 1)
    assert near(clipped(Box(0.1, 0.2, 0.8, 0.9)), 0.1, 0.2, 0.8, 0.9)


def test_distances_are_those_of_the_centres():
    assert apart(Box(0.0, 0.0, 0.2, 0.2), Box(0.3, 0.4, 0.5, 0.6)) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("share", "one", "shown"), [(0.69, False, False), (0.71, True, False), (0.81, True, True)]
)
def test_a_part_of_a_thing_is_that_thing_and_a_window_shows_it_nearly_whole(share, one, shown):
    thing = Box(0.4, 0.4, 0.5, 0.5)
    rest = Box(0.4, 0.4, 0.9, 0.4 + 0.1 * share)  # has so much of it
    assert of_one(thing, rest) is one
    assert of_one(rest, thing) is one
    assert shows(rest, thing) is shown


# ---------------------------------------------------------------- what a look says


def test_scores_are_told_in_log_odds_within_bounds():
    assert log_odds(0.5) == pytest.approx(0.0)
    assert log_odds(0.0) == log_odds(0.03) == pytest.approx(log(3 / 97))
    assert log_odds(1.0) == log_odds(0.98) == pytest.approx(log(49))
    assert probability(log_odds(0.7)) == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("side", "window", "expected"),
    [  # 416 pixels across the window; 24 of them are plain
        pytest.param(24 / 416, WHOLE, 1.0, id="plain"),
        pytest.param(0.5, WHOLE, 1.0, id="plainer does not count for more"),
        pytest.param(12 / 416, WHOLE, 0.5, id="half as large counts half"),
        pytest.param(12 / 416, Box(0, 0, 0.5, 0.5), 1.0, id="and whole in a window of half"),
        pytest.param(12 / 416, Box(0, 0, 0.5, 0.8), 0.625, id="by the longer side"),
        pytest.param(1 / 416, WHOLE, 0.25, id="a quarter at least"),
    ],
)
def test_a_look_counts_by_the_pixels_it_has_of_a_thing(side, window, expected):
    assert weight_of(Box(0.1, 0.1, 0.1 + side, 0.1 + side), window) == pytest.approx(expected)


def test_the_level_is_the_mean_of_the_looks_since_by_what_they_count():
    heard = (
        Heard(1.0, 9.0, 1.0, True),
        Heard(2.0, 2.0, 0.5, True),
        Heard(3.0, -1.0, 1.0, False),
    )
    assert level(heard, 1.0) == pytest.approx((0.5 * 2.0 - 1.0) / 1.5)
    assert level(heard, 3.0) == log_odds(0.0), "nothing was heard since"


def test_another_name_that_claims_a_phones_place_with_more_takes_as_much_off():
    box = Box(0.4, 0.4, 0.6, 0.6)
    phone = Detection(PHONE, 0.5, box)
    person = Detection(PERSON, 0.95, box)
    elsewhere = Detection("remote", 0.9, Box(0.4, 0.49, 0.6, 0.69))  # IoU 0.38

    def left(*others: Detection) -> float:
        (found,) = (each for each in against_rivals([phone, *others]) if each.label == PHONE)
        return found.score

    assert left() == left(person) == left(elsewhere) == 0.5
    assert left(Detection("remote", 0.4, box)) == 0.5
    assert left(Detection("remote", 0.8, box)) == pytest.approx(0.2)
    assert left(Detection("cup", 0.7, box), Detection("remote", 0.8, box)) == pytest.approx(0.2)
    surest = against_rivals([phone, Detection("remote", 0.8, box)])
    assert [each.label for each in surest] == ["remote", PHONE]


# ---------------------------------------------------------------- what is told of it


@pytest.mark.parametrize(("score", "told"), [(0.045, False), (0.06, True)])
def test_what_is_hardly_a_phone_is_not_told_as_one(score, told):
    desk = Desk().focus().working(2.0, phone(AT_CHEST, score))
    assert (desk.sight.phone is not None) is told


# ---------------------------------------------------------------- whether there is a view


SETTINGS = ObserveConfig()
FLAT, PLAIN = 0.9 * SETTINGS.covered_detail, 1.1 * SETTINGS.covered_detail
DIM, LIT = 0.9 * SETTINGS.dark, 1.1 * SETTINGS.dark
NO_CONTRAST, CONTRAST = 0.24 * SETTINGS.dark, 0.26 * SETTINGS.dark


@pytest.mark.parametrize(
    ("stats", "expected"),
    [
        pytest.param({}, View.CLEAR, id="a desk"),
        pytest.param({"brightness": DIM}, View.DARK, id="dark"),
        pytest.param(
            {"brightness": DIM, "detail": FLAT, "contrast": NO_CONTRAST}, View.COVERED, id="a hand"
        ),
        pytest.param({"brightness": DIM, "detail": FLAT}, View.DARK, id="a glow in the dark"),
        pytest.param(
            {"brightness": DIM, "contrast": NO_CONTRAST}, View.DARK, id="a pattern in the dark"
        ),
        pytest.param({"detail": FLAT}, View.COVERED, id="a lid that lets light through"),
        pytest.param({"glare": 1.1 * SETTINGS.glare, "detail": FLAT}, View.GLARE, id="the sun"),
        pytest.param({"shift": 1.1 * SETTINGS.moved}, View.MOVED, id="bumped"),
        pytest.param({"shift": 1.1 * SETTINGS.moved, "detail": FLAT}, View.COVERED, id="put away"),
    ],
)
def test_what_a_view_is_worth(stats, expected):
    good = {"brightness": LIT, "contrast": CONTRAST, "detail": PLAIN, "glare": 0.9 * SETTINGS.glare}
    measured = SceneStats(
        **{**good, "change": 0.0, "shift": 0.9 * SETTINGS.moved, "identical": False, **stats}
    )
    sight = Sight(0, View.CLEAR, expected, 0.0)
    assert looked_through(sight, measured, SETTINGS.view_hold_s, SETTINGS).view is expected
    early_s = (0.5 if expected is View.CLEAR else SETTINGS.view_hold_s) - 0.01
    lost = Sight(0, View.FROZEN, expected, 0.0)
    assert looked_through(lost, measured, early_s, SETTINGS).view is View.FROZEN, "not believed yet"


def test_a_picture_is_frozen_when_it_has_been_the_same_for_long():
    same = SceneStats(
        brightness=LIT, contrast=CONTRAST, detail=PLAIN, glare=0, change=0, shift=0, identical=True
    )
    sight = Sight(0, View.CLEAR, View.CLEAR, 0.0)
    for number in range(SETTINGS.frozen_frames):
        assert sight.wanted is View.CLEAR, number
        sight = looked_through(sight, same, float(number), SETTINGS)
    assert sight.wanted is View.FROZEN
    sight = looked_through(sight, replace(same, identical=False), 99.0, SETTINGS)
    assert (sight.wanted, sight.identical) == (View.CLEAR, 0)
    never = replace(SETTINGS, frozen_frames=0)
    assert looked_through(Sight(10**6, View.CLEAR, View.CLEAR, 0.0), same, 1.0, never).wanted is (
        View.CLEAR
    )
