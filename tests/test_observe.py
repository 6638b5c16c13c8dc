from __future__ import annotations

import random
from dataclasses import replace

import pytest

from edge.config import Config, ObserveConfig, SeatConfig, SessionConfig
from edge.desk.tracks import MOST_TRACKS
from edge.domain import Box, Dock, PhoneUse, View
from tests.desk import (
    AT_CHEST,
    AT_FACE,
    CALM,
    ON_DESK,
    PERIOD_S,
    SITTER,
    STIRRED,
    Desk,
    phone,
    swaying,
)

SESSION = SessionConfig(focus_min=60)


def use_of(desk: Desk) -> PhoneUse | None:
    return desk.sight.phone.use if desk.sight.phone else None


@pytest.mark.parametrize(
    ("scores", "confirmed"),
    [
        pytest.param([0.9, 0.9], False, id="two looks are too few"),
        pytest.param([0.8] * 10, True, id="a second of plain ones"),
        pytest.param([0.8, 0.0, 0.8, 0.8, 0.8] * 3, True, id="one in five was missed"),
        pytest.param([0.35] * 16, True, id="many weak looks that agree"),
        pytest.param([0.2] * 30, False, id="however many that are too weak"),
        pytest.param([0.1, 0.9, 0.1, 0.1, 0.1] * 3, False, id="sure ones among many weak ones"),
        pytest.param([0.9, 0.0, 0.0, 0.9, 0.0, 0.0, 0.9, 0.0], False, id="mostly missed"),
    ],
)
def test_a_phone_is_confirmed_by_what_the_recent_looks_say_together(scores, confirmed):
    desk = Desk().focus().working(9)
    for number, score in enumerate(scores):
        seen = (SITTER, phone(swaying(AT_CHEST, number / 5), score)) if score else (SITTER,)
        desk.frame(seen)
    assert (use_of(desk) is PhoneUse.IN_USE) == confirmed


def test_a_look_that_saw_nothing_confirms_nothing():
    desk = Desk().focus().working(9)
    used = []
    for number in range(40):
        score = 0.9 if number % 2 else 0.0
        seen = (SITTER, phone(swaying(AT_CHEST, number / 5), score)) if score else (SITTER,)
        used.append((score, use_of(desk.frame(seen))))
    first = next((score for score, use in used if use is PhoneUse.IN_USE), 1.0)
    assert first > 0


def test_what_is_shown_of_a_phone_is_the_score_of_this_look_and_the_mean_of_the_recent_ones():
    desk = Desk().focus().using(2, score=0.7)
    for score in (0.8, 0.6, 0.8, 0.6):
        desk.frame((SITTER, phone(swaying(AT_CHEST, desk.now_s), score)))
        shown = desk.seen.seats[0].phone
        assert shown.score == pytest.approx(score)
    assert 0.6 < shown.median < 0.8
    desk.frame((SITTER,))
    missed = desk.seen.seats[0].phone
    assert (missed.track, missed.score, missed.box) == (shown.track, 0.0, shown.box)
    assert missed.median < shown.median


def test_one_look_a_second_confirms_a_phone_all_the_same():
    desk = Desk().focus()
    for second in range(20):
        place = swaying(AT_CHEST, second)
        seen = (SITTER, phone(place)) if second >= 10 else (SITTER,)
        desk.now_s = float(second)
        desk.frame(seen)
    assert use_of(desk) is PhoneUse.IN_USE


def test_a_phone_that_lies_still_is_parked_for_however_long():
    desk = Desk().focus()
    desk.working(60, phone(ON_DESK))
    assert use_of(desk) is PhoneUse.PARKED
    assert desk.seat.pickups == 0


def test_a_parked_phone_that_is_picked_up_is_in_use_from_its_first_movement():
    desk = Desk().focus().working(10, phone(ON_DESK))
    began_s = desk.now_s
    desk.using(1.0)
    assert use_of(desk) is PhoneUse.IN_USE
    assert desk.sight.phone.use_since_s - began_s <= 0.5


