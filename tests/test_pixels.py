from __future__ import annotations

import numpy as np
import pytest

from edge.desk.pixels import OTHER, PERIODS_S, Pixels, _cells, differing
from edge.domain import Box
from tests.desk import cells

PHONE = Box(0.4, 0.4, 0.55, 0.5)
BESIDE = Box(0.4, 0.55, 0.7, 0.8)


def grey(things=(), hands=(), tick=0, light=0.0):
    return cells(things, hands, tick) + np.float32(light)


@pytest.mark.parametrize(
    ("after", "same"),
    [
        pytest.param(grey([PHONE]), True, id="nothing happened"),
        pytest.param(grey([PHONE], light=0.4), True, id="a lamp was switched on"),
        pytest.param(grey([PHONE], [BESIDE], 7), True, id="a hand moves beside it"),
        pytest.param(grey([PHONE], [Box(0.0, 0.0, 1.0, 0.38)], 7), True, id="half of the rest"),
        pytest.param(grey(), False, id="it is gone"),
        pytest.param(grey([Box(0.44, 0.43, 0.59, 0.53)]), False, id="it moved by a third"),
        pytest.param(grey([PHONE], [PHONE], 7), False, id="a hand is over it"),
    ],
)
def test_a_thing_that_lies_leaves_its_pixels_as_they_are(after, same):
    assert (differing(after, grey([PHONE]), PHONE) < OTHER) == same


def test_a_shadow_over_a_thing_and_what_is_around_it_changes_nothing():
    shaded = grey([PHONE])
    shaded[10:40, 15:45] -= 0.3
    assert differing(shaded, grey([PHONE]), PHONE) < OTHER


def test_a_sleeve_all_around_a_thing_that_shows_it_whole_changes_nothing():
    sleeve = grey([PHONE])
    sleeve[14:32, 20:38] += 0.8
    rows, columns = _cells(0.4, 0.55, 48), _cells(0.4, 0.5, 64)
    sleeve[rows, columns] = grey([PHONE])[rows, columns]
    assert differing(sleeve, grey([PHONE]), PHONE) < OTHER
    sleeve[rows, columns] += 0.4
    assert differing(sleeve, grey([PHONE]), PHONE) >= OTHER


def played(*grids, period_s=0.2):
    pixels = Pixels()
    for number, grid in enumerate(grids):
        pixels = pixels.at(number * period_s, None if grid is None else grid.copy())
    return pixels


def test_what_has_lain_for_long_is_known_to():
    pixels = played(*[grey()] * 5, *[grey([PHONE])] * 60)
    assert 2.0 < pixels.still_s(PHONE) <= 12.0
    assert not pixels.new(PHONE)


def test_what_came_just_now_is_new_until_it_has_lain_for_a_moment():
    came = played(*[grey()] * 30, grey([PHONE]))
    assert came.new(PHONE)
    assert came.still_s(PHONE) == 0
    lies = played(*[grey()] * 30, *[grey([PHONE])] * 4)
    assert not lies.new(PHONE)
    assert 0 < lies.still_s(PHONE) < 1


def test_what_stirs_is_the_share_of_the_cells_that_changed_in_the_moment_before():
    rows, columns = _cells(0.4, 0.55, 48), _cells(0.4, 0.5, 64)
    swayed = grey([PHONE])
    inside = swayed[rows, columns]
    inside.flat[: round(0.25 * inside.size)] += 0.5
    pixels = played(*[grey([PHONE])] * 30, swayed)
    assert pixels.stirs(PHONE) == pytest.approx(0.25, abs=0.02)
    assert pixels.still_s(PHONE) > 0
    assert Pixels().stirs(PHONE) == 0


@pytest.mark.parametrize("held", [True, False])
def test_what_a_hand_brings_back_to_where_it_was_is_new_again(held):
    pixels = played(*[grey()] * 400)
    for number in range(400, 1000):  # two minutes in a hand that holds still, then ten without
        pixels = pixels.at(number * 0.2, grey([PHONE] if number < 950 else ()), held=number < 950)
    if not held:
        pixels = played(*[grey()] * 400, *[grey([PHONE])] * 550, *[grey()] * 50)
    again = pixels.at(200.0, grey([PHONE]))
    assert again.new(PHONE) is held


def test_what_is_put_down_is_known_to_lie_for_five_seconds_all_the_same():
    pixels = played(*[grey()] * 400)
    for number in range(400, 500):
        pixels = pixels.at(number * 0.2, grey([PHONE]), held=True)
    assert 2.4 < pixels.still_s(PHONE) < 5.0


def test_what_a_hand_was_over_has_not_come_when_it_shows_again():
    hands = [grey([PHONE], [PHONE], tick) for tick in range(1, 11)]
    pixels = played(*[grey([PHONE])] * 30, *hands, grey([PHONE]))
    assert not pixels.new(PHONE)


@pytest.mark.parametrize("over_s", [1, 3, 4, 8, 15, 30])
def test_however_long_a_hand_was_over_it_what_was_there_before_is_not_new(over_s):
    hands = [grey([PHONE], [PHONE], tick) for tick in range(1, 5 * over_s + 1)]
    pixels = played(*[grey([PHONE])] * 400, *hands, grey([PHONE]))
    assert not pixels.new(PHONE)


