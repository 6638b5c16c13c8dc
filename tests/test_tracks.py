"""What each number of the tracks is for: a little inside of it, and a little outside."""

from __future__ import annotations

from math import cos, inf, radians, sin

import numpy as np
import pytest

from edge.config import ObserveConfig, SeatConfig
from edge.desk.evidence import Heard, log_odds
from edge.desk.people import Sitter
from edge.desk.pixels import Kept, Pixels
from edge.desk.tracks import (
    Bounds,
    New,
    Track,
    at_look,
    born,
    bounds_of,
    candidates,
    gone,
    in_hand,
    is_near,
    is_of,
    judged,
    may_be_pushed,
    missed,
    seen,
    shares,
    told_apart,
)
from edge.domain import (
    PHONE,
    WHOLE_PICTURE,
    Box,
    Detection,
    Glance,
    Look,
    PhoneUse,
    Thresholds,
)
from tests.desk import Desk, cells, phone

LIES = Box(0.4, 0.4, 0.6, 0.5)
BESIDE = Box(0.4, 0.8, 0.6, 0.9)
BOUNDS = Bounds(light=log_odds(0.4), stays=log_odds(0.2), sound=log_odds(0.7))
SETTINGS = ObserveConfig()
SEATS = (SeatConfig(),)


def grid(*things: Box, hand: Box | None = None):
    return cells(things, () if hand is None else (hand,), 1)


def a_track(held: bool = False, box: Box = LIES, score: float = 0.8, **more) -> Track:
    """One that was seen once; if it lies, it is known to, and its pixels are those of `LIES`."""
    new = New(Detection(PHONE, score, box), 0, held)
    track = born(1, new, Look(()), pixels_of(grid(LIES)), 0.0, ())
    return track._replace(known=not held)._replace(**more)


def off(share: float, box: Box = LIES, *, degrees: float = 0.0) -> Box:
    """The box, moved by that share of its own size."""
    y, x = share * box.size * sin(radians(degrees)), share * box.size * cos(radians(degrees))
    return Box(box.ymin + y, box.xmin + x, box.ymax + y, box.xmax + x)


def scaled(times: float, box: Box = LIES) -> Box:
    """The box, so many times as large around its centre."""
    (y, x), height, width = box.center, times * box.height / 2, times * box.width / 2
    return Box(y - height, x - width, y + height, x + width)


def pixels_of(now, at_s: float = 100.0) -> Pixels:
    """Cells that nobody saw before."""
    return Pixels(at_s, now, ())


def pixels_still(still_s: float, at_s: float = 100.0) -> Pixels:
    """Cells that are as they were for so long; 0: they change all the time."""
    now = np.random.default_rng(1).normal(4.6, 0.3, (48, 64)).astype(np.float32)
    then = now.copy() if still_s else now[::-1].copy()
    return Pixels(at_s, now, ((Kept(at_s - still_s, then), Kept(at_s, now)),))


def looked(
    track: Track,
    box: Box = LIES,
    *,
    still_s: float = 0.0,
    passed_s: float = 0.3,
    pushed: bool = False,
) -> Track:
    found, pixels = Detection(PHONE, 0.8, box), pixels_still(still_s)
    return seen(track, found, Look(()), pixels, track.seen_s + passed_s, pushed=pushed)


def as_judged(track: Track, at_s: float = 0.0, bounds: Bounds = BOUNDS) -> Track:
    return judged(track, Sitter(), None, at_s, SETTINGS, bounds)


def heard(score: float, since_s: float, until_s: float) -> tuple[Heard, ...]:
    """Five looks a second that say so."""
    times = np.arange(until_s, since_s, -0.2)[::-1]
    return tuple(Heard(float(at_s), log_odds(score), 1.0, seen=score > 0) for at_s in times)


def apart(tracks, *phones: Detection, pixels: Pixels | None = None, came: bool = False):
    """Which is which, and what is new, where everything came, or nothing."""
    pixels = pixels or pixels_of(grid())
    known = [at_look(each, pixels) for each in tracks]
    return told_apart(known, phones, SEATS, pixels, lambda box, seat: came)