def test_a_phone_put_down_is_no_longer_active_at_once_and_parked_soon():
    desk = Desk().focus().working(3).using(5)
    desk.working(0.9, phone(ON_DESK))
    assert desk.now_s - desk.sight.phone.active_s >= 0.5
    desk.working(1.8, phone(ON_DESK))
    assert use_of(desk) is PhoneUse.PARKED


def test_a_place_where_a_hand_stopped_for_a_moment_is_not_remembered_as_a_parked_phone():
    desk = Desk().focus().working(3)
    low = (0.75, 0.5)
    for _ in range(5):
        desk.using(2, low).working(1.8, phone(low)).working(5)
        assert desk.sight.phone is None
        assert desk.seat.pickups > 0


def test_a_call_is_in_use_although_it_is_held_still():
    desk = Desk().focus().working(3).using(2, AT_FACE)
    called = phone(AT_FACE)
    # The phone's box stays; who speaks does not hold still to the pixel.
    desk.play(15, lambda _: ((SITTER, called), STIRRED, (called.box,), (called.box,)))
    assert use_of(desk) is PhoneUse.IN_USE


def test_a_phone_on_a_stand_before_the_chest_since_the_beginning_is_parked():
    desk = Desk().focus().working(30, phone(AT_CHEST))
    assert use_of(desk) is PhoneUse.PARKED


def test_boxes_that_jitter_over_still_pixels_are_no_movement():
    desk = Desk().focus().working(3, phone(ON_DESK))
    lies = (phone(ON_DESK).box,)
    desk.play(20, lambda at_s: ((SITTER, phone(swaying(ON_DESK, at_s))), STIRRED, lies))
    assert use_of(desk) is PhoneUse.PARKED


def test_a_box_that_always_wobbles_does_not_move_while_a_hand_is_about():
    # The detector is in two minds about where the phone ends; beside it somebody types.
    wobbly = random.Random(1)

    def around(place):
        return tuple(edge + wobbly.gauss(0, 0.014) for edge in place)

    lies = phone(ON_DESK).box
    beside = Box(lies.ymin, lies.xmax + 0.02, lies.ymax, 0.6)
    desk = Desk().focus().working(3, phone(ON_DESK))
    for _ in range(300):
        desk.play(0.2, lambda at_s: ((SITTER, phone(around(ON_DESK))), STIRRED, (lies,), (beside,)))
        assert use_of(desk) is PhoneUse.PARKED
    # And all the same it is noticed when it is taken up.
    desk.using(2, AT_CHEST)
    assert use_of(desk) is PhoneUse.IN_USE


@pytest.mark.parametrize(("score", "followed"), [(0.08, True), (0.045, False)])
def test_what_an_eye_says_at_eight_in_a_hundred_is_followed_and_at_four_is_nothing(score, followed):
    desk = Desk().focus().working(0.1, phone(AT_CHEST, score))
    assert bool(desk.memory.tracks) is followed


@pytest.mark.parametrize(("misses", "shown"), [(0, True), (2, False)])
def test_what_was_hardly_seen_and_then_not_is_not_shown(misses, shown):
    desk = Desk().focus().working(0.1, phone(AT_CHEST, 0.08))
    desk.working(PERIOD_S * misses)
    assert desk.memory.tracks
    assert (desk.sight.phone is not None) is shown


@pytest.mark.parametrize(("after_s", "came"), [(1.2, True), (2.0, False)])
def test_what_shows_a_second_after_another_scene_came_from_somewhere_and_after_two_lay_there(
    after_s, came
):
    config = Config(session=SESSION, observe=ObserveConfig(cut=0.5, moved=1.0, frozen_frames=0))
    desk, there = Desk(config).focus().looking_at(CALM, 3, SITTER), (phone(AT_CHEST).box,)
    desk.frame((SITTER,), replace(STIRRED, change=0.9), there)
    desk.play(after_s, lambda _: ((SITTER,), STIRRED, there))
    desk.frame((SITTER, phone(AT_CHEST)), STIRRED, there)
    assert desk.memory.tracks[0].held is came


