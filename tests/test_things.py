"""What two kinds of looks make of one thing."""

from __future__ import annotations

import pytest

from edge.domain import PHONE, Box, Detection
from edge.vision.things import ROSE, SEARCHES, Thing, in_whole, in_window, mean

THERE = Box(0.5, 0.5, 0.6, 0.56)
WIDE = Box(0.3, 0.3, 0.8, 0.8)


def phone(score: float, box: Box = THERE) -> Detection:
    return Detection(PHONE, score, box)


def aside(box: Box, by: float, down: float = 0.0) -> Box:
    return Box(box.ymin + down, box.xmin + by, box.ymax + down, box.xmax + by)


def whole(thing: Thing | None, *phones: Detection, frame: int = 2) -> Thing:
    """The first thing after a look at the whole picture."""
    shown, _ = in_whole([thing] if thing else [], phones, frame)
    return shown[0]


def closely(
    thing: Thing, *found: Detection, cut: Detection | None = None, fresh: bool = False
) -> list[Thing]:
    return in_window([thing], found, [cut] if cut else [], 2, aimed=True, fresh=fresh)


def known(score: float = 0.8, hint: float = 0.4) -> Thing:
    """A thing that both kinds of looks have seen, in the same frame."""
    (thing,) = closely(whole(None, phone(hint)), phone(score), fresh=True)
    return thing


def test_a_new_thing_is_where_the_whole_picture_has_it_until_a_closer_look_says_better():
    thing = whole(None, phone(0.3, aside(THERE, 0.01)))
    assert (thing.box, thing.said, thing.plain) == (aside(THERE, 0.01), None, False)
    (seen,) = closely(thing, phone(0.9), fresh=True)
    assert (seen.box, seen.said, seen.whole, seen.plain) == (THERE, 0.9, thing.box, True)


def test_a_box_that_trembles_in_the_whole_picture_moves_nothing():
    thing = whole(known(), phone(0.4, aside(THERE, 0.005)))
    assert thing.likely == thing.now == THERE
    # And what a hand covers loses an edge, but goes nowhere.
    covered = Box(THERE.ymin + 0.03, THERE.xmin, THERE.ymax, THERE.xmax)
    assert whole(known(), phone(0.4, covered)).likely == THERE


def test_what_lies_is_reported_where_a_closer_look_saw_it_until_another_has_seen_it_move():
    moved = aside(THERE, 0.025)
    thing = whole(known(), phone(0.4, moved))
    assert thing.likely.xmin == pytest.approx(moved.xmin)
    assert thing.now == THERE
    (seen,) = closely(thing, phone(0.8, moved), fresh=True)
    assert seen.now == moved
    again = aside(moved, 0.025)
    assert whole(seen, phone(0.4, again)).now.xmin == pytest.approx(again.xmin)
    # Found unmoved three times, it lies.
    for _ in range(3):
        (seen,) = closely(seen, phone(0.8, moved), fresh=True)
    assert whole(seen, phone(0.4, again)).now == moved


def test_what_a_closer_look_saw_move_between_whole_pictures_is_not_counted_twice():
    moved = aside(THERE, 0.025)
    (thing,) = closely(known(), phone(0.8, moved))
    thing = whole(thing, phone(0.4, moved))
    assert thing.now.xmin == pytest.approx(moved.xmin)


def test_what_is_turned_or_goes_far_is_where_the_whole_picture_has_it():
    far = aside(THERE, 0.08)
    assert whole(known(), phone(0.4, far)).likely == far
    turned = Box(0.53, 0.445, 0.59, 0.545)
    assert whole(known(), phone(0.4, turned)).likely == turned


def test_one_bad_look_is_evened_out():
    (thing,) = closely(known(), fresh=True)
    assert thing.said == pytest.approx(mean(0.8, 0.01, 1.0))
    assert thing.box == THERE


def test_what_was_believed_and_is_missed_is_searched_for_and_then_given_up():
    (thing,) = closely(known().unseen())
    assert thing.lost == SEARCHES
    for left in range(SEARCHES - 1, 0, -1):
        (thing,) = in_window([thing], (), (), 3, aimed=False, fresh=False)
        assert thing.lost == left
    assert in_window([thing], (), (), 4, aimed=False, fresh=False) == []
    # What was no phone is not searched for.
    (nothing,) = closely(known(score=0.1))
    assert nothing.lost == 0


def test_a_searched_thing_is_found_near_by_and_is_expected_to_go_on():
    (thing,) = closely(known())
    (found,) = in_window([thing], [phone(0.7, aside(THERE, 0.08))], (), 3, aimed=False, fresh=False)
    assert (found.box, found.lost) == (aside(THERE, 0.08), 0)
    assert found.lively


def test_what_the_window_cuts_off_tells_where_a_phone_went_and_not_what_it_is():
    half = Box(0.5, 0.58, 0.6, 0.62)
    (thing,) = closely(known(), cut=phone(0.1, half))
    assert (thing.said, thing.box, thing.aimed) == (0.8, half, False)
    # Cut off once more it is not believed any longer.
    (thing,) = in_window([thing], (), [phone(0.1, half)], 3, aimed=True, fresh=False)
    assert thing.lost


def test_two_things_keep_apart_and_the_nearest_goes_on():
    left, right = known(), closely(whole(None, phone(0.4, aside(THERE, 0.2))), phone(0.7))[0]
    shown, gone = in_whole(
        [left, right], [phone(0.5, aside(THERE, 0.15)), phone(0.3, aside(THERE, -0.02))], 3
    )
    assert [thing.said for thing in shown] == [right.said, left.said]
    assert gone == []


def test_a_thing_of_another_size_near_by_is_another_thing():
    larger = Box(0.5, 0.58, 0.7, 0.7)
    shown, gone = in_whole([known()], [phone(0.4, larger)], 3)
    assert shown[0].said is None
    assert gone == [known()]


def test_that_there_was_no_phone_does_not_hold_for_what_is_plainly_there_later():
    nothing = known(score=0.02, hint=0.3)
    assert whole(nothing, phone(0.3 + ROSE / 2)).said == nothing.said
    assert whole(nothing, phone(0.3 + ROSE)).said is None
    # Nor for what comes to where there was nothing to be seen.
    assert whole(nothing.unseen(), phone(0.2)).said == nothing.said
    assert whole(nothing.unseen(), phone(0.35)).said is None
    assert whole(known(score=0.8), phone(0.9)).said == 0.8