# ---------------------------------------------------------------- what is followed


@pytest.mark.parametrize(("score", "stays"), [(0.2, True), (0.15, False)])
def test_a_phone_of_four_in_ten_stays_one_on_half_the_score_and_not_on_a_third(score, stays):
    bounds = bounds_of(ObserveConfig(phone_confirm=0.4), Thresholds())
    track = a_track(held=True, confirmed=True, use=PhoneUse.IN_USE, heard=heard(score, -2, 0))
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
    lie = [each.box for each in shown]
    for first in range(0, 24, 8):
        desk.frame(shown[first : first + 8], things=lie)
    assert len(desk.memory.tracks) == 24
    for first in range(24, 48, 8):
        desk.frame(shown[first : first + 8], things=lie)
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
    assert shares(LIES, scaled(times)) is continues
    assert is_near(LIES, scaled(times)) is continues


@pytest.mark.parametrize(("share", "continues"), [(0.25, True), (0.36, False)])
def test_a_box_over_a_third_of_what_lies_there_may_show_it_and_one_over_an_eighth_not(
    share, continues
):
    beside = off(share)
    assert beside.iou(LIES) == pytest.approx(0.29 if continues else 0.11, abs=0.01)
    assert shares(LIES, beside) is continues


def test_what_is_seen_of_a_thing_is_a_part_of_it_and_not_what_it_is_a_part_of():
    assert shares(LIES, scaled(0.4))
    assert not shares(scaled(0.4), LIES)


@pytest.mark.parametrize(("share", "near"), [(0.9, True), (1.1, False)])
def test_what_a_hand_has_goes_by_less_than_its_size_from_look_to_look(share, near):
    assert is_near(LIES, off(share, degrees=30)) is near


def test_what_shows_the_pixels_of_what_lies_is_that_known_or_not():
    pixels = pixels_of(grid(LIES))
    assert is_of(a_track(), LIES, pixels, handled=False)
    assert is_of(a_track(known=False), LIES, pixels, handled=False)
    # Unless a hand has something there: what only seemed to lie may be that.
    assert is_of(a_track(), LIES, pixels, handled=True)
    assert not is_of(a_track(known=False), LIES, pixels, handled=True)


def test_what_a_hand_leaves_to_be_seen_of_what_lies_is_that():
    half = Box(LIES.ymin, LIES.xmin, LIES.ymax, LIES.center[1])
    hand = Box(LIES.ymin, LIES.center[1], LIES.ymax, 0.7)
    assert is_of(a_track(), half, pixels_of(grid(LIES, hand=hand)), handled=False)


def test_what_is_left_of_what_is_known_to_lie_is_that_whatever_moves_there():
    half = Box(LIES.ymin, LIES.xmin, LIES.ymax, LIES.center[1] - 0.01)
    assert LIES.iou(half) < 0.45
    covered = pixels_of(grid(LIES, hand=scaled(1.5)))
    assert is_of(a_track(), half, covered, handled=False)
    assert not is_of(a_track(known=False), half, covered, handled=False)


@pytest.mark.parametrize(("share", "its"), [(0.12, True), (0.25, False)])
def test_under_a_hand_the_box_of_what_lies_is_off_by_an_eighth_of_its_size_and_not_a_fourth(
    share, its
):
    covered = pixels_of(grid(LIES, hand=scaled(1.5)))
    assert not at_look(a_track(), covered).rests
    assert is_of(a_track(), off(share), covered, handled=False) is its
    assert not is_of(a_track(), off(share), covered, handled=True), "a hand has it"
    assert not is_of(a_track(known=False), off(share), covered, handled=False), "it may never lie"


def test_beside_a_phone_that_shows_itself_whole_a_box_is_of_it_as_far_as_it_shares():
    """What may be no phone swallows nothing: a phone is held before many a thing that lies."""
    beside = pixels_of(grid(LIES, hand=Box(0.4, 0.5, 0.6, 0.7)))
    sure = at_look(a_track(confirmed=True), beside)
    assert sure.rests
    assert is_of(sure, off(0.25), beside, handled=False)
    assert not is_of(a_track(), off(0.25), beside, handled=False)