@pytest.mark.parametrize(
    ("left_edge", "use"),
    [
        pytest.param(ON_DESK[1] + 0.05, PhoneUse.PARKED, id="hands that type beside it"),
        pytest.param(ON_DESK[1] - 0.04, PhoneUse.IN_USE, id="pixels that change where it lies"),
    ],
)
def test_a_movement_takes_pixels_that_change_over_the_box_and_not_beside_it(left_edge, use):
    lies, hands = (phone(ON_DESK).box,), (Box(0.75, left_edge, 1.0, 0.7),)
    desk = Desk().focus().working(3, phone(ON_DESK))
    desk.play(3, lambda at_s: ((SITTER, phone(swaying(ON_DESK, at_s))), STIRRED, lies, hands))
    assert use_of(desk) is use


def test_a_hand_that_covers_a_parked_phone_does_not_pick_it_up():
    desk = Desk().focus().working(5, phone(ON_DESK))
    y, x = ON_DESK
    half = phone((y, x - 0.02), size=(0.14, 0.04))
    lies, hand = (phone(ON_DESK).box,), (Box(y - 0.1, x, y + 0.1, x + 0.2),)
    desk.play(3, lambda _: ((SITTER, half), STIRRED, lies, hand))
    assert use_of(desk) is PhoneUse.PARKED


def test_something_that_flickers_where_it_always_was_did_not_come_from_elsewhere():
    poster = phone((0.2, 0.4), 0.6)
    desk = Desk().focus()
    for _ in range(20):
        desk.working(0.5, poster).working(2.5)
    assert desk.seat.pickups == 0


def test_a_raised_phone_after_another_scene_is_one_in_use():
    config = Config(session=SESSION, observe=ObserveConfig(cut=0.5, moved=1.0, frozen_frames=0))
    for before in ((), (phone(AT_CHEST),)):
        desk = Desk(config).focus().looking_at(CALM, 8, SITTER, *before)
        desk.frame((SITTER, phone(AT_CHEST)), replace(STIRRED, change=0.9)).using(1.5)
        assert use_of(desk) is PhoneUse.IN_USE


def test_a_phone_that_was_nudged_and_lies_again_is_in_nobody_s_hand():
    desk = Desk().focus().working(10, phone(ON_DESK))
    moved = (ON_DESK[0] - 0.03, ON_DESK[1] + 0.02)
    desk.working(0.3, phone(moved)).working(4, phone(moved))
    assert use_of(desk) is PhoneUse.PARKED
    assert desk.seat.pickups == 0


def test_a_box_that_grows_around_what_lies_there_does_not_move_it():
    desk = Desk().focus().working(20, phone(AT_CHEST))
    desk.working(0.6, phone((AT_CHEST[0] + 0.03, AT_CHEST[1]), size=(0.2, 0.09)))
    assert use_of(desk) is PhoneUse.PARKED


def test_what_hardly_looks_like_a_phone_does_not_swallow_one_that_is_held_before_it():
    desk = Desk().focus()
    emblem = phone(AT_CHEST, 0.1, size=(0.12, 0.08))
    desk.working(20, emblem)
    for _ in range(15):
        sway_y, sway_x = swaying((0.0, 0.0), desk.now_s)
        held = phone((AT_CHEST[0] + 0.07 + sway_y / 2, AT_CHEST[1] + sway_x / 2))
        desk.frame((SITTER, held), things=[held.box, emblem.box])
    assert use_of(desk) is PhoneUse.IN_USE


def test_what_lies_does_not_creep_from_one_half_seen_box_to_the_next():
    desk = Desk().focus().working(10, phone(ON_DESK))
    for step in range(1, 8):
        place = (ON_DESK[0] - 0.03 * step, ON_DESK[1] + 0.03 * step)
        desk.frame((SITTER, phone(place, 0.2)), CALM, things=[phone(ON_DESK).box])
    assert desk.memory.tracks[0].number == 1
    assert desk.memory.tracks[0].box.iou(phone(ON_DESK).box) > 0


