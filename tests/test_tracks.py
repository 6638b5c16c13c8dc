"""What each number of the tracks is for: a little inside of it, and a little outside."""

from __future__ import annotations

from math import cos, radians, sin

import numpy as np
import pytest

from edge.config import ObserveConfig
from edge.desk import motion
from edge.desk.evidence import Heard, log_odds
from edge.desk.geometry import moved
from edge.desk.people import Sitter
from edge.desk.pixels import Kept, Pixels
from edge.desk.tracks import (
    APPEARS,
    CAME,
    WAS_THERE,
    Bounds,
    Track,
    born,
    bounds_of,
    candidates,
    gone,
    is_covered,
    is_of,
    judged,
    matched,
    missed,
    nearness,
    seen,
    still_lies,
)
from edge.domain import PHONE, Box, Detection, Glance, Look, PhoneUse, Thresholds
from tests.desk import Desk, phone

LIES = Box(0.4, 0.4, 0.6, 0.5)
BESIDE = Box(0.4, 0.8, 0.6, 0.9)
BOUNDS = Bounds(light=log_odds(0.4), stays=log_odds(0.2), sound=log_odds(0.7))
SETTINGS = ObserveConfig()


def a_track(held: float = -5.0, box: Box = LIES, score: float = 0.8, **known) -> Track:
    look = Look(())
    track = born(1, 0, Detection(PHONE, score, box), look, 0.0, held=held, before=(), laid=None)
    return track._replace(**known)


def off(share: float, box: Box = LIES, *, degrees: float = 0.0) -> Box:
    """The box, moved by that share of its own size."""
    y, x = share * box.size * sin(radians(degrees)), share * box.size * cos(radians(degrees))
    return Box(box.ymin + y, box.xmin + x, box.ymax + y, box.xmax + x)


def scaled(times: float, box: Box = LIES) -> Box:
    """The box, so many times as large around its centre."""
    (y, x), height, width = box.center, times * box.height / 2, times * box.width / 2
    return Box(y - height, x - width, y + height, x + width)


def pixels_still(still_s: float, at_s: float = 100.0) -> Pixels:
    """Cells that are as they were for so long; 0: they change all the time."""
    now = np.random.default_rng(1).normal(4.6, 0.3, (48, 64)).astype(np.float32)
    then = now.copy() if still_s else now[::-1].copy()
    return Pixels(at_s, now, ((Kept(at_s - still_s, then), Kept(at_s, now)),))


def looked(
    track: Track,
    box: Box,
    *,
    passed_s: float = 0.3,
    pixels: Pixels | None = None,
    rests: bool = False,
    score: float = 0.8,
) -> Track:
    detection, at_s = Detection(PHONE, score, box), track.seen_s + passed_s
    return seen(track, detection, Look(()), pixels or Pixels(), at_s, rests=rests)


def as_judged(track: Track, at_s: float = 0.0, bounds: Bounds = BOUNDS) -> Track:
    return judged(track, Sitter(), None, at_s, SETTINGS, bounds)


def heard(score: float, since_s: float, until_s: float) -> tuple[Heard, ...]:
    """Five looks a second that say so."""
    times = np.arange(until_s, since_s, -0.2)[::-1]
    return tuple(Heard(float(at_s), log_odds(score), 1.0, seen=score > 0) for at_s in times)


# ---------------------------------------------------------------- what is followed


@pytest.mark.parametrize(("score", "stays"), [(0.2, True), (0.15, False)])
def test_a_phone_of_four_in_ten_stays_one_on_half_the_score_and_not_on_a_third(score, stays):
    bounds = bounds_of(ObserveConfig(phone_confirm=0.4), Thresholds())
    track = a_track(held=3.0, confirmed=True, use=PhoneUse.IN_USE, heard=heard(score, -2, 0))
    assert as_judged(track, bounds=bounds).confirmed is stays


