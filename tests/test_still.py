"""What each number of the look at a still picture is for: a little inside, and a little outside."""

from __future__ import annotations

import pytest

from edge.desk.still import joined, still
from edge.domain import PERSON, PHONE, WHOLE_PICTURE, Box, Detection, Glance, Look


def windows(*people: Detection) -> list[Box]:
    """Where one eye looks closely, of people that it saw in the whole picture."""

    def look(glance: Glance) -> Look:
        return Look(people if glance.window == WHOLE_PICTURE else (), glance)

    return [each.window for each in still(look, 1, closely=True)[1:]]


def somebody(left: float, score: float = 0.9) -> Detection:
    return Detection(PERSON, score, Box(0.1, left, 0.9, left + 0.2))


@pytest.mark.parametrize(("score", "close"), [(0.3, 1), (0.15, 0)])
def test_who_is_there_by_three_in_ten_is_looked_at_closely_and_by_one_in_seven_not(score, close):
    assert len(windows(somebody(0.4, score))) == close


def test_two_people_are_both_looked_at_closely_and_of_four_not_all():
    assert len(windows(somebody(0.1), somebody(0.5))) == 2
    assert len(windows(*(somebody(0.05 + 0.23 * k) for k in range(4)))) <= 3


@pytest.mark.parametrize(
    ("label", "iou", "one"),
    [(PERSON, 0.7, True), (PERSON, 0.5, False), (PHONE, 0.55, True), (PHONE, 0.35, False)],
)
def test_boxes_of_one_thing_are_alike_and_those_of_a_phone_less_so(label, iou, one):
    shared = 2 * iou / (1 + iou)
    boxes = Box(0.2, 0.2, 0.6, 0.4), Box(0.2, 0.4 - 0.2 * shared, 0.6, 0.6 - 0.2 * shared)
    assert boxes[0].iou(boxes[1]) == pytest.approx(iou)
    found = joined([Look(tuple(Detection(label, 0.8, box) for box in boxes))])
    assert len(found) == (1 if one else 2)
