"""A still picture: where the eyes look, and what their looks say together."""

from __future__ import annotations

from dataclasses import astuple
from math import exp, log

import pytest

from edge.domain import PERSON, PHONE, WHOLE_PICTURE, Box, Detection, Glance, Look
from edge.vision.still import joined, still

LEAST = log(0.03 / 0.97)  # what a look says of a thing that it does not see


def square(y: float, x: float, side: float = 0.3) -> Box:
    return Box(y, x, y + side, x + side)


def at_whole(*detections: Detection, eye: int = 0) -> Look:
    return Look(detections, Glance(WHOLE_PICTURE, eye))


def at(window: Box, *detections: Detection, eye: int = 0) -> Look:
    return Look(detections, Glance(window, eye))


def mean_of(*odds: float) -> float:
    return 1 / (1 + exp(-sum(odds) / len(odds)))


def odds(score: float) -> float:
    return log(score / (1 - score))


def glances_at(*people: Detection, eyes: int = 2, closely: bool = True) -> list[Glance]:
    """Where the eyes look in a picture in which all of them see these people."""
    looks = still(lambda glance: Look(people, glance), eyes, closely=closely)
    return [look.glance for look in looks]


# ---------------------------------------------------------------- where


def test_each_eye_looks_at_the_whole_and_then_at_whoever_is_in_it():
    person = Detection(PERSON, 0.9, Box(0.2, 0.3, 0.6, 0.5))
    around = Box(0.18, 0.27, 0.62, 0.53)  # 5 % of its height, 15 % of its width on each side
    glances = glances_at(person)
    assert [glance.eye for glance in glances] == [0, 1, 0, 1]
    assert [glance.window for glance in glances[:2]] == [WHOLE_PICTURE] * 2
    for glance in glances[2:]:
        assert astuple(glance.window) == pytest.approx(astuple(around))
    assert glances_at(person, closely=False) == glances[:2]


def test_of_many_people_the_two_are_looked_at_that_are_largest_and_surest():
    small = Detection(PERSON, 0.9, Box(0.4, 0.05, 0.6, 0.15))
    doubtful = Detection(PERSON, 0.3, Box(0.3, 0.2, 0.7, 0.4))  # 0.3 x 0.08 is 0.024
    middle = Detection(PERSON, 0.9, Box(0.3, 0.45, 0.7, 0.6))  # 0.9 x 0.06 is 0.054
    large = Detection(PERSON, 0.9, Box(0.2, 0.65, 0.8, 0.9))
    windows = [g.window for g in glances_at(small, doubtful, middle, large, eyes=1)[1:]]
    assert len(windows) == 2
    for window, person in zip(windows, (large, middle), strict=True):
        assert window.intersection(person.box) == pytest.approx(person.box.area)
        assert window.intersection(small.box) == 0


@pytest.mark.parametrize(
    ("person", "closer"),
    [
        pytest.param(Detection(PERSON, 0.2, square(0.3, 0.3)), 1, id="hardly anybody"),
        pytest.param(Detection(PERSON, 0.19, square(0.3, 0.3)), 0, id="not even that"),
        pytest.param(Detection("cup", 0.9, square(0.3, 0.3)), 0, id="no person"),
        pytest.param(Detection(PERSON, 0.9, Box(0, 0, 1, 0.9)), 0, id="fills the picture"),
    ],
)
def test_a_closer_look_is_for_people_and_where_it_shows_more(person, closer):
    assert len(glances_at(person, eyes=1)) == 1 + closer


# ---------------------------------------------------------------- what


def test_a_phone_is_as_sure_as_all_looks_that_show_it_on_average():
    phone = Detection(PHONE, 0.8, square(0.3, 0.3))
    (found,) = joined([at_whole(phone), at_whole(eye=1)])
    assert found.score == pytest.approx(mean_of(odds(0.8), LEAST))
    shown, beside = square(0.2, 0.2, 0.5), square(0.3, 0.5, 0.4)  # beside: a third of it
    (found,) = joined([at_whole(phone), at(shown), at(beside)])
    assert found.score == pytest.approx(mean_of(odds(0.8), LEAST))


def test_what_is_no_phone_is_judged_by_looks_at_the_whole_alone():
    cup = Detection("cup", 0.8, square(0.3, 0.3))
    window = square(0.2, 0.2, 0.5)
    (found,) = joined([at_whole(cup), at(window)])
    assert found.score == pytest.approx(0.8)
    assert joined([at_whole(), at(window, cup)]) == []


