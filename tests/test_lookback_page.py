"""The page of a report, to the last figure: somebody has looked at it as it is.

After a change that is meant, look at it again: `python -m tests.test_lookback_page` writes it anew.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from edge.domain import EventType, Totals
from edge.history.lookback import Hour, LookBack
from edge.history.page import Said, _hours_shown, page
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
    ],
)
def test_the_day_is_shown_in_whole_hours_that_can_be_divided(begin, end, hours):
    def of(hour: float) -> datetime:
        return THURSDAY + timedelta(hours=hour)

    late = Segment(Kind.PHONE, of(end), of(end))
    line = [Segment(Kind.FOCUS, of(begin), of((begin + end) / 2)), late]
    assert _hours_shown(line, THURSDAY) == tuple(map(of, hours))


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, make in PAGES.items():
        (FOLDER / name).write_text(make())