def test_of_all_that_came_to_a_seat_a_hand_has_the_surest():
    surer, other = phone((0.5, 0.5), 0.8), phone((0.2, 0.2), 0.5)
    assert apart((), surer, other, came=True) == ({}, [New(surer, 0, True)])
    held = a_track(held=True, box=off(3.0))
    assert apart((held,), surer, other, came=True) == ({1: surer}, [])


def test_what_did_not_come_lies_but_near_a_hand():
    found = Detection(PHONE, 0.6, off(0.3))
    assert apart((), found) == ({}, [New(found, 0, False)])
    assert apart((a_track(held=True),), found) == ({1: found}, [])
    assert apart((a_track(held=True, seat=1),), found) == ({}, [New(found, 0, False)])


def test_a_second_box_of_what_lies_is_no_other_thing_and_no_first_one():
    pixels = pixels_of(grid(LIES))
    whole, half = Detection(PHONE, 0.8, LIES), Detection(PHONE, 0.5, off(0.1))
    assert apart((a_track(),), whole, half, pixels=pixels) == ({1: whole}, [])
    beside = Detection(PHONE, 0.5, off(0.25))
    assert apart((a_track(known=False),), beside) == ({}, [])


def test_of_two_things_that_lie_a_box_shows_the_one_that_it_is_over():
    two = (a_track(), a_track(box=off(0.3), number=2, known=True))
    nearer = Detection(PHONE, 0.8, off(0.2))
    assert apart(two, nearer, pixels=pixels_of(grid(LIES)))[0] == {2: nearer}


# ---------------------------------------------------------------- what it is doing


@pytest.mark.parametrize(("still_s", "moves"), [(0.0, True), (0.3, False)])
def test_pixels_that_change_where_a_hand_has_it_are_a_movement(still_s, moves):
    held = a_track(held=True, seen_s=2.0)
    assert (looked(held, still_s=still_s).moved_s == 2.3) is moves
    assert looked(a_track(), still_s=still_s).moved_s == -inf


@pytest.mark.parametrize(("since_s", "moves"), [(0.3, False), (0.7, True)])
def test_pixels_change_for_a_third_of_a_second_because_it_came_and_not_for_two_thirds(
    since_s, moves
):
    came = looked(a_track(held=True), off(3.0))
    assert came.first_s == came.seen_s
    assert (looked(came, off(3.0), passed_s=since_s).moved_s > came.seen_s) is moves


@pytest.mark.parametrize(
    ("stirs", "pushed", "hand"),
    [
        pytest.param((0.0, 0.2), False, True, id="a look tells that a fifth stirs"),
        pytest.param((0.0, 0.1), False, False, id="not that a tenth does"),
        pytest.param((0.3, 0.2), True, True, id="the mean tells of what was pushed, a fourth"),
        pytest.param((0.3, 0.0), True, False, id="not of a seventh"),
        pytest.param((0.0, 0.3), True, False, id="whichever of its looks showed that"),
        pytest.param((0.5,), True, False, id="nor does one look, which shows the hand beside"),
        pytest.param((0.5, 0.1), True, False, id="nor what stirred before and does not now"),
        pytest.param((0.2, None, 0.2), True, True, id="what tells nothing is no look"),
        pytest.param((None, None), False, False, id="nobody asked"),
    ],
)
def test_a_hand_stirs(stirs, pushed, hand):
    looks = [Heard(float(at_s), 0.0, 1.0, True, share) for at_s, share in enumerate(stirs)]
    assert in_hand(looks, pushed=pushed) is hand


def test_one_look_after_a_push_moves_nothing():
    held = a_track(held=True, seen_s=2.0)
    assert looked(held).moved_s > -inf
    once = looked(held, pushed=True)
    assert once.moved_s == -inf
    assert looked(once, pushed=True).moved_s > -inf


