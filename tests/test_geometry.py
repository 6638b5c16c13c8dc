"""What each number of `desk/geometry.py` is for: a little inside of it, and a little outside."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.desk.geometry import between, clipped, grown, ious, left_over, moved, of_one, shows
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


# Of edges that may be anywhere, the wrong way round, or one on the other.
EDGES = st.sampled_from([-0.1, 0.0, 0.2, 0.25, 0.5, 0.9, 1.0])
BOXES = st.lists(st.builds(Box, EDGES, EDGES, EDGES, EDGES), max_size=4)


@given(BOXES, BOXES)
def test_overlaps_of_many_boxes_are_those_of_each_with_each(boxes, others):
    each = np.array([[box.iou(other) for other in others] for box in boxes], float)
    assert ious(boxes, others) == pytest.approx(each.reshape(len(boxes), len(others)))


def test_boxes_are_grown_clipped_and_put_between_two():
    larger = astuple(grown(Box(0.1, 0.2, 0.3, 0.5), 0.05))
    assert larger == pytest.approx((0.05, 0.15, 0.35, 0.55))
    assert clipped(Box(-0.1, 0.2, 0.3, 1.5)) == Box(0.0, 0.2, 0.3, 1.0)
    assert clipped(Box(0.1, -0.2, 1.3, 0.5)) == Box(0.1, 0.0, 1.0, 0.5)
    quarter = astuple(between(Box(0.0, 0.1, 0.2, 0.3), Box(0.4, 0.5, 1.0, 0.7), 0.25))
    assert quarter == pytest.approx((0.1, 0.2, 0.4, 0.4))