def test_one_look_that_saw_it_elsewhere_moves_nothing():
    desk = Desk().focus().working(20, phone(AT_CHEST))
    moved = phone((AT_CHEST[0] + 0.06, AT_CHEST[1]))
    desk.frame((SITTER, moved)).working(3, phone(AT_CHEST))
    assert use_of(desk) is PhoneUse.PARKED


def test_two_phones_are_two_tracks_and_the_one_in_use_counts():
    desk = Desk().focus().working(4, phone(ON_DESK))
    desk.play(2, lambda at_s: ((SITTER, phone(ON_DESK), phone(swaying(AT_CHEST, at_s))), STIRRED))
    assert use_of(desk) is PhoneUse.IN_USE
    assert len(desk.memory.tracks) == 2


def test_a_second_box_of_a_held_phone_does_not_take_it_over():
    # Now and then the detector sees the phone with its hand, besides or instead of the phone.
    y, x = AT_CHEST
    held, with_hand = phone(AT_CHEST), phone((y + 0.05, x), 0.6, size=(0.24, 0.09))
    desk = Desk().focus().working(3).using(4)
    for _ in range(3):
        desk.using(0.5).working(0.2, held, with_hand).using(1.5)
        desk.working(0.4, phone((y + 0.03, x), size=(0.2, 0.09)))
        assert use_of(desk) is PhoneUse.IN_USE
        assert len(desk.memory.tracks) == 1
    assert desk.seat.pickups == 1


def test_a_phone_that_is_raised_again_the_way_it_came_has_come_all_the_same():
    # So fast that it is seen in a new place in each look.
    desk = Desk().focus().working(10, phone(ON_DESK))
    way = [(0.70, 0.30), AT_CHEST]
    for _ in range(4):
        for place in way:
            desk.working(0.1, phone(place))
        desk.using(1.5)
        assert use_of(desk) is PhoneUse.IN_USE
        for place in reversed(way):
            desk.working(0.1, phone(place))
        desk.working(8, phone(ON_DESK))
        assert use_of(desk) is PhoneUse.PARKED


def test_a_bad_box_of_a_covered_phone_does_not_pull_it_away_from_where_it_lies():
    lies, bad = phone(AT_CHEST), phone((0.47, 0.47), 0.3, size=(0.1, 0.07))
    desk = Desk().focus().working(5, lies).working(0.5)
    desk.frame((SITTER, bad)).working(0.5)
    desk.play(2, lambda _: ((SITTER, lies, bad), STIRRED))
    assert desk.seat.pickups == 0
    assert desk.seat.level == 0


# ---------------------------------------------------------------- seats and docks

TWO = Config(
    session=SESSION,
    seats=(
        SeatConfig(name="left", box=Box(0, 0, 1, 0.5)),
        SeatConfig(name="right", box=Box(0, 0.5, 1, 1)),
    ),
)


def test_people_are_told_apart_by_where_they_sit():
    desk = Desk(TWO).focus()
    left = replace(SITTER, box=Box(0.1, 0.05, 0.8, 0.40))
    desk.play(3, lambda at_s: ((left, phone(swaying((0.5, 0.2), at_s))), STIRRED))
    one, other = desk.seen.seats
    assert (one.person, other.person) == (True, False)
    assert one.phone.use is PhoneUse.IN_USE
    assert other.phone is None


AT_KEYS = Box(0.75, 0.35, 1.0, 0.7)
DOCKED = Config(session=SESSION, seats=(SeatConfig(dock=Box(0.8, 0.1, 0.98, 0.3)),))


def test_a_docked_phone_is_fine_whatever_the_hands_do():
    desk = Desk(DOCKED).focus()
    lies, hands = (phone(ON_DESK).box,), (Box(0.7, 0.3, 1.0, 0.6),)
    desk.play(20, lambda at_s: ((SITTER, phone(swaying(ON_DESK, at_s))), STIRRED, lies, hands))
    assert use_of(desk) is PhoneUse.DOCKED
    assert desk.sight.dock is Dock.HOLDS
    assert desk.seat.level == 0


