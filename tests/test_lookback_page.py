"""The page of a report, to the last figure: somebody has looked at it as it is.

After a change that is meant, look at it again: `python -m tests.test_lookback_page` writes it anew.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from edge.domain import EventType, Totals
from edge.history.lookback import Hour, LookBack
from edge.history.page import (
    Said,
    _bar,
    _clean,
    _events,
    _hours,
    _hours_shown,
    _or_nothing,
    _per_hour,
    _svg,
    _timeline,
    page,
)
from edge.history.record import Record
from edge.history.report import DayReport, Report, Stretch
from edge.history.timeline import Kind, Segment

FOLDER = Path(__file__).resolve().parent / "looked_at"
THURSDAY = datetime(2026, 3, 5, tzinfo=UTC)
NOON = THURSDAY + timedelta(hours=12)


def at(minutes: float) -> datetime:
    """After nine."""
    return THURSDAY + timedelta(hours=9, minutes=minutes)


def segment(kind: Kind, begin: float, end: float, seat: str | None = None, **more) -> Segment:
    return Segment(kind, at(begin), at(end), seat, **more)


def event(number: int, type_: EventType, minutes: float, seat: str | None, **details) -> Record:
    return Record(number, f"id-{number}", type_, at(minutes), seat, details)


LEFT = Totals(
    focus_s=5400.0, phone_s=600.0, away_s=300.0, break_s=420.0, pickups=4, sessions=3,
    clean_sessions=1, streak=2,
)  # fmt: skip
RIGHT = replace(LEFT, phone_s=60.0, away_s=0.3, pickups=1, clean_sessions=2, streak=3)
DAYS = (
    DayReport(date(2026, 3, 3), {}, 0.0, 0, 0.0),
    DayReport(
        date(2026, 3, 4),
        {"left": Totals(focus_s=900.0, sessions=1, clean_sessions=1, streak=1)}, 900.0, 1, 45.0,
    ),
    DayReport(date(2026, 3, 5), {"left": LEFT, "right": RIGHT}, 2700.0, 1, 0.0),
)  # fmt: skip


def two_seats() -> LookBack:
    """Three days of two seats, the last one with all that there can be in it."""
    hours = tuple(tuple(Hour() for _ in range(24)) for _ in range(7))
    hours[2][15].focus_s = 900.0
    hours[3][9].focus_s, hours[3][9].phone_s, hours[3][9].pickups = 3600.0, 600.0, 4
    hours[3][10].focus_s, hours[3][10].phone_s, hours[3][10].pickups = 1800.0, 60.0, 1
    return LookBack(
        first=date(2026, 3, 3),
        last=date(2026, 3, 5),
        now=NOON,
        report=Report(DAYS, never=(("1970-01-01", Totals(focus_s=120.0)),)),
        hours=hours,
        day=date(2026, 3, 5),
        timeline=(
            segment(Kind.FOCUS, 0, 45),
            segment(Kind.PHONE, 5, 15, "left"),
            segment(Kind.PHONE, 20, 21, "right"),
            segment(Kind.AWAY, 25, 30, "left"),
            segment(Kind.UNSEEN, 31, 33),
            segment(Kind.FAULT, 34, 34, what="<camera>"),
            segment(Kind.BREAK, 45, 52),
            segment(Kind.PAUSED, 60, 70),
            segment(Kind.FOCUS, 130, 180, open=True),
        ),
        clean=(Stretch(at(45), 1800.0, 60.0), Stretch(at(5), 300.0, 29.9)),
        events=(
            event(7, EventType.PICKUP, 5, "left", median=0.71, why="raised"),
            event(8, EventType.LEVEL, 5.5, "left", level=1, reason="phone in hand for 8 s"),
            event(9, EventType.FAULT, 34, None, fault="camera", text="no frame for 5 s"),
        ),
        told=12,
    )


def one_day() -> LookBack:
    """A day of one seat on which little happened: not an hour of focus, no pick-up."""
    whole = two_seats()
    hours = tuple(tuple(Hour() for _ in range(24)) for _ in range(7))
    hours[2][9].focus_s = 900.0
    return replace(
        whole,
        first=date(2026, 3, 4),
        last=date(2026, 3, 4),
        report=Report(DAYS[1:2]),
        hours=hours,
        day=date(2026, 3, 4),
        timeline=(replace(segment(Kind.FOCUS, 0, 15), begin=at(-1440), end=at(-1425)),),
        clean=(),
        events=whole.events[:1],
        told=1,
    )


SAID = Said("Does it help?", ("Too early to say.", "12 of 60 <sessions>."))
PAGES = {
    "two-seats.html": lambda: page(two_seats(), box="Desk & co", said=(SAID,)),
    "one-day.html": lambda: page(one_day(), box="Desk"),
}


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_as_it_was_looked_at(name):
    assert PAGES[name]() == (FOLDER / name).read_text(), __doc__


@pytest.mark.parametrize(
    ("begin", "end", "hours"),
    [  # of the day, as decimal hours; whole hours from and to
        pytest.param(9.0, 9.5, (9, 15), id="at least six"),
        pytest.param(9.5, 15.0, (9, 15), id="whole hours around"),
        pytest.param(9.5, 15.1, (9, 16), id="seven are seven"),
        pytest.param(22.5, 23.5, (18, 24), id="not beyond midnight"),
        pytest.param(0.0, 1.0, (0, 6), id="from midnight on"),
        pytest.param(8.0, 16.0, (8, 16), id="eight"),
        pytest.param(8.0, 16.5, (8, 18), id="nine are made ten"),
        pytest.param(14.5, 23.5, (14, 24), id="ten"),
        pytest.param(13.5, 23.5, (12, 24), id="eleven at the end of the day are made twelve"),
        pytest.param(0.5, 23.5, (0, 24), id="all of it"),
        pytest.param(14.0, 23.0, (14, 24), id="nine are made ten up to midnight"),
        pytest.param(2.0, 22.0, (2, 22), id="twenty"),
        pytest.param(1.5, 22.5, (0, 24), id="twenty-two are made all of it"),
        pytest.param(2.5, 22.5, (0, 24), id="and so are twenty-one"),
    ],
)
def test_the_day_is_shown_in_whole_hours_that_can_be_divided(begin, end, hours):
    def of(hour: float) -> datetime:
        return THURSDAY + timedelta(hours=hour)

    late = Segment(Kind.PHONE, of(end), of(end))
    line = [Segment(Kind.FOCUS, of(begin), of((begin + end) / 2)), late]
    assert _hours_shown(line, THURSDAY) == tuple(map(of, hours))


@pytest.mark.parametrize(
    ("begin", "end", "axis"),
    [  # of the day, in hours; the hours that stand below it
        (9, 15, "09 10 11 12 13 14 15"),
        (9, 16, "09 10 11 12 13 14 15 16"),
        (9, 17, "09 10 11 12 13 14 15 16 17"),
        (8, 18, "08 10 12 14 16 18"),
        (8, 20, "08 10 12 14 16 18 20"),
        (7, 21, "07 09 11 13 15 17 19 21"),
        (7, 23, "07 09 11 13 15 17 19 21 23"),
        (5, 23, "05 08 11 14 17 20 23"),
        (3, 23, "03 07 11 15 19 23"),
        (1, 23, "00 03 06 09 12 15 18 21 00"),
        (0, 24, "00 03 06 09 12 15 18 21 00"),
    ],
)
def test_the_hours_of_a_day_stand_evenly_below_it_whatever_its_length(begin, end, axis):
    line = (
        Segment(Kind.FOCUS, THURSDAY + timedelta(hours=begin), THURSDAY + timedelta(hours=end)),
    )
    shown = _timeline(replace(two_seats(), timeline=line))
    marks = shown.split('<div class="axis">')[1].split("</div>")[0]
    assert marks == "".join(f"<span>{hour}</span>" for hour in axis.split())


def test_what_is_next_to_nothing_is_not_shown():
    assert [_or_nothing(each) for each in (0.0, 0.4, 0.5, 1.0, 5400.0)] == [
        "", "", "0.5 s", "1 s", "1 h 30",
    ]  # fmt: skip
    assert [_per_hour(3, each) for each in (0.0, 59.9, 60.0, 1800.0)] == ["-", "-", "180.0", "6.0"]


def test_a_bar_has_the_phone_at_its_right_and_is_never_longer_than_its_place():
    def drawn(*bar: float) -> list[tuple[str, ...]]:
        return re.findall(
            r'<rect class="(\w+)" x="(\S+)" y="0" width="(\S+)" height="1"/>', _bar(*bar)
        )

    assert drawn(1800, 900, 3600) == [("focus", "0", "25"), ("phone", "25", "25")]
    assert drawn(3600, 0, 3600) == [("focus", "0", "100")]
    assert drawn(9000, 900, 3600) == [("focus", "0", "75"), ("phone", "75", "25")]
    assert drawn(900, 1800, 3600) == [("phone", "0", "25")], "no more of it than there is"
    assert drawn(0, 0, 3600) == []


def test_what_is_drawn_has_a_place_a_size_and_where_wanted_a_shade():
    rects = [("a 0.5", 1, 2, 3, 4), ("b", 0, 0, 0, 1), ("c", 0, 0, 1, 0), ("d", 0, 0, 0.5, 0.25)]
    places = ' x="1" y="2" width="3" height="4"/>'
    last = '<rect class="d" x="0" y="0" width="0.5" height="0.25"/></svg>'
    head = '<svg aria-hidden="true" viewBox="0 0 9 7" preserveAspectRatio="none">'
    assert _svg(9, 7, rects) == f'{head}<rect class="a"{places}{last}'
    assert (
        _svg(9, 7, rects, shades=True) == f'{head}<rect class="a" fill-opacity="0.5"{places}{last}'
    )


@pytest.mark.parametrize(
    ("shown", "told", "caption"),
    [(1, 1, "All of them."), (1, 2, "The latest 1; 1 more came before."), (3, 2, "All of them.")],
)
def test_the_list_says_how_many_came_before_it(shown, told, caption):
    found = replace(two_seats(), events=two_seats().events[:shown], told=told)
    assert f">{caption}<" in _events(found)
    assert _events(replace(found, events=())) == ""


def test_the_hours_have_a_line_for_focus_or_a_pickup_and_are_left_out_without_any_focus():
    hours = tuple(tuple(Hour() for _ in range(24)) for _ in range(7))
    hours[0][0].pickups = 2
    assert _hours(replace(two_seats(), hours=hours)) == ""
    hours[1][1].phone_s = 30.0
    hours[6][23].focus_s = 0.5
    shown = _hours(replace(two_seats(), hours=hours))
    rows = shown.split("<tbody>")[1].split("</tbody>")[0]
    assert re.findall(r">([^<>\n]+)<", rows) == [
        "Monday, 0:00", "0 s", "0 s", "2", "Sunday, 23:00", "0.5 s", "0 s", "0",
    ]  # fmt: skip
    drawn = re.findall(
        r'<rect class="(focus|phone)" fill-opacity="(.*?)" x="(.*?)" y="(.*?)"', shown
    )
    assert drawn == [("focus", "1.00", "23.05", "6.05"), ("phone", "1.00", "1.05", "1.05")]
    assert re.findall(r"<p>(.*?)</p>", shown) == [
        "The strongest colour is 0.5 s.", "The strongest colour is 30 s.",
    ]  # fmt: skip


def test_a_time_without_the_phone_says_what_nobody_saw_of_it():
    stretches = tuple(Stretch(at(45), 1800.0, unseen_s) for unseen_s in (29.9, 30.0, 31.0))
    rows = _clean(replace(two_seats(), clean=stretches)).split("<tbody>")[1].split("</tbody>")[0]
    assert re.findall(r"<td>(.*?)</td>", rows) == ["", "30 s", "31 s"]
    assert rows.count('<th scope="row">30 min</th><td class="when">Thu 05 Mar, 09:15</td>') == 3


def test_lanes_are_of_each_seat_where_there_are_several_and_a_moment_is_to_be_seen():
    line = (segment(Kind.FOCUS, 0, 360), segment(Kind.PHONE, 60, 60, "left"))
    shown = _timeline(replace(two_seats(), timeline=line))
    assert re.findall(r"<span>([a-z ,]+)</span>", shown) == [
        "focus", "phone", "away", "break or pause", "fault or no view",
    ]  # fmt: skip
    assert '<rect class="phone" x="3600" y="0" width="54" height="1"/>' in shown
    line += (segment(Kind.AWAY, 61, 62, "right"),)
    shown = _timeline(replace(two_seats(), timeline=line))
    assert re.findall(r"<span>([a-z ,]+)</span>", shown) == [
        "focus", "phone, left", "phone, right", "away, left", "away, right", "break or pause",
        "fault or no view",
    ]  # fmt: skip
    assert shown.count('<rect class="phone"') == shown.count('<rect class="away"') == 1


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, make in PAGES.items():
        (FOLDER / name).write_text(make())
