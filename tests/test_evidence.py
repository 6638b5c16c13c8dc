"""What each number of the evidence is for: a little inside of it, and a little outside."""

from __future__ import annotations

import pytest

from edge.desk.evidence import Heard, against_rivals, level, log_odds, weight_of
from edge.domain import PHONE, WHOLE_PICTURE, Box, Detection


def square(side_px: float) -> Box:
    """So many pixels of an eye's input, in a look at the whole picture."""
    side = side_px / 416
    return Box(0.5, 0.5, 0.5 + side, 0.5 + side)


def said(*looks: tuple[float, float]) -> float:
    """The level of looks of these scores and weights."""
    heard = tuple(
        Heard(at_s, log_odds(score), weight, score > 0)
        for at_s, (score, weight) in enumerate(looks)
    )
    return level(heard, -1)


@pytest.mark.parametrize(("score", "likely"), [(0.95, False), (0.98, True)])
def test_a_look_that_finds_nothing_outweighs_one_of_95_percent_and_not_one_of_98(score, likely):
    assert (said((score, 1), (0.0, 1)) > 0) is likely


def test_a_score_of_1_says_no_more_than_98_percent():
    assert log_odds(1.0) == log_odds(0.99)
    assert log_odds(0.97) < log_odds(1.0) < 5


@pytest.mark.parametrize(("shared", "less"), [(2 / 3, True), (0.46, False)])
def test_another_name_takes_from_a_phone_where_half_of_both_boxes_is_shared(shared, less):
    phone = Detection(PHONE, 0.5, Box(0.4, 0.4, 0.6, 0.6))
    remote = Detection("remote", 0.8, Box(0.4, 0.6 - 0.2 * shared, 0.6, 0.8 - 0.2 * shared))
    assert phone.box.iou(remote.box) == pytest.approx(0.5 if less else 0.3, abs=0.01)
    after = {each.label: each.score for each in against_rivals([phone, remote])}
    assert (after[PHONE] < phone.score) is less


def test_whatever_else_was_seen_is_left_as_it_is_best_first():
    names = ("book", "cup", "keyboard", "laptop", "mouse", "person", "remote")
    others = [Detection(name, 0.1 + 0.1 * k, square(60)) for k, name in enumerate(names)]
    phone = Detection(PHONE, 0.75, Box(0.0, 0.0, 0.1, 0.1))
    assert against_rivals([*others, phone]) == (phone, *reversed(others))


@pytest.mark.parametrize(
    ("side_px", "least", "most"),
    [
        pytest.param(26, 1.0, 1.0, id="as well as it will be"),
        pytest.param(18, 0.6, 0.9, id="not quite so"),
    ],
)
def test_a_thing_of_26_pixels_is_seen_plainly_and_one_of_18_less_so(side_px, least, most):
    assert least <= weight_of(square(side_px), WHOLE_PICTURE) <= most


@pytest.mark.parametrize(("misses", "likely"), [(3, True), (4, False)])
def test_four_looks_that_showed_it_as_specks_undo_one_plain_sight_and_three_do_not(misses, likely):
    speck = weight_of(square(2), WHOLE_PICTURE)
    assert (said((0.95, 1), *[(0.0, speck)] * misses) > 0) is likely