def test_what_moves_is_never_still():
    places = [Box(0.1 + 0.07 * k, 0.4, 0.25 + 0.07 * k, 0.5) for k in range(10)]
    pixels = Pixels()
    for number, place in enumerate(places):
        pixels = pixels.at(number * 0.2, grey([place]))
        assert pixels.still_s(place) == 0


def test_without_cells_everything_is_new_and_nothing_known_to_be_still():
    pixels = played(grey([PHONE]), None)
    assert pixels.new(PHONE)
    assert pixels.still_s(PHONE) == 0
    assert not pixels.as_in(grey([PHONE]), PHONE)


def test_with_the_first_cells_nothing_is_new():
    assert not played(grey([PHONE])).new(PHONE)


def test_cells_of_another_size_show_nothing_that_was_there():
    pixels = played(grey([PHONE]))
    assert not pixels.as_in(grey([PHONE])[::2, ::2], PHONE)


def test_what_is_kept_stays_small_for_however_long():
    pixels = played(*[grey([PHONE])] * 600)
    assert len({id(kept.grid) for pair in pixels.kept for kept in pair}) <= 2 * len(PERIODS_S)


# ---------------------------------------------------------------- what each number is for


@pytest.mark.parametrize(
    ("lain_s", "least_s", "most_s"),
    [(0.5, 0.19, 0.41), (1.8, 0.69, 1.19), (5.0, 2.39, 4.79), (30, 9.59, 19.2), (200, 38.39, 76.8)],
)
def test_what_has_lain_for_a_while_is_known_to_have_lain_for_a_good_part_of_it(
    lain_s, least_s, most_s
):
    period_s, before = (0.1, 30) if lain_s < 10 else (1.0, 100)
    lain = round(lain_s / period_s)
    pixels = played(*[grey()] * before, *[grey([PHONE])] * lain, period_s=period_s)
    assert least_s <= pixels.still_s(PHONE) <= most_s


@pytest.mark.parametrize("period_s", [0.2, 0.6, 2.4, 9.6])
def test_what_has_lain_for_twice_a_period_is_known_to_have_lain_for_one(period_s):
    """Whenever it came: what is kept may be as old as two periods, and is not older."""
    step_s = period_s / 6
    for before in range(20, 36):
        pixels = played(*[grey()] * before, *[grey([PHONE])] * 14, period_s=step_s)
        assert period_s - step_s <= pixels.still_s(PHONE) <= 2 * period_s + step_s


@pytest.mark.parametrize("count", [48, 64])
def test_a_box_smaller_than_a_cell_is_the_cell_it_lies_in(count):
    for cell in range(count):
        low = (cell + 0.1) / count
        assert _cells(low, low + 0.2 / count, count) == slice(cell, cell + 1)


def test_what_was_put_there_ten_seconds_ago_has_not_come_with_the_hand_that_left_it():
    hands = [grey([PHONE], [PHONE], tick) for tick in range(1, 6)]
    pixels = played(*[grey()] * 400, *[grey([PHONE])] * 50, *hands, grey([PHONE]))
    assert not pixels.new(PHONE)


LARGE = Box(0.3, 0.3, 0.6, 0.6)


def changed_by(much: float, noise: float = 0.0) -> float:
    """Share of a box's cells that differ, where the box is so much darker than it was and every
    cell in the picture is off by noise."""
    now = grey() + np.random.default_rng(9).normal(0, noise, grey().shape).astype(np.float32)
    now[14:29, 19:38] -= np.float32(much)
    return differing(now, grey(), LARGE)


@pytest.mark.parametrize(("much", "noise", "changed"), [
    pytest.param(0.08, 0.0, True, id="8 % darker"),
    pytest.param(0.045, 0.0, False, id="4.5 % darker may be the light"),
    pytest.param(0.1, 0.012, False, id="10 % is little in a noisy picture"),
    pytest.param(0.09, 0.005, True, id="9 % is not in a plain one"),
    pytest.param(0.0, 0.1, False, id="a picture that is swept along is as it was"),
    pytest.param(0.25, 0.1, True, id="what changes in it is seen all the same"),
])  # fmt: skip
def test_how_much_a_cell_changes_depends_on_what_the_others_did(much, noise, changed):
    assert (changed_by(much, noise) >= OTHER) is changed


def test_a_thing_taken_from_a_plain_desk_is_no_shadow():
    plain = np.full((48, 64), 4.6, np.float32)
    thing = plain.copy()
    thing[14:29, 19:38] = 3.5
    assert differing(plain, thing, LARGE) >= OTHER


def test_a_shadow_that_is_hardly_larger_than_the_thing_is_one_all_the_same():
    shaded = grey()
    shaded[11:31, 15:41] -= np.float32(0.3)
    assert differing(shaded, grey(), LARGE) < OTHER


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        pytest.param(0.25, 0.75, slice(2, 6), id="half of them"),
        pytest.param(0.3, 0.45, slice(2, 4), id="for the most part"),
        pytest.param(0.5, 0.5, slice(4, 5), id="one at least"),
        pytest.param(0.99, 1.0, slice(7, 8), id="the last one"),
        pytest.param(-0.2, 1.2, slice(0, 8), id="no more than there are"),
        pytest.param(1.1, 1.3, slice(7, 8), id="beyond the edge"),
    ],
)
def test_the_cells_of_a_box_are_those_that_lie_in_it_for_the_most_part(low, high, expected):
    assert _cells(low, high, 8) == expected
