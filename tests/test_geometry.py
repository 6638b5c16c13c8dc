"""What each number of `desk/geometry.py` is for: a little inside of it, and a little outside."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.desk.geometry import clipped, ious, of_one, shows
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


@pytest.mark.parametrize(("share", "shown"), [(0.9, True), (0.7, False)])
def test_a_window_shows_a_thing_that_sticks_out_by_a_tenth_and_not_by_three(share, shown):
    assert shows(Box(0.0, 0.0, 1.0, 0.4 + 0.2 * share), THING) is shown


# Of edges that may be anywhere, the wrong way round, or one on the other.
EDGES = st.sampled_from([-0.1, 0.0, 0.2, 0.25, 0.5, 0.9, 1.0])
BOXES = st.lists(st.builds(Box, EDGES, EDGES, EDGES, EDGES), max_size=4)


@given(BOXES, BOXES)
def test_overlaps_of_many_boxes_are_those_of_each_with_each(boxes, others):
    each = np.array([[box.iou(other) for other in others] for box in boxes], float)
    assert ious(boxes, others) == pytest.approx(each.reshape(len(boxes), len(others)))


def test_a_box_is_clipped_to_the_picture_at_each_edge():
    assert clipped(Box(-0.1, 0.2, 0.3, 1.5)) == Box(0.0, 0.2, 0.3, 1.0)
    assert clipped(Box(0.1, -0.2, 1.3, 0.5)) == Box(0.1, 0.0, 1.0, 0.5)
