"""What each number of the belief in a hand is for: a little inside of it, and a little outside.

What the belief does from look to look is in `test_tracks.py`."""

from __future__ import annotations

from math import exp

import pytest

from edge.desk.motion import NOISE, later, ratio


def test_a_box_of_a_new_thing_a_fifth_of_its_size_away_speaks_for_a_hand_a_little():
    assert 1.6 < exp(ratio(0.2, NOISE)) < 4.5


def test_a_far_box_of_a_steady_thing_is_in_a_hand_more_than_ten_times_as_often_as_not():
    # And not twenty times: what lies has a bad box now and then.
    assert 10 < exp(ratio(0.3, 0.02)) < 18


def test_a_box_that_is_far_off_is_of_a_thing_taken_away_more_often_than_a_bad_one():
    assert exp(ratio(0.6, NOISE)) > 1.5


@pytest.mark.parametrize("sign", [-1, 1])
def test_after_five_minutes_without_a_look_little_is_left_of_a_belief_either_way(sign):
    assert 0.2 < sign * later(sign * 5.0, 300) < 0.35
    assert sign * later(sign * 5.0, 1e6) == pytest.approx(0.0, abs=0.01)