def test_a_phone_taken_from_its_dock_leaves_it_empty():
    desk = Desk(DOCKED).focus().working(5, phone(ON_DESK)).using(3)
    assert desk.sight.dock is Dock.EMPTY
    assert use_of(desk) is PhoneUse.IN_USE


@pytest.mark.parametrize(
    ("changed", "dock"),
    [
        pytest.param(AT_KEYS, Dock.HOLDS, id="hands type beside it"),
        pytest.param(Box(0.8, 0.1, 1.0, 0.3), Dock.EMPTY, id="something moved there"),
    ],
)
def test_a_dock_loses_its_phone_by_a_movement_and_not_by_looks_that_miss_it(changed, dock):
    desk = Desk(DOCKED).focus().working(5, phone(ON_DESK))
    lies = (phone(ON_DESK).box,)
    desk.frame((SITTER,), STIRRED, lies, (changed,))
    desk.play(200, lambda _: ((SITTER,), STIRRED, lies, (AT_KEYS,)))
    assert desk.sight.dock is dock
    desk.working(1, phone(ON_DESK))
    assert desk.sight.dock is Dock.HOLDS


def test_a_seat_without_a_dock_misses_none():
    desk = Desk().focus().working(5)
    assert desk.sight.dock is Dock.NONE


# ---------------------------------------------------------------- the view


@pytest.mark.parametrize(
    ("changes", "view"),
    [
        ({}, View.CLEAR),
        ({"brightness": 0.01, "contrast": 0.02, "detail": 0.006}, View.DARK),
        ({"brightness": 0.01, "contrast": 0.002, "detail": 0.0005}, View.COVERED),
        ({"brightness": 0.2, "contrast": 0.01, "detail": 0.001}, View.COVERED),
        ({"brightness": 0.9, "glare": 0.8}, View.GLARE),
        ({"identical": True}, View.FROZEN),
        ({"shift": 0.8}, View.MOVED),
    ],
    ids=lambda value: str(value) if isinstance(value, View) else "",
)
def test_a_lost_view_is_told_apart(changes, view):
    desk = Desk().focus().working(3)
    desk.looking_at(replace(CALM, **changes), 6)
    assert desk.memory.sight.view is view
    desk.working(1)
    assert desk.memory.sight.view is View.CLEAR


def test_a_moment_without_a_view_is_none_lost():
    desk = Desk().focus().working(3)
    desk.looking_at(replace(CALM, brightness=0.01), 1)
    assert desk.memory.sight.view is View.CLEAR


def test_pictures_of_a_file_may_repeat():
    config = Config(session=SESSION, observe=ObserveConfig(frozen_frames=0))
    desk = Desk(config).focus().looking_at(replace(CALM, identical=True), 20)
    assert desk.memory.sight.view is View.CLEAR


# ---------------------------------------------------------------- gating


def test_nothing_is_looked_at_while_nothing_changes():
    desk = Desk(gate=True).focus().working(2)
    looks = desk.looks
    desk.looking_at(CALM, 60, SITTER)
    assert desk.looks - looks <= 31


def test_changes_are_looked_at_within_the_bound():
    desk = Desk(gate=True).focus().working(2).looking_at(CALM, 10, SITTER)
    began_s = desk.now_s
    while desk.memory.looked_s < began_s:
        desk.frame((SITTER,), STIRRED)
    assert desk.memory.looked_s - began_s <= desk.config.observe.gate_calm_s


def test_a_change_between_two_looks_is_not_forgotten():
    desk = Desk(gate=True).focus().working(2).looking_at(CALM, 10, SITTER)
    while desk.memory.looked_s < desk.now_s:
        desk.frame((SITTER,), CALM)
    looked_s = desk.now_s
    desk.frame((SITTER,), STIRRED)
    desk.looking_at(CALM, 0.4, SITTER)
    assert desk.memory.looked_s > looked_s


def test_every_frame_is_looked_at_while_a_phone_may_be_in_use():
    desk = Desk(gate=True).focus().working(3).using(1)
    looks = desk.looks
    desk.using(2)
    assert desk.looks - looks == 20