def test_a_phone_that_only_a_closer_look_saw_is_told():
    phone = Detection(PHONE, 0.9, square(0.3, 0.3))
    (found,) = joined([at_whole(), at(square(0.2, 0.2, 0.5), phone)])
    assert found.score == pytest.approx(mean_of(LEAST, odds(0.9)))


def test_a_look_that_shows_a_thing_as_a_few_pixels_counts_for_less():
    phone = Detection(PHONE, 0.9, square(0.5, 0.5, 12 / 416))
    window = square(0.45, 0.45, 0.25)  # where it is 48 of 416 pixels, plain to see
    (found,) = joined([at_whole(), at(window, phone)])
    assert found.score == pytest.approx(1 / (1 + exp(-(0.5 * LEAST + odds(0.9)) / 1.5)))


def test_a_phone_at_the_edge_of_a_window_that_no_look_shows_whole_is_left_as_it_is():
    phone = Detection(PHONE, 0.7, square(0.3, 0.3))
    assert joined([at(Box(0, 0, 1, 0.45), phone)]) == [phone]


def test_edges_are_the_mean_of_what_the_looks_drew_by_how_sure_they_were():
    (found,) = joined(
        [
            at_whole(Detection(PHONE, 0.75, Box(0.30, 0.30, 0.60, 0.60))),
            at_whole(Detection(PHONE, 0.25, Box(0.34, 0.34, 0.64, 0.68)), eye=1),
        ]
    )
    assert astuple(found.box) == pytest.approx((0.31, 0.31, 0.61, 0.62))


@pytest.mark.parametrize(("score", "things"), [(0.02, 0), (0.04, 1)])
def test_what_all_looks_hardly_see_is_nothing(score, things):
    looks = [at_whole(Detection(PHONE, score, square(0.3, 0.3)), eye=eye) for eye in range(2)]
    assert len(joined(looks)) == things


@pytest.mark.parametrize(
    ("label", "shift", "things"),
    [  # of two squares of 0.3 whose edges are apart by `shift`, the overlap is (0.3 - s)/(0.3 + s)
        pytest.param(PHONE, 0.11, 1, id="0.46: one phone"),
        pytest.param(PHONE, 0.12, 2, id="0.43: two phones"),
        pytest.param("cup", 0.07, 1, id="0.62: one cup"),
        pytest.param("cup", 0.08, 2, id="0.58: two cups"),
    ],
)
def test_boxes_that_overlap_much_are_one_thing(label, shift, things):
    one = Detection(label, 0.8, square(0.3, 0.3))
    other = Detection(label, 0.6, square(0.3, 0.3 + shift))
    assert len(joined([at_whole(one), at_whole(other, eye=1)])) == things


def test_things_of_two_names_are_two_and_the_surest_comes_first():
    cup = Detection("cup", 0.6, square(0.3, 0.3))
    phone = Detection(PHONE, 0.7, square(0.3, 0.3))
    # The phone is seen by one of two eyes and is in the end less sure than the cup.
    found = joined([at_whole(phone, cup), at_whole(cup, eye=1)])
    assert [each.label for each in found] == ["cup", PHONE]


# ---------------------------------------------------------------- the numbers


def windows(*people: Detection) -> list[Box]:
    """Where one eye looks closely, of people that it saw in the whole picture."""
    return [glance.window for glance in glances_at(*people, eyes=1)[1:]]


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


def test_what_a_look_hardly_sees_makes_no_second_thing_of_what_another_sees_plainly():
    """A box that says nothing overlaps a phone that another look drew elsewhere: it is no thing."""
    plain, nothing = square(0.2, 0.2), square(0.2, 0.29)
    aside = square(0.2, 0.38)  # overlaps `nothing` alone
    looks = [
        at_whole(Detection(PHONE, 0.8, plain), Detection(PHONE, 0.01, nothing)),
        at_whole(Detection(PHONE, 0.7, plain), Detection(PHONE, 0.02, aside), eye=1),
    ]
    (found,) = joined(looks)
    assert found.box.iou(plain) > 0.99


def test_boxes_that_come_to_be_one_where_all_looks_are_heard_are_one_thing():
    """Each of two boxes of one eye overlaps what the other eye saw better than each other."""
    left, right = square(0.2, 0.2), square(0.2, 0.32)
    middle = square(0.2, 0.26)
    looks = [
        at_whole(Detection(PHONE, 0.3, left), Detection(PHONE, 0.29, right)),
        at_whole(Detection(PHONE, 0.28, middle), eye=1),
        at_whole(Detection(PHONE, 0.27, middle), eye=2),
    ]
    assert left.iou(right) < 0.45 < left.iou(middle)
    assert len(joined(looks)) == 1