def places(count: int) -> list[Detection]:
    """Small things, each too far from the next to be one with it."""
    return [
        phone((0.1 + 0.12 * (k % 7), 0.06 + 0.12 * (k // 7)), 0.6, size=(0.06, 0.06))
        for k in range(count)
    ]


def test_of_one_look_six_phones_are_followed_and_never_a_shop_window_of_sixteen():
    assert len(candidates(Look(tuple(places(6))), 0.1)) == 6
    assert len(candidates(Look(tuple(places(16))), 0.1)) <= 12


def test_what_three_full_looks_show_is_followed_and_what_six_show_is_not():
    desk, shown = Desk().focus(), places(48)
    for first in range(0, 24, 8):
        desk.frame(shown[first : first + 8])
    assert len(desk.memory.tracks) == 24
    for first in range(24, 48, 8):
        desk.frame(shown[first : first + 8])
    assert len(desk.memory.tracks) <= 30


def test_three_seconds_of_fifteen_looks_are_remembered_and_not_five():
    track = a_track()
    for look in range(100):
        track = missed(track, Look(()), look / 15)
    of_looks_s = track.heard[-1].at_s - track.heard[0].at_s
    assert 2.9 < of_looks_s < 5


# ---------------------------------------------------------------- what continues what


@pytest.mark.parametrize(("times", "continues"), [(1 / 2.5, True), (1 / 4, False)])
def test_a_part_may_be_two_and_a_half_times_smaller_and_not_four_times(times, continues):
    assert (nearness(a_track(), scaled(times)) > 0) is continues


@pytest.mark.parametrize(("share", "continues"), [(0.25, True), (0.36, False)])
def test_a_box_over_a_third_of_what_lies_there_continues_it_and_one_over_an_eighth_not(
    share, continues
):
    beside = off(share)
    assert beside.iou(LIES) == pytest.approx(0.29 if continues else 0.11, abs=0.01)
    assert (nearness(a_track(), beside) > 0) is continues


def test_the_nearest_box_continues_what_a_hand_holds_however_sure_the_next_one_is():
    near, surer = Detection(PHONE, 0.5, off(0.05)), Detection(PHONE, 0.9, off(0.2))
    assert matched([a_track(held=3.0)], [surer, near], set(), Pixels()) == {0: 1}


def test_of_one_box_what_lies_there_as_it_did_is_continued_before_what_is_nearer():
    lies, nearer = a_track(box=off(0.1)), a_track(held=3.0)._replace(number=2)
    assert matched([lies, nearer], [Detection(PHONE, 0.8, LIES)], {1}, Pixels()) == {0: 0}
    assert matched([lies, nearer], [Detection(PHONE, 0.8, LIES)], set(), Pixels()) == {1: 0}


@pytest.mark.parametrize(("share", "its"), [(0.2, True), (0.35, False)])
def test_a_bad_box_of_a_phone_that_lies_is_off_by_a_fifth_and_not_by_a_third(share, its):
    assert is_of(a_track(noise=0.02, confirmed=True), off(share), False) is its


@pytest.mark.parametrize(("share", "its"), [(0.4, True), (0.6, False)])
def test_a_box_that_wobbles_by_15_percent_lies_where_it_is_off_by_40_and_not_by_60(share, its):
    assert is_of(a_track(noise=0.15), off(share), False) is its


def test_of_what_may_be_no_phone_a_box_beyond_its_noise_is_something_else():
    """A phone in a hand appears before many a thing that lies about and was never one."""
    assert not is_of(a_track(noise=0.02), off(0.2), False)


@pytest.mark.parametrize(("held", "surely"), [(-2.0, False), (-4.0, True)])
def test_what_lies_surely_is_ninety_eight_to_two_and_not_eighty_eight_to_twelve(held, surely):
    assert is_of(a_track(held=held), LIES, False) is surely


def test_what_a_hand_leaves_of_what_lies_is_no_new_thing_phone_or_not():
    """A hand on a phone that was never sure shows its half surer than the whole."""
    half = Box(LIES.ymin, LIES.xmin, LIES.ymax, LIES.center[1])
    assert is_of(a_track(noise=0.02), half, False)
    assert is_of(a_track(noise=0.02, confirmed=True), half, False)


@pytest.mark.parametrize(("out", "covered"), [(0.012, True), (0.02, False)])
def test_what_a_hand_leaves_of_a_thing_may_stick_out_by_one_hundredth_of_the_picture(out, covered):
    left = Box(0.4, LIES.xmax - 0.05 + out, 0.6, LIES.xmax + out)
    assert is_covered(a_track(noise=0.0), left, Pixels()) is covered


# ---------------------------------------------------------------- where it lies


def test_a_box_that_is_far_off_leaves_what_lies_where_it_is():
    assert looked(a_track(), off(0.7, degrees=90), rests=True).place == LIES


def test_one_look_hardly_moves_where_a_thing_lies_and_twenty_do():
    shown, track = off(0.1), a_track()
    way = []
    for _ in range(20):
        track = looked(track, shown, passed_s=0.0, rests=True)
        way.append(moved(LIES, track.place) / moved(LIES, shown))
    assert way[0] < 0.08
    assert way[-1] > 0.5


def test_one_steady_look_says_little_of_the_noise_and_ten_say_most():
    track, noises = a_track(), []
    for _ in range(10):
        track = looked(track, LIES, rests=True)
        noises.append(track.noise)
    assert noises[0] > 0.07
    assert noises[-1] < 0.04


def test_of_a_thing_that_was_never_off_four_hundredths_are_noise_and_seven_are_not():
    track = a_track()
    for _ in range(100):
        track = looked(track, LIES, rests=True)
    assert motion.ratio(0.04, track.noise) < 0
    assert motion.ratio(0.07, track.noise) > 1


def test_however_its_boxes_jump_a_quarter_of_its_size_says_nothing_of_what_lies():
    track = a_track()
    for k in range(60):
        track = looked(track, off(1.5, degrees=100 * k), rests=True)
    assert abs(motion.ratio(0.25, track.noise)) < 0.2


# ---------------------------------------------------------------- what it is doing


@pytest.mark.parametrize(("held", "use"), [(0.7, PhoneUse.PARKED), (1.5, PhoneUse.IN_USE)])
def test_it_is_taken_at_four_to_one_and_not_at_two_to_one(held, use):
    track = a_track(held=held, confirmed=True, heard=heard(0.8, -2, 0))
    assert as_judged(track).use is use


def test_what_has_come_lies_after_five_looks_at_pixels_that_stay_and_not_after_three():
    track, lies = a_track(held=CAME), []
    for _ in range(5):
        track = looked(track, LIES, pixels=pixels_still(1.0))
        lies.append(track.lies)
    assert lies[2] is False
    assert lies[4] is True


def test_what_appears_with_another_scene_is_neither_in_use_nor_put_down_by_half_a_look():
    track = a_track(held=APPEARS, confirmed=True, heard=heard(0.8, -2, 0))
    assert as_judged(track).use is not PhoneUse.IN_USE
    assert not looked(track, LIES, passed_s=0.15, pixels=pixels_still(1.0)).lies


STEADY = 0.015  # the noise of a thing that was measured for long


@pytest.mark.parametrize(("passed_s", "taken"), [(0.12, False), (0.3, True)])
def test_what_was_there_is_taken_by_a_third_of_a_second_of_movement_and_not_by_a_tenth(
    passed_s, taken
):
    track = looked(a_track(held=WAS_THERE, noise=STEADY), off(0.12), passed_s=passed_s)
    assert (track.held >= 1) is taken
    assert track.lies is not taken


def test_the_movement_of_what_is_hardly_a_phone_counts_more_than_half_and_not_whole():
    track = looked(a_track(held=WAS_THERE, noise=STEADY), off(0.12), score=0.3)
    assert 0 < track.held < 1


def test_one_look_does_not_take_up_what_surely_lies():
    track = looked(a_track(held=-3.4, noise=STEADY), off(0.12))
    assert track.lies
    assert track.held > -1


@pytest.mark.parametrize(("still_in", "in_hand"), [(3, True), (2, False)])
def test_a_hand_may_hold_still_in_one_look_of_three_and_not_in_every_other(still_in, in_hand):
    track = a_track(held=1.0, use=PhoneUse.IN_USE)
    for look in range(1, 13):
        still_s = 0.0 if look % still_in else 1.0
        track = looked(track, LIES, pixels=pixels_still(still_s))
    assert track.lies is not in_hand


@pytest.mark.parametrize(("still_s", "held_on"), [(0.4, True), (0.6, False)])
def test_a_hand_may_hold_it_still_to_the_pixel_for_less_than_half_a_second(still_s, held_on):
    track = a_track(held=1.0, use=PhoneUse.IN_USE)
    after = looked(track, LIES, pixels=pixels_still(still_s))
    assert (after.held > track.held) is held_on


@pytest.mark.parametrize(("still_s", "lies"), [(1.5, False), (3.0, True)])
def test_one_look_at_pixels_of_three_seconds_ago_shows_that_it_lies(still_s, lies):
    assert looked(a_track(held=1.5), LIES, pixels=pixels_still(still_s)).lies is lies


@pytest.mark.parametrize(("held", "lies"), [(2.0, True), (4.0, False)])
def test_a_strong_belief_survives_one_look_at_old_pixels_and_a_weak_one_does_not(held, lies):
    assert looked(a_track(held=held), LIES, pixels=pixels_still(3.0)).lies is lies


def test_what_has_lain_for_an_hour_is_taken_up_by_two_looks_and_not_by_one():
    track = a_track(noise=STEADY)
    for _ in range(20):
        track = looked(track, LIES, pixels=pixels_still(3.0), rests=True)
    once = looked(track, off(0.12))
    assert once.lies
    assert looked(once._replace(place=LIES), off(0.12)).held > 0.5


def test_ten_looks_within_a_third_of_a_second_say_as_much_as_one():
    track = a_track(held=3.0)
    for _ in range(10):
        track = looked(track, LIES, passed_s=0.03, pixels=pixels_still(1.0))
    assert 0.5 < 3.0 - track.held < 1.0


@pytest.mark.parametrize(("passed_s", "same"), [(0.7, True), (1.5, False)])
def test_a_movement_goes_on_over_a_pause_of_less_than_a_second(passed_s, same):
    track = a_track(held=3.0, noise=STEADY, moved_s=0.0, stirred_s=-4.0)
    after = looked(track, off(0.12), passed_s=passed_s)
    assert after.moved_s == passed_s
    assert after.stirred_s == (-4.0 if same else passed_s)


@pytest.mark.parametrize(("held", "moved"), [(3.0, True), (-2.0, False)])
def test_pixels_that_change_where_it_is_are_a_hands_if_one_has_it(held, moved):
    track = looked(a_track(held=held, moved_s=-10.0), LIES, pixels=pixels_still(0.0))
    assert (track.moved_s == track.seen_s) is moved


# ---------------------------------------------------------------- when it is forgotten


@pytest.mark.parametrize(("looks", "forgotten"), [(2, False), (3, True)])
def test_two_looks_that_miss_it_forget_nothing_and_three_do(looks, forgotten):
    track = a_track(held=3.0)
    for look in range(1, looks + 1):
        track = missed(track, Look(()), 2.0 * look / looks)
    assert gone(track, 2.0, SETTINGS, rests=False) is forgotten


def test_looks_that_missed_it_count_only_since_it_was_last_seen():
    track = missed(a_track(held=3.0), Look(()), 0.1)
    track = missed(looked(track, LIES, passed_s=0.2), Look(()), 1.7)
    assert not gone(track, 1.7, SETTINGS, rests=False)


@pytest.mark.parametrize(("lain_s", "unseen_s", "forgotten"), [
    pytest.param(4.0, 7.0, False, id="a hand is over it for seven seconds"),
    pytest.param(4.0, 15.0, True, id="no hand is over it for fifteen"),
    pytest.param(2.0, 4.0, True, id="a hand only stopped there"),
    pytest.param(4.0, 4.0, False, id="it was put there"),
])  # fmt: skip
def test_what_was_seen_to_lie_for_some_seconds_is_known_again(lain_s, unseen_s, forgotten):
    track = a_track(seen_s=lain_s)
    assert gone(track, lain_s + unseen_s, SETTINGS, rests=False) is forgotten


@pytest.mark.parametrize(("plain_s", "sure"), [(2.0, False), (3.5, True)])
def test_a_sound_takes_three_seconds_of_evidence_and_not_two_nor_six(plain_s, sure):
    said = (*heard(0.0, -7.0, -plain_s), *heard(0.9, -plain_s, 0.0))
    track = a_track(held=3.0, confirmed=True, heard=said)
    assert as_judged(track).sure is sure


@pytest.mark.parametrize(
    ("before", "use", "sure"),
    [
        (True, PhoneUse.IN_USE, True),
        (False, PhoneUse.IN_USE, False),
        (True, PhoneUse.PARKED, False),
    ],
)
def test_what_sounded_once_is_believed_on_as_long_as_it_is_used_and_nothing_else(before, use, sure):
    enough_to_stay = heard(0.3, -7.0, 0.0)  # less than begins a sound, and more than ends a light
    track = a_track(held=3.0, confirmed=True, sure=before, use=use, heard=enough_to_stay)
    assert as_judged(track).sure is sure


def test_without_pixels_what_lies_is_known_by_its_box_alone():
    assert still_lies(a_track(), LIES, Pixels(), True)
    assert not still_lies(a_track(), LIES, pixels_still(0.0), True)


def test_what_a_hand_leaves_to_be_seen_says_nothing_of_what_lies_there():
    half = Box(0.4, 0.4, 0.5, 0.5)
    changing = pixels_still(0.0)
    track = looked(a_track(laid=changing.now), half, pixels=changing)
    assert track.held == motion.later(-5.0, 0.3)
    assert looked(a_track(), half, pixels=changing).held > track.held, "it may have moved"


def test_a_window_beside_it_says_nothing_of_it():
    track = a_track()
    assert missed(track, Look((), Glance(BESIDE)), 1.0) == track
    assert missed(track, Look((), Glance(LIES)), 1.0) != track


def test_what_overlaps_is_nearer_than_what_does_not_by_as_much_as_it_overlaps():
    assert nearness(a_track(), LIES) == pytest.approx(2.0)
    assert nearness(a_track(), off(0.25)) == pytest.approx(1 + off(0.25).iou(LIES))
    assert nearness(a_track(held=3.0), off(0.9)) == pytest.approx(0.1)