def test_something_on_the_wall_that_is_half_a_phone_does_not_keep_the_detector_busy():
    poster = phone((0.2, 0.9), 0.27)
    desk = Desk(gate=True).focus().working(10, poster)
    looks = desk.looks
    desk.working(30, poster)
    assert desk.looks - looks <= 30 / desk.config.observe.gate_calm_s + 1


def test_with_gating_a_pickup_is_seen_as_soon_but_for_the_bound():
    times = []
    for gate in (False, True):
        desk = Desk(gate=gate).focus().working(10, phone(ON_DESK)).using(5)
        (pickup,) = [h for h in desk.happenings() if h.type == "pickup"]
        times.append(pickup.at_s)
    assert times[1] - times[0] <= desk.config.observe.gate_calm_s


def test_memory_stays_small_whatever_is_seen():
    desk = Desk().focus()
    for number in range(400):
        places = [(0.1 + 0.8 * ((number * k) % 17) / 17, 0.05 * k) for k in range(1, 19)]
        desk.frame([SITTER, *(phone(place, 0.6) for place in places)])
    assert len(desk.memory.tracks) <= MOST_TRACKS
    assert all(len(track.heard) <= 48 for track in desk.memory.tracks)


def test_a_half_likely_phone_that_is_pushed_aside_is_no_pickup():
    place = (0.88, 0.2)
    desk = Desk().focus().working(20, phone(place, 0.30))
    for _ in range(6):
        place = (place[0], place[1] + 0.02)
        desk.working(0.1, phone(place, 0.5))
    desk.working(10, phone(place, 0.5))
    assert desk.seat.pickups == 0


def test_what_no_eye_saw_for_long_is_known_again_when_a_hand_comes_over_it():
    lies = phone(ON_DESK).box
    left = phone((ON_DESK[0], ON_DESK[1] - 0.02), size=(0.14, 0.04))
    hand = Box(lies.ymin, left.box.xmax - 0.03, lies.ymax, lies.xmax + 0.1)
    desk = Desk().focus().working(10, phone(ON_DESK))
    desk.play(20, lambda at_s: ((SITTER,), STIRRED, (lies,)))
    desk.play(0.5, lambda at_s: ((SITTER,), STIRRED, (lies,), (hand,)))
    desk.play(4, lambda at_s: ((SITTER, left), STIRRED, (lies,), (hand,)))
    assert desk.seat.pickups == 0


# ---------------------------------------------------------------- when to look, and what came


def glimpse(place, score=0.1):
    return phone(place, score)


def test_what_was_half_seen_there_before_has_not_come_from_elsewhere():
    seen = {}
    for hinted in (False, True):
        desk = Desk().focus()
        for _ in range(120):
            desk.frame((SITTER, glimpse(AT_CHEST)) if hinted else (SITTER,))
        desk.working(0.5, phone(AT_CHEST)).working(0.4, phone((AT_CHEST[0] + 0.01, AT_CHEST[1])))
        seen[hinted] = use_of(desk)
    assert seen == {False: PhoneUse.IN_USE, True: PhoneUse.PARKED}


def test_a_glimpse_of_just_now_or_elsewhere_says_nothing_about_where_a_phone_came_from():
    for place, frames in ((AT_CHEST, 5), (AT_FACE, 120)):
        desk = Desk().focus().working(10)
        for _ in range(frames):
            desk.frame((SITTER, glimpse(place)))
        desk.using(1.5)
        assert use_of(desk) is PhoneUse.IN_USE


def test_what_a_look_did_not_find_where_it_lay_is_looked_for_in_every_frame():
    def looks(seconds, *seen):
        before = desk.looks
        for _ in range(round(seconds / PERIOD_S)):
            desk.frame(seen)
        return desk.looks - before

    desk = Desk(gate=True).focus()
    looks(20, SITTER, phone(ON_DESK))
    calm = looks(1, SITTER, phone(ON_DESK))
    assert looks(1, SITTER) >= 2 * calm
    looks(9, SITTER)
    assert looks(1, SITTER) <= calm + 1  # it has been gone for long