@pytest.mark.parametrize(
    ("still_s", "pushed", "stirs"),
    [
        pytest.param(0.7, False, True, id="a hand is hardly ever quite still"),
        pytest.param(0.7, True, False, id="beside what was pushed another one is not"),
        pytest.param(0.3, True, True, id="a third of a second ago it was there as well"),
    ],
)
def test_what_was_pushed_and_shows_the_pixels_of_before_does_not_stir(still_s, pushed, stirs):
    edge, now = grid(LIES), grid(LIES)
    rows = slice(round(LIES.ymin * 48), round(LIES.ymax * 48))
    edge[rows, round(LIES.xmin * 64)] += 0.5
    pixels = Pixels(100.0, now, ((Kept(100.0 - still_s, edge), Kept(100.0, now)),))
    assert 0.15 < pixels.stirs(LIES) < 0.3
    held = a_track(held=True, seen_s=2.0)
    found = Detection(PHONE, 0.8, LIES)
    last = seen(held, found, Look(()), pixels, 2.3, pushed=pushed).heard[-1]
    assert last.stirs == (pixels.stirs(LIES) if stirs else 0.0)


@pytest.mark.parametrize(
    ("pixels_s", "since_s", "held"),
    [
        pytest.param(0.3, 3.0, True, id="a third of a second ago is no stillness"),
        pytest.param(0.7, 1.5, True, id="a hand may be still for a second and a half"),
        pytest.param(0.7, 2.1, False, id="and not for two"),
    ],
)
def test_what_is_still_for_two_seconds_lies(pixels_s, since_s, held):
    track = a_track(held=True, still_s=5.0, seen_s=5.0)
    after = looked(track, off(0.1), still_s=pixels_s, passed_s=since_s)
    assert after.held is held
    assert after.place == off(0.1) or held
    assert after.laid is not None or held


@pytest.mark.parametrize(
    ("box", "pushed"),
    [
        pytest.param(off(0.5), True, id="beside where it lay"),
        pytest.param(BESIDE, False, id="far from there"),
    ],
)
def test_what_is_beside_a_place_that_is_left_may_be_pushed(box, pushed):
    left = a_track(known=True)
    assert may_be_pushed(box, [left], WHOLE_PICTURE) is pushed
    assert not may_be_pushed(box, [left._replace(rests=True)], WHOLE_PICTURE), "it lies there"
    assert not may_be_pushed(box, [left._replace(known=False)], WHOLE_PICTURE)
    assert not may_be_pushed(box, [left._replace(held=True)], WHOLE_PICTURE)


def test_what_is_not_before_somebody_may_be_pushed():
    assert not may_be_pushed(LIES, [], scaled(1.5))
    assert may_be_pushed(LIES, [], off(2.0)), "somebody sits beside it"
    assert may_be_pushed(LIES, [], None), "nobody sits there"


def test_it_is_still_since_it_shows_what_it_does():
    track = looked(a_track(held=True), still_s=0.7)
    assert track.still_s == pytest.approx(-0.4)
    assert looked(track, still_s=0.7).still_s == pytest.approx(-0.4)
    assert looked(track, still_s=0.3).still_s == inf


def test_one_look_that_finds_pixels_of_long_ago_lays_nothing_down():
    once = looked(a_track(held=True), still_s=4.0)
    assert once.held
    assert looked(once, still_s=0.3).held
    assert not looked(once, still_s=4.2).held


@pytest.mark.parametrize(("still_s", "known"), [(1.5, False), (3.0, True)])
def test_pixels_of_three_seconds_ago_tell_that_it_lies_and_not_of_one(still_s, known):
    assert looked(a_track(known=False), still_s=still_s).known is known
    assert not looked(a_track(held=True), still_s=still_s).known


def test_what_lies_is_measured_again_when_it_is_known_to_and_not_under_a_hand():
    track = a_track()
    under = looked(track, off(0.1), still_s=0.0)
    assert (under.laid, under.place) == (track.laid, LIES)
    after = looked(track, off(0.1), still_s=3.0)
    assert after.laid is not track.laid
    assert after.place == off(0.05), "the mean of what showed it"
    again = looked(after, off(0.2), still_s=3.0)
    assert again.place == off(0.1)
    assert looked(after, still_s=0.0).known, "a hand over it changes nothing of that"


