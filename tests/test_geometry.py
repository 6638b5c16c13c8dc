"""What each number of `desk/geometry.py` is for: a little inside of it, and a little outside."""

from __future__ import annotations

import pytest

from edge.desk.geometry import left_over, moved, of_one, shows
from edge.domain import Box

THING = Box(0.4, 0.4, 0.6, 0.6)


def shifted(share: float) -> Box:
    """A box of its size that has that share of it."""
    return Box(0.4, 0.6 - 0.2 * share, 0.6, 0.8 - 0.2 * share)


@pytest.mark.parametrize(("share", "one"), [(0.8, True), (0.6, False)])
def test_boxes_show_one_thing_where_four_fifths_are_shared_and_not_where_three_fifths_are(
    share, one
):
    assert of_one(THING, shifted(share)) is one


@pytest.mark.parametrize(("share", "left"), [(0.95, True), (0.6, False)])
def test_what_a_hand_leaves_of_a_thing_lies_all_but_within_it(share, left):
    half = shifted(share)
    assert left_over(THING, Box(0.4, half.xmin, 0.5, half.xmax), 0.0) is left


def test_what_is_as_large_as_the_thing_is_not_what_a_hand_leaves_of_it():
    assert not left_over(THING, Box(0.4, 0.4, 0.6, 0.59), 0.0)
    assert left_over(THING, Box(0.4, 0.4, 0.6, 0.57), 0.0)


@pytest.mark.parametrize(("share", "shown"), [(0.9, True), (0.7, False)])
def test_a_window_shows_a_thing_that_sticks_out_by_a_tenth_and_not_by_three(share, shown):
    assert shows(Box(0.0, 0.0, 1.0, 0.4 + 0.2 * share), THING) is shown


def test_a_thing_that_turns_where_it_is_has_gone_a_fifth_of_its_size():
    assert 0.15 < moved(Box(0.4, 0.45, 0.6, 0.55), Box(0.45, 0.4, 0.55, 0.6)) < 0.35