def test_what_a_hand_has_is_in_use_once_it_moved():
    known = {"confirmed": True, "heard": heard(0.8, -2, 0)}
    assert as_judged(a_track(held=True, moved_s=-0.1, **known)).use is PhoneUse.IN_USE
    assert as_judged(a_track(held=True, moved_s=-inf, **known)).use is PhoneUse.PARKED
    assert as_judged(a_track(**known)).use is PhoneUse.PARKED


def test_what_is_raised_before_somebody_is_in_use_without_a_movement():
    somebody = Sitter(Box(0.1, 0.2, 0.9, 0.8), 0.0)
    track = a_track(held=True, confirmed=True, heard=heard(0.8, -2, 0))
    raised = judged(track, somebody, None, 0.0, SETTINGS, BOUNDS)
    assert (raised.use, raised.why) == (PhoneUse.IN_USE, "raised")
    lies = judged(track._replace(held=False), somebody, None, 0.0, SETTINGS, BOUNDS)
    assert lies.use is PhoneUse.PARKED


def test_what_came_by_a_hand_has_not_moved_in_it_yet():
    found = New(phone((0.5, 0.5)), 0, True)
    assert born(1, found, Look(()), pixels_still(0.0), 7.0, ()).moved_s == -inf


# ---------------------------------------------------------------- when it is forgotten


@pytest.mark.parametrize(("looks", "forgotten"), [(2, False), (3, True)])
def test_two_looks_that_miss_it_forget_nothing_and_three_do(looks, forgotten):
    track = a_track(held=True)
    for look in range(1, looks + 1):
        track = missed(track, Look(()), 2.0 * look / looks)
    assert gone(track, 2.0, SETTINGS) is forgotten


def test_looks_that_missed_it_count_only_since_it_was_last_seen():
    track = missed(a_track(held=True), Look(()), 0.1)
    track = missed(looked(track, passed_s=0.2), Look(()), 1.7)
    assert not gone(track, 1.7, SETTINGS)


@pytest.mark.parametrize(
    ("more", "unseen_s", "forgotten"),
    [
        pytest.param({}, 7.0, False, id="a hand is over it for seven seconds"),
        pytest.param({}, 15.0, True, id="no hand is over it for fifteen"),
        pytest.param({"rested_s": 8.0}, 15.0, False, id="it was there, unseen, before the hand"),
        pytest.param({"rested_s": 8.0}, 20.0, True, id="nor is that hand for twelve"),
        pytest.param({"known": False}, 4.0, True, id="a hand only stopped there"),
        pytest.param({"held": True}, 4.0, True, id="a hand has it, elsewhere"),
    ],
)
def test_what_was_known_to_lie_is_known_again(more, unseen_s, forgotten):
    assert gone(a_track(**more), unseen_s, SETTINGS) is forgotten


@pytest.mark.parametrize(("unseen_s", "forgotten"), [(50.0, False), (70.0, True)])
def test_what_no_eye_sees_where_its_pixels_are_is_remembered_for_a_minute(unseen_s, forgotten):
    assert gone(a_track(rested_s=unseen_s), unseen_s, SETTINGS) is forgotten


@pytest.mark.parametrize(("plain_s", "sure"), [(2.0, False), (3.5, True)])
def test_a_sound_takes_three_seconds_of_evidence_and_not_two_nor_six(plain_s, sure):
    said = (*heard(0.0, -7.0, -plain_s), *heard(0.9, -plain_s, 0.0))
    track = a_track(held=True, confirmed=True, heard=said)
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
    track = a_track(held=True, confirmed=True, sure=before, use=use, heard=enough_to_stay)
    assert as_judged(track).sure is sure


def test_a_window_beside_it_says_nothing_of_it():
    track = a_track()
    assert missed(track, Look((), Glance(BESIDE)), 1.0) == track
    assert missed(track, Look((), Glance(LIES)), 1.0) != track
